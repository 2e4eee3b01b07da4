/* A Responses stream read into events. Items are told apart by output_index and may be open at once; of one item the parts come one
 * after the other. What an event `done` says counts only where no delta said it before: some servers send nothing else. Facts: R1…R3
 * in docs/wire.md. Pure; owns nothing but its arena's pieces. */
#include "wire/openai_responses/priv.h"

enum { ITEMS_MAX = 4096 };

/* An item between its `added` and its `done`. */
struct open_item {
    uint64_t index;
    uint32_t item, parts; /* number; parts begun so far */
    enum chat_item_kind kind;
    enum chat_call_form form;
    enum chat_part_kind part;
    uint64_t part_index;                 /* content_index or summary_index of the open part */
    bool part_open, said, noted, argued; /* of the part: text came, notes came; of the item: arguments came */
    struct open_item *next;
};

struct responses_reader {
    struct arena *arena;
    struct open_item *open, *unused;
    unsigned n_items;
    struct wire_emitter emit;
    bool met, called, ended;
};
_Static_assert(sizeof(struct responses_reader) <= OPENAI_RESPONSES_READER_SIZE, "told in priv.h");

static struct wire_spot spot(const struct open_item *o)
{
    return (struct wire_spot){.item = o->item, .part = o->parts ? o->parts - 1 : 0};
}

static uint64_t number_of(const struct json_tape *t, const char *member)
{
    uint64_t n = 0;
    uint32_t at = json_find(t, 0, str_z(member));
    return at && json_u64(t, at, &n) ? n : 0;
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------ */

static enum err close_part(struct responses_reader *r, struct open_item *o)
{
    if (!o->part_open) return OK;
    o->part_open = false;
    return wire_emit_part_end(&r->emit, spot(o), &(struct chat_part){.kind = o->part});
}

static bool can_hold(const struct open_item *o, enum chat_part_kind kind)
{
    bool thought = kind == PART_THOUGHT || kind == PART_SUMMARY;
    if (o->kind == ITEM_MESSAGE) return !thought;
    return o->kind == ITEM_REASONING && (thought || kind == PART_UNKNOWN);
}

static enum err misplaced(const struct responses_reader *r)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's stream tells of an item what such an item does not have");
}

static enum err want_part(struct responses_reader *r, struct open_item *o, const struct chat_part *p, uint64_t index)
{
    if (!can_hold(o, p->kind)) return misplaced(r);
    if (o->part_open && o->part == p->kind && o->part_index == index) return OK;
    TRY(close_part(r, o));
    o->part = p->kind;
    o->part_index = index;
    o->part_open = true;
    o->said = o->noted = false;
    o->parts++;
    struct chat_part begun = *p;
    begun.text = STR_NONE;
    return wire_emit_part(&r->emit, spot(o), &begun);
}

static enum err say(struct responses_reader *r, struct open_item *o, struct str text)
{
    o->said |= text.n > 0;
    return wire_emit_delta(&r->emit, spot(o), DELTA_TEXT, text);
}

static enum err tell_logprobs(struct responses_reader *r, const struct open_item *o, const struct json_tape *t, uint32_t at)
{
    if (!at || !json_is(t, at, JSON_ARRAY) || !json_count(t, at)) return OK;
    return wire_emit_delta(&r->emit, spot(o), DELTA_LOGPROBS, json_raw(t, at));
}

static enum err tell_note(struct responses_reader *r, struct open_item *o, const struct json_tape *t, uint32_t at)
{
    struct chat_annotation note = {0};
    o->noted = true;
    openai_responses_read_annotation(t, at, &note);
    return wire_emit_note(&r->emit, spot(o), &note);
}

/* A whole part, of which some may have come already. */
static enum err finish_part(struct responses_reader *r, struct open_item *o, const struct json_tape *t, uint32_t at,
                            uint64_t index)
{
    struct chat_part p;
    uint32_t notes = json_find(t, at, S("annotations")), one;
    openai_responses_read_part(t, at, &p);
    if (p.kind == PART_UNKNOWN && !o->part_open) TRY(want_part(r, o, &p, index));
    if (p.kind == PART_UNKNOWN) return close_part(r, o);
    if (!p.text.n && !o->part_open) return OK; /* empty text is never made */
    TRY(want_part(r, o, &p, index));
    bool said = o->said;
    if (!said) TRY(say(r, o, p.text));
    if (!said) TRY(tell_logprobs(r, o, t, json_find(t, at, S("logprobs"))));
    bool noted = o->noted || !notes;
    for (struct json_iter it = json_each(t, noted ? 0 : notes); !noted && json_next(t, &it, &one);) TRY(tell_note(r, o, t, one));
    return close_part(r, o);
}

