/* expression.c - bounds on what regcomp is given (expression.h). Relies on its taking an
 * exponential time only over repetitions: of repetitions, or of copies. */
#include "expression.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Behind the bracket expression that starts at p, or at the end of the text. "]" is literal where
 * it comes first. */
static const char *expression_bracket_end(const char *p)
{
	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	while (*p && *p != ']') {
		/* [:class:], [=x=], [.x.] may hold a "]" */
		if (p[0] == '[' && (p[1] == ':' || p[1] == '=' || p[1] == '.')) {
			const char end[] = {p[1], ']', 0}, *found = strstr(p + 2, end);

			p = found ? found + 2 : p + strlen(p);
		} else {
			p++;
		}
	}
	return *p ? p + 1 : p;
}

/* The most copies that the interval at p asks for: the larger of its bounds; one where it is
 * none. */
static unsigned long expression_interval_copies(const char *p)
{
	unsigned long copies = 1;

	for (p++; *p && *p != '}'; p++)
		if (*p >= '0' && *p <= '9') {
			char *end;
			unsigned long n = strtoul(p, &end, 10);

			copies = n > copies ? n : copies;
			p = end - 1;
		}
	return copies;
}

const char *expression_fault(const char *text)
{
	unsigned long copies = 1, n;
	unsigned repetitions = 0;
	bool repeated = false; /* a repetition stands before p */

	for (const char *p = text; *p;) {
		if (*p == '*' || *p == '+' || *p == '?' || *p == '{') {
			if (repeated)
				return "a repetition of a repetition";
			if (++repetitions > EXPRESSION_REPETITIONS_MAX)
				return "too many repetitions";
			n = *p == '{' ? expression_interval_copies(p) : 1;
			/* as if all stood inside each other: what passes is small, and few that
			 * make sense do not */
			if (n > EXPRESSION_COPIES_MAX / copies)
				return "too many copies by intervals";
			copies *= n;
			if (*p == '{')
				p += strcspn(p, "}");
			p += *p != 0;
			repeated = true;
			continue;
		}
		/* "(a*)*" is a repetition of a repetition as well, though not next to each other */
		repeated = *p == ')' && repeated;
		if (*p == '[')
			p = expression_bracket_end(p);
		else
			p += p[0] == '\\' && p[1] ? 2 : 1;
	}
	return NULL;
}
