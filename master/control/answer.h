/* answer.h - the answers that control commands have in common. */
#ifndef SIPWARD_MASTER_CONTROL_ANSWER_H
#define SIPWARD_MASTER_CONTROL_ANSWER_H

#include "common/config_errors.h"
#include "control.h"

/* Each sends an answer and ends the request. */

/* {"ok": true, "rows": ...}; rows is stolen. */
void answer_rows(struct request *r, json_t *rows);
/* {"ok": true, "rows": ..., "missing": ...}, of workers; rows and missing are stolen. */
void answer_found(struct request *r, json_t *rows, json_t *missing);
/* {"ok": false, "error": ...}. */
void answer_refused(struct request *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* {"ok": false, "error": text, "errors": [...]}. */
void answer_errors(struct request *r, const char *text, const struct config_errors *errors);

#endif
