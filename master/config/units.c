/* units.c - see units.h. Relies on nothing. */
#include "units.h"

#include <errno.h>
#include <stdio.h>

/* Beyond this no value of the file makes sense (35 years in ms, 1 TB), and products of two still
 * fit 64 bits. */
#define NUMBER_MAX (UINT64_C(1) << 40)

struct unit {
	const char *name;
	uint64_t factor;
};
/* greatest last: the texts for messages are made from the end */
static const struct unit durations[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const struct unit sizes[] = {{"B", 1}, {"KB", 1024}, {"MB", 1048576}};
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Takes digits from the front of *s. */
static int unit_take_number(struct str *s, uint64_t *out)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(s->p[i] - '0');
		if (n > NUMBER_MAX)
			return -ERANGE;
	}
	if (i == 0)
		return -EINVAL;
	*s = str_from(*s, i);
	*out = n;
	return 0;
}

/* Takes the next word (up to white space) from *s; empty at the end. */
static struct str unit_take_word(struct str *s)
{
	struct str word;
	size_t i = 0;

	*s = str_trim(*s);
	while (i < s->n && s->p[i] != ' ' && s->p[i] != '\t')
		i++;
	word = (struct str){s->p, i};
	*s = str_from(*s, i);
	return word;
}

static int unit_parse(struct str text, const struct unit *units, size_t count, uint64_t *out)
{
	struct str s = str_trim(text);
	uint64_t n;
	int error = unit_take_number(&s, &n);

	if (error)
		return error;
	s = str_trim(s);
	for (size_t i = 0; i < count; i++) {
		if (!str_equal(s, str_of(units[i].name)))
			continue;
		if (n > NUMBER_MAX / units[i].factor)
			return -ERANGE;
		*out = n * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

int unit_duration(struct str text, uint64_t *ms)
{
	return unit_parse(text, durations, COUNT_OF(durations), ms);
}

int unit_size(struct str text, uint64_t *bytes)
{
	return unit_parse(text, sizes, COUNT_OF(sizes), bytes);
}

int unit_duration_range(struct str text, uint64_t *least_ms, uint64_t *most_ms)
{
	uint64_t least, most;
	size_t dots = 0;
	int error;

	while (dots + 1 < text.n && !(text.p[dots] == '.' && text.p[dots + 1] == '.'))
		dots++;
	if (dots + 1 >= text.n)
		return -EINVAL;
	error = unit_duration((struct str){text.p, dots}, &least);
	if (error == 0)
		error = unit_duration(str_from(text, dots + 2), &most);
	if (error)
		return error;
	if (least > most)
		return -EINVAL;
	*least_ms = least;
	*most_ms = most;
	return 0;
}

static int unit_duration_32(struct str text, uint32_t *ms)
{
	uint64_t value;
	int error = unit_duration(text, &value);

	if (error)
		return error;
	if (value == 0 || value > UINT32_MAX)
		return -ERANGE;
	*ms = (uint32_t)value;
	return 0;
}

int unit_rate(struct str text, uint32_t *number, uint32_t *window_ms)
{
	struct str s = str_trim(text), window;
	uint64_t n;
	uint32_t ms = 0;
	int error = unit_take_number(&s, &n);

	if (error)
		return error;
	s = str_trim(s);
	if (s.n == 0 || s.p[0] != '/')
		return -EINVAL;
	s = str_from(s, 1);
	window = unit_take_word(&s);
	/* "/s" is one second, "/10s" are ten */
	for (size_t i = 0; i < COUNT_OF(durations); i++)
		if (str_equal(window, str_of(durations[i].name)))
			ms = (uint32_t)durations[i].factor;
	if (ms == 0)
		error = unit_duration_32(window, &ms);
	if (error)
		return error;
	if (!str_equal(unit_take_word(&s), S("per")) ||
		!str_equal(unit_take_word(&s), S("source")) || str_trim(s).n)
		return -EINVAL;
	if (n == 0 || n > UINT32_MAX)
		return -ERANGE;
	*number = (uint32_t)n;
	*window_ms = ms;
	return 0;
}

int unit_ban(struct str text, uint32_t *failures, uint32_t *window_ms, uint32_t *ban_ms)
{
	struct str s = str_trim(text), word;
	uint64_t n;
	uint32_t window, ban;
	int error = unit_take_number(&s, &n);

	if (error)
		return error;
	word = unit_take_word(&s);
	if (!str_equal(word, S("failures")) && !str_equal(word, S("failure")))
		return -EINVAL;
	if (!str_equal(unit_take_word(&s), S("in")))
		return -EINVAL;
	error = unit_duration_32(unit_take_word(&s), &window);
	if (error)
		return error;
	if (!str_equal(unit_take_word(&s), S("for")))
		return -EINVAL;
	error = unit_duration_32(unit_take_word(&s), &ban);
	if (error)
		return error;
	if (str_trim(s).n)
		return -EINVAL;
	if (n == 0 || n > UINT32_MAX)
		return -ERANGE;
	*failures = (uint32_t)n;
	*window_ms = window;
	*ban_ms = ban;
	return 0;
}

int unit_count(struct str text, uint64_t *number)
{
	struct str s = str_trim(text);
	uint64_t n;
	int error = unit_take_number(&s, &n);

	if (error)
		return error;
	if (s.n)
		return -EINVAL;
	*number = n;
	return 0;
}

static const char *unit_text(
	uint64_t value, const struct unit *units, size_t count, char buffer[UNIT_TEXT_SIZE])
{
	size_t i = count - 1;

	while (i > 0 && (value == 0 || value % units[i].factor))
		i--;
	snprintf(buffer, UNIT_TEXT_SIZE, "%llu%s", (unsigned long long)(value / units[i].factor),
		units[i].name);
	return buffer;
}

const char *unit_duration_text(uint64_t ms, char buffer[UNIT_TEXT_SIZE])
{
	return unit_text(ms, durations, COUNT_OF(durations), buffer);
}

const char *unit_size_text(uint64_t bytes, char buffer[UNIT_TEXT_SIZE])
{
	return unit_text(bytes, sizes, COUNT_OF(sizes), buffer);
}
