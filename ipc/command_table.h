/* command_table.h - the control commands as data: what commands.def says of them. */
#ifndef SIPWARD_IPC_COMMAND_TABLE_H
#define SIPWARD_IPC_COMMAND_TABLE_H

#include <stdbool.h>

struct command_row {
	const char *name;      /* "user add" */
	const char *arguments; /* "NAME@DOMAIN", "[AOR]", "[--user USER] [--count]", "" */
	const char *help;
	int writes; /* 1: changes something */
};
enum command {
#define COMMAND(id, name, arguments, writes, help) COMMAND_##id,
#include "commands.def"
#undef COMMAND
	COMMAND_COUNT
};
extern const struct command_row command_rows[COMMAND_COUNT];

/* The number of the row with exactly that name (its enum command); -1: there is none. */
int command_find(const char *name);

/* One argument of a command, as its row says. */
struct command_argument {
	char name[32];  /* in a request, in lower case: "aor", "user" */
	char value[32]; /* the placeholder of its value: "AOR", "USER"; empty: it has none */
	bool flag; /* "--" and its name stand before the value; else it is known by its place */
	bool optional;
};
/* Takes the next argument from the front of *arguments (those of a row). False at the end. */
bool command_argument_next(const char **arguments, struct command_argument *out);

#endif
