/* Texts as vectors, between OpenAI's embeddings and Gemini's embedContent and batchEmbedContents: a small neutral struct, for they
 * are no conversation. Facts: OpenAI API reference "Embeddings"; Gemini API reference "Embeddings"; T8 in docs/wire.md. Called by the
 * gateway's translation; pure. */
#include <sodium.h>
#include <stdlib.h>

#include "wire/formats.h"
#include "wire/parts.h"

/* GEMINI_MAX: "BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch", Google's refusal. */
enum { TEXTS_MAX = 2048, GEMINI_MAX = 100, NUMBER_MAX = 64 };

bool wire_embeds(enum wire_format f) { return f == WIRE_OPENAI_TASKS || f == WIRE_GEMINI_GENERATE; }

bool wire_is_embed(enum wire_operation op) { return op == WIRE_EMBED || op == WIRE_EMBED_BATCH; }

enum wire_operation wire_embed_operation(enum wire_format f) { return f == WIRE_GEMINI_GENERATE ? WIRE_EMBED_BATCH : WIRE_EMBED; }

/* ---- what both readers need ---------------------------------------------------------------------------------------------------- */

struct reading {
    const struct json_tape *t;
    struct arena *a;
    struct wire_embed *e;
    struct fault *why;
};

#define BAD(r, ...) FAIL((r)->why, ERR_BAD_REQUEST, __VA_ARGS__)

/* A member by its name, also in protobuf's other spelling; the table ends with a NULL. */
struct member {
    const char *name, *snake;
    enum err (*take)(struct reading *r, struct wire_embed_text *text, uint32_t at);
};

static enum err take_members(struct reading *r, uint32_t object, const struct member *known, struct wire_embed_text *text)
{
    uint32_t key, value;
    if (!json_is(r->t, object, JSON_OBJECT)) return BAD(r, "an embedding's request must be an object");
    for (struct json_iter it = json_each(r->t, object); json_next_member(r->t, &it, &key, &value);) {
        const struct member *m = known;
        while (m->name && !json_eq(r->t, key, str_z(m->name)) && !json_eq(r->t, key, str_z(m->snake))) m++;
        struct str name = json_text(r->t, key);
        if (!m->name)
            return BAD(r, "%.*s: cannot be told to a provider of another format", (int)(name.n < 64 ? name.n : 64), name.p);
        if (!json_is(r->t, value, JSON_NULL) && m->take) TRY(m->take(r, text, value));
    }
    return OK;
}

static enum err add_texts(struct reading *r, uint32_t n)
{
    if (n == 0 || n > TEXTS_MAX) return BAD(r, "from 1 to %d texts are taken, not %u", TEXTS_MAX, n);
    r->e->n = n;
    r->e->texts = arena_alloc(r->a, n * sizeof *r->e->texts);
    return r->e->texts ? OK : FAIL(r->why, ERR_LIMIT, "the request is too large to be translated");
}

static enum err take_dimensions(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    uint64_t n;
    (void)text;
    if (!json_u64(r->t, at, &n) || n == 0) return BAD(r, "dimensions: must be a whole number, 1 or more");
    struct str raw = json_raw(r->t, at);
    if (r->e->dimensions.n && !str_eq(r->e->dimensions, raw))
        return BAD(r, "outputDimensionality: must be the same for all texts");
    r->e->dimensions = raw;
    return OK;
}

/* ---- OpenAI's request ------------------------------------------------------------------------------------------------------------ */

static enum err take_input_text(struct reading *r, unsigned i, uint32_t at)
{
    if (!json_is(r->t, at, JSON_STRING))
        return BAD(r, "input: must be a text or a list of texts; token ids cannot be told to a provider of another format");
    r->e->texts[i].text = json_text(r->t, at);
    return OK;
}

static enum err take_input(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    uint32_t one;
    unsigned i = 0;
    (void)text;
    bool list = json_is(r->t, at, JSON_ARRAY);
    TRY(add_texts(r, list ? json_count(r->t, at) : 1));
    if (!list) return take_input_text(r, 0, at);
    for (struct json_iter it = json_each(r->t, at); json_next(r->t, &it, &one);) TRY(take_input_text(r, i++, one));
    return OK;
}

