/* crowd.c - requests with too many header lines (crowd.h). Stands off the usual way: only what the
 * parser has refused for the number of its lines comes here. Two passes over the lines. */
#include "crowd.h"

#include "parse_line.h"
#include "parse_needs.h"

enum crowd_class { CROWD_NEEDED, CROWD_KNOWN, CROWD_OTHER, CROWD_CLASSES };

/* What is left of each class' places. */
struct crowd {
	unsigned places[CROWD_CLASSES];
};

static enum crowd_class crowd_class_of(const struct message *m, struct str line)
{
	const size_t colon = str_find(line, ':');
	const uint8_t id = colon < line.n ? header_of(str_trim((struct str){line.p, colon}))
	                                  : HEADER_OTHER;

	if (id >= HEADER_COUNT)
		return CROWD_OTHER;
	if (parse_needs(m, id) || id == HEADER_CONTENT_TYPE || id == HEADER_CONTENT_ENCODING)
		return CROWD_NEEDED;
	return CROWD_KNOWN;
}

/* Takes the header line at the front of *rest, its end and what it is folded into included. Empty
 * at the blank line, and where a line has no end. */
static struct str crowd_take_line(struct str *rest)
{
	const char *end;
	struct str line = {rest->p, 0};

	if (rest->n >= 2 && rest->p[0] == '\r' && rest->p[1] == '\n')
		return line;
	const enum line_fault fault = line_end(rest->p, rest->p + rest->n, &end);

	if (fault == LINE_OPEN || fault == LINE_BARE)
		return line;
	line.n = (size_t)(end - rest->p) + 2;
	*rest = str_from(*rest, line.n);
	return line;
}

/* Gives each class as many places as the classes before it leave. False: the needed ones alone are
 * too many. */
static bool crowd_share(struct crowd *c, const struct message *m, struct str rest)
{
	unsigned lines[CROWD_CLASSES] = {0}, free = MESSAGE_HEADERS_MAX;

	for (struct str line; (line = crowd_take_line(&rest)).n;)
		lines[crowd_class_of(m, line)]++;
	if (lines[CROWD_NEEDED] > free)
		return false;
	for (unsigned i = 0; i < CROWD_CLASSES; i++) {
		c->places[i] = lines[i] < free ? lines[i] : free;
		free -= c->places[i];
	}
	return true;
}

size_t crowd_thin(
	struct str raw, const struct message *m, char *out, size_t size, unsigned *left_out)
{
	struct crowd c;
	size_t used;

	while (raw.n >= 2 && raw.p[0] == '\r' && raw.p[1] == '\n')
		raw = str_from(raw, 2);
	const size_t start = str_find(raw, '\n') + 1;

	if (start > raw.n || raw.n > size || !crowd_share(&c, m, str_from(raw, start)))
		return 0;
	/* what is written never overtakes what is read */
	memmove(out, raw.p, start);
	used = start;
	*left_out = 0;
	raw = str_from(raw, start);
	for (struct str line; (line = crowd_take_line(&raw)).n;) {
		unsigned *places = &c.places[crowd_class_of(m, line)];

		if (!*places) {
			++*left_out;
			continue;
		}
		--*places;
		memmove(out + used, line.p, line.n);
		used += line.n;
	}
	memmove(out + used, raw.p, raw.n);
	return used + raw.n;
}

bool crowd_is_served(const struct message *m)
{
	return m->method == METHOD_BYE || m->method == METHOD_CANCEL || m->method == METHOD_ACK ||
	       m->to_tag.length;
}
