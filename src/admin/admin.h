/* admin: the control process: the only user of the database, keeper of keys, publisher of generations, ingester of the
 * journal, and the API that the commands, the console and third parties share (docs/openapi.yaml). Runs as a program of its
 * own, aquifer-control, started and restarted by the supervisor; while it is away traffic goes on. */
#pragma once

#include "base/base.h"

/* --config FILE --board "m,b0,b1,b2" [--admin-fds "5,6"] [--metrics-fds "7"]: the descriptors are inherited, the listening
 * ones stand in the order of admin.listen and metrics.listen. Returns the exit status. */
int admin_main(int argc, char **argv);

/* What `aquifer-control goes-with VERSION` prints, and nothing else, when it is of that very version. */
#define ADMIN_GOES "takes over"
