/* users files: reading, what is refused, editing. */
#include "ipc/userfile.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MD5_A "0123456789abcdef0123456789abcdef"
#define SHA_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char folder[64], path[96];
static struct config_errors errors;
static struct userfile file;

static void setup(void)
{
	own_folder_make(folder);
	snprintf(path, sizeof(path), "%s/users", folder);
	memset(&errors, 0, sizeof(errors));
}

static void teardown(void)
{
	userfile_free(&file);
	own_folder_remove(folder);
}

TestSuite(userfile, .init = setup, .fini = teardown);

static void put_text(const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *get_text(void)
{
	static char buffer[8192];
	FILE *f = fopen(path, "r");

	cr_assert_not_null(f);
	buffer[fread(buffer, 1, sizeof(buffer) - 1, f)] = '\0';
	fclose(f);
	return buffer;
}

Test(userfile, reads)
{
	put_text("# comment\n\nalice:example.net:SHA-256:" SHA_A
		 "\r\nalice:example.net:md5:0123456789ABCDEF0123456789abcdef\nbob:example.net:"
		 "MD5:" MD5_A);
	cr_assert_eq(userfile_load(path, &file, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(file.count, 3);
	cr_assert_str_eq(file.entries[0].name, "alice");
	cr_assert_str_eq(file.entries[0].realm, "example.net");
	cr_assert_eq(file.entries[0].algorithm, DIGEST_SHA256);
	cr_assert_str_eq(file.entries[0].ha1, SHA_A);
	cr_assert_eq(file.entries[1].line, 4);
	cr_assert_str_eq(file.entries[1].ha1, MD5_A);
	cr_assert_eq(file.entries[2].line, 5);
}

Test(userfile, empty_is_fine_and_missing_is_not)
{
	cr_assert_eq(userfile_load(path, &file, &errors), -ENOENT);
	put_text("");
	cr_assert_eq(userfile_load(path, &file, &errors), 0);
	cr_assert_eq(file.count, 0);
	cr_assert_eq(userfile_load(folder, &file, &errors), -EISDIR);
}

static void refused(const char *line, const char *why)
{
	char text[4096];

	memset(&errors, 0, sizeof(errors));
	snprintf(text, sizeof(text), "# first\n%s\n", line);
	put_text(text);
	cr_expect_eq(userfile_load(path, &file, &errors), -EINVAL, "accepted: %s", line);
	cr_expect_eq(errors.count, 1);
	cr_expect_not_null(strstr(errors.text[0], "users:2: "), "%s", errors.text[0]);
	cr_expect_not_null(strstr(errors.text[0], why), "%s", errors.text[0]);
	cr_expect_null(
		strstr(errors.text[0], "0123456789abcde"), "an ha1 is secret: %s", errors.text[0]);
}

Test(userfile, refuses_bad_lines)
{
	char longest[USER_NAME_MAX + 100];

	refused("alice", "name:realm:algorithm:ha1");
	refused("alice:example.net:MD5", "name:realm:algorithm:ha1");
	refused(":example.net:MD5:" MD5_A, "user name");
	refused(" alice:example.net:MD5:" MD5_A, "user name");
	refused("al\tice:example.net:MD5:" MD5_A, "user name");
	refused("alice::MD5:" MD5_A, "realm");
	refused("alice:exa\"mple:MD5:" MD5_A, "realm");
	refused("alice:example.net:MD4:" MD5_A, "algorithm");
	refused("alice:example.net:MD5:" SHA_A, "32 hex");
	refused("alice:example.net:SHA-256:" MD5_A, "64 hex");
	refused("alice:example.net:MD5:0123456789abcdeg0123456789abcdef", "hex digits");
	refused("alice:example.net:MD5:" MD5_A ":", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":staff:", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":staff,", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":,staff", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":staff,night,staff", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":sta ff", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":a,b,c,d,e,f,g,h,i", "the groups");
	refused("alice:example.net:MD5:" MD5_A ":a23456789012345678901234567890123", "the groups");
	memset(longest, 'x', USER_NAME_MAX + 1);
	strcpy(longest + USER_NAME_MAX + 1, ":r:MD5:" MD5_A);
	refused(longest, "user name");
}

Test(userfile, refuses_duplicates)
{
	put_text("alice:r:MD5:" MD5_A "\nbob:r:MD5:" MD5_A "\nalice:s:MD5:" MD5_A
		 "\nalice:r:SHA-256:" SHA_A "\nalice:r:MD5:" MD5_A "\n");
	cr_assert_eq(userfile_load(path, &file, &errors), -EINVAL);
	cr_assert_eq(errors.count, 1);
	cr_assert_not_null(strstr(errors.text[0], "users:5: user \"alice\" has a line for MD5 in "
						  "realm \"r\" already (line 1)"),
		"%s", errors.text[0]);
}

static struct userfile_entry entry(const char *name, uint8_t algorithm, char digit)
{
	struct userfile_entry e = {.algorithm = algorithm, .realm = "r"};

	strcpy(e.name, name);
	memset(e.ha1, digit, digest_ha1_length(algorithm));
	return e;
}

Test(userfile, put_makes_replaces_and_keeps)
{
	struct userfile_entry e[2] = {
		entry("alice", DIGEST_MD5, 'a'), entry("alice", DIGEST_SHA256, 'b')};
	struct stat st;
	size_t n = 99;

	cr_assert_eq(userfile_put(path, e, 2, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0640);
	cr_assert_eq(userfile_load(path, &file, &errors), 0);
	cr_assert_eq(file.count, 2);
	userfile_free(&file);

	put_text("# mine\nalice:r:MD5:" MD5_A "\nnot a line\nalice:s:MD5:" MD5_A
		 "\nbob:r:MD5:" MD5_A);
	cr_assert_eq(chmod(path, 0600), 0);
	cr_assert_eq(userfile_put(path, e, 1, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_str_eq(get_text(), "# mine\nnot a line\nalice:s:MD5:" MD5_A "\nbob:r:MD5:" MD5_A
				     "\nalice:r:MD5:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
}

Test(userfile, groups)
{
	struct userfile_entry e[2] = {
		entry("alice", DIGEST_MD5, 'a'), entry("alice", DIGEST_SHA256, 'b')};

	put_text("alice:r:MD5:" MD5_A ":night,staff\nbob:r:MD5:" MD5_A "\n");
	cr_assert_eq(userfile_load(path, &file, &errors), 0, "%s", errors.text[0]);
	cr_assert_str_eq(file.entries[0].groups, "night,staff");
	cr_assert_str_eq(file.entries[1].groups, "");
	userfile_free(&file);
	/* another password, and one more algorithm: he stays in his groups */
	cr_assert_eq(userfile_put(path, e, 2, NULL), 0);
	cr_assert_eq(userfile_load(path, &file, &errors), 0, "%s", errors.text[0]);
	cr_assert_eq(file.count, 3);
	for (unsigned i = 1; i < 3; i++)
		cr_assert_str_eq(file.entries[i].groups, "night,staff");
	userfile_free(&file);
	strcpy(e[0].groups, "day,day");
	cr_assert_eq(userfile_put(path, e, 1, NULL), -EINVAL);
}

Test(userfile, all_lines_of_a_user_name_the_same_groups)
{
	put_text("alice:r:MD5:" MD5_A ":staff\nalice:s:MD5:" MD5_A "\nalice:r:SHA-256:" SHA_A "\n");
	cr_assert_eq(userfile_load(path, &file, &errors), -EINVAL);
	cr_assert_eq(errors.count, 1);
	cr_assert_not_null(
		strstr(errors.text[0], "users:3: user \"alice\" has other groups in line 1"), "%s",
		errors.text[0]);
}

Test(userfile, put_refuses_bad_entries)
{
	struct userfile_entry e = entry("alice", DIGEST_MD5, 'a');

	put_text("bob:r:MD5:" MD5_A "\n");
	strcpy(e.name, "al:ice");
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EINVAL);
	strcpy(e.name, "al\nice");
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EINVAL);
	strcpy(e.name, "#alice");
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EINVAL);
	strcpy(e.name, "alice");
	e.ha1[3] = 'A';
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EINVAL);
	e.ha1[3] = '\0';
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EINVAL);
	cr_assert_str_eq(get_text(), "bob:r:MD5:" MD5_A "\n");
}

Test(userfile, remove_takes_all_lines_of_a_user)
{
	size_t n = 0;

	put_text("# mine\nalice:r:MD5:" MD5_A "\nbob:r:MD5:" MD5_A "\nalice:r:SHA-256:" SHA_A
		 "\nalice:s:MD5:" MD5_A "\n");
	cr_assert_eq(userfile_remove(path, "carol", NULL, &n), -ENOENT);
	cr_assert_eq(userfile_remove(path, "alice", "r", &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(get_text(), "# mine\nbob:r:MD5:" MD5_A "\nalice:s:MD5:" MD5_A "\n");
	cr_assert_eq(userfile_remove(path, "alice", NULL, &n), 0);
	cr_assert_eq(n, 1);
	cr_assert_eq(userfile_remove("/nonexistent/users", "alice", NULL, &n), -ENOENT);
}

Test(userfile, one_edit_at_a_time)
{
	struct userfile_entry e = entry("alice", DIGEST_MD5, 'a');
	int fd = open(folder, O_RDONLY | O_DIRECTORY);

	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_assert_eq(userfile_put(path, &e, 1, NULL), -EAGAIN);
	close(fd);
	cr_assert_eq(userfile_put(path, &e, 1, NULL), 0);
}

Test(errors, nearest_word)
{
	static const char *const words[] = {
		"trust", "auth", NULL, "sources", "connections-per-source"};

	cr_assert_str_eq(config_nearest("trsut", words, 5), "trust");
	cr_assert_str_eq(config_nearest("source", words, 5), "sources");
	cr_assert_str_eq(config_nearest("TRUST", words, 5), "trust");
	cr_assert_null(config_nearest("banana", words, 5));
	cr_assert_null(config_nearest("x", words, 0));
}

Test(errors, bounded_and_said_once)
{
	memset(&errors, 0, sizeof(errors));
	config_error_add(&errors, "f", 1, "a \x1b[31m %s", "same");
	config_error_add(&errors, "f", 1, "a \x1b[31m %s", "same");
	cr_assert_eq(errors.count, 1);
	cr_assert_str_eq(errors.text[0], "f:1: a ?[31m same");
	for (int i = 0; i < 30; i++)
		config_error_add(&errors, "f", i, "x");
	cr_assert_eq(errors.count, CONFIG_ERRORS_MAX);
	cr_assert_eq(errors.dropped, 11);
}

/* Behind a NUL the rest of the name would be forgotten. */
Test(userfile, group_names)
{
	static const char with_nul[] = "sales\0x";

	cr_assert(userfile_group_valid(S("sales")));
	cr_assert(userfile_group_valid(S("sales-2.berlin_west")));
	cr_assert_not(userfile_group_valid(S("sales x")));
	cr_assert_not(userfile_group_valid(STR_EMPTY));
	cr_assert_not(userfile_group_valid((struct str){with_nul, sizeof(with_nul) - 1}));
}
