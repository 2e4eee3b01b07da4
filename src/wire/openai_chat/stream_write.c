/* Events written as a Chat Completions stream: chunks, the finish_reason of each choice, the usage chunk when it was asked
 * for, [DONE]. Interleaved calls need no waiting here: their fragments carry an index (C3). Pure; the state lives in the
 * exchange's arena. */
#include "wire/openai_chat/priv.h"

enum { NO_CALL = UINT32_MAX };

/* What an open or closed item is to the client, by its number. */
struct place {
    enum chat_item_kind kind;
    enum chat_part_kind part;      /* the one started last */
    uint32_t call;                 /* index among the choice's calls */
    bool custom;                   /* a call of a free-text tool */
    uint32_t before, length;       /* characters of the choice's content before its open part, and of that */
    struct chat_annotation *notes; /* that cite all of the open part: they wait for its end */
};

struct chat_writer {
    struct arena *arena;
    const struct wire_reply *to;
    struct str head; /* "data: {…" up to the choices' array */
    struct place *places;
    uint32_t n_places;
    uint32_t calls[CHAT_CHOICES_MAX]; /* tool calls so far, by choice */
    uint32_t said[CHAT_CHOICES_MAX];  /* characters of content so far, by choice */
    bool role_told[CHAT_CHOICES_MAX];
    struct usage usage;
    bool has_usage, ended;
};

/* ---- chunks ------------------------------------------------------------------------------------------------------------ */

static void make_head(struct chat_writer *w, const struct chat_meta *meta)
{
    struct buf head;
    struct json_writer j;
    buf_init(&head, KIB(1));
    buf_str(&head, S("data: "));
    json_write(&j, &head);
    json_put_object(&j);
    openai_chat_put_head(&j, w->to, meta, S("chat.completion.chunk"));
    bool fits = !head.over && arena_str(w->arena, buf_view(&head), &w->head);
    buf_done(&head);
    if (!fits) w->head = STR_NONE;
}

static void chunk_begin(struct chat_writer *w, struct buf *out)
{
    if (!w->head.p) make_head(w, &(struct chat_meta){0});
    buf_str(out, w->head);
    buf_str(out, S(",\"choices\":["));
}

static void chunk_end(struct chat_writer *w, struct buf *out)
{
    buf_str(out, w->to->include_usage ? S("],\"usage\":null}\n\n") : S("]}\n\n"));
}

/* One chunk with one choice. The delta is open when this returns; choice_end() closes all. */
static void choice_begin(struct chat_writer *w, uint32_t choice, struct json_writer *j, struct buf *out)
{
    chunk_begin(w, out);
    json_write(j, out);
    json_put_object(j);
    json_add_u64(j, S("index"), choice);
    json_add_object(j, S("delta"));
    if (w->role_told[choice]) return;
    w->role_told[choice] = true; /* C4 */
    json_add_str(j, S("role"), S("assistant"));
}

static void choice_end(struct chat_writer *w, struct json_writer *j, enum chat_part_kind kind, struct str tokens, struct buf *out)
{
    json_put_end(j);
    openai_chat_put_logprobs(j, kind, tokens);
    json_add_null(j, S("finish_reason"));
    json_put_end(j);
    chunk_end(w, out);
}

/* ---- items --------------------------------------------------------------------------------------------------------------- */

/* NULL: the stream has more items than one exchange may hold. */
static struct place *place_new(struct chat_writer *w, uint32_t number)
{
    struct place *all = wire_places(w->arena, w->places, &w->n_places, sizeof *all, number);
    if (!all) return NULL;
    w->places = all;
    return &all[number];
}

static void put_call(struct chat_writer *w, const struct chat_event *e, uint32_t index, struct buf *out)
{
    const struct chat_item *item = e->node;
    struct json_writer j;
    choice_begin(w, e->choice, &j, out);
    json_add_array(&j, S("tool_calls"));
    json_put_object(&j);
    json_add_u64(&j, S("index"), index);
    openai_chat_put_call(&j, item, STR_NONE);
    json_put_end(&j);
    json_put_end(&j);
    choice_end(w, &j, PART_TEXT, STR_NONE, out);
}

