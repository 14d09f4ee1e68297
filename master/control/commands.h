/* commands.h - the control commands of ipc/commands.def. Each stands with its noun, in a file
 * NOUN_commands.c.
 *
 * An answer is {"ok": true} with one of: "object" (flat), "rows" (array of flat objects) and, where
 * workers were asked, "missing", or "text"; or {"ok": false, "error": ...} and perhaps "errors".
 */
#ifndef SIPWARD_MASTER_CONTROL_COMMANDS_H
#define SIPWARD_MASTER_CONTROL_COMMANDS_H

#include "control.h"
#include "ipc/command_table.h"

struct master;

/* Carries the command out and ends the request, then or later. arguments: an object, or NULL. */
#define COMMAND(id, name, arguments_text, writes, help)                                            \
	void command_##id(struct master *m, struct request *r, json_t *arguments);
#include "ipc/commands.def"
#undef COMMAND

/* Opens the control socket of the config in force and serves the commands. -errno, logged. */
int commands_open(struct master *m);

#endif
