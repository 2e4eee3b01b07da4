/* Gemini's generateContent, streamGenerateContent and countTokens on the same-format road. Model and stream stand in the path.
 * Facts and rules: priv.h. Pure; used by the gateway on every request of this format. */
#include "wire/gemini_generate/priv.h"

#include <stdio.h>

uint32_t gemini_find(const struct json_tape *t, uint32_t object, const char *camel, const char *snake)
{
    uint32_t at = json_find(t, object, str_z(camel));
    return at ? at : json_find(t, object, str_z(snake));
}

/* ---- request ------------------------------------------------------------------------------------------------------ */

/* The same in a request: only one of the spellings may stand there, and a name only once. */
static enum err find_once(const struct json_tape *t, uint32_t object, const struct str names[2], uint32_t *ret_at,
                          struct fault *why)
{
    uint32_t snake = json_find(t, object, names[1]);
    *ret_at = json_find(t, object, names[0]);
    if (*ret_at && snake) return FAIL(why, ERR_BAD_REQUEST, "%.*s: is given twice", STR_ARG(names[0]));
    if (!*ret_at) *ret_at = snake;
    return wire_want_once(t, *ret_at, names[0].p, why);
}
static const struct str CONFIG[] = {WIRE_STR("generationConfig"), WIRE_STR("generation_config")};
static const struct str INNER[] = {WIRE_STR("generateContentRequest"), WIRE_STR("generate_content_request")};
static const struct str MOST[] = {WIRE_STR("maxOutputTokens"), WIRE_STR("max_output_tokens")};
static const struct str CHOICES[] = {WIRE_STR("candidateCount"), WIRE_STR("candidate_count")};

static enum err read_count(const struct json_tape *t, uint32_t config, const struct str names[2], uint64_t *ret_count,
                           struct fault *why)
{
    uint32_t at;
    TRY(find_once(t, config, names, &at, why));
    if (!at || json_is(t, at, JSON_NULL) || json_u64(t, at, ret_count)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "generationConfig.%s: must be a whole number, 0 or more", names[0].p);
}

