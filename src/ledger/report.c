/* What the ledger tells: usage by key, route and day, single attempts, and the spend that a fresh board starts from.
 * Called by control for the admin API and the commands. Owns nothing. Reads the database only. */
#include "ledger/ingest.h"

#define MICRO 1000000
/* A key never changes its project, so the rows need not name it. */
#define OF_PROJECT " AND (?5 = '' OR key_id IN (SELECT id FROM keys WHERE coalesce(project, 'default') = ?5))"

struct totals {
    uint64_t requests, input, output, unknown;
    money cost;
    struct doubt doubt;
};

static void put_money(struct json_writer *w, struct str name, money cost)
{
    char room[64];
    struct buf text = {.p = room, .cap = sizeof room, .max = sizeof room};
    money_write(&text, cost);
    json_add_raw(w, name, buf_view(&text));
}

static void put_estimated(struct json_writer *w, const struct doubt *d)
{
    json_add_i64(w, S("estimated_requests"), d->estimated);
    json_add_i64(w, S("interrupted_requests"), d->interrupted);
    json_add_i64(w, S("estimated_input_tokens"), d->estimated_input);
    json_add_i64(w, S("estimated_output_tokens"), d->estimated_output);
    put_money(w, S("estimated_cost"), d->estimated_cost);
}

static void put_totals(struct json_writer *w, const struct totals *t)
{
    json_add_u64(w, S("requests"), t->requests);
    json_add_u64(w, S("input_tokens"), t->input);
    json_add_u64(w, S("output_tokens"), t->output);
    put_money(w, S("cost"), t->cost);
    /* Where all was told these are exactly the members that others script against. */
    if (t->doubt.estimated) put_estimated(w, &t->doubt);
    if (!t->unknown) return;
    json_add_u64(w, S("unknown_cost_requests"), t->unknown);
    json_add_i64(w, S("unknown_cost_input_tokens"), t->doubt.unknown_input);
    json_add_i64(w, S("unknown_cost_output_tokens"), t->doubt.unknown_output);
}

static money cost_of(const struct store_rows *r, unsigned column)
{
    return (money)store_i64(r, column) * MICRO + store_i64(r, column + 1);
}

static void sum_up(struct totals *sum, const struct totals *t)
{
    sum->requests += t->requests;
    sum->input += t->input;
    sum->output += t->output;
    sum->unknown += t->unknown;
    sum->cost += t->cost;
    sum->doubt.estimated += t->doubt.estimated;
    sum->doubt.interrupted += t->doubt.interrupted;
    sum->doubt.estimated_input += t->doubt.estimated_input;
    sum->doubt.estimated_output += t->doubt.estimated_output;
    sum->doubt.estimated_cost += t->doubt.estimated_cost;
    sum->doubt.unknown_input += t->doubt.unknown_input;
    sum->doubt.unknown_output += t->doubt.unknown_output;
}

/* ---- the report ----------------------------------------------------------------------------------------------------- */

static void put_day(struct json_writer *w, const struct store_rows *r, struct totals *sum)
{
    char day[11];
    struct totals t = {(uint64_t)store_i64(r, 3),
                       (uint64_t)store_i64(r, 4),
                       (uint64_t)store_i64(r, 5),
                       (uint64_t)store_i64(r, 6),
                       cost_of(r, 7),
                       {store_i64(r, 9), store_i64(r, 10), store_i64(r, 11), store_i64(r, 12), store_i64(r, 13), store_i64(r, 14),
                        cost_of(r, 15)}};
    clock_day_text((int32_t)store_i64(r, 0), day);
    json_put_object(w);
    json_add_str(w, S("key"), store_text(r, 1));
    json_add_str(w, S("model"), store_text(r, 2));
    json_add_str(w, S("day"), str_z(day));
    put_totals(w, &t);
    json_put_end(w);
    sum_up(sum, &t);
}

static enum err over(const struct buf *b, struct fault *why)
{
    return b->over ? FAIL(why, ERR_LIMIT, "the report is larger than %zu bytes: ask for fewer days, or for one key", b->max) : OK;
}

