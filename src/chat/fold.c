/* Fold: the events of a stream become one whole answer (law 1). Unlike everything else that takes events it keeps them, so all
 * text is copied to the answer's arena, which bounds it. Called by the road from a stream to an answer that is not streamed, and
 * by every test of a stream's reader. Texts grow by doubling: at most twice what they hold stays in the arena. */
#include "chat/chat.h"

struct text {
    char *p;
    size_t n, cap;
};

/* What is still growing of one item. */
struct growing {
    struct chat_item *item;
    struct text arguments, text, logprobs;
};

struct chat_fold {
    struct arena *arena;
    struct chat_answer *answer;
    struct chat_check *check;
    struct growing *items; /* by number */
    uint32_t n_items, cap_items, cap_stops;
    bool full; /* sticky: the arena could not hold something */
};

struct chat_fold *chat_fold_new(struct arena *a, struct chat_answer *answer)
{
    struct chat_fold *f = arena_alloc(a, sizeof *f);
    if (!f) return NULL;
    *answer = (struct chat_answer){.arena = a};
    *f = (struct chat_fold){.arena = a, .answer = answer, .check = chat_check_new(a, NULL)};
    return f->check ? f : NULL;
}

/* ---- memory: all of it fails by `full`, which is asked once an event ---------------------------------------------------------- */

static struct str keep(struct chat_fold *f, struct str s)
{
    struct str copy = STR_NONE;
    if (s.p && !arena_str(f->arena, s, &copy)) f->full = true;
    return copy;
}

/* What is newly said wins; what is not said stays. */
static void update(struct chat_fold *f, struct str *to, struct str s)
{
    if (s.p && !(to->p && str_eq(*to, s))) *to = keep(f, s);
}

static void text_add(struct chat_fold *f, struct text *t, struct str s)
{
    if (s.n > t->cap - t->n) {
        size_t need = t->n + s.n, cap = need < 32 ? 64 : need > SIZE_MAX / 2 ? need : need * 2;
        char *p = arena_alloc(f->arena, cap);
        f->full |= !p;
        if (!p) return;
        if (t->n) memcpy(p, t->p, t->n);
        t->p = p;
        t->cap = cap;
    }
    if (s.n) memcpy(t->p + t->n, s.p, s.n);
    t->n += s.n;
}

/* An array twice as long, with what was in the old one. NULL: full. */
static void *grown(struct chat_fold *f, const void *old, uint32_t n, uint32_t *cap, size_t size)
{
    uint32_t want = *cap ? *cap * 2 : 4;
    void *p = arena_alloc(f->arena, want * size);
    f->full |= !p;
    if (!p) return NULL;
    if (n) memcpy(p, old, n * size);
    *cap = want;
    return p;
}

/* ---- copies of nodes ----------------------------------------------------------------------------------------------------------- */

static void copy_one_extra(struct chat_fold *f, struct chat_node *to, const struct chat_extra *e)
{
    if (!chat_add_extra(f->arena, to, keep(f, e->name), keep(f, e->raw), e->at)) f->full = true;
    else to->extra->last->inside = keep(f, e->inside);
}

static void copy_extra(struct chat_fold *f, struct chat_node *to, const struct chat_node *from)
{
    for (const struct chat_extra *e = from->extra; e; e = e->next) copy_one_extra(f, to, e);
    to->has |= from->has;
}

static void copy_opaque(struct chat_fold *f, struct chat_opaque **list, const struct chat_opaque *from)
{
    for (; from; from = from->next) {
        struct chat_opaque *o = chat_add_opaque(f->arena, list, from->kind, keep(f, from->span));
        if (o) o->origin = (struct chat_origin){keep(f, from->origin.family), from->origin.deployment};
        f->full |= !o;
    }
}

static void copy_annotation(struct chat_fold *f, struct chat_annotation **list, const struct chat_annotation *from)
{
    struct chat_annotation *n = chat_add_annotation(f->arena, list);
    f->full |= !n;
    if (!n) return;
    copy_extra(f, &n->node, &from->node);
    n->kind = keep(f, from->kind);
    n->url = keep(f, from->url), n->title = keep(f, from->title);
    n->quote = keep(f, from->quote), n->file = keep(f, from->file);
    n->start = from->start, n->end = from->end, n->unit = from->unit;
    n->raw = keep(f, from->raw);
    copy_opaque(f, &n->opaque, from->opaque);
}

