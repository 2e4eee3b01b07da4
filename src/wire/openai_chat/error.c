/* Errors of Chat Completions: an upstream's failed answer read, any error written in this shape. Facts: OpenAI API reference
 * "Error codes"; docs/wire.md. Pure. */
#include "wire/openai_chat/priv.h"

void openai_chat_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                            struct chat_error *ret_error)
{
    (void)fields;
    *ret_error = (struct chat_error){0};
    if (json_scan(t, body, &WIRE_LIMITS, NULL) == OK && json_is(t, 0, JSON_OBJECT)) openai_chat_event_error(t, a, ret_error);
    wire_error_status(ret_error, status);
}

static const struct str TYPES[] = {
    [CLASS_NONE] = {"server_error", 12},
    [CLASS_REQUEST] = {"invalid_request_error", 21},
    [CLASS_AUTH] = {"authentication_error", 20},
    [CLASS_PERMISSION] = {"permission_error", 16},
    [CLASS_NOT_FOUND] = {"invalid_request_error", 21},
    [CLASS_TOO_LARGE] = {"invalid_request_error", 21},
    [CLASS_RATE] = {"rate_limit_error", 16},
    [CLASS_BILLING] = {"insufficient_quota", 18},
    [CLASS_OVERLOADED] = {"server_error", 12},
    [CLASS_UPSTREAM] = {"server_error", 12},
    [CLASS_TIMEOUT] = {"timeout_error", 13},
    [CLASS_INTERNAL] = {"server_error", 12},
};

/* What clients look for; where there is none, the provider's own word says more than nothing. */
static struct str code_of(const struct chat_error *e)
{
    if (e->class == CLASS_RATE) return S("rate_limit_exceeded");
    if (e->class == CLASS_BILLING) return S("insufficient_quota");
    if (e->reason == REASON_CONTEXT_FULL) return S("context_length_exceeded");
    if (e->reason == REASON_FILTER) return S("content_filter");
    return e->word;
}

void openai_chat_write_error(const struct chat_error *e, struct str request_id, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_object(&w, S("error"));
    json_add_str(&w, S("message"), e->message);
    json_add_str(&w, S("type"), TYPES[e->class]);
    json_add_null(&w, S("param"));
    if (code_of(e).n) json_add_str(&w, S("code"), code_of(e));
    else json_add_null(&w, S("code"));
    json_put_end(&w);
    json_add_str(&w, S("request_id"), request_id);
    json_put_end(&w);
}
