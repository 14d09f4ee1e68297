/* users_builder.c - see users_builder.h. The table is put together in memory, checked with the same
 * function that its reader uses, written into a memfd that nobody can change any more, and wiped.
 */
#include "users_builder.h"

#include "master/memfd.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

/* The row of name in domain, made where it is missing. */
static struct user_row *users_row_for(struct users *u, unsigned domain, const char *name)
{
	struct str s = str_of(name);
	uint32_t hash = users_hash(domain, s), i;

	for (i = hash & u->mask; u->row[i].hash; i = (i + 1) & u->mask)
		if (user_row_is(&u->row[i], hash, domain, s))
			return &u->row[i];
	u->row[i].hash = hash;
	u->row[i].domain = (uint16_t)domain;
	u->row[i].name_length = (uint8_t)s.n;
	memcpy(u->row[i].name, s.p, s.n);
	u->count++;
	u->of_trunks += domain == USERS_OF_TRUNKS;
	return &u->row[i];
}

static void users_add(
	struct users *u, unsigned domain, const char *name, const struct userfile_entry *e)
{
	struct user_row *row = users_row_for(u, domain, name);

	struct str rest = str_of(e->groups), group;

	row->algorithms |= e->algorithm;
	for (unsigned i = 0; i < USER_GROUPS_MAX && userfile_group_next(&rest, &group); i++)
		row->group[i] = group_id(group); /* all lines of a user name the same ones */
	switch (e->algorithm) {
	case DIGEST_MD5: memcpy(row->ha1_md5, e->ha1, sizeof(row->ha1_md5)); break;
	case DIGEST_SHA256: memcpy(row->ha1_sha256, e->ha1, sizeof(row->ha1_sha256)); break;
	case DIGEST_SHA512_256:
		memcpy(row->ha1_sha512_256, e->ha1, sizeof(row->ha1_sha512_256));
		break;
	}
}

/* The realms that the trunk's user answers. */
static void users_add_trunk(struct users *u, const struct config_trunk *t)
{
	char key[USER_NAME_MAX + 1] = "";

	for (size_t k = 0; k < t->credentials.count; k++) {
		const struct userfile_entry *e = &t->credentials.entries[k];
		size_t n;

		if (strcmp(e->name, t->username) != 0)
			continue;
		n = users_trunk_key(trunk_id(str_of(t->name)), str_of(e->realm), key);
		key[n] = '\0';
		if (n)
			users_add(u, USERS_OF_TRUNKS, key, e);
	}
}

int users_build(const struct config *c, int *memfd)
{
	size_t entries = 0, rows = 8, size;
	struct users *u;
	int error;

	for (size_t i = 0; i < c->domain_count; i++)
		entries += c->domains[i].users.count;
	for (size_t i = 0; i < c->trunk_count; i++)
		entries += c->trunks[i].credentials.count;
	while (rows < entries * 2) /* half empty at least: short probes */
		rows *= 2;
	size = sizeof(*u) + rows * sizeof(u->row[0]);
	if (size > UINT32_MAX)
		return -EFBIG;
	u = calloc(1, size);
	if (!u)
		return -ENOMEM;
	u->magic = USERS_MAGIC;
	u->size = (uint32_t)size;
	u->mask = (uint32_t)rows - 1;
	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];

		for (size_t k = 0; k < d->users.count; k++) {
			const struct userfile_entry *e = &d->users.entries[k];

			if (strcmp(e->realm, d->realm) == 0) /* not another domain's in its file */
				users_add(u, (unsigned)i, e->name, e);
		}
	}
	for (size_t i = 0; i < c->trunk_count; i++)
		users_add_trunk(u, &c->trunks[i]);
	error = users_check(u, size);
	assert(error == 0);
	if (error == 0)
		error = memfd_of("sipward-users", u, size, memfd);
	sodium_memzero(u, size);
	free(u);
	return error;
}