static void update_part(struct chat_fold *f, struct chat_part *p, const struct chat_part *from)
{
    copy_extra(f, &p->node, &from->node);
    if (from->media.value.p) p->media.form = from->media.form;
    update(f, &p->media.type, from->media.type), update(f, &p->media.value, from->media.value);
    update(f, &p->media.owner, from->media.owner);
    update(f, &p->name, from->name), update(f, &p->title, from->title), update(f, &p->context, from->context);
    update(f, &p->detail, from->detail), update(f, &p->citations, from->citations);
    update(f, &p->logprobs, from->logprobs);
    update(f, &p->cache.kind, from->cache.kind), update(f, &p->cache.ttl, from->cache.ttl);
    update(f, &p->word, from->word), update(f, &p->raw, from->raw);
    for (const struct chat_annotation *n = from->annotations; n; n = n->next) copy_annotation(f, &p->annotations, n);
    copy_opaque(f, &p->opaque, from->opaque);
}

/* Several items of one message share its group. */
static struct chat_group *keep_group(struct chat_fold *f, const struct chat_item *from)
{
    const struct chat_group *g = from->group;
    struct chat_item *last = f->answer->items_last;
    if (!g) return NULL;
    struct chat_group *old = last && last->choice == from->choice ? last->group : NULL;
    if (old && old->role == g->role && str_eq(old->id, g->id) && str_eq(old->name, g->name)) return old;
    struct chat_group *copy = chat_add_group(f->arena, g->role, g->node.at);
    f->full |= !copy;
    if (!copy) return NULL;
    copy_extra(f, &copy->node, &g->node);
    copy->shape = g->shape, copy->apart = g->apart;
    copy->name = keep(f, g->name), copy->id = keep(f, g->id), copy->audio = keep(f, g->audio);
    copy->cache = (struct chat_cache){keep(f, g->cache.kind), keep(f, g->cache.ttl)};
    return copy;
}

static void update_item(struct chat_fold *f, struct chat_item *i, const struct chat_item *from)
{
    if (from->node.extra) i->node.extra = NULL; /* the end has all of it, as of opaque */
    copy_extra(f, &i->node, &from->node);
    update(f, &i->id, from->id), update(f, &i->call_id, from->call_id);
    update(f, &i->name_space, from->name_space), update(f, &i->name, from->name);
    update(f, &i->status, from->status), update(f, &i->phase, from->phase);
    update(f, &i->cache.kind, from->cache.kind), update(f, &i->cache.ttl, from->cache.ttl);
    update(f, &i->word, from->word), update(f, &i->raw, from->raw);
    if (from->error != FLAG_ABSENT) i->error = from->error;
    if (from->shape != SHAPE_ABSENT) i->shape = from->shape;
    if (from->opaque) i->opaque = NULL;
    copy_opaque(f, &i->opaque, from->opaque);
}

/* ---- events: the check has let them through, so what they speak of is there ------------------------------------------------------ */

static void on_meta(struct chat_fold *f, const struct chat_event *e)
{
    const struct chat_meta *m = e->meta;
    f->answer->meta = (struct chat_meta){keep(f, m->id), keep(f, m->model), keep(f, m->family), m->created_s};
}

static void on_item_start(struct chat_fold *f, const struct chat_event *e)
{
    struct chat_answer *a = f->answer;
    if (f->n_items == f->cap_items) {
        struct growing *items = grown(f, f->items, f->n_items, &f->cap_items, sizeof *items);
        if (!items) return;
        f->items = items;
    }
    struct chat_group *g = keep_group(f, e->node);
    struct chat_item *i = chat_add_item(f->arena, &a->items, &a->items_last, e->node->kind, g);
    f->full |= !i;
    if (!i) return;
    i->node.at = e->node->node.at;
    i->choice = e->choice;
    i->form = e->node->form;
    update_item(f, i, e->node);
    f->items[f->n_items++] = (struct growing){.item = i};
    if (e->choice >= a->n_choices) a->n_choices = e->choice + 1;
}

static void on_part_start(struct chat_fold *f, const struct chat_event *e)
{
    struct growing *g = &f->items[e->item];
    struct chat_part *p = chat_add_part(f->arena, g->item, e->what->kind);
    f->full |= !p;
    if (!p) return;
    p->text = keep(f, e->what->text);
    update_part(f, p, e->what);
    g->text = g->logprobs = (struct text){0};
}

