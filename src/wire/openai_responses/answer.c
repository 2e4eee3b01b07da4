/* Whole answers of Responses, read and written. Facts: OpenAI API reference "The response object"; R1…R3 in docs/wire.md. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

struct reading {
    const struct json_tape *t;
    struct chat_answer *answer;
    struct chat_group *group;
    bool called;
    struct fault *why;
};

static enum err read_notes(const struct reading *r, struct chat_part *p, uint32_t notes)
{
    uint32_t one;
    for (struct json_iter it = json_each(r->t, notes); json_next(r->t, &it, &one);) {
        struct chat_annotation *n = chat_add_annotation(r->answer->arena, &p->annotations);
        if (!n) return wire_answer_full(r->why);
        openai_responses_read_annotation(r->t, one, n);
        chat_has(&p->node, PART_HAS_ANNOTATIONS);
    }
    return OK;
}

static enum err read_part(const struct reading *r, struct chat_item *i, uint32_t at)
{
    struct chat_part read, *p;
    uint32_t notes = json_find(r->t, at, S("annotations")), logprobs = json_find(r->t, at, S("logprobs"));
    openai_responses_read_part(r->t, at, &read);
    if (read.kind != PART_UNKNOWN && !read.text.n) return OK;
    if (!(p = chat_add_part(r->answer->arena, i, read.kind))) return wire_answer_full(r->why);
    p->node = read.node;
    p->text = read.text, p->word = read.word, p->raw = read.raw;
    if (read.kind != PART_UNKNOWN) chat_has(&p->node, PART_HAS_TEXT);
    if (logprobs && json_is(r->t, logprobs, JSON_ARRAY) && json_count(r->t, logprobs)) {
        p->logprobs = json_raw(r->t, logprobs);
        chat_has(&p->node, PART_HAS_LOGPROBS);
    }
    return notes ? read_notes(r, p, notes) : OK;
}

static enum err read_parts(const struct reading *r, struct chat_item *i, uint32_t list)
{
    uint32_t one;
    if (!list) return OK;
    for (struct json_iter it = json_each(r->t, list); json_next(r->t, &it, &one);) TRY(read_part(r, i, one));
    return OK;
}

static enum err read_item(struct reading *r, uint32_t at)
{
    struct chat_answer *a = r->answer;
    struct chat_opaque opaque, *kept = NULL;
    struct chat_item read, *i;
    openai_responses_read_item(r->t, at, &read, &opaque);
    i = chat_add_item(a->arena, &a->items, &a->items_last, read.kind, r->group);
    if (!i) return wire_answer_full(r->why);
    read.group = i->group;
    read.opaque = NULL;
    *i = read;
    if (read.node.has & 1ull << ITEM_HAS_OPAQUE) {
        kept = chat_add_opaque(a->arena, &i->opaque, opaque.kind, opaque.span);
        if (!kept) return wire_answer_full(r->why);
        kept->origin = opaque.origin;
    }
    if (i->kind == ITEM_TOOL_CALL) {
        r->called = true;
        i->arguments = (struct chat_json){wire_text_in(r->t, at, i->form == CALL_CUSTOM ? "input" : "arguments"), true};
    }
    TRY(read_parts(r, i, json_find(r->t, at, S("summary"))));
    return i->kind == ITEM_UNKNOWN ? OK : read_parts(r, i, json_find(r->t, at, S("content")));
}

static enum err refuse_failed(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    struct chat_error error;
    openai_responses_read_error_object(t, 0, answer->arena, &error);
    openai_responses_read_usage(t, 0, &answer->usage);
    return wire_fail_answer(answer, &error, why);
}

enum err openai_responses_read_answer(const struct json_tape *t, struct chat_answer *answer, struct fault *why)
{
    uint32_t output = json_find(t, 0, S("output")), one;
    struct str status = wire_text_in(t, 0, "status");
    if (str_eq(status, S("failed"))) return refuse_failed(t, answer, why);
    if (!output || !json_is(t, output, JSON_ARRAY) || str_eq(status, S("queued")) || str_eq(status, S("in_progress")))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a finished response");
    struct reading r = {.t = t, .answer = answer, .why = why};
    answer->n_choices = 1;
    answer->stops = arena_alloc(answer->arena, sizeof *answer->stops);
    r.group = chat_add_group(answer->arena, ROLE_ASSISTANT, 0);
    if (!answer->stops || !r.group) return wire_answer_full(why);
    openai_responses_read_meta(t, 0, &answer->meta);
    openai_responses_read_usage(t, 0, &answer->usage);
    for (struct json_iter it = json_each(t, output); json_next(t, &it, &one);) {
        if (!json_is(t, one, JSON_OBJECT))
            return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's response has an item that is none");
        TRY(read_item(&r, one));
    }
    openai_responses_read_stop(t, 0, r.called, answer->stops);
    return wire_keep_unknown(t, &openai_responses_known, answer, why);
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

enum err openai_responses_write_answer(struct chat_answer *answer, const struct wire_reply *to, struct buf *out,
                                       struct fault *why)
{
    struct json_writer w;
    if (answer->n_choices > 1)
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider gave more than one answer, and this format has one");
    if (to->compact) TRY(openai_responses_compact(answer, to, why));
    for (struct chat_item *i = answer->items; i; i = i->next) openai_responses_seal_item(i, to, answer->arena);
    json_write(&w, out);
    if (to->compact_alone) openai_responses_put_compacted(&w, to, answer);
    else openai_responses_put_response(&w, to, answer, openai_responses_status(answer), NULL);
    return wire_answer_done(&w, to, answer, why);
}
