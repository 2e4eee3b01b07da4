/* The door: what the HTTP server calls. Finds the endpoint and the format, authenticates by the head alone (no body is read
 * for a stranger), and hands whole requests to the journey. */
#include "priv.h"

#include <openssl/crypto.h>

static struct gateway_loop *loop_of(void *user) { return user; }

/* ---- without an exchange: health ------------------------------------------------------------------------------------- */

#define NO_GENERATION "no configuration is in force: control is starting, or cannot; the log tells why"

/* Why new requests are refused, for probes and those who read their logs; NULL: they are not. */
static const char *find_hindrance(struct gateway_loop *gl)
{
    struct gateway *g = gl->gateway;
    if (!gl->generation) return "not ready: not_ready, " NO_GENERATION "\n";
    if (!atomic_load(&g->board->ready_spend)) return "not ready: not_ready, the ledger is being read\n";
    if (atomic_load(&g->draining)) return "not ready: draining, Aquifer is going down\n";
    if (!journal_has_space(gl->writer)) return "not ready: journal_full, the ledger's journal has no space left\n";
    return NULL;
}

static void answer_plain(struct http_stream *s, int status, struct str text)
{
    const struct http_field fields[] = {{S("content-type"), S("text/plain; charset=utf-8")}, {S("cache-control"), S("no-store")}};
    http_stream_answer(s, status, (struct http_fields){fields, COUNTOF(fields)}, text);
}

static bool answered_health(struct gateway_loop *gl, struct http_stream *s)
{
    struct str path = s->request->path;
    if (!str_eq(s->request->method, S("GET")) && !s->request->is_head) return false;
    if (str_eq(path, S("/healthz"))) {
        answer_plain(s, 200, S("ok\n"));
        return true;
    }
    if (!str_eq(path, S("/readyz"))) return false;
    const char *hindrance = find_hindrance(gl);
    answer_plain(s, hindrance ? 503 : 200, hindrance ? str_z(hindrance) : S("ready\n"));
    return true;
}

/* ---- authenticate ------------------------------------------------------------------------------------------------------ */

/* Google's clients may send their key in the query. It stands nowhere else: no log has queries, nothing passes them on. */
static struct str find_in_query(struct str query)
{
    while (query.n) {
        struct str piece, name, value;
        str_cut(query, '&', &piece, &query);
        if (str_cut(piece, '=', &name, &value) && str_eq(name, S("key"))) return value;
    }
    return STR_NONE;
}

static const struct str CREDENTIALS[] = {{"authorization", 13}, {"x-api-key", 9}, {"api-key", 7}, {"x-goog-api-key", 14}};

static struct str credential_in(const struct http_request *r, struct str name)
{
    struct str value = str_trim(http_field_get(r->fields, name));
    bool bearer = value.n > 7 && str_eq_nocase(str_make(value.p, 7), S("bearer "));
    return bearer ? str_trim(str_from(value, 7)) : value;
}

struct str door_own_key(const struct http_request *r) { return str_trim(http_field_get(r->fields, S("x-aquifer-key"))); }

/* A key of ours or made with a pair of ours, or a signature: that covers this request to us and proves nothing to a vendor. */
static bool is_for_us(struct str value)
{
    return str_starts(value, S("aq_")) || str_starts(value, S("AWS4-")) || signed_key_is_ours(value);
}

unsigned door_client_fields(const struct http_request *r, struct http_field ret_fields[DOOR_CREDENTIALS])
{
    unsigned n = 0;
    if (!door_own_key(r).n) return 0;
    for (unsigned i = 0; i < COUNTOF(CREDENTIALS); i++) {
        struct str value = credential_in(r, CREDENTIALS[i]);
        if (!value.n || is_for_us(value)) continue;
        ret_fields[n++] = (struct http_field){CREDENTIALS[i], http_field_get(r->fields, CREDENTIALS[i])};
    }
    return n;
}

struct str door_client_key(const struct http_request *r)
{
    struct http_field fields[DOOR_CREDENTIALS];
    return door_client_fields(r, fields) ? credential_in(r, fields[0].name) : STR_NONE;
}

/* Clients send a credential in several fields at once; the first that looks like a key of ours counts, else the first. */
static struct str find_credential(const struct http_request *r)
{
    struct str first = STR_NONE;
    for (unsigned i = 0; i < COUNTOF(CREDENTIALS); i++) {
        struct str value = credential_in(r, CREDENTIALS[i]);
        if (str_starts(value, S("aq_"))) return value;
        if (value.n && !first.n) first = value;
    }
    return first.n ? first : find_in_query(r->query);
}

