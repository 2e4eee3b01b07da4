/* What gateways ask of the state service: what came before, to keep a response, to add to a running one's stream and to follow
 * it. Lane STATE. The paths and bodies are between gateway and control of one version. */
#include "admin/priv.h"

#include <stdio.h>

/* ---- recall ---------------------------------------------------------------------------------------------------------------- */

/* Down the chain; what stands before its first response in a conversation comes first. */
static const char CHAIN[] =
    "WITH RECURSIVE chain (place, previous, conversation, depth) AS ("
    " SELECT place, previous, conversation, 0 FROM responses WHERE place = ?1"
    " UNION ALL SELECT r.place, r.previous, r.conversation, depth + 1 FROM chain c JOIN responses r"
    " ON r.project = ?2 AND r.id = c.previous WHERE depth < 10000),"
    " context (depth, place) AS ("
    " SELECT c.depth, i.place FROM chain c JOIN state_items i ON i.response = c.place"
    " UNION ALL SELECT 10001, i.place FROM chain c JOIN state_items i ON i.conversation = c.conversation"
    " WHERE c.previous IS NULL AND i.place < (SELECT min(place) FROM state_items WHERE response = c.place))"
    " SELECT i.body FROM context x JOIN state_items i ON i.place = x.place WHERE i.replays ORDER BY x.depth DESC, x.place";

/* A chain whose middle was deleted, or that goes on behind what is looked at, would tell the model half of a conversation. */
static const char GAP[] = "WITH RECURSIVE chain (previous, depth) AS ("
                          " SELECT previous, 0 FROM responses WHERE place = ?1"
                          " UNION ALL SELECT r.previous, depth + 1 FROM chain c JOIN responses r"
                          " ON r.project = ?2 AND r.id = c.previous WHERE depth < 10000)"
                          " SELECT count(*) FROM chain WHERE previous IS NOT NULL AND (depth = 10000 OR NOT EXISTS"
                          " (SELECT 1 FROM responses r WHERE r.project = ?2 AND r.id = chain.previous))";

static const char USED[] = "WITH RECURSIVE chain (place, previous, depth) AS ("
                           " SELECT place, previous, 0 FROM responses WHERE place = ?1"
                           " UNION ALL SELECT r.place, r.previous, depth + 1 FROM chain c JOIN responses r"
                           " ON r.project = ?2 AND r.id = c.previous WHERE depth < 10000)"
                           " UPDATE responses SET used_ms = ?3 WHERE place IN (SELECT place FROM chain) AND used_ms < ?4";

/* Not at every use: a thirtieth of the retention is exact enough, and costs no write. */
static int64_t fresh_ms(const struct control *c, int64_t now)
{
    return now - (int64_t)(atomic_load(&c->state.retention_ms) / 30);
}

/* The gateway says how much it takes; work behind that is in vain, and others wait for this lane. */
static enum err check_size(const struct call *c, struct fault *why)
{
    return c->out.over ? FAIL(why, ERR_BODY_TOO_LARGE, "the conversation with its earlier items is longer than limits.body") : OK;
}

static enum err put_items(struct call *c, struct store_rows *rows, struct fault *why)
{
    bool more, first = true;
    enum err got;
    buf_char(&c->out, '[');
    while ((got = store_next(rows, &more, why)) == OK && more) {
        if (!first) buf_char(&c->out, ',');
        first = false;
        buf_str(&c->out, store_blob(rows, 0));
        TRY(check_size(c, why));
    }
    buf_char(&c->out, ']');
    return got;
}

