/* failed_users.h - which failed attempts count towards a ban: a phone that keeps an old password
 * fails again and again, and must not shut out everybody who shares its address, while one that
 * tries name after name is to be banned soon. So the first attempt with a name counts, and then one
 * in so many.
 *
 * What was tried cannot be told from a digest, so attempts with one name are one phone's until they
 * are too many. A table of fixed size in which a newer name takes an older one's place: what was
 * forgotten early counts again.
 */
#ifndef SIPWARD_TRANSPORT_FAILED_USERS_H
#define SIPWARD_TRANSPORT_FAILED_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names remembered, over all sources. */
#define FAILED_USERS_MAX 4096

/* Zero-initialise before use. */
struct failed_users {
	struct {
		uint64_t print, since; /* since: ms, when the first of attempts was */
		uint64_t attempts;
	} user[FAILED_USERS_MAX];
};

/* Whether an attempt counts. print: a keyed hash of source and name; now and window: ms; one in
 * each counts, the first among them (0 and 1: all do). */
static inline bool failed_users_count(
	struct failed_users *f, uint64_t print, uint64_t now, uint64_t window, uint32_t each)
{
	size_t i = print % FAILED_USERS_MAX;

	if (f->user[i].print != print || now - f->user[i].since >= window) {
		f->user[i].print = print;
		f->user[i].since = now;
		f->user[i].attempts = 0;
	}
	return each < 2 || f->user[i].attempts++ % each == 0;
}

#endif
