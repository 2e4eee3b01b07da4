/* Events written as Gemini's chunks, and whole answers through the same code. Calls are written whole, when their item ends (G4);
 * the reasons to end and the usage stand in the last chunk. Pure; the state is in the exchange's arena. */
#include "wire/gemini_generate/priv.h"

enum { ALL_CHOICES = UINT32_MAX };

/* What an open item is, by its number. */
struct place {
    enum chat_item_kind kind;
    enum chat_part_kind part; /* the one started last */
    struct str id, name;      /* of calls */
    char *args;               /* a span, so far */
    size_t n_args, room;
};

struct gemini_writer {
    struct arena *arena;
    const struct wire_reply *to;
    struct buf *out;
    struct str tail; /* of a chunk: "modelVersion":…,"responseId":… */
    struct place *places;
    uint32_t n_places;
    uint8_t stops[CHAT_CHOICES_MAX]; /* enum chat_stop_kind, + 1; 0: none yet */
    struct usage usage;
    uint32_t only; /* a whole answer: the parts of one choice are asked for */
    bool any;      /* of it: a part has been written */
    bool same_family, blocked, ended;
    bool half_call; /* one has come that is no whole one: it must have been cut off */
};
_Static_assert(sizeof(struct gemini_writer) <= GEMINI_WRITER_SIZE, "told in priv.h");

/* ---- chunks ------------------------------------------------------------------------------------------------------------------ */

static void put_meta(struct json_writer *j, const struct wire_reply *to, const struct chat_meta *meta)
{
    json_put_name(j, S("modelVersion"));
    if (meta->model.p) json_put_span(j, meta->model);
    else json_put_str(j, to->model);
    json_put_name(j, S("responseId"));
    if (meta->id.n) json_put_span(j, meta->id);
    else json_put_str(j, to->id);
}

static void make_tail(struct gemini_writer *w, const struct chat_meta *meta)
{
    struct buf tail;
    struct json_writer j;
    buf_init(&tail, KIB(4));
    json_write(&j, &tail);
    json_put_object(&j);
    put_meta(&j, w->to, meta);
    json_put_end(&j);
    bool fits = !tail.over && arena_str(w->arena, str_from(buf_view(&tail), 1), &w->tail);
    buf_done(&tail);
    if (!fits) w->tail = S("\"modelVersion\":\"\"}");
}

static void chunk_end(struct gemini_writer *w)
{
    if (!w->tail.p) make_tail(w, &(struct chat_meta){0});
    buf_char(w->out, ',');
    buf_str(w->out, w->tail);
    buf_str(w->out, S("\n\n"));
}

/* A part: a chunk of its own, or the next one in a whole answer's list. */
static void part_open(struct gemini_writer *w)
{
    if (w->only == ALL_CHOICES) buf_str(w->out, S("data: {\"candidates\":[{\"content\":{\"parts\":["));
    else if (w->any) buf_char(w->out, ',');
    w->any = true;
}

static void part_close(struct gemini_writer *w, uint32_t choice)
{
    if (w->only != ALL_CHOICES) return;
    buf_str(w->out, S("],\"role\":\"model\"},\"index\":"));
    buf_u64(w->out, choice);
    buf_str(w->out, S("}]"));
    chunk_end(w);
}

static void part_begin(struct gemini_writer *w, struct json_writer *j)
{
    part_open(w);
    json_write(j, w->out);
    json_put_object(j);
}

static void part_end(struct gemini_writer *w, struct json_writer *j, uint32_t choice)
{
    json_put_end(j);
    part_close(w, choice);
}

/* ---- texts ------------------------------------------------------------------------------------------------------------------- */

static bool is_thought(enum chat_part_kind kind) { return kind == PART_THOUGHT || kind == PART_SUMMARY || kind == PART_REDACTED; }

static void put_text(struct gemini_writer *w, uint32_t choice, struct str text, bool thought, struct str signature)
{
    struct json_writer j;
    part_begin(w, &j);
    json_put_name(&j, S("text"));
    json_put_span(&j, text);
    if (thought) json_add_bool(&j, S("thought"), true);
    if (signature.n) json_put_name(&j, S("thoughtSignature"));
    if (signature.n) json_put_span(&j, signature);
    part_end(w, &j, choice);
}

/* State comes behind the text that it is of, in an empty part. */
static void put_opaque(struct gemini_writer *w, uint32_t choice, const struct chat_opaque *o, bool thought)
{
    struct str span;
    for (; o; o = o->next) {
        bool carried = (thought || w->same_family) && gemini_signature_write(w->to, o, w->arena, &span);
        if (carried) put_text(w, choice, S(""), thought, span);
        else w->to->losses->n[LOSS_OPAQUE_FOREIGN]++;
    }
}

