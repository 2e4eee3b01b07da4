/* Amazon Bedrock's Converse and ConverseStream. The model and whether the answer streams stand in the path. Facts: Amazon Bedrock
 * API reference, "Converse", "ConverseStream"; rules B1… in docs/wire.md. Pure; used by the gateway on every request. */
#include "wire/bedrock_converse/priv.h"

static enum err converse_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                              struct fault *why)
{
    (void)a;
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    if (!json_is(t, 0, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "the body must be a JSON object");
    if (op == WIRE_COUNT_TOKENS) {
        uint32_t input = json_find(t, 0, S("input"));
        return input && json_is(t, input, JSON_OBJECT) ? OK : FAIL(why, ERR_BAD_REQUEST, "input: must be an object");
    }
    TRY(wire_want_messages(t, why));
    uint32_t config = json_find(t, 0, S("inferenceConfig"));
    TRY(wire_want_once(t, config, "inferenceConfig", why));
    uint32_t max = json_find(t, config, S("maxTokens"));
    if (max && !json_is(t, max, JSON_NULL) && !json_u64(t, max, &r->max_output))
        return FAIL(why, ERR_BAD_REQUEST, "inferenceConfig.maxTokens: must be a whole number, 1 or more");
    return OK;
}

/* Nothing in the body names the model. */
static unsigned converse_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    (void)r, (void)quoted_model, (void)ret_edits;
    return 0;
}

#define USAGE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 4})

static enum err converse_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                                struct fault *why)
{
    *ret_usage = (struct usage){0};
    TRY(wire_scan_answer(t, body, &USAGE_LIMITS, why));
    if (op == WIRE_COUNT_TOKENS) {
        if (json_find(t, 0, S("inputTokens"))) return OK; /* counting uses nothing */
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer has no inputTokens");
    }
    if (!json_find(t, 0, S("output"))) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer has no output");
    bedrock_converse_read_usage(t, json_find(t, 0, S("usage")), ret_usage);
    wire_read_tier(t, json_path(t, 0, "serviceTier", "type"), ret_usage);
    return OK;
}

/* metadata comes behind messageStop, and ends the stream. */
static void converse_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    *ret_step = (struct wire_step){0};
    if (str_eq(e->name, S("contentBlockDelta"))) {
        s->tokens_untold += wire_tokens_of_event(e->data.n);
        return;
    }
    if (str_eq(e->name, S("messageStart"))) ret_step->starts = s->started = true;
    if (!str_eq(e->name, S("metadata"))) return;
    if (json_scan(t, e->data, &USAGE_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) {
        ret_step->garbage = true;
        return;
    }
    if (bedrock_converse_read_usage(t, json_find(t, 0, S("usage")), s->usage)) wire_usage_told(s);
    wire_read_tier(t, json_path(t, 0, "serviceTier", "type"), s->usage);
    ret_step->last = s->finished = true;
}

static const struct wire_translator translator = {
    .read_request = bedrock_converse_read_request,
    .write_request = bedrock_converse_write_request,
    .read_answer = bedrock_converse_read_answer,
    .write_answer = bedrock_converse_write_answer,
    .reader_size = BEDROCK_CONVERSE_READER_SIZE,
    .reader_start = bedrock_converse_reader_start,
    .read_event = bedrock_converse_read_event,
    .read_end = bedrock_converse_read_end,
    .writer_size = BEDROCK_CONVERSE_WRITER_SIZE,
    .writer_start = bedrock_converse_writer_start,
    .write_event = bedrock_converse_write_event,
    .read_error = bedrock_converse_read_error,
    .write_error = bedrock_converse_write_error,
};

const struct wire_ops bedrock_converse_ops = {
    .format = WIRE_BEDROCK_CONVERSE,
    .name = "bedrock_converse",
    .family = "bedrock",
    .stream_type = "application/vnd.amazon.eventstream",
    .read = converse_read,
    .edits = converse_edits,
    .answer = converse_answer,
    .event = converse_event,
    .error = bedrock_converse_error,
    .error_event = bedrock_converse_error_event,
    .error_type = bedrock_converse_error_type,
    .blame = bedrock_converse_blame,
    .translator = &translator,
};
