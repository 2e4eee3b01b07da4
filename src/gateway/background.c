/* Responses that go on without their caller. The caller's exchange stores the queued response and opens a local stream with the
 * same request; the exchange behind that does the work as any other, and what it answers is stored piece by piece. Who wants to
 * see it, the first caller included, follows what is stored. A run is its loop's; it ends with its local stream, or when it is
 * told that nobody wants it any more. */
#include "gateway/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 500, PENDING_HIGH = 1024 * 1024, ERROR_MAX = 64 * 1024 };

struct run {
    struct inside inside;
    struct gateway_loop *gl;
    struct run *next, **at; /* of the loop */
    struct exchange *waits; /* the caller's, until it has its answer */
    struct http_local *local;
    char id[64], key_id[KEY_ID_LEN + 1], project[PROJECT_NAME_MAX + 1];
    struct budget_hold hold; /* taken for the caller's exchange, from there to the one that does the work */
    size_t counted;          /* bytes told to the memory ceiling */
    uint32_t talk;           /* the claim of its conversation */
    bool streams;            /* its events are kept */
    uint32_t wait_ms;
    int64_t until_ms; /* wall clock; later it is not begun any more */
    struct sse_reader reader;
    struct responses_gather gather;
    struct buf queued;  /* the response as it was taken in */
    struct buf object;  /* … and as it is known by now */
    size_t most;        /* bytes of it that are kept */
    struct buf pending; /* events that are not stored yet, commas between them */
    size_t sending;     /* bytes of it that are under way */
    uint64_t number;    /* of the next event, were it ours */
    unsigned refused;   /* times that its end was not taken */
    struct buf error;   /* what an exchange that never began to answer said */
    int status;
    bool progressed, tells_progress, ended;
    bool keeps;  /* what is under way stores the object, not only events */
    bool leaves; /* the work is given up: what it still says is not waited for */
    bool stored; /* its end is: on_local_end() frees */
    struct state_call call;
    struct timer timer;
};

struct str run_id(const struct run *r) { return str_z(r->id); }

static void run_free(struct run *r)
{
    *r->at = r->next;
    if (r->next) r->next->at = r->at;
    timer_cancel(r->gl->loop, &r->timer);
    state_call_stop(&r->call);
    state_call_done(&r->call);
    sse_done(&r->reader);
    responses_gather_done(&r->gather);
    buf_done(&r->queued);
    buf_done(&r->object);
    buf_done(&r->pending);
    buf_done(&r->error);
    budget_undo(&r->hold);
    talk_release(r->gl->gateway, &r->talk);
    memory_take(r->gl->gateway, -(int64_t)r->counted);
    free(r);
}

/* ---- memory ----------------------------------------------------------------------------------------------------------------- */

/* The end is stored in one question, which has all of it once more: that is taken while it comes, so that an end never waits for
 * memory. */
static size_t bytes_of(const struct run *r)
{
    size_t told = r->gather.text.cap + r->object.cap + r->pending.cap, question = r->call.request.cap;
    size_t rest = r->gather.places.cap + r->queued.cap + r->error.cap + r->reader.carry.cap + r->reader.joined.cap;
    return sizeof *r + rest + told + (question > told ? question : told);
}

/* False: there is no room for what was added. What went is given back in any case. */
static bool count(struct run *r)
{
    size_t bytes = bytes_of(r);
    bool fits = memory_take(r->gl->gateway, (int64_t)bytes - (int64_t)r->counted);
    if (fits) r->counted = bytes;
    return fits;
}

/* ---- storing ---------------------------------------------------------------------------------------------------------------- */

static void flush(struct run *r);
static void on_stored(struct state_call *c, enum err got);
static void on_end_stored(struct state_call *c, enum err got);
static void give_less(struct run *r);

static void on_poll(struct timer *t) { flush(CONTAINER_OF(t, struct run, timer)); }

static void put_list(struct json_writer *w, const char *name, struct str list)
{
    json_put_name(w, str_z(name));
    json_put_raw(w, S("["));
    buf_str(w->out, list);
    buf_char(w->out, ']');
}

/* Who runs it, so that control can tell when nobody does any more. */
static void put_runner(const struct run *r, struct json_writer *w)
{
    char text[48];
    const struct gateway *g = r->gl->gateway;
    snprintf(text, sizeof text, "%u:%lld", g->slot_number, (long long)atomic_load(&g->slot->started_ms));
    json_add_str(w, S("runs"), str_z(text));
}

