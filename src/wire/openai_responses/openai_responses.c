/* OpenAI Responses on the same-format road. Facts: OpenAI API reference "Responses" and "Streaming events"; docs/wire.md. Pure; used
 * by the gateway on every request of this format. */
#include "wire/openai_responses/priv.h"

#include <stdio.h>

/* ---- request ------------------------------------------------------------------------------------------------------ */

static bool is_there(const struct json_tape *t, uint32_t at) { return at && !json_is(t, at, JSON_NULL); }

/* What is kept of a conversation may be all that is said. */
static bool continues(const struct json_tape *t)
{
    return is_there(t, json_find(t, 0, S("previous_response_id"))) || is_there(t, json_find(t, 0, S("conversation")));
}

static enum err read_input(const struct json_tape *t, struct fault *why)
{
    uint32_t input = json_find(t, 0, S("input"));
    if (!is_there(t, input) && continues(t)) return OK;
    if (!is_there(t, input)) return FAIL(why, ERR_BAD_REQUEST, "input: missing");
    if (json_is(t, input, JSON_STRING) || json_is(t, input, JSON_ARRAY)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "input: must be a string or an array");
}

static enum err responses_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                               struct fault *why)
{
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    TRY(wire_read_model(t, a, r, why));
    TRY(read_input(t, why));
    r->thoughts = responses_thoughts_look(t);
    if (op == WIRE_COUNT_TOKENS) return OK;
    if (op == WIRE_COMPACT) return OK;
    TRY(wire_read_stream(t, r, why));
    uint32_t most = json_find(t, 0, S("max_output_tokens"));
    if (!is_there(t, most) || json_u64(t, most, &r->max_output)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "max_output_tokens: must be a whole number, 0 or more");
}

static unsigned responses_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    if (!quoted_model.n) return 0;
    ret_edits[0] = (struct json_edit){r->model_at, r->model_n, quoted_model};
    return 1;
}

/* ---- answer --------------------------------------------------------------------------------------------------------- */

/* Root, response, usage, its details. */
#define USAGE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 4})

static enum err responses_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                                 struct fault *why)
{
    uint64_t tokens;
    *ret_usage = (struct usage){0};
    TRY(wire_scan_answer(t, body, &USAGE_LIMITS, why));
    if (op == WIRE_COUNT_TOKENS) return wire_count_read(WIRE_OPENAI_RESPONSES, t, &tokens, why); /* counting uses nothing */
    uint32_t output = json_find(t, 0, S("output"));
    if (!output || !json_is(t, output, JSON_ARRAY))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a response: it has no output");
    openai_responses_read_usage(t, 0, ret_usage);
    return OK;
}

/* ---- stream ------------------------------------------------------------------------------------------------------- */

/* early: said before a model is at work. */
static const struct type {
    struct str name;
    bool last, error, early;
} TYPES[] = {
    {.name = {"response.created", 16}, .early = true},     {.name = {"response.queued", 15}, .early = true},
    {.name = {"response.in_progress", 20}, .early = true}, {.name = {"keepalive", 9}, .early = true},
    {.name = {"response.completed", 18}, .last = true},    {.name = {"response.incomplete", 19}, .last = true},
    {.name = {"response.failed", 15}, .error = true},      {.name = {"error", 5}, .error = true},
};

static const struct type *type_find(const struct json_tape *t, uint32_t at)
{
    static const struct type OTHER = {.last = false};
    for (unsigned i = 0; i < COUNTOF(TYPES); i++)
        if (json_eq(t, at, TYPES[i].name)) return &TYPES[i];
    return &OTHER;
}

static bool is_delta(const struct json_tape *t, uint32_t type) { return str_ends(json_text(t, type), S(".delta")); }

static void read_last_usage(struct wire_stream *s, struct str data, struct json_tape *t)
{
    if (json_scan(t, data, &USAGE_LIMITS, NULL) != OK) return;
    uint32_t usage = json_path(t, 0, "response", "usage");
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    openai_responses_read_usage(t, json_find(t, 0, S("response")), s->usage);
    wire_usage_told(s);
}

