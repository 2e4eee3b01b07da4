/* Pieces that whole answers and streams of Responses are written from. Pure. */
#include "wire/openai_responses/priv.h"

#include <stdio.h>

/* ---- state of the provider's -------------------------------------------------------------------------------------------------- */

static bool seal(struct chat_opaque *o, const struct wire_reply *to, struct arena *a)
{
    bool ours = (o->kind == OPAQUE_ENCRYPTED || o->kind == OPAQUE_COMPACTION) && str_eq(to->origin.family, S("openai"));
    return ours || wire_seal(to, o, a, NULL, &o->span);
}

/* What of an item has no place here. */
static void count_lost(const struct chat_item *i, const struct wire_reply *to)
{
    for (const struct chat_part *p = i->parts; p; p = p->next) {
        if (!openai_responses_has_part(p) && p->kind != PART_REDACTED) to->losses->n[LOSS_ANSWER_FIELD]++;
        for (const struct chat_annotation *n = p->annotations; n; n = n->next) to->losses->n[LOSS_CITATION] += !n->url.p;
    }
}

/* One item has one place for state: what its parts or another vendor's item carry comes there, sealed. */
void openai_responses_seal_item(struct chat_item *i, const struct wire_reply *to, struct arena *a)
{
    struct chat_opaque *one = i->opaque;
    for (struct chat_part *p = i->parts; p; p = p->next) {
        if (!p->opaque) continue;
        if (one) to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        else one = p->opaque;
        p->opaque = NULL;
    }
    count_lost(i, to);
    bool has_place = i->kind == ITEM_REASONING || i->kind == ITEM_COMPACTION;
    if (one && (!has_place || !seal(one, to, a))) {
        to->losses->n[LOSS_OPAQUE_FOREIGN]++;
        one = NULL;
    }
    i->opaque = one;
}

/* What the model has said is the summary that was asked for: one item with all of it, which only we can read. */
enum err openai_responses_compact(struct chat_answer *a, const struct wire_reply *to, struct fault *why)
{
    struct buf text;
    struct chat_opaque *o;
    struct chat_group *g = chat_add_group(a->arena, ROLE_ASSISTANT, 0);
    struct chat_item *items = a->items;
    if (!to->seal) return FAIL(why, ERR_INTERNAL, "a conversation cannot be compacted without a sealing key");
    buf_init(&text, MIB(8));
    for (const struct chat_item *i = items; i; i = i->next)
        for (const struct chat_part *p = i->parts; i->kind == ITEM_MESSAGE && p; p = p->next)
            if (p->kind == PART_TEXT) buf_str(&text, p->text);
    a->items = a->items_last = NULL;
    struct chat_item *one = g ? chat_add_item(a->arena, &a->items, &a->items_last, ITEM_COMPACTION, g) : NULL;
    struct str kept;
    bool said = text.n && !text.over && one && arena_str(a->arena, buf_view(&text), &kept);
    buf_done(&text);
    if (!said) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's model gave no summary of the conversation");
    o = chat_add_opaque(a->arena, &one->opaque, OPAQUE_SUMMARY, kept);
    return o ? OK : FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the summary of the conversation is too long");
}

/* ---- parts -------------------------------------------------------------------------------------------------------------------- */

/* The range counts characters of its output_text. */
void openai_responses_put_annotation(struct json_writer *w, const struct chat_annotation *n, uint64_t length)
{
    struct wire_range range = wire_cited(n, 0, length);
    json_put_object(w);
    json_add_str(w, S("type"), S("url_citation"));
    json_add_u64(w, S("start_index"), range.start);
    json_add_u64(w, S("end_index"), range.end);
    json_put_name(w, S("url"));
    json_put_span(w, n->url);
    json_put_name(w, S("title"));
    json_put_span(w, n->title);
    json_put_end(w);
}