enum err ledger_report(struct store *s, const struct ledger_query *q, struct buf *out_json, struct fault *why)
{
    static const char sql[] =
        "SELECT day, key_id, route, requests, input_tokens, output_tokens, unknown_cost, cost_micro, cost_rest, estimated,"
        " interrupted, estimated_input, estimated_output, unknown_input, unknown_output, estimated_micro, estimated_rest"
        " FROM usage_days"
        " WHERE day BETWEEN ?1 AND ?2 AND (?3 = '' OR key_id = ?3) AND (?4 = '' OR route = ?4)" OF_PROJECT
        " ORDER BY day, key_id, route";
    struct store_rows rows CLEANUP(store_rows_done);
    struct totals sum = {0};
    struct json_writer w;
    bool more = true;
    TRY(store_query(s, sql, BINDS(V_I64(q->from_day), V_I64(q->to_day), V_TEXT(q->key_id), V_TEXT(q->route), V_TEXT(q->project)),
                    &rows, why));
    json_write(&w, out_json);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (;;) {
        TRY(store_next(&rows, &more, why));
        if (!more) break;
        put_day(&w, &rows, &sum);
    }
    json_put_end(&w);
    json_add_object(&w, S("total"));
    put_totals(&w, &sum);
    json_put_end(&w);
    json_put_end(&w);
    return json_write_done(&w) ? OK : over(out_json, why);
}

/* ---- single attempts ---------------------------------------------------------------------------------------------------- */

static void put_time(struct json_writer *w, struct str name, int64_t ms)
{
    char text[25];
    clock_rfc3339(ms, text);
    json_add_str(w, name, str_z(text));
}

static const char *error_code(int64_t error) { return error > 0 && error < ERR_COUNT ? err_code((enum err)error) : ""; }

/* In the order of the SELECT below. */
static void put_attempt(struct json_writer *w, const struct store_rows *r)
{
    static const struct {
        const char *name;
        bool text;
    } COLUMNS[] = {{"id", true},
                   {"request_id", true},
                   {"number", false},
                   {"key", true},
                   {"model", true},
                   {"provider", true},
                   {"upstream_model", true},
                   {"format", true},
                   {"first_byte_us", false},
                   {"duration_us", false},
                   {"status", false},
                   {"input_tokens", false},
                   {"output_tokens", false},
                   {"tier", true}};
    unsigned n = COUNTOF(COLUMNS);
    json_put_object(w);
    for (unsigned i = 0; i < n; i++) {
        if (COLUMNS[i].text) json_add_str(w, str_z(COLUMNS[i].name), store_text(r, i));
        else json_add_i64(w, str_z(COLUMNS[i].name), store_i64(r, i));
    }
    json_add_bool(w, S("stream"), store_i64(r, n));
    put_time(w, S("started"), store_i64(r, n + 1));
    put_time(w, S("ended"), store_i64(r, n + 2));
    json_add_str(w, S("end"), str_z(attempt_end_name((enum attempt_end)store_i64(r, n + 3))));
    json_add_str(w, S("error"), str_z(error_code(store_i64(r, n + 4))));
    json_put_name(w, S("usage"));
    cells_put(w, store_text(r, n + 5));
    if (store_is_null(r, n + 6)) json_add_null(w, S("cost"));
    else put_money(w, S("cost"), cost_of(r, n + 6));
    json_put_end(w);
}

