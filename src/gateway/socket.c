/* socket: a WebSocket on which a client asks for one response after the other (OpenAI's "WebSocket mode", which Codex speaks).
 * Opened at the end of an exchange that was authenticated like any other; each response is an exchange of its own. The newest
 * response of each strand is remembered here, in memory and as long as the connection, whatever `store` says. */
#include <stdlib.h>

#include "socket_priv.h"

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static size_t strand_memory(const struct strand *s)
{
    size_t n = sizeof *s + s->kept.items.cap;
    for (const struct turn *t = s->first; t; t = t->next) n += turn_memory(t);
    return n;
}

static bool account(struct socket *k)
{
    size_t n = sizeof *k;
    for (unsigned i = 0; i < k->n_strands; i++) n += strand_memory(k->strands[i]);
    if (!memory_take(k->gl->gateway, (int64_t)n - (int64_t)k->told)) return false;
    k->told = n;
    return true;
}

void socket_account(struct socket *k) { (void)account(k); }

/* ---- strands ------------------------------------------------------------------------------------------------------------- */

static struct strand *strand_add(struct socket *k, struct str id)
{
    struct strand *s = mem_alloc(sizeof *s);
    if (id.n) memcpy(s->id, id.p, id.n);
    s->end = &s->first;
    buf_init(&s->kept.items, 0);
    k->strands[k->n_strands++] = s;
    return s;
}

static void strand_free(struct strand *s)
{
    for (struct turn *t = s->first, *next; t; t = next) {
        next = t->next;
        turn_free(t);
    }
    buf_done(&s->kept.items);
    free(s);
}