static const struct {
    struct str type;
    const char *text;
} PARTS[PART_KINDS] = {
    [PART_TEXT] = {{"output_text", 11}, "text"},
    [PART_REFUSAL] = {{"refusal", 7}, "refusal"},
    [PART_THOUGHT] = {{"reasoning_text", 14}, "text"},
    [PART_SUMMARY] = {{"summary_text", 12}, "text"},
};

bool openai_responses_has_part(const struct chat_part *p) { return PARTS[p->kind].text; }

void openai_responses_put_answer_part(struct json_writer *w, const struct chat_part *p, bool open)
{
    json_put_object(w);
    json_add_str(w, S("type"), PARTS[p->kind].type);
    json_put_name(w, str_z(PARTS[p->kind].text));
    json_put_span(w, open ? STR_NONE : p->text);
    if (p->kind == PART_TEXT) {
        uint64_t length = p->annotations && !open ? wire_points(p->text) : 0;
        json_add_array(w, S("annotations"));
        for (const struct chat_annotation *n = p->annotations; n && !open; n = n->next)
            if (n->url.p) openai_responses_put_annotation(w, n, length);
        json_put_end(w);
        json_add_raw(w, S("logprobs"), p->logprobs.n && !open ? p->logprobs : S("[]"));
    }
    json_put_end(w);
}

static void put_parts(struct json_writer *w, const struct chat_item *i, unsigned kinds, bool open)
{
    json_put_array(w);
    for (const struct chat_part *p = i->parts; p && !open; p = p->next)
        if (kinds >> p->kind & 1) openai_responses_put_answer_part(w, p, false);
    json_put_end(w);
}

/* ---- items -------------------------------------------------------------------------------------------------------------------- */

static const char *id_prefix(const struct chat_item *i)
{
    if (i->kind == ITEM_TOOL_CALL) return i->form == CALL_CUSTOM ? "ctc_" : "fc_";
    if (i->kind == ITEM_REASONING) return RESPONSES_THOUGHT_ID;
    return i->kind == ITEM_COMPACTION ? "cmp_" : "msg_";
}

/* The value: the provider's own, or made of the exchange's. */
void openai_responses_put_item_id(struct json_writer *w, const struct wire_reply *to, const struct chat_item *i, uint32_t number)
{
    char id[96];
    int n = snprintf(id, sizeof id, "%s%.*s_%u", id_prefix(i), STR_ARG(to->id), number);
    if (i->id.n) json_put_span(w, i->id);
    else json_put_str(w, str_make(id, (size_t)n));
}

static void put_span_if(struct json_writer *w, struct str name, struct str span)
{
    if (!span.p) return;
    json_put_name(w, name);
    json_put_span(w, span);
}

static void put_message(struct json_writer *w, const struct chat_item *i, bool open, struct arena *a)
{
    (void)a;
    json_add_str(w, S("role"), S("assistant"));
    put_span_if(w, S("phase"), i->phase);
    json_put_name(w, S("content"));
    put_parts(w, i, 1u << PART_TEXT | 1u << PART_REFUSAL, open);
}

static void put_reasoning(struct json_writer *w, const struct chat_item *i, bool open, struct arena *a)
{
    (void)a;
    bool thinks = false;
    for (const struct chat_part *p = i->parts; p; p = p->next) thinks |= p->kind == PART_THOUGHT;
    json_put_name(w, S("summary"));
    put_parts(w, i, 1u << PART_SUMMARY, open);
    if (thinks && !open) {
        json_put_name(w, S("content"));
        put_parts(w, i, 1u << PART_THOUGHT, open);
    }
    if (i->opaque && !open) put_span_if(w, S("encrypted_content"), i->opaque->span);
}

