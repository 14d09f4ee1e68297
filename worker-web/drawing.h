/* drawing.h - a ladder as a picture, from what the master tells of a call. */
#ifndef SIPWARD_WEB_DRAWING_H
#define SIPWARD_WEB_DRAWING_H

#include <stddef.h>

/* Before the jail is closed: later nothing could be read to seed tables by. */
void drawing_prepare(void);
/* Draws the JSON of a WEB_LADDER as SVG: *svg, to be freed. -EBADMSG: it is none; -ENOENT: nothing
 * is kept of that call; -ENOMEM. */
int drawing_make(const char *json, size_t size, char **svg, size_t *svg_size);

#endif
