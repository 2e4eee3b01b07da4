/* serve: the supervisor. `aquifer serve` opens the listening sockets, makes the board, starts the children by executing
 * itself with a role (control is a program of its own, the only one with the database) and restarts what dies. It reads no
 * request and knows no secret. */
#pragma once

#include "base/base.h"

/* Until SIGTERM. SIGHUP: read the configuration again. SIGUSR2: execute the binary on disk anew, keep the sockets, let the
 * old gateway drain. Returns the exit status. */
int serve_main(const char *config_file);

/* A binary that shall take over, tried by the one that serves: --config FILE --board FDS. Ends as aquifer-control's
 * "goes-with", which says ADMIN_GOES; else it says what is wrong, and the status is not 0. */
int serve_trial_main(int argc, char **argv);

/* The role that keeps local models running; started by the supervisor: --config FILE --board FDS. */
int engine_role_main(int argc, char **argv);
