/* main.c - sipwardctl, the operator's end of the control socket.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the master cannot be reached. Tables for
 * people, --json for programs. With -f FILE the user commands work on a users file without a
 * master.
 */
#include "client.h"
#include "common/config_errors.h"
#include "common/str.h"
#include "ipc/command_table.h"
#include "users.h"

#include <ctype.h>
#include <getopt.h>
#include <stdlib.h>

#define SOCKET_DEFAULT "/run/sipward/control.sock"
#define HELP_COLUMN 34
/* The one command that is not the master's, and so not in the table. */
#define COMPLETION "completion"

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
	fprintf(to, "  %-*sa completion script for bash\n\n", HELP_COLUMN - 2, COMPLETION);
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

/* Whether no row before this one begins with the same word. */
static bool command_is_first_of_its_word(int row)
{
	const char *name = command_rows[row].name;
	size_t first = strcspn(name, " ");

	for (int i = 0; i < row; i++)
		if (strcspn(command_rows[i].name, " ") == first &&
			strncmp(command_rows[i].name, name, first) == 0)
			return false;
	return true;
}

static int print_completion(void)
{
	printf("_sipwardctl() {\n\tlocal words=\"");
	for (const struct option *o = long_options; o->name; o++)
		printf("--%s ", o->name);
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (command_is_first_of_its_word(i))
			printf("%.*s ", (int)strcspn(command_rows[i].name, " "),
				command_rows[i].name);
	printf("%s\"\n\tcase \"${COMP_WORDS[COMP_CWORD-1]}\" in\n", COMPLETION);
	/* Second words of two-word commands. */
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *name = command_rows[i].name;
		size_t first = strcspn(name, " ");

		if (!name[first] || !command_is_first_of_its_word(i))
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

/* The second words of the commands that begin with first, as "list, stage, commit". 0: there are
 * none. */
static size_t command_seconds(const char *first, char *buffer, size_t size)
{
	size_t length = strlen(first), n = 0;

	for (int i = 0; i < COMMAND_COUNT && n < size; i++)
		if (strncmp(command_rows[i].name, first, length) == 0 &&
			command_rows[i].name[length] == ' ')
			n += (size_t)snprintf(buffer + n, size - n, "%s%s", n ? ", " : "",
				command_rows[i].name + length + 1);
	return n;
}

static int command_unknown(const struct options *o, char **words, int count)
{
	const char *names[COMMAND_COUNT], *firsts[COMMAND_COUNT], *near;
	char first[COMMAND_COUNT][32], whole[128], seconds[256];

	for (int i = 0; i < COMMAND_COUNT; i++) {
		names[i] = command_rows[i].name;
		snprintf(first[i], sizeof(first[i]), "%.*s", (int)strcspn(names[i], " "), names[i]);
		firsts[i] = first[i];
	}
	if (!command_seconds(words[0], seconds, sizeof(seconds))) {
		near = config_nearest(words[0], firsts, COMMAND_COUNT);
		return client_fail(o, EXIT_USAGE, "unknown command \"%s\"%s%s%s; -h lists them",
			words[0], near ? ": did you mean \"" : "", near ? near : "",
			near ? "\"?" : "");
	}
	if (count == 1)
		return client_fail(o, EXIT_USAGE, "%s is followed by one of %s", words[0], seconds);
	snprintf(whole, sizeof(whole), "%s %s", words[0], words[1]);
	near = config_nearest(whole, names, COMMAND_COUNT);
	return client_fail(o, EXIT_USAGE,
		"unknown command \"%s\"%s%s%s; %s is followed by one of %s", whole,
		near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "", words[0],
		seconds);
}

/* Whether --json stands among the words, of which others may be wrong. */
static bool main_wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0)
			return true;
	return false;
}

static int print_version(const struct options *o)
{
	if (o->json)
		return client_print(o,
			json_pack("{s:b, s:{s:s}}", "ok", 1, "object", "version", SIPWARD_VERSION));
	puts("sipwardctl " SIPWARD_VERSION);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct options o = {.socket = SOCKET_DEFAULT};
	int option, used = 0;

	o.json = main_wants_json(argc, argv);
	opterr = !o.json;
	while ((option = getopt_long(argc, argv, "s:f:jhV", long_options, NULL)) != -1)
		switch (option) {
		case 's': o.socket = optarg; break;
		case 'f': o.file = optarg; break;
		case 'r': o.realm = optarg; break;
		case 'j': o.json = true; break;
		case 'p': o.password_stdin = true; break;
		case 'h': return print_usage(stdout);
		case 'V': return print_version(&o);
		default:
			return o.json ? client_fail(&o, EXIT_USAGE,
						"\"%s\" is no option, or lacks its value; -h lists "
						"them",
						argv[optind - 1])
			              : print_usage(stderr);
		}
	char **words = argv + optind;
	int count = argc - optind;
	if (!count)
		return o.json ? client_fail(&o, EXIT_USAGE, "no command is named; -h lists them")
		              : print_usage(stderr);
	if (count == 1 && strcmp(words[0], COMPLETION) == 0)
		return print_completion();
	int row = command_of_arguments(words, count, &used);
	if (row < 0)
		return command_unknown(&o, words, count);
	words += used;
	count -= used;
	json_t *arguments = command_name_arguments(command_rows[row].arguments, words, count);
	if (!arguments) {
		return client_fail(&o, EXIT_USAGE, "usage: sipwardctl %s %s",
			command_rows[row].name, command_rows[row].arguments);
	}
	if (o.file || row == COMMAND_user_add) {
		json_decref(arguments);
		return o.file ? users_file(&o, (enum command)row, count ? words[0] : NULL)
		              : users_add(&o, words[0]);
	}
	return client_print(
		&o, client_exchange(&o, json_pack("{s:s, s:o}", "command", command_rows[row].name,
						"arguments", arguments)));
}
