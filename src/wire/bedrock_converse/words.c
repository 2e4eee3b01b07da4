/* Words and small objects of Converse that requests, answers and events have in common. Facts: Amazon Bedrock API reference,
 * "ContentBlock", "TokenUsage", "Converse". Pure. */
#include "wire/bedrock_converse/priv.h"

/* ---- media ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    enum chat_part_kind kind;
    struct str word, type;
} MEDIA[] = {
    {PART_IMAGE, {"image", 5}, {"image/", 6}},
    {PART_VIDEO, {"video", 5}, {"video/", 6}},
    {PART_AUDIO, {"audio", 5}, {"audio/", 6}},
    {PART_DOCUMENT, {"document", 8}, {"application/", 12}},
};
/* Where the format is not the type's last word. */
static const struct {
    struct str format, type;
} TYPES[] = {
    {{"pdf", 3}, {"application/pdf", 15}},
    {{"csv", 3}, {"text/csv", 8}},
    {{"doc", 3}, {"application/msword", 18}},
    {{"docx", 4}, WIRE_STR("application/vnd.openxmlformats-officedocument.wordprocessingml.document")},
    {{"xls", 3}, {"application/vnd.ms-excel", 24}},
    {{"xlsx", 4}, WIRE_STR("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")},
    {{"html", 4}, {"text/html", 9}},
    {{"txt", 3}, {"text/plain", 10}},
    {{"md", 2}, {"text/markdown", 13}},
    {{"mkv", 3}, {"video/x-matroska", 16}},
    {{"mov", 3}, {"video/quicktime", 15}},
    {{"three_gp", 8}, {"video/3gpp", 10}},
};

static unsigned media_of(enum chat_part_kind kind)
{
    unsigned i = 0;
    while (i < COUNTOF(MEDIA) && MEDIA[i].kind != kind) i++;
    return i;
}

struct str bedrock_converse_media_word(enum chat_part_kind kind)
{
    unsigned i = media_of(kind);
    return i < COUNTOF(MEDIA) ? MEDIA[i].word : STR_NONE;
}

struct str bedrock_converse_type_of(struct arena *a, enum chat_part_kind kind, struct str format)
{
    struct buf type;
    struct str copy;
    for (unsigned i = 0; i < COUNTOF(TYPES); i++)
        if (str_eq(TYPES[i].format, format)) return TYPES[i].type;
    buf_init(&type, format.n + 16);
    buf_str(&type, MEDIA[media_of(kind)].type);
    buf_str(&type, format);
    if (!arena_str(a, buf_view(&type), &copy)) copy = STR_NONE;
    buf_done(&type);
    return copy;
}

struct str bedrock_converse_format_of(enum chat_part_kind kind, struct str type)
{
    unsigned m = media_of(kind);
    for (unsigned i = 0; i < COUNTOF(TYPES); i++)
        if (str_eq(TYPES[i].type, type)) return TYPES[i].format;
    if (m == COUNTOF(MEDIA) || !str_starts(type, MEDIA[m].type)) return STR_NONE;
    return str_from(type, MEDIA[m].type.n);
}

/* ---- stops ---------------------------------------------------------------------------------------------------------------- */

static const struct wire_word STOPS[] = {
    {WIRE_STR("end_turn"), STOP_END},
    {WIRE_STR("tool_use"), STOP_TOOL},
    {WIRE_STR("max_tokens"), STOP_LIMIT},
    {WIRE_STR("stop_sequence"), STOP_SEQUENCE},
    {WIRE_STR("content_filtered"), STOP_FILTER},
    {WIRE_STR("guardrail_intervened"), STOP_FILTER},
    {WIRE_STR("model_context_window_exceeded"), STOP_CONTEXT_FULL},
    {WIRE_STR("malformed_tool_use"), STOP_MALFORMED_CALL},
    {WIRE_STR("malformed_model_output"), STOP_MALFORMED_CALL},
    /* Only written: */
    {WIRE_STR("content_filtered"), STOP_REFUSAL},
    {WIRE_STR("max_tokens"), STOP_CUT},
};

