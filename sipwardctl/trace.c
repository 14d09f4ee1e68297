/* trace.c - see trace.h. */
#include "trace.h"

#include "ipc/trace/ladder.h"
#include "print.h"
#include "trace_pcap.h"
#include "trace_collect.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Without a filter so many of the last calls are drawn. */
#define TRACE_LADDERS 20
#define TRACE_WIDTH 100
/* Between two looks at what is new, and how far back each looks: workers' clocks are read before
 * their answers come together. */
#define TRACE_LIVE_MS 300
#define TRACE_LIVE_BACK_US 2000000
#define TRACE_WORKERS 256

static unsigned trace_width(void)
{
	size_t columns = print_terminal(stdout);

	return columns ? (unsigned)columns : TRACE_WIDTH;
}

/* Whether the terminal is not said to be one of UTF-8. */
static bool trace_is_ascii(void)
{
	const char *locale = getenv("LC_ALL");

	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	return !locale || (!strcasestr(locale, "utf-8") && !strcasestr(locale, "utf8"));
}

/* The command line: what it is of, and in what form. */
struct trace_command {
	struct trace_wish wish;
	const char *svg, *pcap; /* files to be written; NULL: none */
	bool live, raw, ascii;
};

static bool trace_is_filtered(const struct trace_wish *w)
{
	return w->call || w->user || w->trunk || w->source;
}

static void trace_ladders(const struct trace_set *t, const struct trace_command *c)
{
	size_t first = 0;

	if (!trace_is_filtered(&c->wish) && t->groups > TRACE_LADDERS) {
		first = t->groups - TRACE_LADDERS;
		printf("%zu earlier ones are left out: --call, --user, --trunk or --source names "
		       "them\n\n",
			first);
	}
	for (size_t group = first; group < t->groups; group++)
		ladder_print(t, group, trace_width(), c->ascii || trace_is_ascii(), stdout);
	if (!t->groups)
		puts("none");
}

/* Each byte of a message as the code point of its number. */
static json_t *trace_json_text(const struct trace_event *e)
{
	char *text = malloc(2 * e->n + 1);
	size_t n = 0;
	json_t *string;

	for (size_t i = 0; text && i < e->n; i++) {
		unsigned char c = (unsigned char)e->bytes[i];

		if (c >= 0x80)
			text[n++] = (char)(0xc0 | c >> 6);
		text[n++] = c >= 0x80 ? (char)(0x80 | (c & 0x3f)) : (char)c;
	}
	string = text ? json_stringn(text, n) : NULL;
	free(text);
	return string ? string : json_string("");
}

static json_t *trace_json(const struct trace_set *t)
{
	json_t *messages = json_array();

	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->event[i];

		if (!e->note)
			json_array_append_new(messages,
				json_pack("{s:I, s:i, s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:o}",
					"at_us", (json_int_t)e->at_us, "worker", (int)e->worker,
					"direction", e->out ? "out" : "in", "transport",
					e->transport, "peer", e->peer, "local", e->local, "error",
					e->error, "size", (json_int_t)e->size, "call-id",
					e->call_id, "text", trace_json_text(e)));
	}
	return json_pack("{s:b, s:o, s:O, s:O}", "ok", 1, "messages", messages, "calls", t->calls,
		"missing", t->missing);
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

