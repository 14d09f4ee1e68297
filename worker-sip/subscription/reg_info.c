/* reg_info.c - see reg_info.h. */
#include "reg_info.h"

#include "common/clock.h"
#include "ipc/octet.h"
#include "ipc/syntax.h"
#include "worker-sip/registrar/location.h"

struct reg_info {
	struct writer *w;
	struct sip *sip;
	uint64_t now;
	struct reg_info_state state;
};

/* Writes text that stands in an element or between double quotes. */
static void reg_info_write_text(struct writer *w, struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		switch (text.p[i]) {
		case '<': write_literal(w, "&lt;"); break;
		case '>': write_literal(w, "&gt;"); break;
		case '&': write_literal(w, "&amp;"); break;
		case '"': write_literal(w, "&quot;"); break;
		default: /* XML has no way to write other control characters */
			if ((unsigned char)text.p[i] < ' ' || (unsigned char)text.p[i] > '~')
				write_literal(w, "?");
			else
				write_bytes(w, &text.p[i], 1);
		}
}

static void reg_info_write_id(struct writer *w, const struct reg_info *r, struct str of)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t id = hash_str(&r->sip->keys.slot_key, of);
	char text[16];

	for (unsigned i = 0; i < sizeof(text); i++, id >>= 4)
		text[i] = hex[id & 15];
	write_literal(w, "r"); /* no name begins with a digit */
	write_bytes(w, text, sizeof(text));
}

/* An address of record has its user unescaped, and no URI. */
static void reg_info_write_aor(struct writer *w, struct str aor)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t host = aor.n;

	while (host && aor.p[host - 1] != '@')
		host--;
	for (size_t i = 0; i < aor.n; i++) {
		unsigned char c = (unsigned char)aor.p[i];

		if (i < 4 || i + 1 >= host || octet_is(aor.p[i], OCTET_USER)) {
			reg_info_write_text(w, (struct str){&aor.p[i], 1});
			continue;
		}
		char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
		write_bytes(w, escape, sizeof(escape));
	}
}

static void reg_info_write_q(struct writer *w, unsigned q)
{
	char text[5] = {(char)('0' + q / 1000), '.', (char)('0' + q / 100 % 10),
		(char)('0' + q / 10 % 10), (char)('0' + q % 10)};

	write_bytes(w, text, sizeof(text));
}

static void reg_info_write_contact(void *arg, const struct binding *b)
{
	struct reg_info *r = arg;
	struct writer *w = r->w;

	if (!r->state.ends || b->expires_at < r->state.ends)
		r->state.ends = b->expires_at;
	r->state.print = r->state.print * 3 + hash_str(&r->sip->keys.slot_key, b->contact) + b->q;
	write_literal(w, "<contact id=\"");
	reg_info_write_id(w, r, b->reg_id ? b->instance : b->contact);
	write_literal(w, "\" state=\"active\" event=\"registered\" expires=\"");
	write_number(w, b->expires_at > r->now ? (b->expires_at - r->now) / 1000 : 0);
	write_literal(w, "\" q=\"");
	reg_info_write_q(w, b->q);
	write_literal(w, "\" callid=\"");
	reg_info_write_text(w, b->call_id);
	write_literal(w, "\" cseq=\"");
	write_number(w, b->cseq);
	write_literal(w, "\"><uri>");
	reg_info_write_text(w, b->contact);
	write_literal(w, "</uri>");
	if (b->instance.n) {
		write_literal(w, "<unknown-param name=\"+sip.instance\">\"");
		reg_info_write_text(w, b->instance);
		write_literal(w, "\"</unknown-param>");
	}
	if (b->reg_id) {
		write_literal(w, "<unknown-param name=\"reg-id\">");
		write_number(w, b->reg_id);
		write_literal(w, "</unknown-param>");
	}
	write_literal(w, "</contact>\n");
}

struct reg_info_state reg_info_write(
	struct writer *w, struct sip *sip, struct str aor, uint32_t version)
{
	static char buffer[2 * BINDINGS_SIZE_MAX]; /* a worker has one thread */
	struct writer contacts = WRITER(buffer);
	struct reg_info r = {.w = &contacts, .sip = sip, .now = clock_realtime_ms()};
	int n = location_lookup(sip->location, aor, reg_info_write_contact, &r);

	write_literal(w, "<?xml version=\"1.0\"?>\n"
			 "<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"");
	write_number(w, version);
	write_literal(w, "\" state=\"full\">\n<registration aor=\"");
	reg_info_write_aor(w, aor);
	write_literal(w, "\" id=\"");
	reg_info_write_id(w, &r, aor);
	write_literal(w, "\" state=\"");
	write_str(w, n > 0 ? S("active") : version ? S("terminated") : S("init"));
	write_literal(w, "\">\n");
	write_str(w, writer_text(&contacts));
	w->full |= contacts.full;
	write_literal(w, "</registration>\n</reginfo>\n");
	return r.state;
}

bool reg_info_is_accepted(const struct message *m)
{
	if (!message_first(m, HEADER_ACCEPT))
		return true;
	for (const struct message_header *h = message_first(m, HEADER_ACCEPT); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), item;

		while (list_next(&rest, &item) == 0) {
			struct str type = value_without_params(item);

			if (str_equal_nocase(type, S(REG_INFO_TYPE)) || str_equal(type, S("*/*")) ||
				str_equal_nocase(type, S("application/*")))
				return true;
		}
	}
	return false;
}
