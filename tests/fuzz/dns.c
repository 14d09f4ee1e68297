/* dns.c - fuzz target of answers of the DNS: a first octet that says which type was asked for, then
 * the answer to a question for "example". Whatever is read holds to its bounds. */
#include "worker-sip/routing/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void check_record(const struct dns_record *r, uint16_t type)
{
	CHECK(memchr(r->name, 0, sizeof(r->name)) && memchr(r->service, 0, sizeof(r->service)));
	for (const char *p = r->name; *p; p++)
		CHECK(*p < 'A' || *p > 'Z');
	if (type == DNS_A || type == DNS_AAAA)
		CHECK(r->address.family == (type == DNS_A ? 4 : 6) && !r->address.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR};
	static const uint8_t question[] = {0, 0, 0x81, 0x80, 0, 1, 0, 4, 0, 1, 0, 0, 7, 'e', 'x',
		'a', 'm', 'p', 'l', 'e', 0, 0, 0, 0, 1};
	static struct dns_answer answer;

	if (!size || size > DNS_ANSWER_MAX)
		return 0;
	uint16_t type = types[data[0] & 3];
	bool whole = data[0] & 4; /* the question is the input's, too */
	size_t before = whole ? 0 : sizeof(question);
	uint8_t *copy = malloc(before + size); /* exact, so that a read behind it is seen */
	CHECK(copy);
	memcpy(copy, question, before);
	if (!whole)
		copy[sizeof(question) - 3] = (uint8_t)type;
	memcpy(copy + before, data + 1, size - 1);
	if (dns_answer_read(copy, before + size - 1, "example", type, &answer) == 0) {
		CHECK((answer.outcome == DNS_FOUND) == (answer.count > 0) ||
			answer.outcome == DNS_FAILURE);
		CHECK(answer.count <= DNS_RECORDS_MAX);
		for (unsigned i = 0; i < answer.count; i++)
			check_record(&answer.record[i], type);
	}
	free(copy);
	return 0;
}
