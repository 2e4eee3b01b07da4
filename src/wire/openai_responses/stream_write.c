/* Events written as a Responses stream (R1). What is said is folded on the way: each `done`, and the last event's response, repeat
 * it whole. Whatever was added has its `done`, also when the stream breaks off. Pure; the state lives in the exchange's arena. */
#include "wire/openai_responses/priv.h"

enum { ITEMS_MAX = 4096 };

/* What an item of the form is to the client, by its number. */
struct place {
    struct chat_item *item;
    uint32_t index, contents, summaries; /* output_index; parts of each kind so far */
    uint32_t at;                         /* content_index or summary_index of the open part */
    bool shown, open, part_shown;
};

struct responses_writer {
    struct arena *arena;
    const struct wire_reply *to;
    struct chat_answer *answer;
    struct chat_fold *fold;
    struct place *places;
    uint32_t n_places, cap, outputs;
    uint64_t sequence;
    bool begun, ended;
    /* While one event is written: */
    struct json_writer j;
    struct buf *out;
};
_Static_assert(sizeof(struct responses_writer) <= OPENAI_RESPONSES_WRITER_SIZE, "told in priv.h");

/* ---- frames -------------------------------------------------------------------------------------------------------------------- */

static struct json_writer *begin(struct responses_writer *w, const char *type)
{
    buf_fmt(w->out, "event: %s\ndata: ", type);
    json_write(&w->j, w->out);
    json_put_object(&w->j);
    json_add_str(&w->j, S("type"), str_z(type));
    json_add_u64(&w->j, S("sequence_number"), w->sequence++);
    return &w->j;
}

static void end(struct responses_writer *w)
{
    json_put_end(&w->j);
    buf_str(w->out, S("\n\n"));
}

/* ... of an item: with its id and index. */
static struct json_writer *begin_of(struct responses_writer *w, const char *type, const struct place *p)
{
    struct json_writer *j = begin(w, type);
    json_put_name(j, S("item_id"));
    openai_responses_put_item_id(j, w->to, p->item, (uint32_t)(p - w->places));
    json_add_u64(j, S("output_index"), p->index);
    return j;
}

static void put_response(struct responses_writer *w, const char *type, struct str status, const struct chat_error *error)
{
    struct json_writer *j = begin(w, type);
    json_put_name(j, S("response"));
    openai_responses_put_response(j, w->to, w->answer, status, error);
    end(w);
}

static void put_item(struct responses_writer *w, const char *type, const struct place *p, bool open)
{
    struct json_writer *j = begin(w, type);
    json_add_u64(j, S("output_index"), p->index);
    json_put_name(j, S("item"));
    openai_responses_put_answer_item(j, w->to, p->item, (struct openai_responses_place){(uint32_t)(p - w->places), open},
                                     w->arena);
    end(w);
}

/* ---- parts ------------------------------------------------------------------------------------------------------------------- */

struct words {
    const char *added, *delta, *said, *done, *index, *text;
};
#define CONTENT(what, text)                                                              \
    {"response.content_part.added", "response." what ".delta", "response." what ".done", \
     "response.content_part.done",  "content_index",           text}