static enum err take_encoding(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    (void)text;
    r->e->base64 = json_is(r->t, at, JSON_STRING) && json_eq(r->t, at, S("base64"));
    if (r->e->base64 || (json_is(r->t, at, JSON_STRING) && json_eq(r->t, at, S("float")))) return OK;
    return BAD(r, "encoding_format: must be float or base64");
}

static enum err take_user(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    (void)text, (void)at;
    r->e->hints++;
    return OK;
}

static const struct member OPENAI[] = {
    {"input", "input", take_input},
    {"dimensions", "dimensions", take_dimensions},
    {"encoding_format", "encoding_format", take_encoding},
    {"user", "user", take_user},
    {"model", "model", NULL}, /* the gateway knows it */
    {NULL, NULL, NULL},
};

/* ---- Gemini's requests ------------------------------------------------------------------------------------------------------------ */

static enum err take_content(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    uint32_t one, parts = json_is(r->t, at, JSON_OBJECT) ? json_find(r->t, at, S("parts")) : 0;
    struct json_iter it = json_each(r->t, parts);
    if (!parts || !json_is(r->t, parts, JSON_ARRAY) || json_count(r->t, parts) != 1 || !json_next(r->t, &it, &one) ||
        !json_is(r->t, one, JSON_OBJECT))
        return BAD(r, "content.parts: must be one text; more parts cannot be told to a provider of another format");
    uint32_t said = json_find(r->t, one, S("text"));
    if (!said || !json_is(r->t, said, JSON_STRING) || json_count(r->t, one) != 1)
        return BAD(r, "content.parts[0]: must be a text alone");
    text->text = json_text(r->t, said);
    return OK;
}

static enum err take_task(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    if (!json_is(r->t, at, JSON_STRING)) return BAD(r, "taskType: must be a string");
    text->task = json_text(r->t, at);
    r->e->hints++;
    return OK;
}

static enum err take_title(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    if (!json_is(r->t, at, JSON_STRING)) return BAD(r, "title: must be a string");
    text->title = json_text(r->t, at);
    r->e->hints++;
    return OK;
}

static const struct member GEMINI_ONE[] = {
    {"content", "content", take_content},
    {"taskType", "task_type", take_task},
    {"title", "title", take_title},
    {"outputDimensionality", "output_dimensionality", take_dimensions},
    {"model", "model", NULL},
    {NULL, NULL, NULL},
};

static enum err take_one(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    TRY(take_members(r, at, GEMINI_ONE, text));
    return text->text.p ? OK : BAD(r, "content: missing");
}

static enum err take_requests(struct reading *r, struct wire_embed_text *text, uint32_t at)
{
    uint32_t one;
    unsigned i = 0;
    (void)text;
    if (!json_is(r->t, at, JSON_ARRAY)) return BAD(r, "requests: must be an array");
    TRY(add_texts(r, json_count(r->t, at)));
    for (struct json_iter it = json_each(r->t, at); json_next(r->t, &it, &one);) TRY(take_one(r, &r->e->texts[i++], one));
    return OK;
}

static const struct member GEMINI_BATCH[] = {
    {"requests", "requests", take_requests}, {"model", "model", NULL}, {NULL, NULL, NULL}};

static enum err take_single(struct reading *r)
{
    TRY(add_texts(r, 1));
    return take_one(r, &r->e->texts[0], 0);
}

enum err wire_embed_read(enum wire_format f, enum wire_operation op, const struct json_tape *t, struct arena *a,
                         struct wire_embed *ret_embed, struct fault *why)
{
    struct reading r = {t, a, ret_embed, why};
    *ret_embed = (struct wire_embed){.n = 0};
    if (op == WIRE_EMBED && f == WIRE_GEMINI_GENERATE) return take_single(&r);
    TRY(take_members(&r, 0, f == WIRE_GEMINI_GENERATE ? GEMINI_BATCH : OPENAI, NULL));
    return ret_embed->n ? OK : BAD(&r, "%s: missing", f == WIRE_GEMINI_GENERATE ? "requests" : "input");
}

/* ---- requests written -------------------------------------------------------------------------------------------------------------- */

