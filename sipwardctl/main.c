/* main.c - sipwardctl, the operator's end of the control socket.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the master cannot be reached. Tables for
 * people, --json for programs. With -f FILE the user commands work on a users file without a
 * master.
 */
#include "ipc/command_table.h"
#include "password.h"
#include "print.h"
#include "ha1.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_DEFAULT "/run/sipward/control.sock"
/* The master answers within 2 s, or says that it could not. */
#define ANSWER_TIMEOUT_S 15
/* A hundred processes have to be started for it. */
#define VERIFY_TIMEOUT_S 300
#define ANSWER_MAX (64u << 20)
#define HELP_COLUMN 34
#define ALGORITHMS_DEFAULT (DIGEST_SHA256 | DIGEST_MD5)

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };

struct options {
	const char *socket, *file, *realm;
	bool json, password_stdin;
};

static int print_usage(FILE *to)
{
	fprintf(to, "usage: sipwardctl [-s SOCKET] [--json] COMMAND [ARGUMENT ...]\n"
		    "       sipwardctl -f USERSFILE [--realm REALM] user add|remove|list "
		    "[NAME@DOMAIN]\n\n");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		int n = fprintf(to, "  %s %s", command_rows[i].name, command_rows[i].arguments);

		fprintf(to, "%*s%s\n", n < HELP_COLUMN ? HELP_COLUMN - n : 1, "",
			command_rows[i].help);
	}
	fprintf(to, "  %-*sa completion script for bash\n\n", HELP_COLUMN - 2, "completion");
	fprintf(to,
		"  -s SOCKET         the master's control socket (%s)\n"
		"  -f USERSFILE      work on a users file; no master is needed\n"
		"  --realm REALM     its realm (the domain)\n"
		"  --password-stdin  read the password from standard input\n"
		"  --json            print the answer as JSON\n"
		"  -V, -h            version, help\n"
		"exit codes: 0 done, 1 refused, 2 usage, 3 the master cannot be reached\n",
		SOCKET_DEFAULT);
	return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

static int print_completion(void)
{
	printf("_sipwardctl() {\n\tlocal words=\"--json -s -f");
	for (int i = 0; i < COMMAND_COUNT; i++)
		printf(" %.*s", (int)strcspn(command_rows[i].name, " "), command_rows[i].name);
	printf("\"\n\tcase \"${COMP_WORDS[COMP_CWORD-1]}\" in\n");
	/* Second words of two-word commands. */
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *name = command_rows[i].name;
		size_t first = strcspn(name, " ");
		bool seen = !name[first];

		for (int j = 0; j < i && !seen; j++)
			seen = strncmp(command_rows[j].name, name, first + 1) == 0;
		if (seen)
			continue;
		printf("\t%.*s) words=\"", (int)first, name);
		for (int j = i; j < COMMAND_COUNT; j++)
			if (strncmp(command_rows[j].name, name, first + 1) == 0)
				printf("%s%s", j == i ? "" : " ", command_rows[j].name + first + 1);
		printf("\" ;;\n");
	}
	printf("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- "
	       "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -F _sipwardctl sipwardctl\n");
	return EXIT_DONE;
}

/* ---- the socket ---- */

static int control_reach(const char *path, int timeout_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = timeout_s};

	if (str_copy(str_of(path), address.sun_path, sizeof(address.sun_path)) < 0)
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* One request (stolen), one answer. NULL after having said why. */
static json_t *control_exchange(const struct options *o, json_t *request)
{
	char *line = json_dumps(request, JSON_COMPACT), *answer = NULL;
	size_t have = 0, buffer = 0;
	const char *command = json_string_value(json_object_get(request, "command"));
	bool verify = command && strcmp(command, command_rows[COMMAND_sandbox_verify].name) == 0;
	int fd = control_reach(o->socket, verify ? VERIFY_TIMEOUT_S : ANSWER_TIMEOUT_S),
	    error = fd < 0 ? fd : 0;
	json_t *parsed = NULL;

	json_decref(request);
	if (!line)
		error = -EINVAL;
	for (size_t at = 0, n = line ? strlen(line) : 0; error == 0 && at <= n;) {
		ssize_t sent = at < n ? send(fd, line + at, n - at, MSG_NOSIGNAL)
		                      : send(fd, "\n", 1, MSG_NOSIGNAL);

		/* One that refuses us has said so before it hung up. */
		if (sent < 0 && errno == EPIPE)
			break;
		if (sent < 0)
			error = -errno;
		else
			at += (size_t)sent;
	}
	while (error == 0 && !(have && answer[have - 1] == '\n')) {
		if (have == buffer) {
			char *more = buffer < ANSWER_MAX
			                     ? realloc(answer, buffer ? buffer * 2 : 65536)
			                     : NULL;

			if (!more) {
				error = -ENOMEM;
				break;
			}
			answer = more;
			buffer = buffer ? buffer * 2 : 65536;
		}
		ssize_t n = recv(fd, answer + have, buffer - have, 0);
		if (n < 0)
			error = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (n == 0)
			error = have ? -EBADMSG : -ECONNRESET;
		else
			have += (size_t)n;
	}
	if (error == 0) {
		parsed = json_loadb(answer, have, 0, NULL);
		if (!json_is_object(parsed)) {
			json_decref(parsed);
			parsed = NULL;
			error = -EBADMSG;
		}
	}
	if (error < 0)
		fprintf(stderr, "sipwardctl: %s: %s%s\n", o->socket, strerror(-error),
			error == -ENOENT || error == -ECONNREFUSED
				? " (is sipward running? -s names its socket)"
				: "");
	if (line)
		explicit_bzero(line, strlen(line));
	free(line);
	free(answer);
	if (fd >= 0)
		close(fd);
	return parsed;
}

