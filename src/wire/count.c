/* Counting the tokens of a request, between formats: what a count's body asks about is opened to a plain request, which is read
 * and written like any other, and closed into the count that the provider has. Facts: Anthropic "Count tokens", Amazon Bedrock
 * "CountTokens", Gemini "countTokens" (Vertex AI's takes a bare request), OpenAI "Get input token counts". Pure; called by the
 * gateway for attempts whose provider counts in another format than the caller. */
#include <sodium.h>

#include "wire/parts.h"

/* A reader wants a bound where its format does; it is taken out again before anything is sent. */
#define SOME_BOUND "1000000"

static const struct str OF_MESSAGES[] = {
    WIRE_STR("model"),         WIRE_STR("messages"),      WIRE_STR("system"),        WIRE_STR("tools"),
    WIRE_STR("tool_choice"),   WIRE_STR("thinking"),      WIRE_STR("mcp_servers"),   WIRE_STR("context_management"),
    WIRE_STR("output_config"), WIRE_STR("output_format"), WIRE_STR("cache_control"),
};
static const struct str OF_RESPONSES[] = {
    WIRE_STR("model"),     WIRE_STR("input"),       WIRE_STR("instructions"),
    WIRE_STR("tools"),     WIRE_STR("tool_choice"), WIRE_STR("parallel_tool_calls"),
    WIRE_STR("reasoning"), WIRE_STR("text"),        WIRE_STR("truncation"),
};
static const struct str OF_CONVERSE[] = {
    WIRE_STR("messages"),
    WIRE_STR("system"),
    WIRE_STR("toolConfig"),
    WIRE_STR("additionalModelRequestFields"),
};
static const struct str OF_GEMINI[] = {
    WIRE_STR("contents"), WIRE_STR("systemInstruction"), WIRE_STR("tools"), WIRE_STR("toolConfig"), WIRE_STR("cachedContent"),
};
static const struct str OF_VERTEX[] = {WIRE_STR("contents"), WIRE_STR("systemInstruction"), WIRE_STR("tools")};

struct list {
    const struct str *at;
    size_t n;
};

static bool is_listed(const struct list *names, struct str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (str_eq(names->at[i], name)) return true;
    return false;
}

/* Members of `object`, as they stand, into the open object: those listed, or those not. */
static void put_members(struct json_writer *w, const struct json_tape *t, uint32_t object, const struct list *names, bool listed)
{
    uint32_t key, value;
    for (struct json_iter it = json_each(t, object); json_next_member(t, &it, &key, &value);) {
        if (is_listed(names, json_text(t, key)) != listed) continue;
        json_put_name_span(w, json_text(t, key));
        json_put_raw(w, json_raw(t, value));
    }
}

static void put_request(struct json_writer *w, const struct json_tape *t, const struct list *names)
{
    json_put_object(w);
    put_members(w, t, 0, names, true);
    json_put_end(w);
}

/* ---- opening ---------------------------------------------------------------------------------------------------------------- */

static enum err open_messages(const struct json_tape *t, enum wire_format *format, struct buf *out, struct fault *why)
{
    static const struct str bound = WIRE_STR("max_tokens");
    struct json_writer w;
    (void)format, (void)why;
    json_write(&w, out);
    json_put_object(&w);
    put_members(&w, t, 0, &(struct list){&bound, 1}, false);
    json_add_raw(&w, bound, S(SOME_BOUND));
    json_put_end(&w);
    return OK;
}

static enum err open_responses(const struct json_tape *t, enum wire_format *format, struct buf *out, struct fault *why)
{
    (void)format, (void)why;
    buf_str(out, t->src);
    return OK;
}

