/* load_call.c - the caller: INVITE to BYE, retransmissions. */
#include "load.h"

struct call {
	uint64_t asked;
	char *target, *route, *to; /* of the dialog; NULL before the 200 */
	uint8_t state;    /* 0 not begun, 1 INVITE sent, 2 up, 3 BYE sent, 4 over, 5 failed */
	bool ringing;     /* its 180 has come */
	uint8_t answered; /* mixed: bits of what was answered besides */
};
static struct call *call;
static uint32_t begun, up;
static char extra[MESSAGE_MAX / 2];
uint64_t succeeded, failed, retransmitted, out_of_order, stray;

static struct port *call_port(uint32_t n)
{
	return &caller[n % callers];
}

static void call_send_invite(uint32_t n)
{
	char m[MESSAGE_MAX], target[64];
	struct port *p = call_port(n);
	unsigned port = ntohs(p->address.sin_port);

	if (opt.users)
		snprintf(
			target, sizeof(target), "u%06u@%s", user_number(n % opt.users), opt.domain);
	else
		snprintf(target, sizeof(target), "bob@%s", opt.server_text);
	int size = snprintf(m, sizeof(m),
		"INVITE sip:%s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bKi%u\r\nFrom: "
		"\"Alice\" <sip:alice@example.net>;tag=a%u\r\nTo: \"Bob\" <sip:bob@example.net>\r\n"
		"Call-ID: %u-%d@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: "
		"<sip:alice@127.0.0.1:%u;transport=%s>\r\nMax-Forwards: 70\r\nAllow: INVITE, ACK, "
		"CANCEL, BYE, OPTIONS, UPDATE, INFO, REFER, NOTIFY\r\n"
		"Supported: timer, outbound, path\r\nUser-Agent: loadgen/1.0\r\n%sContent-Type: "
		"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
		target, via_transport, port, n, n, n, getpid(), port, via_transport, extra,
		sdp_size, sdp);
	port_send(p, &opt.server, m, (size_t)size);
}

/* CSeq of the caller's requests. */
enum { CSEQ_INVITE = 1, CSEQ_INFO, CSEQ_AGAIN, CSEQ_BYE, CSEQ_OPTIONS };
#define MIXED_ANSWERS (1 << CSEQ_INFO | 1 << CSEQ_AGAIN | 1 << CSEQ_OPTIONS)

static void call_send(uint32_t n, const char *method, unsigned cseq)
{
	char m[MESSAGE_MAX];
	struct call *c = &call[n];
	struct port *p = call_port(n);
	unsigned port = ntohs(p->address.sin_port);
	bool offer = method[0] == 'I' && cseq == CSEQ_AGAIN;
	int size = snprintf(m, sizeof(m),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bK%s%u.%u\r\n%sFrom: "
		"\"Alice\" <sip:alice@example.net>;tag=a%u\r\nTo: %s\r\nCall-ID: "
		"%u-%d@127.0.0.1\r\n"
		"CSeq: %u %s\r\nMax-Forwards: 70\r\n",
		method, c->target, via_transport, port, method, cseq, n, c->route, n, c->to, n,
		getpid(), cseq, method);

	if (offer)
		size += snprintf(m + size, sizeof(m) - (size_t)size,
			"Contact: <sip:alice@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
			"application/sdp\r\n",
			port, via_transport);
	size += snprintf(m + size, sizeof(m) - (size_t)size, "Content-Length: %zu\r\n\r\n%s",
		offer ? sdp_size : 0, offer ? sdp : "");
	port_send(p, &opt.server, m, (size_t)size);
}

