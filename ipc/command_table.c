/* command_table.c - the table of commands as data: for the master and for sipwardctl, which has
 * nothing else of the master. */
#include "command_table.h"

#include <string.h>

const struct command_row command_rows[COMMAND_COUNT] = {
#define COMMAND(id, name, arguments, writes, help) {name, arguments, help, writes},
#include "commands.def"
#undef COMMAND
};

int command_find(const char *name)
{
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(command_rows[i].name, name) == 0)
			return i;
	return -1;
}
