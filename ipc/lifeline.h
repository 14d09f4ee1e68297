/* lifeline.h - the SOCK_SEQPACKET pair between the master and one worker: config, fds and orders
 * down; readiness, logs and replies up.
 *
 * One packet is struct lifeline_header and the body of its type, with at most LIFELINE_FDS_MAX fds.
 * The table in lifeline.def gives for each type who may send it to whom, the bounds of its size and
 * how many fds it carries; lifeline_receive refuses what does not fit, and lifeline_permits what is
 * from or for another role. What is larger than a packet goes in a sealed memfd.
 */
#ifndef SIPWARD_IPC_LIFELINE_H
#define SIPWARD_IPC_LIFELINE_H

#include "common/endpoint.h"
#include "common/str.h"
#include "carrier.h"
#include "fingerprint.h"
#include "role.h"
#include "slot.h"
#include "token.h"

#define LIFELINE_FD 3 /* the worker's end, after exec */
#define LIFELINE_PACKET_MAX 65536
#define LIFELINE_FDS_MAX 4
#define LIFELINE_PATH_MAX 104

enum lifeline_type {
	LIFELINE_NONE,
#define LIFELINE(id, senders, receivers, min, max, fds) LIFELINE_##id,
#include "lifeline.def"
#undef LIFELINE
	LIFELINE_TYPE_COUNT
};
struct lifeline_header {
	uint16_t type;
	uint16_t zero;
	uint32_t size; /* of the body */
};

/* ---- master -> worker ---- */
struct lifeline_welcome {     /* first of all; one fd: the shared page */
	uint32_t incarnation; /* 24 bits */
	uint8_t role;         /* enum peer_role */
	uint8_t index;
	uint8_t log_level;
	uint8_t drop; /* 1: take uid and gid below */
	uint32_t uid, gid;
	uint32_t fds_limit; /* RLIMIT_NOFILE */
	uint8_t carrier;    /* enum carrier: of the mesh */
	uint8_t zero[3];
	char root[LIFELINE_PATH_MAX]; /* folder to be confined to; "" none (used by the jail
	                               * step) */
};
/* SETTINGS: one fd, the sealed memfd of struct settings. USERS: one fd, of struct users. No
 * body. */
/* SOCKET_CLOSE: the same without an fd: its listener is over. */
struct lifeline_socket {   /* transport workers; one fd */
	uint16_t listener; /* settings index */
	uint8_t transport;
	uint8_t zero[5];
};
struct lifeline_keys {             /* what each role may hold; the rest is zero */
	struct hash_key slot_key;  /* transport and SIP workers */
	struct token_keys minting; /* SIP workers */
	uint8_t nonce_key[32];     /* SIP workers: digest nonces */
	uint8_t tag_key[16];       /* transport workers: To-tags of stateless answers */
};
/* EDGE, over pairs. Transport and SIP workers; one fd: this worker's end of a new pair with peer
 * (mesh.h); replaces the one it had with an earlier life. */
struct lifeline_edge {
	uint16_t peer;
	uint8_t zero[6];
};
/* LISTEN, over ZeroMQ. SIP workers; one fd: the socket that peers connect to, bound at path. */
struct lifeline_listen {
	char path[LIFELINE_PATH_MAX];
};
/* ALLOW, over ZeroMQ. SIP workers: peer shows this token when it connects; answered by ACK, so that
 * its connecter gets it no earlier. */
struct lifeline_allow {
	uint16_t peer;
	uint16_t zero;
	uint32_t sequence;
	uint8_t token[MESH_TOKEN_SIZE];
};
/* CONNECT, over ZeroMQ. Transport and SIP workers: an edge to peer, which listens at path. */
struct lifeline_connect {
	uint16_t peer;
	uint8_t zero[6];
	uint8_t token[MESH_TOKEN_SIZE];
	char path[LIFELINE_PATH_MAX];
};
/* PEER_UP, over ZeroMQ: peer, which listens, has a new life: say hello. PEER_DOWN: it died (LMDB
 * readers to be checked, its flows are gone). */
struct lifeline_peer {
	uint16_t peer;
	uint16_t zero;
	uint32_t incarnation; /* of the life that began or ended */
};
/* SLOTS: struct slot_map */
/* GO: no body: the first configuration is whole: close the jail and start */
struct lifeline_stop {
	uint32_t grace_ms; /* finish what can be finished within this time, then leave */
	uint32_t zero;
};
/* DRAIN: what becomes of new work and of calls from now on. Answered by DRAINED, again whenever the
 * number of calls has changed; before GO, too, where the others drain. */