static void put_image(struct gemini_writer *w, const struct chat_event *e)
{
    const struct chat_media *m = &e->what->media;
    struct json_writer j;
    if (m->form != MEDIA_BASE64) {
        w->to->losses->n[LOSS_ANSWER_FIELD]++;
        return;
    }
    part_begin(w, &j);
    json_add_object(&j, S("inlineData"));
    json_put_name(&j, S("mimeType"));
    json_put_span(&j, m->type.p ? m->type : S("application/octet-stream"));
    json_put_name(&j, S("data"));
    json_put_span(&j, m->value);
    json_put_end(&j);
    part_end(w, &j, e->choice);
}

/* ---- items ------------------------------------------------------------------------------------------------------------------- */

static struct place *place_new(struct gemini_writer *w, uint32_t number)
{
    struct place *all = wire_places(w->arena, w->places, &w->n_places, sizeof *all, number);
    if (!all) return NULL;
    w->places = all;
    return &all[number];
}

static struct place *place_of(struct gemini_writer *w, const struct chat_event *e)
{
    return e->item < w->n_places ? &w->places[e->item] : NULL;
}

static enum err on_item_start(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    struct place *p = place_new(w, e->item);
    const struct chat_item *i = e->node;
    if (!p) return wire_answer_full(why);
    *p = (struct place){.kind = i->kind};
    bool kept = arena_str(w->arena, i->call_id, &p->id) && arena_str(w->arena, i->name, &p->name);
    if (i->kind == ITEM_TOOL_CALL) return kept ? OK : wire_answer_full(why);
    if (!(i->node.has & 1ull << ITEM_HAS_RAW)) return OK;
    if (!w->same_family) {
        w->to->losses->n[LOSS_ANSWER_FIELD]++;
        return OK;
    }
    part_open(w);
    buf_str(w->out, i->raw);
    part_close(w, e->choice);
    return OK;
}

static enum err on_part_start(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    struct place *p = place_of(w, e);
    (void)why;
    if (p) p->part = e->what->kind;
    if (e->what->kind == PART_UNKNOWN) w->to->losses->n[LOSS_ANSWER_FIELD]++;
    else if (e->what->node.has & 1ull << PART_HAS_MEDIA) put_image(w, e);
    return OK;
}

static enum err add_arguments(struct gemini_writer *w, struct place *p, struct str piece, struct fault *why)
{
    if (p->n_args + piece.n > p->room) {
        size_t room = 2 * (p->n_args + piece.n) + 64;
        char *more = arena_alloc(w->arena, room);
        if (!more) return wire_answer_full(why);
        if (p->n_args) memcpy(more, p->args, p->n_args);
        p->args = more;
        p->room = room;
    }
    if (piece.n) memcpy(p->args + p->n_args, piece.p, piece.n);
    p->n_args += piece.n;
    return OK;
}

static enum err on_delta(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    struct place *p = place_of(w, e);
    if (!p) return OK;
    switch (e->field) {
    case DELTA_ARGUMENTS: return add_arguments(w, p, e->text, why);
    case DELTA_ANNOTATION: w->to->losses->n[LOSS_CITATION]++; return OK;
    case DELTA_LOGPROBS: w->to->losses->n[LOSS_ANSWER_FIELD]++; return OK;
    case DELTA_TEXT: put_text(w, e->choice, e->text, is_thought(p->part), STR_NONE);
    }
    return OK;
}

static enum err on_part_end(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    const struct place *p = place_of(w, e);
    (void)why;
    if (p && e->what) put_opaque(w, e->choice, e->what->opaque, is_thought(p->part));
    return OK;
}

/* A call that the output's limit cut off is left out, counted; any other that is no JSON is the provider's fault. */
static enum err check_half(struct gemini_writer *w, uint32_t choice, struct fault *why)
{
    if (!wire_is_cut_off((enum chat_stop_kind)(w->stops[choice] - 1)))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer calls a tool with arguments that are no JSON object");
    w->half_call = false;
    w->to->losses->n[LOSS_ANSWER_FIELD]++;
    return OK;
}

