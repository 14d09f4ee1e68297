/* user_commands.c - the domains and their users. */
#include "user_commands.h"

#include "common/log.h"
#include "master/control/answer.h"
#include "master/control/commands.h"
#include "master/master.h"
#include "master/reload.h"

#include <errno.h>

static json_t *domain_algorithms(uint8_t algorithms)
{
	json_t *list = json_array();

	for (uint8_t bit = 1; bit; bit = (uint8_t)(bit << 1))
		if ((algorithms & bit) && digest_algorithm_name(bit))
			json_array_append_new(list, json_string(digest_algorithm_name(bit)));
	return list;
}

void command_domains(struct master *m, struct request *r, json_t *arguments)
{
	json_t *rows = json_array();

	(void)arguments;
	for (size_t i = 0; i < m->config->domain_count; i++) {
		const struct config_domain *d = &m->config->domains[i];

		if (d->gone)
			continue;
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:o, s:s}", "domain", d->name, "realm",
				      d->realm, "algorithms", domain_algorithms(d->algorithms),
				      "users", d->users_path));
	}
	answer_rows(r, rows);
}

const struct config_domain *user_argument(
	struct master *m, struct request *r, json_t *arguments, char user[USER_NAME_MAX + 1])
{
	const char *name = json_string_value(json_object_get(arguments, "name@domain"));
	const char *at = name ? strrchr(name, '@') : NULL;

	if (!at) {
		answer_refused(r, "expected NAME@DOMAIN");
		return NULL;
	}
	if (str_copy((struct str){name, (size_t)(at - name)}, user, USER_NAME_MAX + 1) < 0 ||
		!userfile_name_valid(str_of(user))) {
		answer_refused(r, "this cannot be a user's name");
		return NULL;
	}
	for (size_t i = 0; i < m->config->domain_count; i++)
		if (!m->config->domains[i].gone &&
			strcasecmp(m->config->domains[i].name, at + 1) == 0)
			return &m->config->domains[i];
	answer_refused(r, "no domain \"%.200s\" is configured", at + 1);
	return NULL;
}

static bool user_entry(
	const struct config_domain *d, const char *user, json_t *row, struct userfile_entry *out)
{
	const char *algorithm = json_string_value(json_object_get(row, "algorithm")),
		   *ha1 = json_string_value(json_object_get(row, "ha1"));

	*out = (struct userfile_entry){.line = 0};
	out->algorithm = algorithm ? digest_algorithm_of(str_of(algorithm)) : 0;
	if (!out->algorithm || !ha1 || strlen(ha1) != digest_ha1_length(out->algorithm) ||
		strspn(ha1, "0123456789abcdef") != strlen(ha1))
		return false;
	return str_copy(str_of(user), out->name, sizeof(out->name)) == 0 &&
	       str_copy(str_of(d->realm), out->realm, sizeof(out->realm)) == 0 &&
	       str_copy(str_of(ha1), out->ha1, sizeof(out->ha1)) == 0;
}

/* After a change of a users file. */
static void users_use(struct master *m, struct request *r, json_t *object)
{
	static struct config_errors errors;

	if (reload_users(m, &errors) < 0) {
		json_decref(object);
		answer_errors(r, "the file was changed, but the users files are not taken into use",
			&errors);
		return;
	}
	request_answer(r, json_pack("{s:b, s:o}", "ok", 1, "object", object));
}

void command_user_add(struct master *m, struct request *r, json_t *arguments)
{
	char user[USER_NAME_MAX + 1];
	const struct config_domain *d = user_argument(m, r, arguments, user);
	json_t *rows = json_object_get(arguments, "ha1");
	struct userfile_entry entry[DIGEST_ALGORITHMS];
	size_t n = json_array_size(rows), replaced = 0;
	int error = 0;

	if (!d)
		return;
	if (n < 1 || n > sizeof(entry) / sizeof(entry[0])) {
		answer_refused(r, "expected \"ha1\": one to three of {\"algorithm\", \"ha1\"} (use "
				  "sipwardctl, which makes them)");
		return;
	}
	for (size_t i = 0; i < n && error == 0; i++)
		if (!user_entry(d, user, json_array_get(rows, i), &entry[i]))
			error = -EINVAL;
	if (error == 0)
		error = userfile_put(d->users_path, entry, n, &replaced);
	explicit_bzero(entry, sizeof(entry));
	if (error == -EINVAL)
		answer_refused(r, "the HA1s are not as they should be");
	else if (error < 0)
		answer_refused(r, "%s: %s", d->users_path, strerror(-error));
	else
		users_use(m, r,
			json_pack("{s:s, s:s, s:s}", "user", user, "domain", d->name, "result",
				replaced ? "changed" : "added"));
}

/* After a user was removed. Who gets the name later has not set his forwards. */
static void user_forget(
	struct master *m, struct request *r, const struct config_domain *d, const char *user)
{
	json_t *object = json_pack(
		"{s:s, s:s, s:s}", "user", user, "domain", d->name, "result", "removed");
	int cleared = forwards_clear(m, user, d->name, FORWARD_WHENS);

	if (cleared < 0) {
		char name[2 * USER_NAME_MAX];

		log_error("forwards-left", "user=%s domain=%s error=\"%s\"",
			log_value(str_of(user), name, sizeof(name)), d->name, error_text(cleared));
	}
	users_use(m, r, object);
}

void command_user_remove(struct master *m, struct request *r, json_t *arguments)
{
	char user[USER_NAME_MAX + 1];
	const struct config_domain *d = user_argument(m, r, arguments, user);
	size_t removed = 0;

	if (!d)
		return;
	int error = userfile_remove(d->users_path, user, d->realm, &removed);
	if (error == -ENOENT)
		answer_refused(r, "there is no such user");
	else if (error < 0)
		answer_refused(r, "%s: %s", d->users_path, strerror(-error));
	else
		user_forget(m, r, d, user);
}

static bool users_add_rows(
	json_t *rows, const struct config_domain *d, struct config_errors *errors)
{
	struct userfile file;
	int error = userfile_load(d->users_path, &file, errors);

	if (error < 0) {
		if (error != -EINVAL)
			config_error_add(errors, d->users_path, 0, "%s", strerror(-error));
		return false;
	}
	for (size_t i = 0; i < file.count; i++) {
		const struct userfile_entry *e = &file.entries[i];

		if (strcmp(e->realm, d->realm) == 0)
			json_array_append_new(rows,
				json_pack("{s:s, s:s, s:s, s:s}", "user", e->name, "domain",
					d->name, "algorithm", digest_algorithm_name(e->algorithm),
					"groups", e->groups));
	}
	userfile_free(&file);
	return true;
}

void command_user_list(struct master *m, struct request *r, json_t *arguments)
{
	static struct config_errors errors;
	const char *domain = json_string_value(json_object_get(arguments, "domain"));
	json_t *rows = json_array();
	bool found = false, good = true;

	errors = (struct config_errors){.count = 0};
	for (size_t i = 0; i < m->config->domain_count; i++) {
		const struct config_domain *d = &m->config->domains[i];

		if (d->gone || (domain && strcasecmp(domain, d->name) != 0))
			continue;
		found = true;
		good = users_add_rows(rows, d, &errors) && good;
	}
	if (found && good) {
		answer_rows(r, rows);
		return;
	}
	json_decref(rows);
	if (!good)
		answer_errors(r, "the users files cannot be read", &errors);
	else
		answer_refused(r, "no such domain is configured");
}
