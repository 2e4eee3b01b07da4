/* OpenAI Chat Completions on the same-format road. Facts: OpenAI API reference "Chat"; rules C1…C15 in docs/wire.md.
 * Pure; used by the gateway on every request of this format. */
#include "wire/openai_chat/priv.h"

/* ---- request ------------------------------------------------------------------------------------------------------ */

/* A count that bounds the output; null counts as absent. */
static enum err read_count(const struct json_tape *t, struct str name, uint64_t *ret_count, struct fault *why)
{
    uint32_t at = json_find(t, 0, name);
    if (!at || json_is(t, at, JSON_NULL)) return OK;
    if (json_u64(t, at, ret_count)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "%.*s: must be a whole number, 0 or more", STR_ARG(name));
}

static enum err read_bounds(const struct json_tape *t, struct wire_request *r, struct fault *why)
{
    uint64_t older = 0, newer = 0;
    TRY(read_count(t, S("max_tokens"), &older, why));
    TRY(read_count(t, S("max_completion_tokens"), &newer, why));
    TRY(read_count(t, S("n"), &r->choices, why));
    if (r->choices == 0) r->choices = 1; /* the provider refuses it */
    /* C14: servers differ in which of the two they obey. */
    if (__builtin_mul_overflow(newer > older ? newer : older, r->choices, &r->max_output)) r->max_output = UINT64_MAX;
    return OK;
}

/* C2: the usage of a stream comes only when stream_options.include_usage asks for it. */
static enum err plan_usage(const struct json_tape *t, struct wire_request *r, struct fault *why)
{
    uint32_t options = json_find(t, 0, S("stream_options"));
    if (!options) {
        r->usage_edit = (struct json_edit){t->nodes[0].start + 1, 0, S("\"stream_options\":{\"include_usage\":true},")};
        return OK;
    }
    const struct json_node *node = json_node(t, options);
    if (json_is(t, options, JSON_NULL)) {
        r->usage_edit = (struct json_edit){node->start, node->len, S("{\"include_usage\":true}")};
        return OK;
    }
    if (!json_is(t, options, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "stream_options: must be an object");
    TRY(wire_want_once(t, options, "stream_options", why));
    uint32_t include = json_find(t, options, S("include_usage"));
    if (!include) {
        struct str with = json_count(t, options) ? S("\"include_usage\":true,") : S("\"include_usage\":true");
        r->usage_edit = (struct json_edit){node->start + 1, 0, with};
        return OK;
    }
    node = json_node(t, include);
    r->wants_usage = json_is(t, include, JSON_TRUE);
    if (r->wants_usage) return OK;
    if (!json_is(t, include, JSON_FALSE) && !json_is(t, include, JSON_NULL))
        return FAIL(why, ERR_BAD_REQUEST, "stream_options.include_usage: must be true or false");
    r->usage_edit = (struct json_edit){node->start, node->len, S("true")};
    return OK;
}

/* C10 hangs on these. */
static void see_tools(const struct json_tape *t, struct wire_request *r)
{
    uint32_t tools = json_find(t, 0, S("tools")), effort = json_find(t, 0, S("reasoning_effort"));
    r->tools = tools && json_is(t, tools, JSON_ARRAY) && json_count(t, tools) > 0;
    r->effort = effort && !json_is(t, effort, JSON_NULL);
    r->effort_none = effort && json_eq(t, effort, S("none"));
}

static enum err chat_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                          struct fault *why)
{
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    TRY(wire_seek_model(t, a, r, why));
    TRY(wire_want_messages(t, why));
    TRY(read_bounds(t, r, why));
    TRY(wire_read_stream(t, r, why));
    see_tools(t, r);
    return r->stream ? plan_usage(t, r, why) : OK;
}

static unsigned chat_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    unsigned n = 0;
    if (quoted_model.n) ret_edits[n++] = (struct json_edit){r->model_at, r->model_n, quoted_model};
    if (r->usage_edit.with.n) ret_edits[n++] = r->usage_edit;
    json_sort_edits(ret_edits, n);
    return n;
}

