/* State of tool calls, for a caller's format that has no place for it (Chat): what a model thought before it called, with its maker's
 * signatures, and what the calls themselves carry. Taken out of an answer as one text per call id, sealed, and put back into the
 * conversation that brings the calls' results. Where the text is kept is others' business. Called by the gateway; pure but for the
 * sealing's random nonce. */
#include "chat/chat.h"

static const struct {
    struct str word;
    enum chat_part_kind kind;
} KINDS[] = {{{"thought", 7}, PART_THOUGHT}, {{"summary", 7}, PART_SUMMARY}, {{"redacted", 8}, PART_REDACTED}};

bool chat_call_id_is_plain(struct str id)
{
    enum { ID_MAX = 128 };
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool fine =
            (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '_' || c == '.' || c == ':';
        if (!fine) return false;
    }
    return id.n > 0 && id.n <= ID_MAX;
}

/* ---- out of an answer ------------------------------------------------------------------------------------------------------ */

struct keeping {
    const struct chat_seal *seal;
    struct chat_origin origin;
    struct json_writer w;
};

static void put_state(struct keeping *k, const struct chat_opaque *o)
{
    struct buf sealed;
    struct chat_opaque from;
    if (!o) return;
    from = *o;
    from.origin = k->origin;
    buf_init(&sealed, o->span.n * 2 + KIB(1));
    chat_seal_text(k->seal, &from, &sealed);
    json_put_name(&k->w, S("state"));
    json_put_span(&k->w, buf_view(&sealed));
    buf_done(&sealed);
}

static void put_part(struct keeping *k, const struct chat_part *p)
{
    for (unsigned i = 0; i < COUNTOF(KINDS); i++) {
        if (KINDS[i].kind != p->kind) continue;
        json_put_object(&k->w);
        json_add_str(&k->w, S("kind"), KINDS[i].word);
        if (p->text.p) json_put_name(&k->w, S("text"));
        if (p->text.p) json_put_span(&k->w, p->text);
        put_state(k, p->opaque);
        json_put_end(&k->w);
    }
}

static void put_thoughts(struct keeping *k, const struct chat_item *i)
{
    json_put_object(&k->w);
    json_add_array(&k->w, S("parts"));
    for (const struct chat_part *p = i->parts; p; p = p->next) put_part(k, p);
    json_put_end(&k->w);
    put_state(k, i->opaque);
    json_put_end(&k->w);
}

static bool has_state(const struct chat_item *i)
{
    bool has = i->opaque != NULL;
    for (const struct chat_part *p = i->parts; p; p = p->next) has |= p->opaque != NULL;
    return has;
}

static void put_list(struct keeping *k, struct str name, const struct chat_item *first, const struct chat_item *end)
{
    json_add_array(&k->w, name);
    for (const struct chat_item *i = first; i != end; i = i->next)
        if (i->kind == ITEM_REASONING && has_state(i)) put_thoughts(k, i);
    json_put_end(&k->w);
}

/* From the first thought to before the call: what came before the model's words, and what came behind them, at the call (a
 * signature may belong to it alone: G6). */
static void put_call(struct keeping *k, const struct chat_item *first, const struct chat_item *call)
{
    const struct chat_item *spoken = first;
    for (const struct chat_item *i = first; i != call; i = i->next)
        if (i->kind == ITEM_MESSAGE) spoken = i->next;
    json_put_name_span(&k->w, call->call_id);
    json_put_object(&k->w);
    put_list(k, S("before"), first, spoken);
    put_list(k, S("at"), spoken, call);
    put_state(k, call->opaque);
    json_put_end(&k->w);
}

static void tick(struct chat_item *i)
{
    chat_told(&i->node, ITEM_HAS_OPAQUE);
    for (struct chat_part *p = i->parts; p; p = p->next) chat_told(&p->node, PART_HAS_OPAQUE);
}

unsigned chat_calls_keep(struct chat_answer *a, const struct chat_seal *seal, struct chat_origin origin, struct buf *out)
{
    struct keeping k = {.seal = seal, .origin = origin};
    struct chat_item *first = a->items;
    unsigned n = 0;
    bool thought = false;
    json_write(&k.w, out);
    json_put_object(&k.w);
    for (struct chat_item *i = a->items; i; i = i->next) {
        thought |= i->kind == ITEM_REASONING && has_state(i);
        if (i->kind != ITEM_TOOL_CALL || !(thought || i->opaque) || !chat_call_id_is_plain(i->call_id)) continue;
        put_call(&k, first, i);
        for (struct chat_item *done = first; done != i->next; done = done->next) tick(done);
        first = i->next;
        thought = false;
        n++;
    }
    json_put_end(&k.w);
    return json_write_done(&k.w) ? n : 0;
}

