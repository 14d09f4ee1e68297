/* micro_peer.h - whom the worker of the micro-benchmark talks to: a phone and a trunk that place
 * and answer a call, and phones that register. */
#ifndef SIPWARD_TESTS_BENCH_MICRO_PEER_H
#define SIPWARD_TESTS_BENCH_MICRO_PEER_H

#include "micro_worker.h"

#define PHONE "192.0.2.8:5070"
#define TRUNK "192.0.2.9:5080"
#define REGISTERED "198.51.100.7:5070"
#define TEXT_MAX 4096

/* The parts of a call that can be counted, a bit each: the messages that the worker receives, and
 * what is left when it is over. */
enum {
	CALL_INVITE = 1,
	CALL_180 = 2,
	CALL_200 = 4,
	CALL_ACK = 8,
	CALL_BYE = 16,
	CALL_BYE_200 = 32,
	CALL_LATER = 64,
	CALL_ALL = 127
};
/* One call, answered and ended, the n-th; then worker_wait(CALL_GAP_MS), in which the transactions
 * of earlier calls end. */
#define CALL_GAP_MS 6
void peer_call(struct sip *sip, unsigned n, unsigned counted);
/* Writes the INVITE of the n-th call; its length. */
size_t peer_invite(char text[TEXT_MAX], unsigned n);
size_t peer_options(char text[TEXT_MAX], unsigned n);

/* Asks for a nonce: the REGISTER without credentials and its 401. Leaves the REGISTER that answers
 * it in text and returns its length. */
size_t peer_challenged(
	struct sip *sip, unsigned user, unsigned cseq, char text[TEXT_MAX], bool counted);

#endif
