/* own_folder.h - a folder of the test's own, which is gone with all that is in it in the end. */
#ifndef SIPWARD_TESTS_UNIT_OWN_FOLDER_H
#define SIPWARD_TESTS_UNIT_OWN_FOLDER_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWN_FOLDER "/tmp/sipward-unit-XXXXXX"

/* path: of at least sizeof(OWN_FOLDER) bytes */
static inline void own_folder_make(char *path)
{
	strcpy(path, OWN_FOLDER);
	cr_assert_not_null(mkdtemp(path));
}

static inline void own_folder_remove(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", path);
	cr_assert_eq(system(command), 0);
}

#endif
