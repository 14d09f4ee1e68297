/* frame.c - finding messages in a stream (frame.h). Relies on nothing but the bytes; what a header
 * means beyond Content-Length is the parser's. */
#include "frame.h"
#include "ipc/octet.h"
#include "common/str.h"

static enum frame_result frame_bad(struct frame_step *step, uint16_t status, enum counter counter,
	const char *reason, size_t header_size)
{
	step->status = status;
	step->counter = counter;
	step->reason = reason;
	step->header_size = header_size;
	return FRAME_BAD;
}

static enum frame_result frame_consume(
	struct frame *f, struct frame_step *step, size_t size, enum frame_result result)
{
	step->consume = size;
	*f = (struct frame){.scanned = 0};
	return result;
}

/* CRLFs before a start line. One of them may be half a ping: it waits for what follows. */
static enum frame_result frame_keep_alive(
	struct frame *f, const char *buffer, size_t size, struct frame_step *step)
{
	static const char ping[] = "\r\n\r\n";
	size_t n = 0;

	while (n < size && n < 4 && buffer[n] == ping[n])
		n++;
	if (n == 4)
		return frame_consume(f, step, 4, FRAME_PING);
	if (n == size)
		return FRAME_MORE;
	/* a CR behind them that is followed by something else is refused by the next call */
	if (n >= 2)
		return frame_consume(f, step, 2, FRAME_PONG);
	return frame_bad(step, 0, COUNTER_FRAME_NOT_SIP, "Not SIP", 0);
}

/* Whether the line starts with Content-Length or its compact form. *value: where its value starts,
 * relative to the line. */
static bool frame_is_content_length(struct str line, uint32_t *value)
{
	size_t n = (size_t)(octet_span(line.p, line.p + line.n, OCTET_TOKEN) - line.p), colon = n;
	struct str name = {line.p, n};

	if (!str_equal_nocase(name, S("Content-Length")) && !str_equal_nocase(name, S("l")))
		return false;
	while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
		colon++;
	if (colon == line.n || line.p[colon] != ':')
		return false;
	*value = (uint32_t)colon + 1;
	return true;
}

/* Whether Content-Length was said twice, and not the same. */
static bool frame_lengths_differ(const struct frame *f, const char *buffer)
{
	struct str value = {buffer + f->value, f->value_end - f->value},
		   former = {buffer + f->former, f->former_end - f->former};

	return f->former && !str_equal(str_trim(value), str_trim(former));
}

/* The header part is whole: its size and Content-Length give the size of the message. 0, or the
 * status to refuse with and its reason phrase. */
static uint16_t frame_message_size(
	struct frame *f, const char *buffer, size_t message_max, const char **reason)
{
	uint64_t body;

	/* two readers could take two different ones: what is body to one is a request to the
	 * other */
	if (f->twice || frame_lengths_differ(f, buffer)) {
		*reason = "More Than One Content-Length";
		return 400;
	}
	if (!f->value) { /* RFC 3261 section 20.14: on a stream it must be there */
		*reason = "Missing Content-Length";
		return 400;
	}
	struct str value = str_trim((struct str){buffer + f->value, f->value_end - f->value});

	if (!value.n || octet_span(value.p, value.p + value.n, OCTET_DIGIT) != value.p + value.n) {
		*reason = "Malformed Content-Length";
		return 400;
	}
	if (str_number(value, message_max, &body) || body > message_max - f->header_size) {
		*reason = "Message Too Large";
		return 513;
	}
	f->total = f->header_size + (uint32_t)body;
	return 0;
}

/* Whether the octets may begin a start line: a token, and behind it a space, or the slash of
 * SIP/2.0, as far as they have come. */
static bool frame_may_start(const char *buffer, size_t size)
{
	const char *end = octet_span(buffer, buffer + size, OCTET_TOKEN);

	if (end == buffer + size)
		return true;
	if (*end == '/')
		return str_equal_nocase((struct str){buffer, (size_t)(end - buffer)}, S("SIP"));
	return end > buffer && (*end == ' ' || *end == '\t');
}

