/* Anthropic Messages on the same-format road, with count_tokens. Facts: Anthropic API reference "Messages", "Streaming
 * messages", "Errors"; rules A1…A20 in docs/wire.md. Pure; used by the gateway on every request of this format. */
#include "wire/anthropic_messages/priv.h"

/* ---- request ------------------------------------------------------------------------------------------------------ */

static bool is_version(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '-' || s.p[i] == '.'))
            return false;
    return s.n > 0 && s.n <= 64;
}

/* Vertex AI: a body with a version has its model in the path. */
static enum err read_names(const struct json_tape *t, struct arena *a, struct wire_request *r, struct fault *why)
{
    uint32_t version = json_is(t, 0, JSON_OBJECT) ? json_find(t, 0, S("anthropic_version")) : 0;
    if (version && (!json_is(t, version, JSON_STRING) || !is_version(json_text(t, version))))
        return FAIL(why, ERR_BAD_REQUEST, "anthropic_version: must be a version, as vertex-2023-10-16");
    uint32_t betas = version ? json_find(t, 0, S("anthropic_beta")) : 0;
    if (version) r->version = json_text(t, version);
    if (betas) r->betas = json_raw(t, betas); /* whoever takes them judges them */
    return version && !json_find(t, 0, S("model")) ? OK : wire_read_model(t, a, r, why);
}

static enum err messages_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                              struct fault *why)
{
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    TRY(read_names(t, a, r, why));
    TRY(wire_want_messages(t, why));
    if (op == WIRE_COUNT_TOKENS) return OK;
    uint32_t max = json_find(t, 0, S("max_tokens")); /* A14: mandatory; the provider says so itself when it is missing */
    if (max && !json_u64(t, max, &r->max_output))
        return FAIL(why, ERR_BAD_REQUEST, "max_tokens: must be a whole number, 1 or more");
    return wire_read_stream(t, r, why);
}

static unsigned messages_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    if (!quoted_model.n || !r->model_n) return 0;
    ret_edits[0] = (struct json_edit){r->model_at, r->model_n, quoted_model};
    return 1;
}

/* ---- usage -------------------------------------------------------------------------------------------------------- */

static void set_if_told(const struct json_tape *t, uint32_t at, enum usage_cell cell, struct usage *u)
{
    uint64_t n;
    if (wire_count(t, at, &n)) usage_set(u, cell, n, USAGE_REPORTED);
}

/* A7: cache_creation splits by lifetime what cache_creation_input_tokens sums up; only what no lifetime claims stays
 * unsplit. A message_delta may repeat the sum alone: what was split before stays so. */
static void read_cache_writes(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    uint64_t sum;
    set_if_told(t, json_path(t, usage, "cache_creation", "ephemeral_5m_input_tokens"), USAGE_IN_CACHE_WRITE_5M, u);
    set_if_told(t, json_path(t, usage, "cache_creation", "ephemeral_1h_input_tokens"), USAGE_IN_CACHE_WRITE_1H, u);
    if (!wire_count(t, json_path(t, usage, "cache_creation_input_tokens"), &sum)) return;
    uint64_t split = u->n[USAGE_IN_CACHE_WRITE_5M] + u->n[USAGE_IN_CACHE_WRITE_1H];
    usage_set(u, USAGE_IN_CACHE_WRITE, sum > split ? sum - split : 0, USAGE_REPORTED);
}

/* A8: thinking tokens are a share of output_tokens. */
static void read_output(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    uint64_t total, thinking = 0;
    if (!wire_count(t, json_path(t, usage, "output_tokens"), &total)) return;
    if (wire_count(t, json_path(t, usage, "output_tokens_details", "thinking_tokens"), &thinking)) {
        if (thinking > total) thinking = total;
        usage_set(u, USAGE_OUT_REASONING, thinking, USAGE_REPORTED);
    }
    usage_set(u, USAGE_OUT_VISIBLE, total - thinking, USAGE_REPORTED);
}

bool anthropic_messages_read_usage(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return false;
    set_if_told(t, json_path(t, usage, "input_tokens"), USAGE_IN_FRESH, u);
    set_if_told(t, json_path(t, usage, "cache_read_input_tokens"), USAGE_IN_CACHE_READ, u);
    read_cache_writes(t, usage, u);
    read_output(t, usage, u);
    set_if_told(t, json_path(t, usage, "server_tool_use", "web_search_requests"), USAGE_UNIT_WEB_SEARCH, u);
    set_if_told(t, json_path(t, usage, "server_tool_use", "web_fetch_requests"), USAGE_UNIT_WEB_FETCH, u);
    wire_read_tier(t, json_path(t, usage, "service_tier"), u);
    return true;
}

/* Root, message, usage, its groups. */
#define USAGE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 4})

static enum err messages_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                                struct fault *why)
{
    *ret_usage = (struct usage){0};
    TRY(wire_scan_answer(t, body, &USAGE_LIMITS, why));
    if (op == WIRE_COUNT_TOKENS) {
        if (json_find(t, 0, S("input_tokens"))) return OK; /* counting uses nothing */
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer has no input_tokens");
    }
    uint32_t type = json_find(t, 0, S("type"));
    if (!type || !json_eq(t, type, S("message")))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a message");
    anthropic_messages_read_usage(t, json_find(t, 0, S("usage")), ret_usage);
    return OK;
}