/* ---- items ------------------------------------------------------------------------------------------------------------------ */

static struct open_item *find_open(struct responses_reader *r, const struct json_tape *t)
{
    uint64_t index = number_of(t, "output_index");
    for (struct open_item *o = r->open; o; o = o->next)
        if (o->index == index) return o;
    return NULL;
}

static enum err start_item(struct responses_reader *r, const struct json_tape *t, const struct chat_item *read,
                           struct open_item **ret_item)
{
    struct open_item *o = r->unused ? r->unused : arena_alloc(r->arena, sizeof *o), **end = &r->open;
    struct chat_item node = *read;
    if (!o || ++r->n_items > ITEMS_MAX)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's stream has too many items");
    if (r->unused) r->unused = o->next;
    *o = (struct open_item){.index = number_of(t, "output_index"), .kind = read->kind, .form = read->form};
    while (*end) end = &(*end)->next;
    *end = o;
    node.status = STR_NONE; /* in progress */
    node.opaque = NULL;
    node.node.has &= ~(1ull << ITEM_HAS_OPAQUE);
    r->called |= read->kind == ITEM_TOOL_CALL;
    *ret_item = o;
    return wire_emit_item(&r->emit, &node, &o->item);
}

static enum err on_begin(struct responses_reader *r, const struct json_tape *t)
{
    struct chat_meta meta;
    if (r->met) return OK;
    r->met = true;
    openai_responses_read_meta(t, json_find(t, 0, S("response")), &meta);
    return wire_emit(&r->emit, &(struct chat_event){.kind = EVENT_META, .meta = &meta});
}

/* Those that the form takes whole begin when they are whole. */
static bool is_whole(enum chat_item_kind kind) { return kind == ITEM_UNKNOWN || kind == ITEM_COMPACTION; }

static enum err on_item_added(struct responses_reader *r, const struct json_tape *t)
{
    struct chat_item read;
    struct chat_opaque opaque;
    struct open_item *o;
    uint32_t item = json_find(t, 0, S("item"));
    TRY(on_begin(r, t));
    if (!item || !json_is(t, item, JSON_OBJECT) || find_open(r, t))
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider began an item that is none, or twice");
    openai_responses_read_item(t, item, &read, &opaque);
    return is_whole(read.kind) ? OK : start_item(r, t, &read, &o);
}

static enum err finish_parts(struct responses_reader *r, struct open_item *o, const struct json_tape *t, uint32_t list)
{
    uint32_t one;
    uint64_t index = 0;
    if (!list) return OK;
    for (struct json_iter it = json_each(t, list); json_next(t, &it, &one);) TRY(finish_part(r, o, t, one, index++));
    return OK;
}

static enum err finish_content(struct responses_reader *r, struct open_item *o, const struct json_tape *t, uint32_t item)
{
    TRY(close_part(r, o));
    if (o->kind == ITEM_TOOL_CALL && !o->argued)
        return wire_emit_delta(&r->emit, spot(o), DELTA_ARGUMENTS,
                               wire_text_in(t, item, o->form == CALL_CUSTOM ? "input" : "arguments"));
    if (o->parts || is_whole(o->kind)) return OK;
    TRY(finish_parts(r, o, t, json_find(t, item, S("summary"))));
    return finish_parts(r, o, t, json_find(t, item, S("content")));
}

static void forget(struct responses_reader *r, struct open_item *o)
{
    struct open_item **at = &r->open;
    while (*at != o) at = &(*at)->next;
    *at = o->next;
    o->next = r->unused;
    r->unused = o;
}

static enum err on_item_done(struct responses_reader *r, const struct json_tape *t)
{
    struct chat_item read;
    struct chat_opaque opaque;
    uint32_t item = json_find(t, 0, S("item"));
    struct open_item *o = find_open(r, t);
    TRY(on_begin(r, t));
    if (!item || !json_is(t, item, JSON_OBJECT))
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider ended an item that is none");
    openai_responses_read_item(t, item, &read, &opaque);
    if (!o) TRY(start_item(r, t, &read, &o));
    if (o->kind != read.kind) return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider ended an item as another kind");
    TRY(finish_content(r, o, t, item));
    TRY(wire_emit_item_end(&r->emit, o->item, &read));
    forget(r, o);
    return OK;
}