enum err ledger_attempts(struct store *s, const struct ledger_query *q, unsigned limit, struct buf *out_json, struct fault *why)
{
    static const char sql[] =
        "SELECT id, request_id, number, key_id, route, provider, model, format, first_byte_us, duration_us, status,"
        " input_tokens, output_tokens, tier, stream, started_ms, ended_ms, outcome, error, usage, cost_micro, cost_rest FROM "
        "attempts"
        " WHERE day BETWEEN ?1 AND ?2 AND (?3 = '' OR key_id = ?3) AND (?4 = '' OR route = ?4)" OF_PROJECT
        " ORDER BY day DESC, started_ms DESC, id DESC LIMIT ?6";
    struct store_rows rows CLEANUP(store_rows_done);
    struct json_writer w;
    bool more;
    TRY(store_query(
        s, sql,
        BINDS(V_I64(q->from_day), V_I64(q->to_day), V_TEXT(q->key_id), V_TEXT(q->route), V_TEXT(q->project), V_I64(limit)), &rows,
        why));
    json_write(&w, out_json);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (;;) {
        TRY(store_next(&rows, &more, why));
        if (!more) break;
        put_attempt(&w, &rows);
    }
    json_put_end(&w);
    json_put_end(&w);
    return json_write_done(&w) ? OK : over(out_json, why);
}

/* ---- the meters' beginning ------------------------------------------------------------------------------------------------ */

static int64_t to_pico(money cost) { return cost > INT64_MAX ? INT64_MAX : cost < INT64_MIN ? INT64_MIN : (int64_t)cost; }

int32_t ledger_first_of_month(int32_t day)
{
    int32_t month = clock_month((int64_t)day * 86400000);
    while (clock_month((int64_t)(day - 1) * 86400000) == month) day--;
    return day;
}

enum err ledger_seed_spend(struct store *s, struct board *b, const struct map *places, struct fault *why)
{
    static const char sql[] =
        "SELECT key_id, sum(CASE WHEN day = ?2 THEN cost_micro ELSE 0 END), sum(CASE WHEN day = ?2 THEN cost_rest ELSE 0 END),"
        " sum(cost_micro), sum(cost_rest) FROM usage_days WHERE day BETWEEN ?1 AND ?2 GROUP BY key_id";
    struct store_rows rows CLEANUP(store_rows_done);
    int64_t now = clock_wall_ms();
    int32_t today = clock_day(now);
    bool more;
    TRY(store_query(s, sql, BINDS(V_I64(ledger_first_of_month(today)), V_I64(today)), &rows, why));
    for (;;) {
        TRY(store_next(&rows, &more, why));
        if (!more) break;
        const uint32_t *place = map_find(places, store_text(&rows, 0));
        if (!place || *place >= BOARD_KEYS) continue; /* a key that is gone */
        meter_seed_spent(&b->keys[*place], today, to_pico(cost_of(&rows, 1)), clock_month(now), to_pico(cost_of(&rows, 3)));
    }
    atomic_store(&b->ready_spend, 1);
    return OK;
}

/* ---- the meters after a restore ------------------------------------------------------------------------------------------- */

/* Killed between the two stores the next one would move this key again: some nanoseconds in the life of a restore, and one
 * key's meter until the next start. The board has no lock that could make one of them. */
static void correct_one(struct board *b, const struct store_rows *r)
{
    uint64_t number = (uint64_t)store_i64(r, 0), place = (uint64_t)store_i64(r, 1), done = atomic_load(&b->corrected);
    if (place >= BOARD_KEYS || (done >> 32 == number && (uint32_t)done > place)) return;
    int32_t day = (int32_t)store_i64(r, 2);
    int32_t month = clock_month((int64_t)day * 86400000);
    meter_correct_spent(&b->keys[place], day, to_pico(cost_of(r, 3)), month, to_pico(cost_of(r, 5)));
    atomic_store(&b->corrected, number << 32 | (place + 1));
}

enum err ledger_correct_spend(struct store *s, struct board *b, struct fault *why)
{
    static const char sql[] =
        "SELECT number, place, day, day_micro, day_rest, month_micro, month_rest FROM spend_corrections ORDER BY place";
    struct store_rows rows CLEANUP(store_rows_done) = {0};
    bool any = false;
    TRY(store_query(s, sql, NULL, &rows, why));
    for (bool more = true;; any = true) {
        TRY(store_next(&rows, &more, why));
        if (!more) break;
        correct_one(b, &rows);
    }
    store_rows_done(&rows);
    return any ? store_exec(s, "DELETE FROM spend_corrections", NULL, NULL, why) : OK;
}
