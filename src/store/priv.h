/* The inside of the store, for the files of this room only. */
#pragma once

#include <sqlite3.h>

#include "store/store.h"

enum { STORE_KEPT = 64, MIGRATION_STEPS = 32 };

struct migration {
    uint32_t number; /* 1, 2, 3 … without a gap */
    const char *name;
    const char *sql[MIGRATION_STEPS]; /* ends with NULL */
};
extern const struct migration migrations[];
extern const size_t n_migrations;

/* One prepared statement; found by its text. */
struct kept {
    const char *sql;
    sqlite3_stmt *statement;
    bool busy; /* rows are being read */
};

struct store {
    sqlite3 *db;
    char *path;
    uint32_t busy_ms;
    uint32_t n_kept;
    struct kept kept[STORE_KEPT];
    struct store_feed *feed; /* while a statement reads it */
};

int store_feed_offer(struct store *s); /* feed.c: once for each connection; SQLite's code */

/* The fault for what SQLite last said, with what the reader can do about it. `doing`: "cannot read the database". */
MUST_USE enum err store_fail(const struct store *s, int code, const char *doing, struct fault *why);
