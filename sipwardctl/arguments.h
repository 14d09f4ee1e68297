/* arguments.h - which command the words of the command line name, and its arguments by name. */
#ifndef SIPWARD_CTL_ARGUMENTS_H
#define SIPWARD_CTL_ARGUMENTS_H

#include <jansson.h>
#include <stdbool.h>

/* The command that the first one or two words name; *used is how many. -1: none. */
int arguments_command(char **words, int count, int *used);

/* The command among all words of the command line, whose options may be wrong yet: options (short
 * and long names, as getopt's) that have a value are known by takes_value. -1: none. */
int arguments_command_among(int argc, char **argv, bool (*takes_value)(const char *option));

/* Takes the flags of a command, "--user USER" or "--user=USER", and their values out of argv, and
 * puts them into named. Returns the new argc; -1: one lacks its value, or has one and must not,
 * which error (256 bytes) says. */
int arguments_take_flags(int row, int argc, char **argv, json_t *named, char *error);

/* Puts the words into named as the table names them. False: there are too few or too many. */
bool arguments_name(int row, char **words, int count, json_t *named);

#endif
