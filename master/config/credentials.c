/* credentials.c - see credentials.h. Relies on the form of users files (ipc/userfile.h), in which
 * no password stands, and in which each line is for one realm: nothing is proved to another one. */
#include "credentials.h"

#include "section.h"

#include <errno.h>
#include <sys/stat.h>

/* option: the one whose line is named. */
#define credentials_complain(r, t, option, format, ...)                                            \
	config_error_add((r)->errors, (r)->c->path, (t)->at.option, "trunk \"%s\": " format,       \
		(t)->name, __VA_ARGS__)

/* The lines of the trunk's user. */
static void credentials_check_lines(struct reader *r, const struct config_trunk *t)
{
	size_t lines = 0;

	for (size_t i = 0; i < t->credentials.count; i++) {
		const struct userfile_entry *e = &t->credentials.entries[i];

		if (strcmp(e->name, t->username) != 0)
			continue;
		lines++;
		if (strlen(e->realm) > TRUNK_REALM_MAX)
			config_error_add(r->errors, t->credentials_path, e->line,
				"trunk \"%s\": the realm of a trunk has at most %d bytes", t->name,
				TRUNK_REALM_MAX);
	}
	if (!lines)
		credentials_complain(r, t, credentials, "credentials: \"%s\" has no line of \"%s\"",
			t->credentials_path, t->username);
}

/* What stands in the URIs of a registration. */
static void credentials_check_registration(struct reader *r, const struct config_trunk *t)
{
	/* unreserved and user-unreserved (RFC 3261 section 25.1): nothing needs an escape */
	static const char permitted[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"
		"789-_.!~*'()&=+$,;?/";

	if (!*t->username)
		credentials_complain(
			r, t, registers, "register goes with %s, which is missing", "username");
	if (t->username[strspn(t->username, permitted)])
		credentials_complain(r, t, username,
			"username: \"%s\" cannot be the user part of a URI, which "
			"register needs",
			t->username);
	if (t->contact_user[strspn(t->contact_user, permitted)])
		credentials_complain(r, t, contact_user,
			"contact-user: \"%s\" cannot be the user part of a URI", t->contact_user);
	if (*t->from_domain && !host_name_valid(str_of(t->from_domain)))
		credentials_complain(
			r, t, from_domain, "from-domain: \"%s\" is no domain", t->from_domain);
}

void credentials_check(struct reader *r, struct config_trunk *t)
{
	struct stat st;
	int error;

	if (!t->name || !t->username || !t->contact_user || !t->from_domain)
		return; /* no memory */
	if (t->register_s)
		credentials_check_registration(r, t);
	bool registers = t->register_s || t->register_wrong;
	if (!registers && t->outbound)
		credentials_complain(r, t, outbound,
			"outbound goes with %s, which is missing or off", "register");
	if (!registers && t->match == TRUNK_MATCH_REGISTRATION)
		credentials_complain(r, t, match, "match = %s goes with %s, which is missing",
			"registration", "register");
	if (!t->credentials_path && !*t->username)
		return;
	if (!t->credentials_path)
		credentials_complain(
			r, t, username, "username goes with %s, which is missing", "credentials");
	else if (!*t->username && !t->register_s) /* which has been told of register */
		credentials_complain(r, t, credentials,
			"credentials goes with %s, which is missing", "username");
	if (!t->credentials_path || !*t->username)
		return;
	error = userfile_load(t->credentials_path, &t->credentials, r->errors);
	if (error == -ENOMEM)
		r->no_memory = true;
	else if (error && error != -EINVAL)
		credentials_complain(r, t, credentials, "credentials: \"%s\" cannot be read: %s",
			t->credentials_path, strerror(-error));
	if (error)
		return;
	if (stat(t->credentials_path, &st) == 0 && (st.st_mode & 0007))
		credentials_complain(r, t, credentials,
			"credentials: everyone on this machine can read or write \"%s\": its mode "
			"must be 0640 or less",
			t->credentials_path);
	credentials_check_lines(r, t);
}
