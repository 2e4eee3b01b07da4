/* cli: `aquifer …` for people and scripts. A client of the admin API and the data port like any other; tables for people,
 * --json for programs. Owns nothing beyond one command's run. */
#pragma once

#include "base/base.h"

/* Exit status: 0 done, 1 it failed (the text says why), 2 wrong use. */
int cli_main(int argc, char **argv);
int cli_help(int argc, char **argv); /* of the command that the words behind argv[0] name */
