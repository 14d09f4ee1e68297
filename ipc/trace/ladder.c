/* ladder.c - see ladder.h: who takes part, and the ladder for the terminal. Relies on nothing. */
#include "ladder.h"

#include <string.h>

#define LADDER_WIDTH_MIN 40
#define LADDER_TIME 10 /* columns of the time */
#define LADDER_STEP 18 /* least distance of two parties */
#define LADDER_STEP_MAX 44

bool ladder_join(struct ladder *l, const char *name, unsigned most)
{
	for (unsigned k = 0; k < l->parties; k++)
		if (k != LADDER_OWN && strcmp(l->party[k], name) == 0)
			return false;
	if (!l->parties)
		l->party[LADDER_OWN] = "sipward";
	if (l->parties < most) {
		l->party[l->parties] = name;
		l->parties += l->parties ? 1 : 2;
		return true;
	}
	l->party[l->parties - 1] = "others";
	l->more = true;
	return false;
}

void ladder_of(struct ladder *l, const struct trace_set *t, size_t group, unsigned most)
{
	const struct trace_event *e;

	*l = (struct ladder){.call_id = ""};
	TRACE_GROUP_EACH (t, group, e) {
		if (e->note)
			continue;
		if (!l->parties) {
			l->began_us = e->at_us;
			l->call_id = e->call_id;
		}
		ladder_join(l, e->peer, most);
	}
}

unsigned ladder_column(const struct ladder *l, const struct trace_event *e)
{
	for (unsigned k = 0; k < l->parties; k++)
		if (k != LADDER_OWN && strcmp(l->party[k], e->peer) == 0)
			return k;
	return l->parties - 1;
}

/* ---- the terminal ---- */

/* One line of cells, each a character of at most three bytes. */
struct ladder_line {
	char cell[LADDER_WIDTH_MAX][4];
	unsigned width;
};

static void line_clear(struct ladder_line *line, unsigned width)
{
	line->width = width;
	for (unsigned i = 0; i < width; i++)
		memcpy(line->cell[i], " ", 2);
}

static void line_put(struct ladder_line *line, unsigned at, const char *glyph)
{
	if (at < line->width)
		snprintf(line->cell[at], sizeof(line->cell[at]), "%s", glyph);
}

/* Nothing in it reaches the terminal as a control sequence. */
static void line_text(struct ladder_line *line, unsigned at, const char *text, unsigned most)
{
	for (unsigned i = 0; i < most && text[i]; i++) {
		char glyph[2] = {text[i], 0};

		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f)
			glyph[0] = '?';
		line_put(line, at + i, glyph);
	}
}

static void line_print(const struct ladder_line *line, FILE *to)
{
	unsigned end = line->width;

	while (end && strcmp(line->cell[end - 1], " ") == 0)
		end--;
	for (unsigned i = 0; i < end; i++)
		fputs(line->cell[i], to);
	fputc('\n', to);
}

struct ladder_terminal {
	const struct ladder *ladder;
	unsigned width, space, step, first;
	const char *bar, *dash, *right, *left, *point;
	FILE *to;
};

static unsigned terminal_column(const struct ladder_terminal *p, unsigned party)
{
	return p->first + party * p->step;
}

static void terminal_begin(
	const struct ladder_terminal *p, struct ladder_line *line, const struct trace_event *e)
{
	char time[32];

	line_clear(line, p->width);
	for (unsigned k = 0; k < p->ladder->parties; k++)
		line_put(line, terminal_column(p, k), p->bar);
	if (!e)
		return;
	snprintf(time, sizeof(time), "%9.3f",
		((double)e->at_us - (double)p->ladder->began_us) / 1e6);
	line_text(line, 0, time, LADDER_TIME);
}

static void terminal_heads(const struct ladder_terminal *p)
{
	struct ladder_line line;

	line_clear(&line, p->width);
	for (unsigned k = 0; k < p->ladder->parties; k++) {
		const char *name = p->ladder->party[k];
		unsigned n = (unsigned)strlen(name), half, at = terminal_column(p, k);

		if (n > p->step - 2)
			n = p->step - 2;
		half = n / 2;
		at = at > half ? at - half : 0;
		if (at + n > p->width)
			at = p->width - n;
		line_text(&line, at, name, n);
	}
	line_print(&line, p->to);
}

