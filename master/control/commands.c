/* commands.c - see commands.h. Requests come from local operators, and are checked all the same. */
#include "commands.h"

#include "answer.h"
#include "common/log.h"
#include "common/counters.h"
#include "master/master.h"
#include "master/workers/account.h"
#include "master/workers/drain.h"

#include <errno.h>

void command_help(struct master *m, struct request *r, json_t *arguments)
{
	json_t *rows = json_array();

	(void)m;
	(void)arguments;
	for (int i = 0; i < COMMAND_COUNT; i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s}", "command", command_rows[i].name, "arguments",
				command_rows[i].arguments, "help", command_rows[i].help));
	answer_rows(r, rows);
}

static void (*const command_run[COMMAND_COUNT])(
	struct master *m, struct request *r, json_t *arguments) = {
#define COMMAND(id, name, arguments, writes, help) command_##id,
#include "ipc/commands.def"
#undef COMMAND
};

static void command_dispatch(void *arg, struct request *r, json_t *message)
{
	struct master *m = arg;
	const char *name = json_string_value(json_object_get(message, "command"));
	json_t *arguments = json_object_get(message, "arguments");
	int row = name ? command_find(name) : -1;

	if (row < 0) {
		const char *names[COMMAND_COUNT];

		for (int i = 0; i < COMMAND_COUNT; i++)
			names[i] = command_rows[i].name;
		const char *near = name ? config_nearest(name, names, COMMAND_COUNT) : NULL;
		count(CONTROL_BAD);
		if (near)
			answer_refused(
				r, "unknown command \"%.64s\": did you mean \"%s\"?", name, near);
		else
			answer_refused(r, "unknown command: \"help\" lists them");
		return;
	}
	if (arguments && !json_is_object(arguments)) {
		count(CONTROL_BAD);
		answer_refused(r, "\"arguments\" is an object");
		return;
	}
	if (drain_is_stop(&m->supervisor) && command_rows[row].writes) {
		answer_refused(r, "sipward is stopping");
		return;
	}
	if (command_rows[row].writes)
		log_info("control-command", "command=\"%s\" uid=%d pid=%d", command_rows[row].name,
			(int)request_uid(r), (int)request_pid(r));
	command_run[row](m, r, arguments);
}

int commands_open(struct master *m)
{
	gid_t group = (gid_t)-1;

	if (*m->config->control_group && account_group(m->config->control_group, &group) < 0) {
		log_error("control-group-missing",
			"group=%s hint=\"make it with: groupadd --system %s\"",
			m->config->control_group, m->config->control_group);
		return -ENOENT;
	}
	return control_open(&m->control, m->loop, m->config->control_path, m->config->control_mode,
		group, command_dispatch, m);
}
