/* carrier.h - what carries the mesh (mesh.h): `workers { ipc = ... }` in the configuration. The
 * master chooses and links neither; workers hold both. */
#ifndef SIPWARD_IPC_CARRIER_H
#define SIPWARD_IPC_CARRIER_H

/* The token that a connecter shows its listener over ZeroMQ: random, for one edge and one life. */
#define MESH_TOKEN_SIZE 32

/* In the order of the words in options.def. */
enum carrier {
	CARRIER_ZEROMQ = 0, /* ipc:// sockets of libzmq: the default */
	CARRIER_PAIRS,      /* SOCK_SEQPACKET pairs that the master makes */
	CARRIER_COUNT
};

/* "zeromq", "pairs", or "?". */
const char *carrier_name(unsigned carrier);

#endif
