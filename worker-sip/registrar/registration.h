/* registration.h - inside of the registrar: one REGISTER at work. For registrar.c, which reads and
 * answers it, registration_outbound.c, and registration_change.c, which changes the bindings. */
#ifndef SIPWARD_SIP_REGISTRAR_REGISTRATION_H
#define SIPWARD_SIP_REGISTRAR_REGISTRATION_H

#include "contact.h"
#include "recent_registers.h"
#include "worker-sip/incoming.h"

/* One request at work. */
struct registration {
	struct registrar *r;
	struct sip *sip;
	const struct recent_registers *recent;
	const struct incoming *in;
	struct transaction *t;
	const struct message *m;
	const struct zone_settings *zone;
	const struct domain_settings *domain;
	uint64_t now_ms;
	struct str aor, path, call_id, user_agent;
	uint32_t expires_min, expires_max;
	struct writer strings;
	unsigned count, changed;
	bool repeated;
	bool outbound;                /* by RFC 5626 */
	bool fresh[2 * BINDINGS_MAX]; /* written by this request */
	/* from here on not cleared: count says how much is valid */
	struct binding binding[2 * BINDINGS_MAX];
	char buffer[AOR_MAX];
};

/* Answers the request, which is refused. */
void registration_refuse(struct registration *q, enum counter reason, unsigned status,
	struct str phrase, struct str headers);
/* The keyed hash of its address of record and Call-ID. */
uint64_t registration_print(const struct registration *q);
/* Removes all bindings, as "Contact: *" asks. False: the request is answered. */
bool registration_remove_all(struct registration *q);
/* Changes the bindings as n Contacts say. False: the request is answered, and nothing of it may
 * stay. */
bool registration_change_all(struct registration *q, const struct contact *contacts, unsigned n);

/* Whether Supported or Require of m has that option tag. */
bool registration_supports(const struct message *m, struct str tag);
/* Notes whether a Contact is registered by outbound. False: the request is answered 439, for the
 * server next to the phone would not keep the flow. */
bool registration_take_outbound(
	struct registration *q, const struct contact *contacts, unsigned count);
/* Writes what the 200 says of that. */
void registration_write_outbound(const struct registration *q, struct writer *w);

#endif
