/* Kept responses as their callers see them: get, delete, cancel, input items. Lane STATE; OpenAI API reference "Responses". */
#include "admin/priv.h"

#include <stdio.h>

static int64_t oldest_ms(const struct control *c) { return clock_wall_ms() - (int64_t)atomic_load(&c->state.retention_ms); }

static enum err not_found(struct str id, struct fault *why)
{
    return FAIL(why, ERR_NOT_FOUND, "Response with id '%.*s' not found.", (int)(id.n < 100 ? id.n : 100), id.p);
}

static enum err take_row(struct call *c, const struct store_rows *r, struct state_row *row, struct fault *why)
{
    row->place = store_i64(r, 0);
    row->output_at = store_i64(r, 2);
    row->background = (enum state_background)store_i64(r, 5);
    bool fits = arena_str(&c->arena, store_blob(r, 1), &row->body) && arena_str(&c->arena, store_text(r, 3), &row->deployment) &&
                arena_str(&c->arena, store_text(r, 4), &row->runs);
    return fits ? OK : FAIL(why, ERR_LIMIT, "the response is too long");
}

enum err state_find(struct call *c, struct store *s, struct str id, struct state_row *ret_row, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    bool more;
    *ret_row = (struct state_row){0};
    TRY(store_query(s,
                    "SELECT place, body, output_at, deployment, runs, background FROM responses"
                    " WHERE project = ?1 AND id = ?2 AND used_ms > ?3",
                    BINDS(V_TEXT(c->project), V_TEXT(id), V_I64(oldest_ms(c->control))), &rows, why));
    TRY(store_next(&rows, &more, why));
    return more ? take_row(c, &rows, ret_row, why) : not_found(id, why);
}

/* The provider keeps it: who asks goes there. */
static bool is_pinned(struct call *c, const struct state_row *row)
{
    if (!row->deployment.n) return false;
    c->extra = (struct http_field){S("x-aquifer-deployment"), row->deployment};
    return true;
}

/* ---- get ------------------------------------------------------------------------------------------------------------------- */

static enum err put_response(struct call *c, struct store *s, const struct state_row *row, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    bool more, first = true;
    enum err got;
    TRY(store_query(s, "SELECT body FROM state_items WHERE response = ?1 AND output = 1 ORDER BY place", BINDS(V_I64(row->place)),
                    &rows, why));
    buf_str(&c->out, str_make(row->body.p, (size_t)row->output_at));
    while ((got = store_next(&rows, &more, why)) == OK && more) {
        if (!first) buf_char(&c->out, ',');
        first = false;
        buf_str(&c->out, store_blob(&rows, 0));
    }
    buf_str(&c->out, str_from(row->body, (size_t)row->output_at));
    return got;
}

