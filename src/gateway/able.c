/* What local models are for: a request that the model behind a local deployment cannot take is passed over before anything is tried,
 * as its description on the board tells, and what llama.cpp's server as we start it never has. Called by send and translate; pure. */
#include "priv.h"

static bool is_local(const struct deployment *d) { return d->provider->kind->is_llama; }

static bool talks(enum wire_operation op) { return op == WIRE_GENERATE || op == WIRE_COUNT_TOKENS || op == WIRE_COMPACT; }

const char *able_lacks(const struct exchange *x, const struct deployment *d)
{
    enum wire_operation op = x->request.operation;
    const struct engine_row *e = is_local(d) ? board_engine_find(x->gl->gateway->board, d->model) : NULL;
    uint32_t uses = e ? atomic_load(&e->uses) : 0;
    if (!e) return NULL; /* another kind, or the engine has not looked through its models yet */
    if (wire_is_embed(op) && !(uses & ENGINE_EMBEDS)) return "embeddings";
    return talks(op) && !(uses & ENGINE_TALKS) ? "conversations" : NULL;
}

enum err able_refuse(struct exchange *x, const char *lacks)
{
    return FAIL(&x->fault, ERR_FORMAT_UNSUPPORTED,
                "the model of '%.*s' is not made for %s: call one that is, or give the route one", STR_ARG(x->request.model),
                lacks);
}

static const char *lacks_of(const struct chat *c)
{
    for (const struct chat_item *i = c->items; i; i = i->next)
        for (const struct chat_part *p = i->parts; p; p = p->next) {
            if (p->kind == PART_IMAGE) return "pictures";
            if (p->kind == PART_AUDIO) return "sound";
            if (p->kind == PART_VIDEO) return "films";
        }
    return NULL;
}

enum err able_check(struct exchange *x, const struct chat *c)
{
    const char *lacks = is_local(x->attempt.deployment) ? lacks_of(c) : NULL;
    return lacks ? able_refuse(x, lacks) : OK;
}

enum err able_check_dimensions(struct exchange *x, bool said)
{
    if (!said || !is_local(x->attempt.deployment)) return OK;
    return FAIL(
        &x->fault, ERR_FORMAT_UNSUPPORTED,
        "dimensions: the model of '%.*s' gives vectors of its own length and no other; leave it out, or call another model",
        STR_ARG(x->request.model));
}

enum err able_check_body(struct exchange *x)
{
    struct json_tape *t = &x->gl->tape;
    struct str body = x->stream->request->body;
    if (!is_local(x->attempt.deployment)) return OK;
    if (talks(x->request.operation)) return translate_look(x);
    if (x->request.operation != WIRE_EMBED) return OK;
    TRY(json_scan(t, body, &JSON_LIMITS_TOP, &x->fault));
    uint32_t said = json_find(t, 0, S("dimensions"));
    return able_check_dimensions(x, said && !json_is(t, said, JSON_NULL));
}