/* ---- back into a conversation ------------------------------------------------------------------------------------------------ */

struct restoring {
    struct chat *c;
    const struct json_tape *t;
};

static struct str text_of(const struct restoring *r, uint32_t object, const char *name)
{
    uint32_t at = json_find(r->t, object, str_z(name));
    return at && json_is(r->t, at, JSON_STRING) ? json_text(r->t, at) : STR_NONE;
}

/* Over nothing when there is no such member: number 0 would be the whole text. */
static struct json_iter each_of(const struct restoring *r, uint32_t object, const char *name)
{
    uint32_t list = json_find(r->t, object, str_z(name));
    return list && json_is(r->t, list, JSON_ARRAY) ? json_each(r->t, list) : (struct json_iter){0};
}

/* Its kind and origin are inside of the seal: chat_unseal_all() tells. */
static bool take_state(const struct restoring *r, uint32_t object, struct chat_opaque **list, struct chat_node *n, unsigned field)
{
    struct str sealed = text_of(r, object, "state");
    if (!chat_is_sealed(sealed)) return true;
    chat_has(n, field);
    return chat_add_opaque(r->c->arena, list, OPAQUE_SIGNATURE, sealed);
}

static bool take_part(const struct restoring *r, uint32_t at, struct chat_item *i)
{
    struct str kind = text_of(r, at, "kind"), text = text_of(r, at, "text");
    for (unsigned k = 0; k < COUNTOF(KINDS); k++) {
        if (!str_eq(KINDS[k].word, kind)) continue;
        struct chat_part *p = chat_add_part(r->c->arena, i, KINDS[k].kind);
        if (!p) return false;
        p->text = text;
        if (text.p) chat_has(&p->node, PART_HAS_TEXT);
        return take_state(r, at, &p->opaque, &p->node, PART_HAS_OPAQUE);
    }
    return true;
}

/* One item of thoughts at *where, which goes on behind it. */
static bool take_thoughts(const struct restoring *r, uint32_t at, struct chat_group *g, struct chat_item ***where)
{
    struct chat_item *first = NULL, *last = NULL, *i = chat_add_item(r->c->arena, &first, &last, ITEM_REASONING, g);
    uint32_t one;
    if (!i) return false;
    for (struct json_iter it = each_of(r, at, "parts"); json_next(r->t, &it, &one);)
        if (!take_part(r, one, i)) return false;
    if (i->parts) chat_has(&i->node, ITEM_HAS_PARTS);
    i->shape = SHAPE_ARRAY;
    i->next = **where;
    **where = i;
    *where = &i->next;
    return take_state(r, at, &i->opaque, &i->node, ITEM_HAS_OPAQUE);
}

/* At *where, which goes on behind them. */
static bool take_list(const struct restoring *r, struct json_iter list, struct chat_group *g, struct chat_item ***where)
{
    uint32_t one;
    while (json_next(r->t, &list, &one))
        if (!take_thoughts(r, one, g, where)) return false;
    return true;
}

/* `where` the message begins. */
static bool restore_call(const struct restoring *r, uint32_t found, struct chat_item *call, struct chat_item **where)
{
    if (!take_list(r, each_of(r, found, "before"), call->group, &where)) return false;
    while (*where != call) where = &(*where)->next;
    if (!take_list(r, each_of(r, found, "at"), call->group, &where)) return false;
    return take_state(r, found, &call->opaque, &call->node, ITEM_HAS_OPAQUE);
}

/* What was thought before the words comes to the message's beginning: its words are one text here. */
enum err chat_calls_restore(struct chat *c, const struct json_tape *t, struct fault *why)
{
    const struct restoring r = {c, t};
    struct chat_item **begin = &c->items, **at = &c->items;
    const struct chat_group *group = NULL;
    for (; *at; at = &(*at)->next) {
        struct chat_item *i = *at;
        if (i->group != group) begin = at;
        group = i->group;
        if (i->kind != ITEM_TOOL_CALL) continue;
        uint32_t found = chat_call_id_is_plain(i->call_id) ? json_find(t, 0, i->call_id) : 0;
        if (found && !restore_call(&r, found, i, begin)) return FAIL(why, ERR_LIMIT, "the request's opaque state is too large");
        while (*at != i) at = &(*at)->next;
        begin = &i->next;
    }
    return OK;
}
