/* Pieces that whole answers and streams of Responses are read from; all borrowed from the tape. Pure. */
#include "wire/openai_responses/priv.h"

/* ---- usage: totals include their shares -------------------------------------------------------------------------------- */

struct side {
    struct str total, details, shares[2];
    enum usage_cell rest, cells[2];
};
static const struct side SIDES[] = {
    {{"input_tokens", 12},
     {"input_tokens_details", 20},
     {{"cached_tokens", 13}, {"cache_write_tokens", 18}},
     USAGE_IN_FRESH,
     {USAGE_IN_CACHE_READ, USAGE_IN_CACHE_WRITE}},
    {{"output_tokens", 13}, {"output_tokens_details", 21}, {{"reasoning_tokens", 16}}, USAGE_OUT_VISIBLE, {USAGE_OUT_REASONING}},
};

static void split_total(const struct json_tape *t, uint32_t usage, const struct side *side, struct usage *u)
{
    uint64_t left, part;
    uint32_t details = json_find(t, usage, side->details);
    if (!wire_count_in(t, usage, side->total, &left)) return;
    for (size_t i = 0; details && i < COUNTOF(side->shares) && side->shares[i].n; i++) {
        if (!wire_count_in(t, details, side->shares[i], &part)) continue;
        if (part > left) part = left;
        left -= part;
        usage_set(u, side->cells[i], part, USAGE_REPORTED);
    }
    usage_set(u, side->rest, left, USAGE_REPORTED);
}

void openai_responses_read_usage(const struct json_tape *t, uint32_t response, struct usage *u)
{
    uint32_t usage = json_find(t, response, S("usage"));
    wire_read_tier(t, json_find(t, response, S("service_tier")), u);
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    for (unsigned i = 0; i < COUNTOF(SIDES); i++) split_total(t, usage, &SIDES[i], u);
}

/* ---- pieces -------------------------------------------------------------------------------------------------------------- */

void openai_responses_read_meta(const struct json_tape *t, uint32_t response, struct chat_meta *ret_meta)
{
    uint32_t created = json_find(t, response, S("created_at"));
    *ret_meta = (struct chat_meta){
        .id = wire_text_in(t, response, "id"), .model = wire_text_in(t, response, "model"), .family = S("openai")};
    if (created) json_i64(t, created, &ret_meta->created_s);
}

/* Its places in the list stay as they are. */
void openai_responses_read_annotation(const struct json_tape *t, uint32_t at, struct chat_annotation *n)
{
    uint32_t start = json_find(t, at, S("start_index")), end = json_find(t, at, S("end_index"));
    n->node.at = json_node(t, at)->start;
    n->kind = wire_text_in(t, at, "type");
    n->url = wire_text_in(t, at, "url");
    n->title = wire_text_in(t, at, "title");
    n->file = wire_text_in(t, at, "file_id");
    n->unit = start && end ? UNIT_POINTS : UNIT_BLOCK;
    n->raw = json_raw(t, at);
    if (start) json_u64(t, start, &n->start);
    if (end) json_u64(t, end, &n->end);
}

void openai_responses_read_stop(const struct json_tape *t, uint32_t response, bool called, struct chat_stop *ret_stop)
{
    static const struct {
        struct str word;
        enum chat_stop_kind kind;
    } REASONS[] = {{{"max_output_tokens", 17}, STOP_LIMIT}, {{"content_filter", 14}, STOP_FILTER}};
    struct str status = wire_text_in(t, response, "status");
    uint32_t details = json_find(t, response, S("incomplete_details"));
    *ret_stop = (struct chat_stop){.kind = STOP_UNKNOWN, .word = status};
    if (str_eq(status, S("completed"))) ret_stop->kind = called ? STOP_TOOL : STOP_END;
    if (str_eq(status, S("cancelled"))) ret_stop->kind = STOP_CANCELLED;
    if (!str_eq(status, S("incomplete"))) return;
    ret_stop->word = wire_text_in(t, details, "reason");
    for (unsigned i = 0; i < COUNTOF(REASONS); i++)
        if (str_eq(ret_stop->word, REASONS[i].word)) ret_stop->kind = REASONS[i].kind;
}

/* ---- items and parts ----------------------------------------------------------------------------------------------------------- */

static const struct {
    struct str type;
    enum chat_item_kind kind;
    enum chat_call_form form;
} ITEMS[] = {
    {{"message", 7}, ITEM_MESSAGE, CALL_FUNCTION},           {{"function_call", 13}, ITEM_TOOL_CALL, CALL_FUNCTION},
    {{"custom_tool_call", 16}, ITEM_TOOL_CALL, CALL_CUSTOM}, {{"reasoning", 9}, ITEM_REASONING, CALL_FUNCTION},
    {{"compaction", 10}, ITEM_COMPACTION, CALL_FUNCTION},
};