static bool frame_is_version(struct str s)
{
	return s.n > 4 && strncasecmp(s.p, "SIP/", 4) == 0;
}

/* Whether the line is one that a message starts with, of any version: a Status-Line, or a
 * Request-Line. Spaces too many are the parser's to refuse. The rest of a body, whose
 * Content-Length was too small, is neither; taken for one it would swallow the message behind
 * it. */
static bool frame_is_start_line(struct str line)
{
	size_t word;

	if (frame_is_version(line))
		return true;
	line = str_trim(line);
	for (word = line.n; word && line.p[word - 1] != ' ' && line.p[word - 1] != '\t'; word--)
		;
	return word && frame_is_version(str_from(line, word));
}

/* Takes one whole line, [f->line, end) with its CRLF: remembers where Content-Length's value is. */
static void frame_take_line(struct frame *f, const char *buffer, uint32_t end)
{
	uint32_t value;

	if (f->line && (buffer[f->line] == ' ' || buffer[f->line] == '\t')) {
		if (f->in_length)
			f->value_end = end;
		return;
	}
	f->in_length = f->line &&
	               frame_is_content_length(
			       (struct str){buffer + f->line, end - 2 - f->line}, &value);
	if (!f->in_length)
		return;
	f->twice |= frame_lengths_differ(f, buffer);
	f->former = f->value;
	f->former_end = f->value_end;
	f->value = f->line + value;
	f->value_end = end;
}

/* The status to answer with: none (0) where the bytes are a response, which is never answered. */
static uint16_t frame_answer_status(const char *buffer, uint16_t status)
{
	return strncasecmp(buffer, "SIP/", 4) ? status : 0;
}

enum frame_result frame_next(struct frame *f, const char *buffer, size_t size, size_t message_max,
	struct frame_step *step)
{
	const size_t header_max = message_max < FRAME_HEADER_MAX ? message_max : FRAME_HEADER_MAX;

	*step = (struct frame_step){.consume = 0};
	if (!size)
		return FRAME_MORE;
	if (!f->scanned && (buffer[0] == '\r' || buffer[0] == '\n'))
		return frame_keep_alive(f, buffer, size, step);
	if (!f->line && !frame_may_start(buffer, size))
		return frame_bad(step, 0, COUNTER_FRAME_NOT_SIP, "Not SIP", 0);
	step->begun = true;

	while (!f->header_size) {
		const size_t limit = size < header_max ? size : header_max;
		const char *feed = memchr(buffer + f->scanned, '\n', limit - f->scanned);

		if (!feed) {
			f->scanned = (uint32_t)limit;
			if (limit == header_max)
				return frame_bad(step, frame_answer_status(buffer, 513),
					COUNTER_FRAME_TOO_LARGE, "Headers Too Large", 0);
			return FRAME_MORE;
		}
		uint32_t end = (uint32_t)(feed - buffer) + 1;

		if (end < 2 || feed[-1] != '\r')
			return frame_bad(
				step, 0, COUNTER_FRAME_NOT_SIP, "Line End Other Than CRLF", 0);
		if (!f->line && !frame_is_start_line((struct str){buffer, end - 2}))
			return frame_bad(step, 0, COUNTER_FRAME_NOT_SIP, "Not SIP", 0);
		f->scanned = end;
		if (f->line && end == f->line + 2)
			f->header_size = end;
		else
			frame_take_line(f, buffer, end);
		f->line = end;
	}
	if (!f->total) {
		const char *reason = NULL;
		uint16_t status = frame_message_size(f, buffer, message_max, &reason);

		if (status)
			return frame_bad(step, frame_answer_status(buffer, status),
				status == 513 ? COUNTER_FRAME_TOO_LARGE : COUNTER_FRAME_LENGTH,
				reason, f->header_size);
	}
	if (size < f->total) {
		step->need = f->total - size;
		return FRAME_MORE;
	}
	return frame_consume(f, step, f->total, FRAME_MESSAGE);
}