static enum err on_item_start(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct place *p = place_new(w, e->item);
    if (!p) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream has more items than one exchange may hold");
    *p = (struct place){.kind = e->node->kind, .call = NO_CALL};
    wire_lose_unsaid(w->to->losses, e->node, 0); /* its parts come by themselves */
    if (e->node->kind != ITEM_TOOL_CALL) return OK;
    p->call = w->calls[e->choice]++;
    p->custom = e->node->form == CALL_CUSTOM;
    put_call(w, e, p->call, out);
    return OK;
}

static enum err on_part_start(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    wire_lose_unsaid_part(w->to->losses, e->what->kind, WIRE_SAYS_TEXT);
    if (e->item >= w->n_places) return OK;
    struct place *p = &w->places[e->item];
    p->part = e->what->kind;
    p->before = w->said[e->choice];
    p->length = 0;
    p->notes = NULL;
    return OK;
}

/* Where a text goes: reasoning never becomes visible text. */
static struct str member_of(const struct place *p)
{
    static const struct str MEMBERS[PART_KINDS] = {
        [PART_TEXT] = {"content", 7},
        [PART_REFUSAL] = {"refusal", 7},
        [PART_THOUGHT] = {"reasoning_content", 17},
        [PART_SUMMARY] = {"reasoning_content", 17},
    };
    return MEMBERS[p->part];
}

static void put_text(struct chat_writer *w, const struct chat_event *e, struct str member, struct buf *out)
{
    struct json_writer j;
    choice_begin(w, e->choice, &j, out);
    json_put_name(&j, member);
    json_put_span(&j, e->text);
    choice_end(w, &j, PART_TEXT, STR_NONE, out);
}

static void put_arguments(struct chat_writer *w, const struct chat_event *e, const struct place *p, struct buf *out)
{
    struct json_writer j;
    choice_begin(w, e->choice, &j, out);
    json_add_array(&j, S("tool_calls"));
    json_put_object(&j);
    json_add_u64(&j, S("index"), p->call);
    json_add_object(&j, p->custom ? S("custom") : S("function"));
    json_put_name(&j, p->custom ? S("input") : S("arguments"));
    json_put_span(&j, e->text);
    json_put_end(&j);
    json_put_end(&j);
    json_put_end(&j);
    choice_end(w, &j, PART_TEXT, STR_NONE, out);
}

static void put_notes(struct chat_writer *w, const struct place *p, const struct chat_annotation *notes, uint32_t choice,
                      struct buf *out)
{
    struct json_writer j;
    choice_begin(w, choice, &j, out);
    json_add_array(&j, S("annotations"));
    for (const struct chat_annotation *n = notes; n; n = n->next)
        openai_chat_put_annotation(&j, n, wire_cited(n, p->before, p->length));
    json_put_end(&j);
    choice_end(w, &j, PART_TEXT, STR_NONE, out);
}

static enum err keep_note(struct chat_writer *w, struct place *p, const struct chat_annotation *from, struct fault *why)
{
    struct chat_annotation *n = chat_add_annotation(w->arena, &p->notes);
    bool fits = n && arena_str(w->arena, from->url, &n->url);
    if (fits && from->title.p) fits = arena_str(w->arena, from->title, &n->title);
    if (!fits) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream has more citations than one exchange may hold");
    n->unit = from->unit;
    return OK;
}

/* Chat knows one kind of annotation, the URL citation; others are counted. */
static enum err on_note(struct chat_writer *w, struct place *p, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct chat_annotation one = *e->annotation;
    one.next = NULL;
    if (!one.url.p) w->to->losses->n[LOSS_CITATION]++;
    else if (wire_cites_block(&one)) return keep_note(w, p, &one, why);
    else put_notes(w, p, &one, e->choice, out);
    return OK;
}

static void count_text(struct chat_writer *w, struct place *p, const struct chat_event *e)
{
    uint32_t n = p->part == PART_TEXT ? (uint32_t)wire_points(e->text) : 0;
    p->length += n;
    w->said[e->choice] += n;
}

