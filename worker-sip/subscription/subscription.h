/* subscription.h - a subscription between two user agents (RFC 6665): two dialogs, one on each
 * side, and the requests that pass between them. The gateway is the notifier of the one and the
 * subscriber of the other, and keeps of it what both have said of its life.
 *
 * It is made by the first 2xx, or by a NOTIFY that comes before (subscribe.h). It stands while it
 * is refreshed, and ends with a NOTIFY that says "terminated", with an answer that says that one
 * side knows nothing of it, or when its time is over. One that is over is kept for 64*T1, so that
 * what crosses its end is answered 481.
 */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_H

#include "worker-sip/call/dialog_pair.h"
#include "worker-sip/incoming.h"
#include "worker-sip/message/leg_request.h"
#include "subscription_limits.h"

/* Requests on their way in one subscription, at most; a further one gets 500 with Retry-After. */
#define SUBSCRIPTION_REQUESTS_MAX 8
/* How long it stands where nobody has said it, seconds. */
#define SUBSCRIPTION_EXPIRES 3600
/* The time that a side whose connection has ended has to come back by another flow. */
#define SUBSCRIPTION_GRACE_MS 32000
/* How it ends when it is we who end it, as Subscription-State of the last NOTIFY says it (RFC 6665
 * section 4.1.3): because the gateway stops; because it moves to another worker or its listener is
 * gone, and shall be made anew at once; because a user is gone. */
#define SUBSCRIPTION_STOPPED "probation;retry-after=30"
#define SUBSCRIPTION_MOVED "deactivated"
#define SUBSCRIPTION_REMOVED "rejected"
#define SUBSCRIPTION_LOST "noresource"

struct subscription_request;

struct subscription {
	struct subscription *next, **link; /* sip->subscription_list, or ..._over once it is over */
	struct sip *sip;
	struct dialog *a, *b; /* with the subscriber and with the notifier */
	struct subscription_request *requests;
	struct timer timer;         /* the end of its life */
	struct timer grace;         /* armed while the flow of a side is gone */
	struct cseq_pair refer;     /* of the REFER that made it: what the id of its Event names */
	uint64_t began, expires_at; /* loop_now; expires_at 0: nobody has said it */
	struct subscription_limits limits; /* that count it */
	uint32_t request_count;
	bool notified;    /* a NOTIFY has come */
	bool leaving;     /* the subscriber has ended it; the last NOTIFY is to come */
	bool over, ended; /* no request passes any more; it was ended by us */
	uint32_t text_size;
	struct str event, user, called; /* value of Event; who subscribed; to which user of ours */
	char text[];
};

/* What a subscription is about; strings are copied. */
struct subscription_about {
	struct str event;
	struct str user;        /* NAME@DOMAIN of an authenticated subscriber, may be empty */
	struct str called;      /* NAME@DOMAIN of a user whose phones were asked, may be empty */
	struct cseq_pair refer; /* zero where no REFER makes it */
};

/* Makes one with both of its dialogs; it lives for 64*T1 until a NOTIFY comes (timer N). -ENOMEM.
 */
int subscription_new(struct sip *sip, const struct dialog_pair *pair,
	const struct subscription_about *about, struct subscription **out);
/* Its 2xx, or a NOTIFY, says how many seconds it stands from now on. */
void subscription_extend(struct subscription *s, uint64_t seconds);
/* Whether a SUBSCRIBE asks for less time than it may (RFC 6665 section 4.2.1.1), and the answer to
 * it: 423 with Min-Expires, which is counted. */
bool subscription_is_brief(const struct sip *sip, const struct message *m);
void subscription_refuse_brief(const struct incoming *in);
/* A NOTIFY says that it stands, and not how long: until then as was said before. */
void subscription_confirm(struct subscription *s);
/* The subscriber has ended it: it goes with the last NOTIFY, or after 64*T1. */
void subscription_leave(struct subscription *s);
/* It is over: nothing passes any more, and it is freed after 64*T1. A no-op where it is already. */
void subscription_over(struct subscription *s);
/* We end it: the subscriber gets a NOTIFY with state, one of those above, the notifier a SUBSCRIBE
 * with Expires: 0, and it is over. */
void subscription_end(struct subscription *s, struct str state);
/* Frees it at once; requests on their way are answered 481. */
void subscription_free(struct subscription *s);

/* Passes a request that came by a dialog of a subscription on to its other side, and the answer
 * back, or answers it. Takes over in->transaction. */
void subscription_pass(struct dialog *d, const struct incoming *in);
/* The flow of a side has ended. */
void subscription_leg_lost(struct dialog *d);
/* A refusal of that status to a request within a dialog ends the subscription (RFC 6665
 * sections 4.1.2.2 and 4.2.2, RFC 5057 section 5.1). */
bool subscription_status_ends(unsigned status);

#endif
