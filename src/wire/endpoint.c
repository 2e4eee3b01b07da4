/* Which format and operation a request line means. The door asks for every request; a new endpoint is one row. The model, the
 * stream and the operation may stand in the path: such rows are templates. Pure. */
#include "wire/parts.h"

#define GEMINI(model)                                                                               \
    {"POST", model ":generateContent", WIRE_GEMINI_GENERATE, WIRE_GENERATE, PATH_MODEL},            \
        {"POST", model ":streamGenerateContent", WIRE_GEMINI_GENERATE, WIRE_GENERATE, PATH_STREAM}, \
        {"POST", model ":embedContent", WIRE_GEMINI_GENERATE, WIRE_EMBED, PATH_MODEL},              \
        {"POST", model ":batchEmbedContents", WIRE_GEMINI_GENERATE, WIRE_EMBED_BATCH, PATH_MODEL},  \
    {                                                                                               \
        "POST", model ":countTokens", WIRE_GEMINI_GENERATE, WIRE_COUNT_TOKENS, PATH_MODEL           \
    }

/* Claude on Vertex AI: Messages with the model in the path, and a model of its own name that counts tokens. */
#define CLAUDE(place)                                                                                                          \
    {"POST", place "/publishers/anthropic/models/count-tokens:rawPredict", WIRE_ANTHROPIC_MESSAGES, WIRE_COUNT_TOKENS,         \
     PATH_PLACE},                                                                                                              \
        {"POST", place "/publishers/anthropic/models/{m}:rawPredict", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, PATH_MODEL},     \
    {                                                                                                                          \
        "POST", place "/publishers/anthropic/models/{m}:streamRawPredict", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, PATH_STREAM \
    }

/* Azure's older paths: the deployment is the model; api-version is not asked for. */
#define DEPLOYED(path, format, operation) {"POST", "/openai/deployments/{m}/" path, format, operation, PATH_MODEL}

/* Anthropic's files lie under the same paths: wire_guess(). */
#define OF_ACCOUNT(path) \
    {"GET", path, WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_FIXED}, { "GET", path "/{id}", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE }

