/* An InvokeModel request with an Anthropic body, read into the form: a Messages request whose version and betas stand in the body.
 * Facts: Amazon Bedrock User Guide, "Anthropic Claude Messages API". Pure. */
#include "wire/bedrock_invoke/priv.h"

/* Takes a member out of what the form has no place for. */
static bool take_extra(struct chat_node *n, struct str name, struct chat_extra *ret_extra)
{
    struct chat_extra *before = NULL, *e = n->extra;
    while (e && !(str_eq(e->name, name) && !e->inside.p)) {
        before = e;
        e = e->next;
    }
    if (!e) return false;
    *ret_extra = *e;
    struct chat_extra *last = n->extra->last == e ? before : n->extra->last;
    if (before) before->next = e->next;
    else n->extra = e->next;
    if (n->extra) n->extra->last = last;
    return true;
}

static enum err take_betas(const struct json_tape *t, struct chat *c, struct fault *why)
{
    struct wire_in in = WIRE_IN_REQUEST(t, c, why);
    uint32_t betas = json_find(t, 0, S("anthropic_beta"));
    struct chat_extra extra;
    if (!take_extra(&c->node, S("anthropic_beta"), &extra)) return OK;
    if (json_is(t, betas, JSON_NULL)) return OK;
    TRY(wire_want(&in, betas, WANT_STRINGS));
    c->settings[SET_BETAS] = extra.raw;
    chat_has(&c->node, SET_BETAS);
    return OK;
}

enum err bedrock_invoke_read_request(const struct json_tape *t, struct chat *c, struct fault *why)
{
    struct chat_extra version;
    TRY(anthropic_messages_read_request(t, c, why));
    take_extra(&c->node, S("anthropic_version"), &version); /* checked by ops->read */
    return take_betas(t, c, why);
}