enum err state_get(struct call *c, struct fault *why)
{
    struct store *s;
    struct state_row row;
    TRY(state_store(c->control, &s, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    if (is_pinned(c, &row)) return OK;
    TRY(state_check_include(c, why));
    return put_response(c, s, &row, why);
}

/* ---- delete ---------------------------------------------------------------------------------------------------------------- */

enum err state_remove(struct store *s, int64_t place, struct fault *why)
{
    static const char *const SQL[] = {
        "DELETE FROM state_items WHERE response = ?1 AND conversation IS NULL",
        "UPDATE state_items SET response = NULL WHERE response = ?1",
        "DELETE FROM response_events WHERE response = ?1",
        "DELETE FROM responses WHERE place = ?1",
    };
    for (unsigned i = 0; i < COUNTOF(SQL); i++) TRY(store_exec(s, SQL[i], BINDS(V_I64(place)), NULL, why));
    return OK;
}

static enum err remove_at_once(struct store *s, int64_t place, struct fault *why)
{
    TRY(store_begin(s, why));
    enum err got = state_remove(s, place, why);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

enum err state_delete(struct call *c, struct fault *why)
{
    struct store *s;
    struct state_row row;
    struct json_writer w;
    TRY(state_store(c->control, &s, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    if (is_pinned(c, &row)) return OK;
    TRY(remove_at_once(s, row.place, why));
    json_write(&w, &c->out);
    json_put_object(&w);
    json_add_str(&w, S("id"), c->parameter);
    json_add_str(&w, S("object"), S("response"));
    json_add_bool(&w, S("deleted"), true);
    json_put_end(&w);
    return json_write_done(&w) ? OK : FAIL(why, ERR_INTERNAL, "the answer does not fit");
}

/* ---- cancel ---------------------------------------------------------------------------------------------------------------- */

/* The stream's last event: the vendor has none of its own for what was cancelled, so that it is an incomplete one. */
static enum err put_last_event(struct control *c, struct store *s, const struct state_row *row, const char *type,
                               struct fault *why)
{
    struct json_writer w;
    struct buf event;
    int64_t number;
    if (row->background != STATE_STREAMED) return OK;
    TRY(store_get_i64(s, "SELECT coalesce(max(number) + 1, 0) FROM response_events WHERE response = ?1", BINDS(V_I64(row->place)),
                      &number, why));
    buf_init(&event, row->body.n + KIB(1));
    json_write(&w, &event);
    json_put_object(&w);
    json_add_str(&w, S("type"), str_z(type));
    json_add_i64(&w, S("sequence_number"), number);
    json_add_raw(&w, S("response"), c->state.item.src);
    json_put_end(&w);
    enum err got = store_exec(s, "INSERT INTO response_events (response, number, body, bytes) VALUES (?1, ?2, ?3, ?4)",
                              BINDS(V_I64(row->place), V_I64(number), V_BLOB(buf_view(&event)), V_I64(event.n)), NULL, why);
    buf_done(&event);
    return got;
}

enum err state_set_status(struct control *c, struct store *s, const struct state_row *row, const char *status, struct str error,
                          struct fault *why)
{
    char quoted[32];
    struct json_change changes[2] = {
        {JSON_SET, S("status"), str_make(quoted, (size_t)snprintf(quoted, sizeof quoted, "\"%s\"", status))},
        {JSON_SET, S("error"), error}};
    struct json_edit edits[JSON_EDITS(2)];
    struct str pieces[JSON_PIECES(JSON_EDITS(2))];
    struct buf text;
    size_t output = 0;
    TRY(json_scan(&c->state.item, row->body, &JSON_LIMITS_TOP, why));
    size_t n = json_splice(row->body, edits, json_plan(&c->state.item, 0, changes, error.n ? 2 : 1, edits), pieces);
    buf_init(&text, row->body.n + error.n + KIB(1));
    for (size_t i = 0; i < n; i++) buf_str(&text, pieces[i]);
    bool whole = json_scan(&c->state.item, buf_view(&text), &JSON_LIMITS_TOP, why) == OK;
    if (whole) output = json_node(&c->state.item, json_find(&c->state.item, 0, S("output")))->start + 1;
    enum err got = !whole ? why->code
                          : store_exec(s, "UPDATE responses SET body = ?2, output_at = ?3, runs = NULL WHERE place = ?1",
                                       BINDS(V_I64(row->place), V_BLOB(buf_view(&text)), V_I64(output)), NULL, why);
    if (got == OK) got = put_last_event(c, s, row, error.n ? "response.failed" : "response.incomplete", why);
    buf_done(&text);
    return got;
}

enum err state_cancel(struct call *c, struct fault *why)
{
    struct store *s;
    struct state_row row;
    TRY(state_store(c->control, &s, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    if (is_pinned(c, &row)) return OK;
    if (!row.background)
        return FAIL(why, ERR_BAD_REQUEST,
                    "Cannot cancel a synchronous response: only one made with background can be cancelled.");
    if (row.runs.n) TRY(state_set_status(c->control, s, &row, "cancelled", STR_NONE, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    return put_response(c, s, &row, why);
}

/* ---- input items --------------------------------------------------------------------------------------------------------------- */

/* All that the model was given: what came before as well, down to the conversation that the first of a chain stands in. */
#define CONTEXT                                                                                                      \
    "WITH RECURSIVE chain (place, previous, conversation, depth) AS ("                                               \
    " SELECT place, previous, conversation, 0 FROM responses WHERE place = ?1"                                       \
    " UNION ALL SELECT r.place, r.previous, r.conversation, depth + 1 FROM chain c JOIN responses r"                 \
    " ON r.project = ?2 AND r.id = c.previous WHERE depth < 10000),"                                                 \
    " context (depth, place) AS ("                                                                                   \
    " SELECT c.depth, i.place FROM chain c JOIN state_items i ON i.response = c.place WHERE c.depth OR NOT i.output" \
    " UNION ALL SELECT 10001, i.place FROM chain c JOIN state_items i ON i.conversation = c.conversation"            \
    " WHERE c.previous IS NULL AND i.place < (SELECT min(place) FROM state_items WHERE response = c.place))"         \
    " SELECT i.id, i.body FROM context x JOIN state_items i ON i.place = x.place ORDER BY "

enum err state_input_items(struct call *c, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct store *s;
    struct state_row row;
    struct state_page page;
    TRY(state_read_page(c, true, &page, why));
    TRY(state_store(c->control, &s, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    if (is_pinned(c, &row)) return OK;
    TRY(state_check_include(c, why));
    const char *sql = page.descending ? CONTEXT "x.depth, x.place DESC" : CONTEXT "x.depth DESC, x.place";
    TRY(store_query(s, sql, BINDS(V_I64(row.place), V_TEXT(c->project)), &rows, why));
    return state_put_page(c, &rows, &page, why);
}
