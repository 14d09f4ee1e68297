/* sign.c - fuzz target of what stands before a private key: the decoder of sign requests and the
 * policy of what may be signed (worker-tls/sign_policy.c).
 *
 * The input is a packet, or, by its first octet, edits of a text that may be signed: a scheme, a
 * change of size, then three octets each, of which two say where and one what. Whatever decodes
 * goes to its exact end; whatever is permitted has one of three shapes, which is checked here a
 * second time, in other words.
 */
#include "ipc/sign_packet.h"
#include "worker-tls/sign_policy.c"

#include <stdlib.h>

static volatile unsigned sink;

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static bool all_are(const unsigned char *p, size_t n, unsigned char value)
{
	while (n && *p == value) {
		p++;
		n--;
	}
	return n == 0;
}

static void judge(enum key_kind kind, uint16_t scheme, const unsigned char *text, size_t size)
{
	size_t point = size - 68;

	if (sign_policy_permitted(kind, scheme, text, size))
		return;
	REQUIRE(kind != KEY_NONE && size <= SIGN_TEXT_MAX);
	if (size == 130 || size == 146) {
		REQUIRE(all_are(text, 64, ' ') && text[97] == 0);
		REQUIRE(memcmp(text + 64, "TLS 1.3, server CertificateVerify", 33) == 0 ||
			memcmp(text + 64, "TLS 1.3, client CertificateVerify", 33) == 0);
		REQUIRE(scheme != 0x0401 && scheme != 0x0501 && scheme != 0x0601 &&
			scheme != 0x0603);
		return;
	}
	REQUIRE(size > 68 && text[64] == 3 && text[65] == 0 && text[67] == point);
	REQUIRE((text[66] == 23 && point == 65 && text[68] == 4) ||
		(text[66] == 24 && point == 97 && text[68] == 4) ||
		(text[66] == 25 && point == 133 && text[68] == 4) ||
		(text[66] == 29 && point == 32) || (text[66] == 30 && point == 56));
}

static void decode(const uint8_t *data, size_t size)
{
	unsigned char *packet = malloc(size ? size : 1), buffer[SIGN_PACKET_MAX];
	struct sign_request request;
	struct sign_reply reply;
	struct sign_tickets tickets;
	const unsigned char *bytes;

	if (size)
		memcpy(packet, data, size);
	if (sign_request_decode(packet, size, &request, &bytes) == 0) {
		REQUIRE(bytes + request.size == packet + size);
		for (unsigned kind = KEY_NONE; kind <= KEY_ED25519; kind++)
			judge(kind, request.scheme, bytes, request.size);
		REQUIRE(sign_request_encode(&request, bytes, request.size, buffer) == size &&
			memcmp(buffer, packet, size) == 0);
	}
	if (sign_reply_decode(packet, size, &reply, &bytes) == 0) {
		for (size_t i = 0; i < reply.size; i++)
			sink += bytes[i];
		REQUIRE(sign_reply_encode(reply.id, reply.error, bytes, reply.size, buffer) ==
				size &&
			memcmp(buffer, packet, size) == 0);
	}
	if (sign_tickets_decode(packet, size, &tickets) == 0)
		REQUIRE(sign_tickets_encode(&tickets, buffer) == size);
	free(packet);
}

/* A text that may be signed; its size. */
static size_t base_text(unsigned which, unsigned char text[SIGN_TEXT_MAX])
{
	memset(text, 'r', SIGN_TEXT_MAX);
	if (which < 4) {
		memset(text, ' ', PADDING);
		memcpy(text + PADDING, which & 1 ? client_context : server_context,
			sizeof(server_context));
		return which & 2 ? 146 : 130;
	}
	which = (which - 4) % (sizeof(groups) / sizeof(groups[0]));
	text[64] = CURVE_NAMED;
	text[65] = 0;
	text[66] = (unsigned char)groups[which].group;
	text[67] = groups[which].size;
	text[68] = 4;
	return 68u + groups[which].size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sign_request request = {.id = 1, .generation = 1};
	unsigned char text[SIGN_TEXT_MAX], packet[SIGN_PACKET_MAX];
	size_t n;

	if (size < 4 || data[0] >= 9) {
		decode(data, size);
		return 0;
	}
	n = base_text(data[0], text) + (size_t)(int8_t)data[3];
	if (n < 1 || n > SIGN_TEXT_MAX)
		return 0;
	request.scheme = (uint16_t)(data[1] << 8 | data[2]);
	for (size_t i = 4; i + 3 <= size; i += 3)
		text[(data[i] << 8 | data[i + 1]) % n] ^= data[i + 2];
	decode(packet, sign_request_encode(&request, text, n, packet));
	return 0;
}
