/* Pieces that requests, answers and chunks of Chat Completions are read from. Pure; all borrowed from the tape. */
#include "wire/openai_chat/priv.h"

void openai_chat_read_meta(const struct json_tape *t, struct chat_meta *ret_meta)
{
    uint32_t created = json_find(t, 0, S("created"));
    *ret_meta = (struct chat_meta){.id = wire_text_in(t, 0, "id"), .model = wire_text_in(t, 0, "model")};
    if (created) json_i64(t, created, &ret_meta->created_s);
}

/* JSON in a string, or an object as it is; null and nothing are none. */
static enum err read_arguments(const struct json_tape *t, uint32_t at, struct chat_item *i, struct fault *why)
{
    if (!at || json_is(t, at, JSON_NULL)) return OK;
    bool text = json_is(t, at, JSON_STRING);
    if (!text && (i->form == CALL_CUSTOM || !json_is(t, at, JSON_OBJECT)))
        return FAIL(why, ERR_UPSTREAM_GARBAGE,
                    "the provider's answer has a call whose arguments are neither a text nor an object");
    i->arguments = (struct chat_json){text ? json_text(t, at) : json_raw(t, at), text};
    return OK;
}

/* {"id","type":"function","function":{"name","arguments"}} or {"id","type":"custom","custom":{"name","input"}}; of a
 * stream's later fragments only the arguments are there. */
enum err openai_chat_read_call(const struct json_tape *t, uint32_t at, struct chat_item *ret_item, struct fault *why)
{
    uint32_t function = json_find(t, at, S("function")), custom = json_find(t, at, S("custom"));
    uint32_t body = function ? function : custom;
    *ret_item = (struct chat_item){
        .kind = ITEM_TOOL_CALL,
        .form = custom && !function ? CALL_CUSTOM : CALL_FUNCTION,
        .call_id = wire_text_in(t, at, "id"),
        .name = body ? wire_text_in(t, body, "name") : STR_NONE,
    };
    return body ? read_arguments(t, json_find(t, body, function ? S("arguments") : S("input")), ret_item, why) : OK;
}

/* Two of one answer differ in their place, two answers in their id or, where servers count theirs anew, in their second. */
bool openai_chat_name_call(const struct json_tape *t, uint32_t nth, struct arena *a, struct chat_item *i)
{
    uint32_t created = json_find(t, 0, S("created"));
    if (i->call_id.n) return true;
    const struct str of[] = {wire_text_in(t, 0, "id"), created ? json_raw(t, created) : STR_NONE};
    return wire_make_call_id(of, COUNTOF(of), i->choice << 16 | (nth & 0xffff), a, &i->call_id);
}

/* {"type":"url_citation","url_citation":{"start_index","end_index","url","title"}}, counted in characters; some servers leave the range out. */
void openai_chat_read_annotation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note)
{
    uint32_t url = json_find(t, at, S("url_citation"));
    *ret_note = (struct chat_annotation){
        .node = {.at = json_node(t, at)->start},
        .kind = wire_text_in(t, at, "type"),
        .unit = UNIT_BLOCK,
        .raw = json_raw(t, at),
    };
    if (!url) return;
    ret_note->url = wire_text_in(t, url, "url");
    ret_note->title = wire_text_in(t, url, "title");
    uint32_t start = json_find(t, url, S("start_index")), end = json_find(t, url, S("end_index"));
    if (start) json_u64(t, start, &ret_note->start);
    if (end) json_u64(t, end, &ret_note->end);
    if (start && end) ret_note->unit = UNIT_POINTS;
}

static const struct {
    struct str word;
    enum chat_stop_kind kind;
} STOPS[] = {
    {{"stop", 4}, STOP_END},
    {{"length", 6}, STOP_LIMIT},
    {{"tool_calls", 10}, STOP_TOOL},
    {{"function_call", 13}, STOP_TOOL},
    {{"content_filter", 14}, STOP_FILTER},
};

uint32_t openai_chat_logprobs(const struct json_tape *t, uint32_t at, enum chat_part_kind kind)
{
    if (!json_is(t, at, JSON_OBJECT)) return 0;
    uint32_t tokens = json_find(t, at, kind == PART_REFUSAL ? S("refusal") : S("content"));
    return tokens && json_is(t, tokens, JSON_ARRAY) && json_count(t, tokens) ? tokens : 0;
}

void openai_chat_read_stop(const struct json_tape *t, uint32_t at, bool called, struct chat_stop *ret_stop)
{
    *ret_stop = (struct chat_stop){.kind = STOP_UNKNOWN, .word = wire_text(t, at)};
    for (unsigned i = 0; i < COUNTOF(STOPS); i++)
        if (str_eq(ret_stop->word, STOPS[i].word)) ret_stop->kind = STOPS[i].kind;
    if (ret_stop->kind == STOP_END && called) ret_stop->kind = STOP_TOOL;
}

