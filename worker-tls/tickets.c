/* tickets.c - keys of session tickets. Relies on libsodium for randomness and guarded memory. */
#include "tickets.h"

#include "common/counters.h"
#include "common/log.h"
#include "ipc/sign_packet.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

struct tickets {
	struct loop *loop;
	struct timer timer;
	struct sign_tickets *keys; /* guarded, not readable but in the functions below; NULL: off */
	tickets_changed changed;
	void *arg;
};

static void tickets_on_timer(struct timer *timer, void *arg)
{
	(void)timer;
	tickets_rotate(arg);
}

int tickets_new(struct tickets **out, struct loop *loop, tickets_changed changed, void *arg)
{
	struct tickets *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->changed = changed;
	t->arg = arg;
	timer_init(&t->timer, tickets_on_timer, t);
	*out = t;
	return 0;
}

void tickets_free(struct tickets *t)
{
	if (!t)
		return;
	loop_unset(t->loop, &t->timer);
	sodium_free(t->keys);
	free(t);
}

void tickets_rotate(struct tickets *t)
{
	uint64_t now = loop_now(t->loop);
	struct sign_tickets *k = t->keys;

	if (!k)
		return;
	sodium_mprotect_readwrite(k);
	memmove(&k->key[1], &k->key[0], (TICKET_KEYS_MAX - 1) * sizeof(k->key[0]));
	randombytes_buf(k->key[0].name, sizeof(k->key[0].name));
	randombytes_buf(k->key[0].aes, sizeof(k->key[0].aes));
	randombytes_buf(k->key[0].hmac, sizeof(k->key[0].hmac));
	k->key[0].expires_ms = now + TICKET_KEYS_MAX * TICKETS_ROTATE_MS;
	if (k->count < TICKET_KEYS_MAX)
		k->count++;
	/* A sleeping machine may have been past more than one rotation. */
	while (k->count > 1 && k->key[k->count - 1].expires_ms <= now) {
		k->count--;
		sodium_memzero(&k->key[k->count], sizeof(k->key[0]));
	}
	sodium_mprotect_noaccess(k);
	loop_set(t->loop, &t->timer, TICKETS_ROTATE_MS);
	count(TICKET_ROTATIONS);
	t->changed(t->arg);
}

int tickets_set(struct tickets *t, bool on)
{
	if (on == (t->keys != NULL))
		return 0;
	if (!on) {
		loop_unset(t->loop, &t->timer);
		sodium_free(t->keys);
		t->keys = NULL;
		t->changed(t->arg);
		return 0;
	}
	t->keys = sodium_malloc(sizeof(*t->keys));
	if (!t->keys)
		return -ENOMEM;
	sodium_memzero(t->keys, sizeof(*t->keys));
	tickets_rotate(t);
	return 0;
}

bool tickets_on(const struct tickets *t)
{
	return t->keys != NULL;
}

size_t tickets_packet(const struct tickets *t, unsigned char buffer[SIGN_PACKET_MAX])
{
	static const struct sign_tickets off;
	size_t size;

	if (!t->keys)
		return sign_tickets_encode(&off, buffer);
	sodium_mprotect_readonly(t->keys);
	size = sign_tickets_encode(t->keys, buffer);
	sodium_mprotect_noaccess(t->keys);
	return size;
}
