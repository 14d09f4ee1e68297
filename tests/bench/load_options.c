/* load_options.c - OPTIONS to the server itself, a window of them at any time. */
#include "load.h"

static uint64_t answers;

static void options_send(void)
{
	static uint32_t n;
	char m[1024];
	int size = snprintf(m, sizeof(m),
		"OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:%u;branch=z9hG4bKo%u\r\nFrom: <sip:alice@example.net>;tag=a%u\r\nTo: "
		"<sip:%s>\r\nCall-ID: o%u-%d@127.0.0.1\r\n"
		"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		opt.server_text, ntohs(caller[0].address.sin_port), n, n, opt.server_text, n,
		getpid());

	n++;
	port_send(&caller[0], &opt.server, m, (size_t)size);
}

static void options_take(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	(void)p;
	(void)from;
	(void)size;
	if (!memcmp(m, "SIP/2.0 200", 11))
		answers++;
	else
		failed++;
	options_send();
}

void options_run(void)
{
	uint64_t end = start_ns + (uint64_t)(opt.seconds * 1e9), before = 0, now;

	for (unsigned i = 0; i < opt.window; i++)
		options_send();
	while ((now = now_ns()) < end) {
		port_flush_all();
		port_wait(now + 100000000, options_take);
		if (received == before && now_ns() - now > 90000000) /* all lost: begin again */
			for (unsigned i = 0; i < opt.window; i++)
				options_send();
		before = received;
	}
	printf("{\"answered\": %llu, \"failed\": %llu, \"sent\": %llu, \"per_second\": %.0f",
		(unsigned long long)answers, (unsigned long long)failed, (unsigned long long)sent,
		(double)answers / opt.seconds);
}
