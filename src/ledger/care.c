/* Care for the ledger: retention, the check that sums equal rows, backup.
 * Called by control and by offline commands. Owns nothing. Runs on a thread that may block. */
#include "ledger/ingest.h"

/* ---- retention and check ---------------------------------------------------------------------------------------------- */

static enum err remove_day(struct store *s, int64_t day, uint64_t *ret_rows, struct fault *why)
{
    TRY(store_exec(s, "DELETE FROM usage_days WHERE day = ?1", BINDS(V_I64(day)), NULL, why));
    TRY(store_exec(s, "DELETE FROM sources WHERE day = ?1", BINDS(V_I64(day)), NULL, why));
    return store_exec(s, "DELETE FROM attempt_rows WHERE day = ?1", BINDS(V_I64(day)), ret_rows, why);
}

enum err ledger_retain(struct store *s, int32_t oldest_day, uint64_t *ret_rows, struct fault *why)
{
    int64_t day;
    *ret_rows = 0;
    TRY(store_get_i64(s, "SELECT coalesce(min(day), 1000000000) FROM attempt_rows", NULL, &day, why));
    if (day >= oldest_day) return OK;
    TRY(store_begin(s, why));
    enum err e = remove_day(s, day, ret_rows, why);
    if (e == OK) return store_commit(s, why);
    store_rollback(s);
    return e;
}

/* Both sides as one relation each; a row on one side only, or with another sum, is a difference. */
static const char DIFFERENT[] =
    "WITH sent AS (SELECT *, outcome = 7 OR usage GLOB '*e[1-9]*' AS e, cost_micro IS NULL AS u FROM attempts WHERE outcome <> "
    "3),"
    " rows AS (SELECT day, key_id, route, count(*) AS requests, sum(input_tokens) AS i, sum(output_tokens) AS o,"
    " coalesce(sum(cost_micro), 0) AS m, coalesce(sum(cost_rest), 0) AS r, sum(u) AS u, sum(e) AS e, sum(outcome = 7) AS cut,"
    " sum(e * input_tokens) AS ei, sum(e * output_tokens) AS eo, sum(e * coalesce(cost_micro, 0)) AS em,"
    " sum(e * coalesce(cost_rest, 0)) AS er, sum(u * input_tokens) AS ui, sum(u * output_tokens) AS uo"
    " FROM sent GROUP BY day, key_id, route),"
    " days AS (SELECT day, key_id, route, requests, input_tokens, output_tokens, cost_micro + cost_rest / 1000000,"
    " cost_rest % 1000000, unknown_cost, estimated, interrupted, estimated_input, estimated_output,"
    " estimated_micro + estimated_rest / 1000000, estimated_rest % 1000000, unknown_input, unknown_output FROM usage_days),"
    " same AS (SELECT day, key_id, route, requests, i, o, m + r / 1000000, r % 1000000, u, e, cut, ei, eo,"
    " em + er / 1000000, er % 1000000, ui, uo FROM rows)"
    " SELECT (SELECT count(*) FROM (SELECT * FROM days EXCEPT SELECT * FROM same)) + (SELECT"
    " count(*) FROM (SELECT * FROM same EXCEPT SELECT * FROM days))";
_Static_assert(ATTEMPT_INTERRUPTED == 7, "the statement above counts what was interrupted");
_Static_assert(ATTEMPT_NOT_SENT == 3, "the statement above leaves out what was not sent");

enum err ledger_check(struct store *s, struct fault *why)
{
    int64_t different;
    TRY(store_check(s, why));
    TRY(store_get_i64(s, DIFFERENT, NULL, &different, why));
    if (different)
        return FAIL(why, ERR_STORE, "the ledger's sums differ from its rows in %lld places; restore the newest backup",
                    (long long)different);
    return OK;
}

/* ---- backup -------------------------------------------------------------------------------------------------------------- */

enum err ledger_backup(struct ledger_ingest *i, const char *path, struct fault *why)
{
    uint64_t rows;
    TRY(ledger_ingest_run(i, &rows, why));
    return store_backup(ledger_ingest_store(i), path, why);
}
