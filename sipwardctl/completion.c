/* completion.c - see completion.h. Commands and their arguments come from the table; what stands in
 * an argument's place is asked of the gateway that runs, or is a file.
 *
 * Call-IDs are strangers' words, in which "`" may stand (RFC 3261 section 25.1), and so may be a
 * file's name. The script hands none of them to the shell as code: compgen -W expands its argument,
 * which is therefore the name of a variable, and what a line could not have as it stands is not
 * offered.
 */
#include "completion.h"

#include "ipc/command_table.h"

#include <stdio.h>
#include <string.h>

/* What the script has beside the table. Words are taken from the line, for bash breaks them at
 * "@" and ":" as well; what is before the last of those is not to be typed again. */
static const char completion_values[] =
	"_sipwardctl_plain() { grep -x '[[:alnum:]._:@%+/=,-]*' | sort -u; }\n"
	"_sipwardctl_column() {\n"
	"\tsipwardctl \"${gateway[@]}\" --json $1 2>/dev/null |\n"
	"\t\tsed -n 's/^ *\"'\"$2\"'\": \"\\([^\"\\\\]*\\)\",\\{0,1\\}$/\\1/p' |\n"
	"\t\t_sipwardctl_plain\n"
	"}\n"
	"_sipwardctl_users() {\n"
	"\tsipwardctl \"${gateway[@]}\" --json user list 2>/dev/null | sed -n '\n"
	"\t\t/^ *\"user\": /{s/^[^:]*: \"\\(.*\\)\",*$/\\1/; h}\n"
	"\t\t/^ *\"domain\": /{s/^[^:]*: \"\\(.*\\)\",*$/\\1/; H; x; s/\\n/@/; p}' |\n"
	"\t\t_sipwardctl_plain\n"
	"}\n"
	"_sipwardctl_values() {\n"
	"\tcase $1 in\n"
	"\tTRUNK) _sipwardctl_column 'trunks list' trunk ;;\n"
	"\tID | CALL-ID) _sipwardctl_column calls call-id ;;\n"
	"\tAOR) _sipwardctl_column registrations aor ;;\n"
	"\tUSER | NAME@DOMAIN) _sipwardctl_users ;;\n"
	"\tDOMAIN) _sipwardctl_column domains domain ;;\n"
	"\tZONE) sipwardctl \"${gateway[@]}\" metrics 2>/dev/null |\n"
	"\t\tsed -n 's/.*[{,]zone=\"\\([^\"]*\\)\".*/\\1/p' | _sipwardctl_plain ;;\n"
	"\tSOURCE) _sipwardctl_column 'bans list' source ;;\n"
	"\tFINGERPRINT) _sipwardctl_column 'quarantine list' fingerprint ;;\n"
	"\tLEVEL) printf '%s\\n' error warn info debug ;;\n"
	"\tTRANSPORT) printf '%s\\n' udp tcp tls ws wss ;;\n"
	"\tALL) echo ALL ;;\n"
	"\tFILE | SOCKET) compgen -f -- \"$cur\" ;;\n"
	"\tesac\n"
	"}\n";

static const char completion_walk[] =
	"\tread -ra line <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
	"\t[[ ${COMP_LINE:0:COMP_POINT} != *' ' ]] || line+=('')\n"
	"\tlast=$((${#line[@]} - 1)) cur=${line[${#line[@]} - 1]}\n"
	"\tfor ((i = 1; i < last; i++)); do\n"
	"\t\tvalue=\n"
	"\t\tcase ${line[i]} in\n"
	"\t\t-s | --socket) value=SOCKET gateway=(-s \"${line[i + 1]}\") ;;\n"
	"\t\t-f | --file) value=FILE ;;\n"
	"\t\t--realm) value=REALM ;;\n";

static const char completion_end[] =
	"\t[ -z \"$value\" ] || words+=\" $(_sipwardctl_values \"$value\")\"\n"
	"\tcase $value in FILE | SOCKET) compopt -o filenames 2>/dev/null ;; esac\n"
	"\tmapfile -t COMPREPLY < <(compgen -W '$words' -- \"$cur\")\n"
	"\tCOMPREPLY=(\"${COMPREPLY[@]#\"${cur%\"${cur##*[@:]}\"}\"}\")\n"
	"}\n"
	"complete -F _sipwardctl sipwardctl\n";

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

