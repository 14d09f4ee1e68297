/* binding_removal.h - some bindings of an address of record go, without a REGISTER. */
#ifndef SIPWARD_SIP_REGISTRAR_BINDING_REMOVAL_H
#define SIPWARD_SIP_REGISTRAR_BINDING_REMOVAL_H

#include "location.h"

/* Removes the bindings of aor for which goes() is true, and keeps the others. This process must be
 * the one that writes the record. *removed: how many there were. -EAGAIN, -ENOMEM: later; another
 * -errno: the store's. */
int binding_remove(struct location *l, struct str aor,
	bool (*goes)(void *arg, const struct binding *b), void *arg, unsigned *removed);

#endif