static void put_gemini(struct json_writer *w, const struct wire_embed *e, struct str model)
{
    struct buf name;
    buf_init(&name, KIB(2));
    bool is_resource = memchr(model.p, '/', model.n) != NULL;
    buf_fmt(&name, "%s%.*s", is_resource ? "" : "models/", STR_ARG(model));
    json_add_array(w, S("requests"));
    for (unsigned i = 0; i < e->n; i++) {
        const struct wire_embed_text *x = &e->texts[i];
        json_put_object(w);
        json_add_str(w, S("model"), buf_view(&name));
        json_add_object(w, S("content"));
        json_add_array(w, S("parts"));
        json_put_object(w);
        json_put_name(w, S("text"));
        json_put_span(w, x->text);
        json_put_end(w);
        json_put_end(w);
        json_put_end(w);
        if (x->task.p) json_put_name(w, S("taskType"));
        if (x->task.p) json_put_span(w, x->task);
        if (x->title.p) json_put_name(w, S("title"));
        if (x->title.p) json_put_span(w, x->title);
        if (e->dimensions.n) json_add_raw(w, S("outputDimensionality"), e->dimensions);
        json_put_end(w);
    }
    json_put_end(w);
    buf_done(&name);
}

static void put_openai(struct json_writer *w, const struct wire_embed *e, struct str model)
{
    json_add_str(w, S("model"), model);
    json_add_array(w, S("input"));
    for (unsigned i = 0; i < e->n; i++) json_put_span(w, e->texts[i].text);
    json_put_end(w);
    json_add_str(w, S("encoding_format"), S("float"));
    if (e->dimensions.n) json_add_raw(w, S("dimensions"), e->dimensions);
}

enum err wire_embed_write(enum wire_format f, const struct wire_embed *e, const struct wire_target *to, struct buf *out,
                          struct fault *why)
{
    struct json_writer w;
    bool gemini = f == WIRE_GEMINI_GENERATE;
    if (gemini && e->n > GEMINI_MAX)
        return FAIL(why, ERR_FORMAT_UNSUPPORTED, "Google's models take %d texts in one request, not %u; send them in several",
                    GEMINI_MAX, e->n);
    json_write(&w, out);
    json_put_object(&w);
    if (gemini) put_gemini(&w, e, to->model);
    else put_openai(&w, e, to->model);
    json_put_end(&w);
    bool kept = gemini && e->texts[0].task.p; /* a Gemini caller's, to Gemini */
    if (!kept) to->losses->n[LOSS_HINT] = (uint16_t)(e->hints < UINT16_MAX ? e->hints : UINT16_MAX);
    return json_write_done(&w) ? OK : FAIL(why, ERR_LIMIT, "the request is too large to be translated");
}

/* ---- answers ------------------------------------------------------------------------------------------------------------------------ */

static enum err garbage(struct fault *why, const char *what)
{
    return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is no list of embeddings: %s", what);
}

/* What JSON's numbers are made of, and nothing else between the brackets. */
static bool is_numbers(struct str list)
{
    for (size_t i = 1; i + 1 < list.n; i++)
        if (!strchr("0123456789,.-+eE \t\r\n", list.p[i])) return false;
    return list.n > 2;
}

static enum err take_vector(const struct json_tape *t, uint32_t at, struct str *ret_vector, struct fault *why)
{
    if (!at || !json_is(t, at, JSON_ARRAY) || !is_numbers(json_raw(t, at))) return garbage(why, "one has no numbers");
    if (ret_vector->n) return garbage(why, "one comes twice");
    *ret_vector = json_raw(t, at);
    return OK;
}

static enum err take_vectors(enum wire_format f, const struct json_tape *t, struct str *vectors, unsigned n, struct fault *why)
{
    bool gemini = f == WIRE_GEMINI_GENERATE;
    uint32_t one, list = json_find(t, 0, gemini ? S("embeddings") : S("data"));
    uint64_t at = 0;
    if (!list || !json_is(t, list, JSON_ARRAY) || json_count(t, list) != n) return garbage(why, "there are not as many as texts");
    for (struct json_iter it = json_each(t, list); json_next(t, &it, &one);) {
        if (!json_is(t, one, JSON_OBJECT)) return garbage(why, "one is no object");
        uint32_t index = gemini ? 0 : json_find(t, one, S("index"));
        if (index && (!json_u64(t, index, &at) || at >= n)) return garbage(why, "an index is none");
        TRY(take_vector(t, json_find(t, one, gemini ? S("values") : S("embedding")), &vectors[at], why));
        at++;
    }
    return OK;
}