/* Beside a call: asks the callee, through the server. */
static void call_send_options(uint32_t n)
{
	char m[MESSAGE_MAX];
	struct port *p = call_port(n);
	int size = snprintf(m, sizeof(m),
		"OPTIONS sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/%s "
		"127.0.0.1:%u;branch=z9hG4bKo%u\r\nFrom: <sip:alice@example.net>;tag=o%u\r\nTo: "
		"<sip:bob@example.net>\r\n"
		"Call-ID: %u-%d-o@127.0.0.1\r\nCSeq: %u OPTIONS\r\nMax-Forwards: "
		"70\r\nContent-Length: 0\r\n\r\n",
		opt.server_text, via_transport, ntohs(p->address.sin_port), n, n, n, getpid(),
		CSEQ_OPTIONS);

	port_send(p, &opt.server, m, (size_t)size);
}

static void call_up(uint32_t n, const char *m, size_t size)
{
	struct call *c = &call[n];
	char route[4096] = "";
	size_t used = 0;
	unsigned count = 0;

	while (message_header(m, size, "Record-Route", 0, count).n)
		count++;
	while (count--) { /* those of one line stay together: no server here writes two into one */
		struct text r = message_header(m, size, "Record-Route", 0, count);
		used += (size_t)snprintf(
			route + used, sizeof(route) - used, "Route: %.*s\r\n", T(r));
	}
	c->to = text_keep(message_header(m, size, "To", 't', 0));
	c->target = text_keep(text_after(message_header(m, size, "Contact", 'm', 0), "<", ">"));
	c->route = text_keep((struct text){route, used});
	latency_add(now_ns() - c->asked);
	c->state = 2;
	up++;
	if (!opt.stay)
		wheel_add(DUE_BYE, n, opt.hold);
	if (opt.mixed)
		wheel_add(DUE_INFO, n, opt.hold / 4);
}

static void call_over(uint32_t n, bool well)
{
	struct call *c = &call[n];

	free(c->to);
	free(c->target);
	free(c->route);
	c->to = c->target = c->route = NULL;
	c->state = well ? 4 : 5;
	*(well ? &succeeded : &failed) += 1;
}

static void call_take_response(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	struct text id = message_header(m, size, "Call-ID", 'i', 0),
		    cseq = message_header(m, size, "CSeq", 0, 0);
	uint32_t n = id.n ? (uint32_t)strtoul(id.p, NULL, 10) : UINT32_MAX;
	unsigned status = size > 12 && !memcmp(m, "SIP/2.0 ", 8) ? (unsigned)atoi(m + 8) : 0;

	(void)p;
	(void)from;
	if (n >= begun || !status || !cseq.n) {
		stray++;
		return;
	}
	struct call *c = &call[n];
	unsigned number = (unsigned)strtoul(cseq.p, NULL, 10);
	if (number == CSEQ_AGAIN || number == CSEQ_INFO || number == CSEQ_OPTIONS) {
		if (status < 200 || status >= 300 || c->state != 2)
			return;
		if (number == CSEQ_AGAIN)
			call_send(n, "ACK", CSEQ_AGAIN);
		if (number == CSEQ_INFO && !(c->answered & 1 << CSEQ_INFO))
			call_send(n, "INVITE", CSEQ_AGAIN);
		c->answered |= (uint8_t)(1 << number);
	} else if (number == CSEQ_INVITE) {
		if (status == 180) {
			if (!c->ringing && c->state != 1)
				out_of_order++;
			c->ringing = true;
		} else if (status >= 300) {
			if (c->state == 1)
				call_over(n, false);
		} else if (status >= 200) {
			if (c->state == 1)
				call_up(n, m, size);
			if (c->state == 2 || c->state == 3)
				call_send(n, "ACK", CSEQ_INVITE);
		}
	} else if (c->state == 3 && status >= 200) {
		call_over(n, status < 300 && (!opt.mixed || c->answered == MIXED_ANSWERS));
	}
}

