/* command_table.c - the table of commands as data: for the master and for sipwardctl, which has
 * nothing else of the master. */
#include "command_table.h"

#include <ctype.h>
#include <stdio.h>
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

bool command_argument_next(const char **arguments, struct command_argument *out)
{
	const char *at = *arguments + strspn(*arguments, " ");

	if (!*at)
		return false;
	*out = (struct command_argument){.optional = *at == '['};
	at += out->optional;
	out->flag = strncmp(at, "--", 2) == 0;
	at += out->flag ? 2 : 0;
	size_t n = strcspn(at, out->optional ? " ]" : " ");
	snprintf(out->name, sizeof(out->name), "%.*s", (int)n, at);
	at += n;
	if (out->flag && *at == ' ') {
		at++;
		n = strcspn(at, " ]");
		snprintf(out->value, sizeof(out->value), "%.*s", (int)n, at);
		at += n;
	} else if (!out->flag) {
		memcpy(out->value, out->name, sizeof(out->value));
	}
	for (char *c = out->name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	*arguments = at + (*at == ']');
	return true;
}