static void put_keep(struct run *r, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("id"), str_z(r->id));
    json_add_bool(&w, S("background"), true);
    json_add_bool(&w, S("streams"), r->streams);
    if (!r->ended) put_runner(r, &w);
    put_list(&w, "events", buf_view(&r->pending));
    json_put_name(&w, S("output"));
    json_put_raw(&w, S("["));
    if (r->ended) responses_gather_items(&r->gather, out);
    buf_char(out, ']');
    json_add_raw(&w, S("response"), buf_view(&r->object));
    json_put_end(&w);
    r->sending = r->pending.n;
}

static void ask(struct run *r, struct str method, const char *target)
{
    const struct state_request q = {method, str_z(target), str_z(r->project), r->wait_ms, KIB(64)};
    state_ask(r->gl, &r->call, &q);
}

/* Not even its failure is taken: better none than one that is in progress for ever. */
static void forget(struct run *r)
{
    char target[96];
    timer_cancel(r->gl->loop, &r->timer);
    buf_clear(&r->call.request);
    r->call.on_done = on_end_stored;
    snprintf(target, sizeof target, "/v1/responses/%s", r->id);
    ask(r, S("DELETE"), target);
}

/* One question at a time; what comes meanwhile goes with the next. An empty one asks whether it shall go on. */
static void flush(struct run *r)
{
    char target[96];
    if (r->call.call) return;
    if (r->refused > 1) {
        forget(r);
        return;
    }
    timer_cancel(r->gl->loop, &r->timer);
    buf_clear(&r->call.request);
    r->call.on_done = r->ended ? on_end_stored : on_stored;
    r->keeps = r->ended || r->tells_progress;
    if (r->keeps) {
        r->tells_progress = false;
        put_keep(r, &r->call.request);
        ask(r, S("POST"), "/keep");
        return;
    }
    if (r->pending.n) {
        buf_char(&r->call.request, '[');
        buf_str(&r->call.request, buf_view(&r->pending));
        buf_char(&r->call.request, ']');
    }
    r->sending = r->pending.n;
    snprintf(target, sizeof target, "/events/%s", r->id);
    ask(r, S("POST"), target);
}

/* The comma behind what was sent goes with it. */
static void drop_sent(struct run *r)
{
    if (r->sending == 0) return;
    follow_stored(r->gl, run_id(r));
    size_t n = r->sending < r->pending.n ? r->sending + 1 : r->sending;
    buf_drop_head(&r->pending, n);
    r->sending = 0;
}

static void resume(struct run *r)
{
    if (r->local && r->pending.n < PENDING_HIGH && !r->ended) http_local_resume(r->local);
}

/* Nobody wants it any more: cancelled, deleted, or given up. */
static void stop(struct run *r)
{
    struct http_local *local = r->local;
    r->local = NULL;
    if (r->waits) r->waits->kept->starts = NULL; /* its exchange outlives a loop's runs, by a moment */
    if (local) http_local_cancel(local);
    run_free(r);
}

static bool is_gone(const struct run *r)
{
    if (r->keeps) return r->call.status == 404;
    return r->call.status < 400 && !str_eq(buf_view(&r->call.answer), S("{\"runs\":true}"));
}

static void on_stored(struct state_call *c, enum err got)
{
    struct run *r = CONTAINER_OF(c, struct run, call);
    if (got != OK) { /* control is away: it waits, and so does the provider once enough has come */
        r->tells_progress |= r->keeps;
        timer_set(r->gl->loop, &r->timer, POLL_MS, on_poll);
        return;
    }
    if (is_gone(r)) {
        stop(r);
        return;
    }
    if (r->keeps && c->status >= 400) r->sending = 0; /* refused as a whole: its events go without it */
    drop_sent(r);
    resume(r);
    timer_set(r->gl->loop, &r->timer, r->pending.n || r->ended ? 0 : POLL_MS, on_poll);
}

static bool is_refused(const struct run *r) { return r->refused < 2 && r->call.status >= 400 && r->call.status != 404; }

static void on_end_stored(struct state_call *c, enum err got)
{
    struct run *r = CONTAINER_OF(c, struct run, call);
    bool again = got != OK || is_refused(r);
    if (got == OK && again) give_less(r);
    if (again) {
        timer_set(r->gl->loop, &r->timer, POLL_MS, on_poll);
        return;
    }
    talk_release(r->gl->gateway, &r->talk);
    follow_stored(r->gl, run_id(r));
    if (r->leaves) {
        stop(r);
        return;
    }
    if (r->local) {
        r->stored = true; /* on_end() comes, and frees */
        http_local_resume(r->local);
        return;
    }
    run_free(r);
}