/* Whole messages; other than ASCII is shown as "?", for it could be a control sequence. */
static void trace_raw(const struct trace_set *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->event[i];

		if (e->note) {
			printf("==== %s\n", e->note);
			continue;
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
}

/* ---- live ---- */

struct trace_seen {
	uint64_t at_us, number;
};

static void trace_live_line(const struct trace_event *e)
{
	char label[128];
	time_t seconds = (time_t)(e->at_us / 1000000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	trace_message_label(e, label, sizeof(label));
	printf("%02d:%02d:%02d.%03u  %-24s %s %-21s  ", tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned)(e->at_us / 1000 % 1000), label, e->out ? "->" : "<-", e->peer);
	for (const char *c = e->call_id; *c; c++)
		putchar((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f ? '?' : *c);
	putchar('\n');
}

static void trace_live_new(const struct trace_set *t, struct trace_seen seen[TRACE_WORKERS])
{
	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->event[i];
		struct trace_seen *s = &seen[e->worker % TRACE_WORKERS];

		if (e->at_us < s->at_us || (e->at_us == s->at_us && e->number <= s->number))
			continue;
		*s = (struct trace_seen){e->at_us, e->number};
		trace_live_line(e);
	}
	fflush(stdout);
}

/* Messages as they come, until somebody ends it. */
static int trace_live(const struct trace_wish *w)
{
	const struct options *o = w->options;
	static struct trace_seen seen[TRACE_WORKERS];
	struct timespec now, pause = {.tv_nsec = TRACE_LIVE_MS * 1000000L};
	char filter[300] = "all";
	uint64_t since;
	int code = EXIT_DONE;

	if (w->trunk)
		return client_fail(o, EXIT_USAGE, "--live has no --trunk: messages do not say it");
	if (w->call || w->user || w->source)
		snprintf(filter, sizeof(filter), "%s:%s",
			w->call   ? "call"
			: w->user ? "user"
				  : "source",
			w->call   ? w->call
			: w->user ? w->user
				  : w->source);
	clock_gettime(CLOCK_REALTIME, &now);
	since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	for (unsigned i = 0; i < TRACE_WORKERS; i++)
		seen[i].at_us = since;
	while (code == EXIT_DONE && !ferror(stdout)) {
		struct trace_set t = {.event = NULL};

		code = trace_set_ask(&t, o, filter, since);
		if (code == EXIT_DONE) {
			trace_set_order(&t);
			trace_live_new(&t, seen);
			for (size_t i = 0; i < t.count; i++)
				if (t.event[i].at_us > since + TRACE_LIVE_BACK_US)
					since = t.event[i].at_us - TRACE_LIVE_BACK_US;
		}
		trace_set_free(&t);
		nanosleep(&pause, NULL);
	}
	return code;
}

/* ---- the command ---- */

static int trace_file(const struct options *o, const char *path, const struct trace_set *t,
	void (*write)(const struct trace_set *t, FILE *to))
{
	FILE *f = fopen(path, "we");
	bool failed;

	if (!f)
		return client_fail(o, EXIT_REFUSED, "%s: %s", path, strerror(errno));
	write(t, f);
	failed = ferror(f);
	failed |= fclose(f) != 0;
	return failed ? client_fail(o, EXIT_REFUSED, "%s: cannot be written", path) : EXIT_DONE;
}

static int trace_show(const struct trace_command *c, const struct trace_set *t)
{
	const struct options *o = c->wish.options;
	int code = EXIT_DONE;
	json_t *worker;
	size_t i;

	if (c->pcap)
		code = trace_file(o, c->pcap, t, trace_pcap);
	if (c->svg && code == EXIT_DONE)
		code = trace_file(o, c->svg, t, ladder_svg);
	if (o->json && !(c->pcap || c->svg))
		return client_print(o, trace_json(t));
	if (c->raw)
		trace_raw(t);
	else if (!(c->pcap || c->svg))
		trace_ladders(t, c);
	json_array_foreach (t->missing, i, worker)
		fprintf(stderr, "sipwardctl: no answer from %s\n", json_string_value(worker));
	return code;
}

static int trace_carry_out(const struct trace_command *c)
{
	const struct trace_wish *w = &c->wish;
	struct trace_set t = {.event = NULL};
	int code;

	if (!!w->call + !!w->user + !!w->trunk + !!w->source > 1)
		return client_fail(w->options, EXIT_USAGE,
			"one of --call, --user, --trunk and --source is what a trace is of");
	if (c->live)
		return trace_live(w);
	code = trace_set_collect(&t, w);
	if (code == EXIT_DONE)
		code = trace_show(c, &t);
	trace_set_free(&t);
	return code;
}

static const char *trace_argument(const json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}

int trace_run(const struct options *o, const json_t *arguments)
{
	struct trace_command c = {.wish = {.options = o,
					  .call = trace_argument(arguments, "call"),
					  .user = trace_argument(arguments, "user"),
					  .trunk = trace_argument(arguments, "trunk"),
					  .source = trace_argument(arguments, "source")},
		.svg = trace_argument(arguments, "svg"),
		.pcap = trace_argument(arguments, "pcap"),
		.live = json_is_true(json_object_get(arguments, "live")),
		.raw = json_is_true(json_object_get(arguments, "raw")),
		.ascii = json_is_true(json_object_get(arguments, "ascii"))};

	return trace_carry_out(&c);
}
