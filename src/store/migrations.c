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

/* Since 4 an attempt's row is short, for ingest's sake: the names stand once a day in `sources`, the end as time taken, and the
 * usage as its cells' numbers with the quality's first letter and the count: "0r1000 11p120". No NOT NULL: one statement fills
 * it, and each costs a step per row. `attempts` stays the name that readers know, with the names in their places. */
static const char SOURCES[] = "CREATE TABLE sources ("
                              " id INTEGER PRIMARY KEY,"
                              " day INTEGER NOT NULL," /* goes with its rows */
                              " key_id TEXT NOT NULL,"
                              " route TEXT NOT NULL,"
                              " provider TEXT NOT NULL,"
                              " model TEXT NOT NULL,"
                              " format TEXT NOT NULL,"
                              " UNIQUE (day, key_id, route, provider, model, format)"
                              ")";
static const char ATTEMPT_ROWS[] = "CREATE TABLE attempt_rows ("
                                   " day INTEGER,"
                                   " id TEXT,"
                                   " request_id TEXT,"
                                   " source INTEGER,"
                                   " number INTEGER,"
                                   " stream INTEGER,"
                                   " started_ms INTEGER,"
                                   " took_ms INTEGER," /* from start to end by the wall clock, which may have been set */
                                   " first_byte_us INTEGER,"
                                   " duration_us INTEGER,"
                                   " outcome INTEGER,"
                                   " status INTEGER,"
                                   " error INTEGER,"
                                   " input_tokens INTEGER,"
                                   " output_tokens INTEGER,"
                                   " usage TEXT,"
                                   " tier TEXT,"
                                   " cost_micro INTEGER,"
                                   " cost_rest INTEGER,"
                                   " PRIMARY KEY (day, id)"
                                   ") WITHOUT ROWID";
static const char SOURCES_FILL[] = "INSERT INTO sources (day, key_id, route, provider, model, format)"
                                   " SELECT DISTINCT day, key_id, route, provider, model, format FROM attempts";
/* Counts are cut out as text: they may be larger than SQLite's numbers. */
static const char ATTEMPT_ROWS_FILL[] =
    "WITH cells (name, number) AS (VALUES ('input', 0), ('input_cache_read', 1), ('input_cache_write', 2),"
    " ('input_cache_write_5m', 3), ('input_cache_write_1h', 4), ('input_audio', 5), ('input_audio_cache_read', 6),"
    " ('input_image', 7), ('input_image_cache_read', 8), ('input_video', 9), ('input_tool_prompt', 10), ('output', 11),"
    " ('output_reasoning', 12), ('output_audio', 13), ('output_image', 14), ('output_prediction_accepted', 15),"
    " ('output_prediction_rejected', 16), ('web_search', 17), ('web_fetch', 18), ('file_search', 19), ('code_execution', 20))"
    " INSERT INTO attempt_rows SELECT a.day, a.id, a.request_id, s.id, a.number, a.stream, a.started_ms, a.ended_ms - "
    "a.started_ms,"
    " a.first_byte_us, a.duration_us, a.outcome, a.status, a.error, a.input_tokens, a.output_tokens,"
    " (SELECT coalesce(group_concat(c.number || substr(u.value, instr(u.value, '\"') + 1, 1) ||"
    " substr(u.value, 2, instr(u.value, ',') - 2), ' '), '')"
    " FROM json_each(a.usage) u CROSS JOIN cells c WHERE c.name = u.key),"
    " a.tier, a.cost_micro, a.cost_rest FROM attempts a JOIN sources s USING (day, key_id, route, provider, model, format)";
static const char ATTEMPTS_DROP[] = "DROP TABLE attempts";
static const char ATTEMPTS_VIEW[] =
    "CREATE VIEW attempts AS SELECT a.day, a.id, a.request_id, a.number, s.key_id, s.route, s.provider, s.model, s.format,"
    " a.stream, a.started_ms, a.started_ms + a.took_ms AS ended_ms, a.first_byte_us, a.duration_us, a.outcome, a.status, a.error,"
    " a.input_tokens, a.output_tokens, a.usage, a.tier, a.cost_micro, a.cost_rest"
    " FROM attempt_rows a LEFT JOIN sources s ON s.id = a.source";