static enum err read_bounds(const struct json_tape *t, struct wire_request *r, struct fault *why)
{
    uint64_t most = 0;
    uint32_t config;
    TRY(find_once(t, 0, CONFIG, &config, why));
    if (!config || json_is(t, config, JSON_NULL)) return OK;
    if (!json_is(t, config, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "generationConfig: must be an object");
    TRY(read_count(t, config, MOST, &most, why));
    TRY(read_count(t, config, CHOICES, &r->choices, why));
    if (r->choices == 0) r->choices = 1;
    if (__builtin_mul_overflow(most, r->choices, &r->max_output)) r->max_output = UINT64_MAX;
    return OK;
}

/* A body may repeat the path's model; there it is a resource's name, of which the last part is edited. */
static enum err find_model(const struct json_tape *t, uint32_t object, struct wire_request *r, struct fault *why)
{
    uint32_t model = json_find(t, object, S("model"));
    if (!model) return OK;
    if (!json_is(t, model, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "model: must be a string");
    struct str text = json_text(t, model);
    size_t skip = str_starts(text, S("models/")) ? 7 : 0;
    r->model_at = (size_t)(text.p - t->src.p) + skip;
    r->model_n = text.n - skip;
    return OK;
}

static enum err want_contents(const struct json_tape *t, uint32_t object, struct fault *why)
{
    uint32_t contents = json_find(t, object, S("contents"));
    if (contents && json_is(t, contents, JSON_ARRAY)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, contents ? "contents: must be an array" : "contents: missing");
}

static enum err want_embed(enum wire_operation op, const struct json_tape *t, struct fault *why)
{
    bool batch = op == WIRE_EMBED_BATCH;
    uint32_t at = json_find(t, 0, batch ? S("requests") : S("content"));
    if (at && json_is(t, at, batch ? JSON_ARRAY : JSON_OBJECT)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, batch ? "requests: missing, or no array" : "content: missing, or no object");
}

static enum err gemini_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                            struct fault *why)
{
    (void)a;
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    if (!json_is(t, 0, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "the body must be a JSON object");
    uint32_t inner = 0;
    if (op == WIRE_COUNT_TOKENS) TRY(find_once(t, 0, INNER, &inner, why));
    if (inner && !json_is(t, inner, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "generateContentRequest: must be an object");
    TRY(find_model(t, inner, r, why));
    if (wire_is_embed(op)) return want_embed(op, t, why);
    TRY(want_contents(t, inner, why));
    return read_bounds(t, r, why);
}

static unsigned gemini_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    if (!quoted_model.n || !r->model_at) return 0;
    ret_edits[0] = (struct json_edit){r->model_at, r->model_n, str_make(quoted_model.p + 1, quoted_model.n - 2)};
    return 1;
}

/* ---- answers and streams ------------------------------------------------------------------------------------------ */

static enum err gemini_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                              struct fault *why)
{
    *ret_usage = (struct usage){0};
    TRY(wire_scan_answer(t, body, &GEMINI_LIMITS, why));
    if (op == WIRE_COUNT_TOKENS) {
        if (json_find(t, 0, S("totalTokens"))) return OK;
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a count of tokens: it has no totalTokens");
    }
    if (wire_is_embed(op)) {
        uint64_t tokens;
        uint32_t told = json_path(t, 0, "usageMetadata", "promptTokenCount");
        if (told && json_u64(t, told, &tokens)) usage_set(ret_usage, USAGE_IN_FRESH, tokens, USAGE_REPORTED);
        if (json_find(t, 0, S("embedding")) || json_find(t, 0, S("embeddings"))) return OK;
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer has no embedding");
    }
    if (!json_find(t, 0, S("candidates")) && !json_find(t, 0, S("promptFeedback")) && !json_find(t, 0, S("usageMetadata")))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer has neither candidates nor promptFeedback");
    gemini_read_usage(t, ret_usage);
    return OK;
}

bool gemini_has_ended(const struct json_tape *t)
{
    uint32_t each, candidates = json_find(t, 0, S("candidates")), blocked = json_path(t, 0, "promptFeedback", "blockReason");
    for (struct json_iter it = json_each(t, candidates); candidates && json_next(t, &it, &each);) {
        uint32_t reason = json_find(t, each, S("finishReason"));
        if (reason && json_is(t, reason, JSON_STRING)) return true;
    }
    return blocked && json_is(t, blocked, JSON_STRING);
}

/* G1: no event is the last one, but the one with a reason to end is the last of substance. G2: usage is cumulative. */
static void gemini_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    *ret_step = (struct wire_step){0};
    if (!e->has_data) return;
    ret_step->garbage = json_scan(t, e->data, &GEMINI_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT);
    if (ret_step->garbage) return;
    ret_step->error = json_find(t, 0, S("error")) != 0;
    if (ret_step->error) return;
    ret_step->starts = !s->started;
    s->started = true;
    if (json_find(t, 0, S("candidates"))) s->tokens_untold += wire_tokens_of_event(e->data.n);
    s->may_end |= gemini_has_ended(t);
    if (!json_find(t, 0, S("usageMetadata"))) return;
    gemini_read_usage(t, s->usage);
    wire_usage_told(s);
}

static bool gemini_end(const struct wire_stream *s) { return s->may_end; }

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static const char *const STATUSES[] = {
    [CLASS_NONE] = "UNKNOWN",
    [CLASS_REQUEST] = "INVALID_ARGUMENT",
    [CLASS_AUTH] = "UNAUTHENTICATED",
    [CLASS_PERMISSION] = "PERMISSION_DENIED",
    [CLASS_NOT_FOUND] = "NOT_FOUND",
    [CLASS_TOO_LARGE] = "INVALID_ARGUMENT",
    [CLASS_RATE] = "RESOURCE_EXHAUSTED",
    [CLASS_BILLING] = "FAILED_PRECONDITION",
    [CLASS_OVERLOADED] = "UNAVAILABLE",
    [CLASS_UPSTREAM] = "UNAVAILABLE",
    [CLASS_TIMEOUT] = "DEADLINE_EXCEEDED",
    [CLASS_INTERNAL] = "INTERNAL",
};