static int print_answer(const struct options *o, json_t *answer)
{
	if (!answer)
		return EXIT_UNREACHABLE;
	int code = json_is_true(json_object_get(answer, "ok")) ? EXIT_DONE : EXIT_REFUSED;
	if (o->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ctl_print(answer, stdout);
	}
	json_decref(answer);
	return code;
}

/* ---- users ---- */

/* The realm and algorithms of a domain, from the master. 0 or an exit code. */
static int user_ask_domain(
	const struct options *o, const char *domain, char realm[REALM_MAX + 1], uint8_t *algorithms)
{
	json_t *answer = control_exchange(o, json_pack("{s:s}", "command", "domains")), *row, *item;
	size_t i, j;
	int code = EXIT_REFUSED;

	if (!answer)
		return EXIT_UNREACHABLE;
	if (!json_is_true(json_object_get(answer, "ok")))
		return print_answer(o, answer);
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
		fprintf(stderr, "sipwardctl: no domain \"%s\" is configured\n", domain);
	return code;
}

static int user_make_entries(const struct options *o, const char *user, const char *realm,
	uint8_t algorithms, struct userfile_entry entry[2])
{
	char password[PASSWORD_MAX];

	if (!userfile_name_valid(str_of(user)) || !userfile_realm_valid(str_of(realm))) {
		fprintf(stderr, "sipwardctl: this cannot be a user's name or a realm\n");
		return -EINVAL;
	}
	int n = ctl_password(o->password_stdin, password);
	if (n == 0) {
		n = ha1_entries(algorithms, str_of(user), str_of(realm), str_of(password), entry);
		if (n < 0)
			fprintf(stderr, "sipwardctl: the digest cannot be computed: %s\n",
				strerror(-n));
	}
	explicit_bzero(password, sizeof(password));
	return n;
}

/* Only the HA1s leave this process. */
static int user_add(const struct options *o, const char *address)
{
	char user[USER_NAME_MAX + 1], realm[REALM_MAX + 1];
	const char *at = strrchr(address, '@');
	uint8_t algorithms = 0;
	struct userfile_entry entry[2];

	if (!at ||
		str_copy((struct str){address, (size_t)(at - address)}, user, sizeof(user)) < 0) {
		fprintf(stderr, "sipwardctl: expected NAME@DOMAIN\n");
		return EXIT_USAGE;
	}
	int code = user_ask_domain(o, at + 1, realm, &algorithms);
	if (code != EXIT_DONE)
		return code;
	int n = user_make_entries(o, user, realm, algorithms, entry);
	if (n < 0)
		return EXIT_REFUSED;
	json_t *rows = json_array();
	for (int i = 0; i < n; i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s}", "algorithm",
				digest_algorithm_name(entry[i].algorithm), "ha1", entry[i].ha1));
	explicit_bzero(entry, sizeof(entry));
	return print_answer(
		o, control_exchange(o, json_pack("{s:s, s:{s:s, s:o}}", "command", "user add",
					       "arguments", "name@domain", address, "ha1", rows)));
}

static int file_report_failure(const struct options *o, int error)
{
	fprintf(stderr, "sipwardctl: %s: %s\n", o->file,
		error == -ENOENT ? "no such user or file" : strerror(-error));
	return EXIT_REFUSED;
}

