/* call_explain.h - what would become of a request within a dialog (explanation.h). */
#ifndef SIPWARD_SIP_CALL_CALL_EXPLAIN_H
#define SIPWARD_SIP_CALL_CALL_EXPLAIN_H

#include "worker-sip/incoming.h"

/* Explains a request with a To tag: which call or subscription it is of, by which leg, and what
 * goes out by the other one, or what it is answered. */
void call_explain(const struct incoming *in);

#endif
