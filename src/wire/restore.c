/* The way back of adapt.c: calls of tools that were told otherwise get their own names, namespaces and free text again, in whole
 * answers and in streams. Called by the gateway between reader and writer; a stream's state is in the exchange's arena. */
#include "wire/parts.h"

static const struct wire_name *find_name(const struct wire_name *names, struct str theirs)
{
    while (names && !str_eq(names->theirs, theirs)) names = names->next;
    return names;
}

static void rename_call(struct chat_item *i, const struct wire_name *n)
{
    i->name = n->ours;
    i->name_space = n->name_space;
    i->form = n->form;
    if (n->name_space.p) chat_has(&i->node, ITEM_HAS_NAMESPACE);
}

/* The one string of the arguments; whatever else the model made of them is the text as it stands. */
static bool free_text(const struct json_tape *t, struct str *ret_span)
{
    uint32_t at = json_find(t, 0, S("input")), key, only;
    struct json_iter it = json_each(t, 0);
    if (!json_is(t, 0, JSON_OBJECT)) return false;
    if (!at && json_count(t, 0) == 1 && json_next_member(t, &it, &key, &only)) at = only;
    if (!at || !json_is(t, at, JSON_STRING)) return false;
    *ret_span = json_text(t, at);
    return true;
}

static bool free_text_of(struct str span, struct arena *a, struct str *ret_span)
{
    struct json_tape t;
    struct buf text;
    struct str inside = span;
    buf_init(&text, span.n);
    json_tape_init(&t, 0);
    json_span_unescape(span, &text);
    if (json_scan(&t, buf_view(&text), NULL, NULL) == OK && !free_text(&t, &inside)) inside = span;
    bool fits = arena_str(a, inside, ret_span);
    json_tape_done(&t);
    buf_done(&text);
    return fits;
}

static enum err too_large(struct fault *why)
{
    return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
}

enum err wire_restore_answer(struct chat_answer *a, const struct wire_name *names, struct fault *why)
{
    struct str span;
    for (struct chat_item *i = a->items; names && i; i = i->next) {
        const struct wire_name *n = i->kind == ITEM_TOOL_CALL ? find_name(names, i->name) : NULL;
        if (!n) continue;
        rename_call(i, n);
        if (n->form != CALL_CUSTOM) continue;
        if (!chat_json_span(&i->arguments, a->arena, &span) || !free_text_of(span, a->arena, &span)) return too_large(why);
        i->arguments = (struct chat_json){span, true};
    }
    return OK;
}

/* ---- streams: free text waits until all of its function's arguments are there --------------------------------------------------- */

struct waiting {
    uint32_t item;
    char *said;
    size_t n, cap;
    const struct wire_name *name;
    struct waiting *next;
};

struct wire_restorer {
    struct arena *arena;
    const struct wire_name *names;
    struct chat_sink next;
    struct waiting *open;
};

struct wire_restorer *wire_restorer_new(struct arena *a, const struct wire_name *names, const struct chat_sink *next)
{
    struct wire_restorer *r = arena_alloc(a, sizeof *r);
    if (r) *r = (struct wire_restorer){.arena = a, .names = names, .next = *next};
    return r;
}

static struct waiting *find_open(const struct wire_restorer *r, uint32_t item)
{
    struct waiting *x = r->open;
    while (x && x->item != item) x = x->next;
    return x;
}

static enum err start_call(struct wire_restorer *r, const struct chat_event *e, const struct wire_name *n, struct fault *why)
{
    struct chat_event again = *e;
    struct chat_item node = *e->node;
    struct waiting *x = arena_alloc(r->arena, sizeof *x);
    if (!x) return too_large(why);
    rename_call(&node, n);
    *x = (struct waiting){.item = e->item, .name = n, .next = r->open};
    r->open = x;
    again.node = &node;
    return chat_emit(&r->next, &again, why);
}

static enum err add_text(struct wire_restorer *r, struct waiting *x, struct str text, struct fault *why)
{
    if (x->n + text.n > x->cap) {
        size_t cap = (x->n + text.n) * 2 + 64;
        char *more = arena_alloc(r->arena, cap);
        if (!more) return too_large(why);
        if (x->n) memcpy(more, x->said, x->n);
        x->said = more;
        x->cap = cap;
    }
    memcpy(x->said + x->n, text.p, text.n);
    x->n += text.n;
    return OK;
}

static enum err end_call(struct wire_restorer *r, struct waiting *x, const struct chat_event *e, struct fault *why)
{
    struct chat_event again = *e;
    struct chat_item node = {0};
    struct str text;
    struct waiting **at = &r->open;
    while (*at != x) at = &(*at)->next;
    *at = x->next;
    if (x->name->form == CALL_CUSTOM && x->n) {
        if (!free_text_of(str_make(x->said, x->n), r->arena, &text)) return too_large(why);
        struct chat_event said = {
            .kind = EVENT_DELTA, .item = e->item, .choice = e->choice, .field = DELTA_ARGUMENTS, .text = text};
        if (text.n) TRY(chat_emit(&r->next, &said, why));
    }
    if (e->node) node = *e->node;
    if (e->node && node.name.p) rename_call(&node, x->name);
    if (e->node) again.node = &node;
    return chat_emit(&r->next, &again, why);
}

enum err wire_restore_event(void *restorer, const struct chat_event *e, struct fault *why)
{
    struct wire_restorer *r = restorer;
    bool starts = e->kind == EVENT_ITEM_START && e->node->kind == ITEM_TOOL_CALL;
    const struct wire_name *n = starts ? find_name(r->names, e->node->name) : NULL;
    if (n) return start_call(r, e, n, why);
    struct waiting *x = e->kind == EVENT_DELTA || e->kind == EVENT_ITEM_END ? find_open(r, e->item) : NULL;
    if (!x) return chat_emit(&r->next, e, why);
    if (e->kind == EVENT_ITEM_END) return end_call(r, x, e, why);
    bool waits = x->name->form == CALL_CUSTOM && e->field == DELTA_ARGUMENTS;
    return waits ? add_text(r, x, e->text, why) : chat_emit(&r->next, e, why);
}
