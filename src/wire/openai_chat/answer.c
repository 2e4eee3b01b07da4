/* Whole answers of Chat Completions, read and written. Facts: OpenAI API reference "The chat completion object"; C5, C6 in
 * docs/wire.md. Pure. */
#include "wire/openai_chat/priv.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

struct reading {
    const struct json_tape *t;
    struct chat_answer *answer;
    struct chat_group *group;
    uint32_t choice;
    bool called;
    struct fault *why;
};

static struct chat_item *new_item(const struct reading *r, enum chat_item_kind kind)
{
    struct chat_answer *a = r->answer;
    struct chat_item *i = chat_add_item(a->arena, &a->items, &a->items_last, kind, r->group);
    if (i) i->choice = r->choice;
    return i;
}

static struct chat_part *text_part(const struct reading *r, struct chat_item *item, enum chat_part_kind kind, uint32_t at)
{
    struct chat_part *p = item ? chat_add_part(r->answer->arena, item, kind) : NULL;
    if (!p) return NULL;
    p->text = json_text(r->t, at);
    chat_has(&p->node, PART_HAS_TEXT);
    return p;
}

static bool is_text(const struct json_tape *t, uint32_t at) { return at && json_is(t, at, JSON_STRING) && json_text(t, at).n; }

static enum err read_reasoning(struct reading *r, uint32_t message)
{
    uint32_t at = json_find(r->t, message, S("reasoning_content"));
    if (!at) at = json_find(r->t, message, S("reasoning"));
    if (!is_text(r->t, at)) return OK;
    return text_part(r, new_item(r, ITEM_REASONING), PART_THOUGHT, at) ? OK : wire_answer_full(r->why);
}

static enum err read_notes(const struct reading *r, uint32_t notes, struct chat_part *part)
{
    uint32_t one;
    struct chat_annotation **end = &part->annotations;
    for (struct json_iter it = json_each(r->t, notes); json_next(r->t, &it, &one);) {
        *end = arena_alloc(r->answer->arena, sizeof **end);
        if (!*end) return wire_answer_full(r->why);
        openai_chat_read_annotation(r->t, one, *end);
        end = &(*end)->next;
        chat_has(&part->node, PART_HAS_ANNOTATIONS);
    }
    return OK;
}

static enum err read_thoughts(struct reading *r, uint32_t thoughts)
{
    uint32_t one;
    struct chat_item *item = new_item(r, ITEM_REASONING);
    for (struct json_iter it = json_each(r->t, thoughts); json_next(r->t, &it, &one);) {
        uint32_t text = openai_chat_thought_text(r->t, one);
        if (is_text(r->t, text) && !text_part(r, item, PART_THOUGHT, text)) return wire_answer_full(r->why);
    }
    return item ? OK : wire_answer_full(r->why);
}

/* Mistral's reasoning models give content in pieces. */
static enum err read_pieces(struct reading *r, uint32_t pieces)
{
    uint32_t one;
    for (struct json_iter it = json_each(r->t, pieces); json_next(r->t, &it, &one);) {
        struct openai_chat_piece piece;
        openai_chat_read_piece(r->t, one, &piece);
        if (piece.kind == PART_THOUGHT) {
            TRY(read_thoughts(r, piece.thoughts));
            continue;
        }
        if (piece.kind == PART_TEXT && !is_text(r->t, piece.text)) continue;
        struct chat_item *item = new_item(r, ITEM_MESSAGE);
        struct chat_part *p = item ? chat_add_part(r->answer->arena, item, piece.kind) : NULL;
        if (!p) return wire_answer_full(r->why);
        p->raw = piece.raw;
        p->word = piece.word;
        if (piece.kind == PART_TEXT) p->text = json_text(r->t, piece.text);
        chat_has(&p->node, piece.kind == PART_TEXT ? PART_HAS_TEXT : PART_HAS_RAW);
    }
    return OK;
}

static enum err read_text(struct reading *r, uint32_t choice, uint32_t message)
{
    const struct json_tape *t = r->t;
    uint32_t content = json_find(t, message, S("content")), refusal = json_find(t, message, S("refusal"));
    uint32_t notes = json_find(t, message, S("annotations")), logprobs = json_find(t, choice, S("logprobs"));
    if (content && json_is(t, content, JSON_ARRAY)) TRY(read_pieces(r, content));
    if (!is_text(t, content) && !is_text(t, refusal)) return OK;
    struct chat_item *item = new_item(r, ITEM_MESSAGE);
    struct chat_part *text = NULL;
    if (is_text(t, content) && !(text = text_part(r, item, PART_TEXT, content))) return wire_answer_full(r->why);
    if (is_text(t, refusal) && !text_part(r, item, PART_REFUSAL, refusal)) return wire_answer_full(r->why);
    uint32_t tokens = text && logprobs ? openai_chat_logprobs(t, logprobs, PART_TEXT) : 0;
    if (tokens) {
        text->logprobs = json_raw(t, tokens);
        chat_has(&text->node, PART_HAS_LOGPROBS);
    }
    return text && notes ? read_notes(r, notes, text) : OK;
}