/* google.rpc.Code: those whose HTTP status says more than the class. */
static const struct {
    int status;
    const char *word;
} WORDS[] = {{409, "ABORTED"}, {500, "INTERNAL"}, {501, "UNIMPLEMENTED"}};

const char *gemini_status_word(enum err_class class, int status)
{
    for (unsigned i = 0; i < COUNTOF(WORDS); i++)
        if (WORDS[i].status == status) return WORDS[i].word;
    return STATUSES[class];
}

/* google.rpc.Status with ErrorInfo, and RetryInfo when a wait is known (G14). */
static void gemini_error(const struct fault *f, struct str request_id, struct buf *out)
{
    struct json_writer w;
    char delay[16];
    snprintf(delay, sizeof delay, "%us", f->retry_after_s);
    json_write(&w, out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_i64(&w, S("code"), err_status(f->code));
    json_add_str(&w, S("message"), str_z(f->text));
    json_add_str(&w, S("status"), str_z(gemini_status_word(err_class_of(f->code), err_status(f->code))));
    json_add_array(&w, S("details"));
    json_put_object(&w);
    json_add_str(&w, S("@type"), S("type.googleapis.com/google.rpc.ErrorInfo"));
    json_add_str(&w, S("reason"), str_z(err_code(f->code)));
    json_add_str(&w, S("domain"), S("aquifer"));
    json_add_object(&w, S("metadata"));
    json_add_str(&w, S("request_id"), request_id);
    json_put_end(&w);
    json_put_end(&w);
    if (f->retry_after_s) {
        json_put_object(&w);
        json_add_str(&w, S("@type"), S("type.googleapis.com/google.rpc.RetryInfo"));
        json_add_str(&w, S("retryDelay"), str_z(delay));
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
    json_put_end(&w);
}

static void gemini_error_event(const struct fault *f, struct str request_id, struct buf *out)
{
    buf_str(out, S("data: "));
    gemini_error(f, request_id, out);
    buf_str(out, S("\n\n"));
}

static void gemini_blame(struct str body, struct json_tape *t, struct buf *out)
{
    if (!wire_scan_error(t, body)) return;
    uint32_t error = json_find(t, 0, S("error"));
    uint32_t words[] = {json_find(t, error, S("status")), json_find(t, error, S("message"))};
    for (unsigned i = 0; error && i < COUNTOF(words); i++) {
        if (!words[i] || !json_is(t, words[i], JSON_STRING)) continue;
        if (out->n) buf_str(out, S(": "));
        json_unescape(t, words[i], out);
    }
}

static const struct wire_translator translator = {
    .read_request = gemini_read_request,
    .write_request = gemini_write_request,
    .read_answer = gemini_read_answer,
    .write_answer = gemini_write_answer,
    .reader_size = GEMINI_READER_SIZE,
    .reader_start = gemini_reader_start,
    .read_event = gemini_read_event,
    .read_end = gemini_read_end,
    .writer_size = GEMINI_WRITER_SIZE,
    .writer_start = gemini_writer_start,
    .write_event = gemini_write_event,
    .read_error = gemini_read_error,
    .write_error = gemini_write_error,
};

const struct wire_ops gemini_generate_ops = {
    .format = WIRE_GEMINI_GENERATE,
    .name = "gemini_generate",
    .family = "gemini",
    .stream_type = "text/event-stream",
    .usage_name = "usageMetadata",
    .read = gemini_read,
    .edits = gemini_edits,
    .answer = gemini_answer,
    .event = gemini_event,
    .end = gemini_end,
    .error = gemini_error,
    .error_event = gemini_error_event,
    .blame = gemini_blame,
    .heartbeat = ": heartbeat\n\n",
    .translator = &translator,
};
