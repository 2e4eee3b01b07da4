/* socket_turn: one response on a WebSocket: the request composed from what came and what the strand remembers, run through the
 * whole journey on a local stream, and its events passed on. Called by socket.c, told by the local stream. */
#include <stdio.h>
#include <stdlib.h>

#include "socket_priv.h"

enum { ANSWER_MAX = 256 * 1024, FIELDS_MAX = 16 * 1024, CHANGES = 7 };

static size_t body_max(const struct turn *t) { return t->socket->gl->generation->settings.server.limits.body_max; }

struct turn *turn_new(struct socket *k, struct strand *s, struct str text)
{
    struct turn *t = mem_alloc(sizeof *t);
    t->socket = k;
    t->strand = s;
    buf_init(&t->text, text.n);
    buf_str(&t->text, text);
    buf_init(&t->items, body_max(t));
    buf_init(&t->answer, ANSWER_MAX);
    buf_init(&t->fields, FIELDS_MAX);
    responses_gather_init(&t->gather, body_max(t));
    sse_init(&t->events, k->gl->generation->settings.event_max + KIB(4));
    return t;
}

void turn_free(struct turn *t)
{
    if (t->local) http_local_cancel(t->local);
    buf_done(&t->text);
    buf_done(&t->items);
    buf_done(&t->answer);
    buf_done(&t->fields);
    responses_gather_done(&t->gather);
    sse_done(&t->events);
    free(t);
}

size_t turn_memory(const struct turn *t)
{
    return sizeof *t + t->text.cap + t->items.cap + t->answer.cap + t->fields.cap + t->gather.text.cap + t->gather.places.cap +
           t->events.carry.cap;
}

void turn_pause(struct turn *t, bool pause)
{
    if (!t->local) return;
    if (pause) http_local_pause(t->local);
    else http_local_resume(t->local);
}

/* ---- the answer ---------------------------------------------------------------------------------------------------------- */

static bool is_event_stream(struct http_fields fields)
{
    return str_starts(http_field_get(fields, S("content-type")), S("text/event-stream"));
}

/* What the client would have seen as header fields stands in the error's event. */
static void keep_fields(struct turn *t, struct http_fields fields)
{
    struct json_writer w;
    json_write(&w, &t->fields);
    json_put_object(&w);
    for (size_t i = 0; i < fields.n; i++)
        if (!str_starts(fields.at[i].name, S("content-"))) json_add_str(&w, fields.at[i].name, fields.at[i].value);
    json_put_end(&w);
    if (!json_write_done(&w)) buf_done(&t->fields);
}

static void on_head(struct http_local *l, int status, struct http_fields fields, void *user)
{
    struct turn *t = user;
    (void)l;
    t->status = status;
    t->streaming = status < 300 && is_event_stream(fields);
    if (!t->streaming) keep_fields(t, fields);
}

static void note_id(struct turn *t, const struct json_tape *tape)
{
    uint32_t id = json_path(tape, 0, "response", "id");
    struct str text = id && json_is(tape, id, JSON_STRING) ? json_text(tape, id) : STR_NONE;
    if (!t->id[0] && text.n < sizeof t->id) snprintf(t->id, sizeof t->id, "%.*s", STR_ARG(text));
}

static bool is_stored(const struct json_tape *tape)
{
    uint32_t store = json_path(tape, 0, "response", "store");
    return store && json_is(tape, store, JSON_TRUE);
}

static bool may_be_continued(const struct json_tape *tape)
{
    uint32_t type = json_find(tape, 0, S("type"));
    return json_eq(tape, type, S("response.completed")) || json_eq(tape, type, S("response.incomplete"));
}

static void take_event(struct turn *t, struct str data)
{
    struct json_tape *tape = &t->socket->gl->tape;
    enum responses_event means = responses_gather_event(&t->gather, data, tape);
    uint32_t type = tape->n ? json_find(tape, 0, S("type")) : 0;
    if (!type) return; /* what is no event of this format (`[DONE]`) has no place here */
    if (means != RESPONSES_EVENT_PLAIN) note_id(t, tape);
    if (means == RESPONSES_EVENT_LAST) {
        t->ended = true;
        t->good = may_be_continued(tape);
        t->stored = is_stored(tape);
    }
    if (json_eq(tape, type, S("error"))) {
        t->ended = true;
        say_error_event(t->socket, t->strand, data);
    } else {
        say_event(t->socket, t->strand, data);
    }
}