static enum err read_calls(struct reading *r, uint32_t message)
{
    uint32_t calls = json_find(r->t, message, S("tool_calls")), one, nth = 0;
    if (!calls) return OK;
    for (struct json_iter it = json_each(r->t, calls); json_next(r->t, &it, &one);) {
        struct chat_item *i = new_item(r, ITEM_TOOL_CALL), call;
        if (!i) return wire_answer_full(r->why);
        TRY(openai_chat_read_call(r->t, one, &call, r->why));
        call.choice = r->choice;
        if (!openai_chat_name_call(r->t, nth++, r->answer->arena, &call)) return wire_answer_full(r->why);
        i->form = call.form;
        i->call_id = call.call_id;
        i->name = call.name;
        i->arguments = call.arguments;
        r->called = true;
    }
    return OK;
}

static enum err read_choice(struct reading *r, uint32_t at)
{
    uint64_t index = r->choice;
    uint32_t told = json_find(r->t, at, S("index")), message = json_find(r->t, at, S("message"));
    if (told && !json_u64(r->t, told, &index)) index = r->choice;
    if (!message || !json_is(r->t, message, JSON_OBJECT) || index >= r->answer->n_choices)
        return FAIL(r->why, ERR_UPSTREAM_GARBAGE, "the provider's answer has a choice without a message");
    r->choice = (uint32_t)index;
    r->called = false;
    r->group = chat_add_group(r->answer->arena, ROLE_ASSISTANT, json_node(r->t, message)->start);
    if (!r->group) return wire_answer_full(r->why);
    TRY(read_reasoning(r, message));
    TRY(read_text(r, at, message));
    TRY(read_calls(r, message));
    openai_chat_read_stop(r->t, json_find(r->t, at, S("finish_reason")), r->called, &r->answer->stops[index]);
    return OK;
}

/* Some servers in front of others answer 200 with an error (OpenRouter). */
static enum err refuse_failed(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    struct chat_error error;
    openai_chat_event_error(t, answer->arena, &error);
    return wire_fail_answer(answer, &error, why);
}

enum err openai_chat_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    uint32_t choices = json_find(t, 0, S("choices")), one, n = 0;
    if (!choices && openai_chat_is_error(t, STR_NONE)) return refuse_failed(t, answer, why);
    if (!choices || !json_is(t, choices, JSON_ARRAY) || !json_count(t, choices))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a chat completion: it has no choices");
    answer->n_choices = json_count(t, choices);
    if (answer->n_choices > CHAT_CHOICES_MAX) return wire_answer_full(why);
    answer->stops = arena_alloc(answer->arena, (answer->n_choices + 1) * sizeof *answer->stops);
    if (!answer->stops) return wire_answer_full(why);
    openai_chat_read_meta(t, &answer->meta);
    openai_chat_read_usage(t, &answer->usage);
    struct reading r = {.t = t, .answer = answer, .why = why};
    for (struct json_iter it = json_each(t, choices); json_next(t, &it, &one);) {
        r.choice = n++;
        TRY(read_choice(&r, one));
    }
    return wire_keep_unknown(t, &openai_chat_known, answer, why);
}

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

/* The texts of one kind, of one choice, as one string; null when there is none. */
static bool put_texts(struct json_writer *w, const struct chat_answer *a, uint32_t choice, struct str name, uint32_t kinds)
{
    bool any = false;
    for (const struct chat_item *i = a->items; i; i = i->next) {
        if (i->choice != choice || (i->kind != ITEM_MESSAGE && i->kind != ITEM_REASONING)) continue;
        for (const struct chat_part *p = i->parts; p; p = p->next) {
            if (!(kinds >> p->kind & 1)) continue;
            if (!any) {
                json_put_name(w, name);
                json_put_string_begin(w);
            }
            any = true;
            buf_str(w->out, p->text);
        }
    }
    if (any) json_put_string_end(w);
    return any;
}

