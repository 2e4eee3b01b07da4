/* Gemini's chunks read into events; a whole answer is one chunk, folded. Each chunk tells what came since the last one: texts are
 * joined, calls come whole (G4). The close is the end (G1). Pure; the state is in the exchange's arena. */
#include "wire/gemini_generate/priv.h"

#include <stdio.h>

enum { CHOICES = 8, NO_ITEM = UINT32_MAX }; /* the vendor gives 8 candidates at most */

struct choice {
    uint32_t item; /* the open one; NO_ITEM */
    enum chat_item_kind kind;
    uint32_t parts; /* of it */
    bool part_open, used, called, stopped;
    struct chat_stop stop;
};

struct gemini_reader {
    struct arena *arena;
    struct wire_emitter emit;
    struct usage usage;
    struct choice choices[CHOICES];
    struct str id; /* of the answer */
    uint32_t calls;
    bool met, ended, blocked;
};
_Static_assert(sizeof(struct gemini_reader) <= GEMINI_READER_SIZE, "told in priv.h");

static enum err full(const struct gemini_reader *r)
{
    return FAIL(r->emit.why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
}

/* ---- items ---------------------------------------------------------------------------------------------------------------- */

static uint32_t number_of(const struct gemini_reader *r, const struct choice *c) { return (uint32_t)(c - r->choices); }

static struct wire_spot spot(const struct gemini_reader *r, const struct choice *c)
{
    return (struct wire_spot){.choice = number_of(r, c), .item = c->item, .part = c->parts};
}

static enum err close_part(struct gemini_reader *r, struct choice *c, struct chat_opaque *opaque)
{
    struct chat_part part = {.kind = c->kind == ITEM_REASONING ? PART_THOUGHT : PART_TEXT, .opaque = opaque};
    if (!c->part_open) return OK;
    if (opaque) chat_has(&part.node, PART_HAS_OPAQUE);
    TRY(wire_emit_part_end(&r->emit, spot(r, c), &part));
    c->part_open = false;
    c->parts++;
    return OK;
}

static enum err close_item(struct gemini_reader *r, struct choice *c)
{
    if (c->item == NO_ITEM) return OK;
    TRY(close_part(r, c, NULL));
    TRY(wire_emit_item_end(&r->emit, c->item, &(struct chat_item){.kind = c->kind, .choice = number_of(r, c)}));
    c->item = NO_ITEM;
    return OK;
}

static enum err open_item(struct gemini_reader *r, struct choice *c, enum chat_item_kind kind)
{
    if (c->item != NO_ITEM && c->kind == kind) return OK;
    TRY(close_item(r, c));
    c->kind = kind;
    c->parts = 0;
    return wire_emit_item(&r->emit, &(struct chat_item){.kind = kind, .choice = number_of(r, c)}, &c->item);
}

/* State alone: an item of reasoning that nobody else can read, in front of what it belongs to (G6). */
static enum err put_state(struct gemini_reader *r, struct choice *c, struct chat_opaque *opaque)
{
    struct chat_part part = {.kind = PART_REDACTED, .opaque = opaque};
    chat_has(&part.node, PART_HAS_OPAQUE);
    TRY(close_item(r, c));
    TRY(open_item(r, c, ITEM_REASONING));
    TRY(wire_emit_part(&r->emit, spot(r, c), &(struct chat_part){.kind = PART_REDACTED}));
    TRY(wire_emit_part_end(&r->emit, spot(r, c), &part));
    return close_item(r, c);
}

/* ---- parts ---------------------------------------------------------------------------------------------------------------- */

struct signature {
    struct chat_opaque opaque;
    bool there;
};

static enum err read_signature(const struct gemini_reader *r, const struct json_tape *t, uint32_t part,
                               struct signature *ret_sign)
{
    struct str span = wire_text_in(t, part, "thoughtSignature");
    *ret_sign = (struct signature){.there = span.n > 0};
    ret_sign->opaque = (struct chat_opaque){.kind = OPAQUE_THOUGHT_SIGNATURE, .origin.family = S("gemini")};
    return gemini_signature_read(r->arena, span, &ret_sign->opaque.span) ? OK : full(r);
}

static enum err on_text(struct gemini_reader *r, struct choice *c, const struct json_tape *t, uint32_t part)
{
    uint32_t thought = json_find(t, part, S("thought"));
    enum chat_item_kind kind = thought && json_is(t, thought, JSON_TRUE) ? ITEM_REASONING : ITEM_MESSAGE;
    struct str text = wire_text_in(t, part, "text");
    struct signature sign;
    TRY(read_signature(r, t, part, &sign));
    bool goes_on = c->item != NO_ITEM && c->kind == kind && c->part_open;
    if (!text.n && !goes_on) return sign.there ? put_state(r, c, &sign.opaque) : OK;
    TRY(open_item(r, c, kind));
    if (!c->part_open) {
        enum chat_part_kind part_kind = kind == ITEM_REASONING ? PART_THOUGHT : PART_TEXT;
        TRY(wire_emit_part(&r->emit, spot(r, c), &(struct chat_part){.kind = part_kind}));
        c->part_open = true;
    }
    TRY(wire_emit_delta(&r->emit, spot(r, c), DELTA_TEXT, text));
    if (!sign.there) return OK;
    TRY(close_part(r, c, &sign.opaque));
    return kind == ITEM_REASONING ? close_item(r, c) : OK;
}

/* G5: an id made of what is the same however the bytes came. */
static bool name_call(struct gemini_reader *r, const struct json_tape *t, uint32_t call, struct chat_item *i)
{
    const struct str of[] = {r->id, json_raw(t, call)};
    i->call_id = wire_text_in(t, call, "id");
    return i->call_id.n || wire_make_call_id(of, COUNTOF(of), r->calls, r->arena, &i->call_id);
}

/* Google indents what it answers whole; in the text that other formats make of arguments that would only cost tokens. */
static bool compact(struct arena *a, struct str json, struct str *ret_text)
{
    struct buf out;
    bool quoted = false, escaped = false;
    buf_init(&out, json.n);
    for (size_t i = 0; i < json.n; i++) {
        char c = json.p[i];
        if (!quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        buf_char(&out, c);
    }
    bool fits = arena_str(a, buf_view(&out), ret_text);
    buf_done(&out);
    return fits;
}

static enum err on_call(struct gemini_reader *r, struct choice *c, const struct json_tape *t, uint32_t part)
{
    uint32_t call = json_find(t, part, S("functionCall")), args = json_find(t, call, S("args"));
    struct signature sign;
    struct chat_item item = {.kind = ITEM_TOOL_CALL, .choice = number_of(r, c), .name = wire_text_in(t, call, "name")};
    struct chat_json json = {args && json_is(t, args, JSON_OBJECT) ? json_raw(t, args) : S("{}"), false};
    if (!compact(r->arena, json.text, &json.text)) return full(r);
    struct str span;
    uint32_t number;
    if (!item.name.n) return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's answer has a call without a name");
    TRY(read_signature(r, t, part, &sign));
    TRY(close_item(r, c));
    if (sign.there) TRY(put_state(r, c, &sign.opaque));
    if (!name_call(r, t, call, &item)) return full(r);
    r->calls++;
    c->called = true;
    if (!chat_json_span(&json, r->arena, &span)) return full(r);
    TRY(wire_emit_item(&r->emit, &item, &number));
    TRY(wire_emit_delta(&r->emit, (struct wire_spot){item.choice, number, 0}, DELTA_ARGUMENTS, span));
    return wire_emit_item_end(&r->emit, number, &(struct chat_item){.kind = ITEM_TOOL_CALL, .choice = item.choice});
}

static enum err on_image(struct gemini_reader *r, struct choice *c, const struct json_tape *t, uint32_t part)
{
    uint32_t blob = json_find(t, part, S("inlineData"));
    struct chat_part media = {
        .kind = PART_IMAGE,
        .media = {.form = MEDIA_BASE64, .type = wire_text_in(t, blob, "mimeType"), .value = wire_text_in(t, blob, "data")}};
    if (str_starts(media.media.type, S("audio/"))) media.kind = PART_AUDIO;
    chat_has(&media.node, PART_HAS_MEDIA);
    TRY(open_item(r, c, ITEM_MESSAGE));
    TRY(close_part(r, c, NULL));
    TRY(wire_emit_part(&r->emit, spot(r, c), &media));
    c->part_open = true;
    return close_part(r, c, NULL);
}

static enum err on_other(struct gemini_reader *r, struct choice *c, const struct json_tape *t, uint32_t part)
{
    struct chat_item item = {.kind = ITEM_UNKNOWN, .choice = number_of(r, c), .word = S("part"), .raw = json_raw(t, part)};
    uint32_t number;
    chat_has(&item.node, ITEM_HAS_RAW);
    TRY(close_item(r, c));
    TRY(wire_emit_item(&r->emit, &item, &number));
    return wire_emit_item_end(&r->emit, number, &(struct chat_item){.kind = ITEM_UNKNOWN, .choice = item.choice});
}

static enum err on_part(struct gemini_reader *r, struct choice *c, const struct json_tape *t, uint32_t part)
{
    if (!json_is(t, part, JSON_OBJECT))
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's answer has a part that is no object");
    if (json_find(t, part, S("text"))) return on_text(r, c, t, part);
    if (json_find(t, part, S("functionCall"))) return on_call(r, c, t, part);
    if (json_find(t, part, S("inlineData"))) return on_image(r, c, t, part);
    if (!json_count(t, part)) return OK;
    uint32_t key, value, n = 0;
    struct json_iter it = json_each(t, part);
    while (json_next_member(t, &it, &key, &value)) n += !json_eq(t, key, S("thoughtSignature")) && !json_eq(t, key, S("thought"));
    struct signature sign;
    TRY(read_signature(r, t, part, &sign));
    if (!n && sign.there) return put_state(r, c, &sign.opaque);
    return n ? on_other(r, c, t, part) : OK;
}

/* ---- candidates (G12) ------------------------------------------------------------------------------------------------------- */

static const struct wire_word STOPS[] = {
    {WIRE_STR("STOP"), STOP_END},
    {WIRE_STR("MAX_TOKENS"), STOP_LIMIT},
    {WIRE_STR("SAFETY"), STOP_FILTER},
    {WIRE_STR("RECITATION"), STOP_FILTER},
    {WIRE_STR("LANGUAGE"), STOP_FILTER},
    {WIRE_STR("BLOCKLIST"), STOP_FILTER},
    {WIRE_STR("PROHIBITED_CONTENT"), STOP_FILTER},
    {WIRE_STR("SPII"), STOP_FILTER},
    {WIRE_STR("MODEL_ARMOR"), STOP_FILTER},
    {WIRE_STR("UNEXPECTED_TOOL_CALL"), STOP_FILTER},
    {WIRE_STR("TOO_MANY_TOOL_CALLS"), STOP_FILTER},
    {WIRE_STR("IMAGE_SAFETY"), STOP_FILTER},
    {WIRE_STR("IMAGE_PROHIBITED_CONTENT"), STOP_FILTER},
    {WIRE_STR("IMAGE_RECITATION"), STOP_FILTER},
    {WIRE_STR("IMAGE_OTHER"), STOP_FILTER},
    {WIRE_STR("NO_IMAGE"), STOP_FILTER},
    {WIRE_STR("MALFORMED_FUNCTION_CALL"), STOP_MALFORMED_CALL},
    {WIRE_STR("MISSING_THOUGHT_SIGNATURE"), STOP_MALFORMED_CALL},
};

static enum err on_finish(struct gemini_reader *r, struct choice *c, struct str word)
{
    enum chat_stop_kind kind = (enum chat_stop_kind)wire_word_value(STOPS, COUNTOF(STOPS), word, STOP_UNKNOWN);
    c->stop = (struct chat_stop){.kind = kind == STOP_END && c->called ? STOP_TOOL : kind};
    c->stopped = true;
    if (!arena_str(r->arena, word, &c->stop.word)) return full(r);
    if (kind == STOP_FILTER) c->stop.category = c->stop.word;
    return wire_check_stop(&c->stop, r->emit.why); /* before its usage is told: nothing may have been said yet */
}

static enum err on_candidate(struct gemini_reader *r, const struct json_tape *t, uint32_t at)
{
    uint64_t index = 0;
    uint32_t told = json_find(t, at, S("index")), content = json_find(t, at, S("content")), part;
    struct str reason = wire_text_in(t, at, "finishReason");
    if (!json_is(t, at, JSON_OBJECT) || (told && !json_u64(t, told, &index)) || index >= CHOICES)
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's answer has a candidate that is none");
    struct choice *c = &r->choices[index];
    uint32_t parts = content ? json_find(t, content, S("parts")) : 0;
    if (c->stopped && parts && json_count(t, parts))
        return FAIL(r->emit.why, ERR_UPSTREAM_GARBAGE, "the provider's candidate goes on after its end");
    c->used = true;
    for (struct json_iter it = json_each(t, parts); parts && json_next(t, &it, &part);) TRY(on_part(r, c, t, part));
    return reason.p ? on_finish(r, c, reason) : OK;
}

/* G13: no candidates at all. */
static enum err on_feedback(struct gemini_reader *r, const struct json_tape *t, uint32_t feedback)
{
    struct choice *c = &r->choices[0];
    struct str reason = feedback ? wire_text_in(t, feedback, "blockReason") : STR_NONE;
    if (!reason.n) return OK;
    c->used = c->stopped = r->blocked = true;
    c->stop = (struct chat_stop){.kind = STOP_FILTER, .of_prompt = true};
    if (!arena_str(r->arena, reason, &c->stop.word)) return full(r);
    c->stop.category = c->stop.word;
    return OK;
}

/* ---- chunks ----------------------------------------------------------------------------------------------------------------- */

static enum err on_meta(struct gemini_reader *r, const struct json_tape *t)
{
    const struct chat_meta meta = {
        .id = wire_text_in(t, 0, "responseId"), .model = wire_text_in(t, 0, "modelVersion"), .family = S("gemini")};
    if (r->met) return OK;
    r->met = true;
    if (!arena_str(r->arena, meta.id, &r->id)) return full(r);
    return wire_emit(&r->emit, &(struct chat_event){.kind = EVENT_META, .meta = &meta});
}

static enum err read_chunk(struct gemini_reader *r, const struct json_tape *t)
{
    uint32_t error = json_find(t, 0, S("error")), one, candidates = json_find(t, 0, S("candidates"));
    if (error) {
        struct chat_error told;
        gemini_read_error_object(t, error, r->arena, &told);
        wire_error_status(&told, 0);
        r->ended = true;
        return wire_emit_error(&r->emit, &told);
    }
    TRY(on_meta(r, t));
    TRY(wire_emit_unknown(&r->emit, t, &gemini_known));
    for (struct json_iter it = json_each(t, candidates); candidates && json_next(t, &it, &one);) TRY(on_candidate(r, t, one));
    TRY(on_feedback(r, t, json_find(t, 0, S("promptFeedback"))));
    if (!json_find(t, 0, S("usageMetadata"))) return OK;
    gemini_read_usage(t, &r->usage);
    return wire_emit_usage(&r->emit, &r->usage);
}

void gemini_reader_start(void *reader, struct arena *a)
{
    struct gemini_reader *r = reader;
    *r = (struct gemini_reader){.arena = a};
    for (unsigned i = 0; i < CHOICES; i++) r->choices[i].item = NO_ITEM;
}

enum err gemini_read_event(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                           struct fault *why)
{
    struct gemini_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    if (r->ended || !f->data.n) return OK;
    if (json_scan(t, f->data, &JSON_LIMITS, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider sent an event that is not one of this format");
    return read_chunk(r, t);
}

static enum err finish(struct gemini_reader *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < CHOICES; i++) {
        struct choice *c = &r->choices[i];
        if (c->used && !c->stopped) return FAIL(r->emit.why, ERR_UPSTREAM_CUT, "the provider's stream ended without a reason");
        n += c->used;
    }
    if (!n) return FAIL(r->emit.why, ERR_UPSTREAM_CUT, "the provider's stream ended without any candidate");
    for (unsigned i = 0; i < CHOICES; i++) {
        if (!r->choices[i].used) continue;
        TRY(close_item(r, &r->choices[i]));
        TRY(wire_emit_stop(&r->emit, i, &r->choices[i].stop));
    }
    r->ended = true;
    return wire_emit_plain(&r->emit, EVENT_END);
}

enum err gemini_read_end(void *reader, const struct chat_sink *sink, struct fault *why)
{
    struct gemini_reader *r = reader;
    r->emit.sink = sink;
    r->emit.why = why;
    return r->ended ? OK : finish(r);
}

/* ---- whole answers ------------------------------------------------------------------------------------------------------------ */

enum err gemini_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    struct gemini_reader r;
    struct chat_fold *fold = chat_fold_new(answer->arena, answer);
    if (!fold) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too large to be translated");
    const struct chat_sink sink = {chat_fold_event, fold};
    gemini_reader_start(&r, answer->arena);
    r.emit = (struct wire_emitter){.sink = &sink, .why = why};
    TRY(read_chunk(&r, t));
    TRY(gemini_read_end(&r, &sink, why));
    return chat_fold_done(fold, why);
}
