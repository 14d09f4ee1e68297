/* completion.h - the script for bash that completes commands and their arguments. */
#ifndef SIPWARD_CTL_COMPLETION_H
#define SIPWARD_CTL_COMPLETION_H

/* Prints it. options: those of sipwardctl itself, each with its "--" and a blank behind it. The
 * script asks the gateway whose socket the line names for trunks, calls, users and the like, and
 * offers none where it cannot be reached. */
void completion_print(const char *options);

#endif