static enum err on_delta(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    if (e->item >= w->n_places) return OK;
    struct place *p = &w->places[e->item];
    struct json_writer j;
    struct str member = member_of(p);
    if (e->field == DELTA_TEXT) count_text(w, p, e);
    if (e->field == DELTA_ARGUMENTS && p->call != NO_CALL) put_arguments(w, e, p, out);
    if (e->field == DELTA_ANNOTATION) return on_note(w, p, e, out, why);
    if (e->field == DELTA_TEXT && member.p) put_text(w, e, member, out);
    if (e->field != DELTA_LOGPROBS) return OK;
    choice_begin(w, e->choice, &j, out);
    choice_end(w, &j, p->part, e->text, out);
    return OK;
}

/* What Chat has no word for is counted. */
static enum err on_item_end(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    if (e->node) wire_lose_state(w->to->losses, e->node->opaque, false, w->to->keeps_calls);
    return OK;
}

static enum err on_part_end(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    struct place *p = e->item < w->n_places ? &w->places[e->item] : NULL;
    if (p && p->notes) put_notes(w, p, p->notes, e->choice, out);
    if (p) p->notes = NULL;
    bool of_text = e->what && (e->what->kind == PART_TEXT || e->what->kind == PART_REFUSAL);
    if (e->what) wire_lose_state(w->to->losses, e->what->opaque, of_text, w->to->keeps_calls);
    return OK;
}

/* ---- ends ---------------------------------------------------------------------------------------------------------------- */

static enum err on_meta(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    if (!w->head.p) make_head(w, e->meta);
    return OK;
}

static enum err on_usage(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)out, (void)why;
    w->usage = *e->usage;
    w->has_usage = true;
    return OK;
}

static enum err on_stop(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct json_writer j;
    (void)why;
    choice_begin(w, e->choice, &j, out);
    json_put_end(&j);
    json_add_null(&j, S("logprobs"));
    json_add_str(&j, S("finish_reason"), openai_chat_stop_word(e->stop));
    json_put_end(&j);
    chunk_end(w, out);
    return OK;
}

/* C2: one chunk more, without choices. */
static enum err on_end(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)e, (void)why;
    w->ended = true;
    if (w->to->include_usage) {
        struct json_writer j;
        chunk_begin(w, out);
        buf_str(out, S("],\"usage\":"));
        json_write(&j, out);
        openai_chat_put_usage(&j, &w->usage);
        buf_str(out, S("}\n\n"));
    }
    buf_str(out, S("data: [DONE]\n\n"));
    return OK;
}

/* C8. */
static enum err on_error(struct chat_writer *w, const struct chat_event *e, struct buf *out, struct fault *why)
{
    (void)why;
    w->ended = true;
    buf_str(out, S("data: "));
    openai_chat_write_error(e->error, w->to->id, out);
    buf_str(out, S("\n\n"));
    return OK;
}

static enum err (*const ON[EVENT_KINDS])(struct chat_writer *, const struct chat_event *, struct buf *, struct fault *) = {
    [EVENT_META] = on_meta,
    [EVENT_ITEM_START] = on_item_start,
    [EVENT_PART_START] = on_part_start,
    [EVENT_DELTA] = on_delta,
    [EVENT_PART_END] = on_part_end,
    [EVENT_ITEM_END] = on_item_end,
    [EVENT_USAGE] = on_usage,
    [EVENT_STOP] = on_stop,
    [EVENT_ERROR] = on_error,
    [EVENT_END] = on_end, /* nothing is said of a ping */
};

/* ---- the room's door --------------------------------------------------------------------------------------------------------- */

_Static_assert(sizeof(struct chat_writer) <= OPENAI_CHAT_WRITER_SIZE, "told in priv.h");

void openai_chat_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    *(struct chat_writer *)writer = (struct chat_writer){.arena = a, .to = to};
}

enum err openai_chat_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct chat_writer *w = writer;
    if (w->ended) return OK;
    chat_lose_event_extra(w->to->losses, e);
    if (!ON[e->kind]) return OK;
    if (e->choice >= CHAT_CHOICES_MAX) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's stream has too many choices");
    return ON[e->kind](w, e, out, why);
}
