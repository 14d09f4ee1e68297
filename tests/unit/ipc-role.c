/* Tests of ipc/role. */
#include "ipc/role.h"

#include <criterion/criterion.h>
#include <string.h>

Test(role, names)
{
	cr_expect_str_eq(role_name(PEER_TRANSPORT), "transport");
	cr_expect_str_eq(role_name(PEER_SIP), "sip");
	cr_expect_str_eq(role_name(PEER_TLS), "tls");
	cr_expect_str_eq(role_name(PEER_NONE), "?");
	cr_expect_str_eq(role_name(ROLE_COUNT), "?");
	for (unsigned a = ROLE_FIRST; a < ROLE_COUNT; a++)
		for (unsigned b = ROLE_FIRST; b < a; b++)
			cr_expect_str_neq(role_name(a), role_name(b));
}

/* The role that accepts stops first and starts last. */
Test(role, order_of_stopping)
{
	cr_expect_lt(PEER_TRANSPORT, PEER_SIP);
	cr_expect_lt(PEER_SIP, PEER_TLS);
	cr_expect_eq(PEER_TRANSPORT, ROLE_FIRST);
}

Test(role, traits)
{
	cr_expect(role_has(PEER_TRANSPORT, ROLE_NETWORK));
	cr_expect(role_has(PEER_SIP, ROLE_NETWORK | ROLE_USERS));
	cr_expect_not(role_has(PEER_SIP, ROLE_NETWORK));
	for (unsigned trait = 1; trait <= ROLE_TAG_KEY; trait <<= 1) {
		cr_expect_not(role_has(PEER_TLS, trait), "next to the keys there is nothing else");
		cr_expect_not(role_has(PEER_NONE, trait));
		cr_expect_not(role_has(ROLE_COUNT, trait));
	}
}

Test(role, peers)
{
	uint16_t peer = PEER(PEER_SIP, 200);

	cr_expect_eq(PEER_ROLE(peer), PEER_SIP);
	cr_expect_eq(PEER_INDEX(peer), 200);
}
