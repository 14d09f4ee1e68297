/* hep.c - see hep.h. Relies on: hep_packet.c, blank.c; a connected datagram socket that does not
 * block. */
#include "hep.h"

#include "common/clock.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "blank.h"
#include "hep_packet.h"
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEP_PACKETS 64
#define HEP_BUFFER (4u * HEP_PACKET_MAX)
#define NS_PER_US 1000
/* A copy that nobody takes brings an ICMP error, which the next one gets; the one behind that seems
 * to go. So losing lasts until copies have gone for so long. */
#define HEP_LOSING_MS 10000

struct hep {
	int fd;
	struct lifeline_hep how;
	struct log_limit limit;
	uint64_t lost_at; /* loop time of the last loss; 0: none, or it is over */
	unsigned count;
	size_t used;
	struct mmsghdr message[HEP_PACKETS];
	struct iovec iov[HEP_PACKETS];
	unsigned char buffer[HEP_BUFFER];
};

/* Copies were lost at that time; 0: they are not any more. */
static void hep_is_losing(struct hep *h, uint64_t at)
{
	h->lost_at = at;
	counter_set(COUNTER_HEP_LOSING, at != 0);
}

int hep_use(struct hep **hep, int fd, const struct lifeline_hep *how)
{
	struct hep *h = *hep;

	if (how->password_size > sizeof(how->password))
		return -EPROTO;
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return -ENOMEM;
		h->fd = -1;
	}
	if (h->fd >= 0)
		close(h->fd);
	h->fd = fd;
	h->how = *how;
	hep_is_losing(h, 0);
	*hep = h;
	return 0;
}

void hep_drop(struct hep **hep)
{
	if (!*hep)
		return;
	hep_is_losing(*hep, 0);
	if ((*hep)->fd >= 0)
		close((*hep)->fd);
	explicit_bzero(&(*hep)->how, sizeof((*hep)->how));
	free(*hep);
	*hep = NULL;
}

void hep_add(struct hep *h, const struct flow *flow, const struct endpoint *local, bool out,
	struct str message)
{
	const struct hep_packet packet = {
		.from = out ? *local : flow->peer,
		.to = out ? flow->peer : *local,
		.at_us = clock_realtime_ns() / NS_PER_US,
		.capture_id = h->how.capture_id,
		.transport = flow->transport,
		.password = {h->how.password, h->how.password_size},
		.correlation = trace_header(message, S("Call-ID"), S("i")),
		.message = message,
	};
	size_t size, kept, wanted = message.n + HEP_HEAD_MAX + h->how.password_size;

	if (wanted > HEP_PACKET_MAX)
		wanted = HEP_PACKET_MAX;
	if (h->count == HEP_PACKETS || HEP_BUFFER - h->used < wanted)
		hep_flush(h, clock_monotonic_ms());
	size = hep_packet_write(&packet, h->buffer + h->used, &kept);
	blank_secrets((char *)h->buffer + h->used + size - kept, kept);
	h->iov[h->count] = (struct iovec){.iov_base = h->buffer + h->used, .iov_len = size};
	h->message[h->count] = (struct mmsghdr){
		.msg_hdr = {.msg_iov = &h->iov[h->count], .msg_iovlen = 1}};
	h->count++;
	h->used += size;
	if (kept < message.n)
		count(HEP_CUT);
}

void hep_take_back(struct hep *h)
{
	if (h->count)
		h->used -= h->iov[--h->count].iov_len;
}

static void hep_log_dropped(struct hep *h, unsigned dropped, int error, uint64_t now)
{
	uint64_t left_out;

	counter_add(COUNTER_HEP_DROPPED, dropped);
	hep_is_losing(h, now);
	if (log_limit_pass(&h->limit, now, 1, LOG_LIMIT_SECOND, &left_out))
		log_warn("hep-dropped", "messages=%u error=\"%s\" left_out=%llu", dropped,
			error_text(error), (unsigned long long)left_out);
}

void hep_flush(struct hep *h, uint64_t now)
{
	unsigned done = 0;

	while (h && done < h->count) {
		int n = sendmmsg(h->fd, h->message + done, h->count - done, MSG_DONTWAIT);
		int error = n < 0 ? -errno : 0;
		/* an error that an earlier datagram brought (nobody receives) is told once, and
		 * one is of this datagram alone; where there is no room the rest goes */
		unsigned dropped = n >= 0 ? 0 : error == -EAGAIN ? h->count - done : 1;

		if (n > 0)
			counter_add(COUNTER_HEP_SENT, (unsigned)n);
		if (n > 0 && h->lost_at && now - h->lost_at >= HEP_LOSING_MS)
			hep_is_losing(h, 0);
		if (dropped)
			hep_log_dropped(h, dropped, error, now);
		done += n > 0 ? (unsigned)n : dropped;
		if (n == 0)
			break;
	}
	if (h)
		h->count = 0;
	if (h)
		h->used = 0;
}
