/* verify_command.c - the command "sandbox verify". */
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"
#include "verify.h"

#include <errno.h>
#include <string.h>

static void verify_answer(void *arg, json_t *rows, unsigned bad)
{
	if (bad)
		request_answer(arg, json_pack("{s:b, s:o, s:s}", "ok", 0, "rows", rows, "error",
					    "the jails do not hold: read what stands in capital "
					    "letters, and who differs"));
	else
		request_answer(arg, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

void command_sandbox_verify(struct master *m, struct request *r, json_t *arguments)
{
	(void)arguments;
	int error = verify_start(m, verify_answer, r);
	if (error == -EBUSY)
		answer_refused(r, "a verification is under way");
	else if (error < 0)
		answer_refused(r, "%s", strerror(-error));
}
