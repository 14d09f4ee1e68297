/* call_record_text.c - what the record of a call says: its line in the log and its JSON line for
 * the CDRs (call_record.h, call_record.def).
 *
 * Both are written without snprintf, and byte by byte only where something has to be escaped: a
 * whole call costs the SIP worker some 100,000 instructions, and every call ends here. */
#include "call_record_state.h"
#include "call_trace.h"

#include "common/date.h"
#include "common/json_text.h"
#include "common/log.h"
#include "worker-sip/cdr.h"
#include "worker-sip/json.h"
#include "worker-sip/message/writer.h"
#include "worker-sip/routing/fork.h"

static const char *const call_ender_names[] = {
	"",
#define CALL_ENDER(id, name, help) name,
#include "call_record.def"
};
static const char *const call_end_names[] = {
	"",
#define CALL_END(id, name, help) name,
#include "call_record.def"
};

static const char *const call_outcome_names[] = {
	"",
#define CALL_OUTCOME(id, name, help) name,
#include "call_record.def"
};

/* ---- what the fields are made of ---- */

const struct call_target *call_record_callee(const struct call_record *r)
{
	const struct call_target *t = r && r->last < r->count ? &r->target[r->last] : NULL;

	return t && t->outcome != CALL_OUTCOME_NONE ? t : NULL;
}

struct str call_target_id(const struct call_target *t)
{
	bool tried = t->outcome != CALL_OUTCOME_NONE && t->outcome != CALL_OUTCOME_UNSENT;

	return tried ? (struct str){t->call_id, TOKEN_LENGTH} : STR_EMPTY;
}

static struct str call_target_cause(const struct call_target *t)
{
	static const char *const names[] = {
		"",
#define CALL_FORWARD(id, name, help) name,
#include "call_record.def"
	};

	return str_of(names[t->cause]);
}

static struct str call_record_callee_id(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? call_target_id(t) : STR_EMPTY;
}

static const struct endpoint *call_record_callee_peer(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? &t->peer : NULL;
}

static struct str call_record_callee_zone(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? settings_zone_name(r->sip->settings, t->zone) : STR_EMPTY;
}

static struct str call_record_trunk(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? t->trunk : STR_EMPTY;
}

static struct str call_record_callee_agent(const struct call_record *r)
{
	return (struct str){r->agent, r->agent_length};
}

static struct str call_record_reason(const struct call_record *r)
{
	return (struct str){r->reason, r->reason_length};
}

/* Milliseconds from the INVITE to a time of loop_now. */
static uint64_t call_record_since(const struct call_record *r, uint64_t time)
{
	return time ? time - r->began : CALL_NEVER;
}

static uint64_t call_record_duration(const struct call_record *r)
{
	return r->answered && r->ended ? r->ended - r->answered : CALL_NEVER;
}

static unsigned call_record_tried_count(const struct call_record *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->count; i++)
		n += r->target[i].outcome != CALL_OUTCOME_NONE;
	return n;
}

/* ---- the log ---- */

/* Writes " key=value". What needs no escape is copied as it is. */
static void write_log_text(struct writer *w, struct str key, struct str value)
{
	char buffer[CALL_TEXT_MAX + 8];
	size_t n = 0;

	write_str(w, key);
	while (n < value.n && value.p[n] > ' ' && value.p[n] < 0x7f && value.p[n] != '"' &&
		value.p[n] != '\\' && value.p[n] != '=')
		n++;
	if (value.n && n == value.n)
		write_str(w, value);
	else
		write_str(w, str_of(log_value(value, buffer, sizeof(buffer))));
}

static void write_log_number(struct writer *w, struct str key, uint64_t number)
{
	write_str(w, key);
	write_number(w, number);
}

/* A span of time that did not come to pass is left out. */
static void write_log_span(struct writer *w, struct str key, uint64_t ms)
{
	if (ms != CALL_NEVER)
		write_log_number(w, key, ms);
}

/* What tells most comes first: a line that is too long is cut. */
static void call_record_log(const struct call_record *r)
{
	char buffer[4096];
	struct writer w = WRITER(buffer);

	write_log_text(&w, S("call-id="), r->text[CALL_TEXT_CALL_ID]);
	write_log_number(&w, S(" status="), r->status_sent);
	write_log_number(&w, S(" received="), r->status_received);
	write_log_text(&w, S(" by="), str_of(call_ender_names[r->ender]));
	write_log_text(&w, S(" why="), str_of(call_end_names[r->cause]));
	write_log_span(&w, S(" ring-ms="), call_record_since(r, r->rang));
	write_log_span(&w, S(" answer-ms="), call_record_since(r, r->answered));
	write_log_span(&w, S(" duration-ms="), call_record_duration(r));
	write_log_span(&w, S(" total-ms="), call_record_since(r, r->ended));
	write_log_text(&w, S(" zone="), settings_zone_name(r->sip->settings, r->zone));
	write_log_text(&w, S(" callee-zone="), call_record_callee_zone(r));
	write_log_text(&w, S(" route="), r->text[CALL_TEXT_ROUTE]);
	write_log_number(&w, S(" route-line="), r->route_line);
	write_log_text(&w, S(" trunk="), call_record_trunk(r));
	write_log_number(&w, S(" targets="), call_record_tried_count(r));
	write_log_text(&w, S(" from="), r->text[CALL_TEXT_FROM]);
	write_log_text(&w, S(" to="), r->text[CALL_TEXT_TO]);
	write_log_text(&w, S(" callee-call-id="), call_record_callee_id(r));
	write_log_text(&w, S(" reason="), call_record_reason(r));
	log_info("call-ended", "%.*s", (int)w.n, w.p);
}