static const struct wire_endpoint ENDPOINTS[] = {
    {"POST", "/v1/chat/completions", WIRE_OPENAI_CHAT, WIRE_GENERATE, PATH_FIXED},
    {"POST", "/v1/responses", WIRE_OPENAI_RESPONSES, WIRE_GENERATE, PATH_FIXED},
    {"POST", "/v1/responses/compact", WIRE_OPENAI_RESPONSES, WIRE_COMPACT, PATH_FIXED},
    {"POST", "/v1/responses/input_tokens", WIRE_OPENAI_RESPONSES, WIRE_COUNT_TOKENS, PATH_FIXED},
    {"GET", "/v1/responses", WIRE_OPENAI_RESPONSES, WIRE_CONNECT, PATH_FIXED},
#define KEPT(method, path, in_path) {method, path, WIRE_OPENAI_RESPONSES, WIRE_STATE, in_path}
    KEPT("GET", "/v1/responses/{id}", PATH_MODEL),
    KEPT("DELETE", "/v1/responses/{id}", PATH_MODEL),
    KEPT("POST", "/v1/responses/{id}/cancel", PATH_MODEL),
    KEPT("GET", "/v1/responses/{id}/input_items", PATH_MODEL),
    KEPT("POST", "/v1/conversations", PATH_FIXED),
    KEPT("GET", "/v1/conversations/{id}", PATH_MODEL),
    KEPT("POST", "/v1/conversations/{id}", PATH_MODEL),
    KEPT("DELETE", "/v1/conversations/{id}", PATH_MODEL),
    KEPT("GET", "/v1/conversations/{id}/items", PATH_MODEL),
    KEPT("POST", "/v1/conversations/{id}/items", PATH_MODEL),
    KEPT("GET", "/v1/conversations/{id}/items/{item}", PATH_MODEL),
    KEPT("DELETE", "/v1/conversations/{id}/items/{item}", PATH_MODEL),
#undef KEPT
    {"POST", "/v1/messages", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, PATH_FIXED},
    {"POST", "/v1/messages/count_tokens", WIRE_ANTHROPIC_MESSAGES, WIRE_COUNT_TOKENS, PATH_FIXED},
    /* Google's SDKs come under either version; Vertex has its projects in front. */
    GEMINI("/v1beta/models/{+m}"),
    GEMINI("/v1/models/{+m}"),
    GEMINI("/v1beta1/projects/{p}/locations/{l}/publishers/google/models/{+m}"),
    GEMINI("/v1/projects/{p}/locations/{l}/publishers/google/models/{+m}"),
    GEMINI("/v1beta1/publishers/google/models/{+m}"),
    GEMINI("/v1/publishers/google/models/{+m}"),
    CLAUDE("/v1/projects/{p}/locations/{l}"),
    CLAUDE("/v1beta1/projects/{p}/locations/{l}"),
    {"GET", "/v1beta/models", WIRE_GEMINI_GENERATE, WIRE_LIST_MODELS, PATH_FIXED},
    {"POST", "/v1/embeddings", WIRE_OPENAI_TASKS, WIRE_EMBED, PATH_FIXED},
    {"POST", "/v1/images/generations", WIRE_OPENAI_TASKS, WIRE_IMAGE, PATH_FIXED},
    {"POST", "/v1/images/edits", WIRE_OPENAI_TASKS, WIRE_IMAGE_EDIT, PATH_FIXED},
    {"POST", "/v1/images/variations", WIRE_OPENAI_TASKS, WIRE_IMAGE_VARY, PATH_FIXED},
    {"POST", "/v1/audio/speech", WIRE_OPENAI_TASKS, WIRE_SPEAK, PATH_FIXED},
    {"POST", "/v1/audio/transcriptions", WIRE_OPENAI_TASKS, WIRE_TRANSCRIBE, PATH_FIXED},
    {"POST", "/v1/audio/translations", WIRE_OPENAI_TASKS, WIRE_TRANSLATE_AUDIO, PATH_FIXED},
    {"POST", "/v1/rerank", WIRE_OPENAI_TASKS, WIRE_RERANK, PATH_FIXED},
    {"POST", "/v1/moderations", WIRE_OPENAI_TASKS, WIRE_MODERATE, PATH_FIXED},
    DEPLOYED("chat/completions", WIRE_OPENAI_CHAT, WIRE_GENERATE),
    DEPLOYED("embeddings", WIRE_OPENAI_TASKS, WIRE_EMBED),
    DEPLOYED("images/generations", WIRE_OPENAI_TASKS, WIRE_IMAGE),
    DEPLOYED("images/edits", WIRE_OPENAI_TASKS, WIRE_IMAGE_EDIT),
    DEPLOYED("audio/speech", WIRE_OPENAI_TASKS, WIRE_SPEAK),
    DEPLOYED("audio/transcriptions", WIRE_OPENAI_TASKS, WIRE_TRANSCRIBE),
    DEPLOYED("audio/translations", WIRE_OPENAI_TASKS, WIRE_TRANSLATE_AUDIO),
    OF_ACCOUNT("/v1/files"),
    {"POST", "/v1/files", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_FIXED},
    {"DELETE", "/v1/files/{id}", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    {"GET", "/v1/files/{id}/content", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    {"POST", "/v1/uploads", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_FIXED},
    {"POST", "/v1/uploads/{id}/parts", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    {"POST", "/v1/uploads/{id}/complete", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    {"POST", "/v1/uploads/{id}/cancel", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    OF_ACCOUNT("/v1/batches"),
    {"POST", "/v1/batches", WIRE_OPENAI_TASKS, WIRE_BATCH, PATH_FIXED},
    {"POST", "/v1/batches/{id}/cancel", WIRE_OPENAI_TASKS, WIRE_KEEP, PATH_PLACE},
    {"GET", "/v1/messages/batches", WIRE_ANTHROPIC_MESSAGES, WIRE_KEEP, PATH_FIXED},
    {"POST", "/v1/messages/batches", WIRE_ANTHROPIC_MESSAGES, WIRE_BATCH, PATH_FIXED},
    {"GET", "/v1/messages/batches/{id}", WIRE_ANTHROPIC_MESSAGES, WIRE_KEEP, PATH_PLACE},
    {"DELETE", "/v1/messages/batches/{id}", WIRE_ANTHROPIC_MESSAGES, WIRE_KEEP, PATH_PLACE},
    {"POST", "/v1/messages/batches/{id}/cancel", WIRE_ANTHROPIC_MESSAGES, WIRE_KEEP, PATH_PLACE},
    {"GET", "/v1/messages/batches/{id}/results", WIRE_ANTHROPIC_MESSAGES, WIRE_KEEP, PATH_PLACE},
    /* the shape follows anthropic-version: wire_guess() */
    {"GET", "/v1/models", WIRE_OPENAI_CHAT, WIRE_LIST_MODELS, PATH_FIXED},
    {"GET", "/v1/models/{+m}", WIRE_OPENAI_CHAT, WIRE_LIST_MODELS, PATH_MODEL},
    {"GET", "/v1beta/models/{+m}", WIRE_GEMINI_GENERATE, WIRE_LIST_MODELS, PATH_MODEL},
    {"POST", "/model/{+id}/converse", WIRE_BEDROCK_CONVERSE, WIRE_GENERATE, PATH_MODEL},
    {"POST", "/model/{+id}/converse-stream", WIRE_BEDROCK_CONVERSE, WIRE_GENERATE, PATH_STREAM},
    {"POST", "/model/{+id}/invoke", WIRE_BEDROCK_INVOKE, WIRE_GENERATE, PATH_MODEL},
    {"POST", "/model/{+id}/invoke-with-response-stream", WIRE_BEDROCK_INVOKE, WIRE_GENERATE, PATH_STREAM},
    {"POST", "/model/{+id}/count-tokens", WIRE_BEDROCK_CONVERSE, WIRE_COUNT_TOKENS, PATH_MODEL},
    {"GET", "/inference-profiles", WIRE_BEDROCK_CONVERSE, WIRE_LIST_MODELS, PATH_FIXED},
    {"GET", "/foundation-models", WIRE_BEDROCK_CONVERSE, WIRE_LIST_MODELS, PATH_FIXED},
};

/* ---- templates ------------------------------------------------------------------------------------------------------------ */

/* What stands for the last hole of a template: all between what was matched and the text behind the hole. */
static bool match_last(struct str rest, bool many, struct str tail, struct str *ret_hole)
{
    size_t slash;
    if (rest.n <= tail.n || !str_ends(rest, tail)) return false;
    *ret_hole = str_make(rest.p, rest.n - tail.n);
    return many || !str_find(*ret_hole, S("/"), &slash);
}

bool wire_path_match(struct str template, struct str path, struct str *ret_hole)
{
    for (;;) {
        struct str before, behind, name, tail, more;
        bool has_hole = str_cut(template, '{', &before, &behind);
        if (!has_hole) return str_eq(template, path);
        if (!str_starts(path, before) || !str_cut(behind, '}', &name, &tail)) return false;
        path = str_from(path, before.n);
        if (!str_cut(tail, '{', &behind, &more)) return match_last(path, str_starts(name, S("+")), tail, ret_hole);
        if (!str_cut(path, '/', ret_hole, &more) || !ret_hole->n) return false;
        path = str_from(path, ret_hole->n);
        template = tail;
    }
}

/* Bedrock's two hosts have OpenAI's and Anthropic's paths below a name of their own; so have gateways in front of either. */
static struct str without_alias(struct str path)
{
    if (str_starts(path, S("/openai/v1/"))) return str_from(path, S("/openai").n);
    bool messages = str_starts(path, S("/anthropic/v1/messages")) || str_starts(path, S("/anthropic/v1/files")) ||
                    str_eq(path, S("/anthropic/v1/models"));
    return messages ? str_from(path, S("/anthropic").n) : path;
}

static bool is_below(struct str path, struct str top)
{
    return str_starts(path, top) && (path.n == top.n || path.p[top.n] == '/');
}

/* Azure OpenAI's paths that are neither a deployment's nor of its version 1 (its REST reference, 2024-10-21 and later): what stands
 * behind /v1 elsewhere, "/files/file-1"; the version is in the query and not asked for. STR_NONE: it is none of them. */
static struct str below_azure(struct str path)
{
    static const struct str TOPS[] = {{"/responses", 10}, {"/models", 7}, {"/files", 6}, {"/batches", 8}, {"/uploads", 8}};
    if (!str_starts(path, S("/openai/"))) return STR_NONE;
    struct str below = str_from(path, S("/openai").n);
    for (unsigned i = 0; i < COUNTOF(TOPS); i++)
        if (is_below(below, TOPS[i])) return below;
    return STR_NONE;
}

static bool is_openai(enum wire_format f)
{
    return f == WIRE_OPENAI_CHAT || f == WIRE_OPENAI_RESPONSES || f == WIRE_OPENAI_TASKS;
}

/* A path without its vendor's own name for it; computed once for all rows. */
struct place {
    struct str path;
    bool is_azure; /* what stands behind /v1, of OpenAI's alone */
};

static struct place place_of(struct str path)
{
    struct str below = below_azure(path);
    return below.p ? (struct place){below, true} : (struct place){without_alias(path), false};
}

struct str wire_path_below(struct str path)
{
    const struct place at = place_of(path);
    if (at.is_azure) return at.path;
    return str_starts(at.path, S("/v1/")) ? str_from(at.path, S("/v1").n) : STR_NONE;
}

/* *ret_hole: what the path has in it. */
static bool is_at(const struct wire_endpoint *e, const struct place *at, struct str *ret_hole)
{
    struct str template = str_z(e->path);
    *ret_hole = STR_NONE;
    if (at->is_azure && (!is_openai(e->format) || !str_starts(template, S("/v1/")))) return false;
    if (at->is_azure) template = str_from(template, S("/v1").n);
    return e->in_path == PATH_FIXED ? str_eq(template, at->path) : wire_path_match(template, at->path, ret_hole);
}

/* ---- finding -------------------------------------------------------------------------------------------------------------- */

const struct wire_endpoint *wire_endpoint_find(struct str method, struct str path, bool *ret_wrong_method)
{
    struct str hole;
    const struct place at = place_of(path);
    *ret_wrong_method = false;
    for (unsigned i = 0; i < COUNTOF(ENDPOINTS); i++) {
        const struct wire_endpoint *e = &ENDPOINTS[i];
        if (!is_at(e, &at, &hole)) continue;
        bool head_of_get = str_eq(method, S("HEAD")) && e->method[0] == 'G';
        if (str_eq(str_z(e->method), method) || head_of_get) return e;
        *ret_wrong_method = true;
    }
    return NULL;
}

struct str wire_endpoint_method(struct str path)
{
    struct str hole;
    const struct place at = place_of(path);
    for (unsigned i = 0; i < COUNTOF(ENDPOINTS); i++)
        if (is_at(&ENDPOINTS[i], &at, &hole)) return str_z(ENDPOINTS[i].method);
    return STR_NONE;
}

enum err wire_read_path(const struct wire_endpoint *e, struct str path, struct arena *a, struct wire_request *r,
                        struct fault *why)
{
    struct str hole;
    struct buf plain;
    const struct place at = place_of(path);
    if (e->in_path == PATH_FIXED || e->in_path == PATH_PLACE)
        return r->model.n ? OK : FAIL(why, ERR_BAD_REQUEST, "model: missing; name the route that shall answer");
    if (wire_is_vertex(e) && r->model.n)
        return FAIL(why, ERR_BAD_REQUEST, "model: stands in the path here, and must not stand in the body");
    must(is_at(e, &at, &hole)); /* the path that the endpoint was found for */
    buf_init(&plain, KIB(4));
    bool fine = buf_percent_decode(&plain, hole);
    bool kept = fine && arena_str(a, buf_view(&plain), &r->model);
    buf_done(&plain);
    if (!fine) return FAIL(why, ERR_BAD_REQUEST, "the model in the path is too long or has a broken %%-escape");
    if (!kept) return FAIL(why, ERR_LIMIT, "the model in the path is too long");
    r->stream |= e->in_path == PATH_STREAM;
    if (!str_is_utf8(r->model, NULL)) return FAIL(why, ERR_BAD_REQUEST, "the model in the path is not text in UTF-8");
    return wire_check_model(r->model, why);
}

/* ---- strangers ------------------------------------------------------------------------------------------------------------ */

static const struct {
    struct str path; /* its beginning */
    enum wire_format format;
} PATHS[] = {
    {WIRE_STR("/v1/messages"), WIRE_ANTHROPIC_MESSAGES},
    {WIRE_STR("/anthropic"), WIRE_ANTHROPIC_MESSAGES},
    {WIRE_STR("/v1/conversations"), WIRE_OPENAI_RESPONSES},
    {WIRE_STR("/v1/responses"), WIRE_OPENAI_RESPONSES},
    {WIRE_STR("/v1beta"), WIRE_GEMINI_GENERATE},
    {WIRE_STR("/v1/projects/"), WIRE_GEMINI_GENERATE},
    {WIRE_STR("/v1/publishers/"), WIRE_GEMINI_GENERATE},
    {WIRE_STR("/openai/v1/responses"), WIRE_OPENAI_RESPONSES},
    {WIRE_STR("/openai/v1/conversations"), WIRE_OPENAI_RESPONSES},
    {WIRE_STR("/openai/responses"), WIRE_OPENAI_RESPONSES},
    {WIRE_STR("/model/"), WIRE_BEDROCK_CONVERSE},
    {WIRE_STR("/inference-profiles"), WIRE_BEDROCK_CONVERSE},
    {WIRE_STR("/foundation-models"), WIRE_BEDROCK_CONVERSE},
};

static const struct {
    struct str field;
    enum wire_format format;
} FIELDS[] = {
    {WIRE_STR("anthropic-version"), WIRE_ANTHROPIC_MESSAGES},
    {WIRE_STR("x-goog-api-key"), WIRE_GEMINI_GENERATE},
    {WIRE_STR("x-goog-api-client"), WIRE_GEMINI_GENERATE},
};

static const struct {
    struct str path; /* its beginning */
    const char *advice;
} NOT_SERVED[] = {
    {WIRE_STR("/v1beta/interactions"), "Google's Interactions API is not served: call models/{model}:generateContent"},
    {WIRE_STR("/v1/interactions"), "Google's Interactions API is not served: call models/{model}:generateContent"},
    {WIRE_STR("/v1/fine_tuning"), "models are not trained here: train them at the provider itself"},
    {WIRE_STR("/v1/vector_stores"), "vector stores are kept by one account and not served here: use the provider itself"},
    {WIRE_STR("/v1/assistants"), "assistants are not served: call /v1/responses or /v1/chat/completions"},
    {WIRE_STR("/v1/threads"), "threads are not served: call /v1/responses or /v1/chat/completions"},
    {WIRE_STR("/v1/completions"), "the old completions are not served: call /v1/chat/completions"},
    {WIRE_STR("/v1/realtime"), "realtime is not served: call /v1/audio/speech and /v1/audio/transcriptions"},
    {WIRE_STR("/v1/videos"), "videos are not served: call the provider itself"},
};

const char *wire_endpoint_advice(struct str path)
{
    for (unsigned i = 0; i < COUNTOF(NOT_SERVED); i++)
        if (is_below(path, NOT_SERVED[i].path)) return NOT_SERVED[i].advice;
    return NULL;
}

enum wire_format wire_guess(struct str path, struct http_fields fields)
{
    size_t at;
    if (str_find(path, S("/publishers/anthropic/"), &at)) return WIRE_ANTHROPIC_MESSAGES;
    for (unsigned i = 0; i < COUNTOF(PATHS); i++)
        if (str_starts(path, PATHS[i].path)) return PATHS[i].format;
    for (unsigned i = 0; i < COUNTOF(FIELDS); i++)
        if (http_field_get(fields, FIELDS[i].field).p) return FIELDS[i].format;
    return WIRE_OPENAI_CHAT;
}
