/* trace_print.c - see trace_print.h. Messages come from anybody: nothing in them reaches a terminal
 * as a control sequence. */
#include "trace_print.h"

#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

json_t *trace_json_text(struct str bytes)
{
	char *text = malloc(2 * bytes.n + 1);
	size_t n = 0;
	json_t *string;

	for (size_t i = 0; text && i < bytes.n; i++) {
		unsigned char c = (unsigned char)bytes.p[i];

		if (c >= 0x80)
			text[n++] = (char)(0xc0 | c >> 6);
		text[n++] = c >= 0x80 ? (char)(0x80 | (c & 0x3f)) : (char)c;
	}
	string = text ? json_stringn(text, n) : NULL;
	free(text);
	return string ? string : json_string("");
}

json_t *trace_json_message(const struct trace_event *e)
{
	return json_pack("{s:I, s:i, s:s, s:s, s:s, s:s, s:i, s:I, s:o, s:o}", "at_us",
		(json_int_t)e->at_us, "worker", (int)e->worker, "direction", e->out ? "out" : "in",
		"transport", e->transport, "peer", e->peer, "local", e->local, "error", e->error,
		"size", (json_int_t)e->size, "call-id", trace_json_text(str_of(e->call_id)), "text",
		trace_json_text((struct str){e->bytes, e->n}));
}

static void trace_raw_head(const struct trace_event *e)
{
	time_t seconds = (time_t)(e->at_us / 1000000);
	struct tm tm;
	char text[32];

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	printf("==== %s.%06uZ %s %s %s %s%s\n", text, (unsigned)(e->at_us % 1000000), e->transport,
		e->local, e->out ? "->" : "<-", e->peer, e->error ? " NOT SENT" : "");
}

void trace_raw(const struct trace_event *e)
{
	if (e->note) {
		fputs("==== ", stdout);
		ctl_print_text(e->note, stdout); /* which has words of peers */
		putchar('\n');
		return;
	}
	trace_raw_head(e);
	for (size_t k = 0; k < e->n; k++) {
		unsigned char c = (unsigned char)e->bytes[k];
		bool shown = (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t';

		if (c != '\r')
			putchar(shown ? c : '?');
	}
	if (e->n < e->size)
		printf("\n(%zu of %zu bytes were kept)\n", e->n, e->size);
	putchar('\n');
}