static void put_call(struct json_writer *w, const struct chat_item *i, bool open, struct arena *a)
{
    struct str arguments = STR_NONE;
    bool custom = i->form == CALL_CUSTOM;
    if (!open && !chat_json_span(&i->arguments, a, &arguments)) arguments = STR_NONE;
    put_span_if(w, S("call_id"), i->call_id.p ? i->call_id : S(""));
    put_span_if(w, S("namespace"), i->name_space);
    put_span_if(w, S("name"), i->name.p ? i->name : S(""));
    json_put_name(w, custom ? S("input") : S("arguments"));
    json_put_span(w, arguments.n || custom || open ? arguments : S("{}"));
}

static void put_compaction(struct json_writer *w, const struct chat_item *i, bool open, struct arena *a)
{
    (void)open, (void)a;
    put_span_if(w, S("encrypted_content"), i->opaque ? i->opaque->span : S(""));
}

static const struct {
    void (*put)(struct json_writer *, const struct chat_item *, bool open, struct arena *);
    struct str type;
    bool has_status;
} ITEMS[ITEM_KINDS] = {
    [ITEM_MESSAGE] = {put_message, {"message", 7}, true},
    [ITEM_REASONING] = {put_reasoning, {"reasoning", 9}, false},
    [ITEM_TOOL_CALL] = {put_call, {"function_call", 13}, true},
    [ITEM_COMPACTION] = {put_compaction, {"compaction", 10}, false},
};

/* What only its own vendor knows goes to that vendor's format as it came. */
static bool is_raw_of(const struct chat_item *i, struct str family) { return i->raw.p && str_eq(family, S("openai")); }

bool openai_responses_has_place(const struct chat_item *i, struct str family)
{
    return ITEMS[i->kind].put || is_raw_of(i, family);
}

void openai_responses_put_answer_item(struct json_writer *w, const struct wire_reply *to, const struct chat_item *i,
                                      struct openai_responses_place place, struct arena *a)
{
    bool custom = i->kind == ITEM_TOOL_CALL && i->form == CALL_CUSTOM;
    struct str done = i->status.n ? i->status : S("completed");
    if (!ITEMS[i->kind].put) {
        json_put_raw(w, i->raw);
        return;
    }
    json_put_object(w);
    json_put_name(w, S("id"));
    openai_responses_put_item_id(w, to, i, place.number);
    json_add_str(w, S("type"), custom ? S("custom_tool_call") : ITEMS[i->kind].type);
    if (ITEMS[i->kind].has_status || i->status.n) {
        json_put_name(w, S("status"));
        json_put_span(w, place.open ? S("in_progress") : done);
    }
    ITEMS[i->kind].put(w, i, place.open, a);
    json_put_end(w);
}

/* ---- the response ---------------------------------------------------------------------------------------------------------------- */

/* R3: totals include cached, written and reasoning tokens, which are told again as shares. */
static void put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t input = usage_input(u), output = usage_output(u);
    uint64_t written = u->n[USAGE_IN_CACHE_WRITE] + u->n[USAGE_IN_CACHE_WRITE_5M] + u->n[USAGE_IN_CACHE_WRITE_1H];
    json_put_object(w);
    json_add_u64(w, S("input_tokens"), input);
    json_add_object(w, S("input_tokens_details"));
    json_add_u64(w, S("cached_tokens"),
                 u->n[USAGE_IN_CACHE_READ] + u->n[USAGE_IN_AUDIO_CACHE_READ] + u->n[USAGE_IN_IMAGE_CACHE_READ]);
    json_add_u64(w, S("cache_write_tokens"), written); /* required, like all of these */
    json_put_end(w);
    json_add_u64(w, S("output_tokens"), output);
    json_add_object(w, S("output_tokens_details"));
    json_add_u64(w, S("reasoning_tokens"), u->n[USAGE_OUT_REASONING]);
    json_put_end(w);
    json_add_u64(w, S("total_tokens"), input + output);
    json_put_end(w);
}

static const struct str INCOMPLETE[STOP_KINDS] = {
    [STOP_LIMIT] = {"max_output_tokens", 17},        [STOP_CUT] = {"max_output_tokens", 17},
    [STOP_CONTEXT_FULL] = {"max_output_tokens", 17}, [STOP_FILTER] = {"content_filter", 14},
    [STOP_REFUSAL] = {"content_filter", 14},
};

