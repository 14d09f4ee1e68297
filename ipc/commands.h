/* commands.h - the control commands. commands.def is their table. */
#ifndef SIPWARD_IPC_COMMANDS_H
#define SIPWARD_IPC_COMMANDS_H

struct master;
struct command_row {
	const char *name, *arguments, *help;
	int writes;
};
enum command {
#define COMMAND(id, name, arguments, writes, help) COMMAND_##id,
#include "commands.def"
#undef COMMAND
	COMMAND_COUNT
};
extern const struct command_row command_rows[COMMAND_COUNT];

/* The row with that name, or -1. */
int command_find(const char *name);

/* Opens the control socket of the config in force and serves the commands. -errno, logged. */
int commands_open(struct master *m);

#endif