static void put_calls(struct json_writer *w, const struct chat_answer *a, uint32_t choice)
{
    bool any = false;
    for (const struct chat_item *i = a->items; i; i = i->next) {
        struct str arguments;
        if (i->choice != choice || i->kind != ITEM_TOOL_CALL) continue;
        if (!any) json_add_array(w, S("tool_calls"));
        any = true;
        if (!chat_json_span(&i->arguments, a->arena, &arguments)) arguments = STR_NONE;
        json_put_object(w);
        openai_chat_put_call(w, i, arguments.n || i->form == CALL_CUSTOM ? arguments : S("{}"));
        json_put_end(w);
    }
    if (any) json_put_end(w);
}

static const struct chat_part *first_text(const struct chat_answer *a, uint32_t choice)
{
    for (const struct chat_item *i = a->items; i; i = i->next)
        for (const struct chat_part *p = i->parts; i->choice == choice && i->kind == ITEM_MESSAGE && p; p = p->next)
            if (p->kind == PART_TEXT) return p;
    return NULL;
}

/* Chat knows one kind of annotation, the URL citation; others are counted. */
static void put_notes_of(struct json_writer *w, const struct chat_part *p, uint64_t before, uint64_t length,
                         struct chat_losses *losses)
{
    for (const struct chat_annotation *n = p->annotations; n; n = n->next) {
        if (n->url.p) openai_chat_put_annotation(w, n, wire_cited(n, before, length));
        else losses->n[LOSS_CITATION]++;
    }
}

static bool has_notes(const struct chat_answer *a)
{
    for (const struct chat_item *i = a->items; i; i = i->next)
        for (const struct chat_part *p = i->parts; p; p = p->next)
            if (p->annotations) return true;
    return false;
}

/* The content is the choice's texts, one behind the other. */
static void put_notes(struct json_writer *w, const struct chat_answer *a, uint32_t choice, struct chat_losses *losses)
{
    uint64_t before = 0;
    json_add_array(w, S("annotations"));
    for (const struct chat_item *i = has_notes(a) ? a->items : NULL; i; i = i->next) {
        for (const struct chat_part *p = i->parts; i->choice == choice && p; p = p->next) {
            uint64_t length = p->kind == PART_TEXT ? wire_points(p->text) : 0;
            put_notes_of(w, p, before, length, losses);
            before += length;
        }
    }
    json_put_end(w);
}

static void put_choice(struct json_writer *w, const struct chat_answer *a, uint32_t choice, const struct wire_reply *to)
{
    const struct chat_part *text = first_text(a, choice);
    json_put_object(w);
    json_add_u64(w, S("index"), choice);
    json_add_object(w, S("message"));
    json_add_str(w, S("role"), S("assistant"));
    if (!put_texts(w, a, choice, S("content"), 1u << PART_TEXT)) json_add_null(w, S("content"));
    if (!put_texts(w, a, choice, S("refusal"), 1u << PART_REFUSAL)) json_add_null(w, S("refusal"));
    put_texts(w, a, choice, S("reasoning_content"), 1u << PART_THOUGHT | 1u << PART_SUMMARY);
    put_notes(w, a, choice, to->losses);
    put_calls(w, a, choice);
    json_put_end(w);
    openai_chat_put_logprobs(w, PART_TEXT, text ? text->logprobs : STR_NONE);
    json_add_str(w, S("finish_reason"), openai_chat_stop_word(&a->stops[choice]));
    json_put_end(w);
}

/* What Chat has no word for is counted. */
static void lose_unsaid(const struct wire_reply *to, const struct chat_item *i)
{
    wire_lose_unsaid(to->losses, i, WIRE_SAYS_TEXT);
    wire_lose_state(to->losses, i->opaque, false, to->keeps_calls);
    for (const struct chat_part *p = i->parts; p; p = p->next)
        wire_lose_state(to->losses, p->opaque, i->kind == ITEM_MESSAGE, to->keeps_calls);
}

enum err openai_chat_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out, struct fault *why)
{
    struct json_writer w;
    for (const struct chat_item *i = answer->items; i; i = i->next) lose_unsaid(to, i);
    json_write(&w, out);
    json_put_object(&w);
    openai_chat_put_head(&w, to, &answer->meta, S("chat.completion"));
    json_add_array(&w, S("choices"));
    for (uint32_t i = 0; i < answer->n_choices; i++) put_choice(&w, answer, i, to);
    json_put_end(&w);
    json_put_name(&w, S("usage"));
    openai_chat_put_usage(&w, &answer->usage);
    struct str tier = wire_tier_word(WIRE_OPENAI_CHAT, answer->usage.tier);
    if (tier.n) json_add_str(&w, S("service_tier"), tier);
    json_put_end(&w);
    return wire_answer_done(&w, to, answer, why);
}
