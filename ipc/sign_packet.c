/* sign_packet.c - the packets of the key edge. Relies on SOCK_SEQPACKET: one send is one packet,
 * whole or not at all. */
#include "sign_packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct sign_request) == 16 && sizeof(struct sign_reply) == 16,
	"cross process borders");
_Static_assert(sizeof(struct sign_tickets) == 8 + TICKET_KEYS_MAX * 88,
	"crosses process borders without gaps");
_Static_assert(sizeof(struct sign_request) + SIGN_TEXT_MAX <= SIGN_PACKET_MAX &&
		       sizeof(struct sign_reply) + SIGNATURE_MAX <= SIGN_PACKET_MAX &&
		       sizeof(struct sign_tickets) <= SIGN_PACKET_MAX,
	"fit a packet");

size_t sign_request_encode(const struct sign_request *request, const void *text, size_t size,
	unsigned char buffer[SIGN_PACKET_MAX])
{
	struct sign_request header = *request;

	if (size < 1 || size > SIGN_TEXT_MAX)
		return 0;
	header.kind = SIGN_REQUEST;
	header.size = (uint16_t)size;
	memcpy(buffer, &header, sizeof(header));
	memcpy(buffer + sizeof(header), text, size);
	return sizeof(header) + size;
}

size_t sign_reply_encode(uint32_t id, int32_t error, const void *signature, size_t size,
	unsigned char buffer[SIGN_PACKET_MAX])
{
	struct sign_reply header = {
		.kind = SIGN_REPLY, .size = (uint16_t)size, .id = id, .error = error};

	if (error > 0 || size > SIGNATURE_MAX || (error == 0) != (size > 0))
		return 0;
	memcpy(buffer, &header, sizeof(header));
	if (size)
		memcpy(buffer + sizeof(header), signature, size);
	return sizeof(header) + size;
}

size_t sign_tickets_encode(
	const struct sign_tickets *tickets, unsigned char buffer[SIGN_PACKET_MAX])
{
	struct sign_tickets packet = *tickets;

	if (packet.count > TICKET_KEYS_MAX)
		return 0;
	packet.kind = SIGN_TICKETS;
	packet.zero = 0;
	memset(&packet.key[packet.count], 0,
		(TICKET_KEYS_MAX - packet.count) * sizeof(packet.key[0]));
	memcpy(buffer, &packet, sizeof(packet));
	explicit_bzero(&packet, sizeof(packet));
	return sizeof(packet);
}

uint16_t sign_packet_kind(const void *packet, size_t size)
{
	uint16_t kind;

	if (size < sizeof(kind))
		return 0;
	memcpy(&kind, packet, sizeof(kind));
	return kind >= SIGN_REQUEST && kind <= SIGN_TICKETS ? kind : 0;
}

int sign_request_decode(
	const void *packet, size_t size, struct sign_request *out, const unsigned char **text)
{
	struct sign_request header;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, packet, sizeof(header));
	if (header.kind != SIGN_REQUEST || header.size < 1 || header.size > SIGN_TEXT_MAX ||
		size != sizeof(header) + header.size)
		return -EBADMSG;
	*out = header;
	*text = (const unsigned char *)packet + sizeof(header);
	return 0;
}

/* A signature or an errno, never both, and nothing behind it. */
static bool sign_reply_sane(const struct sign_reply *reply, size_t size)
{
	if (reply->kind != SIGN_REPLY || reply->zero != 0)
		return false;
	if (reply->size > SIGNATURE_MAX || size != sizeof(*reply) + reply->size)
		return false;
	if (reply->error > 0 || reply->error < -4095)
		return false;
	return (reply->error == 0) == (reply->size > 0);
}

int sign_reply_decode(
	const void *packet, size_t size, struct sign_reply *out, const unsigned char **signature)
{
	struct sign_reply header;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, packet, sizeof(header));
	if (!sign_reply_sane(&header, size))
		return -EBADMSG;
	*out = header;
	*signature = header.size ? (const unsigned char *)packet + sizeof(header) : NULL;
	return 0;
}

int sign_tickets_decode(const void *packet, size_t size, struct sign_tickets *out)
{
	struct sign_tickets header;

	if (size != sizeof(header))
		return -EBADMSG;
	memcpy(&header, packet, sizeof(header));
	if (header.kind != SIGN_TICKETS || header.count > TICKET_KEYS_MAX || header.zero != 0)
		return -EBADMSG;
	*out = header;
	explicit_bzero(&header, sizeof(header));
	return 0;
}

int sign_packet_send(int fd, const void *packet, size_t size)
{
	ssize_t n;

	do
		n = send(fd, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case ENOBUFS: return -EAGAIN;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN: return -EPIPE;
	default: return -errno;
	}
}

ssize_t sign_packet_receive(int fd, unsigned char buffer[SIGN_PACKET_MAX])
{
	struct iovec part = {buffer, SIGN_PACKET_MAX};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return -EBADMSG;
	return n == 0 ? -EPIPE
	              : n; /* an empty packet and the end look alike: neither has a place here */
}