enum err wire_embed_read_answer(enum wire_format f, struct str body, struct json_tape *t, struct wire_vectors *v,
                                struct fault *why)
{
    /* Root, list, element; the numbers themselves are passed on as they are spelled. */
    static const struct json_limits LIMITS = {.max_depth = 512, .record_depth = 3};
    TRY(wire_scan_answer(t, body, &LIMITS, why));
    TRY(take_vectors(f, t, v->at, v->n, why));
    uint32_t told = f == WIRE_GEMINI_GENERATE ? json_path(t, 0, "usageMetadata", "promptTokenCount")
                                              : json_path(t, 0, "usage", "prompt_tokens");
    v->told = told && json_u64(t, told, &v->tokens);
    return OK;
}

/* Numbers of a list that was scanned, as 32-bit floats in the order of the machine's bytes, which is the wire's. */
static void put_base64(struct json_writer *w, struct str list)
{
    enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };
    struct buf bytes;
    struct str number, rest = str_make(list.p + 1, list.n - 2);
    char room[NUMBER_MAX];
    buf_init(&bytes, list.n * 2 + sizeof(float)); /* "0," is the shortest */
    while (str_trim(rest).n) {
        str_cut(rest, ',', &number, &rest);
        number = str_trim(number);
        size_t n = number.n < sizeof room - 1 ? number.n : sizeof room - 1;
        memcpy(room, number.p, n);
        room[n] = '\0';
        float value = strtof(room, NULL);
        buf_str(&bytes, str_make((const char *)&value, sizeof value));
    }
    size_t n = sodium_base64_ENCODED_LEN(bytes.n, VARIANT);
    json_put_string_begin(w);
    if (buf_reserve(w->out, n)) {
        sodium_bin2base64(w->out->p + w->out->n, n, (const unsigned char *)bytes.p, bytes.n, VARIANT);
        w->out->n += n - 1;
    }
    json_put_string_end(w);
    buf_done(&bytes);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "OpenAI's base64 is little-endian");

static void put_data(struct json_writer *w, const struct wire_vectors *v, const struct wire_embed *e)
{
    json_add_array(w, S("data"));
    for (unsigned i = 0; i < v->n; i++) {
        json_put_object(w);
        json_add_str(w, S("object"), S("embedding"));
        json_add_u64(w, S("index"), i);
        json_put_name(w, S("embedding"));
        if (e->base64) put_base64(w, v->at[i]);
        else json_put_raw(w, v->at[i]);
        json_put_end(w);
    }
    json_put_end(w);
}

static void put_values(struct json_writer *w, struct str list)
{
    json_put_object(w);
    json_add_raw(w, S("values"), list);
    json_put_end(w);
}

void wire_embed_write_answer(enum wire_format f, enum wire_operation op, const struct wire_vectors *v, const struct wire_embed *e,
                             struct str model, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    if (f == WIRE_GEMINI_GENERATE && op == WIRE_EMBED) {
        json_put_name(&w, S("embedding"));
        put_values(&w, v->at[0]);
    } else if (f == WIRE_GEMINI_GENERATE) {
        json_add_array(&w, S("embeddings"));
        for (unsigned i = 0; i < v->n; i++) put_values(&w, v->at[i]);
        json_put_end(&w);
    } else {
        json_add_str(&w, S("object"), S("list"));
        put_data(&w, v, e);
        json_add_str(&w, S("model"), model);
    }
    bool gemini = f == WIRE_GEMINI_GENERATE;
    if (!gemini || v->told) {
        json_add_object(&w, gemini ? S("usageMetadata") : S("usage"));
        json_add_u64(&w, gemini ? S("promptTokenCount") : S("prompt_tokens"), v->tokens);
        json_add_u64(&w, gemini ? S("totalTokenCount") : S("total_tokens"), v->tokens);
        json_put_end(&w);
    }
    json_put_end(&w);
}
