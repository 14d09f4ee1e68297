/* redirection.c - the Contacts of a redirection, as a forward of whose phone it was (forwarding.h).
 */
#include "forwarding_state.h"

/* Contacts of one redirection that are looked at. */
#define FORWARD_CONTACTS_MAX 4

/* One Contact of a redirection. */
struct forward_contact {
	struct uri_parts uri;
	unsigned q;
};

/* Thousandths; 1000 where there is none or none that can be read (RFC 3261 section 20.10). */
static unsigned forward_q(struct str params)
{
	struct str value;
	unsigned q = 0, digits = 0;

	if (!param_find(params, S("q"), &value) || !value.n || (*value.p != '0' && *value.p != '1'))
		return 1000;
	if (*value.p == '1')
		return 1000;
	for (size_t i = 2; i < value.n && digits < 3; i++, digits++)
		q = q * 10 + (unsigned)(value.p[i] - '0') % 10;
	for (; digits < 3; digits++)
		q *= 10;
	return q;
}

/* Reads the Contacts, the least wanted one first. */
static unsigned forward_contacts(
	const struct message *m, struct forward_contact contacts[FORWARD_CONTACTS_MAX])
{
	unsigned count = 0;

	for (const struct message_header *h = message_first(m, HEADER_CONTACT); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;

		while (count < FORWARD_CONTACTS_MAX && contact_next(&rest, &a) == 0) {
			unsigned q = forward_q(a.params), at = 0;

			while (at < count && contacts[at].q < q)
				at++;
			memmove(&contacts[at + 1], &contacts[at],
				(count - at) * sizeof(contacts[0]));
			contacts[at] = (struct forward_contact){a.uri, q};
			count++;
		}
	}
	return count;
}

unsigned forwarding_redirect(
	struct forwarding *fw, const struct fork_branch *b, const struct message *m)
{
	struct forward_contact contacts[FORWARD_CONTACTS_MAX];
	unsigned count = forward_contacts(m, contacts), refused = 480, followed = 0;
	struct forward forward = {.from = forwarding_hop(fw, b->hop),
		.zone = b->zone,
		.status = m->status,
		.cause = CALL_FORWARD_REDIRECTED,
		.rang = b->early};

	for (unsigned i = 0; i < count; i++) {
		unsigned status;

		forward.to = contacts[i].uri;
		if (forward.to.scheme == URI_OTHER || forward.to.scheme == URI_NONE)
			status = forward_refuse(fw, &forward, 416);
		else
			status = forwarding_forward(fw, &forward);
		if (status)
			refused = status;
		else
			followed++;
	}
	return followed ? 0 : refused;
}
