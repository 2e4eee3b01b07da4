/* For tests of this room and others: SQLite's view of the disk with one failure planted in it. Registered as the default, so the code under test
 * does not know. Every write, sync, truncate and delete counts as one step. */
#pragma once

#include <stdint.h>

void fault_vfs_install(void);
/* The step with this number (from 1) and all after it fail with `code` (SQLITE_FULL, SQLITE_IOERR_WRITE …); 0: none. */
void fault_vfs_plant(uint64_t step, int code);
uint64_t fault_vfs_steps(void); /* since the last plant */