/* "[1]" and "[2,3]" make "[1,2,3]". */
static void join_arrays(struct chat_fold *f, struct text *to, struct str array)
{
    struct str inner = str_make(array.p + 1, array.n - 2);
    if (!to->n) {
        text_add(f, to, array);
        return;
    }
    to->n--;
    if (to->p[to->n - 1] != '[' && inner.n) text_add(f, to, S(","));
    text_add(f, to, inner);
    text_add(f, to, S("]"));
}

static struct str view(const struct text *t) { return (struct str){t->p, t->n}; }

static void on_delta(struct chat_fold *f, const struct chat_event *e)
{
    struct growing *g = &f->items[e->item];
    struct chat_part *p = g->item->parts_last;
    switch (e->field) {
    case DELTA_TEXT:
        text_add(f, &g->text, e->text);
        p->text = view(&g->text);
        chat_has(&p->node, PART_HAS_TEXT);
        return;
    case DELTA_ARGUMENTS:
        text_add(f, &g->arguments, e->text);
        g->item->arguments = (struct chat_json){view(&g->arguments), true};
        chat_has(&g->item->node, ITEM_HAS_ARGUMENTS);
        return;
    case DELTA_ANNOTATION:
        copy_annotation(f, &p->annotations, e->annotation);
        chat_has(&p->node, PART_HAS_ANNOTATIONS);
        return;
    case DELTA_LOGPROBS:
        join_arrays(f, &g->logprobs, e->text);
        p->logprobs = view(&g->logprobs);
        chat_has(&p->node, PART_HAS_LOGPROBS);
        return;
    }
}

static void on_part_end(struct chat_fold *f, const struct chat_event *e)
{
    if (e->what) update_part(f, f->items[e->item].item->parts_last, e->what);
}

static void on_item_end(struct chat_fold *f, const struct chat_event *e)
{
    if (e->node) update_item(f, f->items[e->item].item, e->node);
}

static void on_usage(struct chat_fold *f, const struct chat_event *e) { f->answer->usage = *e->usage; }

static void on_stop(struct chat_fold *f, const struct chat_event *e)
{
    struct chat_answer *a = f->answer;
    while (e->choice >= f->cap_stops) {
        struct chat_stop *stops = grown(f, a->stops, f->cap_stops, &f->cap_stops, sizeof *stops);
        if (!stops) return;
        a->stops = stops;
    }
    const struct chat_stop *s = e->stop;
    a->stops[e->choice] = (struct chat_stop){s->kind, keep(f, s->word), keep(f, s->sequence), keep(f, s->category), s->of_prompt};
    if (e->choice >= a->n_choices) a->n_choices = e->choice + 1;
}

static void on_raw(struct chat_fold *f, const struct chat_event *e) { copy_one_extra(f, &f->answer->node, e->raw); }

static void (*const ON_EVENT[EVENT_KINDS])(struct chat_fold *f, const struct chat_event *e) = {
    [EVENT_META] = on_meta,
    [EVENT_ITEM_START] = on_item_start,
    [EVENT_PART_START] = on_part_start,
    [EVENT_DELTA] = on_delta,
    [EVENT_PART_END] = on_part_end,
    [EVENT_ITEM_END] = on_item_end,
    [EVENT_USAGE] = on_usage,
    [EVENT_STOP] = on_stop,
    [EVENT_RAW] = on_raw,
};

enum err chat_fold_event(void *fold, const struct chat_event *e, struct fault *why)
{
    struct chat_fold *f = fold;
    if (f->full) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be kept whole");
    TRY(chat_check_event(f->check, e, why));
    if (e->kind == EVENT_ERROR)
        return FAIL(why, ERR_UPSTREAM_ERROR, "the provider broke off: %.*s: %.*s", STR_ARG(e->error->word),
                    STR_ARG(e->error->message));
    if (ON_EVENT[e->kind]) ON_EVENT[e->kind](f, e);
    return f->full ? FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be kept whole") : OK;
}

enum err chat_fold_done(struct chat_fold *f, struct fault *why)
{
    TRY(chat_check_done(f->check, why));
    struct chat_answer *a = f->answer;
    while (a->n_choices > f->cap_stops && !f->full) { /* a choice below the highest that never began */
        struct chat_stop *stops = grown(f, a->stops, f->cap_stops, &f->cap_stops, sizeof *stops);
        if (stops) a->stops = stops;
    }
    return f->full ? FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be kept whole") : OK;
}