/* ---- content in pieces ---------------------------------------------------------------------------------------------------- */

void openai_chat_read_piece(const struct json_tape *t, uint32_t at, struct openai_chat_piece *ret_piece)
{
    uint32_t text = json_find(t, at, S("text")), thoughts = json_find(t, at, S("thinking"));
    *ret_piece = (struct openai_chat_piece){.kind = PART_UNKNOWN, .raw = json_raw(t, at), .word = wire_text_in(t, at, "type")};
    if (str_eq(ret_piece->word, S("text")) && text && json_is(t, text, JSON_STRING)) {
        ret_piece->kind = PART_TEXT;
        ret_piece->text = text;
    } else if (str_eq(ret_piece->word, S("thinking")) && thoughts && json_is(t, thoughts, JSON_ARRAY)) {
        ret_piece->kind = PART_THOUGHT;
        ret_piece->thoughts = thoughts;
    }
}

uint32_t openai_chat_thought_text(const struct json_tape *t, uint32_t thought)
{
    uint32_t text = json_find(t, thought, S("text"));
    return text ? text : thought;
}

/* ---- errors (C8) ---------------------------------------------------------------------------------------------------------- */

bool openai_chat_is_error(const struct json_tape *t, struct str name)
{
    if (str_eq(name, S("error"))) return true;
    uint32_t error = json_find(t, 0, S("error"));
    if (error && !json_is(t, error, JSON_NULL)) return true;
    uint32_t object = json_find(t, 0, S("object"));
    return object && json_eq(t, object, S("error"));
}

static struct str plain_of(const struct json_tape *t, uint32_t at, struct arena *a)
{
    struct buf text;
    struct str copy = STR_NONE;
    if (!at) return STR_NONE;
    buf_init(&text, KIB(8));
    if (json_is(t, at, JSON_STRING)) json_unescape(t, at, &text);
    else if (json_is(t, at, JSON_NUMBER)) buf_str(&text, json_raw(t, at)); /* some codes are numbers */
    if (text.over || !arena_str(a, buf_view(&text), &copy)) copy = STR_NONE;
    buf_done(&text);
    return copy;
}

/* Words that say more than the status, which a stream does not have and some servers choose badly. */
static const struct {
    struct str word;
    enum err_class class;
} CLASSES[] = {
    {{"invalid_request_error", 21}, CLASS_REQUEST},
    {{"context_length_exceeded", 23}, CLASS_REQUEST},
    {{"authentication_error", 20}, CLASS_AUTH},
    {{"invalid_api_key", 15}, CLASS_AUTH},
    {{"permission_error", 16}, CLASS_PERMISSION},
    {{"model_not_found", 15}, CLASS_NOT_FOUND},
    {{"rate_limit_error", 16}, CLASS_RATE},
    {{"rate_limit_exceeded", 19}, CLASS_RATE},
    {{"requests", 8}, CLASS_RATE},
    {{"tokens", 6}, CLASS_RATE},
    {{"insufficient_quota", 18}, CLASS_BILLING},
    {{"billing_hard_limit_reached", 26}, CLASS_BILLING},
    {{"overloaded_error", 16}, CLASS_OVERLOADED},
    {{"server_is_overloaded", 20}, CLASS_OVERLOADED},
    {{"timeout_error", 13}, CLASS_TIMEOUT},
    {{"server_error", 12}, CLASS_UPSTREAM},
};

static bool class_of(struct str word, enum err_class *ret_class)
{
    for (unsigned i = 0; i < COUNTOF(CLASSES); i++) {
        if (!str_eq(word, CLASSES[i].word)) continue;
        *ret_class = CLASSES[i].class;
        return true;
    }
    return false;
}

void openai_chat_event_error(const struct json_tape *t, struct arena *a, struct chat_error *ret_error)
{
    uint32_t error = json_find(t, 0, S("error"));
    uint32_t from = error && json_is(t, error, JSON_OBJECT) ? error : 0;
    bool text = error && json_is(t, error, JSON_STRING);
    struct str code = plain_of(t, json_find(t, from, S("code")), a), type = plain_of(t, json_find(t, from, S("type")), a);
    *ret_error = (struct chat_error){
        .class = CLASS_UPSTREAM,
        .word = code.n ? code : type,
        .message = plain_of(t, text ? error : json_find(t, from, S("message")), a),
    };
    if (!class_of(code, &ret_error->class)) class_of(type, &ret_error->class);
    wire_error_reason(ret_error);
}