/* ---- ends that the provider did not make ---------------------------------------------------------------------------------------- */

/* What the exchange said instead of an answer; points into `error` by the tape. */
static struct str word_of(const struct run *r)
{
    struct json_tape *t = &r->gl->tape;
    uint32_t at = json_scan(t, buf_view(&r->error), &WIRE_LIMITS, NULL) == OK ? json_path(t, 0, "error", "message") : 0;
    if (at && json_is(t, at, JSON_STRING)) return json_text(t, at);
    return S("the exchange broke off before the response was whole");
}

/* The object as it was, failed; STR_NONE: with what the exchange said. */
static void fail_object(struct run *r, struct str message)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 4);
    responses_failed_put(&r->gl->tape, buf_view(&r->object), message.n ? message : word_of(r), &text);
    buf_done(&r->object);
    r->object = text;
}

static void put_event(struct run *r, struct str type)
{
    struct json_writer w;
    if (!r->streams) return;
    if (r->pending.n) buf_char(&r->pending, ',');
    json_write(&w, &r->pending);
    json_put_object(&w);
    json_add_str(&w, S("type"), type);
    json_add_i64(&w, S("sequence_number"), (int64_t)r->number++);
    json_add_raw(&w, S("response"), buf_view(&r->object));
    json_put_end(&w);
}

/* Its followers are told as the vendor would: first that there is one, if nothing said so yet. */
static void fail(struct run *r, struct str message)
{
    if (r->number == 0) put_event(r, S("response.created"));
    fail_object(r, message);
    put_event(r, S("response.failed"));
}

/* What was queued was taken once: it is taken as a failure, too. */
static void give_less(struct run *r)
{
    r->refused++;
    LOG(LOG_WARN, "state.refused", "the end of a response in the background was not taken by its keeper", F_Z("id", r->id));
    responses_gather_done(&r->gather);
    buf_clear(&r->pending);
    r->sending = 0;
    buf_clear(&r->object);
    buf_str(&r->object, buf_view(&r->queued));
    fail(r, S("the response could not be stored as the provider gave it"));
}

/* ---- what the working exchange says -------------------------------------------------------------------------------------------- */

static void end(struct run *r)
{
    r->ended = true;
    if (r->local) http_local_pause(r->local); /* a drain waits for it, and so for the store */
}

/* Its items were gathered: they are not held twice. What is no list of items is left for its keeper to refuse. */
static void take_object(struct run *r)
{
    struct json_tape *t = &r->gl->tape;
    const struct json_change none = {JSON_SET, S("output"), S("[]")};
    struct json_edit edits[JSON_EDITS(1)];
    struct str pieces[JSON_PIECES(JSON_EDITS(1))], raw = json_raw(t, json_find(t, 0, S("response")));
    must(json_scan(t, raw, &JSON_LIMITS_TOP, NULL) == OK); /* as a part of the event */
    uint32_t output = json_find(t, 0, S("output"));
    bool has_items = output && json_is(t, output, JSON_ARRAY);
    size_t n = has_items ? json_plan(t, 0, &none, 1, edits) : JSON_TWICE;
    buf_clear(&r->object);
    if (n == JSON_TWICE) {
        buf_str(&r->object, raw);
        return;
    }
    n = json_splice(raw, edits, n, pieces);
    for (size_t i = 0; i < n; i++) buf_str(&r->object, pieces[i]);
}

/* Why an answer is failed rather than shown as whole; STR_NONE: it is fine. The tape holds the event. */
static struct str fault_of(const struct run *r, enum responses_event means, size_t bytes)
{
    const struct json_tape *t = &r->gl->tape;
    const struct json_change changes[] = {{JSON_DROP, S("status"), STR_NONE}, {JSON_DROP, S("error"), STR_NONE}};
    struct json_edit edits[JSON_EDITS(2)];
    if (means == RESPONSES_EVENT_PLAIN) return STR_NONE;
    if (json_plan(t, json_find(t, 0, S("response")), changes, COUNTOF(changes), edits) == JSON_TWICE)
        return S("the provider's response object has a member twice");
    bool over = means == RESPONSES_EVENT_LAST && (r->gather.over || bytes > r->most);
    return over ? S("the response is longer than what is kept of one (state.max_response)") : STR_NONE;
}

/* What came so far is given up, and the provider's call with it. */
static void end_starved(struct run *r)
{
    r->leaves = true;
    responses_gather_done(&r->gather);
    sse_done(&r->reader);
    fail(r, S("Aquifer was at its memory ceiling (memory.max) while the response came: ask again"));
    end(r);
    ignore_err(count(r) ? OK : ERR_OVERLOADED);
}

