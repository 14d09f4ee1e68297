/* named_dialog.c - which worker a request is for that names a dialog (named_dialog.h). */
#include "named_dialog.h"

#include "common/hash.h"
#include "ipc/message_slot.h"
#include "ipc/syntax.h"
#include "ipc/token.h"

/* Our tag in a value "call-id;name=tag;...", as its sender's peer. */
static bool named_dialog_of(
	const struct message *m, enum header id, struct str tag_name, uint8_t *slot)
{
	struct str value = message_value(m, id), tag;
	size_t semicolon = str_find(value, ';');

	return semicolon < value.n && param_find(str_from(value, semicolon + 1), tag_name, &tag) &&
	       !token_slot(tag, slot);
}

bool named_dialog_slot(const struct message *m, uint8_t *slot)
{
	/* whatever a REGISTER names, an address of record has one writer */
	if (!m->is_request || m->to_tag.length || slot_is_about_registration(m))
		return false;
	if (m->method == METHOD_INVITE &&
		(named_dialog_of(m, HEADER_REPLACES, S("to-tag"), slot) ||
			named_dialog_of(m, HEADER_JOIN, S("to-tag"), slot)))
		return true;
	return named_dialog_of(m, HEADER_TARGET_DIALOG, S("remote-tag"), slot);
}

/* What an INVITE and its CANCEL have in common; never 0. */
static uint64_t named_dialog_key(const struct sip *sip, const struct message *m)
{
	return hash_str(&sip->keys.slot_key, message_str(m, m->call_id)) | 1;
}

void named_dialog_note(struct sip *sip, const struct message *m, uint8_t slot)
{
	struct named_dialogs *n = &sip->named_dialogs;

	if (m->method != METHOD_INVITE)
		return;
	n->key[n->next] = named_dialog_key(sip, m);
	n->slot[n->next] = slot;
	n->next = (n->next + 1) % NAMED_DIALOGS_NOTED;
}

bool named_dialog_noted(const struct sip *sip, const struct message *cancel, uint8_t *slot)
{
	const struct named_dialogs *n = &sip->named_dialogs;

	if (!cancel->is_request || cancel->method != METHOD_CANCEL || !n->key[0])
		return false;
	uint64_t key = named_dialog_key(sip, cancel);
	for (unsigned i = 0; i < NAMED_DIALOGS_NOTED; i++)
		if (n->key[i] == key) {
			*slot = n->slot[i];
			return true;
		}
	return false;
}
