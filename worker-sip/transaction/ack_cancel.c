/* ack_cancel.c - ACK of a failure and CANCEL, spliced from the INVITE's bytes. Relies on those
 * bytes being ours: whole lines with CRLF, one Via first of all. */
#include "ack_cancel.h"

#include "worker-sip/message/wire_header.h"

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
