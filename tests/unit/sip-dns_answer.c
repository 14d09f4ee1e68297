/* sip-dns_answer.c - what answers of the DNS say, and which of them are refused. */
#include "worker-sip/routing/dns_answer.h"

#include "dns-packet.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

static struct dns_answer answer;

/* From memory of the exact size, so that a read behind it is seen. */
static int read_answer(const char *name, uint16_t type)
{
	uint8_t *copy = malloc(packet.size);
	int error;

	memcpy(copy, packet.bytes, packet.size);
	error = dns_answer_read(copy, packet.size, name, type, &answer);
	free(copy);
	return error;
}

Test(dns_answer, a_question_has_one_name_and_says_how_much_may_come)
{
	uint8_t query[DNS_QUERY_MAX];
	int n = dns_question_write(query, "sip.example.net", DNS_SRV);

	cr_assert_eq(n, DNS_HEADER + 17 + 4 + DNS_OPT_SIZE);
	cr_assert_eq(dns_u16(query + 2), DNS_RECURSION_DESIRED);
	cr_assert_eq(dns_u16(query + 4), 1);
	cr_assert_eq(dns_u16(query + DNS_HEADER + 17), DNS_SRV);
	cr_assert_eq(dns_u16(query + DNS_HEADER + 17 + 4 + 3), DNS_DATAGRAM_MAX);
	cr_assert_eq(dns_question_write(query, "", DNS_A), -EINVAL);
	cr_assert_eq(dns_question_write(query, "a..b", DNS_A), -EINVAL);
}

Test(dns_answer, addresses_have_the_shortest_ttl)
{
	begin("Carrier.example", DNS_A, 0);
	add_a("carrier.EXAMPLE", 300, 0xc0000201);
	add_a("carrier.example", 60, 0xc0000202);
	add_a("other.example", 5, 0xc0000203);
	cr_assert_eq(read_answer("carrier.example", DNS_A), 0);
	cr_assert_eq(answer.outcome, DNS_FOUND);
	cr_assert_eq(answer.count, 2);
	cr_assert_eq(answer.ttl, 60);
	cr_assert_eq(answer.record[1].address.family, 4);
	cr_assert_eq(answer.record[1].address.address[3], 2);
}

Test(dns_answer, aliases_are_followed_in_any_order)
{
	begin("a.example", DNS_A, 0);
	add_a("c.example", 300, 0xc0000201);
	add_alias("b.example", 20, "c.example");
	add_alias("a.example", 40, "b.example");
	cr_assert_eq(read_answer("a.example", DNS_A), 0);
	cr_assert_eq(answer.count, 1);
	cr_assert_eq(answer.ttl, 20);
}

Test(dns_answer, aliases_that_go_in_a_circle_say_nothing)
{
	begin("a.example", DNS_A, 0);
	add_alias("a.example", 40, "b.example");
	add_alias("b.example", 40, "a.example");
	cr_assert_eq(read_answer("a.example", DNS_A), -EBADMSG);
}

Test(dns_answer, services_have_priority_weight_port_and_name)
{
	begin("_sip._udp.example", DNS_SRV, 0);
	add_srv("_sip._udp.example", 100, 10, 20, 5070, "One.example");
	add_srv("_sip._udp.example", 100, 11, 0, 5071, "");
	cr_assert_eq(read_answer("_sip._udp.example", DNS_SRV), 0);
	cr_assert_eq(answer.count, 2);
	cr_assert_eq(answer.record[0].priority, 10);
	cr_assert_eq(answer.record[0].weight, 20);
	cr_assert_eq(answer.record[0].port, 5070);
	cr_assert_str_eq(answer.record[0].name, "one.example");
	cr_assert_str_eq(answer.record[1].name, "");
}

