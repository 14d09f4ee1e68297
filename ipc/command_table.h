/* command_table.h - the control commands as data: what commands.def says of them. */
#ifndef SIPWARD_IPC_COMMAND_TABLE_H
#define SIPWARD_IPC_COMMAND_TABLE_H

struct command_row {
	const char *name;      /* "user add" */
	const char *arguments; /* "NAME@DOMAIN", "[AOR]", "" */
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

#endif