enum drain_mode {
	DRAIN_OFF = 0, /* all is served */
	DRAIN_REFUSE,  /* new work is refused, calls go on */
	DRAIN_END,     /* the same, and calls are ended */
};
struct lifeline_drain {
	uint32_t sequence; /* of the DRAINED */
	uint8_t mode;      /* enum drain_mode */
	uint8_t zero[3];
};
#define QUERY_ARGUMENT_MAX 1024
/* Rows of a list of calls or registrations where no limit is given. */
#define QUERY_LISTED 200
struct lifeline_query { /* answered by any number of REPLY, the last with last = 1 */
	uint32_t id;
	uint16_t what; /* enum query */
	uint16_t zero;
	char argument[QUERY_ARGUMENT_MAX]; /* NUL-terminated; see query_argument.h */
};
/* QUERY_NOTHING: whoever answers has taken what was sent before it. */
enum query {
	QUERY_NOTHING = 0,
	QUERY_CALLS = 1,
	QUERY_REGISTRATIONS = 2,
	QUERY_FLOWS = 3,
	QUERY_TRUNKS = 4,
	QUERY_TRUNK_PING = 5,
	QUERY_LISTENERS = 6,
	QUERY_BANS = 7,
	QUERY_BAN_LIFT = 8, /* argument: an address, a network, or "all" */
	QUERY_CALL = 9,
	QUERY_CALL_END = 10,
	QUERY_TRACE = 11, /* argument: ipc/trace_filter.h; transport workers answer with messages,
	                     SIP workers with calls */
	QUERY_REGISTRATION_REMOVE = 12,
	QUERY_TRUNK_RESOLVE = 13,
	QUERY_TRUNK_REGISTER = 14, /* argument: its name */
	QUERY_TRUNK_UNREGISTER = 15,
	QUERY_SUBSCRIPTIONS = 16,
	QUERY_MINUTES = 17,
	QUERY_MINUTES_RESET = 18
};

/* EXPLAIN, followed by bytes: what would become of them. Of a transport worker it is asked with the
 * message as an operator gave it, of a SIP worker with the block that the transport worker has made
 * of it. Answered as a QUERY is; the transport worker's last row is {"slot": ..., "block": "hex"}
 * where the message would go on. */
#define EXPLAIN_MESSAGE_MAX 16384 /* bytes of a message that is explained */
#define EXPLAIN_BYTES_MAX 24576   /* a block of such a message, repaired */
#define EXPLAIN_WORDS_MAX 512
struct lifeline_explain {
	uint32_t id;
	uint32_t zero;
	char words[EXPLAIN_WORDS_MAX]; /* NUL-terminated: from, transport and to (the listener), see
	                                  query_argument.h; to a transport worker */
};

/* DEBUG: the messages that are logged at the level debug; all that are picked, in place of what was
 * told earlier. Before GO, and whenever there are others. A transport worker, which decides by the
 * source alone, looks at those of DEBUG_SOURCE. */
#define DEBUG_WATCHES_MAX 8
enum debug_kind { DEBUG_CALL = 1, DEBUG_USER, DEBUG_SOURCE };
struct lifeline_debug_watch {
	struct prefix sources; /* of DEBUG_SOURCE */
	uint64_t until;        /* CLOCK_MONOTONIC, ms */
	uint8_t kind;          /* enum debug_kind */
	uint8_t zero[7];
	char value[256]; /* NUL-terminated: a Call-ID, NAME or NAME@DOMAIN, or the sources' text */
};
struct lifeline_debug {
	uint32_t count;
	uint32_t zero;
	struct lifeline_debug_watch watch[DEBUG_WATCHES_MAX];
};

/* TRUNKS, to SIP workers: those that get no new calls, by trunk_id; all of them, in place of what
 * was told earlier. */
#define LIFELINE_TRUNKS_MAX 256
struct lifeline_trunks {
	uint32_t count;
	uint32_t zero;
	uint64_t trunk[LIFELINE_TRUNKS_MAX];
};

/* LIMITS: one fd, of struct limit_page (limit_page.h), which all SIP workers share. Before GO. No
 * body. */

/* BANS, to transport workers: the sources that an operator has banned; all of them, in place of
 * what was told earlier. Before GO, and whenever there are others. */
#define LIFELINE_BANS_MAX 256
struct lifeline_ban {
	struct prefix sources;
	uint64_t until; /* CLOCK_MONOTONIC, ms; 0: until it is lifted */
};
struct lifeline_bans {
	uint32_t count;
	uint32_t zero;
	struct lifeline_ban ban[LIFELINE_BANS_MAX];
};

