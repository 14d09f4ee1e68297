/* explanation.h - what would become of a message, told instead of done (sipwardctl explain).
 *
 * The message takes the way of every other through the core. Where its struct incoming has an
 * explanation, whatever would answer it, pass it on or keep something of it says so here instead;
 * nothing is sent, stored, counted or used up. It is told in rows: the part of the gateway that
 * decides, the name of what it decides by with its line of the config, and what it says.
 */
#ifndef SIPWARD_SIP_EXPLANATION_H
#define SIPWARD_SIP_EXPLANATION_H

#include "sip.h"

struct explanation {
	void (*row)(void *arg, struct str json);
	void *arg;
};

/* Says one thing. name: of a zone, route, trunk, header; may be empty. line: of the config; 0: not
 * known. What is too long is cut. */
void explanation_say(struct explanation *x, const char *part, struct str name, uint32_t line,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same of what stands in a section of the config, whose name the row has with its kind ("zone",
 * "domain", ...), so that its line can be told. target: of a trunk, its place among those that are
 * written; NONE_INDEX: none. */
struct explanation_place {
	const char *section;
	struct str of;
	unsigned target;
	uint32_t line; /* where it is known here; 0: it is not */
};
void explanation_say_of(struct explanation *x, const char *part, struct str name,
	const struct explanation_place *place, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* It would be answered so, and that is all. headers: those of the answer, whole lines. */
void explanation_answer(struct explanation *x, unsigned status, struct str headers);
/* The same with another reason phrase than the status' own, where it is not empty. */
void explanation_answer_reason(
	struct explanation *x, unsigned status, struct str phrase, struct str headers);

/* ---- what is said of each step ---- */

/* The zone of the source, and whether that is one of its sources. */
void explanation_zone(
	struct explanation *x, const struct settings *s, unsigned zone, bool permitted);
/* Why a trunk is passed over. */
void explanation_trunk(
	struct explanation *x, const struct settings *s, unsigned trunk, const char *says);
/* The bindings that a REGISTER would leave. */
void explanation_bindings(struct explanation *x, struct str aor, unsigned changed, unsigned count);
#endif
