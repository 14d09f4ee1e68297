/* explain.c - see explain.h.
 *
 * Counters are counted on a page of its own meanwhile, and told as the last rows: an operator sees
 * which of them such a message moves.
 */
#include "explain.h"
#include "ipc/message_slot.h"

#include "core.h"

#include <stdlib.h>

static void explain_counters(struct explanation *x, const struct page *page)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (page->counter[i] && !counter_rows[i].gauge)
			explanation_say(x, "counter", str_of(counter_rows[i].name), 0, "%s",
				counter_rows[i].help);
}

void explain_write(
	struct sip *sip, struct str block, void (*row)(void *arg, struct str json), void *arg)
{
	const struct message *m = (const void *)block.p;
	struct explanation x = {.row = row, .arg = arg};
	struct page *page = counters_page, *scratch = calloc(1, sizeof(*scratch));
	struct str raw = message_raw_unchecked(block.p, block.n);

	if (!scratch)
		return;
	if (message_check(block.p, block.n) || m->flow.listener >= sip->settings->listeners.count) {
		explanation_say(&x, "parse", STR_EMPTY, 0, "the transport worker's block is none");
	} else if (refusals_let_in(&sip->refusals, &page->work, EVIDENCE_MESSAGE, raw, NULL,
			   loop_now(sip->loop))) {
		counters_page = scratch;
		core_explain(sip, m, slot_of_message(m, &sip->keys.slot_key, sip->settings), &x);
		counters_page = page;
		evidence_drop(&page->work);
		explain_counters(&x, scratch);
	} else {
		explanation_say(&x, "quarantine", STR_EMPTY, 0,
			"these bytes ended a worker before: dropped without an answer");
	}
	free(scratch);
}
