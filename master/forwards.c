/* forwards.c - see forwards.h. */
#include "forwards.h"

#include "common/log.h"
#include "master/config/config.h"
#include "memfd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

/* The index of the domain; NONE_INDEX: there is no such one. */
static unsigned forward_domain(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->domain_count; i++)
		if (!c->domains[i].gone && strcasecmp(c->domains[i].name, name) == 0)
			return (unsigned)i;
	return NONE_INDEX;
}

/* Adds a row, unless the user has one for that: what is added first holds. False: there is no room.
 */
static bool forwards_add(struct forwards *f, unsigned domain, const char *user,
	enum forward_when when, const char *to, uint32_t seconds)
{
	struct str name = str_of(user), uri = str_of(to);
	uint32_t hash, i;

	if (forwards_find(f, domain, name, when))
		return true;
	if (f->count == FORWARDS_MAX)
		return false;
	hash = forward_hash(domain, name, when);
	for (i = hash & f->mask; f->row[i].hash;)
		i = (i + 1) & f->mask;
	struct forward_row *row = &f->row[i];
	*row = (struct forward_row){.hash = hash,
		.domain = (uint16_t)domain,
		.when = (uint8_t)when,
		.name_length = (uint8_t)name.n,
		.to_length = (uint16_t)uri.n,
		.seconds = when == FORWARD_NO_ANSWER ? (uint16_t)seconds : 0};
	memcpy(row->name, name.p, name.n);
	memcpy(row->to, uri.p, uri.n);
	f->count++;
	return true;
}

static bool forwards_add_config(struct forwards *f, const struct config *c)
{
	bool room = true;

	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *from = &c->forwards[i];
		const char *to[FORWARD_WHENS] = {[FORWARD_ALWAYS] = from->always,
			[FORWARD_BUSY] = from->busy,
			[FORWARD_NO_ANSWER] = from->no_answer,
			[FORWARD_AWAY] = from->away};
		unsigned domain = forward_domain(c, from->domain);
		char uri[FORWARD_TO_MAX + 1];

		for (unsigned k = 0; k < FORWARD_WHENS && domain != NONE_INDEX; k++)
			if (*to[k] && forward_uri(str_of(to[k]), str_of(from->domain), uri) > 0)
				room &= forwards_add(
					f, domain, from->user, k, uri, from->no_answer_ms / 1000);
	}
	return room;
}

int forwards_build(const struct config *c, const struct forwards_set *set, int *memfd)
{
	size_t entries = set->count + c->forward_count * FORWARD_WHENS, rows = 8, size;
	struct forwards *f;
	bool room = true;
	int error;

	if (entries > FORWARDS_MAX)
		entries = FORWARDS_MAX;
	while (rows < entries * 2)
		rows *= 2;
	size = sizeof(*f) + rows * sizeof(f->row[0]);
	f = calloc(1, size);
	if (!f)
		return -ENOMEM;
	f->magic = FORWARDS_MAGIC;
	f->size = (uint32_t)size;
	f->mask = (uint32_t)rows - 1;
	for (size_t i = 0; i < set->count; i++) {
		const struct forward_set *from = &set->row[i];
		unsigned domain = forward_domain(c, from->domain);

		if (domain != NONE_INDEX)
			room &= forwards_add(
				f, domain, from->user, from->when, from->to, from->seconds);
	}
	room &= forwards_add_config(f, c);
	if (!room)
		log_warn("forwards-left-out", "most=%d", FORWARDS_MAX);
	error = forwards_check(f, size);
	assert(error == 0);
	if (error == 0)
		error = memfd_of("sipward-forwards", f, size, memfd);
	free(f);
	return error;
}