/* An unknown id and a wrong secret take the same path: one digest, one comparison, one answer. */
static const struct key *check_secret(const struct generation *g, const struct key_text *text, int64_t now_ms)
{
    static const struct key NOBODY = {.revoked = true};
    uint8_t digest[KEY_DIGEST_LEN];
    const struct key *k = generation_key(g, str_z(text->id));
    const struct key *against = k ? k : &NOBODY;
    key_digest(text->secret, digest);
    bool same = key_digest_is(digest, against->digest);
    bool old_same = key_digest_is(digest, against->old_digest) && now_ms < against->old_until_ms;
    OPENSSL_cleanse(digest, sizeof digest);
    return (same || old_same) && !against->revoked ? k : NULL;
}

/* For who asks why a key does not work: its id, whether this generation knows it, and never more of it. */
static void tell_refused(const struct exchange *x, struct str credential)
{
    struct key_text text;
    bool is_ours = key_read(credential, &text);
    LOG(LOG_DEBUG, "key.refused", is_ours ? "" : "not a whole key of ours", F_Z("request_id", x->id),
        F_Z("key", is_ours ? text.id : ""), F_BOOL("known", is_ours && generation_key(x->generation, str_z(text.id)) != NULL),
        F_UINT("generation", x->generation->number));
}

static enum err key_authenticate(struct exchange *x, struct str credential)
{
    struct key_text text;
    if (!credential.n)
        return FAIL(&x->fault, ERR_KEY_MISSING,
                    "no key: send an Aquifer key as 'Authorization: Bearer aq_…', 'x-api-key', 'api-key' or 'x-goog-api-key', "
                    "or sign the request with an AWS key pair of Aquifer's");
    x->key = key_read(credential, &text) ? check_secret(x->generation, &text, clock_wall_ms()) : NULL;
    if (x->key) return OK;
    tell_refused(x, credential);
    return FAIL(&x->fault, ERR_KEY_INVALID, "this key is not valid here: check it for typing errors or ask for a new one");
}

/* Proven when the caller came: is the key still good? */
static enum err find_proven(struct exchange *x, const char *key_id)
{
    x->key = generation_key(x->generation, str_z(key_id));
    if (x->key && !x->key->revoked) return OK;
    return FAIL(&x->fault, ERR_ACCESS_KEY,
                "the key that this connection was opened with is revoked: open a new one with another");
}

static enum err find_key(struct exchange *x)
{
    const struct http_request *r = x->stream->request;
    const struct inside *inside = r->opener;
    if (inside && inside->key_id) return find_proven(x, inside->key_id);
    struct str own = door_own_key(r); /* then all others are the vendor's */
    if (own.n) return key_authenticate(x, own);
    if (signed_is(r)) return signed_authenticate(x);
    struct str credential = find_credential(r);
    return signed_key_is(credential) ? signed_key_authenticate(x, credential) : key_authenticate(x, credential);
}

enum next step_authenticate(struct exchange *x)
{
    if (find_key(x) != OK) {
        x->key = NULL; /* claimed, not proven: it stands in no record */
        return FAILED;
    }
    if (x->key->expires_ms && x->key->expires_ms <= clock_wall_ms()) {
        FAIL(&x->fault, ERR_KEY_EXPIRED, "key %s has expired: ask for a new one", x->key->id);
        return FAILED;
    }
    return NEXT;
}

/* The body comes by itself; on_request() resumes. */
enum next step_read(struct exchange *x)
{
    if (!account_is(x)) return upload_is_long(x) ? upload_open(x) : WAIT;
    x->opaque = true; /* it goes up while it comes */
    http_stream_pass_body(x->stream);
    x->step = STEP_ADMIT;
    return MOVED;
}

/* ---- the server's calls -------------------------------------------------------------------------------------------------- */

static void refuse_new(struct gateway_loop *gl, struct http_stream *s, const struct fault *why)
{
    char id[LEDGER_ID_LEN + 1];
    random_id(id, LEDGER_ID_LEN);
    atomic_fetch_add_explicit(&gl->gateway->board->counters.requests, 1, memory_order_relaxed);
    refuse(gl, s, wire_guess(s->request->path, s->request->fields), why, id);
}

