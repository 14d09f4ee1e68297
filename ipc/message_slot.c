/* message_slot.c - the slot of a message (message_slot.h). Relies on the tokens' clear text
 * (token.h) and on the canonical address of record (address_of_record.h). */
#include "message_slot.h"

#include "address_of_record.h"
#include "token.h"

static bool slot_of_branch(struct str branch, uint8_t *slot)
{
	const size_t cookie = sizeof(BRANCH_COOKIE) - 1;

	return branch.n > cookie && !strncasecmp(branch.p, BRANCH_COOKIE, cookie) &&
	       !token_slot(str_from(branch, cookie), slot);
}

/* Both sides of a binding's life, its refreshing and its watching, meet in one slot. */
bool slot_is_about_registration(const struct message *m)
{
	if (m->method == METHOD_REGISTER)
		return true;
	if (m->method != METHOD_SUBSCRIBE)
		return false;
	return str_equal_nocase(value_without_params(message_value(m, HEADER_EVENT)), S("reg"));
}

/* Whether a request is of a dialog that we know by its slot: by our tag, or by our Contact. */
static bool slot_of_dialog(const struct message *m, uint8_t *slot)
{
	/* A REGISTER belongs to no dialog, whatever it says: an address of record has one
	 * writer. */
	if (m->method == METHOD_REGISTER)
		return false;
	return !token_slot(message_str(m, m->to_tag), slot) ||
	       !token_slot(message_str(m, m->request_uri.user), slot);
}

uint8_t slot_of_message(
	const struct message *m, const struct hash_key *key, const struct settings *settings)
{
	char buffer[AOR_MAX];
	uint8_t slot;

	if (!m->is_request) {
		if (slot_of_branch(message_str(m, m->via_branch), &slot))
			return slot;
	} else {
		if (slot_of_dialog(m, &slot))
			return slot;
		if (slot_is_about_registration(m)) {
			struct uri_parts to = uri_of(m, &m->to);
			long n = address_of_record(settings, &to, buffer);

			if (n > 0)
				return slot_of_aor((struct str){buffer, (size_t)n}, key);
		}
	}
	return slot_of_call_id(message_str(m, m->call_id), key);
}