static const struct words WORDS[PART_KINDS] = {
    [PART_TEXT] = CONTENT("output_text", "text"),
    [PART_REFUSAL] = CONTENT("refusal", "refusal"),
    [PART_THOUGHT] = CONTENT("reasoning_text", "text"),
    [PART_SUMMARY] = {"response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
                      "response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "summary_index", "text"},
};

static struct json_writer *begin_part(struct responses_writer *w, const char *type, const struct place *p)
{
    struct json_writer *j = begin_of(w, type, p);
    json_add_u64(j, str_z(WORDS[p->item->parts_last->kind].index), p->at);
    return j;
}

static void put_part(struct responses_writer *w, const char *type, const struct place *p, bool open)
{
    struct json_writer *j = begin_part(w, type, p);
    json_put_name(j, S("part"));
    openai_responses_put_answer_part(j, p->item->parts_last, open);
    end(w);
}

static void part_start(struct responses_writer *w, struct place *p, const struct chat_event *e)
{
    (void)e;
    const struct chat_part *part = p->item->parts_last;
    p->part_shown = p->shown && openai_responses_has_part(part);
    if (!p->part_shown) return;
    p->at = part->kind == PART_SUMMARY ? p->summaries++ : p->contents++;
    put_part(w, WORDS[part->kind].added, p, true);
}

static void put_logprobs(struct json_writer *j, struct str tokens)
{
    json_add_raw(j, S("logprobs"), tokens.n ? tokens : S("[]"));
}

static void text_delta(struct responses_writer *w, const struct place *p, const struct chat_event *e)
{
    const struct chat_part *part = p->item->parts_last;
    bool tokens = e->field == DELTA_LOGPROBS;
    if (!p->part_shown || (tokens && part->kind != PART_TEXT)) return;
    struct json_writer *j = begin_part(w, WORDS[part->kind].delta, p);
    json_put_name(j, S("delta"));
    json_put_span(j, tokens ? STR_NONE : e->text);
    if (part->kind == PART_TEXT) put_logprobs(j, tokens ? e->text : STR_NONE);
    end(w);
}

/* `length`: characters of its text, where it cites all of it. */
static void put_note(struct responses_writer *w, const struct place *p, const struct chat_annotation *note, uint64_t index,
                     uint64_t length)
{
    struct json_writer *j = begin_part(w, "response.output_text.annotation.added", p);
    json_add_u64(j, S("annotation_index"), index);
    json_put_name(j, S("annotation"));
    openai_responses_put_annotation(j, note, length);
    end(w);
}

static void note_delta(struct responses_writer *w, const struct place *p, const struct chat_event *e)
{
    uint64_t n = 0;
    if (!p->part_shown || p->item->parts_last->kind != PART_TEXT || !e->annotation->url.p) return; /* counted at the end */
    if (wire_cites_block(e->annotation)) return;                                                   /* told at the part's end */
    for (const struct chat_annotation *a = p->item->parts_last->annotations; a; a = a->next) n += a->url.p != NULL;
    put_note(w, p, e->annotation, n - 1, 0);
}

/* What cites all of a text is told when all of it has come. */
static void late_notes(struct responses_writer *w, const struct place *p, const struct chat_part *part)
{
    if (part->kind != PART_TEXT || !part->annotations) return;
    uint64_t index = 0, length = wire_points(part->text);
    for (const struct chat_annotation *a = part->annotations; a; a = a->next) {
        if (!a->url.p) continue;
        if (wire_cites_block(a)) put_note(w, p, a, index, length);
        index++;
    }
}

static const char *const ARGUMENTS[][3] = {
    [CALL_FUNCTION] = {"response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments"},
    [CALL_CUSTOM] = {"response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input"},
};
static const char *const *arguments_of(const struct place *p) { return ARGUMENTS[p->item->form == CALL_CUSTOM]; }

static void delta(struct responses_writer *w, struct place *p, const struct chat_event *e)
{
    if (e->field == DELTA_ANNOTATION) note_delta(w, p, e);
    else if (e->field != DELTA_ARGUMENTS) text_delta(w, p, e);
    else if (p->shown && p->item->kind == ITEM_TOOL_CALL) {
        struct json_writer *j = begin_of(w, arguments_of(p)[0], p);
        json_put_name(j, S("delta"));
        json_put_span(j, e->text);
        end(w);
    }
}

static void part_end(struct responses_writer *w, struct place *p, const struct chat_event *e)
{
    (void)e;
    const struct chat_part *part = p->item->parts_last;
    if (!p->part_shown) return;
    p->part_shown = false;
    late_notes(w, p, part);
    struct json_writer *j = begin_part(w, WORDS[part->kind].said, p);
    json_put_name(j, str_z(WORDS[part->kind].text));
    json_put_span(j, part->text);
    if (part->kind == PART_TEXT) put_logprobs(j, part->logprobs);
    end(w);
    put_part(w, WORDS[part->kind].done, p, false);
}

/* ---- items ------------------------------------------------------------------------------------------------------------------- */

static enum err place_new(struct responses_writer *w, struct fault *why)
{
    if (w->n_places == w->cap) {
        uint32_t cap = w->cap ? w->cap * 4 : 8;
        struct place *more = cap <= ITEMS_MAX * 2 ? arena_alloc(w->arena, cap * sizeof *more) : NULL;
        if (!more) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's stream has more items than one exchange may hold");
        if (w->n_places) memcpy(more, w->places, w->n_places * sizeof *more);
        w->places = more;
        w->cap = cap;
    }
    w->places[w->n_places++] = (struct place){.item = w->answer->items_last, .open = true};
    return OK;
}

static void item_start(struct responses_writer *w, struct place *p, const struct chat_event *e)
{
    (void)e;
    p->shown = !w->to->compact && openai_responses_has_place(p->item, w->answer->meta.family);
    if (!p->shown) {
        w->to->losses->n[LOSS_ANSWER_FIELD] += !w->to->compact;
        return;
    }
    p->index = w->outputs++;
    put_item(w, "response.output_item.added", p, true);
}

static void item_end(struct responses_writer *w, struct place *p, const struct chat_event *e)
{
    (void)e;
    p->open = false;
    openai_responses_seal_item(p->item, w->to, w->arena);
    if (!p->shown) return;
    if (p->item->kind == ITEM_TOOL_CALL) {
        struct str text = p->item->arguments.text;
        struct json_writer *j = begin_of(w, arguments_of(p)[1], p);
        json_put_name(j, str_z(arguments_of(p)[2]));
        json_put_span(j, text.n || p->item->form == CALL_CUSTOM ? text : S("{}"));
        if (p->item->form != CALL_CUSTOM) json_put_name(j, S("name"));
        if (p->item->form != CALL_CUSTOM) json_put_span(j, p->item->name);
        end(w);
    }
    put_item(w, "response.output_item.done", p, false);
}

/* ---- the response ------------------------------------------------------------------------------------------------------------- */

static void begin_response(struct responses_writer *w)
{
    if (w->begun) return;
    w->begun = true;
    put_response(w, "response.created", S("in_progress"), NULL);
    put_response(w, "response.in_progress", S("in_progress"), NULL);
}

/* The whole conversation became one item. */
static enum err put_compaction(struct responses_writer *w, struct fault *why)
{
    struct place p = {.open = true};
    TRY(openai_responses_compact(w->answer, w->to, why));
    openai_responses_seal_item(w->answer->items, w->to, w->arena);
    w->places = &p;
    p.item = w->answer->items;
    put_item(w, "response.output_item.added", &p, true);
    put_item(w, "response.output_item.done", &p, false);
    w->places = NULL;
    return OK;
}

static enum err on_end(struct responses_writer *w, struct fault *why)
{
    struct str status = openai_responses_status(w->answer);
    bool completed = str_eq(status, S("completed"));
    w->ended = true;
    if (w->to->compact) TRY(put_compaction(w, why));
    put_response(w, completed ? "response.completed" : "response.incomplete", status, NULL);
    return OK;
}

static void on_error(struct responses_writer *w, const struct chat_error *error)
{
    begin_response(w);
    w->ended = true;
    for (uint32_t i = 0; i < w->n_places; i++) {
        struct place *p = &w->places[i];
        if (!p->open) continue;
        part_end(w, p, NULL);
        p->item->status = S("incomplete");
        item_end(w, p, NULL);
    }
    put_response(w, "response.failed", S("failed"), error);
}

static void (*const ON[EVENT_KINDS])(struct responses_writer *, struct place *, const struct chat_event *) = {
    [EVENT_ITEM_START] = item_start, [EVENT_PART_START] = part_start, [EVENT_DELTA] = delta,
    [EVENT_PART_END] = part_end,     [EVENT_ITEM_END] = item_end,
};

/* ---- the room's door ------------------------------------------------------------------------------------------------------------ */

void openai_responses_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    struct responses_writer *w = writer;
    *w = (struct responses_writer){.arena = a, .to = to, .answer = arena_alloc(a, sizeof *w->answer)};
    if (w->answer) w->fold = chat_fold_new(a, w->answer);
}

enum err openai_responses_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct responses_writer *w = writer;
    w->out = out;
    if (w->ended) return OK;
    if (!w->fold) return FAIL(why, ERR_INTERNAL, "a stream's state does not fit its bounds");
    if (e->choice) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider gave more than one answer, and this format has one");
    if (e->kind == EVENT_ERROR) {
        on_error(w, e->error);
        return OK;
    }
    TRY(chat_fold_event(w->fold, e, why));
    chat_lose_event_extra(w->to->losses, e);
    if (e->kind == EVENT_PING || e->kind == EVENT_USAGE || e->kind == EVENT_RAW) return OK;
    begin_response(w);
    if (e->kind == EVENT_ITEM_START) TRY(place_new(w, why));
    if (e->kind == EVENT_END) return on_end(w, why);
    if (ON[e->kind] && e->item < w->n_places) ON[e->kind](w, &w->places[e->item], e);
    return OK;
}
