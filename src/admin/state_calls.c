/* State of tool calls, by project and call id, for callers whose format has no place for it: what gateways give and ask for. Bodies are
 * sealed by the gateway and nothing to us. Lane STATE. */
#include "admin/priv.h"

static const struct json_limits LIMITS = {.max_depth = 64, .record_depth = 2};

static enum err begin(struct call *c, struct store **ret_store, struct fault *why)
{
    TRY(state_store(c->control, ret_store, why));
    return json_scan(&c->control->state.tape, c->body, &LIMITS, why);
}

/* ---- keep ------------------------------------------------------------------------------------------------------------------ */

static enum err keep_all(struct call *c, struct store *s, struct fault *why)
{
    const struct json_tape *t = &c->control->state.tape;
    uint32_t key, value;
    for (struct json_iter it = json_each(t, 0); json_next_member(t, &it, &key, &value);) {
        struct str body = json_raw(t, value);
        TRY(store_exec(s,
                       "INSERT INTO call_states (project, call, used_ms, bytes, body) VALUES (?1, ?2, ?3, ?4, ?5)"
                       " ON CONFLICT (project, call) DO UPDATE SET used_ms = ?3, bytes = ?4, body = ?5",
                       BINDS(V_TEXT(c->project), V_TEXT(json_text(t, key)), V_I64(clock_wall_ms()), V_I64(body.n), V_BLOB(body)),
                       NULL, why));
    }
    return OK;
}

enum err state_calls_keep(struct call *c, struct fault *why)
{
    struct store *s;
    TRY(begin(c, &s, why));
    TRY(store_begin(s, why));
    enum err got = keep_all(c, s, why);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

/* ---- recall ---------------------------------------------------------------------------------------------------------------- */

static enum err put_one(struct call *c, struct store *s, struct str id, bool *ret_full, struct fault *why)
{
    enum { AROUND = 8 }; /* quotes, the comma, the last brace */
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    bool found;
    TRY(store_query(s, "SELECT body FROM call_states WHERE project = ?1 AND call = ?2", BINDS(V_TEXT(c->project), V_TEXT(id)),
                    &rows, why));
    TRY(store_next(&rows, &found, why));
    *ret_full = found && c->out.n + id.n + store_blob(&rows, 0).n + AROUND > CHAT_CALLS_BYTES;
    if (!found || *ret_full) return OK;
    buf_str(&c->out, c->out.n > 1 ? S(",\"") : S("\""));
    buf_str(&c->out, id);
    buf_str(&c->out, S("\":"));
    buf_str(&c->out, store_blob(&rows, 0));
    return OK;
}

/* What is asked for by an array of ids, the newest first, comes as an object of those that are known, as many as an answer takes;
 * unknown ones are no error. */
enum err state_calls_recall(struct call *c, struct fault *why)
{
    const struct json_tape *t = &c->control->state.tape;
    struct store *s;
    uint32_t id;
    unsigned n = 0;
    bool full = false;
    TRY(begin(c, &s, why));
    buf_char(&c->out, '{');
    for (struct json_iter it = json_each(t, 0); !full && n < CHAT_CALLS_ASKED && json_next(t, &it, &id); n++) {
        if (!json_is(t, id, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "call ids must be strings");
        TRY(put_one(c, s, json_text(t, id), &full, why));
    }
    buf_char(&c->out, '}');
    return OK;
}

enum err state_calls_remove(struct store *s, int64_t place, struct fault *why)
{
    return store_exec(s, "DELETE FROM call_states WHERE place = ?1", BINDS(V_I64(place)), NULL, why);
}