struct str openai_responses_status(const struct chat_answer *a)
{
    return a->n_choices && INCOMPLETE[a->stops[0].kind].n ? S("incomplete") : S("completed");
}

static struct str code_of(const struct chat_error *error)
{
    if (error->reason == REASON_CONTEXT_FULL) return S("context_length_exceeded");
    return openai_responses_error_code(error->class, error->word);
}

static void put_error(struct json_writer *w, const struct chat_error *error)
{
    if (!error) {
        json_add_null(w, S("error"));
        return;
    }
    json_add_object(w, S("error"));
    json_add_str(w, S("code"), code_of(error));
    json_add_str(w, S("message"), error->message);
    json_put_end(w);
}

static void put_why(struct json_writer *w, const struct chat_answer *a, struct str status)
{
    if (!str_eq(status, S("incomplete"))) {
        json_add_null(w, S("incomplete_details"));
        return;
    }
    json_add_object(w, S("incomplete_details"));
    json_add_str(w, S("reason"), INCOMPLETE[a->stops[0].kind]);
    json_put_end(w);
}

static void put_output(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a)
{
    uint32_t number = 0;
    json_add_array(w, S("output"));
    for (const struct chat_item *i = a->items; i; i = i->next, number++)
        if (!openai_responses_has_place(i, a->meta.family)) to->losses->n[LOSS_ANSWER_FIELD]++;
        else openai_responses_put_answer_item(w, to, i, (struct openai_responses_place){.number = number}, a->arena);
    json_put_end(w);
}

static int64_t created_at(const struct wire_reply *to, const struct chat_answer *a)
{
    return a->meta.created_s ? a->meta.created_s : to->now_s;
}

static void put_name(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a, struct str object)
{
    char id[80];
    json_put_name(w, S("id"));
    if (str_starts(a->meta.id, S("resp_"))) json_put_span(w, a->meta.id);
    else json_put_str(w, str_make(id, (size_t)snprintf(id, sizeof id, "resp_%.*s", STR_ARG(to->id))));
    json_add_str(w, S("object"), object);
    json_add_i64(w, S("created_at"), created_at(to, a));
}

static void put_head(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a, struct str status)
{
    int64_t created = created_at(to, a);
    bool over = !str_eq(status, S("in_progress"));
    put_name(w, to, a, S("response"));
    if (over) json_add_i64(w, S("completed_at"), to->now_s > created ? to->now_s : created);
    else json_add_null(w, S("completed_at"));
    json_add_str(w, S("status"), status);
    json_put_name(w, S("model"));
    if (a->meta.model.p) json_put_span(w, a->meta.model);
    else json_put_str(w, to->model);
}

void openai_responses_put_response(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a,
                                   struct str status, const struct chat_error *error)
{
    bool open = str_eq(status, S("in_progress"));
    json_put_object(w);
    put_head(w, to, a, status);
    put_error(w, error);
    put_why(w, a, status);
    if (open) json_add_raw(w, S("output"), S("[]"));
    else put_output(w, to, a);
    openai_responses_put_repeated(w, to);
    json_add_bool(w, S("store"), false);
    struct str tier = wire_tier_word(WIRE_OPENAI_RESPONSES, a->usage.tier);
    json_add_str(w, S("service_tier"), tier.n ? tier : S("default"));
    json_put_name(w, S("usage"));
    if (open) json_put_null(w);
    else put_usage(w, &a->usage);
    json_put_end(w);
}

void openai_responses_put_compacted(struct json_writer *w, const struct wire_reply *to, const struct chat_answer *a)
{
    json_put_object(w);
    put_name(w, to, a, S("response.compaction"));
    put_output(w, to, a);
    json_put_name(w, S("usage"));
    put_usage(w, &a->usage);
    json_put_end(w);
}
