/* Errors of Messages (A18): an upstream's failed answer read, any error written in this shape. Pure. */
#include "wire/anthropic_messages/priv.h"

void anthropic_messages_read_error(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                                   struct chat_error *ret_error)
{
    (void)fields;
    *ret_error = (struct chat_error){0};
    if (wire_scan_error(t, body)) anthropic_messages_read_error_object(t, a, ret_error);
    wire_error_status(ret_error, status);
}

static const struct str TYPES[] = {
    [CLASS_NONE] = {"api_error", 9},
    [CLASS_REQUEST] = {"invalid_request_error", 21},
    [CLASS_AUTH] = {"authentication_error", 20},
    [CLASS_PERMISSION] = {"permission_error", 16},
    [CLASS_NOT_FOUND] = {"not_found_error", 15},
    [CLASS_TOO_LARGE] = {"request_too_large", 17},
    [CLASS_RATE] = {"rate_limit_error", 16},
    [CLASS_BILLING] = {"billing_error", 13},
    [CLASS_OVERLOADED] = {"overloaded_error", 16},
    [CLASS_UPSTREAM] = {"api_error", 9},
    [CLASS_TIMEOUT] = {"timeout_error", 13},
    [CLASS_INTERNAL] = {"api_error", 9},
};

void anthropic_messages_write_error(const struct chat_error *e, struct str request_id, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("type"), S("error"));
    json_add_object(&w, S("error"));
    json_add_str(&w, S("type"), TYPES[e->class]);
    wire_add_message(&w, e, S("prompt is too long"));
    if (e->word.n) json_add_str(&w, S("code"), e->word);
    json_put_end(&w);
    json_add_str(&w, S("request_id"), request_id);
    json_put_end(&w);
}
