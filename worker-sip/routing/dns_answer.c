/* dns_answer.c - see dns_answer.h. Names and character-strings are expanded by c-ares, which bounds
 * both; the records are walked here, for its own parsers of whole answers tell no TTL of SRV and
 * NAPTR, and nothing of why there is none. Pure. */
#include "dns_answer.h"

#include <ares.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* RFC 2181 section 8: a TTL with the highest bit set is 0. */
#define DNS_TTL_MOST 0x7fffffffu

int dns_question_write(uint8_t out[static DNS_QUERY_MAX], const char *name, uint16_t type)
{
	unsigned char *query;
	int length, size = -EINVAL;

	if (!*name || strlen(name) > DNS_NAME_MAX)
		return -EINVAL;
	if (ares_create_query(name, DNS_CLASS_IN, type, 0, 1, &query, &length, DNS_DATAGRAM_MAX) !=
		ARES_SUCCESS)
		return -EINVAL;
	if (length > 0 && length <= DNS_QUERY_MAX) {
		memcpy(out, query, (size_t)length);
		size = length;
	}
	ares_free_string(query);
	return size;
}

/* ---- one record ---- */

struct dns_reader {
	const uint8_t *bytes, *at, *end;
	uint16_t type; /* that is asked for */
	struct dns_answer *answer;
	char owner[DNS_NAME_MAX + 1]; /* whose records count: the name, or what it is an alias of */
	uint32_t ttl;
};

struct dns_header {
	char name[DNS_NAME_MAX + 1];
	uint16_t type, class;
	uint32_t ttl;
	const uint8_t *data, *end; /* of the record */
};

/* Reads a name at p in lower case. Returns the length of what it takes there; -EBADMSG. A name with
 * escapes, as those of bytes that are no letters are shown, is as long as it is written. */
static int dns_read_name(const struct dns_reader *r, const uint8_t *p, const uint8_t *end,
	char out[DNS_NAME_MAX + 1])
{
	char *name;
	long length;
	size_t n;

	if (p >= end || ares_expand_name(p, r->bytes, (int)(r->end - r->bytes), &name, &length) !=
				ARES_SUCCESS)
		return -EBADMSG;
	n = strlen(name);
	if (n > DNS_NAME_MAX || length > end - p) {
		ares_free_string(name);
		return -EBADMSG;
	}
	for (size_t i = 0; i <= n; i++)
		out[i] = (char)tolower((unsigned char)name[i]);
	ares_free_string(name);
	return (int)length;
}

/* Reads the header of the record at r->at, and goes to the next one. 0 or -EBADMSG. */
static int dns_next(struct dns_reader *r, struct dns_header *h)
{
	int n = dns_read_name(r, r->at, r->end, h->name);

	if (n < 0)
		return n;
	const uint8_t *p = r->at + n;
	if (r->end - p < 10)
		return -EBADMSG;
	h->type = dns_u16(p);
	h->class = dns_u16(p + 2);
	h->ttl = dns_u32(p + 4);
	if (h->ttl > DNS_TTL_MOST)
		h->ttl = 0;
	h->data = p + 10;
	if (r->end - h->data < dns_u16(p + 8))
		return -EBADMSG;
	h->end = r->at = h->data + dns_u16(p + 8);
	return 0;
}

/* Reads the character-string at *p into out, in upper case; an empty text where it has no room.
 * Goes behind it. 0 or -EBADMSG. */
static int dns_read_string(const uint8_t **p, const uint8_t *end, char *out, size_t size)
{
	if (*p >= end || end - *p < 1 + **p)
		return -EBADMSG;
	size_t n = **p;
	bool fits = n < size;
	for (size_t i = 0; i < n && fits; i++)
		out[i] = (char)toupper((*p)[1 + i]);
	out[fits ? n : 0] = '\0';
	*p += 1 + n;
	return 0;
}

static int dns_read_address(const struct dns_header *h, struct dns_record *out)
{
	size_t size = h->type == DNS_A ? 4 : 16;

	if ((size_t)(h->end - h->data) != size)
		return -EBADMSG;
	out->address.family = h->type == DNS_A ? 4 : 6;
	memcpy(out->address.address, h->data, size);
	return 0;
}

static int dns_read_srv(
	const struct dns_reader *r, const struct dns_header *h, struct dns_record *out)
{
	if (h->end - h->data < 7)
		return -EBADMSG;
	out->priority = dns_u16(h->data);
	out->weight = dns_u16(h->data + 2);
	out->port = dns_u16(h->data + 4);
	int n = dns_read_name(r, h->data + 6, h->end, out->name);
	return n < 0 || h->data + 6 + n != h->end ? -EBADMSG : 0;
}

static int dns_read_naptr(
	const struct dns_reader *r, const struct dns_header *h, struct dns_record *out)
{
	const uint8_t *p = h->data + 4;
	char flags[2], expression[1];

	if (h->end - h->data < 8)
		return -EBADMSG;
	out->priority = dns_u16(h->data);
	out->weight = dns_u16(h->data + 2);
	if (dns_read_string(&p, h->end, flags, sizeof(flags)) ||
		dns_read_string(&p, h->end, out->service, sizeof(out->service)) ||
		dns_read_string(&p, h->end, expression, sizeof(expression)))
		return -EBADMSG;
	out->flag = (char)tolower((unsigned char)flags[0]);
	int n = dns_read_name(r, p, h->end, out->name);
	return n < 0 || p + n != h->end ? -EBADMSG : 0;
}

