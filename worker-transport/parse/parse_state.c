/* parse_state.c - one message on its way through the parser (parse_state.h). */
#include "parse_state.h"

#include <errno.h>

static const char *const malformed[HEADER_COUNT] = {
#define HEADER(id, name, compact) [HEADER_##id] = "Malformed " name,
#include "ipc/headers.def"
#undef HEADER
};
static const char *const missing[HEADER_COUNT] = {
#define HEADER(id, name, compact) [HEADER_##id] = "Missing " name,
#include "ipc/headers.def"
#undef HEADER
};
static const char *const duplicate[HEADER_COUNT] = {
#define HEADER(id, name, compact) [HEADER_##id] = "More Than One " name,
#include "ipc/headers.def"
#undef HEADER
};

const char *parse_malformed_reason(uint8_t id)
{
	return malformed[id];
}

const char *parse_missing_reason(uint8_t id)
{
	return missing[id];
}

const char *parse_duplicate_reason(uint8_t id)
{
	return duplicate[id];
}

void parse_fail(struct parser *p, uint16_t status, enum counter counter, const char *reason)
{
	if (p->spared) {
		p->left_out = true;
		return;
	}
	if (p->failed)
		return;
	p->failed = true;
	p->error = (struct parse_error){.status = status, .counter = counter, .reason = reason};
}

void parse_fail_value(struct parser *p, uint8_t id, int error)
{
	if (error == -E2BIG)
		parse_fail(p, 400, COUNTER_PARSE_LIMIT, "Too Many Parameters");
	else
		parse_fail(p, 400, COUNTER_PARSE_VALUE, malformed[id]);
}

struct uri uri_spans(const struct parser *p, const struct uri_parts *parts)
{
	return (struct uri){
		.whole = span_of(p, parts->whole),
		.user = span_of(p, parts->user),
		.host = span_of(p, parts->host),
		.params = span_of(p, parts->params),
		.headers = span_of(p, parts->headers),
		.port = parts->port,
		.scheme = parts->scheme,
	};
}