static void end_failed(struct run *r, struct str why)
{
    responses_gather_done(&r->gather);
    fail(r, why);
    end(r);
}

static void take_event(struct run *r, const struct sse_event *e)
{
    struct json_tape *t = &r->gl->tape;
    uint64_t number = r->number;
    if (!e->has_data || r->ended) return;
    if (json_scan(t, e->data, &JSON_LIMITS_TOP, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return;
    uint32_t at = json_find(t, 0, S("sequence_number"));
    if (at && json_u64(t, at, &number) && number >= INT64_MAX) number = r->number;
    enum responses_event means = responses_gather_event(&r->gather, e->data, t);
    struct str why = fault_of(r, means, e->data.n);
    if (why.n) {
        end_failed(r, why);
        return;
    }
    r->number = number + (at != 0);
    if (r->streams) {
        if (r->pending.n) buf_char(&r->pending, ',');
        buf_str(&r->pending, e->data);
    }
    if (means == RESPONSES_EVENT_PLAIN) return;
    take_object(r);
    if (!r->progressed) r->tells_progress = true;
    r->progressed = true;
    if (means == RESPONSES_EVENT_LAST) end(r);
}

static void on_local_head(struct http_local *l, int status, struct http_fields fields, void *user)
{
    struct run *r = user;
    r->status = status;
}

static void on_local_body(struct http_local *l, struct str bytes, void *user)
{
    struct run *r = user;
    struct sse_event e;
    struct fault why;
    if (r->status >= 300) {
        buf_str(&r->error, bytes);
        return;
    }
    if (sse_feed(&r->reader, bytes, &why) == OK)
        while (sse_next(&r->reader, &e)) take_event(r, &e);
    if (!count(r) && !r->ended) end_starved(r);
    if (r->pending.n > PENDING_HIGH) http_local_pause(l);
    if (r->ended || r->tells_progress || r->pending.n) flush(r);
}

static void on_local_end(struct http_local *l, bool complete, void *user)
{
    struct run *r = user;
    r->local = NULL;
    if (r->stored) {
        run_free(r);
        return;
    }
    if (!r->ended) fail(r, STR_NONE);
    r->ended = true;
    flush(r);
}

static const struct http_local_handler local_handler = {on_local_head, on_local_body, on_local_end};

/* ---- the beginning --------------------------------------------------------------------------------------------------------------- */

static void answer_queued(struct run *r, struct exchange *x)
{
    struct http_field *fields = arena_alloc(&x->arena, (OUR_FIELDS_MAX + 1) * sizeof *fields);
    if (!fields) {
        FAIL(&x->fault, ERR_INTERNAL, "the answer does not fit its bounds");
        x->outcome = OUTCOME_FAULT;
        return;
    }
    fields[0] = (struct http_field){S("content-type"), S("application/json")};
    x->down = fields;
    x->n_down = 1 + our_fields(x, (struct http_fields){NULL, 0}, fields + 1);
    x->status = 200;
    buf_clear(&x->held);
    buf_str(&x->held, buf_view(&r->object));
    x->outcome = OUTCOME_ANSWER;
}

static void work(struct run *r, struct exchange *x)
{
    struct http_request request = *x->stream->request;
    r->hold = x->hold; /* for the exchange that does the work: given back and taken again, another could come between */
    x->hold = (struct budget_hold){0};
    request.opener = &r->inside;
    r->local = http_local_open(r->gl->server, &request, &local_handler, r);
    timer_set(r->gl->loop, &r->timer, POLL_MS, on_poll);
}

/* Nobody was told of it, and it may be stored all the same: it is removed, once the service would not begin it any more. */
static void never_begun(struct run *r)
{
    int64_t left = r->until_ms - clock_wall_ms();
    buf_done(&r->queued);
    buf_done(&r->object);
    r->refused = 2;
    talk_release(r->gl->gateway, &r->talk);
    ignore_err(count(r) ? OK : ERR_OVERLOADED); /* it became less */
    timer_set(r->gl->loop, &r->timer, left > 0 ? (uint64_t)left + 1 : 1, on_poll);
}

static enum err read_begun(struct state_call *c, enum err got)
{
    if (got != OK || c->status < 400) return got;
    if (c->status == 404) return FAIL(&c->why, ERR_RECALL, "the response could not be kept: its conversation is gone");
    c->why.retry_after_s = 1;
    return FAIL(&c->why, ERR_RECALL, "the response could not be kept: try again");
}

static void on_begun(struct state_call *c, enum err got)
{
    struct run *r = CONTAINER_OF(c, struct run, call);
    struct exchange *x = r->waits;
    bool is_unknown = got != OK && c->sent;
    r->waits = NULL;
    if (x) x->kept->starts = NULL;
    got = read_begun(c, got);
    if (got != OK) {
        if (x) x->fault = c->why;
        if (x) x->outcome = OUTCOME_FAULT;
        if (is_unknown) never_begun(r);
        else run_free(r);
    } else if (!x) { /* the caller left before anything was begun */
        fail(r, STR_NONE);
        r->ended = true;
        flush(r);
    } else {
        work(r, x);
        ignore_err(count(r) ? OK : ERR_OVERLOADED); /* the question went */
        if (x->kept->ask.stream) {
            follow(x, x->kept->id, -1); /* the run may end first, and its id with it */
            return;
        }
        answer_queued(r, x);
    }
    if (x) exchange_jump(x, STEP_SETTLE);
}

static struct run *run_new(struct exchange *x)
{
    struct gateway_loop *gl = x->gl;
    struct run *r = mem_alloc(sizeof *r);
    size_t most = x->generation->settings.state_max;
    r->gl = gl;
    r->next = gl->runs;
    r->at = &gl->runs;
    if (r->next) r->next->at = &r->next;
    gl->runs = r;
    r->waits = x;
    r->talk = x->kept->talk;
    x->kept->talk = 0;
    r->streams = x->kept->ask.stream;
    r->wait_ms = x->generation->settings.state_wait_ms;
    snprintf(r->id, sizeof r->id, "%.*s", STR_ARG(x->kept->id));
    snprintf(r->key_id, sizeof r->key_id, "%s", x->key->id);
    snprintf(r->project, sizeof r->project, "%.*s", STR_ARG(x->key->project));
    r->inside = (struct inside){.key_id = r->key_id, .run = r};
    sse_init(&r->reader, x->generation->settings.event_max + KIB(4));
    responses_gather_init(&r->gather, most);
    r->most = most;
    buf_init(&r->queued, SIZE_MAX / 4);
    buf_init(&r->object, SIZE_MAX / 4);
    buf_init(&r->pending, SIZE_MAX / 4);
    buf_init(&r->error, ERROR_MAX);
    buf_init(&r->call.request, SIZE_MAX / 4);
    buf_init(&r->call.answer, 0);
    return r;
}

static void put_begin(struct run *r, struct exchange *x, struct str input)
{
    struct json_writer w;
    const struct responses_ask *a = &x->kept->ask;
    json_write(&w, &r->call.request);
    json_put_object(&w);
    json_add_str(&w, S("id"), str_z(r->id));
    if (a->previous.n) json_add_str(&w, S("previous"), a->previous);
    if (a->conversation.n) json_add_str(&w, S("conversation"), a->conversation);
    json_add_bool(&w, S("background"), true);
    json_add_bool(&w, S("streams"), r->streams);
    r->until_ms = clock_wall_ms() + r->wait_ms;
    json_add_i64(&w, S("until"), r->until_ms);
    put_runner(r, &w);
    put_list(&w, "input", input);
    json_add_raw(&w, S("response"), buf_view(&r->object));
    json_put_end(&w);
}

static enum err begin(struct run *r, struct exchange *x)
{
    if (!count(r)) {
        x->kept->starts = NULL;
        run_free(r);
        return memory_refuse(&x->fault);
    }
    r->call.on_done = on_begun;
    ask(r, S("POST"), "/keep");
    return OK;
}

enum err background_start(struct exchange *x)
{
    struct kept *k = x->kept;
    struct buf input;
    const struct responses_view view = kept_view(k, true);
    TRY(json_scan(&x->gl->tape, x->stream->request->body, &WIRE_LIMITS, &x->fault));
    buf_init(&input, x->stream->request->body.n + KIB(1));
    enum err e = responses_chain_input(&x->gl->tape, &input, &x->fault);
    if (e == OK) {
        struct run *r = run_new(x);
        k->starts = r;
        responses_queued_put(&x->gl->tape, &view, clock_wall_ms() / 1000, &r->queued);
        buf_str(&r->object, buf_view(&r->queued));
        put_begin(r, x, buf_view(&input));
        e = begin(r, x);
    }
    buf_done(&input);
    return e;
}

struct budget_hold background_hold(struct run *r)
{
    struct budget_hold hold = r->hold;
    r->hold = (struct budget_hold){0};
    return hold;
}

void background_leave(struct run *r) { r->waits = NULL; }

void background_close(struct gateway_loop *gl)
{
    while (gl->runs) stop(gl->runs);
}
