/* rule.c - see rule.h. Relies on pattern.h for what a pattern may take. */
#include "rule.h"

#include "names.h"
#include "syntax.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define RULE_WORDS_MAX 4

struct rule_part_row {
	const char *header, *part;
};
static const struct rule_part_row rule_part_rows[RULE_PARTS] = {
	[RULE_REQUEST_USER] = {"request-uri", "user"},
	[RULE_FROM_USER] = {"from", "user"},
	[RULE_FROM_HOST] = {"from", "host"},
	[RULE_FROM_DISPLAY] = {"from", "display"},
	[RULE_TO_USER] = {"to", "user"},
	[RULE_TO_HOST] = {"to", "host"},
	[RULE_TO_DISPLAY] = {"to", "display"},
	[RULE_IDENTITY_USER] = {"p-asserted-identity", "user"},
};

__attribute__((format(printf, 2, 3))) static int rule_wrong(
	struct rule_fault *fault, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fault->text, sizeof(fault->text), format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- words ---- */

static bool rule_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the next word from *rest. False at the end, or where a quote is not closed or not followed
 * by a blank (bad). */
static bool rule_word(struct str *rest, struct str *word, bool *bad)
{
	size_t n = 0;
	char quote;

	while (rest->n && rule_is_blank(*rest->p))
		*rest = str_from(*rest, 1);
	if (!rest->n)
		return false;
	quote = *rest->p;
	if (quote != '"' && quote != '\'') {
		while (n < rest->n && !rule_is_blank(rest->p[n]))
			n++;
		*word = (struct str){rest->p, n};
		*rest = str_from(*rest, n);
		return true;
	}
	*rest = str_from(*rest, 1);
	n = str_find(*rest, quote);
	*bad = n == rest->n || (n + 1 < rest->n && !rule_is_blank(rest->p[n + 1]));
	if (*bad)
		return false;
	*word = (struct str){rest->p, n};
	*rest = str_from(*rest, n + 1);
	return true;
}

static int rule_words(struct str text, struct str word[RULE_WORDS_MAX], struct rule_fault *fault)
{
	bool bad = false;
	struct str more;
	int count = 0;

	while (count < RULE_WORDS_MAX && rule_word(&text, &word[count], &bad))
		count++;
	if (!bad && count == RULE_WORDS_MAX && rule_word(&text, &more, &bad))
		return rule_wrong(fault,
			"there are more words than a rule has: put quotes around one with blanks");
	if (bad)
		return rule_wrong(
			fault, "a quote is not closed, or no blank follows where it is closed");
	return count;
}

/* ---- match and replace ---- */

/* What $ stands before in a replacement: digits of groups that there are, or another $. */
static int rule_check_replacement(const struct rule *r, struct rule_fault *fault)
{
	struct str text = r->replacement;
	unsigned groups = pattern_groups(r->pattern);

	for (size_t i = 0; i < text.n; i++) {
		char next = i + 1 < text.n ? text.p[i + 1] : '\0';

		if ((uint8_t)text.p[i] < ' ' || text.p[i] == 0x7f)
			return rule_wrong(fault, "the replacement has a control character");
		if (text.p[i] != '$')
			continue;
		if (next != '$' && (next < '0' || next > '9'))
			return rule_wrong(fault,
				"expected $0 to $9, or $$ for a $, in the replacement \"%.*s\"",
				(int)(text.n < 80 ? text.n : 80), text.p);
		if (next != '$' && (unsigned)(next - '0') > groups)
			return rule_wrong(fault,
				"the replacement has $%c, and the pattern %u groups in "
				"parentheses",
				next, groups);
		i++;
	}
	if (!str_is_utf8(text))
		return rule_wrong(fault, "the replacement is not in UTF-8");
	return 0;
}

static int rule_read_replace(struct rule *r, const struct str *word, struct rule_fault *fault)
{
	struct pattern_fault wrong;
	int error;

	if (!word[2].n || word[2].n > PATTERN_MAX)
		return rule_wrong(
			fault, "expected a regular expression of 1 to %d bytes", PATTERN_MAX);
	error = pattern_new(&r->pattern, word[2], &wrong);
	if (error == -EINVAL)
		return rule_wrong(fault, "the pattern \"%.*s\" is wrong at offset %zu: %s",
			(int)(word[2].n < 80 ? word[2].n : 80), word[2].p, wrong.at, wrong.text);
	if (error)
		return error;
	r->kind = RULE_REPLACE;
	r->replacement = word[3];
	error = rule_check_replacement(r, fault);
	if (error)
		rule_clear(r);
	return error;
}

/* The part that two words name; RULE_PARTS: none. */
static unsigned rule_part_of(struct str header, struct str part)
{
	unsigned i = 0;

	while (i < RULE_PARTS && !(str_equal_nocase(header, str_of(rule_part_rows[i].header)) &&
					 str_equal_nocase(part, str_of(rule_part_rows[i].part))))
		i++;
	return i;
}

/* ---- headers ---- */

#define CHANGED_PASS true
#define CHANGED_TRUSTED true
#define CHANGED_OURS false
#define CHANGED_NEVER false
#define CHANGED_MAPPED false
#define CHANGED_OPTIONS false
#define CHANGED_CREDENTIALS false
#define CHANGED_CHALLENGE false
#define CHANGED_WARNING false
#define MISSED_HOSTS true
#define MISSED_NEEDED false
#define MISSED_WHOLE true
#define MISSED_IDENTITY true
#define MISSED_NETWORK true
#define MISSED_SOFTWARE true
#define MISSED_NOBODY true

bool rule_may_change(uint8_t header)
{
	switch (header) {
#define POLICY(id, what, receiver)                                                                 \
	case HEADER_##id:                                                                          \
		return CHANGED_##what && MISSED_##receiver;
#include "policy.def"
#undef POLICY
	default: return true;
	}
}

/* Headers whose values are addresses. */
static bool rule_has_addresses(uint8_t header)
{
	return header == HEADER_P_ASSERTED_IDENTITY || header == HEADER_P_PREFERRED_IDENTITY ||
	       header == HEADER_REMOTE_PARTY_ID || header == HEADER_DIVERSION ||
	       header == HEADER_HISTORY_INFO || header == HEADER_P_CALLED_PARTY_ID ||
	       header == HEADER_REPLY_TO;
}

static int rule_check_value(const struct rule *r, struct rule_fault *fault)
{
	struct str rest = r->value;
	struct address a;
	int error;

	if (!rest.n || rest.n > RULE_PART_MAX)
		return rule_wrong(fault, "expected a value of 1 to %d bytes", RULE_PART_MAX);
	for (size_t i = 0; i < rest.n; i++)
		if ((uint8_t)rest.p[i] < ' ' || rest.p[i] == 0x7f)
			return rule_wrong(fault, "the value has a control character");
	if (!str_is_utf8(rest))
		return rule_wrong(fault, "the value is not in UTF-8");
	if (!rule_has_addresses(r->header))
		return 0;
	while ((error = address_next(&rest, &a)) == 0)
		;
	return error == -ENOENT
	               ? 0
	               : rule_wrong(fault, "%.*s has addresses, as in \"<sip:+4930@example.net>\"",
				 STR(r->name));
}

static int rule_read_header(
	struct rule *r, const struct str *word, int count, struct rule_fault *fault)
{
	bool remove = str_equal_nocase(word[1], S("remove"));

	if (remove)
		r->kind = RULE_REMOVE;
	else if (str_equal_nocase(word[1], S("set")))
		r->kind = RULE_SET;
	else if (str_equal_nocase(word[1], S("add")))
		r->kind = RULE_ADD;
	else
		return rule_wrong(fault,
			"expected \"header set NAME VALUE\", \"header add NAME VALUE\" or "
			"\"header remove NAME\"");
	if (count != (remove ? 3 : 4))
		return rule_wrong(fault,
			remove ? "expected \"header remove NAME\""
			       : "expected \"header %.*s NAME VALUE\", a value with blanks in "
				 "quotes",
			STR(word[1]));
	r->name = word[2];
	if (!is_token(r->name) || r->name.n > RULE_NAME_MAX)
		return rule_wrong(fault,
			"expected the name of a header, of 1 to %d bytes, found \"%.*s\"",
			RULE_NAME_MAX, (int)(r->name.n < 80 ? r->name.n : 80), r->name.p);
	r->header = header_of(r->name);
	if (!rule_may_change(r->header))
		return rule_wrong(fault,
			"%s is not for rules to change: sipward writes it, or keeps it",
			header_name(r->header));
	if (remove)
		return 0;
	r->value = word[3];
	return rule_check_value(r, fault);
}

/* ---- what it is for ---- */

static unsigned rule_where_of(struct str word, bool out)
{
	if (str_equal_nocase(word, S("request")))
		return out ? 0 : RULE_IN_REQUEST;
	if (str_equal_nocase(word, S("dialog")))
		return out ? RULE_OUT_DIALOG : RULE_IN_DIALOG;
	if (str_equal_nocase(word, S("response")))
		return out ? RULE_OUT_RESPONSE : RULE_IN_RESPONSE;
	return 0;
}

/* Takes "in WHERE" or "out WHERE" from *rest, where it begins so. */
static int rule_read_where(struct rule *r, struct str *rest, struct rule_fault *fault)
{
	struct str behind = *rest, word, where;
	bool bad = false, out;

	r->where = RULE_IN_REQUEST;
	if (!rule_word(&behind, &word, &bad))
		return 0;
	out = str_equal_nocase(word, S("out"));
	if (!out && !str_equal_nocase(word, S("in")))
		return 0;
	r->where = 0;
	if (!rule_word(&behind, &where, &bad))
		where = STR_EMPTY;
	do {
		size_t n = str_find(where, ',');
		unsigned one = rule_where_of((struct str){where.p, n}, out);

		if (!one)
			return rule_wrong(fault,
				out ? "expected \"dialog\" or \"response\", or both with a comma, "
				      "after \"out\""
				    : "expected \"request\", \"dialog\" or \"response\", or some "
				      "of "
				      "them with commas, after \"in\"");
		r->where |= (uint8_t)one;
		where = n < where.n ? str_from(where, n + 1) : STR_NONE;
	} while (where.p);
	*rest = behind;
	return 0;
}

/* ---- a rule ---- */

int rule_read(struct rule *out, struct str text, struct rule_fault *fault)
{
	struct str word[RULE_WORDS_MAX];
	struct rule r = {.part = RULE_PARTS, .header = HEADER_OTHER};
	int count, error;

	if (!text.n || text.n > RULE_TEXT_MAX)
		return rule_wrong(fault, "expected a rule of 1 to %d bytes", RULE_TEXT_MAX);
	error = rule_read_where(&r, &text, fault);
	if (error)
		return error;
	count = rule_words(text, word, fault);
	if (count < 0)
		return count;
	if (count >= 2 && str_equal_nocase(word[0], S("header"))) {
		error = rule_read_header(&r, word, count, fault);
	} else if (r.where & RULE_LATER) {
		return rule_wrong(fault, "expected \"header\" with \"set\", \"add\" or \"remove\": "
					 "numbers and names "
					 "stay for responses and within a dialog");
	} else {
		r.part = (uint8_t)(count >= 2 ? rule_part_of(word[0], word[1]) : RULE_PARTS);
		if (r.part == RULE_PARTS)
			return rule_wrong(fault,
				"expected \"request-uri user\", \"from\" or \"to\" with \"user\", "
				"\"host\" or \"display\", \"p-asserted-identity user\", or "
				"\"header\" "
				"with \"set\", \"add\" or \"remove\"");
		if (count != 4)
			return rule_wrong(fault, "expected \"%s PATTERN REPLACEMENT\"",
				rule_part_name(r.part));
		error = rule_read_replace(&r, word, fault);
	}
	if (error == 0)
		*out = r;
	return error;
}

void rule_clear(struct rule *r)
{
	pattern_free(r->pattern);
	r->pattern = NULL;
}

long rule_expand(
	const struct rule *r, const struct str group[PATTERN_GROUPS], char *buffer, size_t size)
{
	struct str text = r->replacement;
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		struct str piece = {text.p + i, 1};

		if (text.p[i] == '$' && i + 1 < text.n) {
			i++;
			if (text.p[i] != '$')
				piece = group[(unsigned)(text.p[i] - '0') % PATTERN_GROUPS];
		}
		if (piece.n > size - n)
			return -ENOBUFS;
		if (piece.n)
			memcpy(buffer + n, piece.p, piece.n);
		n += piece.n;
	}
	return (long)n;
}

size_t rule_added_size(const struct rule *r)
{
	bool adds = r->kind == RULE_SET || r->kind == RULE_ADD;

	return adds ? r->name.n + sizeof(": \r\n") - 1 + r->value.n : 0;
}

size_t rule_removed_size(const struct rule *r)
{
	return r->kind == RULE_SET || r->kind == RULE_REMOVE ? 2 + r->name.n : 0;
}

bool rule_same_header(uint8_t id, struct str name, uint8_t other_id, struct str other_name)
{
	return id == other_id && (id != HEADER_OTHER || str_equal_nocase(name, other_name));
}

const char *rule_part_name(enum rule_part part)
{
	static const char *const names[RULE_PARTS] = {"request-uri user", "from user", "from host",
		"from display", "to user", "to host", "to display", "p-asserted-identity user"};

	return part < RULE_PARTS ? names[part] : "?";
}
