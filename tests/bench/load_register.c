/* load_register.c - users that register with digest. */
#include "load.h"

struct user {
	char *nonce;
	uint64_t asked;
	uint32_t count, cseq;
	uint8_t state; /* 0 idle, 1 asked, 2 asked with credentials */
};
static struct user *user;
static uint64_t requests, challenged;
static uint32_t next_user, registered, outstanding;

static void register_md5(char out[33], const char *text)
{
	unsigned char d[16];
	unsigned length = 0;

	EVP_Digest(text, strlen(text), d, &length, EVP_md5(), NULL);
	for (unsigned i = 0; i < 16; i++)
		sprintf(out + 2 * i, "%02x", d[i]);
}

static void register_send(uint32_t i)
{
	struct user *u = &user[i];
	char m[2048], credentials[768] = "", text[512], ha1[33], ha2[33], response[33];

	if (u->nonce) {
		u->count++;
		snprintf(text, sizeof(text), "u%06u:%s:secret", user_number(i), opt.domain);
		register_md5(ha1, text);
		snprintf(text, sizeof(text), "REGISTER:sip:%s", opt.domain);
		register_md5(ha2, text);
		snprintf(text, sizeof(text), "%s:%s:%08x:abcdef01:auth:%s", ha1, u->nonce, u->count,
			ha2);
		register_md5(response, text);
		snprintf(credentials, sizeof(credentials),
			"Authorization: Digest username=\"u%06u\", realm=\"%s\", nonce=\"%s\", "
			"uri=\"sip:%s\", response=\"%s\", algorithm=MD5, cnonce=\"abcdef01\", "
			"qop=auth, nc=%08x\r\n",
			user_number(i), opt.domain, u->nonce, opt.domain, response, u->count);
	}
	u->state = u->nonce ? 2 : 1;
	u->cseq++;
	unsigned port = ntohs(caller[0].address.sin_port);
	int size = snprintf(m, sizeof(m),
		"REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:%u;branch=z9hG4bKr%u.%u;rport\r\nFrom: <sip:u%06u@%s>;tag=r%u\r\nTo: "
		"<sip:u%06u@%s>\r\nCall-ID: %u@127.0.0.1\r\n"
		"CSeq: %u REGISTER\r\nContact: "
		"<sip:u%06u@127.0.0.1:%u>;expires=3600\r\nMax-Forwards: 70\r\nUser-Agent: "
		"loadgen/1.0\r\n%sContent-Length: 0\r\n\r\n",
		opt.domain, port, i, u->cseq, user_number(i), opt.domain, i, user_number(i),
		opt.domain, user_number(i), u->cseq, user_number(i), port, credentials);
	requests++;
	port_send(&caller[0], &opt.server, m, (size_t)size);
}

static void register_begin(void)
{
	uint32_t i = next_user;

	next_user = (next_user + 1) % opt.users;
	if (user[i].state)
		return;
	outstanding++;
	user[i].asked = now_ns();
	if (!opt.reuse) {
		free(user[i].nonce);
		user[i].nonce = NULL;
	}
	register_send(i);
	wheel_add(DUE_REGISTER, i, T1);
}

static void register_take(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	struct text id = text_after(message_header(m, size, "From", 'f', 0), "tag=r", ";"),
		    cseq = message_header(m, size, "CSeq", 0, 0);
	uint32_t i = id.n ? (uint32_t)strtoul(id.p, NULL, 10) : UINT32_MAX;
	unsigned status = (unsigned)atoi(m + 8);

	(void)p;
	(void)from;
	if (i >= opt.users || !cseq.n || strtoul(cseq.p, NULL, 10) != user[i].cseq ||
		!user[i].state || status < 200) {
		stray++;
		return;
	}
	struct user *u = &user[i];
	if (status == 401 && (u->state == 1 || opt.reuse)) {
		struct text nonce = {NULL, 0};

		for (unsigned k = 0; !nonce.n; k++) {
			struct text challenge = message_header(m, size, "WWW-Authenticate", 0, k),
				    algorithm = text_after(challenge, "algorithm=", ", \"");

			if (!challenge.n)
				break;
			if (!algorithm.n || (algorithm.n == 3 && !memcmp(algorithm.p, "MD5", 3)))
				nonce = text_after(challenge, "nonce=\"", "\"");
		}
		challenged++;
		free(u->nonce);
		u->nonce = text_keep(nonce);
		u->count = 0;
		register_send(i);
		return;
	}
	latency_add(now_ns() - u->asked);
	u->state = 0;
	outstanding--;
	*(status == 200 ? &succeeded : &failed) += 1;
	registered++;
}

void register_fire(const struct event *e)
{
	struct user *u = &user[e->n];

	if (!u->state)
		return;
	if (now_ns() - u->asked < T1 * UINT64_C(1000000)) {
		wheel_add(DUE_REGISTER, e->n, T1); /* a later one of this user */
	} else if (now_ns() - u->asked > GIVE_UP * UINT64_C(1000000)) {
		u->state = 0;
		outstanding--;
		failed++;
		registered++;
	} else {
		retransmitted++;
		u->cseq++;
		register_send(e->n);
		wheel_add(DUE_REGISTER, e->n, e->wait * 2u);
	}
}

/* With a window each user registers once; with a rate they register in turn for the time given. */
void register_run(void)
{
	uint64_t end = start_ns + (uint64_t)(opt.seconds * 1e9),
		 gap = opt.rate > 0 ? (uint64_t)(1e9 / opt.rate) : 0, due = start_ns;
	uint64_t begun_users = 0, now;

	user = need(opt.users, sizeof(*user));
	for (unsigned i = 0; i < opt.users; i++)
		user[i].cseq = (uint32_t)(time(NULL) & 0x3ffffff) *
		               16; /* a phone goes on counting */
	for (;;) {
		now = now_ns();
		if (gap) {
			for (; due <= now && due < end; due += gap)
				register_begin();
			if (now >= end && !outstanding)
				break;
		} else {
			for (; outstanding < opt.window && begun_users < opt.users; begun_users++)
				register_begin();
			if (registered == opt.users)
				break;
		}
		wheel_turn();
		port_flush_all();
		uint64_t tick = start_ns + wheel_at * 1000000;
		port_wait(gap && due < end && due < tick ? due : tick, register_take);
	}
	printf("{\"requests\": %llu, \"challenged\": %llu, \"ok\": %llu, \"failed\": %llu, "
	       "\"retransmitted\": %llu, \"took_s\": %.3f",
		(unsigned long long)requests, (unsigned long long)challenged,
		(unsigned long long)succeeded, (unsigned long long)failed,
		(unsigned long long)retransmitted, (double)(now_ns() - start_ns) / 1e9);
}