/* ---- usage -------------------------------------------------------------------------------------------------------- */

/* C6: prompt_tokens includes cached and written ones, completion_tokens includes reasoning: the parts are cut out. */
struct share {
    struct str field; /* of the details */
    enum usage_cell cell;
};
struct side {
    struct str total, details;
    enum usage_cell rest; /* what no share names */
    struct share shares[4];
};
static const struct side INPUT = {
    .total = S("prompt_tokens"),
    .details = S("prompt_tokens_details"),
    .rest = USAGE_IN_FRESH,
    .shares = {{S("cached_tokens"), USAGE_IN_CACHE_READ},
               {S("cache_write_tokens"), USAGE_IN_CACHE_WRITE},
               {S("audio_tokens"), USAGE_IN_AUDIO}},
};
static const struct side OUTPUT = {
    .total = S("completion_tokens"),
    .details = S("completion_tokens_details"),
    .rest = USAGE_OUT_VISIBLE,
    .shares = {{S("reasoning_tokens"), USAGE_OUT_REASONING},
               {S("audio_tokens"), USAGE_OUT_AUDIO},
               {S("accepted_prediction_tokens"), USAGE_OUT_PREDICTION_ACCEPTED},
               {S("rejected_prediction_tokens"), USAGE_OUT_PREDICTION_REJECTED}},
};

/* Puts the shares of a total into their cells, what is left into the rest; a share never exceeds what is left. */
static void split_total(const struct json_tape *t, uint32_t usage, const struct side *side, struct usage *u)
{
    uint64_t left, part;
    uint32_t details = json_find(t, usage, side->details);
    if (!wire_count_in(t, usage, side->total, &left)) return;
    for (size_t i = 0; details && i < COUNTOF(side->shares) && side->shares[i].field.n; i++) {
        if (!wire_count_in(t, details, side->shares[i].field, &part)) continue;
        if (part > left) part = left;
        left -= part;
        usage_set(u, side->shares[i].cell, part, USAGE_REPORTED);
    }
    usage_set(u, side->rest, left, USAGE_REPORTED);
}

/* DeepSeek tells the cached share beside the details. */
static void split_deepseek(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    uint64_t total, hit;
    if (!wire_count_in(t, usage, S("prompt_tokens"), &total)) return;
    if (!wire_count_in(t, usage, S("prompt_cache_hit_tokens"), &hit) || hit > total) return;
    usage_set(u, USAGE_IN_CACHE_READ, hit, USAGE_REPORTED);
    usage_set(u, USAGE_IN_FRESH, total - hit, USAGE_REPORTED);
}

void openai_chat_read_usage(const struct json_tape *t, struct usage *u)
{
    uint32_t usage = json_find(t, 0, S("usage"));
    wire_read_tier(t, json_find(t, 0, S("service_tier")), u);
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    split_total(t, usage, &INPUT, u);
    split_total(t, usage, &OUTPUT, u);
    if (!json_path(t, usage, "prompt_tokens_details", "cached_tokens")) split_deepseek(t, usage, u);
}

/* Root, usage, its details. */
#define USAGE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 3})

static enum err chat_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                            struct fault *why)
{
    (void)op;
    *ret_usage = (struct usage){0};
    TRY(wire_scan_answer(t, body, &USAGE_LIMITS, why));
    uint32_t choices = json_find(t, 0, S("choices"));
    if (!choices || !json_is(t, choices, JSON_ARRAY))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a chat completion: it has no choices");
    openai_chat_read_usage(t, ret_usage);
    return OK;
}

/* ---- stream ------------------------------------------------------------------------------------------------------- */

