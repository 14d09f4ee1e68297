/* binding.h - the bindings of one address of record as they stand in the location store: a compact
 * record that is decoded to its exact end.
 *
 * Record: version (1), count (1), check (4), then each binding: expires_at (8), flow id (8), cseq
 * (4), reg_id (4), q (2), listener (8), transport (1), peer and local (family (1); for 4 and 6:
 * port (2) and address (4; or scope (4) and address (16))), and the strings: lengths of contact
 * (2), call_id (2), path (2), instance (1), user_agent (1), and their bytes. Little-endian. A phone
 * over IPv4 takes about 250 bytes. listener is a hash of the transport and the address that it is
 * bound to, for its place in the config may be another one's after a restart. Version 2 had that
 * place (2) there, version 1 no check either: both are still read. check: the lower half
 * of SipHash-2-4 of all that follows it, the key being count and 15 zeros. It tells a record that
 * is being overwritten (store_overwrite) from a whole one, and keeps out nobody. What a refresh
 * changes, check, expires_at and cseq, stands together.
 */
#ifndef SIPWARD_SIP_REGISTRAR_BINDING_H
#define SIPWARD_SIP_REGISTRAR_BINDING_H

#include "ipc/message.h"
#include "ipc/settings.h"

#define BINDINGS_MAX 32 /* of one address of record, whatever the config says */
#define BINDING_CONTACT_MAX 512
#define BINDING_PATH_MAX 1024
#define BINDING_CALL_ID_MAX 256
#define BINDING_INSTANCE_MAX 255
#define BINDING_USER_AGENT_MAX 64

/* One binding. The strings belong to the store's read transaction or to the caller. */
struct binding {
	struct flow flow;  /* that it registered from: the only way to reach it; its listener is
	                    * NONE_INDEX where there is none of the record's name */
	uint64_t listener; /* that name, where flow has none; else what encoding does not look at */
	uint64_t expires_at; /* milliseconds of CLOCK_REALTIME */
	uint32_t cseq;
	uint32_t reg_id;    /* 0: none (RFC 5626) */
	uint16_t q;         /* 0 to 1000 */
	struct str contact; /* URI */
	struct str call_id;
	struct str path;     /* value of the Path headers, comma list; may be empty */
	struct str instance; /* +sip.instance; may be empty */
	struct str user_agent;
};

#define BINDINGS_VERSION 3
#define BINDINGS_VERSION_PLACES 2
#define BINDINGS_VERSION_UNCHECKED 1
#define BINDINGS_HEAD 6
#define BINDING_SIZE_MAX                                                                           \
	(36 + 2 * 23 + 8 + BINDING_CONTACT_MAX + BINDING_CALL_ID_MAX + BINDING_PATH_MAX +          \
		BINDING_INSTANCE_MAX + BINDING_USER_AGENT_MAX)
#define BINDINGS_SIZE_MAX (BINDINGS_HEAD + BINDINGS_MAX * BINDING_SIZE_MAX)

/* How records name the listeners of the settings, by their index. */
struct binding_listeners {
	unsigned count;
	uint64_t name[LISTENERS_MAX];
};
void binding_listeners_set(struct binding_listeners *l, const struct settings *s);

/* What is kept of the phone's User-Agent. */
struct str binding_user_agent(const struct message *m);
/* Writes the record into buffer; returns its size. -EINVAL for a string that is too long or holds a
 * control byte, or any other value that decoding refuses. */
long bindings_encode(const struct binding_listeners *l, const struct binding *b, unsigned count,
	char *buffer, size_t size);
/* The number that a record says it has. */
unsigned bindings_number(struct str record);
/* Decodes all of record into out (BINDINGS_MAX places); strings point into it. Returns the number,
 * -EBADMSG where it is not exactly a record. The writer is not trusted: no string has a control
 * byte, every number is in its range; whether the listener exists is the reader's to check (it may
 * be NONE_INDEX, or of a record of an old version). */
int bindings_decode(
	const struct binding_listeners *l, struct str record, struct binding out[BINDINGS_MAX]);

#endif