void openai_responses_read_item(const struct json_tape *t, uint32_t at, struct chat_item *i, struct chat_opaque *opaque)
{
    struct str type = wire_text_in(t, at, "type"), hidden = wire_text_in(t, at, "encrypted_content");
    *i = (struct chat_item){.kind = ITEM_UNKNOWN, .node.at = json_node(t, at)->start};
    for (unsigned k = 0; k < COUNTOF(ITEMS); k++) {
        if (!str_eq(type, ITEMS[k].type)) continue;
        i->kind = ITEMS[k].kind;
        i->form = ITEMS[k].form;
    }
    if (i->kind == ITEM_UNKNOWN) {
        i->word = type;
        i->raw = json_raw(t, at);
        chat_has(&i->node, ITEM_HAS_RAW);
        return;
    }
    i->id = wire_text_in(t, at, "id");
    i->call_id = wire_text_in(t, at, "call_id");
    i->name_space = wire_text_in(t, at, "namespace");
    i->name = wire_text_in(t, at, "name");
    i->status = wire_text_in(t, at, "status");
    i->phase = wire_text_in(t, at, "phase");
    if (!hidden.n) return;
    *opaque = (struct chat_opaque){
        .kind = i->kind == ITEM_COMPACTION ? OPAQUE_COMPACTION : OPAQUE_ENCRYPTED, .span = hidden, .origin.family = S("openai")};
    i->opaque = opaque;
    opaque->last = opaque;
    chat_has(&i->node, ITEM_HAS_OPAQUE);
}

static const struct {
    struct str type;
    enum chat_part_kind kind;
    const char *text;
} PARTS[] = {
    {{"output_text", 11}, PART_TEXT, "text"},
    {{"refusal", 7}, PART_REFUSAL, "refusal"},
    {{"reasoning_text", 14}, PART_THOUGHT, "text"},
    {{"summary_text", 12}, PART_SUMMARY, "text"},
};

void openai_responses_read_part(const struct json_tape *t, uint32_t at, struct chat_part *p)
{
    struct str type = wire_text_in(t, at, "type");
    *p = (struct chat_part){.kind = PART_UNKNOWN, .node.at = json_node(t, at)->start};
    for (unsigned k = 0; k < COUNTOF(PARTS); k++) {
        if (!str_eq(type, PARTS[k].type)) continue;
        p->kind = PARTS[k].kind;
        p->text = wire_text_in(t, at, PARTS[k].text);
        return;
    }
    p->word = type;
    p->raw = json_raw(t, at);
    chat_has(&p->node, PART_HAS_RAW);
}

/* ---- errors -------------------------------------------------------------------------------------------------------------- */

/* Codes of response.error for what clients of this format know how to treat: they wait after rate_limit_exceeded. */
struct str openai_responses_error_code(enum err_class class, struct str otherwise)
{
    static const struct str CODES[] = {
        [CLASS_RATE] = {"rate_limit_exceeded", 19},
        [CLASS_BILLING] = {"insufficient_quota", 18},
        [CLASS_OVERLOADED] = {"server_is_overloaded", 20},
        [CLASS_INTERNAL] = {NULL, 0},
    };
    bool known = (unsigned)class < COUNTOF(CODES) && CODES[class].n;
    if (known) return CODES[class];
    return otherwise.n ? otherwise : S("server_error");
}

static void put_word(const struct json_tape *t, uint32_t at, struct buf *out)
{
    if (!at || !json_is(t, at, JSON_STRING)) return;
    if (out->n) buf_str(out, S(": "));
    json_unescape(t, at, out);
}

/* A failed answer, an event `error` in both of its shapes, or response.failed. */
void openai_responses_blame(struct str body, struct json_tape *t, struct buf *out)
{
    const struct json_limits limits = {.max_depth = 512, .record_depth = 3};
    if (json_scan(t, body, &limits, NULL) != OK || !json_is(t, 0, JSON_OBJECT)) return;
    uint32_t response = json_find(t, 0, S("response"));
    uint32_t error = json_find(t, response, S("error"));
    if (response && error && json_is(t, error, JSON_OBJECT)) {
        put_word(t, json_find(t, error, S("code")), out);
        put_word(t, json_find(t, error, S("message")), out);
        return;
    }
    if (!error && json_find(t, 0, S("code"))) put_word(t, json_find(t, 0, S("code")), out);
    if (!error && out->n) put_word(t, json_find(t, 0, S("message")), out);
    else wire_blame(body, t, out);
}

static const struct {
    struct str word;
    enum err_class class;
} CLASSES[] = {
    {{"rate_limit_exceeded", 19}, CLASS_RATE},        {{"insufficient_quota", 18}, CLASS_BILLING},
    {{"server_is_overloaded", 20}, CLASS_OVERLOADED}, {{"slow_down", 9}, CLASS_OVERLOADED},
    {{"context_length_exceeded", 23}, CLASS_REQUEST}, {{"invalid_prompt", 14}, CLASS_REQUEST},
    {{"invalid_request_error", 21}, CLASS_REQUEST},   {{"model_not_found", 15}, CLASS_NOT_FOUND},
    {{"vector_store_timeout", 20}, CLASS_TIMEOUT},
};

void openai_responses_read_error_object(const struct json_tape *t, uint32_t at, struct arena *a, struct chat_error *ret_error)
{
    uint32_t inner = json_find(t, at, S("error"));
    uint32_t from = inner && json_is(t, inner, JSON_OBJECT) ? inner : at;
    struct str code = wire_text_copy(t, json_find(t, from, S("code")), a),
               type = wire_text_copy(t, json_find(t, from, S("type")), a);
    *ret_error = (struct chat_error){
        .class = CLASS_UPSTREAM,
        .word = code.n ? code : type,
        .message = wire_text_copy(t, json_find(t, from, S("message")), a),
    };
    for (unsigned i = 0; i < COUNTOF(CLASSES); i++)
        if (str_eq(ret_error->word, CLASSES[i].word)) ret_error->class = CLASSES[i].class;
    if (!ret_error->message.n) ret_error->message = S("the provider broke off and said no more");
    wire_error_reason(ret_error);
}