/* Whether a row before this one has a flag of that name. */
static bool command_has_flag_before(int row, const char *name)
{
	for (int i = 0; i < row; i++) {
		const char *spec = command_rows[i].arguments;
		struct command_argument a;

		while (command_argument_next(&spec, &a))
			if (a.flag && strcmp(a.name, name) == 0)
				return true;
	}
	return false;
}

/* Which flags have a value, and of which kind. */
static void completion_print_flag_values(void)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *spec = command_rows[i].arguments;
		struct command_argument a;

		while (command_argument_next(&spec, &a))
			if (a.flag && a.value[0] && !command_has_flag_before(i, a.name))
				printf("\t\t--%s) value=%s ;;\n", a.name, a.value);
	}
}

/* Takes words into the command's name, and counts those behind it. */
static void completion_print_names(void)
{
	printf("\t\t-*) continue ;;\n\t\tesac\n"
	       "\t\tif [ -n \"$value\" ]; then i=$((i + 1)); continue; fi\n"
	       "\t\tcase \"${name:+$name }${line[i]}\" in\n\t\t");
	for (int i = 0; i < COMMAND_COUNT; i++)
		printf("\"%s\" | ", command_rows[i].name);
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (command_is_first_of_its_word(i))
			printf("%.*s%s", (int)strcspn(command_rows[i].name, " "),
				command_rows[i].name, i + 1 < COMMAND_COUNT ? " | " : "");
	printf(") name=\"${name:+$name }${line[i]}\" n=0 ;;\n"
	       "\t\t*) n=$((n + 1)) ;;\n\t\tesac\n\tdone\n"
	       "\t[ \"$i\" -gt \"$last\" ] || value=\n");
}

/* The second words of two-word commands, behind their first. */
static void completion_print_seconds(void)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *name = command_rows[i].name;
		size_t first = strcspn(name, " ");
		bool any = false;

		if (!command_is_first_of_its_word(i))
			continue;
		for (int j = i; j < COMMAND_COUNT; j++) {
			const char *other = command_rows[j].name;

			if (strncmp(other, name, first) != 0 || other[first] != ' ')
				continue;
			if (!any)
				printf("\t\"%.*s 0\") words=\"", (int)first, name);
			printf("%s%s", any ? " " : "", other + first + 1);
			any = true;
		}
		if (any)
			printf("\" ;;\n");
	}
}

/* What stands in which place behind a command's name. */
static void completion_print_places(void)
{
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *spec = command_rows[i].arguments;
		struct command_argument a;
		int place = 0;

		while (command_argument_next(&spec, &a)) {
			if (a.flag)
				continue;
			printf("\t\"%s %d\") value=", command_rows[i].name, place++);
			for (const char *c = a.name; *c; c++)
				putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
			printf(" ;;\n");
		}
	}
}

static void completion_print_flags(const char *options)
{
	printf("\t[[ $cur != -* ]] || words=\"%s\"\n", options);
	printf("\tcase \"${cur:0:1}$name\" in\n");
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *spec = command_rows[i].arguments;
		struct command_argument a;
		bool any = false;

		while (command_argument_next(&spec, &a)) {
			if (!a.flag)
				continue;
			if (!any)
				printf("\t\"-%s\") words=\"", command_rows[i].name);
			printf("--%s ", a.name);
			any = true;
		}
		if (any)
			printf("--json\" ;;\n");
	}
	printf("\tesac\n");
}

void completion_print(const char *options)
{
	printf("%s_sipwardctl() {\n"
	       "\tlocal line last cur i n=0 name='' value='' words='' gateway=()\n%s",
		completion_values, completion_walk);
	completion_print_flag_values();
	completion_print_names();
	printf("\tif [ -z \"$value\" ]; then\n\tcase \"$name $n\" in\n\t' 0') words=\"");
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (command_is_first_of_its_word(i))
			printf("%.*s ", (int)strcspn(command_rows[i].name, " "),
				command_rows[i].name);
	printf("completion\" ;;\n");
	completion_print_seconds();
	printf("\tesac\n\tcase \"$name $n\" in\n");
	completion_print_places();
	printf("\tesac\n\tfi\n");
	completion_print_flags(options);
	printf("\t[[ $cur != -* ]] || value=\n%s", completion_end);
}
