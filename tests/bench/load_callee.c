/* load_callee.c - the callee: 180 and 200, and answers within dialogs. */
#include "load.h"

struct answered {
	char *ok; /* the 200, until its ACK */
	size_t size;
	struct port *port;
	struct sockaddr_in to;
	uint64_t key;
	bool acked, over, ended_first;
};

static struct answered *answered_call;
static uint32_t *by_key, calls_buffer, answered_count;
char sdp[MESSAGE_MAX / 2];
size_t sdp_size;

void callee_prepare(uint32_t calls)
{
	calls_buffer = calls;
	answered_call = need(calls_buffer, sizeof(*answered_call));
	by_key = need(calls_buffer * 2, sizeof(*by_key));
}

static uint64_t callee_key(struct text id)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 1099511628211u;
	return h ? h : 1;
}

static uint32_t *callee_place(uint64_t key)
{
	uint32_t i = (uint32_t)(key % (calls_buffer * 2));

	while (by_key[i] && answered_call[by_key[i]].key != key)
		i = (i + 1) % (calls_buffer * 2);
	return &by_key[i];
}

/* Copies what a response repeats. */
static size_t callee_respond(
	char *out, const char *m, size_t size, const char *line, const char *tag, bool record_route)
{
	size_t n = (size_t)sprintf(out, "SIP/2.0 %s\r\n", line);
	struct text t;

	for (unsigned i = 0; (t = message_header(m, size, "Via", 'v', i)).n; i++)
		n += (size_t)sprintf(out + n, "Via: %.*s\r\n", T(t));
	for (unsigned i = 0; record_route && (t = message_header(m, size, "Record-Route", 0, i)).n;
		i++)
		n += (size_t)sprintf(out + n, "Record-Route: %.*s\r\n", T(t));
	t = message_header(m, size, "From", 'f', 0);
	n += (size_t)sprintf(out + n, "From: %.*s\r\n", T(t));
	t = message_header(m, size, "To", 't', 0);
	n += (size_t)sprintf(out + n, "To: %.*s%s\r\n", T(t), tag);
	t = message_header(m, size, "Call-ID", 'i', 0);
	n += (size_t)sprintf(out + n, "Call-ID: %.*s\r\n", T(t));
	t = message_header(m, size, "CSeq", 0, 0);
	n += (size_t)sprintf(out + n, "CSeq: %.*s\r\n", T(t));
	return n;
}

void callee_take_request(struct port *p, const struct sockaddr_in *from, char *m, size_t size)
{
	char out[MESSAGE_MAX], tag[32];
	struct text id = message_header(m, size, "Call-ID", 'i', 0);
	uint32_t *place = callee_place(callee_key(id));
	struct answered *a = *place ? &answered_call[*place] : NULL;

	if (!memcmp(m, "INVITE ", 7)) {
		if (a && a->ok) {
			port_send(p, &a->to, a->ok, a->size);
			return;
		}
		if (a) { /* within the dialog; its answer is not repeated: loopback loses nothing
			    but under overload, and then the call counts as failed */
			size_t n = callee_respond(out, m, size, "200 OK", "", false);
			n += (size_t)sprintf(out + n,
				"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
				"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
				CALLEE_PORT, via_transport, sdp_size, sdp);
			port_send(p, from, out, n);
			return;
		}
		if (answered_count + 1 >= calls_buffer)
			return;
		*place = ++answered_count;
		a = &answered_call[*place];
		a->key = callee_key(id);
		a->port = p;
		a->to = *from;
		sprintf(tag, ";tag=b%u", *place);
		size_t n = callee_respond(out, m, size, "180 Ringing", tag, true);
		n += (size_t)sprintf(out + n,
			"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Length: 0\r\n\r\n",
			CALLEE_PORT, via_transport);
		port_send(p, from, out, n);
		n = callee_respond(out, m, size, "200 OK", tag, true);
		n += (size_t)sprintf(out + n,
			"Contact: <sip:bob@127.0.0.1:%u;transport=%s>\r\nContent-Type: "
			"application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
			CALLEE_PORT, via_transport, sdp_size, sdp);
		port_send(p, from, out, n);
		a->ok = text_keep((struct text){out, n});
		a->size = n;
		wheel_add(DUE_ANSWER, *place, T1);
	} else if (a && !memcmp(m, "ACK ", 4)) {
		if (!a->acked && a->over)
			out_of_order++;
		a->acked = true;
		free(a->ok);
		a->ok = NULL;
	} else if (!memcmp(m, "OPTIONS ", 8) || (a && !memcmp(m, "INFO ", 5))) {
		size_t n = callee_respond(out, m, size, "200 OK", a ? "" : ";tag=o", false);

		n += (size_t)sprintf(out + n, "Content-Length: 0\r\n\r\n");
		port_send(p, from, out, n);
	} else if (a && !memcmp(m, "BYE ", 4)) {
		a->over = true;
		size_t n = callee_respond(out, m, size, "200 OK", "", false);
		n += (size_t)sprintf(out + n, "Content-Length: 0\r\n\r\n");
		port_send(p, from, out, n);
	} else {
		stray++;
	}
}

void callee_fire(const struct event *e)
{
	struct answered *a = &answered_call[e->n];
	unsigned next = e->wait * 2u;

	if (a->ok && e->wait < GIVE_UP) {
		retransmitted++;
		port_send(a->port, &a->to, a->ok, a->size);
		wheel_add(DUE_ANSWER, e->n, next < T2 ? next : T2);
	}
}
