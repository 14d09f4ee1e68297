/* micro_peer.c - the peers of the micro-benchmark (micro_peer.h). Relies on the worker's answers
 * being what RFC 3261 says: what is not there ends the program. */
#include "micro_peer.h"

#include "worker-sip/auth/digest.h"

#include <stdio.h>

#define SDP                                                                                        \
	"v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.8\r\ns=-\r\nc=IN IP4 192.0.2.8\r\nt=0 " \
	"0\r\nm=audio 6000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 "                                       \
	"PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"                                                    \
	"a=rtpmap:9 G722/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "                 \
	"0-16\r\na=ptime:20\r\na=sendrecv\r\n"

#define F(s) (int)(s).n, (s).p

/* The value of the first header line of that name. */
static struct str line(const char *m, const char *name)
{
	char start[32];

	snprintf(start, sizeof(start), "\r\n%s: ", name);
	const char *at = strcasestr(m, start);
	if (!at)
		fail(name);
	at += strlen(start);
	return (struct str){at, strcspn(at, "\r")};
}

/* ---- calls ---- */

size_t peer_invite(char m[TEXT_MAX], unsigned n)
{
	return (size_t)snprintf(m, TEXT_MAX,
		"INVITE sip:bob@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP " PHONE
		";branch=z9hG4bKi%u\r\nFrom: \"Alice\" <sip:alice@example.net>;tag=a%u\r\nTo: "
		"\"Bob\" <sip:bob@example.net>\r\n"
		"Call-ID: call-%u@192.0.2.8\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@" PHONE
		";transport=UDP>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, "
		"UPDATE, INFO, REFER, NOTIFY\r\n"
		"Supported: timer, outbound, path\r\nUser-Agent: loadgen/1.0\r\nContent-Type: "
		"application/sdp\r\nContent-Length: %zu\r\n\r\n" SDP,
		n, n, n, sizeof(SDP) - 1);
}