static enum err open_invoke(const struct json_tape *t, uint32_t body, struct buf *out, struct fault *why)
{
    struct str text = json_text(t, body);
    size_t n;
    buf_reserve(out, text.n);
    bool fine = !out->over && sodium_base642bin((unsigned char *)out->p + out->n, out->cap - out->n, text.p, text.n, NULL, &n,
                                                NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
    if (!fine) return FAIL(why, ERR_BAD_REQUEST, "input.invokeModel.body: must be a body of InvokeModel in base64");
    out->n += n;
    return OK;
}

static enum err open_converse(const struct json_tape *t, enum wire_format *format, struct buf *out, struct fault *why)
{
    uint32_t converse = json_path(t, 0, "input", "converse"), body = json_path(t, 0, "input", "invokeModel", "body");
    if (body && json_is(t, body, JSON_STRING)) {
        *format = WIRE_BEDROCK_INVOKE;
        return open_invoke(t, body, out, why);
    }
    if (!converse || !json_is(t, converse, JSON_OBJECT))
        return FAIL(why, ERR_BAD_REQUEST, "input: must have converse or invokeModel, and one of them only");
    buf_str(out, json_raw(t, converse));
    return OK;
}

static enum err open_gemini(const struct json_tape *t, enum wire_format *format, struct buf *out, struct fault *why)
{
    static const struct str model = WIRE_STR("model");
    uint32_t inner = json_find(t, 0, S("generateContentRequest"));
    struct json_writer w;
    (void)format, (void)why;
    if (!inner) inner = json_find(t, 0, S("generate_content_request"));
    json_write(&w, out);
    json_put_object(&w);
    put_members(&w, t, inner, &(struct list){&model, 1}, false); /* it stands in the path */
    json_put_end(&w);
    return OK;
}

/* ---- closing ---------------------------------------------------------------------------------------------------------------- */

static void close_messages(struct json_writer *w, const struct json_tape *t, const struct wire_target *to)
{
    (void)to;
    put_request(w, t, &(struct list){OF_MESSAGES, COUNTOF(OF_MESSAGES)});
}

static void close_responses(struct json_writer *w, const struct json_tape *t, const struct wire_target *to)
{
    (void)to;
    put_request(w, t, &(struct list){OF_RESPONSES, COUNTOF(OF_RESPONSES)});
}

static void close_converse(struct json_writer *w, const struct json_tape *t, const struct wire_target *to)
{
    (void)to;
    json_put_object(w);
    json_add_object(w, S("input"));
    json_put_name(w, S("converse"));
    put_request(w, t, &(struct list){OF_CONVERSE, COUNTOF(OF_CONVERSE)});
    json_put_end(w);
    json_put_end(w);
}

static void close_gemini(struct json_writer *w, const struct json_tape *t, const struct wire_target *to)
{
    size_t slash;
    if (to->quirks & QUIRK_BARE_COUNT) {
        put_request(w, t, &(struct list){OF_VERTEX, COUNTOF(OF_VERTEX)});
        return;
    }
    json_put_object(w);
    json_add_object(w, S("generateContentRequest"));
    json_put_name(w, S("model"));
    json_put_string_begin(w);
    if (!str_find(to->model, S("/"), &slash)) buf_str(w->out, S("models/"));
    json_escape(w->out, to->model);
    json_put_string_end(w);
    put_members(w, t, 0, &(struct list){OF_GEMINI, COUNTOF(OF_GEMINI)}, true);
    json_put_end(w);
    json_put_end(w);
}

/* ---- the table -------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *answer, *object; /* the member with the number; the member `object`, where answers have one */
    enum err (*open)(const struct json_tape *t, enum wire_format *format, struct buf *out, struct fault *why);
    void (*close)(struct json_writer *w, const struct json_tape *t, const struct wire_target *to);
} COUNTS[WIRE_FORMATS] = {
    [WIRE_ANTHROPIC_MESSAGES] = {"input_tokens", NULL, open_messages, close_messages},
    [WIRE_OPENAI_RESPONSES] = {"input_tokens", "response.input_tokens", open_responses, close_responses},
    [WIRE_BEDROCK_CONVERSE] = {"inputTokens", NULL, open_converse, close_converse},
    [WIRE_GEMINI_GENERATE] = {"totalTokens", NULL, open_gemini, close_gemini},
};

bool wire_counts(enum wire_format f) { return (unsigned)f < WIRE_FORMATS && COUNTS[f].answer; }

enum err wire_count_open(enum wire_format f, const struct json_tape *t, enum wire_format *ret_format, struct buf *out,
                         struct fault *why)
{
    *ret_format = f;
    return COUNTS[f].open(t, ret_format, out, why);
}

enum err wire_count_close(enum wire_format f, const struct json_tape *t, const struct wire_target *to, struct buf *out,
                          struct fault *why)
{
    struct json_writer w;
    json_write(&w, out);
    COUNTS[f].close(&w, t, to);
    return json_write_done(&w) ? OK : wire_request_full(why);
}

enum err wire_count_read(enum wire_format f, const struct json_tape *t, uint64_t *ret_tokens, struct fault *why)
{
    uint32_t at = json_find(t, 0, str_z(COUNTS[f].answer));
    if (at && json_u64(t, at, ret_tokens)) return OK;
    return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not a count of tokens: it has no %s", COUNTS[f].answer);
}

void wire_count_write(enum wire_format f, uint64_t tokens, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    if (COUNTS[f].object) json_add_str(&w, S("object"), str_z(COUNTS[f].object));
    json_add_u64(&w, str_z(COUNTS[f].answer), tokens);
    json_put_end(&w);
    ignore_err(json_write_done(&w) ? OK : ERR_LIMIT);
}