/* ---- stream (A1) -------------------------------------------------------------------------------------------------- */

static void on_start(struct wire_stream *s, struct json_tape *t, struct str data, struct wire_step *step)
{
    step->starts = s->started = true;
    if (json_scan(t, data, &USAGE_LIMITS, NULL) != OK) return; /* more nodes than the tape may have */
    anthropic_messages_read_usage(t, json_path(t, 0, "message", "usage"), s->usage);
}

/* A6: cumulative; overwrites each field it has, input ones too. */
static void on_message_delta(struct wire_stream *s, struct json_tape *t, struct str data, struct wire_step *step)
{
    (void)step;
    if (json_scan(t, data, &USAGE_LIMITS, NULL) != OK) return;
    if (anthropic_messages_read_usage(t, json_path(t, 0, "usage"), s->usage)) wire_usage_told(s);
}

static void on_delta(struct wire_stream *s, struct json_tape *t, struct str data, struct wire_step *step)
{
    (void)t, (void)step;
    s->tokens_untold += wire_tokens_of_event(data.n);
}

static void on_stop(struct wire_stream *s, struct json_tape *t, struct str data, struct wire_step *step)
{
    (void)t, (void)data;
    step->last = s->finished = true;
}

static void on_error(struct wire_stream *s, struct json_tape *t, struct str data, struct wire_step *step)
{
    (void)s, (void)t, (void)data;
    step->error = true;
}

/* All others, known or not, pass. */
static const struct {
    struct str type;
    void (*on)(struct wire_stream *, struct json_tape *, struct str data, struct wire_step *);
} EVENTS[] = {
    {{"content_block_delta", 19}, on_delta}, {{"message_start", 13}, on_start}, {{"message_delta", 13}, on_message_delta},
    {{"message_stop", 12}, on_stop},         {{"error", 5}, on_error},
};

static void messages_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    *ret_step = (struct wire_step){0};
    if (!e->has_data) return;
    uint32_t type = 0;
    if (json_scan(t, e->data, &JSON_LIMITS_TOP, NULL) == OK && json_is(t, 0, JSON_OBJECT)) type = json_find(t, 0, S("type"));
    if (!type || !json_is(t, type, JSON_STRING)) {
        ret_step->garbage = true;
        return;
    }
    struct str name = json_text(t, type);
    for (unsigned i = 0; i < COUNTOF(EVENTS); i++) {
        if (!str_eq(EVENTS[i].type, name)) continue;
        EVENTS[i].on(s, t, e->data, ret_step);
        return;
    }
}

/* ---- errors (A18) ------------------------------------------------------------------------------------------------- */

static const char *const TYPES[] = {
    [CLASS_NONE] = "api_error",
    [CLASS_REQUEST] = "invalid_request_error",
    [CLASS_AUTH] = "authentication_error",
    [CLASS_PERMISSION] = "permission_error",
    [CLASS_NOT_FOUND] = "not_found_error",
    [CLASS_TOO_LARGE] = "request_too_large",
    [CLASS_RATE] = "rate_limit_error",
    [CLASS_BILLING] = "billing_error",
    [CLASS_OVERLOADED] = "overloaded_error",
    [CLASS_UPSTREAM] = "api_error",
    [CLASS_TIMEOUT] = "timeout_error",
    [CLASS_INTERNAL] = "api_error",
};

static void messages_error(const struct fault *f, struct str request_id, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("type"), S("error"));
    json_add_object(&w, S("error"));
    json_add_str(&w, S("type"), str_z(TYPES[err_class_of(f->code)]));
    json_add_str(&w, S("message"), str_z(f->text));
    json_add_str(&w, S("code"), str_z(err_code(f->code)));
    json_put_end(&w);
    json_add_str(&w, S("request_id"), request_id);
    json_put_end(&w);
}

static void messages_error_event(const struct fault *f, struct str request_id, struct buf *out)
{
    buf_str(out, S("event: error\ndata: "));
    messages_error(f, request_id, out);
    buf_str(out, S("\n\n"));
}

static const struct wire_translator translator = {
    .read_request = anthropic_messages_read_request,
    .write_request = anthropic_messages_write_request,
    .read_answer = anthropic_messages_read_answer,
    .write_answer = anthropic_messages_write_answer,
    .reader_size = ANTHROPIC_MESSAGES_READER_SIZE,
    .reader_start = anthropic_messages_reader_start,
    .read_event = anthropic_messages_read_event,
    .read_end = anthropic_messages_read_end,
    .writer_size = ANTHROPIC_MESSAGES_WRITER_SIZE,
    .writer_start = anthropic_messages_writer_start,
    .write_event = anthropic_messages_write_event,
    .read_error = anthropic_messages_read_error,
    .write_error = anthropic_messages_write_error,
};

const struct wire_ops anthropic_messages_ops = {
    .format = WIRE_ANTHROPIC_MESSAGES,
    .name = "anthropic_messages",
    .family = "anthropic",
    .stream_type = "text/event-stream",
    .read = messages_read,
    .edits = messages_edits,
    .answer = messages_answer,
    .event = messages_event,
    .error = messages_error,
    .error_event = messages_error_event,
    .blame = wire_blame,
    .translator = &translator,
    .heartbeat = "event: ping\ndata: {\"type\": \"ping\"}\n\n",
};
