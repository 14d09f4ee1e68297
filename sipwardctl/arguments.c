/* arguments.c - see arguments.h. All of it comes from the table of commands. */
#include "arguments.h"

#include "ipc/command_table.h"

#include <stdio.h>
#include <string.h>

#define ERROR_MAX 256

int arguments_command(char **words, int count, int *used)
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

int arguments_command_among(int argc, char **argv, bool (*takes_value)(const char *option))
{
	char *word[2];
	int count = 0, used;

	for (int i = 1; i < argc && count < 2 && strcmp(argv[i], "--") != 0; i++) {
		if (argv[i][0] != '-')
			word[count++] = argv[i];
		else if (takes_value(argv[i]))
			i++;
	}
	return count ? arguments_command(word, count, &used) : -1;
}

/* The flag of a command that word is, "--user" or "--user=..."; *value: what stands behind "=", or
 * NULL. */
static bool argument_of_word(int row, char *word, struct command_argument *out, char **value)
{
	const char *spec = command_rows[row].arguments;

	while (command_argument_next(&spec, out)) {
		size_t n = strlen(out->name);

		if (!out->flag || strncmp(word, "--", 2) != 0 ||
			strncmp(word + 2, out->name, n) != 0)
			continue;
		if (word[2 + n] != '\0' && word[2 + n] != '=')
			continue;
		*value = word[2 + n] ? word + 3 + n : NULL;
		return true;
	}
	return false;
}

/* Users are named with or without the scheme of their address of record. */
static char *argument_value(const struct command_argument *a, char *value)
{
	if (strcmp(a->value, "USER") != 0 && strcmp(a->value, "NAME@DOMAIN") != 0)
		return value;
	return value + (strncmp(value, "sip:", 4) == 0           ? 4
			       : strncmp(value, "sips:", 5) == 0 ? 5
								 : 0);
}

int arguments_take_flags(int row, int argc, char **argv, json_t *named, char *error)
{
	int kept = 1;
	bool words_only = false;

	for (int i = 1; i < argc; i++) {
		struct command_argument a;
		char *value;

		words_only = words_only || strcmp(argv[i], "--") == 0;
		if (words_only || !argument_of_word(row, argv[i], &a, &value)) {
			argv[kept++] = argv[i];
			continue;
		}
		if (a.value[0] && !value && i + 1 < argc)
			value = argv[++i];
		if (!a.value[0] == !value) {
			json_object_set_new(named, a.name,
				value ? json_string(argument_value(&a, value)) : json_true());
			continue;
		}
		snprintf(error, ERROR_MAX, "--%s %s%s", a.name,
			value ? "has no value" : "lacks its value: ", value ? "" : a.value);
		return -1;
	}
	argv[kept] = NULL;
	return kept;
}

bool arguments_name(int row, char **words, int count, json_t *named)
{
	const char *spec = command_rows[row].arguments;
	struct command_argument a;

	while (command_argument_next(&spec, &a)) {
		if (a.flag)
			continue;
		if (count) {
			words[0] = argument_value(&a, words[0]);
			json_object_set_new(named, a.name, json_string(words[0]));
			words++;
			count--;
		} else if (!a.optional) {
			return false;
		}
	}
	return count == 0;
}
