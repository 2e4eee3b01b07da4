/* Pieces that requests, answers and events of Messages are read from. Pure; all borrowed from the tape. */
#include "wire/anthropic_messages/priv.h"

/* A9. */
static const struct wire_word STOPS[] = {
    {WIRE_STR("end_turn"), STOP_END},
    {WIRE_STR("max_tokens"), STOP_LIMIT},
    {WIRE_STR("stop_sequence"), STOP_SEQUENCE},
    {WIRE_STR("tool_use"), STOP_TOOL},
    {WIRE_STR("pause_turn"), STOP_PAUSE},
    {WIRE_STR("refusal"), STOP_REFUSAL},
    {WIRE_STR("model_context_window_exceeded"), STOP_CONTEXT_FULL},
};

void anthropic_messages_read_stop(const struct json_tape *t, uint32_t delta, struct chat_stop *ret_stop)
{
    struct str word = wire_text_in(t, delta, "stop_reason");
    *ret_stop = (struct chat_stop){
        .kind = (enum chat_stop_kind)wire_word_value(STOPS, COUNTOF(STOPS), word, STOP_UNKNOWN),
        .word = word,
        .sequence = wire_text_in(t, delta, "stop_sequence"),
    };
}

static const struct {
    struct str type;
    const char *start, *end;
    enum chat_unit unit;
} PLACES[] = {
    {{"char_location", 13}, "start_char_index", "end_char_index", UNIT_POINTS},
    {{"page_location", 13}, "start_page_number", "end_page_number", UNIT_BLOCK},
    {{"content_block_location", 22}, "start_block_index", "end_block_index", UNIT_BLOCK},
    {{"search_result_location", 22}, "start_block_index", "end_block_index", UNIT_BLOCK},
};

void anthropic_messages_read_citation(const struct json_tape *t, uint32_t at, struct chat_annotation *ret_note)
{
    *ret_note = (struct chat_annotation){
        .node = {.at = json_node(t, at)->start},
        .kind = wire_text_in(t, at, "type"),
        .url = wire_text_in(t, at, "url"),
        .title = wire_text_in(t, at, "title"),
        .quote = wire_text_in(t, at, "cited_text"),
        .unit = UNIT_BLOCK,
        .raw = json_raw(t, at),
    };
    if (!ret_note->title.p) ret_note->title = wire_text_in(t, at, "document_title");
    for (unsigned i = 0; i < COUNTOF(PLACES); i++) {
        if (!str_eq(PLACES[i].type, ret_note->kind)) continue;
        uint32_t start = json_find(t, at, str_z(PLACES[i].start)), end = json_find(t, at, str_z(PLACES[i].end));
        if (start) json_u64(t, start, &ret_note->start);
        if (end) json_u64(t, end, &ret_note->end);
        ret_note->unit = PLACES[i].unit;
    }
}

bool anthropic_messages_is_server_call(struct str type)
{
    return str_eq(type, S("server_tool_use")) || str_eq(type, S("mcp_tool_use"));
}

bool anthropic_messages_is_server_result(struct str type) { return str_ends(type, S("_tool_result")); }

/* ---- errors (A18) ------------------------------------------------------------------------------------------------------- */

static const struct wire_word CLASSES[] = {
    {WIRE_STR("invalid_request_error"), CLASS_REQUEST}, {WIRE_STR("authentication_error"), CLASS_AUTH},
    {WIRE_STR("billing_error"), CLASS_BILLING},         {WIRE_STR("permission_error"), CLASS_PERMISSION},
    {WIRE_STR("not_found_error"), CLASS_NOT_FOUND},     {WIRE_STR("request_too_large"), CLASS_TOO_LARGE},
    {WIRE_STR("rate_limit_error"), CLASS_RATE},         {WIRE_STR("api_error"), CLASS_UPSTREAM},
    {WIRE_STR("overloaded_error"), CLASS_OVERLOADED},   {WIRE_STR("timeout_error"), CLASS_TIMEOUT},
};

void anthropic_messages_read_error_object(const struct json_tape *t, struct arena *a, struct chat_error *ret_error)
{
    uint32_t error = json_find(t, 0, S("error"));
    struct str type = wire_text_copy(t, json_find(t, error, S("type")), a);
    *ret_error = (struct chat_error){
        .class = (enum err_class)wire_word_value(CLASSES, COUNTOF(CLASSES), type, CLASS_UPSTREAM),
        .word = type,
        .message = wire_text_copy(t, json_find(t, error, S("message")), a),
    };
    wire_error_reason(ret_error);
}
