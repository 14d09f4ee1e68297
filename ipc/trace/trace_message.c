/* trace_message.c - what a ladder says of a message (trace_set.h). Messages come from anybody, and
 * nothing is expected of them. Relies on nothing. */
#include "trace_set.h"

#include <stdio.h>

struct str trace_message_header(struct str message, const char *name, const char *compact)
{
	while (message.n && message.p[0] != '\r' && message.p[0] != '\n') {
		size_t end = 0, colon;
		struct str line, have;

		do
			end += str_find(str_from(message, end), '\n') + 1;
		while (end < message.n && (message.p[end] == ' ' || message.p[end] == '\t'));
		if (end > message.n)
			end = message.n;
		line = (struct str){message.p, end};
		message = str_from(message, end);
		colon = str_find(line, ':');
		have = str_trim((struct str){line.p, colon});
		if (colon < line.n &&
			(str_equal_nocase(have, str_of(name)) ||
				(*compact && str_equal_nocase(have, str_of(compact)))))
			return str_trim(str_from(line, colon + 1));
	}
	return STR_EMPTY;
}

static void trace_message_plain(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
			*text = '?';
}

void trace_message_label(const struct trace_event *e, char *buffer, size_t size)
{
	struct str message = {e->bytes, e->n}, first = {e->bytes, 0}, method;
	struct str type = trace_message_header(message, "Content-Type", "c");
	struct str cseq = trace_message_header(message, "CSeq", "");
	const char *body = type.n >= 15 && str_equal_nocase(
						   (struct str){type.p, 15}, S("application/sdp"))
	                           ? " (SDP)"
	                           : "";

	first.n = str_find(message, '\n');
	first = str_trim(first);
	if (str_starts(first, S("SIP/2.0 "))) {
		first = str_from(first, 8);
		method = str_trim(str_from(cseq, str_find(cseq, ' ')));
		if (!method.n || str_equal(method, S("INVITE")))
			snprintf(buffer, size, "%.*s%s", STR(first), body);
		else
			snprintf(buffer, size, "%.*s (%.*s)%s", STR(first), STR(method), body);
	} else {
		method = (struct str){first.p, str_find(first, ' ')};
		snprintf(buffer, size, "%.*s%s%s", STR(method), body, e->error ? " NOT SENT" : "");
	}
	trace_message_plain(buffer);
}
