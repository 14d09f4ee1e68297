/* number_list.h - which numbers may be called by whom: the lists of the sections numbers. */
#ifndef SIPWARD_SIP_ROUTING_NUMBER_LIST_H
#define SIPWARD_SIP_ROUTING_NUMBER_LIST_H

#include "worker-sip/incoming.h"

/* The lists of the settings with their expressions. */
struct number_lists;
/* *out is NULL where the settings have none. The settings have to stay as long as the lists.
 * -ENOMEM; -EINVAL for a bad expression, which is logged (the master has checked it). */
int number_lists_new(struct number_lists **out, const struct settings *settings);
void number_lists_free(struct number_lists *l); /* NULL is a no-op */

/* What the lists say of a number, and why. */
struct number_verdict {
	uint16_t list; /* that decided: its index; NONE_INDEX: none did, the number may be called */
	uint16_t group;   /* the list's group that the caller is in; NONE_INDEX: it is for all */
	uint16_t pattern; /* that matched: its index in permit, or in block where it is blocked */
	bool blocked;     /* by a match, or by one that took too many steps */
};

/* Asks the lists whether the sender of a request from that zone may call a number: the first list
 * for him that has it decides, and in a list what it permits comes first. Nothing is logged
 * or answered. */
struct number_verdict number_lists_decide(
	const struct sip *sip, unsigned zone, const struct identity *sender, struct str number);
/* Explains a verdict, where a list has decided. */
void number_lists_explain(const struct incoming *in, const struct number_verdict *v);
/* Counts a verdict that blocks, and says it in the log, at a bounded rate, with list and group. */
void number_lists_tell(const struct incoming *in, const struct number_verdict *v);

/* Of the 403 to a number that is blocked. */
#define NUMBER_BLOCKED_HEADERS "Warning: 399 gateway \"number is blocked\"\r\n"

#endif