static enum err put_call(struct gemini_writer *w, const struct chat_event *e, const struct place *p, struct fault *why)
{
    const struct chat_json span = {str_make(p->args, p->n_args), true};
    struct json_writer j;
    struct json_tape tape;
    struct str args;
    json_tape_init(&tape, 0);
    enum err err = chat_json_raw(&span, w->arena, &tape, &args, why);
    json_tape_done(&tape);
    if (err != OK) {
        w->half_call = true;
        return w->stops[e->choice] ? check_half(w, e->choice, why) : OK; /* in a stream the stop comes behind it */
    }
    part_begin(w, &j);
    json_add_object(&j, S("functionCall"));
    if (p->id.n) json_put_name(&j, S("id"));
    if (p->id.n) json_put_span(&j, p->id);
    json_put_name(&j, S("name"));
    json_put_span(&j, p->name);
    json_add_raw(&j, S("args"), args);
    json_put_end(&j);
    part_end(w, &j, e->choice);
    return OK;
}

static enum err on_item_end(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    const struct place *p = place_of(w, e);
    if (!p) return OK;
    if (p->kind == ITEM_TOOL_CALL) TRY(put_call(w, e, p, why));
    if (e->node) put_opaque(w, e->choice, e->node->opaque, p->kind == ITEM_REASONING);
    return OK;
}

/* ---- ends ---------------------------------------------------------------------------------------------------------------------- */

static enum err on_meta(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    (void)why;
    if (w->tail.p) return OK;
    make_tail(w, e->meta);
    w->same_family = str_eq(e->meta->family, S("gemini"));
    return OK;
}

static enum err on_usage(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    (void)why;
    w->usage = *e->usage;
    return OK;
}

static enum err on_stop(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    w->stops[e->choice] = (uint8_t)(e->stop->kind + 1);
    w->blocked |= e->stop->kind == STOP_FILTER && e->stop->of_prompt;
    return w->half_call ? check_half(w, e->choice, why) : OK;
}

static struct str stop_word(unsigned kind)
{
    static const struct str WORDS[STOP_KINDS] = {
        [STOP_UNKNOWN] = WIRE_STR("OTHER"),
        [STOP_END] = WIRE_STR("STOP"),
        [STOP_SEQUENCE] = WIRE_STR("STOP"),
        [STOP_LIMIT] = WIRE_STR("MAX_TOKENS"),
        [STOP_CONTEXT_FULL] = WIRE_STR("MAX_TOKENS"),
        [STOP_TOOL] = WIRE_STR("STOP"),
        [STOP_PAUSE] = WIRE_STR("STOP"),
        [STOP_REFUSAL] = WIRE_STR("SAFETY"),
        [STOP_FILTER] = WIRE_STR("SAFETY"),
        [STOP_MALFORMED_CALL] = WIRE_STR("MALFORMED_FUNCTION_CALL"),
        [STOP_CANCELLED] = WIRE_STR("OTHER"),
        [STOP_CUT] = WIRE_STR("MAX_TOKENS"),
    };
    return WORDS[kind];
}

/* G3: the prompt includes what was cached, thoughts are an addend. */
static void put_usage(struct json_writer *j, const struct usage *u)
{
    uint64_t cached = u->n[USAGE_IN_CACHE_READ] + u->n[USAGE_IN_AUDIO_CACHE_READ] + u->n[USAGE_IN_IMAGE_CACHE_READ];
    uint64_t tools = u->n[USAGE_IN_TOOL_PROMPT], thoughts = u->n[USAGE_OUT_REASONING];
    json_add_object(j, S("usageMetadata"));
    json_add_u64(j, S("promptTokenCount"), usage_input(u) - tools);
    if (u->quality[USAGE_IN_CACHE_READ] || cached) json_add_u64(j, S("cachedContentTokenCount"), cached);
    if (u->quality[USAGE_IN_TOOL_PROMPT]) json_add_u64(j, S("toolUsePromptTokenCount"), tools);
    json_add_u64(j, S("candidatesTokenCount"), usage_output(u) - thoughts);
    if (u->quality[USAGE_OUT_REASONING]) json_add_u64(j, S("thoughtsTokenCount"), thoughts);
    json_add_u64(j, S("totalTokenCount"), usage_input(u) + usage_output(u));
    json_put_end(j);
}

static void put_blocked(struct json_writer *j) /* G13 */
{
    json_add_object(j, S("promptFeedback"));
    json_add_str(j, S("blockReason"), S("SAFETY"));
    json_put_end(j);
}

/* The end of a candidate's object. */
static void put_finish(const struct gemini_writer *w, uint32_t choice)
{
    struct str word = stop_word(w->stops[choice] ? w->stops[choice] - 1u : STOP_UNKNOWN);
    buf_fmt(w->out, ",\"finishReason\":\"%.*s\",\"index\":%u}", STR_ARG(word), choice);
}

