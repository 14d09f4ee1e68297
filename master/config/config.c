/* config.c - see config.h. Relies on nothing of what reads the file. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Frees the field of a plain option that is a text. */
#define FREE_NUMBER(field)
#define FREE_STRING(field) free(field)
#define FREE_DURATION(least, most) FREE_NUMBER
#define FREE_SECONDS_OR_OFF(least, most) FREE_NUMBER
#define FREE_COUNT(least, most) FREE_NUMBER
#define FREE_COUNT_OR_OFF(least, most) FREE_NUMBER
#define FREE_SIZE(least, most) FREE_NUMBER
#define FREE_BOOL FREE_NUMBER
#define FREE_WORD(words) FREE_NUMBER
#define FREE_PATH FREE_STRING
#define FREE_TEXT(most) FREE_STRING
#define CONFIG_FREE(section, name, kind, preset, field, receivers, help) FREE_##kind(x->field);

void config_warn(struct config *c, int line, const char *format, ...)
{
	char message[CONFIG_ERROR_TEXT_MAX], whole[CONFIG_ERROR_TEXT_MAX];
	va_list args;

	if (c->warning_count == CONFIG_WARNINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	const char *path = config_sources_find(&c->sources, c->path, line, &line);
	snprintf(whole, sizeof(whole), "%.200s:%d: warning: %.290s", path, line, message);
	c->warnings[c->warning_count] = strdup(whole);
	if (c->warnings[c->warning_count])
		c->warning_count++;
}

void config_forget_users(struct config *c)
{
	for (size_t i = 0; i < c->domain_count; i++)
		userfile_free(&c->domains[i].users);
	for (size_t i = 0; i < c->trunk_count; i++)
		userfile_free(&c->trunks[i].credentials);
}

static void config_free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void config_free_rules(struct config_rules *x)
{
	for (size_t i = 0; i < x->count; i++)
		free(x->rule[i].text);
	free(x->rule);
}

static void config_free_zone(struct config_zone *x)
{
	free(x->name);
	free(x->sources);
	free(x->deny);
	free(x->never_ban);
	config_free_texts(x->hidden_names, x->hidden_name_count);
	config_free_rules(&x->rules);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_ZONE
#include "ipc/options.def"
}

static void config_free_listener(struct config_listener *x)
{
	free(x->name);
	free(x->advertise_host);
	config_free_texts(x->origins, x->origin_count);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_LISTENER
#include "ipc/options.def"
}

static void config_free_certificate(struct config_certificate *x)
{
	free(x->name);
	config_free_texts(x->names, x->name_count);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_CERTIFICATE
#include "ipc/options.def"
}

static void config_free_domain(struct config_domain *x)
{
	free(x->name);
	free(x->realm);
	config_free_texts(x->groups, x->group_count);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_DOMAIN
#include "ipc/options.def"
}

static void config_free_trunk(struct config_trunk *x)
{
	free(x->name);
	free(x->tls_name);
	for (size_t i = 0; i < x->target_count; i++) {
		free(x->targets[i].uri);
		free(x->targets[i].name);
	}
	free(x->targets);
	config_free_rules(&x->rules);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_TRUNK
#include "ipc/options.def"
}

static void config_free_emergency(struct config_emergency *x)
{
	free(x->number);
	free(x->service);
}

static void config_free_numbers(struct config_numbers *x)
{
	free(x->name);
	config_free_texts(x->groups, x->group_count);
	config_free_texts(x->permit, x->permit_count);
	config_free_texts(x->block, x->block_count);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_NUMBERS
#include "ipc/options.def"
}

static void config_free_route(struct config_route *x)
{
	free(x->name);
	free(x->number);
	config_free_rules(&x->rules);
	config_free_texts(x->events, x->event_count);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_ROUTE
#include "ipc/options.def"
}

static void config_free_forward(struct config_forward *x)
{
	free(x->name);
	free(x->user);
	free(x->domain);
#define OPTION CONFIG_FREE
#define OPTIONS OPTIONS_OF_FORWARD
#include "ipc/options.def"
}

/* Frees an array and what its rows own. */
#define FREE_ROWS(kind, rows, count)                                                               \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < (count); i_++)                                            \
			config_free_##kind(&(rows)[i_]);                                           \
		free(rows);                                                                        \
	} while (0)

void config_free(struct config *x)
{
	if (!x)
		return;
	config_forget_users(x);
	FREE_ROWS(zone, x->zones, x->zone_count);
	FREE_ROWS(listener, x->listeners, x->listener_count);
	FREE_ROWS(certificate, x->certificates, x->certificate_count);
	FREE_ROWS(domain, x->domains, x->domain_count);
	FREE_ROWS(trunk, x->trunks, x->trunk_count);
	FREE_ROWS(numbers, x->numbers, x->numbers_count);
	FREE_ROWS(route, x->routes, x->route_count);
	FREE_ROWS(forward, x->forwards, x->forward_count);
	config_sources_clear(&x->sources);
	for (size_t i = 0; i < x->warning_count; i++)
		free(x->warnings[i]);
	for (size_t i = 0; i < ROLE_COUNT; i++) {
		free(x->user[i]);
		free(x->group[i]);
	}
	free(x->path);
	FREE_ROWS(emergency, x->emergency, x->emergency_count);
	config_free_texts(x->scanners, x->scanner_count);
	free(x->never_ban);
	free(x->control_path);
#define OPTION CONFIG_FREE
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"
	free(x);
}

bool config_web_endpoint(const char *text, struct endpoint *out)
{
	static const char prefix[] = "tcp:";

	return strncmp(text, prefix, sizeof(prefix) - 1) == 0 &&
	       endpoint_parse(str_of(text + sizeof(prefix) - 1), out) == 0 && out->port;
}
