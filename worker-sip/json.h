/* json.h - JSON text in a writer, for the rows that sipwardctl shows. */
#ifndef SIPWARD_SIP_JSON_H
#define SIPWARD_SIP_JSON_H

#include "worker-sip/message/writer.h"

/* s as the inside of a JSON string: bytes outside ASCII as \u00HH. */
void write_json(struct writer *w, struct str s);
/* "name":"value", - with its comma. */
void write_json_field(struct writer *w, const char *name, struct str value);
/* "name":value, - with its comma. */
void write_json_number(struct writer *w, const char *name, uint64_t value);
/* Ends an object of such fields, the last of which keeps no comma. */
void write_json_end(struct writer *w);
/* Hands the row {"name":value} to line. */
void json_number_line(
	const char *name, uint64_t value, void (*line)(void *arg, struct str json), void *arg);

#endif
