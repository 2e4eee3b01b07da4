/* gateway: the process that carries exchanges between clients and providers. One event loop per processor; reads
 * generations and the board, writes journal records; knows no database. Started by the supervisor as a role. */
#pragma once

#include "base/base.h"

/* Arguments: --data DIR --board FDS --slot N [--log text|json] {--listen FD[,FD…] [--tls-cert FILE --tls-key FILE]}…
 * One descriptor per loop in each list. Returns the exit status after a drain. */
int gateway_main(int argc, char **argv);
