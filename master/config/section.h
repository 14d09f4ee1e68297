/* section.h - what the readers of the sections with a title have in common, and these readers. */
#ifndef SIPWARD_MASTER_CONFIG_SECTION_H
#define SIPWARD_MASTER_CONFIG_SECTION_H

#include "reader.h"

/* The title as the section's name: 1 to NAME_MAX_LENGTH letters, digits, dots, hyphens and
 * underscores; anything else adds an error. The caller frees it; NULL: no memory. */
char *section_name(struct reader *r, cfg_t *section);
/* RFC 1035 labels and IPv4 addresses: a host as it may stand in a URI. An IPv6 address is for the
 * caller. */
bool host_name_valid(struct str s);
/* Makes ASCII letters lower case, in place. NULL is permitted. */
void text_lower(char *s);

/* How many values a list has; more than max are an error at the line of the first one too many, and
 * max is returned. */
size_t section_list_count(struct reader *r, cfg_t *section, const char *option, size_t max);
/* Reads a list of addresses and networks, of at most max, into a new array of the caller's. */
void section_prefixes(struct reader *r, cfg_t *section, const char *option, size_t max,
	struct prefix **out, size_t *count);

/* The bits of the zones that a list names. */
uint64_t section_zones(struct reader *r, cfg_t *section, const char *option);
/* A copy of the regular expression v (ipc/pattern.h), which is tried; NULL: it is none, which adds
 * an error, or there is no memory. */
char *section_pattern(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v);
/* Reads a list of at most max values into a new array of the caller's, each by read, which gives a
 * copy or adds an error. */
typedef char *(*section_text)(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v);
void section_texts(struct reader *r, cfg_t *section, const char *option, size_t max,
	section_text read, char ***out, size_t *count);
/* The name of a group of users, for section_texts. */
char *section_group(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v);
/* Reads the rules about numbers and headers of a zone, a trunk or a route into a new array. */
void section_rules(struct reader *r, cfg_t *section, struct config_rules *out);

/* Each reads a section of its kind, in section_KIND.c, with the references by name to what was read
 * before. The row is zeroed; what it owns is freed by config_free, also after errors. */
void section_read_zone(struct reader *r, cfg_t *section, struct config_zone *z);
void section_read_certificate(struct reader *r, cfg_t *section, struct config_certificate *c);
void section_read_listener(struct reader *r, cfg_t *section, struct config_listener *l);
void section_read_domain(struct reader *r, cfg_t *section, struct config_domain *d);
void section_read_trunk(struct reader *r, cfg_t *section, struct config_trunk *t);
void section_read_numbers(struct reader *r, cfg_t *section, struct config_numbers *n);
void section_read_route(struct reader *r, cfg_t *section, struct config_route *t);
void section_read_forward(struct reader *r, cfg_t *section, struct config_forward *f);

#endif
