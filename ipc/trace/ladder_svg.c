/* ladder_svg.c - ladders as SVG (ladder.h). Relies on nothing. */
#include "ladder.h"

#include <string.h>

enum {
	SVG_LEFT = 160,   /* of the first party */
	SVG_STEP = 240,   /* from one party to the next */
	SVG_ROW = 24,     /* a message or note */
	SVG_HEAD = 60,    /* above the first row of a ladder */
	SVG_GAP = 30,     /* below its last one */
	SVG_NOTE_AT = 80, /* where notes begin */
	SVG_LETTER = 7,   /* width of one, about */
};

static void svg_text_of(const char *text, size_t n, FILE *to)
{
	for (const unsigned char *c = (const unsigned char *)text; n-- && *c; c++)
		switch (*c) {
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '&': fputs("&amp;", to); break;
		case '"': fputs("&quot;", to); break;
		default: fputc(*c < 0x20 || *c >= 0x7f ? '?' : *c, to);
		}
}

static void svg_text(const char *text, FILE *to)
{
	svg_text_of(text, strlen(text), to);
}

/* Takes the next line of a note. False: there is none. */
static bool svg_note_line(const char **note, size_t *n, int width)
{
	*note += strspn(*note, " ");
	*n = ladder_line_end(*note, (size_t)(width - SVG_NOTE_AT) / SVG_LETTER);
	return *n != 0;
}

static int svg_rows(const struct trace_event *e, int width)
{
	const char *note = e->note;
	int rows = !note;
	size_t n;

	for (; note && svg_note_line(&note, &n, width); note += n)
		rows++;
	return rows;
}

static int svg_height(const struct trace_set *t, size_t group, int width)
{
	const struct trace_event *e;
	int rows = 0;

	TRACE_GROUP_EACH (t, group, e)
		rows += svg_rows(e, width);
	return rows * SVG_ROW;
}

static int svg_column(unsigned party)
{
	return SVG_LEFT + (int)party * SVG_STEP;
}

static void svg_message(const struct ladder *l, const struct trace_event *e, int y, FILE *to)
{
	int peer = svg_column(ladder_column(l, e)), own = svg_column(LADDER_OWN);
	int from = e->out ? own : peer, till = e->out ? peer : own;
	char label[128];

	trace_message_label(e, label, sizeof(label));
	fprintf(to,
		"<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"m\" "
		"marker-end=\"url(#a)\"/>\n<text x=\"%d\" y=\"%d\" class=\"l\">",
		from, y, till, y, (from + till) / 2, y - 4);
	svg_text(label, to);
	fputs("</text>\n", to);
}

static void svg_note(const char *note, int y, int width, FILE *to)
{
	size_t n;

	for (; svg_note_line(&note, &n, width); note += n, y += SVG_ROW) {
		fprintf(to, "<text x=\"%d\" y=\"%d\" class=\"n\"\n>", SVG_NOTE_AT, y);
		svg_text_of(note, n, to);
		fputs("</text>\n", to);
	}
}

static int svg_ladder(const struct trace_set *t, size_t group, int top, int width, FILE *to)
{
	const struct trace_event *e;
	struct ladder l;
	int y = top + SVG_HEAD, end;

	ladder_of(&l, t, group, LADDER_PARTIES_MAX);
	if (!l.parties)
		return top;
	end = y + svg_height(t, group, width);
	for (unsigned k = 0; k < l.parties; k++) {
		fprintf(to, "<text x=\"%d\" y=\"%d\" class=\"h\">", svg_column(k),
			top + SVG_HEAD / 2);
		svg_text(l.party[k], to);
		fprintf(to,
			"</text>\n<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"p\"/>\n",
			svg_column(k), top + SVG_HEAD / 2 + 8, svg_column(k), end);
	}
	TRACE_GROUP_EACH (t, group, e) {
		fprintf(to, "<text x=\"8\" y=\"%d\" class=\"t\">%.3f</text>\n", y,
			((double)e->at_us - (double)l.began_us) / 1e6);
		if (e->note)
			svg_note(e->note, y, width, to);
		else
			svg_message(&l, e, y, to);
		y += svg_rows(e, width) * SVG_ROW;
	}
	return end + SVG_GAP;
}

void ladder_svg(const struct trace_set *t, FILE *to)
{
	unsigned parties = 2;
	int height = 0, width;

	for (size_t group = 0; group < t->groups; group++) {
		struct ladder l;

		ladder_of(&l, t, group, LADDER_PARTIES_MAX);
		if (!l.parties)
			continue;
		if (l.parties > parties)
			parties = l.parties;
	}
	width = svg_column(parties - 1) + SVG_LEFT;
	for (size_t group = 0; group < t->groups; group++) {
		struct ladder l;

		ladder_of(&l, t, group, LADDER_PARTIES_MAX);
		if (l.parties)
			height += SVG_HEAD + svg_height(t, group, width) + SVG_GAP;
	}
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\"\n"
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<style>\n.p{stroke:#999}\n.m{stroke:#225}\n.h{font-weight:bold;text-anchor:middle}"
		"\n"
		".l{text-anchor:middle}\n.t{fill:#777}\n"
		".n{fill:#a40;paint-order:stroke;stroke:#fff;stroke-width:4px}\n</style>\n"
		"<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\"\n"
		"markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\n"
		"<path d=\"M0 0L8 4L0 8z\" fill=\"#225\"/></marker></defs>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		width, height);
	height = 0;
	for (size_t group = 0; group < t->groups; group++)
		height = svg_ladder(t, group, height, width, to);
	fputs("</svg>\n", to);
}
