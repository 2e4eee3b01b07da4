/* Conversations of Responses that are kept here: requests composed of kept items, items gathered from answers, answers told as
 * the caller asked. Used by the gateway and by connections that keep their own chain. Pure; owns what responses_gather holds. */
#include "wire/openai_responses/chain.h"

#include "wire/formats.h"

#include <stdlib.h>

/* ---- what a request asks ---------------------------------------------------------------------------------------------------- */

static bool is_there(const struct json_tape *t, uint32_t at) { return at && !json_is(t, at, JSON_NULL); }

static enum err take_text(const struct json_tape *t, uint32_t at, struct arena *a, struct str *ret_text)
{
    struct buf plain;
    if (!(json_node(t, at)->flags & JSON_ESCAPED)) {
        *ret_text = json_text(t, at);
        return OK;
    }
    buf_init(&plain, KIB(1));
    bool fits = json_unescape(t, at, &plain) && !plain.over && arena_str(a, buf_view(&plain), ret_text);
    buf_done(&plain);
    return fits ? OK : ERR_LIMIT;
}

static enum err take_id(const struct json_tape *t, const char *name, uint32_t at, struct arena *a, struct str *ret_id,
                        struct fault *why)
{
    *ret_id = STR_NONE;
    if (!is_there(t, at)) return OK;
    if (!json_is(t, at, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "%s: must be a string", name);
    if (take_text(t, at, a, ret_id) != OK) return FAIL(why, ERR_BAD_REQUEST, "%s: too long", name);
    return ret_id->n ? OK : FAIL(why, ERR_BAD_REQUEST, "%s: must not be empty", name);
}

static enum err take_bool(const struct json_tape *t, const char *name, bool *ret_value, struct fault *why)
{
    uint32_t at = json_find(t, 0, str_z(name));
    if (!is_there(t, at) || json_bool(t, at, ret_value)) return OK;
    return FAIL(why, ERR_BAD_REQUEST, "%s: must be true or false", name);
}

static bool has(struct str text, struct str part) { return memmem(text.p, text.n, part.p, part.n) != NULL; }

/* API reference, ItemReferenceParam: `type` may be missing or null, and then nothing but an id is left. Inside a text the quotes would have
 * backslashes; the tape may not hold what is in an item. */
static bool may_be_bare_reference(struct str item)
{
    enum { LONGEST = 512 };
    if (item.n > LONGEST || !has(item, S("\"id\"")) || has(item, S("\"role\""))) return false;
    return !has(item, S("\"type\"")) || has(item, S("null"));
}

static bool names_items(const struct json_tape *t)
{
    uint32_t input = json_find(t, 0, S("input")), item;
    if (!input || !json_is(t, input, JSON_ARRAY)) return false;
    if (has(json_raw(t, input), S("\"item_reference\""))) return true;
    for (struct json_iter it = json_each(t, input); json_next(t, &it, &item);)
        if (json_is(t, item, JSON_OBJECT) && may_be_bare_reference(json_raw(t, item))) return true;
    return false;
}

enum err responses_ask_read(const struct json_tape *t, struct arena *a, struct responses_ask *ret_ask, struct fault *why)
{
    struct responses_ask *ask = ret_ask;
    uint32_t conversation = json_find(t, 0, S("conversation")), store = json_find(t, 0, S("store"));
    *ask = (struct responses_ask){.store = true, .store_said = is_there(t, store)};
    ask->reasons = is_there(t, json_find(t, 0, S("reasoning")));
    ask->names = names_items(t);
    if (json_is(t, 0, JSON_OBJECT) && conversation && json_is(t, conversation, JSON_OBJECT)) {
        TRY(wire_want_once(t, conversation, "conversation", why));
        conversation = json_find(t, conversation, S("id"));
        if (!conversation) return FAIL(why, ERR_BAD_REQUEST, "conversation.id: missing");
    }
    TRY(take_id(t, "previous_response_id", json_find(t, 0, S("previous_response_id")), a, &ask->previous, why));
    TRY(take_id(t, "conversation", conversation, a, &ask->conversation, why));
    TRY(take_bool(t, "store", &ask->store, why));
    TRY(take_bool(t, "background", &ask->background, why));
    TRY(take_bool(t, "stream", &ask->stream, why));
    if (ask->previous.n && ask->conversation.n)
        return FAIL(why, ERR_BAD_REQUEST, "previous_response_id: cannot stand beside conversation; name the one or the other");
    if (ask->background && !ask->store)
        return FAIL(why, ERR_BAD_REQUEST, "background: a response that runs by itself must be kept; leave store away or true");
    return OK;
}

enum err responses_chain_input(const struct json_tape *t, struct buf *out, struct fault *why)
{
    uint32_t input = json_find(t, 0, S("input"));
    if (!is_there(t, input)) return OK;
    if (json_is(t, input, JSON_ARRAY)) {
        struct str raw = json_raw(t, input);
        if (json_node(t, input)->next > input + 1) buf_str(out, str_make(raw.p + 1, raw.n - 2));
        return OK;
    }
    if (!json_is(t, input, JSON_STRING)) return FAIL(why, ERR_BAD_REQUEST, "input: must be a string or an array");
    buf_str(out, S("{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":"));
    buf_str(out, json_raw(t, input));
    buf_str(out, S("}]}"));
    return OK;
}

/* ---- composing ---------------------------------------------------------------------------------------------------------------- */

#define SEALED_REASONING "\"reasoning.encrypted_content\""

/* The value of `include` with the wish for encrypted reasoning in it; STR_NONE: it is there, or is no list. */
static struct str put_include(const struct json_tape *t, struct buf *out)
{
    uint32_t include = json_find(t, 0, S("include")), value;
    size_t from = out->n;
    if (is_there(t, include) && !json_is(t, include, JSON_ARRAY)) return STR_NONE;
    buf_char(out, '[');
    for (struct json_iter it = json_each(t, include); include && json_next(t, &it, &value);) {
        if (json_eq(t, value, S("reasoning.encrypted_content"))) return STR_NONE;
        buf_str(out, json_raw(t, value));
        buf_char(out, ',');
    }
    buf_str(out, S(SEALED_REASONING "]"));
    return str_from(buf_view(out), from);
}

static enum err put_input(const struct json_tape *t, struct str earlier, struct buf *out, struct fault *why)
{
    size_t own;
    buf_char(out, '[');
    buf_str(out, earlier);
    if (earlier.n) buf_char(out, ',');
    own = out->n;
    TRY(responses_chain_input(t, out, why));
    if (earlier.n && out->n == own && !out->over) out->n--; /* nothing of its own: no comma either */
    buf_char(out, ']');
    return OK;
}

enum err responses_chain_compose(const struct json_tape *t, const struct responses_compose *how, struct buf *out,
                                 struct fault *why)
{
    enum { CHANGES = 7 };
    struct json_change changes[CHANGES] = {
        {JSON_DROP, S("previous_response_id"), STR_NONE},
        {JSON_DROP, S("conversation"), STR_NONE},
        {JSON_DROP, S("background"), STR_NONE},
        {how->bare ? JSON_DROP : JSON_SET, S("store"), S("false")},
    };
    struct json_edit edits[JSON_EDITS(CHANGES)];
    struct str pieces[JSON_PIECES(JSON_EDITS(CHANGES))], value;
    struct buf input, include;
    size_t n = 4;
    buf_init(&input, out->max);
    buf_init(&include, KIB(4));
    enum err e = how->earlier.n ? put_input(t, how->earlier, &input, why) : OK;
    if (how->earlier.n) changes[n++] = (struct json_change){JSON_SET, S("input"), buf_view(&input)};
    if (how->sealed && (value = put_include(t, &include)).p && !include.over)
        changes[n++] = (struct json_change){JSON_SET, S("include"), value};
    if (how->stream) changes[n++] = (struct json_change){JSON_SET, S("stream"), S("true")};
    if (e == OK) {
        n = json_splice(t->src, edits, json_plan(t, 0, changes, n, edits), pieces);
        for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
    }
    bool over = input.over || out->over;
    buf_done(&input);
    buf_done(&include);
    if (e == OK && over) return FAIL(why, ERR_BODY_TOO_LARGE, "the conversation with its earlier items is too long");
    return e;
}

/* ---- gathering ------------------------------------------------------------------------------------------------------------------ */

void responses_gather_init(struct responses_gather *g, size_t max_bytes)
{
    enum { ITEMS_MAX = 4096 };
    *g = (struct responses_gather){0};
    buf_init(&g->text, max_bytes);
    buf_init(&g->places, ITEMS_MAX * sizeof(struct responses_item));
}

void responses_gather_done(struct responses_gather *g)
{
    buf_done(&g->text);
    buf_done(&g->places);
    g->over = false;
}

static void gather(struct responses_gather *g, uint64_t index, struct str item)
{
    const struct responses_item place = {index, g->text.n, item.n};
    buf_str(&g->text, item);
    if (!g->text.over) buf_add(&g->places, &place, sizeof place);
    g->over |= g->text.over || g->places.over;
}

void responses_gather_answer(struct responses_gather *g, const struct json_tape *t, uint32_t response)
{
    uint32_t output = json_find(t, response, S("output")), item;
    uint64_t index = 0;
    if (!output || !json_is(t, output, JSON_ARRAY) || json_node(t, output)->next == output + 1) return;
    buf_clear(&g->text);
    buf_clear(&g->places);
    g->over = false;
    for (struct json_iter it = json_each(t, output); json_next(t, &it, &item);) gather(g, index++, json_raw(t, item));
}

static const struct {
    struct str type;
    enum responses_event means;
} TYPES[] = {
    {{"response.created", 16}, RESPONSES_EVENT_STATE},     {{"response.queued", 15}, RESPONSES_EVENT_STATE},
    {{"response.in_progress", 20}, RESPONSES_EVENT_STATE}, {{"response.completed", 18}, RESPONSES_EVENT_LAST},
    {{"response.incomplete", 19}, RESPONSES_EVENT_LAST},   {{"response.failed", 15}, RESPONSES_EVENT_LAST},
};

static void gather_item(struct responses_gather *g, const struct json_tape *t)
{
    uint32_t item = json_find(t, 0, S("item")), at = json_find(t, 0, S("output_index"));
    uint64_t index = g->places.n / sizeof(struct responses_item);
    if (!item || !json_is(t, item, JSON_OBJECT)) return;
    if (at) json_u64(t, at, &index);
    gather(g, index, json_raw(t, item));
}

enum responses_event responses_gather_event(struct responses_gather *g, struct str data, struct json_tape *t)
{
    static const struct json_limits limits = {.max_depth = 512, .record_depth = 3};
    enum responses_event means = RESPONSES_EVENT_PLAIN;
    if (json_scan(t, data, &JSON_LIMITS_TOP, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return means;
    uint32_t type = json_find(t, 0, S("type"));
    if (!type) return means;
    if (json_eq(t, type, S("response.output_item.done"))) gather_item(g, t);
    for (unsigned i = 0; i < COUNTOF(TYPES); i++)
        if (json_eq(t, type, TYPES[i].type)) means = TYPES[i].means;
    if (means == RESPONSES_EVENT_PLAIN) return means;
    if (json_scan(t, data, &limits, NULL) != OK) return RESPONSES_EVENT_PLAIN;
    uint32_t response = json_find(t, 0, S("response"));
    if (!response || !json_is(t, response, JSON_OBJECT)) return RESPONSES_EVENT_PLAIN;
    if (means == RESPONSES_EVENT_LAST) responses_gather_answer(g, t, response);
    return means;
}

static int by_index(const void *a, const void *b)
{
    const struct responses_item *x = a, *y = b;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

void responses_gather_items(struct responses_gather *g, struct buf *out)
{
    struct responses_item *items = (struct responses_item *)(void *)g->places.p;
    size_t n = g->places.n / sizeof *items;
    if (n) qsort(items, n, sizeof *items, by_index);
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(out, ',');
        buf_str(out, str_make(g->text.p + items[i].start, items[i].n));
    }
}

/* ---- the caller's view ---------------------------------------------------------------------------------------------------------- */

/* A JSON value for an id, or null; `wrap`: as {"id"}. The span is into `room`, which has the place. */
static struct str put_id(struct buf *room, struct str id, bool wrap)
{
    size_t from = room->n;
    if (!id.n) return S("null");
    buf_str(room, wrap ? S("{\"id\":\"") : S("\""));
    json_escape(room, id);
    buf_str(room, wrap ? S("\"}") : S("\""));
    return str_from(buf_view(room), from);
}

static bool lacks_output(const struct json_tape *t, uint32_t response)
{
    uint32_t output = json_find(t, response, S("output"));
    return !output || !json_is(t, output, JSON_ARRAY) || json_node(t, output)->next == output + 1;
}

enum err responses_view_put(const struct json_tape *t, uint32_t response, const struct responses_view *v, struct str output,
                            struct buf *out, struct fault *why)
{
    enum { CHANGES = 6 };
    struct json_change changes[CHANGES];
    struct json_edit edits[JSON_EDITS(CHANGES)];
    struct str pieces[JSON_PIECES(JSON_EDITS(CHANGES))];
    struct buf room;
    size_t n = 0, ids = v->id.n + v->previous.n + v->conversation.n, edits_n;
    buf_init(&room, out->max);
    buf_reserve(&room, 6 * ids + output.n + 64); /* spans into it do not move */
    if (v->id.n) changes[n++] = (struct json_change){JSON_SET, S("id"), put_id(&room, v->id, false)};
    changes[n++] = (struct json_change){JSON_SET, S("previous_response_id"), put_id(&room, v->previous, false)};
    if (v->conversation.n || json_find(t, response, S("conversation")))
        changes[n++] = (struct json_change){JSON_SET, S("conversation"), put_id(&room, v->conversation, true)};
    changes[n++] = (struct json_change){JSON_SET, S("store"), v->store ? S("true") : S("false")};
    changes[n++] = (struct json_change){JSON_SET, S("background"), v->background ? S("true") : S("false")};
    if (output.n && lacks_output(t, response)) {
        size_t from = room.n;
        buf_char(&room, '[');
        buf_str(&room, output);
        buf_char(&room, ']');
        changes[n++] = (struct json_change){JSON_SET, S("output"), str_from(buf_view(&room), from)};
    }
    edits_n = json_plan(t, response, changes, n, edits);
    if (edits_n != JSON_TWICE) {
        n = json_splice(t->src, edits, edits_n, pieces);
        for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
    }
    bool over = room.over || out->over;
    buf_done(&room);
    if (edits_n == JSON_TWICE) return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's response object has a member twice");
    return over ? FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's response is too long to be kept") : OK;
}

/* ---- taken in, not begun -------------------------------------------------------------------------------------------------------- */

void responses_queued_put(const struct json_tape *request, const struct responses_view *v, int64_t created_s, struct buf *out)
{
    /* Members that the vendor's types demand, with what the request said or the vendor's default. */
    static const struct {
        struct str name, otherwise;
    } REPEATED[] = {
        {{"model", 5}, {"null", 4}},
        {{"instructions", 12}, {"null", 4}},
        {{"max_output_tokens", 17}, {"null", 4}},
        {{"metadata", 8}, {"{}", 2}},
        {{"parallel_tool_calls", 19}, {"true", 4}},
        {{"temperature", 11}, {"1", 1}},
        {{"tool_choice", 11}, {"\"auto\"", 6}},
        {{"tools", 5}, {"[]", 2}},
        {{"top_p", 5}, {"1", 1}},
        {{"truncation", 10}, {"\"disabled\"", 10}},
    };
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("id"), v->id);
    json_add_str(&w, S("object"), S("response"));
    json_add_i64(&w, S("created_at"), created_s);
    json_add_str(&w, S("status"), S("queued"));
    json_add_bool(&w, S("background"), v->background);
    json_add_bool(&w, S("store"), v->store);
    if (v->previous.n) json_add_str(&w, S("previous_response_id"), v->previous);
    else json_add_null(&w, S("previous_response_id"));
    if (v->conversation.n) {
        json_add_object(&w, S("conversation"));
        json_add_str(&w, S("id"), v->conversation);
        json_put_end(&w);
    }
    json_add_null(&w, S("error"));
    json_add_null(&w, S("incomplete_details"));
    json_add_raw(&w, S("output"), S("[]"));
    json_add_null(&w, S("usage"));
    for (unsigned i = 0; i < COUNTOF(REPEATED); i++) {
        uint32_t said = json_find(request, 0, REPEATED[i].name);
        json_add_raw(&w, REPEATED[i].name, is_there(request, said) ? json_raw(request, said) : REPEATED[i].otherwise);
    }
    json_put_end(&w);
}

/* ---- failed --------------------------------------------------------------------------------------------------------------------- */

void responses_failed_put(struct json_tape *t, struct str response, struct str message, struct buf *out)
{
    struct buf error;
    struct json_writer w;
    struct json_edit edits[JSON_EDITS(2)];
    struct str pieces[JSON_PIECES(JSON_EDITS(2))];
    buf_init(&error, SIZE_MAX / 4);
    json_write(&w, &error);
    json_put_object(&w);
    json_add_str(&w, S("code"), S("server_error"));
    json_put_name(&w, S("message"));
    json_put_span(&w, message);
    json_put_end(&w);
    const struct json_change changes[] = {{JSON_SET, S("status"), S("\"failed\"")}, {JSON_SET, S("error"), buf_view(&error)}};
    must(json_scan(t, response, &JSON_LIMITS_TOP, NULL) == OK); /* ours, or read before */
    size_t n = json_splice(t->src, edits, json_plan(t, 0, changes, COUNTOF(changes), edits), pieces);
    for (size_t i = 0; i < n; i++) buf_str(out, pieces[i]);
    buf_done(&error);
}