static enum err recall_response(struct call *c, struct store *s, struct str id, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct state_row row;
    int64_t gaps, now = clock_wall_ms();
    TRY(state_find(c, s, id, &row, why));
    if (row.deployment.n) {
        c->extra = (struct http_field){S("x-aquifer-deployment"), row.deployment};
        return OK;
    }
    if (row.runs.n) return FAIL(why, ERR_BAD_REQUEST, "Response '%.*s' is still running.", STR_ARG(id));
    TRY(store_get_i64(s, GAP, BINDS(V_I64(row.place), V_TEXT(c->project)), &gaps, why));
    if (gaps)
        return FAIL(why, ERR_NOT_FOUND, "A response that '%.*s' continues was deleted, is too old or too far back.", STR_ARG(id));
    TRY(store_exec(s, USED, BINDS(V_I64(row.place), V_TEXT(c->project), V_I64(now), V_I64(fresh_ms(c->control, now))), NULL,
                   why));
    TRY(store_query(s, CHAIN, BINDS(V_I64(row.place), V_TEXT(c->project)), &rows, why));
    return put_items(c, &rows, why);
}

static enum err recall_conversation(struct call *c, struct store *s, struct str id, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    int64_t place, now = clock_wall_ms();
    TRY(talk_find(c, s, id, &place, why));
    TRY(store_exec(s, "UPDATE conversations SET used_ms = ?2 WHERE place = ?1 AND used_ms < ?3",
                   BINDS(V_I64(place), V_I64(now), V_I64(fresh_ms(c->control, now))), NULL, why));
    TRY(store_query(s, "SELECT body FROM state_items WHERE conversation = ?1 AND replays ORDER BY place", BINDS(V_I64(place)),
                    &rows, why));
    return put_items(c, &rows, why);
}

enum err state_recall(struct call *c, struct fault *why)
{
    struct store *s;
    struct str response, conversation;
    TRY(call_query(c, "response", &response, why));
    TRY(call_query(c, "conversation", &conversation, why));
    TRY(state_store(c->control, &s, why));
    return response.n ? recall_response(c, s, response, why) : recall_conversation(c, s, conversation, why);
}

/* ---- items named by their ids -------------------------------------------------------------------------------------------------- */

enum { NAMED_MAX = 4096 }; /* each is a query of its own */