static void responses_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    uint64_t number;
    *ret_step = (struct wire_step){0};
    if (!e->has_data) return;
    bool good = json_scan(t, e->data, &JSON_LIMITS_TOP, NULL) == OK && json_is(t, 0, JSON_OBJECT);
    uint32_t type = good ? json_find(t, 0, S("type")) : 0;
    ret_step->garbage = !type || !json_is(t, type, JSON_STRING);
    if (ret_step->garbage) return;
    if (wire_count_in(t, 0, S("sequence_number"), &number)) s->next_number = (uint32_t)number + 1;
    if (is_delta(t, type)) s->tokens_untold += wire_tokens_of_event(e->data.n);
    const struct type *is = type_find(t, type);
    ret_step->last = is->last;
    ret_step->error = is->error;
    ret_step->starts = !is->early && !is->error && !s->begun;
    s->begun |= ret_step->starts;
    s->started |= !is->error;
    s->finished |= ret_step->last;
    if (ret_step->last || ret_step->error) read_last_usage(s, e->data, t);
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static void responses_error(const struct fault *f, struct str request_id, struct buf *out)
{
    openai_chat_ops.error(f, request_id, out);
}

/* Not every client knows the event `error`; response.failed all of them do. */
static void numbered_error_event(const struct fault *f, struct str request_id, uint64_t number, struct buf *out)
{
    struct json_writer w;
    char id[80];
    struct str text = str_make(id, (size_t)snprintf(id, sizeof id, "resp_%.*s", STR_ARG(request_id)));
    buf_str(out, S("event: response.failed\ndata: "));
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("type"), S("response.failed"));
    json_add_u64(&w, S("sequence_number"), number);
    json_add_object(&w, S("response"));
    json_add_str(&w, S("id"), text);
    json_add_str(&w, S("object"), S("response"));
    json_add_str(&w, S("status"), S("failed"));
    json_add_object(&w, S("error"));
    json_add_str(&w, S("code"), openai_responses_error_code(err_class_of(f->code), str_z(err_code(f->code))));
    json_add_str(&w, S("message"), str_z(f->text));
    json_put_end(&w);
    json_add_raw(&w, S("output"), S("[]"));
    json_put_end(&w);
    json_put_end(&w);
    buf_str(out, S("\n\n"));
}

/* Where nobody knows how many went before: a number that none of them had. */
static void responses_error_event(const struct fault *f, struct str request_id, struct buf *out)
{
    numbered_error_event(f, request_id, INT32_MAX, out);
}

/* Failed answers look as those of Chat Completions. */
static void read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error)
{
    openai_chat_ops.translator->read_error(status, fields, body, t, a, ret_error);
}
static void write_error(const struct chat_error *e, struct str request_id, struct buf *out)
{
    openai_chat_ops.translator->write_error(e, request_id, out);
}

static const struct wire_translator translator = {
    .read_request = openai_responses_read_request,
    .write_request = openai_responses_write_request,
    .remember = openai_responses_remember,
    .read_answer = openai_responses_read_answer,
    .write_answer = openai_responses_write_answer,
    .reader_size = OPENAI_RESPONSES_READER_SIZE,
    .reader_start = openai_responses_reader_start,
    .read_event = openai_responses_read_event,
    .read_end = openai_responses_read_end,
    .writer_size = OPENAI_RESPONSES_WRITER_SIZE,
    .writer_start = openai_responses_writer_start,
    .write_event = openai_responses_write_event,
    .read_error = read_error,
    .write_error = write_error,
};

/* ---- the format ----------------------------------------------------------------------------------------------------- */

const struct wire_ops openai_responses_ops = {
    .format = WIRE_OPENAI_RESPONSES,
    .name = "openai_responses",
    .family = "openai",
    .stream_type = "text/event-stream",
    .read = responses_read,
    .edits = responses_edits,
    .answer = responses_answer,
    .event = responses_event,
    .error = responses_error,
    .error_event = responses_error_event,
    .numbered_error_event = numbered_error_event,
    .blame = openai_responses_blame,
    .heartbeat = ": heartbeat\n\n",
    .translator = &translator,
};
