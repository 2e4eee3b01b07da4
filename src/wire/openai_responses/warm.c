/* warm: the answer to a request with `generate: false`, which wants an id to go on from and nothing of a model (OpenAI's guide
 * "WebSocket mode"). Called by the gateway in place of a provider. Pure. */
#include "wire/openai_responses/warm.h"

#include "wire/openai_responses/priv.h"

static void put(struct buf *out, const struct wire_reply *to, const struct chat_answer *a, unsigned number)
{
    const char *type = number ? "response.completed" : "response.created";
    struct json_writer w;
    buf_fmt(out, "event: %s\ndata: ", type);
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("type"), str_z(type));
    json_add_u64(&w, S("sequence_number"), number);
    json_put_name(&w, S("response"));
    openai_responses_put_response(&w, to, a, number ? S("completed") : S("in_progress"), NULL);
    json_put_end(&w);
    buf_str(out, S("\n\n"));
}

void responses_warm_put(const struct json_tape *t, struct arena *a, struct wire_reply *to, struct buf *out)
{
    struct chat_answer answer = {.arena = a};
    openai_responses_remember(t, a, to);
    usage_set(&answer.usage, USAGE_IN_FRESH, 0, USAGE_REPORTED);
    usage_set(&answer.usage, USAGE_OUT_VISIBLE, 0, USAGE_REPORTED);
    put(out, to, &answer, 0);
    put(out, to, &answer, 1);
}
