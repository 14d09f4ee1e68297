/* udp_error.c - ICMP errors (udp_error.h). Relies on: the kernel's error queue (ip(7), IP_RECVERR),
 * which gives of each error the destination and what was quoted of the datagram. */
#include "udp_error.h"

#include "common/counters.h"
#include "common/log.h"
#include "ipc/record.h"
#include "ipc/token.h"
#include "transport_worker.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

/* Errors taken in one system call. */
#define ERRORS_BATCH 8
/* What is looked at of a datagram: a router quotes up to 576 octets with its own headers (RFC 1812
 * section 4.3.2.3), an IPv6 one up to 1280 (RFC 4443 section 2.4). */
#define QUOTE_MAX 1280
#define ERROR_CONTROL_SIZE 256

struct udp_error {
	struct str quote; /* what is there of the datagram */
	struct endpoint to;
	struct sock_extended_err error;
};

int udp_errors_ask(int fd, int family)
{
	int on = 1;
	int result = family == AF_INET
	                     ? setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on))
	                     : setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));

	return result ? -errno : 0;
}

/* Whether an error says that nothing can be delivered there: host, network, port or protocol
 * unreachable, or forbidden. Source quench, time exceeded and the like are ignored (RFC 3261
 * section 18.4), and a size that a link cannot carry is the kernel's affair. */
static bool udp_error_is_unreachable(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED;
	return e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_DST_UNREACH;
}

/* The branch in the first Via of a quoted request, behind the start line. n == 0: it is not there,
 * or it is none of ours. */
static struct str udp_error_branch(struct str quote)
{
	static const char mark[] = ";branch=" BRANCH_COOKIE;
	const char *via = memmem(quote.p, quote.n, "\r\nVia:", 6);
	struct str rest = via ? str_from(quote, (size_t)(via - quote.p)) : STR_EMPTY;
	const char *at = rest.n ? memmem(rest.p, rest.n, mark, sizeof(mark) - 1) : NULL;

	if (!at)
		return STR_EMPTY;
	rest = str_from(rest, (size_t)(at - rest.p) + 8);
	return rest.n < BRANCH_LENGTH ? STR_EMPTY : (struct str){rest.p, BRANCH_LENGTH};
}

/* Whether the listener's zone names its peers, and this is one of them. */
static bool udp_error_is_of_a_peer(
	const struct settings *s, uint16_t listener, const struct endpoint *to)
{
	bool permitted;
	unsigned zone = settings_zone_of(s, listener, to, &permitted);

	return permitted && settings_zone(s, zone)->sources.count;
}

/* One that finds no room is left to the request's timers. */
static void udp_error_tell(
	struct transport_worker *t, uint8_t sip, const struct record_unreachable *record)
{
	void *data;

	if (t->upstream.record(t->upstream.arg, PEER(PEER_SIP, sip), RECORD_UNREACHABLE,
		    sizeof(*record), true, &data))
		count(REPORTS_LOST);
	else
		memcpy(data, record, sizeof(*record));
}

static void udp_error_report(
	struct transport_worker *t, uint16_t listener, const struct udp_error *e)
{
	struct str branch = udp_error_branch(e->quote);
	uint8_t slot;

	count(UDP_UNREACHABLE);
	if (!branch.n || !udp_error_is_of_a_peer(t->settings, listener, &e->to) ||
		token_slot(str_from(branch, BRANCH_LENGTH - TOKEN_LENGTH), &slot)) {
		count(UDP_UNREACHABLE_IGNORED);
		return;
	}
	struct record_unreachable record = {
		.to = e->to, .error = -(int32_t)e->error.ee_errno, .listener = listener};

	memcpy(record.branch, branch.p, branch.n);
	udp_error_tell(t, t->slots.worker[slot], &record);
	/* of a slot that moves either may have sent it */
	if (t->slots.next[slot] != t->slots.worker[slot])
		udp_error_tell(t, t->slots.next[slot], &record);
}

/* Reads one entry of the queue. False: it is no error of a datagram of ours. */
static bool udp_error_read(struct msghdr *h, size_t size, struct udp_error *out)
{
	bool found = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
			!(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		if (c->cmsg_len < CMSG_LEN(sizeof(out->error)))
			continue;
		memcpy(&out->error, CMSG_DATA(c), sizeof(out->error));
		found = true;
	}
	if (!found || !h->msg_namelen ||
		endpoint_from_sockaddr(h->msg_name, h->msg_namelen, &out->to))
		return false;
	out->quote = (struct str){h->msg_iov->iov_base, size};
	return true;
}

bool udp_errors_take(struct transport_worker *t, int fd, uint16_t listener)
{
	struct mmsghdr message[ERRORS_BATCH];
	struct iovec iov[ERRORS_BATCH];
	struct sockaddr_storage address[ERRORS_BATCH];
	_Alignas(struct cmsghdr) unsigned char control[ERRORS_BATCH][ERROR_CONTROL_SIZE];
	char quote[ERRORS_BATCH][QUOTE_MAX];

	for (unsigned taken = 0; taken < UDP_ERRORS_TURN; taken += ERRORS_BATCH) {
		for (unsigned i = 0; i < ERRORS_BATCH; i++) {
			iov[i].iov_base = &quote[i];
			iov[i].iov_len = QUOTE_MAX;
			message[i].msg_hdr = (struct msghdr){.msg_name = &address[i],
				.msg_namelen = sizeof(address[i]),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = control[i],
				.msg_controllen = ERROR_CONTROL_SIZE};
		}
		/* not recvmsg, which the jail does not permit */
		int n = recvmmsg(fd, message, ERRORS_BATCH, MSG_ERRQUEUE | MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			struct udp_error e;

			if (udp_error_read(&message[i].msg_hdr, message[i].msg_len, &e) &&
				udp_error_is_unreachable(&e.error))
				udp_error_report(t, listener, &e);
		}
		if (n < ERRORS_BATCH)
			return true;
	}
	return false;
}