/* What must hold before any exchange begins. */
static enum err check_house(struct gateway_loop *gl, struct fault *why)
{
    if (!gl->generation || !atomic_load(&gl->gateway->board->ready_spend)) {
        FAIL(why, ERR_NOT_READY, "%s", gl->generation ? "Aquifer is starting: try again in a moment" : NO_GENERATION);
        why->retry_after_s = 1;
        return why->code;
    }
    return memory_is_short(gl->gateway) ? memory_refuse(why) : OK;
}

static void not_found(const struct http_request *r, bool wrong_method, struct fault *why)
{
    const char *advice = wire_endpoint_advice(r->path);
    if (wrong_method) FAIL(why, ERR_METHOD, "%.*s is not allowed on this path", STR_ARG(r->method));
    else if (advice) FAIL(why, ERR_NOT_FOUND, "%s", advice);
    else
        FAIL(why, ERR_NOT_FOUND, "no such path: %.*s; see the README for what Aquifer serves",
             (int)(r->path.n < 100 ? r->path.n : 100), r->path.p);
}

/* Some paths are those of two vendors: then the fields of the head tell. */
static enum wire_format format_of(const struct wire_endpoint *e, const struct http_request *r)
{
    enum wire_format guess = wire_guess(r->path, r->fields);
    if (e->operation == WIRE_LIST_MODELS) return guess;
    return wire_manner(e->operation)->opaque && guess == WIRE_ANTHROPIC_MESSAGES ? guess : e->format;
}

static bool on_head(struct http_stream *s, void *user)
{
    struct gateway_loop *gl = loop_of(user);
    struct fault why = {0};
    bool wrong_method;
    if (answered_health(gl, s)) return false;
    const struct wire_endpoint *e = wire_endpoint_find(s->request->method, s->request->path, &wrong_method);
    if (!e) {
        not_found(s->request, wrong_method, &why);
        refuse_new(gl, s, &why);
        return false;
    }
    if (check_house(gl, &why) != OK) {
        refuse_new(gl, s, &why);
        return false;
    }
    struct exchange *x = exchange_new(gl, s);
    x->endpoint = e;
    x->wants_array = e->format == WIRE_GEMINI_GENERATE && wire_wants_array(s->request->path, s->request->query);
    x->wire = wire_ops_get(format_of(e, s->request));
    atomic_fetch_add_explicit(&gl->gateway->board->counters.requests, 1, memory_order_relaxed);
    exchange_begin(x);
    bool goes_up = x->opaque && x->step == STEP_RELAY;
    return x->step == STEP_READ || goes_up; /* x stands as long as its stream does, and on_closed() comes from the loop */
}

static void on_request(struct http_stream *s, void *user)
{
    (void)user;
    struct exchange *x = s->user;
    if (x && x->opaque) account_end(x);
    else if (x && x->upload) upload_end(x);
    else if (x) exchange_resume(x);
}

static void on_body(struct http_stream *s, struct str bytes, void *user)
{
    (void)user;
    struct exchange *x = s->user;
    if (x && x->upload) upload_feed(x, bytes);
    else if (x) account_feed(x, bytes);
}

static void on_bad(struct http_stream *s, const struct fault *why, void *user)
{
    struct gateway_loop *gl = loop_of(user);
    struct exchange *x = s->user;
    if (!x) {
        refuse_new(gl, s, why);
        return;
    }
    x->fault = *why;
    x->outcome = OUTCOME_FAULT;
    if (x->upload) timer_cancel(gl->loop, &x->timer); /* an engine may be waited for while the body comes */
    exchange_jump(x, STEP_SETTLE);
}

static void on_writable(struct http_stream *s, void *user)
{
    (void)user;
    if (s->user) relay_writable(s->user);
}

static void on_closed(struct http_stream *s, bool complete, void *user)
{
    (void)user;
    struct exchange *x = s->user;
    if (!x) return;
    s->user = NULL;
    x->stream = NULL;
    if (!complete && x->step < STEP_SETTLE) {
        x->outcome = OUTCOME_GONE;
        FAIL(&x->fault, ERR_CLIENT_GONE, "the client went away");
        exchange_jump(x, STEP_SETTLE);
        return;
    }
    exchange_release(x);
}

const struct http_handler gateway_door = {
    .on_head = on_head,
    .on_request = on_request,
    .on_bad = on_bad,
    .on_writable = on_writable,
    .on_closed = on_closed,
    .on_body = on_body,
};