/* The last chunk has an empty text, as the vendor's own: SDKs take a content without parts for a failed turn. */
static enum err on_end(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    struct json_writer j;
    (void)e, (void)why;
    w->ended = true;
    buf_str(w->out, S("data: "));
    json_write(&j, w->out);
    json_put_object(&j);
    if (w->blocked) put_blocked(&j);
    else json_add_array(&j, S("candidates"));
    for (uint32_t c = 0, n = 0; c < CHAT_CHOICES_MAX && !w->blocked; c++) {
        if (!w->stops[c]) continue;
        buf_str(w->out, n++ ? S(",") : S(""));
        buf_str(w->out, S("{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"}"));
        put_finish(w, c);
    }
    if (!w->blocked) json_put_end(&j);
    put_usage(&j, &w->usage);
    chunk_end(w); /* which closes the object */
    return OK;
}

static enum err on_error(struct gemini_writer *w, const struct chat_event *e, struct fault *why)
{
    (void)why;
    w->ended = true;
    buf_str(w->out, S("data: "));
    gemini_write_error(e->error, w->to->id, w->out);
    buf_str(w->out, S("\n\n"));
    return OK;
}

static enum err (*const ON[EVENT_KINDS])(struct gemini_writer *, const struct chat_event *, struct fault *) = {
    [EVENT_META] = on_meta,
    [EVENT_ITEM_START] = on_item_start,
    [EVENT_PART_START] = on_part_start,
    [EVENT_DELTA] = on_delta,
    [EVENT_PART_END] = on_part_end,
    [EVENT_ITEM_END] = on_item_end,
    [EVENT_USAGE] = on_usage,
    [EVENT_STOP] = on_stop,
    [EVENT_ERROR] = on_error,
    [EVENT_END] = on_end,
};

/* ---- the room's door ------------------------------------------------------------------------------------------------------------- */

void gemini_writer_start(void *writer, const struct wire_reply *to, struct arena *a)
{
    *(struct gemini_writer *)writer = (struct gemini_writer){.arena = a, .to = to, .only = ALL_CHOICES};
}

enum err gemini_write_event(void *writer, const struct chat_event *e, struct buf *out, struct fault *why)
{
    struct gemini_writer *w = writer;
    if (w->ended) return OK;
    chat_lose_event_extra(w->to->losses, e);
    if (!ON[e->kind]) return OK;
    if (e->choice >= CHAT_CHOICES_MAX) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's stream has too many choices");
    w->out = out;
    return ON[e->kind](w, e, why);
}

/* ---- whole answers ---------------------------------------------------------------------------------------------------------------- */

static enum err on_whole(void *user, const struct chat_event *e, struct fault *why)
{
    struct gemini_writer *w = user;
    bool of_item = e->kind >= EVENT_ITEM_START && e->kind <= EVENT_ITEM_END;
    return of_item && e->choice == w->only ? ON[e->kind](w, e, why) : OK;
}

static enum err put_candidate(struct gemini_writer *w, const struct chat_answer *answer, uint32_t choice, struct fault *why)
{
    w->only = choice;
    w->any = false;
    w->n_places = 0;
    w->places = NULL;
    buf_str(w->out, S("{\"content\":{\"parts\":["));
    TRY(chat_unfold(answer, &(struct chat_sink){on_whole, w}, why));
    if (!w->any) buf_str(w->out, S("{\"text\":\"\"}"));
    buf_str(w->out, S("],\"role\":\"model\"}"));
    put_finish(w, choice);
    return OK;
}

enum err gemini_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out, struct fault *why)
{
    struct gemini_writer w;
    struct json_writer j;
    gemini_writer_start(&w, to, answer->arena);
    w.out = out;
    w.same_family = str_eq(answer->meta.family, S("gemini"));
    for (uint32_t c = 0; c < answer->n_choices && c < CHAT_CHOICES_MAX; c++)
        TRY(on_stop(&w, &(struct chat_event){.choice = c, .stop = &answer->stops[c]}, why));
    json_write(&j, out);
    json_put_object(&j);
    if (w.blocked) put_blocked(&j);
    else json_add_array(&j, S("candidates"));
    for (uint32_t c = 0; c < answer->n_choices && !w.blocked; c++) {
        buf_str(out, c ? S(",") : S(""));
        TRY(put_candidate(&w, answer, c, why));
    }
    if (!w.blocked) json_put_end(&j);
    put_usage(&j, &answer->usage);
    put_meta(&j, to, &answer->meta);
    json_put_end(&j);
    return wire_answer_done(&j, to, answer, why);
}