static enum err close_all(struct responses_reader *r)
{
    while (r->open) {
        struct open_item *o = r->open;
        TRY(close_part(r, o));
        TRY(wire_emit_item_end(&r->emit, o->item, &(struct chat_item){.kind = o->kind, .form = o->form}));
        forget(r, o);
    }
    return OK;
}

/* ---- deltas: each names its item by output_index ------------------------------------------------------------------------------ */

struct delta {
    struct str type;
    enum chat_part_kind part;
    const char *index, *text; /* members */
    enum err (*on)(struct responses_reader *, struct open_item *, const struct json_tape *, const struct delta *);
};

static enum err on_text(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    struct str text = wire_text_in(t, 0, d->text);
    uint32_t logprobs = json_find(t, 0, S("logprobs"));
    bool tokens = logprobs && json_is(t, logprobs, JSON_ARRAY) && json_count(t, logprobs);
    if (!text.n && !tokens) return OK;
    TRY(want_part(r, o, &(struct chat_part){.kind = d->part}, number_of(t, d->index)));
    TRY(say(r, o, text));
    return tell_logprobs(r, o, t, logprobs);
}

/* Only what no delta has said. */
static enum err on_text_done(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    bool here = o->part_open && o->part == d->part && o->part_index == number_of(t, d->index);
    return here && o->said ? OK : on_text(r, o, t, d);
}

static enum err on_part_added(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    (void)d;
    uint32_t part = json_find(t, 0, S("part"));
    struct chat_part p;
    if (!part || !json_is(t, part, JSON_OBJECT)) return OK;
    openai_responses_read_part(t, part, &p);
    return p.kind == PART_UNKNOWN || !p.text.n ? OK : on_text(r, o, t, d); /* it begins with its first text */
}

static enum err on_part_done(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    uint32_t part = json_find(t, 0, S("part"));
    if (!part || !json_is(t, part, JSON_OBJECT)) return close_part(r, o);
    bool here = o->part_open && o->part_index == number_of(t, d->index);
    return here || !o->part_open ? finish_part(r, o, t, part, number_of(t, d->index)) : OK;
}

static enum err on_note(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    uint32_t note = json_find(t, 0, S("annotation"));
    if (!note || !json_is(t, note, JSON_OBJECT)) return OK;
    TRY(want_part(r, o, &(struct chat_part){.kind = PART_TEXT}, number_of(t, d->index)));
    return tell_note(r, o, t, note);
}

static enum err on_arguments(struct responses_reader *r, struct open_item *o, const struct json_tape *t, const struct delta *d)
{
    struct str text = wire_text_in(t, 0, d->text);
    if (o->kind != ITEM_TOOL_CALL) return misplaced(r);
    o->argued |= text.n > 0;
    return wire_emit_delta(&r->emit, spot(o), DELTA_ARGUMENTS, text);
}

static enum err on_arguments_done(struct responses_reader *r, struct open_item *o, const struct json_tape *t,
                                  const struct delta *d)
{
    return o->argued ? OK : on_arguments(r, o, t, d);
}

static const struct delta DELTAS[] = {
    {{"response.output_text.delta", 26}, PART_TEXT, "content_index", "delta", on_text},
    {{"response.function_call_arguments.delta", 38}, PART_TEXT, "", "delta", on_arguments},
    {{"response.custom_tool_call_input.delta", 37}, PART_TEXT, "", "delta", on_arguments},
    {{"response.reasoning_summary_text.delta", 37}, PART_SUMMARY, "summary_index", "delta", on_text},
    {{"response.reasoning_text.delta", 29}, PART_THOUGHT, "content_index", "delta", on_text},
    {{"response.refusal.delta", 22}, PART_REFUSAL, "content_index", "delta", on_text},
    {{"response.output_text.annotation.added", 37}, PART_TEXT, "content_index", "", on_note},
    {{"response.output_text.done", 25}, PART_TEXT, "content_index", "text", on_text_done},
    {{"response.reasoning_summary_text.done", 36}, PART_SUMMARY, "summary_index", "text", on_text_done},
    {{"response.reasoning_text.done", 28}, PART_THOUGHT, "content_index", "text", on_text_done},
    {{"response.refusal.done", 21}, PART_REFUSAL, "content_index", "refusal", on_text_done},
    {{"response.function_call_arguments.done", 37}, PART_TEXT, "", "arguments", on_arguments_done},
    {{"response.custom_tool_call_input.done", 36}, PART_TEXT, "", "input", on_arguments_done},
    {{"response.content_part.added", 27}, PART_TEXT, "content_index", "", on_part_added},
    {{"response.reasoning_summary_part.added", 37}, PART_SUMMARY, "summary_index", "", on_part_added},
    {{"response.content_part.done", 26}, PART_TEXT, "content_index", "", on_part_done},
    {{"response.reasoning_summary_part.done", 36}, PART_SUMMARY, "summary_index", "", on_part_done},
};

