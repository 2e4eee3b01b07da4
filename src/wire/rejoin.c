/* Reasoning that its caller carried for us in another format's shape: put together again as its vendor made it, so that what goes
 * back is what was signed. Streams tell a signature behind its text, and formats without a place for one get it as a part of
 * its own. Called before a request is written, behind chat_unseal_all(). Pure. */
#include "wire/formats.h"

/* The first of its opaque bytes, when it was sealed here. */
static const struct chat_opaque *carried(const struct chat_opaque *o) { return o && o->origin.deployment ? o : NULL; }

/* What belongs to the whole thought before it, and what is a block by itself. */
static bool signs_text(const struct chat_opaque *o) { return o->kind == OPAQUE_SIGNATURE || o->kind == OPAQUE_ENCRYPTED; }
static bool is_alone(const struct chat_opaque *o) { return o->kind == OPAQUE_REDACTED || o->kind == OPAQUE_THOUGHT_SIGNATURE; }

/* A thought in text that nobody has signed. */
static bool is_open(const struct chat_part *p)
{
    bool thought = p->kind == PART_THOUGHT || p->kind == PART_SUMMARY;
    return thought && p->text.n && !p->opaque && !p->node.extra;
}

static bool is_all_open(const struct chat_item *i)
{
    if (i->kind != ITEM_REASONING || i->opaque || i->node.extra || !i->parts) return false;
    for (const struct chat_part *p = i->parts; p; p = p->next)
        if (!is_open(p)) return false;
    return true;
}

/* The part of an item that is nothing but a carried signature. */
static struct chat_part *bare_signature(const struct chat_item *i)
{
    struct chat_part *p = i->kind == ITEM_REASONING ? i->parts : NULL;
    const struct chat_opaque *o = p && !p->next && !p->text.n ? carried(p->opaque) : NULL;
    return o && signs_text(o) ? p : NULL;
}

static char *put_texts(char *at, const struct chat_item *i)
{
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        memcpy(at, p->text.p, p->text.n);
        at += p->text.n;
    }
    return at;
}

/* The items from *first on, all of them thoughts in pieces, become the text that the last one's signature is of. */
static enum err join_before(struct chat *c, struct chat_item **first, struct chat_item *last, struct fault *why)
{
    struct chat_part *bare = bare_signature(last);
    size_t n = 0;
    for (const struct chat_item *i = *first; i != last; i = i->next)
        for (const struct chat_part *p = i->parts; p; p = p->next) n += p->text.n;
    char *text = arena_alloc(c->arena, n), *at = text;
    if (!text) return FAIL(why, ERR_LIMIT, "the request's reasoning does not fit its bounds");
    for (const struct chat_item *i = *first; i != last; i = i->next) at = put_texts(at, i);
    bare->text = str_make(text, n);
    chat_has(&bare->node, PART_HAS_TEXT);
    *first = last;
    return OK;
}

static void settle_kinds(struct chat_item *i)
{
    for (struct chat_part *p = i->parts; p; p = p->next) {
        const struct chat_opaque *o = carried(p->opaque);
        if (p->kind != PART_THOUGHT || p->text.n || !o || !is_alone(o)) continue;
        p->kind = PART_REDACTED;
        p->node.has &= ~(1ull << PART_HAS_TEXT);
    }
}

enum err wire_rejoin(struct chat *c, struct fault *why)
{
    struct chat_item **run = NULL; /* where the thoughts in pieces begin that end at *at; NULL: none do */
    for (struct chat_item **at = &c->items; *at; at = &(*at)->next) {
        struct chat_item *i = *at;
        if (i->kind == ITEM_REASONING) settle_kinds(i);
        if (run && bare_signature(i)) {
            TRY(join_before(c, run, i, why));
            at = run;
            run = NULL;
            continue;
        }
        if (!is_all_open(i)) run = NULL;
        else if (!run) run = at;
    }
    return OK;
}