/* ---- the JSON line ---- */

/* Room for the longest line: each text with every byte escaped, the rest of a target and all names
 * of members. */
#define CALL_LINE_TEXT (JSON_TEXT_BYTE_MAX * CALL_TEXT_MAX)
#define CALL_LINE_NAME (JSON_TEXT_BYTE_MAX * CALL_TRUNK_MAX)
_Static_assert(sizeof(((struct scratch *)0)->call_record) >=
		       CALL_TEXTS * CALL_LINE_TEXT + JSON_TEXT_BYTE_MAX * RULES_TOLD_MAX +
			       JSON_TEXT_BYTE_MAX * (CALL_AGENT_MAX + CALL_REASON_MAX) +
			       3 * CALL_LINE_NAME + 2048 +
			       FORK_TARGETS_MAX * (2 * CALL_LINE_NAME + ENDPOINT_TEXT_SIZE + 400 +
							  JSON_TEXT_BYTE_MAX * CALL_FORWARDER_MAX),
	"a line fits");

/* Each writes one member; key is its name with what stands before and behind it. */
static void write_call_TEXT(struct writer *w, struct str key, struct str value)
{
	write_str(w, key);
	write_literal(w, "\"");
	write_json(w, value);
	write_literal(w, "\"");
}

static void write_call_NUMBER(struct writer *w, struct str key, unsigned value)
{
	write_str(w, key);
	write_number(w, value);
}

static void write_call_SPAN(struct writer *w, struct str key, uint64_t ms)
{
	write_str(w, key);
	if (ms == CALL_NEVER)
		write_literal(w, "null");
	else
		write_number(w, ms);
}

/* So many digits, and what stands behind them. */
static void write_call_digits(struct writer *w, uint64_t number, unsigned digits, char behind)
{
	char text[8];

	text[digits] = behind;
	for (unsigned i = digits; i; number /= 10)
		text[--i] = (char)('0' + number % 10);
	write_bytes(w, text, digits + 1);
}

static void write_call_TIME(struct writer *w, struct str key, uint64_t ms)
{
	struct date d;

	date_of((int64_t)(ms / 1000), &d);
	write_str(w, key);
	write_literal(w, "\"");
	write_call_digits(w, (uint64_t)d.year, 4, '-');
	write_call_digits(w, d.month, 2, '-');
	write_call_digits(w, d.day, 2, 'T');
	write_call_digits(w, d.hour, 2, ':');
	write_call_digits(w, d.minute, 2, ':');
	write_call_digits(w, d.second, 2, '.');
	write_call_digits(w, ms % 1000, 3, 'Z');
	write_literal(w, "\"");
}

static void write_call_ADDRESS(struct writer *w, struct str key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_SIZE];

	write_call_TEXT(w, key, e ? (struct str){text, endpoint_text(e, text)} : STR_EMPTY);
}

static struct str call_target_outcome(const struct call_target *t)
{
	return str_of(call_outcome_names[t->outcome]);
}

void write_call_target(struct writer *w, const struct call_record *r, const struct call_target *t)
{
	size_t begin = w->n;

#define CALL_TARGET_FIELD(name, kind, value, help) write_call_##kind(w, S(",\"" name "\":"), value);
#include "call_record.def"
	if (!w->full)
		w->p[begin] = '{';
	write_literal(w, "}");
}

static void write_call_TARGETS(struct writer *w, struct str key, const struct call_record *r)
{
	bool first = true;

	write_str(w, key);
	write_literal(w, "[");
	for (unsigned i = 0; i < r->count; i++) {
		if (r->target[i].outcome == CALL_OUTCOME_NONE)
			continue;
		if (!first)
			write_literal(w, ",");
		first = false;
		write_call_target(w, r, &r->target[i]);
	}
	write_literal(w, "]");
}

static struct str call_record_ender(const struct call_record *r)
{
	return str_of(call_ender_names[r->ender]);
}

static struct str call_record_why(const struct call_record *r)
{
	return str_of(call_end_names[r->cause]);
}

void call_record_write(const struct call_record *r, struct writer *w)
{
#define CALL_FIELD(name, kind, value, help) write_call_##kind(w, S(",\"" name "\":"), value);
#include "call_record.def"
	w->p[0] = '{';
	write_literal(w, "}");
}

static void call_record_add(const struct call_record *r)
{
	struct writer w = WRITER(r->sip->scratch.call_record);

	call_record_write(r, &w);
	write_literal(&w, "\n");
	cdr_add(r->sip->cdr, w.full ? STR_EMPTY : writer_text(&w));
}

void call_record_tell(const struct call_record *r)
{
	if (log_enabled(LOG_INFO))
		call_record_log(r);
	if (cdr_wanted(r->sip->cdr))
		call_record_add(r);
	call_trace_keep(r);
}
