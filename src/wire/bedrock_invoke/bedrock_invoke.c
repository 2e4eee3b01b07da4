/* Amazon Bedrock's InvokeModel and InvokeModelWithResponseStream with Anthropic's bodies inside. The model and whether the answer
 * streams stand in the path. Facts: Amazon Bedrock API reference, "InvokeModel"; User Guide, "Anthropic Claude Messages API"; rules
 * B1… in docs/wire.md. Pure; used by the gateway on every request of this format. */
#include "wire/bedrock_invoke/priv.h"

static enum err invoke_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                            struct fault *why)
{
    (void)a;
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    if (!json_is(t, 0, JSON_OBJECT)) return FAIL(why, ERR_BAD_REQUEST, "the body must be a JSON object");
    uint32_t version = json_find(t, 0, S("anthropic_version")), max = json_find(t, 0, S("max_tokens"));
    if (!version || !json_is(t, version, JSON_STRING))
        return FAIL(why, ERR_BAD_REQUEST,
                    "anthropic_version: missing; InvokeModel takes Anthropic's bodies here (bedrock-2023-05-31); other models "
                    "are called with Converse");
    TRY(wire_want_messages(t, why));
    if (max && !json_u64(t, max, &r->max_output))
        return FAIL(why, ERR_BAD_REQUEST, "max_tokens: must be a whole number, 1 or more");
    return OK;
}

static unsigned invoke_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    (void)r, (void)quoted_model, (void)ret_edits;
    return 0;
}

static enum err invoke_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage,
                              struct fault *why)
{
    return anthropic_messages_ops.answer(op, body, t, ret_usage, why);
}

static void invoke_event(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step)
{
    struct buf event;
    *ret_step = (struct wire_step){0};
    if (!str_eq(e->name, S("chunk"))) return;
    buf_init(&event, SIZE_MAX / 4);
    struct sse_event inner = {.has_data = true};
    if (bedrock_invoke_open(t, e->data, &event)) {
        inner.data = buf_view(&event);
        anthropic_messages_ops.event(s, &inner, t, ret_step);
    } else {
        ret_step->garbage = true;
    }
    buf_done(&event);
}

static void invoke_heartbeat(struct buf *out) { bedrock_invoke_put_chunk(S("{\"type\":\"ping\"}"), out); }

static const struct wire_translator translator = {
    .read_request = anthropic_messages_read_request,
    .write_request = anthropic_messages_write_invoke,
    .read_answer = anthropic_messages_read_answer,
    .write_answer = anthropic_messages_write_answer,
    .reader_size = BEDROCK_INVOKE_READER_SIZE,
    .reader_start = bedrock_invoke_reader_start,
    .read_event = bedrock_invoke_read_event,
    .read_end = bedrock_invoke_read_end,
    .writer_size = BEDROCK_INVOKE_WRITER_SIZE,
    .writer_start = anthropic_messages_writer_start,
    .write_event = bedrock_invoke_write_event,
    .read_error = bedrock_converse_read_error,
    .write_error = bedrock_converse_write_error,
};

const struct wire_ops bedrock_invoke_ops = {
    .format = WIRE_BEDROCK_INVOKE,
    .name = "bedrock_invoke",
    .family = "anthropic",
    .stream_type = "application/vnd.amazon.eventstream",
    .read = invoke_read,
    .edits = invoke_edits,
    .answer = invoke_answer,
    .event = invoke_event,
    .error = bedrock_converse_error,
    .error_event = bedrock_converse_error_event,
    .error_type = bedrock_converse_error_type,
    .blame = bedrock_converse_blame,
    .put_heartbeat = invoke_heartbeat,
    .translator = &translator,
};
