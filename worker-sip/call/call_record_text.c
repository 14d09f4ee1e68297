/* call_record_text.c - what the record of a call says: its line in the log (call_record.h).
 *
 * It is written without snprintf, and byte by byte only where something has to be escaped: a whole
 * call costs the SIP worker some 100,000 instructions, and every call ends here. */
#include "call_record_state.h"

#include "common/log.h"
#include "worker-sip/message/writer.h"

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

/* ---- what the fields are made of ---- */

static struct str call_record_zone(const struct call_record *r, unsigned zone)
{
	const struct settings *s = r->sip->settings;

	return zone < s->zones.count ? settings_str(s, settings_zone(s, zone)->name) : STR_EMPTY;
}

/* The target that answered, or else the last one tried. NULL: none was. */
static const struct call_target *call_record_callee(const struct call_record *r)
{
	const struct call_target *t = r->last < r->count ? &r->target[r->last] : NULL;

	return t && t->outcome != CALL_OUTCOME_NONE ? t : NULL;
}

static struct str call_target_id(const struct call_target *t)
{
	bool tried = t->outcome != CALL_OUTCOME_NONE && t->outcome != CALL_OUTCOME_UNSENT;

	return tried ? (struct str){t->call_id, TOKEN_LENGTH} : STR_EMPTY;
}

static struct str call_record_callee_id(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? call_target_id(t) : STR_EMPTY;
}

static struct str call_record_callee_zone(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? call_record_zone(r, t->zone) : STR_EMPTY;
}

static struct str call_record_trunk(const struct call_record *r)
{
	const struct call_target *t = call_record_callee(r);

	return t ? t->trunk : STR_EMPTY;
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
	return r->answered ? r->ended - r->answered : CALL_NEVER;
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
	write_log_text(&w, S(" zone="), call_record_zone(r, r->zone));
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

void call_record_tell(const struct call_record *r)
{
	if (log_enabled(LOG_INFO))
		call_record_log(r);
}
