/* log_commands.c - what is logged, changed while sipward runs. */
#include "answer.h"
#include "commands.h"
#include "common/log.h"
#include "master/master.h"
#include "master/workers/supervise.h"

void command_log_level(struct master *m, struct request *r, json_t *arguments)
{
	const char *name = json_string_value(json_object_get(arguments, "level"));
	int level = name ? log_level_of(name) : (int)log_level();

	if (level < 0) {
		answer_refused(r, "a level is error, warn, info or debug, not \"%.64s\"", name);
		return;
	}
	if (name)
		supervise_log_level(&m->supervisor, (enum log_level)level);
	request_answer(r, json_pack("{s:b, s:{s:s}}", "ok", 1, "object", "level",
				  log_level_name((enum log_level)level)));
}
