/* call_listing.h - what sipwardctl calls says of the calls of this worker, and the end of one by an
 * operator. An INVITE on its way is one call, however many early dialogs it has. */
#ifndef SIPWARD_SIP_CALL_CALL_LISTING_H
#define SIPWARD_SIP_CALL_CALL_LISTING_H

#include "worker-sip/sip.h"

struct call;
struct invite;
struct call_record;
struct writer;

/* Bytes of one row, at most. */
#define CALL_ROW_MAX 32768
/* Calls that one ID shows, at most: the beginning of a Call-ID may be that of several. */
#define CALLS_SHOWN_MAX 8
/* What both sides are told, and what the record says, when an operator ends a call (RFC 3326). */
#define CALL_OPERATOR_REASON "Reason: SIP;cause=487;text=\"Ended by the operator\"\r\n"

/* A call that stands (invite is NULL), or an INVITE on its way (call is NULL). */
struct call_view {
	struct sip *sip;
	struct call *call;
	struct invite *invite;
	struct call_record *record; /* NULL: none could be made */
};

/* Steps through all calls of the worker: zero-initialised but for sip before the first step. False
 * at the end. */
bool call_view_next(struct call_view *v);
/* The Call-ID of the caller's leg; that of the callee's, empty where there is none yet. */
struct str call_view_id(const struct call_view *v);
struct str call_view_callee_id(const struct call_view *v);
/* "ending", "established" or "early". */
struct str call_view_state(const struct call_view *v);
/* Milliseconds since the INVITE came. */
uint64_t call_view_age(const struct call_view *v);
/* Whether the call is by that user, "NAME" or "NAME@DOMAIN", or to a phone of his. */
bool call_view_is_of_user(const struct call_view *v, struct str user);
/* Whether the caller, or the one whose phone is called, is of one of our domains and in no users
 * file any more. */
bool call_view_lacks_user(const struct call_view *v);

/* Hands a JSON line of each call to line that fits the arguments (query_argument.h): user, trunk,
 * zone, older (seconds), at most limit lines (0: all; where it is absent, QUERY_LISTED), with count
 * none. Then a line
 * {"matched":N} with the number of all that fit. */
void call_list(struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json),
	void *arg);
/* Hands to line of each call whose Call-ID, on a leg, is id or begins with it: a JSON line with
 * its dialogs and timers, then one {"of":Call-ID,"target":{...}} for each target tried. Where there
 * is one with exactly that Call-ID, no others. */
void call_show(struct sip *sip, struct str id, void (*line)(void *arg, struct str json), void *arg);
/* Ends each call with that Call-ID on a leg: BYE to both; before the answer 487, and CANCEL to the
 * targets. Hands a line {"ended":N} to line. */
void call_end_by_operator(
	struct sip *sip, struct str id, void (*line)(void *arg, struct str json), void *arg);
/* Ends the call of a view, which may not be stepped on from. reason: a whole header line in static
 * memory. */
void call_view_end(struct call_view *v, struct str reason);

#endif
