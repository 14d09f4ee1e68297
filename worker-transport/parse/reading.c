/* reading.c - a message read as its zone has it (reading.h). What the parser has no fault to find
 * with is parsed once. Of a message that needs several repairs each is made of what the one before
 * it has made. Relies on parse.h and repair.h. */
#include "reading.h"

#include "crowd.h"
#include "parse.h"
#include "repair.h"

#include <errno.h>

/* Whether the parser had no fault to find. */
static bool reading_is_sound(const struct reading *r, int result)
{
	const struct message *m = (const struct message *)r->block;

	return result == 0 && !m->unreadable && !m->broken &&
	       (m->is_request || m->start_line.length <= 12 || m->reason.length);
}

/* Parses text, which came as that many bytes. any_octets: they need not be UTF-8. */
static int reading_of(
	struct reading *r, struct str text, size_t came, bool any_octets, struct parse_error *error)
{
	int result = parse_message_octets(
		text.p, text.n, any_octets, r->block, sizeof(r->block), error);

	if (text.n > came)
		((struct message *)r->block)->grown = (uint32_t)(text.n - came);
	return result;
}

/* Reads text again, whose headers are not in UTF-8. result: what reading it as it is has given,
 * which stands where there is nothing that could be repaired and where that would be too long. */
static int reading_octets(struct reading *r, const struct reading_rules *rules, struct str text,
	size_t came, int result, struct parse_error *error)
{
	const uint32_t rule = rules->zone->not_utf8;

	if (rule == NOT_UTF8_PASS) {
		count(REPAIRED_OCTETS);
		return reading_of(r, text, came, true, error);
	}
	size_t n = repair_octets(text, rule == NOT_UTF8_DROP, r->octets, rules->message_max);

	if (!n)
		return result;
	count(REPAIRED_OCTETS);
	return reading_of(r, (struct str){r->octets, n}, came, false, error);
}

/* What becomes of a message whose lines had to be repaired, where reading it has given result; the
 * 400 to it needs its Via. first: its fault as it came. */
static int reading_judge_lines(const struct reading *r, const struct reading_rules *rules,
	const struct parse_error *first, int result, struct parse_error *error)
{
	const struct message *m = (const struct message *)r->block;

	if (result && !error->answerable) {
		*error = *first;
		return -EBADMSG;
	}
	if (rules->zone->line_ends == LINE_ENDS_SERVE) {
		if (result == 0)
			count(REPAIRED_LINE_ENDS);
		return result;
	}
	*error = (struct parse_error){.counter = COUNTER_PARSE_LINE,
		.reason = first->counter == COUNTER_PARSE_LINE ? first->reason
	                                                       : "Line End Other Than CRLF",
		.answerable = m->is_request && m->method != METHOD_ACK};
	error->status = error->answerable ? 400 : 0;
	return -EBADMSG;
}

/* Reads *text again, of which reading has given result, without the header lines that it can do
 * without, where there are too many. What is not served without them stays refused for them. */
static int reading_crowd(struct reading *r, const struct reading_rules *rules, struct str *text,
	size_t came, int result, struct parse_error *error)
{
	const struct message *m = (const struct message *)r->block;
	const struct parse_error first = *error;
	unsigned left_out;

	if (!result || !error->crowded || !m->is_request)
		return result;
	size_t n = crowd_thin(*text, m, r->lines, rules->message_max, &left_out);
	if (!n)
		return result;
	*text = (struct str){r->lines, n};
	result = reading_of(r, *text, came, false, error);
	if (crowd_is_served(m)) {
		r->crowd = left_out;
		return result;
	}
	const bool answerable = result == 0 || error->answerable;
	*error = first;
	error->answerable = answerable; /* its Via may stand among the lines that were too many */
	error->status = answerable ? 400 : 0;
	return -EBADMSG;
}

/* Reads of a response that was refused what ends the request that it answers: nobody can be told
 * that it could not be read, and who waits for it must not wait for ever. */
static int reading_response(struct reading *r, const struct reading_rules *rules, struct str raw)
{
	struct parse_error unused;
	size_t n = repair_response(raw, r->lines, rules->message_max);

	if (!n || reading_of(r, (struct str){r->lines, n}, raw.n, false, &unused))
		return -EBADMSG;
	((struct message *)r->block)->broken = 1;
	return 0;
}

int reading_cut_response(struct reading *r, const struct reading_rules *rules, struct str raw)
{
	r->crowd = 0;
	return reading_response(r, rules, raw);
}

int reading_parse(struct reading *r, const struct reading_rules *rules, struct str raw,
	struct parse_error *error)
{
	struct str text = raw;
	size_t n = 0;

	if (raw.n > rules->message_max) {
		*error = (struct parse_error){
			.counter = COUNTER_DROP_TOO_LARGE, .reason = "Message Too Large"};
		return reading_response(r, rules, raw);
	}
	int result = reading_of(r, raw, raw.n, false, error);

	r->crowd = 0;
	if (reading_is_sound(r, result))
		return result;
	result = reading_crowd(r, rules, &text, raw.n, result, error);
	const struct parse_error first = *error;

	if (result && !error->answerable && rules->datagram && memmem(raw.p, raw.n, "SIP/2.0", 7))
		n = repair_line_ends(raw, r->lines, rules->message_max);
	if (n) {
		text = (struct str){r->lines, n};
		result = reading_of(r, text, raw.n, false, error);
		result = reading_crowd(r, rules, &text, raw.n, result, error);
	}
	if (!reading_is_sound(r, result) && !repair_is_utf8(text))
		result = reading_octets(r, rules, text, raw.n, result, error);
	if (n)
		result = reading_judge_lines(r, rules, &first, result, error);
	return result ? reading_response(r, rules, raw) : 0;
}
