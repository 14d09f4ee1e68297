/* users.c - see users.h. */
#include "users.h"

#include "ha1.h"
#include "password.h"

#include <errno.h>
#include <string.h>

#define ALGORITHMS_DEFAULT (DIGEST_SHA256 | DIGEST_MD5)

/* The realm and algorithms of a domain, from the master. 0 or an exit code. */
static int users_ask_domain(
	const struct options *o, const char *domain, char realm[REALM_MAX + 1], uint8_t *algorithms)
{
	json_t *answer = client_exchange(o, json_pack("{s:s}", "command", "domains")), *row, *item;
	size_t i, j;
	int code = EXIT_REFUSED;

	if (!answer)
		return EXIT_UNREACHABLE;
	if (!json_is_true(json_object_get(answer, "ok")))
		return client_print(o, answer);
	json_array_foreach (json_object_get(answer, "rows"), i, row) {
		const char *name = json_string_value(json_object_get(row, "domain")),
			   *text = json_string_value(json_object_get(row, "realm"));

		if (!name || !text || strcasecmp(name, domain) != 0 ||
			str_copy(str_of(text), realm, REALM_MAX + 1) < 0)
			continue;
		*algorithms = 0;
		json_array_foreach (json_object_get(row, "algorithms"), j, item)
			*algorithms |= json_is_string(item) ? digest_algorithm_of(str_of(
								      json_string_value(item)))
			                                    : 0;
		code = EXIT_DONE;
	}
	json_decref(answer);
	if (code != EXIT_DONE)
		client_fail(o, code, "no domain \"%s\" is configured", domain);
	return code;
}

static int users_make_entries(const struct options *o, const char *user, const char *realm,
	uint8_t algorithms, struct userfile_entry entry[DIGEST_ALGORITHMS])
{
	char password[PASSWORD_MAX];

	if (!userfile_name_valid(str_of(user)) || !userfile_realm_valid(str_of(realm))) {
		client_fail(o, EXIT_REFUSED, "this cannot be a user's name or a realm");
		return -EINVAL;
	}
	int n = ctl_password(o, password);
	if (n == 0) {
		n = ha1_entries(algorithms, str_of(user), str_of(realm), str_of(password), entry);
		if (n < 0)
			client_fail(
				o, EXIT_REFUSED, "the digest cannot be computed: %s", strerror(-n));
	}
	explicit_bzero(password, sizeof(password));
	return n;
}

/* The user's part of NAME@DOMAIN, or of NAME alone where at is NULL. */
static int users_name_of(const char *address, const char *at, char user[USER_NAME_MAX + 1])
{
	struct str name = {address, at ? (size_t)(at - address) : strlen(address)};

	return str_copy(name, user, USER_NAME_MAX + 1);
}

int users_add(const struct options *o, const char *address)
{
	char user[USER_NAME_MAX + 1], realm[REALM_MAX + 1];
	const char *at = strrchr(address, '@');
	uint8_t algorithms = 0;
	struct userfile_entry entry[DIGEST_ALGORITHMS] = {0};

	if (!at || users_name_of(address, at, user) < 0) {
		return client_fail(o, EXIT_USAGE, "expected NAME@DOMAIN, found \"%s\"", address);
	}
	int code = users_ask_domain(o, at + 1, realm, &algorithms);
	if (code != EXIT_DONE)
		return code;
	int n = users_make_entries(o, user, realm, algorithms, entry);
	if (n < 0)
		return EXIT_REFUSED;
	json_t *rows = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s}", "algorithm",
				digest_algorithm_name(entry[i].algorithm), "ha1", entry[i].ha1));
	explicit_bzero(entry, sizeof(entry));
	return client_print(
		o, client_exchange(o, json_pack("{s:s, s:{s:s, s:o}}", "command", "user add",
					      "arguments", "name@domain", address, "ha1", rows)));
}

static int users_file_failed(const struct options *o, int error)
{
	return client_fail(o, EXIT_REFUSED, "%s: %s", o->file,
		error == -ENOENT ? "no such user or file" : strerror(-error));
}

/* A users file with errors: all of them, by line. */
static int users_file_wrong(const struct options *o, const struct config_errors *errors)
{
	json_t *list;

	if (!o->json) {
		config_errors_print(errors, stderr);
		return EXIT_REFUSED;
	}
	list = json_array();
	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(
			list, json_string(errors->text[i]) ?: json_string("not UTF-8"));
	return client_print(o, json_pack("{s:b, s:s, s:o}", "ok", 0, "error",
				       "the users file cannot be used", "errors", list));
}

static int users_file_list(const struct options *o)
{
	static struct config_errors errors;
	struct userfile file;
	json_t *rows = json_array();
	int error = userfile_load(o->file, &file, &errors);

	if (error < 0) {
		json_decref(rows);
		return error == -EINVAL ? users_file_wrong(o, &errors)
		                        : users_file_failed(o, error);
	}
	for (size_t i = 0; i < file.count; i++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s, s:s}", "user", file.entries[i].name,
				      "realm", file.entries[i].realm, "algorithm",
				      digest_algorithm_name(file.entries[i].algorithm), "groups",
				      file.entries[i].groups));
	userfile_free(&file);
	return client_print(o, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

int users_file(const struct options *o, enum command command, const char *address)
{
	char user[USER_NAME_MAX + 1];
	const char *at = address ? strrchr(address, '@') : NULL, *realm = o->realm ? o->realm
	                                                                  : at     ? at + 1
	                                                                           : NULL;
	struct userfile_entry entry[DIGEST_ALGORITHMS] = {0};
	size_t changed = 0;

	if (command == COMMAND_user_list)
		return users_file_list(o);
	if (command != COMMAND_user_add && command != COMMAND_user_remove) {
		return client_fail(o, EXIT_USAGE, "-f is for user add, user remove and user list");
	}
	if (!address || !realm || users_name_of(address, at, user) < 0) {
		return client_fail(
			o, EXIT_USAGE, "expected NAME@DOMAIN, or NAME and --realm REALM");
	}
	if (command == COMMAND_user_remove) {
		int error = userfile_remove(o->file, user, realm, &changed);

		return error < 0
		               ? users_file_failed(o, error)
		               : client_print(o, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object",
							 "user", user, "result", "removed"));
	}
	int n = users_make_entries(o, user, realm, ALGORITHMS_DEFAULT, entry);
	if (n < 0)
		return EXIT_REFUSED;
	int error = userfile_put(o->file, entry, (size_t)n, &changed);
	explicit_bzero(entry, sizeof(entry));
	return error < 0
	               ? users_file_failed(o, error)
	               : client_print(o, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object", "user",
						 user, "result", changed ? "changed" : "added"));
}
