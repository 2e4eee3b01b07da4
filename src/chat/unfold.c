/* Unfold: a whole answer as the events that it would have come in, so that a body which was not streamed can answer a request for
 * a stream, and so that one writer of events is enough to test what both do. Called by the gateway's translating road and by
 * tests; owns nothing, keeps nothing. */
#include "chat/chat.h"

/* Who gets the events of one item. */
struct outlet {
    const struct chat_sink *sink;
    struct fault *why;
    struct arena *arena;
    uint32_t item, part, choice;
};

static enum err emit(const struct outlet *o, struct chat_event e)
{
    e.item = o->item;
    e.part = o->part;
    e.choice = o->choice;
    return chat_emit(o->sink, &e, o->why);
}

static enum err emit_delta(const struct outlet *o, enum chat_delta field, struct str text)
{
    return text.n ? emit(o, (struct chat_event){.kind = EVENT_DELTA, .field = field, .text = text}) : OK;
}

static bool has(const struct chat_node *n, unsigned field) { return n->has & 1ull << field; }

/* What comes as a delta or at the end is not in the beginning. */
static struct chat_part beginning_of(const struct chat_part *p)
{
    struct chat_part start = *p;
    if (start.text.p) start.text = S("");
    start.logprobs = STR_NONE;
    start.annotations = NULL;
    start.opaque = NULL;
    start.node.has &= ~(1ull << PART_HAS_LOGPROBS | 1ull << PART_HAS_ANNOTATIONS | 1ull << PART_HAS_OPAQUE);
    start.next = NULL;
    return start;
}

static enum err unfold_part(const struct outlet *o, const struct chat_part *p)
{
    struct chat_part start = beginning_of(p);
    struct chat_part end = {.kind = p->kind, .opaque = p->opaque, .node.at = p->node.at};
    if (has(&p->node, PART_HAS_OPAQUE)) chat_has(&end.node, PART_HAS_OPAQUE);
    TRY(emit(o, (struct chat_event){.kind = EVENT_PART_START, .what = &start}));
    TRY(emit_delta(o, DELTA_TEXT, p->text));
    for (const struct chat_annotation *n = p->annotations; n; n = n->next)
        TRY(emit(o, (struct chat_event){.kind = EVENT_DELTA, .field = DELTA_ANNOTATION, .annotation = n}));
    TRY(emit_delta(o, DELTA_LOGPROBS, p->logprobs));
    return emit(o, (struct chat_event){.kind = EVENT_PART_END, .what = &end});
}

static enum err unfold_arguments(const struct outlet *o, const struct chat_item *i)
{
    struct str span;
    if (!i->arguments.text.n) return OK;
    if (!chat_json_span(&i->arguments, o->arena, &span))
        return FAIL(o->why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
    return emit_delta(o, DELTA_ARGUMENTS, span);
}

static enum err unfold_item(struct outlet *o, const struct chat_item *i)
{
    struct chat_item start = *i;
    start.parts = start.parts_last = NULL;
    start.arguments = (struct chat_json){0};
    start.opaque = NULL;
    start.node.has &= ~(1ull << ITEM_HAS_ARGUMENTS | 1ull << ITEM_HAS_OPAQUE);
    start.next = NULL;
    struct chat_item end = {.kind = i->kind, .group = i->group, .choice = i->choice, .form = i->form, .opaque = i->opaque};
    if (has(&i->node, ITEM_HAS_OPAQUE)) chat_has(&end.node, ITEM_HAS_OPAQUE);
    o->choice = i->choice;
    o->part = 0;
    TRY(emit(o, (struct chat_event){.kind = EVENT_ITEM_START, .node = &start}));
    TRY(unfold_arguments(o, i));
    for (const struct chat_part *p = i->parts; p; p = p->next, o->part++) TRY(unfold_part(o, p));
    TRY(emit(o, (struct chat_event){.kind = EVENT_ITEM_END, .node = &end}));
    o->item++;
    return OK;
}

enum err chat_unfold(const struct chat_answer *answer, const struct chat_sink *sink, struct fault *why)
{
    struct outlet o = {.sink = sink, .why = why, .arena = answer->arena};
    TRY(chat_emit(sink, &(struct chat_event){.kind = EVENT_META, .meta = &answer->meta}, why));
    for (struct chat_extra *e = answer->node.extra; e; e = e->next)
        TRY(chat_emit(sink, &(struct chat_event){.kind = EVENT_RAW, .raw = e}, why));
    for (const struct chat_item *i = answer->items; i; i = i->next) TRY(unfold_item(&o, i));
    TRY(chat_emit(sink, &(struct chat_event){.kind = EVENT_USAGE, .usage = &answer->usage}, why));
    for (uint32_t c = 0; c < answer->n_choices; c++)
        TRY(chat_emit(sink, &(struct chat_event){.kind = EVENT_STOP, .choice = c, .stop = &answer->stops[c]}, why));
    return chat_emit(sink, &(struct chat_event){.kind = EVENT_END}, why);
}