/* Since 5: whose sealed and stored state a key may take up again. NULL: "default". A key never changes its project. */
static const char PROJECT[] = "ALTER TABLE keys ADD COLUMN project TEXT";

/* Since 6, what is kept of Responses for their callers, each project's apart; docs/state.md. responses: one row per response;
 * `body` is the object without its output items, which belong at byte `output_at`; NULL: the provider keeps it, at the deployment
 * with this identity. `runs`: the gateway that works on it in the background, "slot:start"; NULL: it is over. `used_ms`: when it
 * was last made, continued or read; retention counts from there. */
static const char RESPONSES[] = "CREATE TABLE responses ("
                                " place INTEGER PRIMARY KEY AUTOINCREMENT,"
                                " project TEXT NOT NULL,"
                                " id TEXT NOT NULL,"
                                " previous TEXT,"
                                " conversation INTEGER," /* place of its conversation */
                                " used_ms INTEGER NOT NULL,"
                                " background INTEGER NOT NULL,"
                                " runs TEXT,"
                                " bytes INTEGER NOT NULL,"
                                " deployment TEXT,"
                                " output_at INTEGER,"
                                " body BLOB,"
                                " UNIQUE (project, id)"
                                ")";
static const char RESPONSES_USED[] = "CREATE INDEX responses_used ON responses (used_ms)";
static const char RESPONSES_RUN[] = "CREATE INDEX responses_run ON responses (runs) WHERE runs IS NOT NULL";
static const char CONVERSATIONS[] = "CREATE TABLE conversations ("
                                    " place INTEGER PRIMARY KEY AUTOINCREMENT,"
                                    " project TEXT NOT NULL,"
                                    " id TEXT NOT NULL,"
                                    " created_ms INTEGER NOT NULL,"
                                    " used_ms INTEGER NOT NULL,"
                                    " metadata TEXT NOT NULL," /* JSON object */
                                    " bytes INTEGER NOT NULL,"
                                    " UNIQUE (project, id)"
                                    ")";
static const char CONVERSATIONS_USED[] = "CREATE INDEX conversations_used ON conversations (used_ms)";
/* In the order in which they were said. An item belongs to a response, to a conversation, or to both. `replays`: it goes up
 * again when the conversation goes on. */
static const char STATE_ITEMS[] = "CREATE TABLE state_items ("
                                  " place INTEGER PRIMARY KEY AUTOINCREMENT,"
                                  " response INTEGER,"
                                  " output INTEGER NOT NULL," /* 1: the model said it */
                                  " conversation INTEGER,"
                                  " id TEXT NOT NULL,"
                                  " replays INTEGER NOT NULL,"
                                  " bytes INTEGER NOT NULL,"
                                  " body BLOB NOT NULL" /* as it came */
                                  ")";
static const char ITEMS_RESPONSE[] = "CREATE INDEX state_items_response ON state_items (response) WHERE response IS NOT NULL";
static const char ITEMS_TALK[] = "CREATE INDEX state_items_talk ON state_items (conversation) WHERE conversation IS NOT NULL";
static const char ITEMS_ID[] = "CREATE INDEX state_items_id ON state_items (id)";
/* The stream of a response that ran in the background; number: its sequence_number. */
static const char EVENTS[] = "CREATE TABLE response_events ("
                             " response INTEGER NOT NULL,"
                             " number INTEGER NOT NULL,"
                             " bytes INTEGER NOT NULL,"
                             " body BLOB NOT NULL," /* the event's data */
                             " PRIMARY KEY (response, number)"
                             ") WITHOUT ROWID";

/* How much of it there is, kept by triggers: adding it up would read it all. */
static const char STATE_SIZE[] = "CREATE TABLE state_size (bytes INTEGER NOT NULL)";
static const char STATE_SIZE_ROW[] = "INSERT INTO state_size (bytes) VALUES (0)";
#define SIZE_TRIGGERS(table)                                                                                                  \
    "CREATE TRIGGER " table "_more AFTER INSERT ON " table " BEGIN UPDATE state_size SET bytes = bytes + new.bytes; END",     \
        "CREATE TRIGGER " table "_less AFTER DELETE ON " table " BEGIN UPDATE state_size SET bytes = bytes - old.bytes; END", \
        "CREATE TRIGGER " table "_other AFTER UPDATE OF bytes ON " table                                                      \
        " BEGIN UPDATE state_size SET bytes = bytes + new.bytes - old.bytes; END"