size_t peer_options(char m[TEXT_MAX], unsigned n)
{
	return (size_t)snprintf(m, TEXT_MAX,
		"OPTIONS sip:192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP " PHONE
		";branch=z9hG4bKo%u\r\nFrom: <sip:alice@example.net>;tag=a%u\r\nTo: "
		"<sip:192.0.2.1>\r\nCall-ID: o%u@192.0.2.8\r\n"
		"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		n, n, n);
}

/* The trunk's response to a request that it got. */
static void respond(struct sip *sip, const char *request, const char *status, const char *tag,
	const char *rest, bool counted)
{
	char m[TEXT_MAX];
	struct str via = line(request, "Via"), from = line(request, "From"),
		   to = line(request, "To"), id = line(request, "Call-ID"),
		   cseq = line(request, "CSeq");
	size_t size = (size_t)snprintf(m, sizeof(m),
		"SIP/2.0 %s\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s%s\r\nCall-ID: %.*s\r\nCSeq: "
		"%.*s\r\n%s",
		status, F(via), F(from), F(to), tag, F(id), F(cseq), rest);

	worker_forget();
	worker_give(sip, m, size, TRUSTED, TRUNK, counted);
}

void peer_call(struct sip *sip, unsigned n, unsigned counted)
{
	static const char contact[] = "Contact: <sip:bob@" TRUNK ";transport=UDP>\r\n";
	char m[TEXT_MAX], invite[TEXT_MAX], ok[TEXT_MAX], tag[16], rest[TEXT_MAX];

	snprintf(tag, sizeof(tag), ";tag=b%u", n);
	worker_forget();
	worker_give(sip, m, peer_invite(m, n), TRUSTED, PHONE, counted & CALL_INVITE);
	snprintf(invite, sizeof(invite), "%s", worker_sent("INVITE"));
	snprintf(rest, sizeof(rest), "%sContent-Length: 0\r\n\r\n", contact);
	respond(sip, invite, "180 Ringing", tag, rest, counted & CALL_180);
	worker_sent("SIP/2.0 180");
	snprintf(rest, sizeof(rest),
		"%sContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n" SDP, contact,
		sizeof(SDP) - 1);
	respond(sip, invite, "200 OK", tag, rest, counted & CALL_200);
	snprintf(ok, sizeof(ok), "%s", worker_sent("SIP/2.0 200"));
	struct str target = line(ok, "Contact"), to = line(ok, "To");
	target = (struct str){target.p + 1, strcspn(target.p + 1, ">")};
	for (unsigned i = 0; i < 2; i++) {
		const char *method = i ? "BYE" : "ACK";
		size_t size = (size_t)snprintf(m, sizeof(m),
			"%s %.*s SIP/2.0\r\nVia: SIP/2.0/UDP " PHONE
			";branch=z9hG4bK%s%u\r\nFrom: \"Alice\" "
			"<sip:alice@example.net>;tag=a%u\r\nTo: %.*s\r\nCall-ID: "
			"call-%u@192.0.2.8\r\nCSeq: %u %s\r\n"
			"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
			method, F(target), method, n, n, F(to), n, i + 1, method);

		worker_forget();
		worker_give(sip, m, size, TRUSTED, PHONE, counted & (i ? CALL_BYE : CALL_ACK));
	}
	snprintf(m, sizeof(m), "%s", worker_sent("BYE"));
	respond(sip, m, "200 OK", "", "Content-Length: 0\r\n\r\n", counted & CALL_BYE_200);
	worker_sent("SIP/2.0 200");
	worker_forget();
	worker_wait(sip, CALL_GAP_MS, counted & CALL_LATER);
}

/* ---- registrations ---- */

static size_t registration(char m[TEXT_MAX], unsigned user, unsigned cseq, const char *credentials)
{
	return (size_t)snprintf(m, TEXT_MAX,
		"REGISTER sip:" REALM " SIP/2.0\r\nVia: SIP/2.0/UDP " REGISTERED
		";branch=z9hG4bKr%u.%u;rport\r\nFrom: <sip:u%06u@" REALM
		">;tag=r%u\r\nTo: <sip:u%06u@" REALM ">\r\n"
		"Call-ID: %u@198.51.100.7\r\nCSeq: %u REGISTER\r\nContact: <sip:u%06u@" REGISTERED
		">;expires=3600\r\nMax-Forwards: 70\r\nUser-Agent: "
		"loadgen/1.0\r\n%sContent-Length: 0\r\n\r\n",
		user, cseq, user, user, user, user, cseq, user, credentials);
}

size_t peer_challenged(
	struct sip *sip, unsigned user, unsigned cseq, char m[TEXT_MAX], bool counted)
{
	char nonce[NONCE_LENGTH_MAX + 1], name[16], ha1[65], ha2[65], response[65], text[512],
		credentials[768];

	worker_forget();
	worker_give(sip, m, registration(m, user, cseq, ""), ACCESS, REGISTERED, counted);
	const char *at = strstr(worker_sent("SIP/2.0 401"), "nonce=\"");
	if (!at)
		fail("no nonce");
	snprintf(nonce, sizeof(nonce), "%.*s", (int)strcspn(at + 7, "\""), at + 7);
	worker_forget();
	snprintf(name, sizeof(name), "u%06u", user);
	/* HA1 is H(a:b:c), and so, written cleverly, are HA2 and the response (RFC 7616
	 * section 3.4.1) */
	digest_ha1(DIGEST_MD5, str_of(name), S(REALM), S("secret"), ha1);
	digest_ha1(DIGEST_MD5, S("REGISTER"), S("sip"), S(REALM), ha2);
	snprintf(text, sizeof(text), "00000001:abcdef01:auth:%.32s", ha2);
	digest_ha1(DIGEST_MD5, (struct str){ha1, 32}, str_of(nonce), str_of(text), response);
	snprintf(credentials, sizeof(credentials),
		"Authorization: Digest username=\"%s\", realm=\"" REALM
		"\", nonce=\"%s\", uri=\"sip:" REALM
		"\", response=\"%.32s\", algorithm=MD5, cnonce=\"abcdef01\", qop=auth, "
		"nc=00000001\r\n",
		name, nonce, response);
	return registration(m, user, cseq + 1, credentials);
}
