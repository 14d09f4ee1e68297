/* drain_commands.c - drain and undrain. */
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"
#include "drain.h"

static void drain_answer(struct request *r, const char *result)
{
	request_answer(r, json_pack("{s:b, s:{s:s}}", "ok", 1, "object", "result", result));
}

void command_drain(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	drain_set(&m->supervisor, true);
	drain_answer(r, "draining");
}

void command_undrain(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	drain_set(&m->supervisor, false);
	drain_answer(r, "serving");
}