static int file_list(const struct options *o)
{
	static struct config_errors errors;
	struct userfile file;
	json_t *rows = json_array();
	int error = userfile_load(o->file, &file, &errors);

	config_errors_print(&errors, stderr);
	if (error < 0) {
		json_decref(rows);
		return error == -EINVAL ? EXIT_REFUSED : file_report_failure(o, error);
	}
	for (size_t i = 0; i < file.count; i++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:s}", "user", file.entries[i].name, "realm",
				      file.entries[i].realm, "algorithm",
				      digest_algorithm_name(file.entries[i].algorithm)));
	userfile_free(&file);
	return print_answer(o, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

/* The user commands on a file, for a gateway that does not run yet. */
static int file_command(const struct options *o, enum command command, const char *address)
{
	char user[USER_NAME_MAX + 1];
	const char *at = address ? strrchr(address, '@') : NULL, *realm = o->realm ? o->realm
	                                                                  : at     ? at + 1
	                                                                           : NULL;
	struct userfile_entry entry[2];
	size_t changed = 0;

	if (command == COMMAND_user_list)
		return file_list(o);
	if (command != COMMAND_user_add && command != COMMAND_user_remove) {
		fprintf(stderr, "sipwardctl: -f is for user add, user remove and user list\n");
		return EXIT_USAGE;
	}
	if (!realm || str_copy((struct str){address, at ? (size_t)(at - address) : strlen(address)},
			      user, sizeof(user)) < 0) {
		fprintf(stderr, "sipwardctl: expected NAME@DOMAIN, or NAME and --realm REALM\n");
		return EXIT_USAGE;
	}
	if (command == COMMAND_user_remove) {
		int error = userfile_remove(o->file, user, realm, &changed);

		return error < 0
		               ? file_report_failure(o, error)
		               : print_answer(o, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object",
							 "user", user, "result", "removed"));
	}
	int n = user_make_entries(o, user, realm, ALGORITHMS_DEFAULT, entry);
	if (n < 0)
		return EXIT_REFUSED;
	int error = userfile_put(o->file, entry, (size_t)n, &changed);
	explicit_bzero(entry, sizeof(entry));
	return error < 0
	               ? file_report_failure(o, error)
	               : print_answer(o, json_pack("{s:b, s:{s:s, s:s}}", "ok", 1, "object", "user",
						 user, "result", changed ? "changed" : "added"));
}

/* ---- the command line ---- */

/* The command that the first one or two words name; *used is how many. -1: none. */
static int command_of_arguments(char **words, int count, int *used)
{
	for (int n = count < 2 ? count : 2; n > 0; n--) {
		char name[64];

		snprintf(name, sizeof(name), "%s%s%s", words[0], n == 2 ? " " : "",
			n == 2 ? words[1] : "");
		int row = command_find(name);
		if (row >= 0) {
			*used = n;
			return row;
		}
	}
	return -1;
}

/* Names the positional arguments as the table does. NULL: too few or too many. */
static json_t *command_name_arguments(const char *spec, char **words, int count)
{
	json_t *named = json_object();

	while (*spec) {
		size_t n = strcspn(spec, " ");
		bool optional = *spec == '[';
		char key[64];
		size_t length = optional ? n - 2 : n;

		if (count) {
			snprintf(key, sizeof(key), "%.*s", (int)length, spec + optional);
			for (char *c = key; *c; c++)
				*c = (char)tolower((unsigned char)*c);
			json_object_set_new(named, key, json_string(words[0]));
			words++;
			count--;
		} else if (!optional) {
			json_decref(named);
			return NULL;
		}
		spec += n;
		spec += strspn(spec, " ");
	}
	if (count) {
		json_decref(named);
		return NULL;
	}
	return named;
}

static int command_unknown(const char *word)
{
	const char *names[COMMAND_COUNT];

	for (int i = 0; i < COMMAND_COUNT; i++)
		names[i] = command_rows[i].name;
	const char *near = config_nearest(word, names, COMMAND_COUNT);
	fprintf(stderr, "sipwardctl: unknown command \"%s\"%s%s%s; -h lists them\n", word,
		near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"json", no_argument, NULL, 'j'},
		{"password-stdin", no_argument, NULL, 'p'},
		{"realm", required_argument, NULL, 'r'},
		{"socket", required_argument, NULL, 's'},
		{"file", required_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	struct options o = {.socket = SOCKET_DEFAULT};
	int option, used = 0;

	while ((option = getopt_long(argc, argv, "s:f:jhV", long_options, NULL)) != -1)
		switch (option) {
		case 's': o.socket = optarg; break;
		case 'f': o.file = optarg; break;
		case 'r': o.realm = optarg; break;
		case 'j': o.json = true; break;
		case 'p': o.password_stdin = true; break;
		case 'h': return print_usage(stdout);
		case 'V': puts("sipwardctl " SIPWARD_VERSION); return EXIT_DONE;
		default: return print_usage(stderr);
		}
	char **words = argv + optind;
	int count = argc - optind;
	if (!count)
		return print_usage(stderr);
	if (count == 1 && strcmp(words[0], "completion") == 0)
		return print_completion();
	int row = command_of_arguments(words, count, &used);
	if (row < 0)
		return command_unknown(words[0]);
	words += used;
	count -= used;
	json_t *arguments = command_name_arguments(command_rows[row].arguments, words, count);
	if (!arguments) {
		fprintf(stderr, "usage: sipwardctl %s %s\n", command_rows[row].name,
			command_rows[row].arguments);
		return EXIT_USAGE;
	}
	if (o.file || row == COMMAND_user_add) {
		json_decref(arguments);
		return o.file ? file_command(&o, (enum command)row, count ? words[0] : NULL)
		              : user_add(&o, words[0]);
	}
	return print_answer(
		&o, control_exchange(&o, json_pack("{s:s, s:o}", "command", command_rows[row].name,
						 "arguments", arguments)));
}
