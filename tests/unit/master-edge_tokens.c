/* master-edge_tokens.c - tokens per edge and life, and the order of telling them. */
#include "master/workers/edge_tokens.h"

#include <criterion/criterion.h>
#include <sodium.h>

static struct edge_tokens e;

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	cr_assert_eq(edge_tokens_new(&e, 2, 3), 0);
}

static void teardown(void)
{
	edge_tokens_free(&e);
}

TestSuite(edge_tokens, .init = setup, .fini = teardown);

Test(edge_tokens, exist_between_the_right_workers_only)
{
	cr_expect_not_null(edge_tokens_of(&e, PEER(PEER_TRANSPORT, 1), 2));
	cr_expect_not_null(edge_tokens_of(&e, PEER(PEER_SIP, 0), 1));
	cr_expect_null(edge_tokens_of(&e, PEER(PEER_SIP, 1), 1), "a worker has no edge to itself");
	cr_expect_null(edge_tokens_of(&e, PEER(PEER_TRANSPORT, 2), 0));
	cr_expect_null(edge_tokens_of(&e, PEER(PEER_TRANSPORT, 0), 3));
	cr_expect_null(edge_tokens_of(&e, PEER(PEER_TLS, 0), 0));
	cr_expect_neq(edge_tokens_of(&e, PEER(PEER_TRANSPORT, 1), 0),
		edge_tokens_of(&e, PEER(PEER_SIP, 1), 0));
}

Test(edge_tokens, a_token_is_told_to_its_listener_before_it_is_open)
{
	uint16_t transport = PEER(PEER_TRANSPORT, 0), who = 0;
	struct lifeline_allow allow;

	cr_expect_not(edge_tokens_allow(&e, transport, 0, &allow),
		"nothing to tell of a worker that does not live");
	edge_tokens_mint(&e, transport);
	cr_expect_eq(edge_tokens_of(&e, transport, 0)->state, EDGE_MINTED);
	cr_assert(edge_tokens_allow(&e, transport, 0, &allow));
	cr_expect_eq(allow.peer, transport);
	cr_expect_eq(
		memcmp(allow.token, edge_tokens_of(&e, transport, 0)->token, MESH_TOKEN_SIZE), 0);
	cr_expect_eq(edge_tokens_waiting(&e, transport), 1);
	cr_expect_not(edge_tokens_acknowledged(&e, 1, allow.sequence, &who),
		"another listener's acknowledgement");
	cr_expect_not(edge_tokens_acknowledged(&e, 0, allow.sequence + 1, &who));
	cr_expect_not(edge_tokens_acknowledged(&e, 0, 0, &who));
	cr_assert(edge_tokens_acknowledged(&e, 0, allow.sequence, &who));
	cr_expect_eq(who, transport);
	cr_expect_eq(edge_tokens_of(&e, transport, 0)->state, EDGE_OPEN);
	cr_expect_eq(edge_tokens_waiting(&e, transport), 0);
	cr_expect_not(edge_tokens_acknowledged(&e, 0, allow.sequence, &who), "once only");
}

Test(edge_tokens, each_life_and_each_edge_has_a_token_of_its_own)
{
	uint16_t transport = PEER(PEER_TRANSPORT, 0);
	uint8_t first[MESH_TOKEN_SIZE], zero[MESH_TOKEN_SIZE] = {0};

	edge_tokens_mint(&e, transport);
	memcpy(first, edge_tokens_of(&e, transport, 0)->token, sizeof(first));
	cr_expect_neq(memcmp(first, edge_tokens_of(&e, transport, 1)->token, sizeof(first)), 0);
	cr_expect_neq(memcmp(first, zero, sizeof(first)), 0);
	edge_tokens_wipe(&e, transport);
	cr_expect_eq(memcmp(zero, edge_tokens_of(&e, transport, 0)->token, sizeof(zero)), 0);
	edge_tokens_mint(&e, transport);
	cr_expect_neq(memcmp(first, edge_tokens_of(&e, transport, 0)->token, sizeof(first)), 0);
}

Test(edge_tokens, an_acknowledgement_of_an_earlier_life_opens_nothing)
{
	uint16_t transport = PEER(PEER_TRANSPORT, 0), who;
	struct lifeline_allow before, after;

	edge_tokens_mint(&e, transport);
	cr_assert(edge_tokens_allow(&e, transport, 0, &before));
	edge_tokens_wipe(&e, transport);
	cr_expect_not(edge_tokens_acknowledged(&e, 0, before.sequence, &who));
	edge_tokens_mint(&e, transport);
	cr_expect_not(edge_tokens_acknowledged(&e, 0, before.sequence, &who));
	cr_assert(edge_tokens_allow(&e, transport, 0, &after));
	cr_expect_not(edge_tokens_acknowledged(&e, 0, before.sequence, &who));
	cr_expect(edge_tokens_acknowledged(&e, 0, after.sequence, &who));
}

Test(edge_tokens, a_successor_of_the_listener_is_told_the_same_tokens)
{
	uint16_t open = PEER(PEER_TRANSPORT, 0), waiting = PEER(PEER_TRANSPORT, 1), who;
	struct lifeline_allow a, b, again;

	edge_tokens_mint(&e, open);
	edge_tokens_mint(&e, waiting);
	cr_assert(edge_tokens_allow(&e, open, 2, &a) &&
		  edge_tokens_acknowledged(&e, 2, a.sequence, &who));
	cr_assert(edge_tokens_allow(&e, waiting, 2, &b));
	edge_tokens_forget(&e, 2);
	cr_expect_eq(edge_tokens_of(&e, open, 2)->state, EDGE_OPEN,
		"its connecter has the token already");
	cr_expect_eq(edge_tokens_of(&e, waiting, 2)->state, EDGE_MINTED);
	cr_expect_not(edge_tokens_acknowledged(&e, 2, b.sequence, &who));
	cr_assert(edge_tokens_allow(&e, open, 2, &again));
	cr_expect_eq(memcmp(a.token, again.token, sizeof(a.token)), 0);
	cr_expect_not(edge_tokens_acknowledged(&e, 2, again.sequence, &who),
		"no second EDGE for an edge that was open");
}
