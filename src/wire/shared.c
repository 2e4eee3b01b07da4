/* What several formats read or say alike. Private to this room. */
#include "wire/parts.h"

enum err wire_check_model(struct str model, struct fault *why)
{
    if (model.n == 0) return FAIL(why, ERR_BAD_REQUEST, "model: is empty; name the route that shall answer");
    if (model.n > WIRE_MODEL_MAX) return FAIL(why, ERR_BAD_REQUEST, "model: longer than %d bytes", WIRE_MODEL_MAX);
    for (size_t i = 0; i < model.n; i++)
        if ((unsigned char)model.p[i] <= ' ' || model.p[i] == 127)
            return FAIL(why, ERR_BAD_REQUEST, "model: must not hold spaces or control characters");
    return OK;
}

static bool copy_unescaped(const struct json_tape *t, uint32_t at, struct arena *a, struct str *ret_text)
{
    struct buf plain;
    buf_init(&plain, KIB(4));
    bool copied = json_unescape(t, at, &plain) && !plain.over && arena_str(a, buf_view(&plain), ret_text);
    buf_done(&plain);
    return copied;
}

enum err wire_read_model(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why)
{
    if (!json_is(t, 0, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "the body must be a JSON object");
    uint32_t model = json_find(t, 0, S("model"));
    if (!model) return FAIL(why, ERR_BAD_REQUEST, "model: missing; name the route that shall answer");
    if (!json_is(t, model, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "model: must be a string");
    struct str raw = json_raw(t, model);
    r->model_at = (size_t)(raw.p - t->src.p);
    r->model_n = raw.n;
    r->model = json_text(t, model);
    if (json_node(t, model)->flags & JSON_ESCAPED && !copy_unescaped(t, model, a, &r->model))
        return FAIL(why, ERR_BAD_REQUEST, "model: longer than %d bytes", WIRE_MODEL_MAX);
    return wire_check_model(r->model, why);
}

enum err wire_seek_model(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why)
{
    if (!json_is(t, 0, JSON_OBJECT) || json_find(t, 0, S("model"))) return wire_read_model(t, a, r, why);
    r->model_at = json_node(t, 0)->start + 1;
    return OK;
}

enum err wire_want_messages(const struct json_tape *t, struct fault *why)
{
    uint32_t messages = json_find(t, 0, S("messages"));
    if (messages && json_is(t, messages, JSON_ARRAY)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, messages ? "messages: must be an array" : "messages: missing");
}

enum err wire_read_stream(const struct json_tape *t, struct wire_request *r, struct fault *why)
{
    uint32_t stream = json_find(t, 0, S("stream"));
    if (!stream || json_is(t, stream, JSON_NULL) || json_bool(t, stream, &r->stream)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "stream: must be true or false");
}

/* Gemini's spelling of it has another fourth letter. */
static bool is_sealed(struct str s) { return s.n > 4 && memcmp(s.p, "aq1", 3) == 0 && (s.p[3] == '.' || s.p[3] == '/'); }

bool wire_holds_seal(const struct json_tape *t)
{
    static const struct str CARRIERS[] = {
        WIRE_STR("encrypted_content"), WIRE_STR("signature"),        WIRE_STR("data"),
        WIRE_STR("redactedContent"),   WIRE_STR("thoughtSignature"), WIRE_STR("thought_signature")};
    for (uint32_t at = 1; at + 1 < t->n; at++) {
        if (!(json_node(t, at)->flags & JSON_KEY) || !json_is(t, at + 1, JSON_STRING) || !is_sealed(json_text(t, at + 1)))
            continue;
        for (unsigned i = 0; i < COUNTOF(CARRIERS); i++)
            if (str_eq(json_text(t, at), CARRIERS[i])) return true;
    }
    return false;
}

enum err wire_want_once(const struct json_tape *t, uint32_t object, const char *name, struct fault *why)
{
    uint32_t twice = object ? json_name_twice(t, object) : 0;
    if (!twice) return OK;
    struct str text = json_text(t, twice);
    return FAIL(why, ERR_BAD_REQUEST, "%s.%.*s: is given twice", name, text.n < 60 ? (int)text.n : 60, text.p);
}

enum err wire_scan_answer(struct json_tape *t, struct str body, const struct json_limits *limits, struct fault *why)
{
    struct fault inner = {0};
    if (json_scan(t, body, limits, &inner) != OK)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not whole JSON: %.200s", inner.text);
    if (!json_is(t, 0, JSON_OBJECT)) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a JSON object");
    return OK;
}

/* The only place where a provider's counts are read, so that log, ledger, price and what a caller is told agree on them. */
bool wire_count(const struct json_tape *t, uint32_t at, uint64_t *ret_count)
{
    uint64_t n;
    if (!at || !json_u64(t, at, &n) || n > WIRE_COUNT_MAX) return false;
    *ret_count = n;
    return true;
}

bool wire_count_in(const struct json_tape *t, uint32_t object, struct str name, uint64_t *ret_count)
{
    return wire_count(t, json_find(t, object, name), ret_count);
}

/* The last `"usage":` of the tail. A quotation mark inside of a string has a backslash before it, so this one opens a name;
 * whether it is one of the root shows when the rest is read as the end of an object. */
static bool find_usage(struct str tail, struct str name, struct str *ret_rest)
{
    for (size_t at = tail.n < name.n + 2 ? 0 : tail.n - name.n - 1; at-- > 1;) {
        if (tail.p[at] != '"' || tail.p[at + name.n + 1] != '"' || tail.p[at - 1] == '\\') continue;
        if (memcmp(tail.p + at + 1, name.p, name.n) != 0) continue;
        *ret_rest = str_from(tail, at);
        return true;
    }
    return false;
}

/* What each format's own reader asks of an answer stands in front; then it reads no other members than in a whole one. */
bool wire_read_tail(const struct wire_ops *ops, struct str tail, struct json_tape *t, struct buf *room, struct usage *ret_usage)
{
    struct str rest;
    struct usage u;
    buf_clear(room);
    if (!find_usage(tail, ops->usage_name ? str_z(ops->usage_name) : S("usage"), &rest)) return false;
    buf_str(room, S("{\"type\":\"message\",\"choices\":[],\"output\":[],"));
    buf_str(room, rest);
    bool good = !room->over && ops->answer(WIRE_GENERATE, buf_view(room), t, &u, NULL) == OK;
    buf_clear(room);
    if (good) *ret_usage = u;
    return good;
}

void wire_read_tier(const struct json_tape *t, uint32_t tier, struct usage *u)
{
    if (!tier || !json_is(t, tier, JSON_STRING)) return;
    struct str text = json_text(t, tier);
    size_t n = text.n < sizeof u->tier - 1 ? text.n : sizeof u->tier - 1;
    memcpy(u->tier, text.p, n);
    u->tier[n] = '\0';
}

/* OpenAI API reference "service_tier", Anthropic API reference "usage.service_tier", AWS API reference "ServiceTier". */
struct str wire_tier_word(enum wire_format f, const char *tier)
{
    static const struct {
        const char *normal, *others[4];
    } WORDS[WIRE_FORMATS] = {
        [WIRE_OPENAI_CHAT] = {"default", {"auto", "flex", "scale", "priority"}},
        [WIRE_OPENAI_RESPONSES] = {"default", {"auto", "flex", "scale", "priority"}},
        [WIRE_ANTHROPIC_MESSAGES] = {"standard", {"priority", "batch"}},
        [WIRE_BEDROCK_CONVERSE] = {"default", {"flex", "priority", "reserved"}},
    };
    if (strcmp(tier, "default") == 0 || strcmp(tier, "standard") == 0) return str_z(WORDS[f].normal);
    for (unsigned i = 0; i < COUNTOF(WORDS[f].others) && WORDS[f].others[i]; i++)
        if (strcmp(WORDS[f].others[i], tier) == 0) return str_z(WORDS[f].others[i]);
    return STR_NONE;
}

/* Providers send about one token an event; what is longer than an event's frame usually is counts by four bytes a token. */
uint64_t wire_tokens_of_event(size_t data_n)
{
    enum { FRAME = 320, BYTES_PER_TOKEN = 4 };
    return 1 + (data_n > FRAME ? (data_n - FRAME) / BYTES_PER_TOKEN : 0);
}

uint64_t wire_tokens_of_text(size_t text_n)
{
    enum { BYTES_PER_TOKEN = 4 };
    return (text_n + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
}

void wire_usage_told(struct wire_stream *s)
{
    if (s->usage->quality[USAGE_OUT_VISIBLE] != USAGE_UNKNOWN || usage_output(s->usage)) s->tokens_untold = 0;
}

static void put_word(const struct json_tape *t, uint32_t at, struct buf *out)
{
    if (!at || !json_is(t, at, JSON_STRING)) return;
    if (out->n) buf_str(out, S(": "));
    json_unescape(t, at, out);
}

/* {"error":{"type","message"}} at both vendors; {"message"} and {"error":"…"} elsewhere. */
bool wire_scan_error(struct json_tape *t, struct str body)
{
    uint32_t first;
    if (json_scan(t, body, &JSON_LIMITS, NULL) != OK) return false;
    if (json_is(t, 0, JSON_OBJECT)) return true;
    struct json_iter it = json_each(t, 0);
    if (!json_is(t, 0, JSON_ARRAY) || !json_next(t, &it, &first) || !json_is(t, first, JSON_OBJECT)) return false;
    return json_scan(t, json_raw(t, first), &JSON_LIMITS, NULL) == OK;
}

void wire_blame(struct str body, struct json_tape *t, struct buf *out)
{
    if (!wire_scan_error(t, body)) return;
    uint32_t error = json_find(t, 0, S("error"));
    if (error && json_is(t, error, JSON_OBJECT)) {
        put_word(t, json_find(t, error, S("type")), out);
        put_word(t, json_find(t, error, S("message")), out);
        return;
    }
    if (error) put_word(t, error, out);
    put_word(t, json_find(t, 0, S("message")), out);
}