static void terminal_message(const struct ladder_terminal *p, const struct trace_event *e)
{
	unsigned peer = terminal_column(p, ladder_column(p->ladder, e)),
		 own = terminal_column(p, LADDER_OWN);
	unsigned from = e->out ? own : peer, to = e->out ? peer : own;
	unsigned low = from < to ? from : to, high = from < to ? to : from, n;
	struct ladder_line line;
	char label[128];

	terminal_begin(p, &line, e);
	for (unsigned i = low + 1; i < high; i++)
		line_put(&line, i, p->dash);
	line_put(&line, from < to ? high - 1 : low + 1, from < to ? p->right : p->left);
	trace_message_label(e, label, sizeof(label));
	n = (unsigned)strlen(label);
	if (n > high - low - 5)
		n = high - low - 5;
	line_text(&line, low + (high - low - n) / 2, label, n);
	line_print(&line, p->to);
}

size_t ladder_line_end(const char *text, size_t room)
{
	size_t n = strlen(text), cut = room;

	if (n <= room)
		return n;
	while (cut && text[cut] != ' ')
		cut--;
	return cut ? cut : room;
}

/* A note has the width behind the time, in as many lines as it takes. */
static void terminal_note(const struct ladder_terminal *p, const struct trace_event *e)
{
	unsigned room = p->width - LADDER_TIME - 3;
	const char *text = e->note;
	bool first = true;

	while (*text) {
		struct ladder_line line;
		size_t n = ladder_line_end(text, room);

		line_clear(&line, p->width);
		if (first) {
			terminal_begin(p, &line, e);
			for (unsigned i = LADDER_TIME; i < p->width; i++)
				line_put(&line, i, " ");
			line_put(&line, LADDER_TIME, p->point);
		}
		line_text(&line, LADDER_TIME + 2, text, (unsigned)n);
		line_print(&line, p->to);
		text += n;
		text += strspn(text, " ");
		first = false;
	}
}

/* The places of a screen, and of the columns of a ladder, which may be NULL. */
static struct ladder_terminal terminal_of(const struct ladder *l, const struct ladder_screen *s)
{
	struct ladder_terminal p = {.ladder = l,
		.width = s->width < LADDER_WIDTH_MIN   ? LADDER_WIDTH_MIN
	                 : s->width > LADDER_WIDTH_MAX ? LADDER_WIDTH_MAX
	                                               : s->width,
		.bar = s->ascii ? "|" : "│",
		.dash = s->ascii ? "-" : "─",
		.right = s->ascii ? ">" : "▶",
		.left = s->ascii ? "<" : "◀",
		.point = s->ascii ? "*" : "●",
		.to = s->to};

	p.first = LADDER_TIME + LADDER_STEP / 2 - 1;
	if (p.width < p.first + 2 * LADDER_STEP)
		p.first = LADDER_TIME + 2;
	p.space = p.width - p.first - 2;
	if (!l || l->parties < 2)
		return p;
	/* the last party's name needs half of its column */
	p.step = (p.space - (p.space > 2 * LADDER_STEP ? LADDER_STEP / 2 : 0)) / (l->parties - 1);
	if (p.step > LADDER_STEP_MAX)
		p.step = LADDER_STEP_MAX;
	return p;
}

unsigned ladder_most(const struct ladder_screen *s)
{
	unsigned most = terminal_of(NULL, s).space / LADDER_STEP + 1;

	return most < 3 ? 3 : most > LADDER_PARTIES_MAX ? LADDER_PARTIES_MAX : most;
}

void ladder_head(const struct ladder *l, const struct ladder_screen *s)
{
	const struct ladder_terminal p = terminal_of(l, s);

	fprintf(s->to, "Call-ID ");
	for (const char *c = l->call_id; *c; c++)
		fputc((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f ? '?' : *c, s->to);
	fputc('\n', s->to);
	terminal_heads(&p);
}

void ladder_row(const struct ladder *l, const struct ladder_screen *s, const struct trace_event *e)
{
	const struct ladder_terminal p = terminal_of(l, s);

	if (e->note)
		terminal_note(&p, e);
	else
		terminal_message(&p, e);
}

void ladder_print(const struct trace_set *t, size_t group, const struct ladder_screen *s)
{
	const struct trace_event *e;
	struct ladder l;

	ladder_of(&l, t, group, ladder_most(s));
	if (!l.parties)
		return;
	ladder_head(&l, s);
	TRACE_GROUP_EACH (t, group, e)
		ladder_row(&l, s, e);
	fputc('\n', s->to);
}