static enum err put_named(struct call *c, struct store *s, const struct json_tape *t, uint32_t item, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    uint32_t at = json_find(t, item, S("id"));
    bool more;
    if (!at || !json_is(t, at, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "input: an item_reference has no id");
    struct str id = json_text(t, at);
    TRY(store_query(
        s,
        "SELECT i.body FROM state_items i LEFT JOIN responses r ON r.place = i.response"
        " LEFT JOIN conversations c ON c.place = i.conversation WHERE i.id = ?1 AND (r.project = ?2 OR c.project = ?2)",
        BINDS(V_TEXT(id), V_TEXT(c->project)), &rows, why));
    TRY(store_next(&rows, &more, why));
    if (!more) return FAIL(why, ERR_NOT_FOUND, "Item with id '%.*s' not found.", (int)(id.n < 100 ? id.n : 100), id.p);
    buf_str(&c->out, store_blob(&rows, 0));
    return OK;
}

/* Responses API reference, ItemReferenceParam: the type may be left out. A message without one has a role. */
static bool is_reference(const struct json_tape *t, uint32_t item)
{
    if (!json_is(t, item, JSON_OBJECT)) return false;
    uint32_t type = json_find(t, item, S("type")), id = json_find(t, item, S("id"));
    if (type && !json_is(t, type, JSON_NULL)) return json_eq(t, type, S("item_reference"));
    return id && json_is(t, id, JSON_STRING) && !json_find(t, item, S("role"));
}

/* The request's input with kept items in the place of their references. */
enum err state_resolve(struct call *c, struct fault *why)
{
    static const struct json_limits limits = {.max_depth = 600, .record_depth = 2};
    struct json_tape *t = &c->control->state.tape;
    struct store *s;
    uint32_t item, n = 0;
    TRY(state_store(c->control, &s, why));
    TRY(json_scan(t, c->body, &limits, why));
    buf_char(&c->out, '[');
    for (struct json_iter it = json_each(t, 0); json_next(t, &it, &item);) {
        if (c->out.n > 1) buf_char(&c->out, ',');
        bool named = is_reference(t, item);
        if (named && ++n > NAMED_MAX)
            return FAIL(why, ERR_BAD_REQUEST, "input: there are more than %d item_references", NAMED_MAX);
        if (named) TRY(put_named(c, s, t, item, why));
        else buf_str(&c->out, json_raw(t, item));
        TRY(check_size(c, why));
    }
    buf_char(&c->out, ']');
    return OK;
}

/* ---- keep ------------------------------------------------------------------------------------------------------------------ */

/* One response as its gateway tells it; spans into the tape. */
struct keeping {
    struct str id, previous, conversation, runs, deployment;
    uint32_t input, output, events, response; /* nodes; 0: not told */
    bool background, streams;
    int64_t place, talk;
    int64_t until_ms; /* later its gateway waits no more, and nobody would ever end it */
};

static struct str text_of(const struct json_tape *t, const char *name)
{
    uint32_t at = json_find(t, 0, str_z(name));
    return at && json_is(t, at, JSON_STRING) ? json_text(t, at) : STR_NONE;
}

static enum err read_keeping(const struct json_tape *t, struct keeping *k, struct fault *why)
{
    *k = (struct keeping){
        .id = text_of(t, "id"),
        .previous = text_of(t, "previous"),
        .conversation = text_of(t, "conversation"),
        .runs = text_of(t, "runs"),
        .deployment = text_of(t, "deployment"),
        .input = json_find(t, 0, S("input")),
        .output = json_find(t, 0, S("output")),
        .events = json_find(t, 0, S("events")),
        .response = json_find(t, 0, S("response")),
    };
    uint32_t background = json_find(t, 0, S("background")), streams = json_find(t, 0, S("streams"));
    k->background = background && json_is(t, background, JSON_TRUE);
    k->streams = streams && json_is(t, streams, JSON_TRUE);
    uint32_t until = json_find(t, 0, S("until"));
    if (!until || !json_i64(t, until, &k->until_ms)) k->until_ms = INT64_MAX;
    bool whole = k->id.n && (k->response || k->deployment.n);
    return whole ? OK : FAIL(why, ERR_BAD_REQUEST, "a response to keep needs an id and its object");
}

static struct store_value text_or_null(struct str s) { return s.n ? V_TEXT(s) : V_NULL; }

/* The object without its items, which are rows of their own, and where they belong. */
static enum err put_body(const struct json_tape *t, const struct keeping *k, struct buf *out, int64_t *ret_at, struct fault *why)
{
    struct str raw = json_raw(t, k->response);
    uint32_t output = json_find(t, k->response, S("output"));
    if (!output || !json_is(t, output, JSON_ARRAY)) return FAIL(why, ERR_BAD_REQUEST, "a response to keep has no output");
    size_t from = json_node(t, output)->start + 1 - json_node(t, k->response)->start, n = json_node(t, output)->len - 2;
    buf_str(out, str_make(raw.p, from));
    buf_str(out, str_from(raw, from + n));
    *ret_at = (int64_t)from;
    return OK;
}

/* Made, or, when it ran in the background, brought up to date; one that was cancelled or given up meanwhile stays as it is. */
static enum err put_row(struct call *c, struct store *s, struct keeping *k, const struct buf *body, int64_t at, struct fault *why)
{
    struct store_value object = body->n ? V_BLOB(buf_view(body)) : V_NULL;
    TRY(store_exec(s,
                   "INSERT INTO responses (project, id, previous, conversation, used_ms, background, runs, body, output_at,"
                   " deployment, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                   " ON CONFLICT (project, id) DO UPDATE SET runs = ?7, body = ?8, output_at = ?9, used_ms = ?5, bytes = ?11"
                   " WHERE responses.runs IS NOT NULL OR responses.deployment IS NOT NULL",
                   BINDS(V_TEXT(c->project), V_TEXT(k->id), text_or_null(k->previous), V_OPT_I64(k->talk, k->talk),
                         V_I64(clock_wall_ms()), V_I64(k->background + k->streams), text_or_null(k->runs), object, V_I64(at),
                         text_or_null(k->deployment), V_I64(body->n)),
                   NULL, why));
    return store_get_i64(s, "SELECT place FROM responses WHERE project = ?1 AND id = ?2",
                         BINDS(V_TEXT(c->project), V_TEXT(k->id)), &k->place, why);
}

/* What a conversation gets of a response that ran: all of it, once it is over. */
static enum err put_in_talk(struct store *s, const struct keeping *k, struct fault *why)
{
    if (!k->talk || k->runs.n) return OK;
    TRY(store_exec(s, "UPDATE state_items SET conversation = ?2 WHERE response = ?1", BINDS(V_I64(k->place), V_I64(k->talk)),
                   NULL, why));
    return store_exec(s, "UPDATE conversations SET used_ms = ?2 WHERE place = ?1", BINDS(V_I64(k->talk), V_I64(clock_wall_ms())),
                      NULL, why);
}

/* Those of a running response: each by its number, once. */
static enum err add_events(struct store *s, const struct json_tape *t, uint32_t array, int64_t place, struct fault *why)
{
    uint32_t event;
    for (struct json_iter it = json_each(t, array); json_next(t, &it, &event);) {
        uint32_t number = json_find(t, event, S("sequence_number"));
        int64_t at;
        if (!number || !json_i64(t, number, &at)) continue;
        TRY(store_exec(s,
                       "INSERT INTO response_events (response, number, body, bytes) VALUES (?1, ?2, ?3, ?4)"
                       " ON CONFLICT DO NOTHING",
                       BINDS(V_I64(place), V_I64(at), V_BLOB(json_raw(t, event)), V_I64(json_raw(t, event).n)), NULL, why));
    }
    return OK;
}

/* Only its beginning makes a response: one that was deleted while it ran stays deleted. */
static enum err check_row(struct call *c, struct store *s, const struct keeping *k, bool *ret_over, struct fault *why)
{
    int64_t there, over;
    bool begins = k->input || k->deployment.n;
    TRY(store_get_i64(s, "SELECT count(*) FROM responses WHERE project = ?1 AND id = ?2",
                      BINDS(V_TEXT(c->project), V_TEXT(k->id)), &there, why));
    TRY(store_get_i64(s, "SELECT count(*) FROM responses WHERE project = ?1 AND id = ?2 AND runs IS NULL AND deployment IS NULL",
                      BINDS(V_TEXT(c->project), V_TEXT(k->id)), &over, why));
    *ret_over = over > 0; /* cancelled, or given up by a sweep */
    return there || begins ? OK : FAIL(why, ERR_NOT_FOUND, "the response was deleted while it ran");
}

/* The conversation may have been deleted since the response began; then what comes is the response's alone. */
static enum err find_talk(struct store *s, struct keeping *k, struct fault *why)
{
    if (k->talk) return OK;
    return store_get_i64(
        s, "SELECT max(c.place) FROM responses r JOIN conversations c ON c.place = r.conversation WHERE r.place = ?1",
        BINDS(V_I64(k->place)), &k->talk, why);
}

static enum err keep(struct call *c, struct store *s, const struct json_tape *t, struct keeping *k, struct fault *why)
{
    struct buf body;
    int64_t at = 0;
    bool was_over;
    if (k->conversation.n) TRY(talk_find(c, s, k->conversation, &k->talk, why));
    TRY(check_row(c, s, k, &was_over, why));
    if (was_over) return OK;
    buf_init(&body, SIZE_MAX / 4);
    enum err got = k->response ? put_body(t, k, &body, &at, why) : OK;
    if (got == OK) got = put_row(c, s, k, &body, at, why);
    buf_done(&body);
    TRY(got);
    struct state_owner owner = {.response = k->place, .side = STATE_INPUT};
    TRY(find_talk(s, k, why));
    TRY(state_put_items(c, s, t, k->input, &owner, why));
    owner.side = STATE_OUTPUT;
    TRY(state_put_items(c, s, t, k->output, &owner, why));
    if (k->events) TRY(add_events(s, t, k->events, k->place, why));
    return put_in_talk(s, k, why);
}

enum err state_keep(struct call *c, struct fault *why)
{
    static const struct json_limits limits = {.max_depth = 600, .record_depth = 4};
    struct json_tape *t = &c->control->state.tape;
    struct store *s;
    struct keeping k;
    TRY(state_store(c->control, &s, why));
    TRY(json_scan(t, c->body, &limits, why));
    TRY(read_keeping(t, &k, why));
    if (clock_wall_ms() > k.until_ms) return FAIL(why, ERR_REQUEST_TIMEOUT, "the response was given up before it could be kept");
    TRY(store_begin(s, why));
    enum err got = keep(c, s, t, &k, why);
    json_tape_trim(t, 1 << 16);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

/* ---- a running one's stream ------------------------------------------------------------------------------------------------ */

static enum err add_at_once(struct call *c, struct store *s, int64_t place, struct fault *why)
{
    static const struct json_limits limits = {.max_depth = 600, .record_depth = 2};
    struct json_tape *t = &c->control->state.tape;
    if (c->body.n == 0) return OK;
    TRY(json_scan(t, c->body, &limits, why));
    TRY(store_begin(s, why));
    enum err got = add_events(s, t, 0, place, why);
    if (got == OK) return store_commit(s, why);
    store_rollback(s);
    return got;
}

/* Says whether it shall go on: not when it was cancelled, deleted, or given up. */
enum err state_events(struct call *c, struct fault *why)
{
    struct store *s;
    struct state_row row;
    TRY(state_store(c->control, &s, why));
    enum err got = state_find(c, s, c->parameter, &row, why);
    if (got == OK && row.runs.n) {
        buf_str(&c->out, S("{\"runs\":true}"));
        return add_at_once(c, s, row.place, why);
    }
    if (got != OK && got != ERR_NOT_FOUND) return got;
    buf_str(&c->out, S("{\"runs\":false}"));
    why->code = OK;
    return OK;
}

/* ---- following --------------------------------------------------------------------------------------------------------------- */

enum { FOLLOW_BYTES = 256 * 1024 };

static void put_event(struct call *c, struct str body)
{
    struct json_tape *t = &c->control->state.item;
    if (json_scan(t, body, &JSON_LIMITS_TOP, NULL) != OK) return; /* it was read when it was stored */
    uint32_t type = json_find(t, 0, S("type"));
    buf_str(&c->out, S("event: "));
    if (type) buf_str(&c->out, json_text(t, type));
    buf_str(&c->out, S("\ndata: "));
    buf_str(&c->out, body);
    buf_str(&c->out, S("\n\n"));
}

/* The events behind a number, as they go to a client; the field says where it stands then, and whether more will come. */
enum err state_follow(struct call *c, struct fault *why)
{
    CLEANUP(store_rows_done) struct store_rows rows = {0};
    struct store *s;
    struct state_row row;
    struct str after;
    uint64_t number = 0;
    bool more = false, full = false;
    char text[48];
    enum err got;
    TRY(call_query(c, "after", &after, why));
    TRY(state_store(c->control, &s, why));
    TRY(state_find(c, s, c->parameter, &row, why));
    if (row.background != STATE_STREAMED)
        return FAIL(why, ERR_BAD_REQUEST,
                    "The events of this response are not kept: only those of one made with background and stream are.");
    int64_t last = after.n && str_u64(after, &number) ? (int64_t)number : -1;
    TRY(store_query(s, "SELECT number, body FROM response_events WHERE response = ?1 AND number > ?2 ORDER BY number",
                    BINDS(V_I64(row.place), V_I64(last)), &rows, why));
    while (!full && (got = store_next(&rows, &more, why)) == OK && more) {
        put_event(c, store_blob(&rows, 1));
        last = store_i64(&rows, 0);
        full = c->out.n > FOLLOW_BYTES;
    }
    if (got != OK) return got;
    bool goes_on = full || row.runs.n;
    snprintf(text, sizeof text, "%lld %s", (long long)last, goes_on ? "more" : "over");
    c->extra.name = S("x-aquifer-follow");
    c->content_type = "text/event-stream";
    return arena_str(&c->arena, str_z(text), &c->extra.value) ? OK : FAIL(why, ERR_LIMIT, "the answer does not fit");
}
