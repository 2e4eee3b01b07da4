/* Removing what is kept: what is too old, what is too much, and the running state of what no gateway runs any more. Lane STATE, a
 * little at a time, so that nobody waits long for the lane or the database. */
#include "admin/priv.h"

#include <stdio.h>

enum { AT_ONCE = 200 };

/* ---- too old, too much ------------------------------------------------------------------------------------------------------- */

struct doomed {
    int64_t place[AT_ONCE];
    unsigned n;
};

static enum err collect(struct store *s, const char *sql, int64_t before_ms, struct doomed *d, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    bool more;
    enum err got;
    d->n = 0;
    TRY(store_query(s, sql, BINDS(V_I64(before_ms)), &rows, why));
    while ((got = store_next(&rows, &more, why)) == OK && more && d->n < AT_ONCE) d->place[d->n++] = store_i64(&rows, 0);
    return got;
}

typedef enum err remove_fn(struct store *s, int64_t place, struct fault *why);

static enum err remove_all(struct store *s, const struct doomed *d, remove_fn *remove, struct fault *why)
{
    enum err got = OK;
    if (d->n == 0) return OK;
    TRY(store_begin(s, why));
    for (unsigned i = 0; i < d->n && got == OK; i++) got = remove(s, d->place[i], why);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

static const struct {
    const char *old; /* ?1: last used before then */
    remove_fn *remove;
} KINDS[] = {
    {"SELECT place FROM responses WHERE used_ms <= ?1 AND runs IS NULL ORDER BY used_ms LIMIT 200", state_remove},
    {"SELECT place FROM conversations WHERE used_ms <= ?1 ORDER BY used_ms LIMIT 200", talk_remove},
    {"SELECT place FROM call_states WHERE used_ms <= ?1 ORDER BY used_ms LIMIT 200", state_calls_remove},
};

static enum err remove_before(struct store *s, int64_t ms, struct fault *why)
{
    struct doomed d;
    for (unsigned i = 0; i < COUNTOF(KINDS); i++) {
        TRY(collect(s, KINDS[i].old, ms, &d, why));
        TRY(remove_all(s, &d, KINDS[i].remove, why));
    }
    return OK;
}

/* The one that was used longest ago; false: there is none that could go. */
static enum err remove_oldest(struct store *s, bool *ret_removed, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    TRY(store_query(
        s,
        "SELECT 0, place, used_ms FROM (SELECT place, used_ms FROM responses WHERE runs IS NULL ORDER BY used_ms LIMIT 1)"
        " UNION ALL SELECT 1, place, used_ms FROM (SELECT place, used_ms FROM conversations ORDER BY used_ms LIMIT 1)"
        " UNION ALL SELECT 2, place, used_ms FROM (SELECT place, used_ms FROM call_states ORDER BY used_ms LIMIT 1)"
        " ORDER BY 3 LIMIT 1",
        NULL, &rows, why));
    TRY(store_next(&rows, ret_removed, why));
    if (!*ret_removed) return OK;
    remove_fn *remove = KINDS[store_i64(&rows, 0)].remove;
    int64_t place = store_i64(&rows, 1);
    store_rows_done(&rows);
    return remove(s, place, why);
}

static enum err remove_until(struct store *s, uint64_t max_bytes, struct fault *why)
{
    enum { MOST = 2000 };
    int64_t bytes = INT64_MAX;
    bool removed = true;
    for (unsigned n = 0; removed && n < MOST; n++) {
        TRY(store_get_i64(s, "SELECT bytes FROM state_size", NULL, &bytes, why));
        if ((uint64_t)bytes <= max_bytes) return OK;
        TRY(remove_oldest(s, &removed, why));
    }
    return OK;
}

static enum err remove_overflow(struct store *s, uint64_t max_bytes, struct fault *why)
{
    int64_t bytes;
    TRY(store_get_i64(s, "SELECT bytes FROM state_size", NULL, &bytes, why));
    if ((uint64_t)bytes <= max_bytes) return OK;
    LOG(LOG_WARN, "state.full", "more is kept than state.max_bytes allows: the oldest goes", F_INT("bytes", bytes));
    TRY(store_begin(s, why));
    enum err got = remove_until(s, max_bytes, why);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

/* ---- what nobody runs any more ------------------------------------------------------------------------------------------------- */

static bool is_alive(const struct board *b, struct str runs)
{
    struct str slot, start;
    uint64_t number, started;
    if (!str_cut(runs, ':', &slot, &start) || !str_u64(slot, &number) || !str_u64(start, &started)) return false;
    if (number >= BOARD_GATEWAYS) return false;
    const struct gateway_slot *g = &b->gateways[number];
    return atomic_load(&g->state) != GATEWAY_FREE && (uint64_t)atomic_load(&g->started_ms) == started;
}

static enum err give_up(struct control *c, struct store *s, const struct state_row *row, struct fault *why)
{
    return state_set_status(c, s, row, "failed",
                            S("{\"code\":\"server_error\",\"message\":\"Aquifer was restarted while it worked on this response: "
                              "ask again.\"}"),
                            why);
}

static enum err fail_lost(struct control *c, struct store *s, struct fault *why)
{
    struct state_row lost[16];
    struct buf bodies[COUNTOF(lost)];
    unsigned n = 0;
    enum err got;
    {
        CLEANUP(store_rows_done) struct store_rows rows = {0};
        bool more;
        TRY(store_query(s, "SELECT place, body, runs, background FROM responses WHERE runs IS NOT NULL", NULL, &rows, why));
        while ((got = store_next(&rows, &more, why)) == OK && more && n < COUNTOF(lost)) {
            if (is_alive(c->board, store_text(&rows, 2))) continue;
            buf_init(&bodies[n], SIZE_MAX / 4);
            buf_str(&bodies[n], store_blob(&rows, 1));
            lost[n] = (struct state_row){.place = store_i64(&rows, 0),
                                         .body = buf_view(&bodies[n]),
                                         .background = (enum state_background)store_i64(&rows, 3)};
            n++;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (got == OK) got = give_up(c, s, &lost[i], why);
        buf_done(&bodies[i]);
    }
    return got;
}

/* ---- what nobody could delete ------------------------------------------------------------------------------------------------ */

/* Items of a conversation that is gone, as earlier versions left them behind. Once: it reads an index from end to end. */
static enum err remove_orphans(struct control *c, struct store *s, struct fault *why)
{
    if (c->state.orphans_gone) return OK;
    TRY(store_exec(s,
                   "DELETE FROM state_items WHERE conversation IS NOT NULL AND response IS NULL"
                   " AND conversation NOT IN (SELECT place FROM conversations)",
                   NULL, NULL, why));
    TRY(store_exec(s,
                   "UPDATE state_items SET conversation = NULL WHERE conversation IS NOT NULL"
                   " AND conversation NOT IN (SELECT place FROM conversations)",
                   NULL, NULL, why));
    c->state.orphans_gone = true;
    return OK;
}

enum err state_sweep(struct control *c, struct fault *why)
{
    struct store *s;
    uint64_t retention = atomic_load(&c->state.retention_ms);
    TRY(state_store(c, &s, why));
    TRY(fail_lost(c, s, why));
    TRY(remove_orphans(c, s, why));
    TRY(remove_before(s, clock_wall_ms() - (int64_t)retention, why));
    return remove_overflow(s, atomic_load(&c->state.max_bytes), why);
}