/* ---- the response --------------------------------------------------------------------------------------------------------------- */

static enum err on_end(struct responses_reader *r, const struct json_tape *t)
{
    uint32_t response = json_find(t, 0, S("response"));
    struct usage u = {0};
    struct chat_stop stop;
    TRY(on_begin(r, t));
    TRY(close_all(r));
    openai_responses_read_usage(t, response, &u);
    openai_responses_read_stop(t, response, r->called, &stop);
    r->ended = true;
    TRY(wire_emit_usage(&r->emit, &u));
    TRY(wire_emit_stop(&r->emit, 0, &stop));
    return wire_emit_plain(&r->emit, EVENT_END);
}

/* R2. */
static enum err fail_with(struct responses_reader *r, const struct json_tape *t, uint32_t at)
{
    struct chat_error error;
    r->ended = true;
    openai_responses_read_error_object(t, at, r->arena, &error);
    return wire_emit_error(&r->emit, &error);
}
static enum err on_failed(struct responses_reader *r, const struct json_tape *t)
{
    return fail_with(r, t, json_find(t, 0, S("response")));
}
static enum err on_error(struct responses_reader *r, const struct json_tape *t) { return fail_with(r, t, 0); }

static enum err on_wait(struct responses_reader *r, const struct json_tape *t)
{
    (void)t;
    return wire_emit_plain(&r->emit, EVENT_PING);
}

static const struct {
    struct str type;
    enum err (*on)(struct responses_reader *, const struct json_tape *);
} EVENTS[] = {
    {{"response.output_item.added", 26}, on_item_added},
    {{"response.output_item.done", 25}, on_item_done},
    {{"response.created", 16}, on_begin},
    {{"response.in_progress", 20}, on_wait},
    {{"response.queued", 15}, on_wait},
    {{"keepalive", 9}, on_wait},
    {{"response.completed", 18}, on_end},
    {{"response.incomplete", 19}, on_end},
    {{"response.failed", 15}, on_failed},
    {{"error", 5}, on_error},
};

static enum err on_type(struct responses_reader *r, const struct json_tape *t, struct str type)
{
    for (unsigned i = 0; i < COUNTOF(DELTAS); i++) {
        if (!str_eq(type, DELTAS[i].type)) continue;
        struct open_item *o = find_open(r, t);
        return o ? DELTAS[i].on(r, o, t, &DELTAS[i]) : wire_emit_raw(&r->emit, type, json_raw(t, 0));
    }
    for (unsigned i = 0; i < COUNTOF(EVENTS); i++)
        if (str_eq(type, EVENTS[i].type)) return EVENTS[i].on(r, t);
    return wire_emit_raw(&r->emit, type, json_raw(t, 0));
}

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

void openai_responses_reader_start(void *reader, struct arena *a)
{
    *(struct responses_reader *)reader = (struct responses_reader){.arena = a};
}

enum err openai_responses_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                                     struct fault *why)
{
    struct responses_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended || !f->data.n || str_eq(str_trim(f->data), S("[DONE]"))) return OK; /* some servers add it */
    if (json_scan(t, f->data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not one of this format");
    TRY(wire_emit_unknown(&r->emit, t, &openai_responses_event_known));
    return on_type(r, t, wire_text_in(t, 0, "type"));
}

enum err openai_responses_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    const struct responses_reader *r = reader;
    (void)sink;
    return r->ended ? OK : FAIL(why, ERR_UPSTREAM_CUT, "the provider's stream ended without its last event");
}