static void chat_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    *ret_step = (struct wire_step){0};
    if (!e->has_data) return; /* C9: comments pass */
    if (str_eq(str_trim(e->data), S("[DONE]"))) {
        ret_step->last = s->finished = true;
        return;
    }
    if (json_scan(t, e->data, &JSON_LIMITS_TOP, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) {
        ret_step->garbage = true;
        return;
    }
    uint32_t choices = json_find(t, 0, S("choices")), usage = json_find(t, 0, S("usage"));
    ret_step->error = openai_chat_is_error(t, e->name);
    s->started |= choices && !ret_step->error;
    /* An array of more than its two brackets has a choice in it. Azure's first event has none: it tells of the prompt's filters. */
    bool has_choice = choices && json_is(t, choices, JSON_ARRAY) && json_node(t, choices)->len > 2;
    ret_step->starts = has_choice && !s->begun && !ret_step->error;
    s->begun |= ret_step->starts;
    if (has_choice) s->tokens_untold += wire_tokens_of_event(e->data.n);
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    ret_step->hide = s->hide_usage && !has_choice;
    if (json_scan(t, e->data, &USAGE_LIMITS, NULL) != OK) return;
    openai_chat_read_usage(t, s->usage);
    wire_usage_told(s);
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static const char *const TYPES[] = {
    [CLASS_NONE] = "server_error",
    [CLASS_REQUEST] = "invalid_request_error",
    [CLASS_AUTH] = "authentication_error",
    [CLASS_PERMISSION] = "permission_error",
    [CLASS_NOT_FOUND] = "invalid_request_error",
    [CLASS_TOO_LARGE] = "invalid_request_error",
    [CLASS_RATE] = "rate_limit_error",
    [CLASS_BILLING] = "insufficient_quota",
    [CLASS_OVERLOADED] = "server_error",
    [CLASS_UPSTREAM] = "server_error",
    [CLASS_TIMEOUT] = "timeout_error",
    [CLASS_INTERNAL] = "server_error",
};

/* Where clients look it up. */
static const char *param_of(enum err code)
{
    if (code == ERR_PREVIOUS) return "previous_response_id";
    return code == ERR_TALK ? "conversation" : NULL;
}

void openai_error(const struct fault *f, struct str request_id, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_str(&w, S("message"), str_z(f->text));
    json_add_str(&w, S("type"), str_z(TYPES[err_class_of(f->code)]));
    if (param_of(f->code)) json_add_str(&w, S("param"), str_z(param_of(f->code)));
    else json_add_null(&w, S("param"));
    json_add_str(&w, S("code"), str_z(err_code(f->code)));
    json_put_end(&w);
    json_add_str(&w, S("request_id"), request_id);
    json_put_end(&w);
}

void openai_error_event(const struct fault *f, struct str request_id, struct buf *out)
{
    buf_str(out, S("data: "));
    openai_error(f, request_id, out);
    buf_str(out, S("\n\n"));
}

static const struct wire_translator translator = {
    .read_request = openai_chat_read_request,
    .write_request = openai_chat_write_request,
    .read_answer = openai_chat_read_answer,
    .write_answer = openai_chat_write_answer,
    .reader_size = OPENAI_CHAT_READER_SIZE,
    .reader_start = openai_chat_reader_start,
    .read_event = openai_chat_read_event,
    .read_end = openai_chat_read_end,
    .writer_size = OPENAI_CHAT_WRITER_SIZE,
    .writer_start = openai_chat_writer_start,
    .write_event = openai_chat_write_event,
    .read_error = openai_chat_read_error,
    .write_error = openai_chat_write_error,
};

const struct wire_ops openai_chat_ops = {
    .format = WIRE_OPENAI_CHAT,
    .name = "openai_chat",
    .family = "openai",
    .stream_type = "text/event-stream",
    .read = chat_read,
    .edits = chat_edits,
    .answer = chat_answer,
    .event = chat_event,
    .error = openai_error,
    .error_event = openai_error_event,
    .blame = wire_blame,
    .heartbeat = ": heartbeat\n\n",
    .translator = &translator,
};
