/* What a response object repeats of its request: the settings that it was made with, and the vendor's documented defaults for what
 * the request did not say. Put together once, while the request is read, because the body is freed when the answer begins; written
 * into every response object of the exchange. Facts: OpenAI API reference "The response object". Pure. */
#include "wire/openai_responses/priv.h"

/* A stream says all of it three times. A member that does not fit is told as if the request had not said it, so that a waiting
 * stream stays small. */
enum { REPEAT_MAX = 256 * 1024, GROWTH = 4 };

/* A member that the vendor's types demand, and its value when the request did not say it. */
struct demanded {
    struct str name, otherwise;
};

static void put_with(struct json_writer *w, const struct json_tape *t, uint32_t at, const struct demanded *list, size_t n)
{
    uint32_t key, value;
    json_put_object(w);
    for (struct json_iter it = json_each(t, at); json_next_member(t, &it, &key, &value);) {
        json_put_name_span(w, json_text(t, key));
        json_put_raw(w, json_raw(t, value));
    }
    for (size_t i = 0; i < n; i++)
        if (!json_find(t, at, list[i].name)) json_add_raw(w, list[i].name, list[i].otherwise);
    json_put_end(w);
}

static void put_said(struct json_writer *w, const struct json_tape *t, uint32_t at) { json_put_raw(w, json_raw(t, at)); }

static bool is_of_type(const struct json_tape *t, uint32_t at, struct str type)
{
    uint32_t said = json_find(t, at, S("type"));
    return said && json_eq(t, said, type);
}

/* Whether a function is strict when nobody said so differs from provider to provider, so null it is. */
static void put_tools(struct json_writer *w, const struct json_tape *t, uint32_t at)
{
    static const struct demanded FUNCTION[] = {{WIRE_STR("description"), WIRE_STR("null")},
                                               {WIRE_STR("parameters"), WIRE_STR("null")},
                                               {WIRE_STR("strict"), WIRE_STR("null")}};
    uint32_t tool;
    json_put_array(w);
    for (struct json_iter it = json_each(t, at); json_next(t, &it, &tool);) {
        if (is_of_type(t, tool, S("function"))) put_with(w, t, tool, FUNCTION, COUNTOF(FUNCTION));
        else put_said(w, t, tool);
    }
    json_put_end(w);
}

static void put_reasoning(struct json_writer *w, const struct json_tape *t, uint32_t at)
{
    static const struct demanded REASONING[] = {{WIRE_STR("effort"), WIRE_STR("null")}, {WIRE_STR("summary"), WIRE_STR("null")}};
    put_with(w, t, at, REASONING, COUNTOF(REASONING));
}

static void put_format(struct json_writer *w, const struct json_tape *t, uint32_t at)
{
    static const struct demanded SCHEMA[] = {{WIRE_STR("description"), WIRE_STR("null")},
                                             {WIRE_STR("strict"), WIRE_STR("false")}};
    if (is_of_type(t, at, S("json_schema"))) put_with(w, t, at, SCHEMA, COUNTOF(SCHEMA));
    else put_said(w, t, at);
}

static void put_text(struct json_writer *w, const struct json_tape *t, uint32_t at)
{
    uint32_t format = json_find(t, at, S("format")), verbosity = json_find(t, at, S("verbosity"));
    json_put_object(w);
    json_put_name(w, S("format"));
    if (format && json_is(t, format, JSON_OBJECT)) put_format(w, t, format);
    else json_put_raw(w, S("{\"type\":\"text\"}"));
    if (verbosity) json_add_raw(w, S("verbosity"), json_raw(t, verbosity));
    json_put_end(w);
}

/* The tier and `store` are not here: what was asked for is not what was done. */
static const struct row {
    struct str name;
    struct str otherwise; /* empty: left out */
    enum json_type type;  /* of those that `put` takes apart */
    void (*put)(struct json_writer *, const struct json_tape *, uint32_t at);
} ROWS[] = {
    {WIRE_STR("background"), WIRE_STR("false"), 0, put_said},
    {WIRE_STR("instructions"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("max_output_tokens"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("max_tool_calls"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("metadata"), WIRE_STR("{}"), 0, put_said},
    {WIRE_STR("parallel_tool_calls"), WIRE_STR("true"), 0, put_said},
    {WIRE_STR("presence_penalty"), WIRE_STR("0"), 0, put_said},
    {WIRE_STR("frequency_penalty"), WIRE_STR("0"), 0, put_said},
    {WIRE_STR("previous_response_id"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("conversation"), WIRE_STR(""), 0, put_said},
    {WIRE_STR("prompt"), WIRE_STR(""), 0, put_said},
    {WIRE_STR("prompt_cache_key"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("prompt_cache_retention"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("reasoning"), WIRE_STR("{\"effort\":null,\"summary\":null}"), JSON_OBJECT, put_reasoning},
    {WIRE_STR("safety_identifier"), WIRE_STR("null"), 0, put_said},
    {WIRE_STR("temperature"), WIRE_STR("1"), 0, put_said},
    {WIRE_STR("text"), WIRE_STR("{\"format\":{\"type\":\"text\"}}"), JSON_OBJECT, put_text},
    {WIRE_STR("tool_choice"), WIRE_STR("\"auto\""), 0, put_said},
    {WIRE_STR("tools"), WIRE_STR("[]"), JSON_ARRAY, put_tools},
    {WIRE_STR("top_logprobs"), WIRE_STR("0"), 0, put_said},
    {WIRE_STR("top_p"), WIRE_STR("1"), 0, put_said},
    {WIRE_STR("truncation"), WIRE_STR("\"disabled\""), 0, put_said},
    {WIRE_STR("user"), WIRE_STR("null"), 0, put_said},
};

static bool is_said(const struct row *row, const struct json_tape *t, uint32_t at)
{
    return at && !json_is(t, at, JSON_NULL) && (!row->type || json_is(t, at, row->type));
}

static void put_row(struct json_writer *w, const struct row *row, const struct json_tape *t, size_t *left)
{
    uint32_t at = t ? json_find(t, 0, row->name) : 0;
    size_t n = is_said(row, t, at) ? json_raw(t, at).n : 0;
    if (!n || n > *left) {
        if (row->otherwise.n) json_add_raw(w, row->name, row->otherwise);
        return;
    }
    *left -= n;
    json_put_name(w, row->name);
    row->put(w, t, at);
}

/* Within a string of valid JSON no line ends, so all that are found lie between values; in a stream they would end the event. */
static void drop_line_ends(struct buf *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] != '\n' && b->p[i] != '\r') b->p[n++] = b->p[i];
    b->n = n;
}

void openai_responses_remember(const struct json_tape *t, struct arena *a, struct wire_reply *to)
{
    struct json_writer w;
    struct buf text;
    size_t left = REPEAT_MAX;
    buf_init(&text, (size_t)REPEAT_MAX * GROWTH);
    json_write(&w, &text);
    json_put_object(&w);
    for (unsigned i = 0; i < COUNTOF(ROWS); i++) put_row(&w, &ROWS[i], t, &left);
    json_put_end(&w);
    drop_line_ends(&text);
    if (!json_write_done(&w) || !arena_str(a, buf_view(&text), &to->repeated)) to->repeated = STR_NONE;
    buf_done(&text);
}

void openai_responses_put_repeated(struct json_writer *w, const struct wire_reply *to)
{
    size_t none = 0;
    if (to->repeated.p) json_put_members(w, to->repeated);
    else
        for (unsigned i = 0; i < COUNTOF(ROWS); i++) put_row(w, &ROWS[i], NULL, &none);
}
