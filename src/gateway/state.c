/* Asking control's state service: one HTTP call over its socket, through the same pooled client as all others, so that nothing
 * waits but the exchange that asked. Owns the question's bytes while it is under way. */
#include "gateway/state.h"

#include <stdio.h>

enum { ERROR_LEAST = KIB(8) }; /* the service says what is wrong in less, whatever it is bounded to */

static void on_head(struct http_call *call, int status, struct http_fields fields, void *user)
{
    struct state_call *c = user;
    const struct {
        struct str name;
        char *to;
        size_t room;
    } KNOWN[] = {{S("x-aquifer-deployment"), c->deployment, sizeof c->deployment},
                 {S("x-aquifer-follow"), c->follow, sizeof c->follow}};
    c->status = status;
    for (unsigned i = 0; i < COUNTOF(KNOWN); i++) {
        struct str value = http_field_get(fields, KNOWN[i].name);
        if (value.n < KNOWN[i].room) memcpy(KNOWN[i].to, value.n ? value.p : "", value.n);
    }
}

static void let_go(struct state_call *c)
{
    if (c->counted) memory_take(c->gl->gateway, -(int64_t)c->counted);
    c->counted = 0;
    buf_done(&c->answer);
}

static bool on_body(struct http_call *call, struct str bytes, void *user)
{
    struct state_call *c = user;
    if (c->starved) return true;
    buf_str(&c->answer, bytes);
    size_t more = c->answer.cap - c->counted;
    if (more && !memory_take(c->gl->gateway, (int64_t)more)) {
        c->starved = true;
        let_go(c);
        return true;
    }
    c->counted += more;
    return true;
}

static void tell(struct state_call *c, enum err got)
{
    c->call = NULL;
    buf_done(&c->request); /* on_done() may ask the next one */
    c->on_done(c, got);
}

static enum err unavailable(struct state_call *c, const char *what)
{
    FAIL(&c->why, ERR_RECALL, "what Aquifer keeps of responses cannot be reached now (%s): try again", what);
    c->why.retry_after_s = 1;
    return ERR_RECALL;
}

static void on_end(struct http_call *call, void *user)
{
    struct state_call *c = user;
    enum err got = OK;
    c->sent = true;
    if (c->status >= 500) got = unavailable(c, "its keeper is not ready");
    else if (c->starved) got = memory_refuse(&c->why);
    else if (c->answer.over) got = FAIL(&c->why, ERR_BODY_TOO_LARGE, "the conversation with its earlier items is too long");
    tell(c, got);
}

static void on_fail(struct http_call *call, const struct fault *why, void *user)
{
    struct state_call *c = user;
    LOG(LOG_WARN, "state.unavailable", why->text);
    c->sent = http_call_was_sent(call);
    tell(c, unavailable(c, "its keeper does not answer"));
}

static const struct http_call_handler handler = {.on_head = on_head, .on_body = on_body, .on_end = on_end, .on_fail = on_fail};

void state_ask(struct gateway_loop *gl, struct state_call *c, const struct state_request *r)
{
    char most[24];
    snprintf(most, sizeof most, "%zu", r->answer_max);
    const struct http_field fields[] = {
        {S("x-aquifer-project"), r->project}, {S("x-aquifer-most"), str_z(most)}, {S("content-type"), S("application/json")}};
    const struct http_deadlines deadlines = {r->wait_ms, r->wait_ms, r->wait_ms, r->wait_ms};
    must(!c->call);
    c->gl = gl;
    c->status = 0;
    c->deployment[0] = c->follow[0] = '\0';
    c->why = (struct fault){0};
    let_go(c);
    c->starved = c->sent = false;
    buf_init(&c->answer, r->answer_max > ERROR_LEAST ? r->answer_max : ERROR_LEAST);
    memset(c->deployment, 0, sizeof c->deployment);
    memset(c->follow, 0, sizeof c->follow);
    c->piece = buf_view(&c->request);
    const struct http_call_request request = {r->method, r->target, {fields, COUNTOF(fields)}, &c->piece, c->piece.n ? 1 : 0};
    c->call = http_call_start(gl->client, gl->state, &request, &deadlines, &handler, c);
}

void state_call_stop(struct state_call *c)
{
    struct http_call *call = c->call;
    c->call = NULL;
    if (call) http_call_cancel(call);
}

void state_call_done(struct state_call *c)
{
    buf_done(&c->request);
    let_go(c);
}

bool state_id_is_valid(struct str id)
{
    enum { ID_MAX = 128 };
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool fine = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_' || c == '.';
        if (!fine) return false;
    }
    return id.n > 0 && id.n <= ID_MAX;
}

struct str state_message(struct state_call *c, struct json_tape *t)
{
    if (json_scan(t, buf_view(&c->answer), &WIRE_LIMITS, NULL) != OK) return S("not found");
    uint32_t at = json_path(t, 0, "error", "message");
    return at && json_is(t, at, JSON_STRING) ? json_text(t, at) : S("not found");
}

enum err state_refused(struct state_call *c, enum err missing, struct json_tape *t, struct fault *why)
{
    struct str text = state_message(c, t);
    enum err code = c->status == 404 ? missing : c->status == 413 ? ERR_BODY_TOO_LARGE : ERR_BAD_REQUEST;
    return FAIL(why, code, "%.*s", (int)(text.n < 200 ? text.n : 200), text.p);
}