enum chat_stop_kind bedrock_converse_read_stop(struct str word)
{
    return (enum chat_stop_kind)wire_word_value(STOPS, COUNTOF(STOPS), word, STOP_UNKNOWN);
}

struct str bedrock_converse_stop_word(enum chat_stop_kind kind)
{
    struct str word = wire_word_of(STOPS, COUNTOF(STOPS), (int)kind);
    return word.p ? word : S("end_turn");
}

/* ---- usage: input without what was cached; the total with it --------------------------------------------------------------- */

static void read_cell(const struct json_tape *t, uint32_t usage, const char *name, enum usage_cell cell, struct usage *u)
{
    uint64_t n;
    if (wire_count_in(t, usage, str_z(name), &n)) usage_set(u, cell, n, USAGE_REPORTED);
}

/* cacheDetails splits the writes by lifetime; what no lifetime claims stays unsplit. */
static void read_details(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    uint32_t list = json_find(t, usage, S("cacheDetails")), one;
    for (struct json_iter it = json_each(t, list); list && json_next(t, &it, &one);) {
        bool hour = str_eq(wire_text_in(t, one, "ttl"), S("1h"));
        enum usage_cell cell = hour ? USAGE_IN_CACHE_WRITE_1H : USAGE_IN_CACHE_WRITE_5M;
        uint64_t sum = u->n[USAGE_IN_CACHE_WRITE];
        read_cell(t, one, "inputTokens", cell, u);
        uint64_t claimed = u->n[cell] < sum ? u->n[cell] : sum;
        if (u->quality[USAGE_IN_CACHE_WRITE]) usage_set(u, USAGE_IN_CACHE_WRITE, sum - claimed, USAGE_REPORTED);
    }
}

bool bedrock_converse_read_usage(const struct json_tape *t, uint32_t usage, struct usage *u)
{
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return false;
    read_cell(t, usage, "inputTokens", USAGE_IN_FRESH, u);
    read_cell(t, usage, "outputTokens", USAGE_OUT_VISIBLE, u);
    read_cell(t, usage, "cacheReadInputTokens", USAGE_IN_CACHE_READ, u);
    read_cell(t, usage, "cacheWriteInputTokens", USAGE_IN_CACHE_WRITE, u);
    read_details(t, usage, u);
    return true;
}

static void put_detail(struct json_writer *w, const char *ttl, uint64_t n)
{
    if (!n) return;
    json_put_object(w);
    json_add_str(w, S("ttl"), str_z(ttl));
    json_add_u64(w, S("inputTokens"), n);
    json_put_end(w);
}

void bedrock_converse_put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t read = u->n[USAGE_IN_CACHE_READ] + u->n[USAGE_IN_AUDIO_CACHE_READ] + u->n[USAGE_IN_IMAGE_CACHE_READ];
    uint64_t short_lived = u->n[USAGE_IN_CACHE_WRITE_5M], long_lived = u->n[USAGE_IN_CACHE_WRITE_1H];
    uint64_t written = u->n[USAGE_IN_CACHE_WRITE] + short_lived + long_lived;
    json_put_object(w);
    json_add_u64(w, S("inputTokens"), usage_input(u) - read - written);
    json_add_u64(w, S("outputTokens"), usage_output(u));
    json_add_u64(w, S("totalTokens"), usage_input(u) + usage_output(u));
    json_add_u64(w, S("cacheReadInputTokens"), read);
    json_add_u64(w, S("cacheWriteInputTokens"), written);
    if (short_lived + long_lived) {
        json_add_array(w, S("cacheDetails"));
        put_detail(w, "5m", short_lived);
        put_detail(w, "1h", long_lived);
        json_put_end(w);
    }
    json_put_end(w);
}

/* ---- unions --------------------------------------------------------------------------------------------------------------- */

bool bedrock_converse_member(const struct json_tape *t, uint32_t object, const struct str *names, size_t n, size_t *ret_which,
                             uint32_t *ret_value)
{
    for (*ret_which = 0; *ret_which < n; ++*ret_which) {
        *ret_value = json_find(t, object, names[*ret_which]);
        if (*ret_value && !json_is(t, *ret_value, JSON_NULL)) return true;
    }
    return false;
}
