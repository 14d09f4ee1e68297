/* trace.c - see trace.h. */
#include "trace.h"

#include "common/endpoint.h"
#include "ipc/trace/ladder.h"
#include "print.h"
#include "trace_collect.h"
#include "trace_live.h"
#include "trace_pcap.h"
#include "trace_print.h"

#include <errno.h>
#include <stdlib.h>

/* Without a filter so many of the last calls are drawn, where no limit is given. */
#define TRACE_LADDERS 20
#define TRACE_WIDTH 100
#define TRACE_LIMIT_MAX 1000000000

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
	const char *limit, *timeout;
	uint64_t most; /* ladders, or messages; 0: all */
	bool live, raw, ascii;
};

static bool trace_is_filtered(const struct trace_wish *w)
{
	return w->call || w->user || w->trunk || w->source;
}

static struct ladder_screen trace_screen(const struct trace_command *c)
{
	return (struct ladder_screen){
		.width = trace_width(), .ascii = c->ascii || trace_is_ascii(), .to = stdout};
}

static void trace_ladders(const struct trace_set *t, const struct trace_command *c)
{
	const struct ladder_screen screen = trace_screen(c);
	size_t first = 0;

	if (c->most && t->groups > c->most) {
		first = t->groups - c->most;
		printf("%zu earlier ones are left out: --call, --user, --trunk or --source names "
		       "them\n\n",
			first);
	}
	for (size_t group = first; group < t->groups; group++)
		ladder_print(t, group, &screen);
	if (!t->groups)
		puts("none");
}

static json_t *trace_json(const struct trace_set *t)
{
	json_t *messages = json_array();

	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->event[i];

		if (!e->note)
			json_array_append_new(messages, trace_json_message(e));
	}
	return json_pack("{s:b, s:o, s:O, s:O}", "ok", 1, "messages", messages, "calls", t->calls,
		"missing", t->missing);
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

/* What has been written. */
static json_t *trace_json_files(const struct trace_command *c)
{
	json_t *files = json_object();

	if (c->svg)
		json_object_set_new(files, "svg", json_string(c->svg));
	if (c->pcap)
		json_object_set_new(files, "pcap", json_string(c->pcap));
	return json_pack("{s:b, s:o}", "ok", 1, "object", files);
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
	if (o->json && code == EXIT_DONE)
		return client_print(o, c->pcap || c->svg ? trace_json_files(c) : trace_json(t));
	if (o->json)
		return code;
	for (i = 0; c->raw && i < t->count; i++)
		trace_raw(&t->event[i]);
	if (!c->raw && !(c->pcap || c->svg))
		trace_ladders(t, c);
	json_array_foreach (t->missing, i, worker)
		fprintf(stderr, "sipwardctl: no answer from %s\n", json_string_value(worker));
	return code;
}

/* Reads "90s", "10m" or "1h", or a number of seconds. False: it is none, or 0. */
static bool trace_time(struct str text, uint64_t *ms)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
	unsigned seconds = 1;
	uint64_t number;

	for (size_t i = 0; text.n && i < sizeof(units) / sizeof(units[0]); i++)
		if (text.p[text.n - 1] == units[i].unit) {
			seconds = units[i].seconds;
			text.n--;
			break;
		}
	if (str_number(text, TRACE_LIMIT_MAX, &number) != 0 || !number)
		return false;
	*ms = number * seconds * 1000;
	return true;
}

static int trace_run_live(const struct trace_command *c)
{
	const struct options *o = c->wish.options;
	struct trace_live_how how = {
		.wish = c->wish, .screen = trace_screen(c), .raw = c->raw, .messages = c->most};

	if (c->svg || c->pcap)
		return client_fail(
			o, EXIT_USAGE, "--live is drawn on the terminal: no --svg, no --pcap");
	if (c->timeout && !trace_time(str_of(c->timeout), &how.timeout_ms))
		return client_fail(o, EXIT_USAGE,
			"--for: expected a time as 90s, 10m or 1h, found "
			"\"%s\"",
			c->timeout);
	return trace_live(&how);
}

/* Reads the limit, or takes the usual one. False: it is none. */
static bool trace_read_limit(struct trace_command *c)
{
	if (c->limit)
		return str_number(str_of(c->limit), TRACE_LIMIT_MAX, &c->most) == 0;
	c->most = c->live || trace_is_filtered(&c->wish) ? 0 : TRACE_LADDERS;
	return true;
}

static int trace_carry_out(struct trace_command *c)
{
	const struct trace_wish *w = &c->wish;
	struct trace_set t = {.event = NULL};
	struct prefix sources;
	int code;

	if (!!w->call + !!w->user + !!w->trunk + !!w->source > 1)
		return client_fail(w->options, EXIT_USAGE,
			"one of --call, --user, --trunk and --source is what a trace is of");
	if (w->source && prefix_parse(str_of(w->source), &sources))
		return client_fail(w->options, EXIT_USAGE,
			"--source is an address or a network, as 192.0.2.0/24, not \"%s\"",
			w->source);
	if (!trace_read_limit(c))
		return client_fail(w->options, EXIT_USAGE,
			"--limit: expected a number, found "
			"\"%s\"",
			c->limit);
	if (c->timeout && !c->live)
		return client_fail(w->options, EXIT_USAGE, "--for is of --live");
	if (c->live)
		return trace_run_live(c);
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
		.limit = trace_argument(arguments, "limit"),
		.timeout = trace_argument(arguments, "for"),
		.live = json_is_true(json_object_get(arguments, "live")),
		.raw = json_is_true(json_object_get(arguments, "raw")),
		.ascii = json_is_true(json_object_get(arguments, "ascii"))};

	return trace_carry_out(&c);
}