static void take_events(struct turn *t, struct str bytes)
{
    struct sse_event e;
    if (sse_feed(&t->events, bytes, NULL) != OK) return; /* the exchange has made whole events of its own */
    while (t->socket->ws && sse_next(&t->events, &e))
        if (e.has_data && !t->ended) take_event(t, e.data);
}

static void on_body(struct http_local *l, struct str bytes, void *user)
{
    struct turn *t = user;
    (void)l;
    if (t->streaming) take_events(t, bytes);
    else buf_str(&t->answer, bytes);
}

/* The strand remembers it, unless it is too long to. */
static void keep(struct turn *t)
{
    struct remembered *kept = &t->strand->kept;
    size_t before = t->items.n;
    if (before) buf_char(&t->items, ',');
    size_t from = t->items.n;
    responses_gather_items(&t->gather, &t->items);
    if (t->items.n == from && before) t->items.n = before;
    buf_done(&kept->items);
    kept->id[0] = 0;
    if (t->gather.over || t->items.over || !t->id[0]) return;
    memcpy(kept->id, t->id, sizeof kept->id);
    kept->stored = t->stored;
    kept->items = t->items;
    buf_init(&t->items, 0);
}

static void on_end(struct http_local *l, bool complete, void *user)
{
    static const struct complaint CUT = {502, "upstream_cut", NULL, "the answer ended without its last event"};
    struct turn *t = user;
    (void)l;
    t->local = NULL;
    if (!t->streaming && complete) say_answer(t->socket, t->strand, t->status, buf_view(&t->answer), buf_view(&t->fields));
    else if (!t->ended) say_complaint(t->socket, t->strand, &CUT);
    else if (t->good) keep(t);
    if (!t->good) socket_forget(t->socket, str_z(t->continues));
    socket_turn_over(t);
}

static const struct http_local_handler ANSWER = {on_head, on_body, on_end};

/* ---- the request --------------------------------------------------------------------------------------------------------- */

/* What the request says of itself; spans point into t->text. */
struct ask {
    struct str previous; /* escaped; STR_NONE: not named */
    bool warm;           /* generate: false */
    bool unkept;         /* store: false */
};

static enum err read_flag(const struct json_tape *tape, const char *name, bool *ret_flag, struct fault *why)
{
    uint32_t at = json_find(tape, 0, str_z(name));
    if (!at || json_is(tape, at, JSON_NULL) || json_bool(tape, at, ret_flag)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "%s: must be true or false", name);
}

