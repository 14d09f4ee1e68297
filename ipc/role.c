/* role.c - the table of worker kinds as data (role.h). Relies on nothing. */
#include "role.h"

const struct role_row role_rows[ROLE_COUNT] = {
#define ROLE(id, letter, name, least, usual, greatest, fds, traits, help)                          \
	[PEER_##id] = {name, least, greatest, fds, traits},
#include "roles.def"
#undef ROLE
};

#define ROLE(id, letter, name, least, usual, greatest, fds, traits, help)                          \
	_Static_assert(                                                                            \
		(least) <= (usual) && (usual) <= (greatest) && (greatest) <= ROLE_WORKERS_MAX,     \
		"numbers of workers");
#include "roles.def"
#undef ROLE

const char *role_name(unsigned role)
{
	return role >= ROLE_FIRST && role < ROLE_COUNT ? role_rows[role].name : "?";
}

bool role_has(unsigned role, unsigned traits)
{
	return role < ROLE_COUNT && (role_rows[role].traits & traits) != 0;
}
