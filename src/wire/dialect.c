/* The two dialects of Messages: Anthropic's own, and Vertex AI's. Facts: Google Cloud, "Claude on Vertex AI: use Claude", "Count
 * tokens"; what Anthropic's Vertex SDK sends. Pure; called by the gateway for calls that come in or go out as Vertex AI has it. */
#include "wire/wire.h"

bool wire_is_vertex(const struct wire_endpoint *e) { return e->format == WIRE_ANTHROPIC_MESSAGES && e->in_path != PATH_FIXED; }

unsigned wire_dialect_changes(const struct wire_request *r, const struct wire_dialect *d,
                              struct json_change ret_changes[WIRE_DIALECT_CHANGES])
{
    bool counts = r->operation == WIRE_COUNT_TOKENS;
    unsigned n = 0;
    if (!d->from_vertex && !d->to_vertex) return 0;
    if (d->to_vertex) ret_changes[n++] = (struct json_change){JSON_DEFAULT, S("anthropic_version"), d->version};
    else ret_changes[n++] = (struct json_change){JSON_DROP, S("anthropic_version"), STR_NONE};
    if (!d->to_vertex) ret_changes[n++] = (struct json_change){JSON_DROP, S("anthropic_beta"), STR_NONE};
    if (counts) return n; /* the model is in the body in both */
    if (d->to_vertex) ret_changes[n++] = (struct json_change){JSON_DROP, S("model"), STR_NONE};
    else ret_changes[n++] = (struct json_change){JSON_SET, S("model"), d->model};
    if (d->from_vertex && r->stream) ret_changes[n++] = (struct json_change){JSON_SET, S("stream"), S("true")};
    return n;
}