static int dns_read_record(
	const struct dns_reader *r, const struct dns_header *h, struct dns_record *out)
{
	memset(out, 0, sizeof(*out));
	switch (h->type) {
	case DNS_A:
	case DNS_AAAA: return dns_read_address(h, out);
	case DNS_SRV: return dns_read_srv(r, h, out);
	case DNS_NAPTR: return dns_read_naptr(r, h, out);
	default: return -EBADMSG;
	}
}

/* ---- the answer ---- */

static int dns_check_question(struct dns_reader *r, const char *name)
{
	char asked[DNS_NAME_MAX + 1];
	int n = dns_read_name(r, r->at, r->end, asked);

	if (n < 0 || strcasecmp(asked, name) != 0 || r->end - r->at - n < 4)
		return -EBADMSG;
	r->at += n;
	if (dns_u16(r->at) != r->type || dns_u16(r->at + 2) != DNS_CLASS_IN)
		return -EBADMSG;
	r->at += 4;
	return 0;
}

static void dns_limit_ttl(struct dns_reader *r, uint32_t ttl)
{
	if (ttl < r->ttl)
		r->ttl = ttl;
}

/* Takes those records of the answer section that are the owner's, or the alias that stands in their
 * place, whose name is the owner from then on. alias: whether there was one. 0 or -EBADMSG. */
static int dns_take_owner(struct dns_reader *r, unsigned count, bool *alias)
{
	struct dns_header h;
	char next[DNS_NAME_MAX + 1];

	*alias = false;
	for (unsigned i = 0; i < count; i++) {
		struct dns_answer *a = r->answer;
		struct dns_record spare;
		bool room = a->count < DNS_RECORDS_MAX;

		if (dns_next(r, &h))
			return -EBADMSG;
		if (h.class != DNS_CLASS_IN || strcmp(h.name, r->owner) != 0)
			continue;
		if (h.type == DNS_CNAME && !*alias) {
			int n = dns_read_name(r, h.data, h.end, next);

			if (n < 0 || h.data + n != h.end)
				return -EBADMSG;
			*alias = true;
			dns_limit_ttl(r, h.ttl);
		}
		if (h.type != r->type)
			continue;
		if (dns_read_record(r, &h, room ? &a->record[a->count] : &spare))
			return -EBADMSG;
		dns_limit_ttl(r, h.ttl);
		a->count += room;
		a->left_out += !room;
	}
	if (*alias)
		memcpy(r->owner, next, sizeof(next));
	return 0;
}

/* The negative TTL (RFC 2308 section 5): the lesser of the SOA's own and its last field. 0: there
 * is none. */
static uint32_t dns_negative_ttl(struct dns_reader *r, unsigned count)
{
	struct dns_header h;

	for (unsigned i = 0; i < count && dns_next(r, &h) == 0; i++) {
		if (h.type != DNS_SOA || h.class != DNS_CLASS_IN || h.end - h.data < 22)
			continue;
		uint32_t least = dns_u32(h.end - 4);
		return h.ttl < least ? h.ttl : least;
	}
	return 0;
}

static enum dns_outcome dns_outcome_of(unsigned rcode, unsigned count)
{
	if (rcode != DNS_RCODE_NO_ERROR && rcode != DNS_RCODE_NO_NAME)
		return DNS_FAILURE;
	if (count)
		return DNS_FOUND;
	return rcode == DNS_RCODE_NO_NAME ? DNS_NO_NAME : DNS_NOTHING;
}

int dns_answer_read(
	const void *bytes, size_t size, const char *name, uint16_t type, struct dns_answer *out)
{
	const uint8_t *p = bytes;
	struct dns_reader r = {.bytes = p,
		.at = p + DNS_HEADER,
		.end = p + size,
		.type = type,
		.answer = out,
		.ttl = DNS_TTL_MOST};
	bool alias = true;

	memset(out, 0, sizeof(*out));
	if (size < DNS_HEADER || size > DNS_ANSWER_MAX || strlen(name) > DNS_NAME_MAX)
		return -EBADMSG;
	unsigned flags = dns_u16(p + 2), answers = dns_u16(p + 6), authorities = dns_u16(p + 8);
	if (!(flags & DNS_RESPONSE) || flags & (DNS_OPCODE | DNS_TRUNCATED) || dns_u16(p + 4) != 1)
		return -EBADMSG;
	if (dns_check_question(&r, name) || answers + authorities > DNS_RECORDS_READ_MAX)
		return -EBADMSG;
	for (size_t i = 0; i <= strlen(name); i++)
		r.owner[i] = (char)tolower((unsigned char)name[i]);
	const uint8_t *section = r.at;
	for (unsigned depth = 0; alias && !out->count; depth++) {
		if (depth > DNS_ALIASES_MAX)
			return -EBADMSG;
		r.at = section;
		if (dns_take_owner(&r, answers, &alias))
			return -EBADMSG;
	}
	out->outcome = dns_outcome_of(flags & DNS_RCODE, out->count);
	out->ttl = out->outcome == DNS_FOUND ? r.ttl : dns_negative_ttl(&r, authorities);
	return 0;
}
