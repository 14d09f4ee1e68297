/* ack_cancel.c - ACK of a failure and CANCEL, spliced from the INVITE's bytes. Relies on those
 * bytes being ours: whole lines with CRLF, one Via first of all. */
#include "ack_cancel.h"

#include <errno.h>

bool wire_header(const struct wire *w, size_t *at, uint8_t *id, struct str *line, struct str *value)
{
	struct str all = {w->byte, w->size};
	size_t start = *at, end, colon;

	if (start == 0) {
		start = str_find(all, '\n');
		if (start == all.n)
			return false;
		start++;
	}
	if (start >= all.n || all.p[start] == '\r' || all.p[start] == '\n')
		return false;
	end = start;
	do {
		end += str_find(str_from(all, end), '\n');
		if (end == all.n)
			return false;
		end++;
	} while (end < all.n && (all.p[end] == ' ' || all.p[end] == '\t'));
	*line = (struct str){all.p + start, end - start};
	colon = str_find(*line, ':');
	if (colon == line->n)
		return false;
	*id = header_of(str_trim((struct str){line->p, colon}));
	*value = str_trim(str_from(*line, colon + 1));
	*at = end;
	return true;
}

struct str wire_to_tag(const struct wire *w)
{
	struct str line, value, tag = {NULL, 0};
	struct address to;
	size_t at = 0;
	uint8_t id;

	while (wire_header(w, &at, &id, &line, &value)) {
		if (id != HEADER_TO)
			continue;
		if (address_next(&value, &to) == 0)
			param_find(to.params, S("tag"), &tag);
		break;
	}
	return tag;
}

static int ack_cancel_build(struct sip *sip, const struct wire *invite, struct str method,
	struct str to, struct str headers, struct wire **out)
{
	struct str all = {invite->byte, invite->size}, line, value, start;
	struct writer w = scratch_message(&sip->scratch);
	size_t at = 0, space;
	bool via = false;
	uint8_t id;

	/* the request line, from its first space on */
	start = (struct str){all.p, str_find(all, '\n')};
	space = str_find(start, ' ');
	write_str(&w, method);
	write_str(&w, str_from(start, space));
	write_literal(&w, "\n");
	while (wire_header(invite, &at, &id, &line, &value)) {
		switch (id) {
		case HEADER_VIA:
			if (via)
				break;
			via = true;
			write_str(&w, line);
			break;
		case HEADER_ROUTE:
		case HEADER_FROM:
		case HEADER_CALL_ID: write_str(&w, line); break;
		case HEADER_TO:
			if (!to.n) {
				write_str(&w, line);
				break;
			}
			write_literal(&w, "To: ");
			write_str(&w, to);
			write_literal(&w, "\r\n");
			break;
		case HEADER_CSEQ:
			write_literal(&w, "CSeq: ");
			space = 0;
			while (space < value.n && value.p[space] >= '0' && value.p[space] <= '9')
				space++;
			write_bytes(&w, value.p, space);
			write_literal(&w, " ");
			write_str(&w, method);
			write_literal(&w, "\r\n");
			break;
		default: break;
		}
	}
	write_literal(&w, "Max-Forwards: ");
	write_number(&w, sip->settings->max_forwards);
	write_literal(&w, "\r\n");
	write_str(&w, headers);
	write_literal(&w, "Content-Length: 0\r\n\r\n");
	return scratch_wire(&sip->scratch, &w, out);
}

int ack_build(struct sip *sip, const struct wire *invite, struct str to, struct wire **out)
{
	return ack_cancel_build(sip, invite, S("ACK"), to, STR_NONE, out);
}

int cancel_build(struct sip *sip, const struct wire *invite, struct str headers, struct wire **out)
{
	return ack_cancel_build(sip, invite, S("CANCEL"), STR_NONE, headers, out);
}