/* Transport and SIP workers: the bytes that ended workers before; all that are known, in place of
 * what was told earlier. Before GO, and whenever the list changes. */
struct lifeline_quarantine {
	uint32_t count;
	uint32_t zero;
	struct fingerprint print[FINGERPRINTS_MAX];
};

/* CDR: one fd, of the file or datagram socket that call records are written to from now on, before
 * GO or later. CDR_NONE: none are any more. CDR_LOST, from a SIP worker: nobody receives at that
 * socket; it is connected again, and no answer says so. No bodies. */

/* LOG_LEVEL: the least severe lines that are logged from now on. The skeleton takes it. */
struct lifeline_log_level {
	uint8_t level; /* enum log_level */
	uint8_t zero[7];
};

/* HEP, to transport workers: one fd, a datagram socket that is connected to the collector of the
 * section hep, which copies of messages go to from now on, before GO or later. HEP_NONE: none do
 * any more; no body. */
#define HEP_PASSWORD_MAX 128
struct lifeline_hep {
	uint32_t capture_id;
	uint8_t password_size; /* 0: none */
	uint8_t zero[3];
	char password[HEP_PASSWORD_MAX];
};

/* WEB_SOCKET: one fd, the listening socket of the web worker, before GO. WEB_ASK, of the web
 * worker: what it wants to show. WEB_ANSWER: one fd, a sealed memfd of it; or none comes. */
enum web_what {
	WEB_NOTHING = 0,
	WEB_METRICS, /* Prometheus text */
	WEB_STATE,   /* a JSON object: answers of commands by their name */
	WEB_LADDER,  /* a JSON object: what is kept of the call with that Call-ID: the arrays calls
	                and  messages, rows of "trace calls" and "trace messages" */
	WEB_WHAT_COUNT
};
#define WEB_CALL_MAX 256
struct lifeline_web {
	uint16_t what; /* enum web_what */
	uint8_t zero[6];
	char call[WEB_CALL_MAX]; /* of WEB_LADDER, NUL-terminated; else empty */
};

/* PING: no body, no answer: it makes the worker's loop turn, which its progress mark shows. The
 * skeleton takes it. */

/* PROBE, before GO: this process is no worker. When its jail is closed it tries an act
 * (worker/probe.h) in place of READY, answers PROBE_RESULT if it still can, and leaves; after the
 * act HOLD when the lifeline closes. */
#define PROBE_PATH_MAX 1024
struct lifeline_probe {
	uint16_t act; /* enum probe_act */
	uint16_t variant;
	int32_t pid;               /* a sibling */
	char path[PROBE_PATH_MAX]; /* a file, or a Unix socket, "@..." for an abstract one */
	char user[8];              /* of the mesh, and a token */
	uint8_t token[MESH_TOKEN_SIZE];
};

/* ---- TLS ---- */
/* KEY_EDGE: struct lifeline_edge; one fd: the same between a transport and a TLS worker
 * (ipc/sign.h). */

/* One certificate of a generation, followed by its names (separated by spaces), its chain and, for
 * TLS workers alone, its key, both PEM. The receiver wipes the packet. */
#define CERTIFICATES_MAX 64
struct lifeline_certificate {
	uint32_t generation;
	uint16_t index; /* 0, 1, ... in order */
	uint16_t names_size;
	uint32_t chain_size;
	uint32_t key_size;    /* 0 for transport workers */
	uint32_t staple_size; /* of its OCSP response; 0: it has none, and for TLS workers */
	char name[64];        /* of the section in the config */
};
/* The index of a result that is about no certificate in particular, and of one about all that are
 * to be in force. */
#define CERTIFICATES_NONE 0xffff
#define CERTIFICATES_ALL 0xfffe
enum certificates_act {
	CERTIFICATES_CHECK = 1, /* the generation is whole: check it (TLS worker: pairs, a test
	                           signature; transport worker: chain, names, a test signature over
	                           the key edge) and answer */
	CERTIFICATES_COMMIT,    /* from now on new handshakes use it */
	CERTIFICATES_DROP,      /* forget it (aborted, or replaced long enough ago) */
};
struct lifeline_certificates { /* where SETTINGS changed too, they come right before COMMIT: indexes
	                          in them are those of the generation committed */
	uint32_t sequence;     /* of the CERTIFICATES_RESULT */
	uint32_t generation;
	uint16_t act;    /* enum certificates_act */
	uint8_t tickets; /* 1: session tickets are on (TLS workers make and rotate their keys) */
	uint8_t zero[5];
};
/* AUTHORITIES: one fd, a sealed memfd of PEM certificates: body says what they are for */
struct lifeline_authorities {
	uint16_t listener; /* settings index: who may authenticate clients there; NONE_INDEX: the
	                      trust store for servers we connect to */
	uint8_t zero[2];
	uint32_t sequence; /* not 0: they are only to be tried, and answered with that */
};

