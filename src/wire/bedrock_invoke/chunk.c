/* The wrapping of InvokeModelWithResponseStream: each event's JSON in base64 in a frame of its own. Facts: Amazon Bedrock API
 * reference, "ResponseStream", "PayloadPart". Pure. */
#include <sodium.h>

#include "wire/bedrock_invoke/priv.h"

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL };

static bool decode(struct str text, struct buf *out)
{
    size_t n = 0;
    if (!buf_reserve(out, text.n / 4 * 3 + 3)) return false;
    if (sodium_base642bin((unsigned char *)out->p + out->n, text.n / 4 * 3 + 3, text.p, text.n, NULL, &n, NULL, BASE64) != 0)
        return false;
    out->n += n;
    return true;
}

bool bedrock_invoke_open(struct json_tape *t, struct str payload, struct buf *out)
{
    struct buf plain;
    if (json_scan(t, payload, &WIRE_LIMITS, NULL) != OK) return false;
    uint32_t bytes = json_find(t, 0, S("bytes"));
    if (!bytes || !json_is(t, bytes, JSON_STRING)) return false;
    buf_init(&plain, payload.n);
    struct str text = json_str(t, bytes, &plain);
    bool good = text.p && decode(text, out);
    buf_done(&plain);
    return good;
}

void bedrock_invoke_put_chunk(struct str event, struct buf *out)
{
    struct event_stream_mark m = event_stream_begin(out, EVENT_STREAM_EVENT, S("chunk"), S("application/json"));
    size_t n = sodium_base64_ENCODED_LEN(event.n, BASE64); /* with its terminator */
    buf_str(out, S("{\"bytes\":\""));
    if (buf_reserve(out, n)) {
        sodium_bin2base64(out->p + out->n, n, (const unsigned char *)event.p, event.n, BASE64);
        out->n += n - 1;
    }
    buf_str(out, S("\"}"));
    event_stream_end(out, m);
}

void bedrock_invoke_put_chunks(struct str sse, struct buf *out)
{
    while (sse.n) {
        struct str line;
        str_cut(sse, '\n', &line, &sse);
        if (str_starts(line, S("data: "))) bedrock_invoke_put_chunk(str_from(line, 6), out);
    }
}
