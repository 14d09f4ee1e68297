/* dialog.h - one side of a call: a dialog of RFC 3261 section 12, found by our own tag. */
#ifndef SIPWARD_SIP_DIALOG_H
#define SIPWARD_SIP_DIALOG_H

#include "../common/table.h"
#include "sip.h"
struct dialogs;
#endif
