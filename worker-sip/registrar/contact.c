/* contact.c - the Contact values of a REGISTER and of its 200 (contact.h). Relies on ipc/syntax.h
 * for the grammar. */
#include "contact.h"

#include "common/counters.h"

#include <errno.h>

/* Whether text begins as a qvalue does: "0" or "1", and a dot where more follows. */
static bool q_begins(struct str text)
{
	return text.n && (text.p[0] == '0' || text.p[0] == '1') &&
	       (text.n == 1 || text.p[1] == '.');
}

int q_read(struct str text, uint16_t *out)
{
	uint16_t thousandths = 0, weight = 100;

	if (text.n > 5 || !q_begins(text))
		return -EINVAL;
	for (size_t i = 2; i < text.n; i++, weight /= 10) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return -EINVAL;
		thousandths = (uint16_t)(thousandths + (text.p[i] - '0') * weight);
	}
	if (text.p[0] == '1')
		thousandths = (uint16_t)(thousandths + 1000);
	if (thousandths > 1000)
		return -EINVAL;
	*out = thousandths;
	return 0;
}

/* delta-seconds; what is larger than 2^32 - 1 is that (RFC 3261 section 20.19). */
static int contact_read_seconds(struct str text, uint32_t *out)
{
	uint64_t number;

	if (text.n == 0)
		return -EINVAL;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return -EINVAL;
	*out = str_number(text, UINT32_MAX, &number) ? UINT32_MAX : (uint32_t)number;
	return 0;
}

static struct str contact_unquoted(struct str s)
{
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		return (struct str){s.p + 1, s.n - 2};
	return s;
}

static bool contact_has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static int contact_read(const struct message *m, const struct address *a, struct contact *out)
{
	struct contact c = {.uri = a->uri, .q = 1000};
	struct str value;
	uint64_t number;

	if (c.uri.headers.n)
		c.uri.whole.n = (size_t)(c.uri.headers.p - 1 - c.uri.whole.p);
	c.uri.headers = STR_NONE;
	if (c.uri.whole.n > BINDING_CONTACT_MAX)
		return -EINVAL;
	if (param_find(a->params, S("q"), &value) && q_read(value, &c.q))
		return -EINVAL;
	if (param_find(a->params, S("expires"), &value))
		c.timed = contact_read_seconds(value, &c.expires) == 0;
	else if (m->expires >= 0) {
		c.timed = true;
		c.expires = m->expires > UINT32_MAX ? UINT32_MAX : (uint32_t)m->expires;
	}
	if (param_find(a->params, S("+sip.instance"), &value)) {
		c.instance = contact_unquoted(value);
		if (c.instance.n > BINDING_INSTANCE_MAX || contact_has_control(c.instance))
			return -EINVAL;
	}
	/* RFC 5626 section 6: a reg-id without an instance is as if it was not there */
	if (c.instance.n && param_find(a->params, S("reg-id"), &value)) {
		if (str_number(value, INT32_MAX, &number) || number == 0)
			return -EINVAL;
		c.reg_id = (uint32_t)number;
	}
	*out = c;
	return 0;
}

int contacts_read(const struct message *m, struct contact *out, unsigned limit)
{
	unsigned n = 0, others = 0;

	for (const struct message_header *h = message_first(m, HEADER_CONTACT); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;
		int error;

		while ((error = contact_next(&rest, &a)) == 0) {
			if (a.uri.scheme != URI_SIP && a.uri.scheme != URI_SIPS) {
				count(REGISTER_CONTACTS_IGNORED);
				others++;
				continue;
			}
			if (n == limit)
				return -E2BIG;
			if (contact_read(m, &a, &out[n++]))
				return -EINVAL;
		}
		if (error != -ENOENT)
			return -EINVAL;
	}
	return n || !others ? (int)n : -EINVAL;
}

static void contact_write_q(struct writer *w, uint16_t q)
{
	char digits[] = {
		'0', '.', (char)('0' + q / 100), (char)('0' + q / 10 % 10), (char)('0' + q % 10)};
	size_t n = sizeof(digits);

	while (n > 3 && digits[n - 1] == '0')
		n--;
	write_literal(w, ";q=");
	write_bytes(w, digits, n);
}

void write_contact(struct writer *w, const struct binding *b, uint64_t now)
{
	write_literal(w, "Contact: <");
	write_str(w, b->contact);
	write_literal(w, ">;expires=");
	write_number(w, b->expires_at > now ? (b->expires_at - now + 999) / 1000 : 0);
	if (b->q != 1000)
		contact_write_q(w, b->q);
	if (b->instance.n) {
		write_literal(w, ";+sip.instance=\"");
		write_str(w, b->instance);
		write_literal(w, "\"");
	}
	if (b->reg_id) {
		write_literal(w, ";reg-id=");
		write_number(w, b->reg_id);
	}
	write_literal(w, "\r\n");
}
