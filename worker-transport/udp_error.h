/* udp_error.h - what the network says of datagrams that could not be delivered: ICMP errors (RFC
 * 3261 section 18.4).
 *
 * An ICMP error is easily forged: the kernel asks no more of it than that it names a socket of ours
 * and any address. So it counts only where it quotes the branch of a request, which nobody but its
 * sender, its receiver and who is between them can know, and where the destination is one of those
 * that the listener's zone names as its sources: a phone cannot say by it which messages are looked
 * for. The SIP worker that sent the request proves the branch.
 */
#ifndef SIPWARD_TRANSPORT_UDP_ERROR_H
#define SIPWARD_TRANSPORT_UDP_ERROR_H

#include <stdbool.h>
#include <stdint.h>

struct transport_worker;

/* ICMP errors of one socket that are looked at before others get their turn. */
#define UDP_ERRORS_TURN 64

/* Has the kernel keep ICMP errors of the socket, of that address family. Each of them makes the
 * next call on the socket fail once, whomever that is for. 0 or -errno. */
int udp_errors_ask(int fd, int family);
/* Takes the errors that are there, UDP_ERRORS_TURN at most, and reports what they say to SIP
 * workers. True: none is left. */
bool udp_errors_take(struct transport_worker *t, int fd, uint16_t listener);

#endif
