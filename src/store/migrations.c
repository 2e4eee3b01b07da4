/* The tables of the database, as steps that only go forward. A released step is never edited: a change is a new step.
 * Called by store_migrate() in control and in offline commands. Owns nothing.
 * Conventions: times are Unix milliseconds, days are days since 1970-01-01 UTC, money is pico-dollars. */
#include "store/priv.h"

/* keys: one row per API key. `digest` is the secret's; `old_digest` works until `old_until_ms` after a rotation. NULL in
 * routes: all routes; NULL in a limit: none. `place` is its meter on the board and is never given to another key. */
static const char KEYS[] = "CREATE TABLE keys ("
                           " id TEXT PRIMARY KEY,"
                           " name TEXT NOT NULL,"
                           " digest BLOB NOT NULL,"
                           " old_digest BLOB,"
                           " old_until_ms INTEGER,"
                           " created_ms INTEGER NOT NULL,"
                           " expires_ms INTEGER,"
                           " revoked_ms INTEGER,"
                           " routes TEXT," /* JSON array of names */
                           " requests_per_minute INTEGER,"
                           " tokens_per_minute INTEGER,"
                           " concurrency INTEGER,"
                           " spend_day INTEGER,"   /* pico-dollars */
                           " spend_month INTEGER," /* pico-dollars */
                           " metadata TEXT,"       /* JSON object */
                           " place INTEGER NOT NULL UNIQUE"
                           ") WITHOUT ROWID";

/* attempts: one row per upstream call. Clustered by day and id (ids begin with their time), so that rows are appended and a
 * day is one range. Cost is cost_micro * 10^6 + cost_rest pico-dollars, NULL when unknown: sums of either column stay far
 * below 64 bits. usage: JSON object, cell name → [count, quality]. */
static const char ATTEMPTS[] = "CREATE TABLE attempts ("
                               " day INTEGER NOT NULL,"
                               " id TEXT NOT NULL,"
                               " request_id TEXT NOT NULL,"
                               " number INTEGER NOT NULL,"
                               " key_id TEXT NOT NULL,"
                               " route TEXT NOT NULL,"
                               " provider TEXT NOT NULL,"
                               " model TEXT NOT NULL,"
                               " format TEXT NOT NULL,"
                               " stream INTEGER NOT NULL,"
                               " started_ms INTEGER NOT NULL,"
                               " ended_ms INTEGER NOT NULL,"
                               " first_byte_us INTEGER NOT NULL,"
                               " duration_us INTEGER NOT NULL,"
                               " outcome INTEGER NOT NULL," /* enum attempt_end */
                               " status INTEGER NOT NULL,"  /* the provider's; 0 none */
                               " error INTEGER NOT NULL,"   /* enum err; 0 none */
                               " input_tokens INTEGER NOT NULL,"
                               " output_tokens INTEGER NOT NULL,"
                               " usage TEXT NOT NULL,"
                               " tier TEXT NOT NULL,"
                               " cost_micro INTEGER,"
                               " cost_rest INTEGER,"
                               " PRIMARY KEY (day, id)"
                               ") WITHOUT ROWID";

/* usage_days: the sums of `attempts`, changed only in the transactions that change it. */
static const char USAGE_DAYS[] = "CREATE TABLE usage_days ("
                                 " day INTEGER NOT NULL,"
                                 " key_id TEXT NOT NULL,"
                                 " route TEXT NOT NULL,"
                                 " requests INTEGER NOT NULL,"
                                 " input_tokens INTEGER NOT NULL,"
                                 " output_tokens INTEGER NOT NULL,"
                                 " cost_micro INTEGER NOT NULL,"
                                 " cost_rest INTEGER NOT NULL,"
                                 " unknown_cost INTEGER NOT NULL,"
                                 " PRIMARY KEY (day, key_id, route)"
                                 ") WITHOUT ROWID";

/* segments: how far ingest has read each journal file that is still there; all slots before `position` are in `attempts`. */
static const char SEGMENTS[] = "CREATE TABLE segments ("
                               " id TEXT PRIMARY KEY,"
                               " position INTEGER NOT NULL"
                               ") WITHOUT ROWID";

/* settings: single values that the API or the program itself keeps. */
static const char SETTINGS[] = "CREATE TABLE settings ("
                               " name TEXT PRIMARY KEY,"
                               " value TEXT NOT NULL"
                               ") WITHOUT ROWID";

/* The secrets of AWS key pairs, sealed (identity/aws.c); NULL: the key has none. The old one as old_digest. */
static const char AWS_SECRET[] = "ALTER TABLE keys ADD COLUMN aws_secret BLOB";
static const char AWS_OLD_SECRET[] = "ALTER TABLE keys ADD COLUMN aws_old_secret BLOB";

/* Since 3, for restoring while all goes on: which slots behind `position` are booked in a database that is no longer this
 * one, a bit each; and what the meters on the board are to be moved by, until it is done. */
static const char SEGMENTS_DONE[] = "ALTER TABLE segments ADD COLUMN done BLOB";
static const char CORRECTIONS[] = "CREATE TABLE spend_corrections ("
                                  " place INTEGER PRIMARY KEY,"  /* of the meter */
                                  " number INTEGER NOT NULL,"    /* of the restore */
                                  " day INTEGER NOT NULL,"       /* the day and month that are moved */
                                  " day_micro INTEGER NOT NULL," /* each sum as in usage_days */
                                  " day_rest INTEGER NOT NULL,"
                                  " month_micro INTEGER NOT NULL,"
                                  " month_rest INTEGER NOT NULL"
                                  ")";

const struct migration migrations[] = {
    {1, "keys, attempts, usage by day, journal positions, settings", {KEYS, ATTEMPTS, USAGE_DAYS, SEGMENTS, SETTINGS}},
    {2, "AWS key pairs", {AWS_SECRET, AWS_OLD_SECRET}},
    {3, "restoring while all goes on", {SEGMENTS_DONE, CORRECTIONS}},
};
const size_t n_migrations = COUNTOF(migrations);
const uint32_t store_version_newest = COUNTOF(migrations);