static bool is_stream_id(struct str id)
{
    if (!id.n || id.n > STREAM_ID_MAX) return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i], low = (char)(c | 0x20);
        if (!((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.')) return false;
    }
    return true;
}

/* NULL: refused, and told. The first strand is the one without a name. */
static struct strand *strand_of(struct socket *k, const struct json_tape *t)
{
    static const struct complaint BAD = {
        400, "invalid_stream_id", "stream_id",
        "The 'stream_id' field must be a non-empty string with at most 256 characters and may only contain letters, numbers, "
        "underscores, hyphens, and periods."};
    static const struct complaint MANY = {400, "websocket_stream_limit_reached", "stream_id",
                                          "This WebSocket connection has reached its maximum number of distinct stream IDs (32). "
                                          "Reuse an existing stream_id or open a new WebSocket connection."};
    uint32_t at = json_find(t, 0, S("stream_id"));
    if (!at || json_is(t, at, JSON_NULL)) return k->strands[0];
    struct str id = json_is(t, at, JSON_STRING) ? json_text(t, at) : STR_NONE;
    if (!is_stream_id(id)) {
        say_complaint(k, NULL, &BAD);
        return NULL;
    }
    for (unsigned i = 1; i < k->n_strands; i++)
        if (str_eq(str_z(k->strands[i]->id), id)) return k->strands[i];
    if (k->n_strands <= SOCKET_NAMED_MAX) return strand_add(k, id);
    say_complaint(k, NULL, &MANY);
    return NULL;
}

const struct remembered *socket_find_kept(const struct socket *k, struct str id)
{
    for (unsigned i = 0; i < k->n_strands; i++) {
        const struct remembered *kept = &k->strands[i]->kept;
        if (kept->id[0] && str_eq(str_z(kept->id), id)) return kept;
    }
    return NULL;
}

void socket_forget(struct socket *k, struct str id)
{
    for (unsigned i = 0; i < k->n_strands && id.n; i++) {
        struct remembered *kept = &k->strands[i]->kept;
        if (!str_eq(str_z(kept->id), id)) continue;
        kept->id[0] = '\0';
        buf_done(&kept->items);
    }
}

/* ---- turns --------------------------------------------------------------------------------------------------------------- */

static void end_when_done(struct socket *k)
{
    if (!k->ending || k->running || k->waiting || !k->ws) return;
    if (k->too_old) http_ws_close(k->ws, 1001, S("this connection has reached its age (limits.websocket_age)"));
    else http_ws_close(k->ws, 1012, S("Aquifer restarts"));
}

static void begin(struct socket *k, struct strand *s)
{
    s->running = true;
    k->waiting--;
    k->running++;
    turn_begin(s->first);
}

/* One that may run and waits; NULL: none. */
static struct strand *next_strand(const struct socket *k)
{
    if (k->running == SOCKET_RUNNING_MAX) return NULL;
    for (unsigned i = 0; i < k->n_strands; i++)
        if (k->strands[i]->first && !k->strands[i]->running) return k->strands[i];
    return NULL;
}

static void begin_what_may(struct socket *k)
{
    struct strand *s = k->ws ? next_strand(k) : NULL;
    if (s) begin(k, s); /* the next one when this one is over, or was refused at once: socket_turn_over() */
}

void socket_turn_over(struct turn *t)
{
    struct socket *k = t->socket;
    struct strand *s = t->strand;
    must(s->first == t);
    s->first = t->next;
    if (!s->first) s->end = &s->first;
    s->running = false;
    k->running--;
    turn_free(t);
    socket_account(k);
    if (!k->ws) return;
    http_ws_busy(k->ws, k->running || k->waiting);
    begin_what_may(k);
    end_when_done(k);
}

void socket_relieve(struct socket *k)
{
    if (!k->ws || k->resting || http_ws_queued(k->ws) <= HTTP_QUEUE_HIGH) return;
    k->resting = true;
    for (unsigned i = 0; i < k->n_strands; i++)
        if (k->strands[i]->running) turn_pause(k->strands[i]->first, true);
}

/* ---- what the client sends ------------------------------------------------------------------------------------------------- */

/* False: no new response may begin, and why was told. */
static bool may_begin(struct socket *k, const struct strand *s)
{
    static const struct complaint OLD = {400, "websocket_connection_limit_reached", NULL,
                                         "Responses websocket connection limit reached (limits.websocket_age). Create a new "
                                         "websocket connection to continue."};
    static const struct complaint DRAINS = {503, "draining", NULL, "Aquifer restarts: open a new connection"};
    static const struct complaint MANY = {429, "too_many_responses", NULL,
                                          "Too many responses wait on this WebSocket connection. Wait for one to end."};
    if (k->too_old) say_complaint(k, s, &OLD);
    else if (k->ending) say_complaint(k, s, &DRAINS);
    else if (k->waiting == SOCKET_WAITING_MAX) say_complaint(k, s, &MANY);
    else return true;
    return false;
}

static void take_create(struct socket *k, struct strand *s, struct str text)
{
    static const struct complaint SHORT = {503, "overloaded", NULL, "Aquifer is at its memory ceiling: try again in a moment"};
    if (!may_begin(k, s)) return;
    struct turn *t = turn_new(k, s, text);
    *s->end = t;
    s->end = &t->next;
    k->waiting++;
    if (!account(k)) {
        struct turn **at = &s->first;
        while (*at != t) at = &(*at)->next;
        *at = NULL;
        s->end = at;
        k->waiting--;
        turn_free(t);
        say_complaint(k, s, &SHORT);
        return;
    }
    http_ws_busy(k->ws, true);
    begin_what_may(k);
    socket_account(k);
}

static void on_message(struct http_ws *w, struct str text, void *user)
{
    static const struct complaint KIND = {400, "invalid_event", "type", "The only event understood here is 'response.create'."};
    struct socket *k = user;
    struct json_tape *t = &k->gl->tape;
    struct fault why = {0};
    (void)w;
    if (json_scan(t, text, &WIRE_LIMITS, &why) != OK) {
        say_fault(k, NULL, &why);
        return;
    }
    uint32_t type = json_is(t, 0, JSON_OBJECT) ? json_find(t, 0, S("type")) : 0;
    if (!type || !json_eq(t, type, S("response.create"))) {
        say_complaint(k, NULL, &KIND);
        return;
    }
    struct strand *s = strand_of(k, t);
    if (s) take_create(k, s, text);
}

static void on_writable(struct http_ws *w, void *user)
{
    struct socket *k = user;
    (void)w;
    if (!k->resting) return;
    k->resting = false;
    for (unsigned i = 0; i < k->n_strands; i++)
        if (k->strands[i]->running) turn_pause(k->strands[i]->first, false);
}

/* ---- the end --------------------------------------------------------------------------------------------------------------- */

static void on_drain(struct http_ws *w, void *user)
{
    struct socket *k = user;
    (void)w;
    k->ending = true;
    end_when_done(k);
}

static void on_age(struct timer *t)
{
    struct socket *k = CONTAINER_OF(t, struct socket, age);
    k->ending = k->too_old = true;
    end_when_done(k);
}

static void on_closed(struct http_ws *w, void *user)
{
    struct socket *k = user;
    struct gateway *g = k->gl->gateway;
    (void)w;
    k->ws = NULL;
    timer_cancel(k->gl->loop, &k->age);
    for (unsigned i = 0; i < k->n_strands; i++) strand_free(k->strands[i]);
    (void)memory_take(g, -(int64_t)k->told);
    atomic_fetch_sub_explicit(&g->slot->websockets, 1, memory_order_relaxed);
    free(k->head_bytes);
    free(k);
}

static const struct http_ws_handler SOCKET = {on_message, on_writable, on_drain, on_closed};

/* ---- the beginning --------------------------------------------------------------------------------------------------------- */

/* Of the handshake, not of the requests that follow it; Codex asks for the mode itself in openai-beta. */
static bool is_of_handshake(const struct http_field *f)
{
    static const char *const NAMES[] = {
        "connection",       "upgrade", "expect", "content-length", "content-type", "transfer-encoding",
        "content-encoding", "accept",  "te",     "trailer"};
    for (unsigned i = 0; i < COUNTOF(NAMES); i++)
        if (str_eq(f->name, str_z(NAMES[i]))) return true;
    if (str_eq(f->name, S("openai-beta"))) return str_starts(f->value, S("responses_websockets="));
    return str_starts(f->name, S("sec-websocket-"));
}

static struct str put(char **at, struct str s)
{
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    *at += s.n;
    return str_make(p, s.n);
}

/* k->head: what each request looks like but for its body. */
static void keep_head(struct socket *k, const struct http_request *r)
{
    static const struct http_field TYPE = {{"content-type", 12}, {"application/json", 16}};
    struct str *const texts[] = {&k->head.path, &k->head.whole_path, &k->head.query, &k->head.authority, &k->head.peer};
    size_t n = 0, bytes = (r->fields.n + 1) * sizeof TYPE;
    k->head = *r;
    k->head.method = S("POST");
    for (size_t i = 0; i < COUNTOF(texts); i++) bytes += texts[i]->n;
    for (size_t i = 0; i < r->fields.n; i++) bytes += r->fields.at[i].name.n + r->fields.at[i].value.n;
    k->head_bytes = mem_alloc(bytes);
    struct http_field *fields = (struct http_field *)(void *)k->head_bytes;
    char *at = (char *)(fields + r->fields.n + 1);
    for (size_t i = 0; i < COUNTOF(texts); i++) *texts[i] = put(&at, *texts[i]);
    for (size_t i = 0; i < r->fields.n; i++) {
        if (is_of_handshake(&r->fields.at[i])) continue;
        struct str name = put(&at, r->fields.at[i].name);
        fields[n++] = (struct http_field){name, put(&at, r->fields.at[i].value)};
    }
    fields[n++] = TYPE;
    k->head.fields = (struct http_fields){fields, n};
}

enum err socket_check(struct exchange *x)
{
    TRY(http_ws_check(x->stream, &x->fault));
    x->outcome = OUTCOME_SOCKET;
    return OK;
}

void socket_open(struct exchange *x)
{
    struct gateway_loop *gl = x->gl;
    const struct settings *s = &x->generation->settings;
    const struct http_ws_options options = {.heartbeat_ms = s->heartbeat_ms, .idle_ms = s->server.limits.idle_ms};
    struct http_field ours[OUR_FIELDS_MAX];
    struct socket *k = mem_alloc(sizeof *k);
    k->gl = gl;
    k->is_signed = signed_is(x->stream->request) && !door_own_key(x->stream->request).n;
    memcpy(k->key_id, x->key->id, sizeof k->key_id);
    keep_head(k, x->stream->request);
    strand_add(k, S(""));
    struct http_fields fields = {ours, our_fields(x, (struct http_fields){NULL, 0}, ours)};
    k->ws = http_ws_accept(x->stream, fields, &SOCKET, &options, k);
    atomic_fetch_add_explicit(&gl->gateway->slot->websockets, 1, memory_order_relaxed);
    socket_account(k);
    if (s->websocket_age_ms) timer_set(gl->loop, &k->age, s->websocket_age_ms, on_age);
}
