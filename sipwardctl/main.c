/* main.c - sipwardctl, the operator's end of the control socket.
 *
 * Exit codes: 0 done, 1 refused or failed, 2 usage, 3 the master cannot be reached. Tables for
 * people, --json for programs. With -f FILE the user commands work on a users file without a
 * master.
 */
#include "arguments.h"
#include "client.h"
#include "common/config_errors.h"
#include "common/str.h"
#include "explain.h"
#include "completion.h"
#include "ipc/command_table.h"
#include "trace.h"
#include "users.h"

#include <getopt.h>
#include <stdlib.h>

#define SOCKET_DEFAULT "/run/sipward/control.sock"
#define HELP_COLUMN 34
#define HELP_WIDTH 80
/* Further lines of a command's arguments. */
#define HELP_ARGUMENTS 8
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

/* Prints text from column at on, and goes on in the next line at indent where a word does not fit;
 * what stands in brackets is one word. Returns the column behind it. */
static size_t print_wrapped(FILE *to, const char *text, size_t indent, size_t at)
{
	bool first = true;

	while (*text) {
		size_t n = *text == '[' ? strcspn(text, "]") + 1 : strcspn(text, " ");

		if (!first && at + 1 + n > HELP_WIDTH) {
			fprintf(to, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", (int)n, text);
		at += n;
		text += n;
		text += strspn(text, " ");
		first = false;
	}
	return at;
}

static int print_usage(FILE *to)
{
	fprintf(to, "usage: sipwardctl [-s SOCKET] [--json] COMMAND [ARGUMENT ...]\n"
		    "       sipwardctl -f USERSFILE [--realm REALM] user add|remove|list\n"
		    "                  [NAME@DOMAIN]\n\n");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		size_t n = (size_t)fprintf(to, "  %s ", command_rows[i].name);

		n = print_wrapped(to, command_rows[i].arguments, HELP_ARGUMENTS, n);
		if (n >= HELP_COLUMN)
			n = (size_t)fprintf(to, "\n") - 1;
		fprintf(to, "%*s", (int)(HELP_COLUMN - n), "");
		print_wrapped(to, command_rows[i].help, HELP_COLUMN, HELP_COLUMN);
		fputc('\n', to);
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

/* The commands, as people or programs read them: the answer of the command help, for which no
 * gateway is needed. */
static int print_help(const struct options *o)
{
	json_t *rows;

	if (!o->json)
		return print_usage(stdout);
	rows = json_array();
	for (int i = 0; i < COMMAND_COUNT; i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s}", "command", command_rows[i].name, "arguments",
				command_rows[i].arguments, "help", command_rows[i].help));
	return client_print(o, json_pack("{s:b, s:o}", "ok", 1, "rows", rows));
}

static int print_completion(const struct options *o)
{
	char options[256] = "";
	size_t n = 0;

	if (o->json)
		return client_fail(o, EXIT_USAGE, "completion is a script for bash, and not JSON");

	for (const struct option *l = long_options; l->name && n < sizeof(options); l++)
		n += (size_t)snprintf(options + n, sizeof(options) - n, "--%s ", l->name);
	completion_print(options);
	return EXIT_DONE;
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

/* Whether a word is an option of sipwardctl itself whose value is the next word. */
static bool main_takes_value(const char *word)
{
	if (word[1] != '-')
		return strcmp(word, "-s") == 0 || strcmp(word, "-f") == 0;
	for (const struct option *o = long_options; o->name; o++)
		if (o->has_arg == required_argument && strcmp(word + 2, o->name) == 0)
			return true;
	return false;
}

/* Carries out a command with its arguments. */
static int main_run(const struct options *o, int row, const char *first, json_t *arguments)
{
	if (o->file)
		return users_file(o, (enum command)row, first);
	if (row == COMMAND_help)
		return print_help(o);
	if (row == COMMAND_user_add)
		return users_add(o, first);
	if (row == COMMAND_explain)
		return explain_run(o, arguments);
	if (row == COMMAND_trace)
		return trace_run(o, arguments);
	return client_print(
		o, client_exchange(o, json_pack("{s:s, s:O}", "command", command_rows[row].name,
					      "arguments", arguments)));
}

/* The whole of main, but for the end of arguments: an empty object, for those of the command. */
static int main_serve(int argc, char **argv, json_t *arguments)
{
	struct options o = {.socket = SOCKET_DEFAULT};
	int option, used = 0;
	char error[256];

	o.json = main_wants_json(argc, argv);
	opterr = !o.json;
	int row = arguments_command_among(argc, argv, main_takes_value);
	if (row >= 0)
		argc = arguments_take_flags(row, argc, argv, arguments, error);
	if (argc < 0)
		return client_fail(&o, EXIT_USAGE, "%s", error);
	while ((option = getopt_long(argc, argv, "s:f:jhV", long_options, NULL)) != -1)
		switch (option) {
		case 's': o.socket = optarg; break;
		case 'f': o.file = optarg; break;
		case 'r': o.realm = optarg; break;
		case 'j': o.json = true; break;
		case 'p': o.password_stdin = true; break;
		case 'h': return print_help(&o);
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
		return print_completion(&o);
	row = arguments_command(words, count, &used);
	if (row < 0)
		return command_unknown(&o, words, count);
	words += used;
	count -= used;
	if (!arguments_name(row, words, count, arguments))
		return client_fail(&o, EXIT_USAGE, "usage: sipwardctl %s%s%s",
			command_rows[row].name, command_rows[row].arguments[0] ? " " : "",
			command_rows[row].arguments);
	return main_run(&o, row, count ? words[0] : NULL, arguments);
}

int main(int argc, char **argv)
{
	json_t *arguments = json_object();
	int code = main_serve(argc, argv, arguments);

	json_decref(arguments);
	return code;
}