/* ---- worker -> master ---- */
/* The answer to CHECK; and, with sequence 0, of a COMMIT (index CERTIFICATES_ALL) or AUTHORITIES
 * (index: what they are for) that cannot be used, in words that follow "transport-0". DROP has
 * none. Followed, from a TLS worker that answers 0 or -EKEYEXPIRED (nothing but dates is wrong), by
 * int64_t unix seconds when each certificate of the generation (the first of its chain to do so)
 * expires, in order; then, on an error, by text saying what is wrong, for people. */
struct lifeline_certificates_result {
	uint32_t sequence;
	int32_t error;
	uint16_t index;      /* the certificate that is wrong; 0xffff: none in particular */
	uint8_t authorities; /* 1: it is about AUTHORITIES, of that index */
	uint8_t zero[5];
};
/* READY: no body */
struct lifeline_ack { /* of an ALLOW */
	uint32_t sequence;
	int32_t error; /* 0 or negative errno */
};
struct lifeline_slots_free { /* slots that move away and in which nothing is left here */
	uint64_t epoch;      /* of the SLOTS that it speaks of */
	struct slot_set set;
};
struct lifeline_drained { /* the state of the last DRAIN, but for one of DRAIN_OFF */
	uint32_t sequence;
	uint32_t calls; /* that are left, those that ring counted too */
	uint8_t done;   /* 1: no call is left, and what ended them has been answered */
	uint8_t zero[7];
};
/* What a user has dialled: his calls go on, or no longer. Texts end with a NUL. Answered with
 * FORWARD_DONE. */
struct lifeline_forward_order {
	uint32_t id;
	uint8_t when; /* enum forward_when */
	uint8_t zero;
	uint16_t seconds; /* of FORWARD_NO_ANSWER; else 0 */
	char user[136], domain[256];
	char to[264]; /* a URI; "": no longer */
};
struct lifeline_forward_done { /* from the master */
	uint32_t id;
	int32_t error; /* 0, or negative errno: it is not set; -EAGAIN: too many at once */
};
struct lifeline_log { /* followed by the line, 1 to LOG_LINE_MAX bytes */
	uint8_t level;
	uint8_t zero[7];
};
struct lifeline_reply { /* followed by text: whole JSON objects, one a line */
	uint32_t id;
	uint8_t last;
	uint8_t zero[3];
};
struct lifeline_probe_result {
	uint16_t act;
	uint16_t variant;
	int32_t error; /* 0: it could be done; negative errno: it was refused */
};
/* NOTIFIER: no body; one fd: where the kernel asks about system calls that the worker's filter does
 * not allow (seccomp_unotify(2)). Once, before READY. */
struct lifeline_step { /* a step of the jail: 0 taken, negative errno not taken */
	uint16_t step; /* enum jail_step */
	uint16_t zero;
	int32_t error;
};

/* A received packet. body is 8-byte aligned. */
struct lifeline_packet {
	uint16_t type;
	uint32_t size;            /* of body */
	int fd[LIFELINE_FDS_MAX]; /* -1 where none; the receiver's to close */
	unsigned fds;
	_Alignas(8) unsigned char body[LIFELINE_PACKET_MAX];
};

/* Sends one packet with fds (may be NULL with count 0). Never blocks: -EAGAIN when the peer does
 * not read; -EPIPE when it is gone; -EINVAL for what the table does not allow. more/more_size: what
 * follows the fixed body (log line, reply text), or NULL, 0. */
int lifeline_send(int fd, enum lifeline_type type, const void *body, size_t size, const void *more,
	size_t more_size, const int *fds, unsigned count);

/* Receives one packet. from_master: who sends on this fd. 0; -EAGAIN nothing there; -EPIPE closed;
 * -EBADMSG a packet that the table does not allow (its fds are closed) - the caller ends the
 * connection. All fds arrive close-on-exec. */
int lifeline_receive(int fd, bool from_master, struct lifeline_packet *packet);

/* Whether sender may send receiver a packet of this type: roles, PEER_NONE for the master. Both
 * ends of a lifeline ask this of what they have received, with the role of the worker that they
 * know. */
bool lifeline_permits(uint16_t type, unsigned sender, unsigned receiver);

/* The name of a type, for logs. */
const char *lifeline_name(uint16_t type);

#endif
