/* pattern.c - see pattern.h. Relies on libpcre2-8, interpreted: its compiler makes pages that are
 * written and executed, which no jail permits. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

/* NEVER_UTF and NEVER_UCP: a pattern cannot ask by itself for what makes octets an error. */
#define PATTERN_OPTIONS                                                                            \
	(PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |                 \
		PCRE2_NEVER_BACKSLASH_C)

/* A struct pattern is PCRE2's own compiled form, under a name of ours. */

int pattern_new(struct pattern **out, struct str text, struct pattern_fault *fault)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	pcre2_code *code;
	int error = 0;

	if (!context)
		return -ENOMEM;
	pcre2_set_max_pattern_length(context, PATTERN_MAX);
	pcre2_set_parens_nest_limit(context, PATTERN_PARENTHESES_MAX);
	code = pcre2_compile((PCRE2_SPTR)text.p, text.n, PATTERN_OPTIONS, &error, &at, context);
	pcre2_compile_context_free(context);
	if (code) {
		*out = (struct pattern *)code;
		return 0;
	}
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	if (fault) {
		fault->at = at;
		if (pcre2_get_error_message(
			    error, (PCRE2_UCHAR *)fault->text, sizeof(fault->text)) < 0)
			snprintf(fault->text, sizeof(fault->text), "error %d of PCRE2", error);
	}
	return -EINVAL;
}

void pattern_free(struct pattern *p)
{
	pcre2_code_free((pcre2_code *)p);
}

struct pattern_matcher {
	pcre2_match_context *context;
	pcre2_match_data *data;
};

int pattern_matcher_new(struct pattern_matcher **out)
{
	struct pattern_matcher *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->context = pcre2_match_context_create(NULL);
	m->data = pcre2_match_data_create(PATTERN_GROUPS, NULL);
	if (!m->context || !m->data) {
		pattern_matcher_free(m);
		return -ENOMEM;
	}
	pcre2_set_match_limit(m->context, PATTERN_STEPS_MAX);
	pcre2_set_depth_limit(m->context, PATTERN_DEPTH_MAX);
	pcre2_set_heap_limit(m->context, PATTERN_HEAP_MAX_KIB);
	*out = m;
	return 0;
}

void pattern_matcher_free(struct pattern_matcher *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	free(m);
}

int pattern_match(const struct pattern *p, struct pattern_matcher *m, struct str text)
{
	int found = pcre2_match(
		(const pcre2_code *)p, (PCRE2_SPTR)text.p, text.n, 0, 0, m->data, m->context);

	/* 0: it matches, and has groups that there is no room for */
	if (found >= 0)
		return 1;
	return found == PCRE2_ERROR_NOMATCH ? 0 : -E2BIG;
}

int pattern_match_groups(const struct pattern *p, struct pattern_matcher *m, struct str text,
	struct str group[PATTERN_GROUPS])
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
	int found = pattern_match(p, m, text);

	if (found != 1)
		return found;
	for (unsigned i = 0; i < PATTERN_GROUPS; i++) {
		PCRE2_SIZE from = at[2 * i], to = at[2 * i + 1];
		bool there = i <= pattern_groups(p) && to <= text.n && from <= to;

		group[i] = there ? (struct str){text.p + from, to - from} : STR_NONE;
	}
	return 1;
}

unsigned pattern_groups(const struct pattern *p)
{
	uint32_t count = 0;

	pcre2_pattern_info((const pcre2_code *)p, PCRE2_INFO_CAPTURECOUNT, &count);
	return count;
}