Test(dns_answer, pointers_to_services_have_flag_service_and_replacement)
{
	begin("example", DNS_NAPTR, 0);
	add_naptr("example", 100, 7, "S", "sip+d2u", "_sip._udp.example");
	add_naptr("example", 100, 8, "us", "E2U+a-service-that-is-longer-than-any-of-ours", "");
	cr_assert_eq(read_answer("example", DNS_NAPTR), 0);
	cr_assert_eq(answer.record[0].priority, 7);
	cr_assert_eq(answer.record[0].weight, 50);
	cr_assert_eq(answer.record[0].flag, 's');
	cr_assert_str_eq(answer.record[0].service, "SIP+D2U");
	cr_assert_str_eq(answer.record[0].name, "_sip._udp.example");
	cr_assert_eq(answer.record[1].flag, 0);
	cr_assert_str_eq(answer.record[1].service, "");
}

Test(dns_answer, what_there_is_not_has_the_negative_ttl)
{
	begin("no.example", DNS_A, 3);
	add_soa("example", 900, 40);
	cr_assert_eq(read_answer("no.example", DNS_A), 0);
	cr_assert_eq(answer.outcome, DNS_NO_NAME);
	cr_assert_eq(answer.ttl, 40);
	begin("v4.example", DNS_AAAA, 0);
	add_soa("example", 30, 400);
	cr_assert_eq(read_answer("v4.example", DNS_AAAA), 0);
	cr_assert_eq(answer.outcome, DNS_NOTHING);
	cr_assert_eq(answer.ttl, 30);
	begin("v4.example", DNS_AAAA, 2);
	cr_assert_eq(read_answer("v4.example", DNS_AAAA), 0);
	cr_assert_eq(answer.outcome, DNS_FAILURE);
}

Test(dns_answer, records_beyond_the_bound_are_counted)
{
	begin("many.example", DNS_A, 0);
	for (unsigned i = 0; i < DNS_RECORDS_MAX + 3; i++)
		add_a("many.example", 60, 0xc0000200 + i);
	cr_assert_eq(read_answer("many.example", DNS_A), 0);
	cr_assert_eq(answer.count, DNS_RECORDS_MAX);
	cr_assert_eq(answer.left_out, 3);
}

Test(dns_answer, answers_to_another_question_are_refused)
{
	begin("carrier.example", DNS_A, 0);
	cr_assert_eq(read_answer("other.example", DNS_A), -EBADMSG);
	cr_assert_eq(read_answer("carrier.example", DNS_AAAA), -EBADMSG);
	packet.bytes[2] = 1; /* a question itself */
	cr_assert_eq(read_answer("carrier.example", DNS_A), -EBADMSG);
	packet.bytes[2] = 0x83; /* truncated */
	cr_assert_eq(read_answer("carrier.example", DNS_A), -EBADMSG);
	packet.bytes[2] = 0x81;
	cr_assert_eq(read_answer("carrier.example", DNS_A), 0);
	packet.bytes[5] = 2;
	cr_assert_eq(read_answer("carrier.example", DNS_A), -EBADMSG);
}

Test(dns_answer, each_cut_and_each_wrong_length_is_refused)
{
	begin("example", DNS_NAPTR, 0);
	add_naptr("example", 100, 7, "s", "SIP+D2U", "_sip._udp.example");
	size_t whole = packet.size;
	for (packet.size = 0; packet.size < whole; packet.size++)
		cr_assert_eq(read_answer("example", DNS_NAPTR), -EBADMSG, "%zu", packet.size);
	cr_assert_eq(read_answer("example", DNS_NAPTR), 0);
	begin("example", DNS_A, 0);
	size_t start = record_begin(6, "example", DNS_A, 60);
	put_u32(1);
	put_u16(1);
	record_end(start);
	cr_assert_eq(read_answer("example", DNS_A), -EBADMSG);
	begin("_sip._udp.example", DNS_SRV, 0);
	add_srv("_sip._udp.example", 100, 10, 20, 5070, "one.example");
	packet.bytes[packet.size - 13 - 6 - 1]++; /* its name ends before it does */
	packet.size++;
	cr_assert_eq(read_answer("_sip._udp.example", DNS_SRV), -EBADMSG);
}

Test(dns_answer, a_ttl_with_the_highest_bit_is_none)
{
	begin("example", DNS_A, 0);
	add_a("example", 0x80000001, 1);
	cr_assert_eq(read_answer("example", DNS_A), 0);
	cr_assert_eq(answer.ttl, 0);
}
