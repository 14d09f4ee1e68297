/* sign.h - the key edge between a transport worker and a TLS worker: one SOCK_SEQPACKET pair made
 * by the master.
 *
 * One packet is one struct below with its bytes; it decodes to its exact end or is refused. The TLS
 * worker believes nothing: it answers only sign requests of permitted shape for certificates it
 * serves. There is no other operation: no decrypt, no export, no signature over arbitrary text or a
 * bare hash.
 */
#ifndef SIPWARD_IPC_SIGN_H
#define SIPWARD_IPC_SIGN_H

#include <stddef.h>
#include <stdint.h>

/* The longest text; what is permitted (below) is shorter: 64 + 33 + 1 + 48 bytes of TLS 1.3, both
 * randoms and 4 + 133 of TLS 1.2. */
#define SIGN_TEXT_MAX 512
/* The longest signature: RSA-4096. */
#define SIGNATURE_MAX 512
/* The largest packet either way. */
#define SIGN_PACKET_MAX 1024
/* Requests without an answer on one edge, at most; a further one waits in the transport worker. */
#define SIGN_PENDING_MAX 64

enum sign_kind { SIGN_REQUEST = 1, SIGN_REPLY = 2, SIGN_TICKETS = 3 };

/* Transport -> TLS, followed by size bytes of text. */
struct sign_request {
	uint16_t kind;        /* SIGN_REQUEST */
	uint16_t scheme;      /* SignatureScheme code point of RFC 8446 section 4.2.3 */
	uint32_t id;          /* the requester's own; comes back in the reply */
	uint32_t generation;  /* of the certificates */
	uint16_t certificate; /* index within the generation */
	uint16_t size;        /* 1 to SIGN_TEXT_MAX */
};

/* TLS -> transport, followed by size bytes of signature. */
struct sign_reply {
	uint16_t kind; /* SIGN_REPLY */
	uint16_t size; /* 0 on error */
	uint32_t id;
	int32_t error; /* 0; -EACCES text or scheme not permitted; -ENOENT no such certificate or
	                  generation; -EIO could not sign */
	uint32_t zero;
};
/* Generations of certificates alive at once, at most: one staged, one committed, the others until
 * their last handshakes are over (CERTIFICATES_DROP). */
#define GENERATIONS_MAX 8

/* Permitted is (anything else is -EACCES, counted and logged as an attack):
 * - TLS 1.3: CertificateVerify of a server or client (RFC 8446 section 4.4.3) over a SHA-256 or
 *   SHA-384 transcript hash, with the scheme of the key.
 * - TLS 1.2: ServerKeyExchange (RFC 8422 section 5.4): both randoms, a named curve (secp256r1,
 *   secp384r1, secp521r1, x25519, x448) and its whole uncompressed point; ECDSA with SHA-256,
 *   SHA-384 or SHA-512 on either curve, RSA with PSS or PKCS#1 v1.5, Ed25519. No DHE.
 *
 * A TLS 1.2 CertificateVerify signs the whole transcript, whose shape cannot be bounded: as a
 * client we authenticate over TLS 1.3 only. */

/* Session ticket keys, TLS -> transport, unasked, at the start of an edge and at each change:
 * key[0] is the newest and encrypts, all decrypt until they expire. Each TLS worker has its own. */
#define TICKET_KEYS_MAX 3
struct sign_tickets {
	uint16_t kind;  /* SIGN_TICKETS */
	uint16_t count; /* 0: tickets are off */
	uint32_t zero;
	struct {
		uint8_t name[16], aes[32], hmac[32];
		uint64_t expires_ms; /* CLOCK_MONOTONIC */
	} key[TICKET_KEYS_MAX];
};

#endif