static enum err read_ask(const struct json_tape *tape, struct ask *ret_ask, struct fault *why)
{
    bool generate = true, store = true, background = false;
    uint32_t previous = json_find(tape, 0, S("previous_response_id"));
    TRY(read_flag(tape, "generate", &generate, why));
    TRY(read_flag(tape, "store", &store, why));
    TRY(read_flag(tape, "background", &background, why));
    if (background)
        return FAIL(why, ERR_BAD_REQUEST, "background: is not supported over WebSocket; send it with POST /v1/responses");
    *ret_ask = (struct ask){.warm = !generate, .unkept = !store};
    if (!previous || json_is(tape, previous, JSON_NULL)) return OK;
    if (!json_is(tape, previous, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "previous_response_id: must be a string");
    ret_ask->previous = json_text(tape, previous);
    return OK;
}

/* False: told. An id that may be kept elsewhere is passed on as it is. */
static bool find_previous(struct turn *t, const struct ask *ask, const struct remembered **ret_kept)
{
    char text[RESPONSE_ID_MAX + 64];
    *ret_kept = ask->previous.n ? socket_find_kept(t->socket, ask->previous) : NULL;
    if (*ret_kept || !ask->previous.p || !ask->unkept) return true;
    snprintf(text, sizeof text, "Previous response with id '%.*s' not found.",
             (int)(ask->previous.n < RESPONSE_ID_MAX ? ask->previous.n : RESPONSE_ID_MAX), ask->previous.p);
    const struct complaint c = {400, "previous_response_not_found", "previous_response_id", text};
    say_complaint(t->socket, t->strand, &c);
    return false;
}

/* t->items: what was before and what comes now. */
static enum err gather_items(struct turn *t, const struct json_tape *tape, const struct remembered *kept, struct fault *why)
{
    if (kept) buf_str(&t->items, buf_view(&kept->items));
    size_t before = t->items.n;
    if (before) buf_char(&t->items, ',');
    size_t from = t->items.n;
    TRY(responses_chain_input(tape, &t->items, why));
    if (t->items.n == from && before) t->items.n = before;
    return t->items.over ? FAIL(why, ERR_BODY_TOO_LARGE, "the conversation is longer than limits.body") : OK;
}

/* Without what only a WebSocket has; with the whole conversation in place of the id of its beginning. */
static enum err compose(struct turn *t, const struct json_tape *tape, const struct remembered *kept, struct buf *out,
                        struct fault *why)
{
    struct json_change changes[CHANGES] = {
        {JSON_DROP, S("type"), STR_NONE},
        {JSON_DROP, S("stream_id"), STR_NONE},
        {JSON_DROP, S("generate"), STR_NONE},
        {JSON_SET, S("stream"), S("true")},
    };
    struct json_edit edits[JSON_EDITS(CHANGES)];
    struct str pieces[JSON_PIECES(JSON_EDITS(CHANGES))];
    struct buf input;
    size_t n = 4;
    buf_init(&input, body_max(t));
    if (kept) {
        buf_char(&input, '[');
        buf_str(&input, buf_view(&t->items));
        buf_char(&input, ']');
        changes[n++] = (struct json_change){JSON_DROP, S("previous_response_id"), STR_NONE};
        changes[n++] = (struct json_change){JSON_SET, S("input"), buf_view(&input)};
    }
    n = json_splice(tape->src, edits, json_plan(tape, 0, changes, n, edits), pieces);
    for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
    bool over = input.over || out->over;
    buf_done(&input);
    return over ? FAIL(why, ERR_BODY_TOO_LARGE, "the conversation is longer than limits.body") : OK;
}

static void send(struct turn *t, struct str body)
{
    struct http_request r = t->socket->head;
    r.body = body;
    r.opener = &t->inside;
    t->local = http_local_open(t->socket->gl->server, &r, &ANSWER, t);
    if (t->socket->resting) http_local_pause(t->local);
}

/* False: refused, and told. */
static bool prepare(struct turn *t, struct buf *body)
{
    struct json_tape *tape = &t->socket->gl->tape;
    const struct remembered *kept = NULL;
    struct fault why = {0};
    struct ask ask = {0};
    enum err e = json_scan(tape, buf_view(&t->text), &WIRE_LIMITS, &why);
    if (e == OK) e = read_ask(tape, &ask, &why);
    if (e == OK && !find_previous(t, &ask, &kept)) return false;
    if (kept) memcpy(t->continues, kept->id, sizeof t->continues);
    if (e == OK) e = gather_items(t, tape, kept, &why);
    bool is_known_there = kept && kept->stored && !ask.unkept; /* then the whole chain stays one where it is stored */
    if (e == OK) e = compose(t, tape, is_known_there ? NULL : kept, body, &why);
    if (e == OK) t->inside.warm = ask.warm;
    else say_fault(t->socket, t->strand, &why);
    return e == OK;
}

void turn_begin(struct turn *t)
{
    struct socket *k = t->socket;
    struct buf body;
    buf_init(&body, body_max(t) + KIB(1)); /* the server's own limit refuses what is longer */
    if (k->is_signed) t->inside.key_id = k->key_id;
    bool is_ready = prepare(t, &body);
    if (is_ready) send(t, buf_view(&body));
    buf_done(&body);
    buf_done(&t->text);
    if (!is_ready) socket_turn_over(t);
}

/* ---- generate: false -------------------------------------------------------------------------------------------------------- */

bool socket_warms(const struct exchange *x)
{
    const struct inside *inside = x->stream->request->opener;
    return inside && inside->warm;
}

/* Authenticated, read and routed as any request, but no provider is called and nothing is charged. */
enum err socket_warm(struct exchange *x)
{
    static struct http_field type = {{"content-type", 12}, {"text/event-stream", 17}};
    struct wire_reply to = {.model = x->request.model, .id = str_z(x->id), .now_s = clock_wall_ms() / 1000};
    TRY(json_scan(&x->gl->tape, x->stream->request->body, NULL, &x->fault)); /* the whole of it, for what the answer repeats */
    responses_warm_put(&x->gl->tape, &x->arena, &to, &x->held);
    x->down = &type;
    x->n_down = 1;
    x->status = 200;
    x->outcome = OUTCOME_ANSWER;
    return x->held.over ? FAIL(&x->fault, ERR_LIMIT, "the answer is longer than limits.answer") : OK;
}
