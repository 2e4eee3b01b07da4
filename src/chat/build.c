/* Building the form: nodes in the arena, each behind the last of its list.
 * Called by every reader of a wire format and by the folder; owns nothing. Lists of what a request's author decides the length
 * of are appended to in one step: a list whose first element had to be walked would cost the square of it. */
#include "chat/chat.h"

struct chat_group *chat_add_group(struct arena *a, enum chat_role role, uint32_t at)
{
    struct chat_group *g = arena_alloc(a, sizeof *g);
    if (!g) return NULL;
    g->role = role;
    g->node.at = at;
    return g;
}

struct chat_item *chat_add_item(struct arena *a, struct chat_item **first, struct chat_item **last, enum chat_item_kind kind,
                                struct chat_group *g)
{
    struct chat_item *i = arena_alloc(a, sizeof *i);
    if (!i) return NULL;
    i->kind = kind;
    i->group = g;
    if (g) i->node.at = g->node.at;
    *(*last ? &(*last)->next : first) = i;
    *last = i;
    return i;
}

struct chat_part *chat_add_part(struct arena *a, struct chat_item *i, enum chat_part_kind kind)
{
    struct chat_part *p = arena_alloc(a, sizeof *p);
    if (!p) return NULL;
    p->kind = kind;
    p->node.at = i->node.at;
    *(i->parts_last ? &i->parts_last->next : &i->parts) = p;
    i->parts_last = p;
    return p;
}

bool chat_add_said(struct chat *c, enum chat_role role, struct str text, const uint32_t at[2])
{
    struct said {
        struct chat_group group;
        struct chat_item item;
        struct chat_part part;
    } *said = arena_alloc(c->arena, sizeof *said);
    if (!said) return false;
    said->group.role = role;
    said->group.shape = SHAPE_STRING;
    said->group.node.at = at[0];
    said->item.group = &said->group;
    said->item.node.at = at[1];
    said->item.parts = said->item.parts_last = &said->part;
    said->part.node.at = at[1];
    said->part.text = text;
    chat_has(&said->part.node, PART_HAS_TEXT);
    *(c->items_last ? &c->items_last->next : &c->items) = &said->item;
    c->items_last = &said->item;
    return true;
}

bool chat_is_said(const struct chat_item *i)
{
    const struct chat_part *p = i->parts;
    const struct chat_group *g = i->group;
    if (i->kind != ITEM_MESSAGE || i->node.has || i->node.extra || !p || p->next) return false;
    if (g->shape != SHAPE_STRING || g->node.has & ~(1ull << GROUP_HAS_ROLE) || g->node.extra) return false;
    return p->kind == PART_TEXT && p->node.has == 1ull << PART_HAS_TEXT && !p->node.extra;
}

struct chat_census chat_count(const struct chat *c)
{
    struct chat_census all = {0};
    for (const struct chat_item *i = c->items; i; i = i->next) {
        all.items |= 1u << i->kind;
        for (const struct chat_part *p = i->parts; p; p = p->next) all.parts |= 1u << p->kind;
    }
    return all;
}

/* The place behind the last of a list whose first element knows its last; tells the first who the last will be. */
#define APPEND(list, element)                                                        \
    do {                                                                             \
        if (*(list)) (*(list))->last->next = (element), (*(list))->last = (element); \
        else *(list) = (element), (element)->last = (element);                       \
    } while (0)

struct chat_opaque *chat_add_opaque(struct arena *a, struct chat_opaque **list, enum chat_opaque_kind kind, struct str span)
{
    struct chat_opaque *o = arena_alloc(a, sizeof *o);
    if (!o) return NULL;
    o->kind = kind;
    o->span = span;
    APPEND(list, o);
    return o;
}

struct chat_tool *chat_add_tool(struct arena *a, struct chat_tool **list, enum chat_tool_kind kind)
{
    struct chat_tool *t = arena_alloc(a, sizeof *t);
    if (!t) return NULL;
    t->kind = kind;
    APPEND(list, t);
    return t;
}

struct chat_annotation *chat_add_annotation(struct arena *a, struct chat_annotation **list)
{
    struct chat_annotation *n = arena_alloc(a, sizeof *n);
    if (!n) return NULL;
    APPEND(list, n);
    return n;
}

bool chat_add_extra(struct arena *a, struct chat_node *n, struct str name, struct str raw, uint32_t at)
{
    struct chat_extra *e = arena_alloc(a, sizeof *e);
    if (!e) return false;
    *e = (struct chat_extra){.name = name, .raw = raw, .at = at};
    APPEND(&n->extra, e);
    return true;
}