void call_fire(const struct event *e)
{
	unsigned next = e->wait * 2u;
	struct call *c = &call[e->n];

	if (e->what == DUE_INVITE && c->state == 1) {
		if (now_ns() - c->asked > GIVE_UP * UINT64_C(1000000)) {
			call_over(e->n, false);
			return;
		}
		if (!opt.tcp) {
			retransmitted++;
			call_send_invite(e->n);
		}
		wheel_add(DUE_INVITE, e->n, next);
	} else if (e->what == DUE_INFO && c->state == 2) {
		call_send(e->n, "INFO", CSEQ_INFO);
		call_send_options(e->n);
	} else if (e->what == DUE_BYE && c->state == 2) {
		c->state = 3;
		c->asked = now_ns();
		call_send(e->n, "BYE", CSEQ_BYE);
		wheel_add(DUE_BYE_AGAIN, e->n, T1);
	} else if (e->what == DUE_BYE_AGAIN && c->state == 3) {
		if (now_ns() - c->asked > GIVE_UP * UINT64_C(1000000)) {
			call_over(e->n, false);
			return;
		}
		if (!opt.tcp) {
			retransmitted++;
			call_send(e->n, "BYE", CSEQ_BYE);
		}
		wheel_add(DUE_BYE_AGAIN, e->n, next < T2 ? next : T2);
	}
}

static void call_begin(void)
{
	uint32_t n = begun++;

	call[n].state = 1;
	call[n].asked = now_ns();
	call_send_invite(n);
	wheel_add(DUE_INVITE, n, T1);
}

void call_prepare(void)
{
	uint64_t wanted = opt.limit ? opt.limit : (uint64_t)(opt.rate * opt.seconds);

	call = need(wanted + 2, sizeof(*call));
	callee_prepare((uint32_t)wanted + 2);
	sdp_size = (size_t)sprintf(sdp,
		"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 "
		"127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 9 101\r\na=rtpmap:0 PCMU/8000\r\n"
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 "
		"telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n");
	for (unsigned i = 0; i < opt.sdp && sdp_size < sizeof(sdp) - 80; i++)
		sdp_size += (size_t)sprintf(sdp + sdp_size,
			"a=candidate:%u 1 UDP 2130706431 192.0.2.%u 54400 typ host\r\n", i,
			i % 250);
	size_t used = 0;
	for (unsigned i = 0; i < opt.headers && used < sizeof(extra) - 80; i++)
		used += (size_t)sprintf(
			extra + used, "X-Load-Header-%u: some value of usual length %u\r\n", i, i);
	if (opt.tcp) {
		port_open_streams();
	} else {
		port_udp(&caller[0], 0);
		if (!opt.caller)
			port_udp(&callee, CALLEE_PORT);
	}
}

void calls_run(void)
{
	uint64_t wanted = opt.limit ? opt.limit : (uint64_t)(opt.rate * opt.seconds),
		 gap = (uint64_t)(1e9 / opt.rate), due = start_ns;
	bool said = false;

	for (;;) {
		uint64_t now = now_ns();

		for (unsigned i = 0; begun < wanted && due <= now && i < BATCH; i++, due += gap)
			call_begin();
		wheel_turn();
		port_flush_all();
		if (opt.stay && !said && up + failed == wanted) {
			said = true;
			printf("up %u failed %llu\n", up, (unsigned long long)failed);
			fflush(stdout);
		}
		if (!opt.stay && succeeded + failed == wanted)
			break;
		uint64_t tick = start_ns + wheel_at * 1000000;
		port_wait(begun < wanted && due < tick ? due : tick, call_take_response);
	}
	printf("{\"calls\": %llu, \"ok\": %llu, \"failed\": %llu, \"retransmitted\": %llu, "
	       "\"out_of_order\": %llu, \"stray\": %llu, \"sent\": %llu, \"received\": %llu",
		(unsigned long long)wanted, (unsigned long long)succeeded,
		(unsigned long long)failed, (unsigned long long)retransmitted,
		(unsigned long long)out_of_order, (unsigned long long)stray,
		(unsigned long long)sent, (unsigned long long)received);
}