/* Since 7, what belongs to the tool calls of callers whose format has no place for it (Chat); docs/state.md. `body`: sealed, as the
 * gateway told it. */
static const char CALL_STATES[] = "CREATE TABLE call_states ("
                                  " place INTEGER PRIMARY KEY AUTOINCREMENT,"
                                  " project TEXT NOT NULL,"
                                  " call TEXT NOT NULL,"
                                  " used_ms INTEGER NOT NULL,"
                                  " bytes INTEGER NOT NULL,"
                                  " body BLOB NOT NULL," /* JSON object */
                                  " UNIQUE (project, call)"
                                  ")";
static const char CALL_STATES_USED[] = "CREATE INDEX call_states_used ON call_states (used_ms)";

/* Since 8, how much of a day's sums no provider told, so that who pays knows: `estimated` counts requests some of whose tokens are an
 * estimate, or that were interrupted, the next four are their sums; the last two the tokens whose cost is unknown. */
#define DAY_COLUMN(name) "ALTER TABLE usage_days ADD COLUMN " name " INTEGER NOT NULL DEFAULT 0"
static const char DAYS_DOUBT[] =
    "UPDATE usage_days SET estimated = t.n, interrupted = t.cut, estimated_input = t.i, estimated_output = t.o,"
    " estimated_micro = t.m, estimated_rest = t.r, unknown_input = t.ui, unknown_output = t.uo FROM ("
    "SELECT day, key_id, route, sum(e) AS n, sum(outcome = 7) AS cut, sum(e * input_tokens) AS i, sum(e * output_tokens) AS o,"
    " sum(e * coalesce(cost_micro, 0)) AS m, sum(e * coalesce(cost_rest, 0)) AS r,"
    " sum((cost_micro IS NULL) * input_tokens) AS ui, sum((cost_micro IS NULL) * output_tokens) AS uo"
    " FROM (SELECT *, outcome = 7 OR usage GLOB '*e[1-9]*' AS e FROM attempts WHERE outcome <> 3)"
    " WHERE e OR cost_micro IS NULL GROUP BY day, key_id, route) AS t"
    " WHERE t.day = usage_days.day AND t.key_id = usage_days.key_id AND t.route = usage_days.route";

const struct migration migrations[] = {
    {1, "keys, attempts, usage by day, journal positions, settings", {KEYS, ATTEMPTS, USAGE_DAYS, SEGMENTS, SETTINGS}},
    {2, "AWS key pairs", {AWS_SECRET, AWS_OLD_SECRET}},
    {3, "restoring while all goes on", {SEGMENTS_DONE, CORRECTIONS}},
    {4, "short rows of attempts", {SOURCES, ATTEMPT_ROWS, SOURCES_FILL, ATTEMPT_ROWS_FILL, ATTEMPTS_DROP, ATTEMPTS_VIEW}},
    {5, "projects of keys", {PROJECT}},
    {6,
     "responses and conversations that are kept",
     {RESPONSES, RESPONSES_USED, RESPONSES_RUN, CONVERSATIONS, CONVERSATIONS_USED, STATE_ITEMS, ITEMS_RESPONSE, ITEMS_TALK,
      ITEMS_ID, EVENTS, STATE_SIZE, STATE_SIZE_ROW, SIZE_TRIGGERS("responses"), SIZE_TRIGGERS("conversations"),
      SIZE_TRIGGERS("state_items"), SIZE_TRIGGERS("response_events")}},
    {7, "state of tool calls", {CALL_STATES, CALL_STATES_USED, SIZE_TRIGGERS("call_states")}},
    {8,
     "how much of a day is estimated or has no cost",
     {DAY_COLUMN("estimated"), DAY_COLUMN("interrupted"), DAY_COLUMN("estimated_input"), DAY_COLUMN("estimated_output"),
      DAY_COLUMN("estimated_micro"), DAY_COLUMN("estimated_rest"), DAY_COLUMN("unknown_input"), DAY_COLUMN("unknown_output"),
      DAYS_DOUBT}},
};
const size_t n_migrations = COUNTOF(migrations);
const uint32_t store_version_newest = COUNTOF(migrations);
