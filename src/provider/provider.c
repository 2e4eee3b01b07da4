/* The kinds of providers, one row each, and the reading of failed answers. Pure; used by the gateway and by whoever checks
 * a configuration. */
#include "provider/provider.h"

/* The paths of one kind, the same for every model. */
struct fixed_path {
    enum wire_format format;
    enum wire_operation operation;
    const char *path;
};

static bool put_fixed(const struct fixed_path *paths, size_t n, const struct provider_call *c, struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (paths[i].format != c->format || paths[i].operation != c->operation) continue;
        buf_str(out, str_z(paths[i].path));
        return true;
    }
    return false;
}

static bool is_kept(const struct provider_call *c, enum wire_format f)
{
    return c->format == f && (c->operation == WIRE_KEEP || c->operation == WIRE_BATCH);
}

static bool openai_path(const struct provider_call *c, struct buf *out)
{
    if (is_kept(c, WIRE_OPENAI_TASKS)) {
        buf_str(out, c->rest);
        return true;
    }
    static const struct fixed_path PATHS[] = {
        {WIRE_OPENAI_TASKS, WIRE_EMBED, "/embeddings"},
        {WIRE_OPENAI_TASKS, WIRE_IMAGE, "/images/generations"},
        {WIRE_OPENAI_TASKS, WIRE_IMAGE_EDIT, "/images/edits"},
        {WIRE_OPENAI_TASKS, WIRE_IMAGE_VARY, "/images/variations"},
        {WIRE_OPENAI_TASKS, WIRE_SPEAK, "/audio/speech"},
        {WIRE_OPENAI_TASKS, WIRE_TRANSCRIBE, "/audio/transcriptions"},
        {WIRE_OPENAI_TASKS, WIRE_TRANSLATE_AUDIO, "/audio/translations"},
        {WIRE_OPENAI_TASKS, WIRE_RERANK, "/rerank"},
        {WIRE_OPENAI_TASKS, WIRE_MODERATE, "/moderations"},
        {WIRE_OPENAI_CHAT, WIRE_GENERATE, "/chat/completions"},
        {WIRE_OPENAI_RESPONSES, WIRE_GENERATE, "/responses"},
        {WIRE_OPENAI_RESPONSES, WIRE_COMPACT, "/responses/compact"},
        {WIRE_OPENAI_RESPONSES, WIRE_COUNT_TOKENS, "/responses/input_tokens"},
    };
    return put_fixed(PATHS, COUNTOF(PATHS), c, out);
}

static bool anthropic_path(const struct provider_call *c, struct buf *out)
{
    static const struct fixed_path PATHS[] = {
        {WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, "/v1/messages"},
        {WIRE_ANTHROPIC_MESSAGES, WIRE_COUNT_TOKENS, "/v1/messages/count_tokens"},
    };
    return put_fixed(PATHS, COUNTOF(PATHS), c, out);
}

static bool anthropic_own_path(const struct provider_call *c, struct buf *out)
{
    if (!is_kept(c, WIRE_ANTHROPIC_MESSAGES)) return anthropic_path(c, out);
    buf_fmt(out, "/v1%.*s", STR_ARG(c->rest));
    return true;
}

/* llama.cpp's server speaks both; its address is the engine's and has no base path. */
static bool local_path(const struct provider_call *c, struct buf *out)
{
    static const struct fixed_path PATHS[] = {
        {WIRE_OPENAI_CHAT, WIRE_GENERATE, "/v1/chat/completions"},
        {WIRE_OPENAI_TASKS, WIRE_EMBED, "/v1/embeddings"}, /* of a model that is for them: enum engine_use */
    };
    return put_fixed(PATHS, COUNTOF(PATHS), c, out) || anthropic_path(c, out);
}

/* Both of Bedrock's hosts serve OpenAI's format under a path of their own, mantle Anthropic's as well (AWS, Amazon Bedrock User
 * Guide, "Endpoints"). */
static bool openai_below_path(const struct provider_call *c, struct buf *out)
{
    static const struct fixed_path PATHS[] = {
        {WIRE_OPENAI_CHAT, WIRE_GENERATE, "/openai/v1/chat/completions"},
    };
    return put_fixed(PATHS, COUNTOF(PATHS), c, out);
}

/* Whose model it is, by its id: "us.anthropic.claude…"; an ARN may name a profile that tells nothing. */
static bool is_of(struct str model, const char *maker)
{
    size_t at;
    return str_find(model, str_z(maker), &at);
}

static void put_model_path(struct buf *out, struct str model, const char *call)
{
    buf_str(out, S("/model/"));
    buf_percent_encode(out, model);
    buf_str(out, str_z(call));
}

/* The runtime's own calls have the model in the path, as one encoded segment. InvokeModel takes each maker's own body, and we
 * speak Anthropic's; OpenAI's path is not for the models of Anthropic and Amazon. */
static bool bedrock_path(const struct provider_call *c, struct buf *out)
{
    bool claude = is_of(c->model, "anthropic."), counts = c->operation == WIRE_COUNT_TOKENS;
    if (c->format == WIRE_BEDROCK_CONVERSE) {
        put_model_path(out, c->model, counts ? "/count-tokens" : c->stream ? "/converse-stream" : "/converse");
        return true;
    }
    if (c->format == WIRE_BEDROCK_INVOKE && !counts && (claude || str_starts(c->model, S("arn:")))) {
        put_model_path(out, c->model, c->stream ? "/invoke-with-response-stream" : "/invoke");
        return true;
    }
    if (c->format == WIRE_BEDROCK_INVOKE || claude || is_of(c->model, "amazon.")) return false;
    return openai_below_path(c, out);
}

/* Anthropic's models are served there as Messages and nothing else, and nobody else's are (AWS, "Inference using Anthropic Messages
 * API"); an ARN does not tell whose its model is. */
static bool mantle_path(const struct provider_call *c, struct buf *out)
{
    bool claude = is_of(c->model, "claude"), messages = c->format == WIRE_ANTHROPIC_MESSAGES;
    if (claude != messages && !str_starts(c->model, S("arn:"))) return false;
    static const struct fixed_path PATHS[] = {
        {WIRE_OPENAI_RESPONSES, WIRE_GENERATE, "/openai/v1/responses"},
        {WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, "/anthropic/v1/messages"},
        {WIRE_ANTHROPIC_MESSAGES, WIRE_COUNT_TOKENS, "/anthropic/v1/messages/count_tokens"},
    };
    return put_fixed(PATHS, COUNTOF(PATHS), c, out) || openai_below_path(c, out);
}

/* The model of a path: its own name below `models`, or a resource's with its collection ("tunedModels/x"). */
static bool put_gemini(const struct provider_call *c, const char *models, struct buf *out)
{
    struct str head, rest = c->model;
    const char *verb = c->operation == WIRE_COUNT_TOKENS  ? ":countTokens"
                       : c->operation == WIRE_EMBED       ? ":embedContent"
                       : c->operation == WIRE_EMBED_BATCH ? ":batchEmbedContents"
                       : c->stream                        ? ":streamGenerateContent?alt=sse"
                                                          : ":generateContent";
    if (c->format != WIRE_GEMINI_GENERATE) return false;
    bool is_resource = memchr(rest.p, '/', rest.n) != NULL;
    buf_str(out, str_z(is_resource ? "" : models));
    while (str_cut(rest, '/', &head, &rest)) {
        buf_char(out, '/');
        buf_percent_encode(out, head);
    }
    buf_char(out, '/');
    buf_percent_encode(out, head);
    buf_str(out, str_z(verb));
    return true;
}

static bool gemini_path(const struct provider_call *c, struct buf *out) { return put_gemini(c, "/models", out); }

/* Whose model it is, its id tells: Claude's all begin so. */
static bool is_claude(struct str model) { return str_starts(model, S("claude")); }

/* "claude-opus-4@20250514": an @ needs no encoding in a path (RFC 3986 3.3), and the vendor's documents have none. */
static void put_versioned(struct buf *out, struct str model)
{
    struct str name, version;
    bool has_version = str_cut(model, '@', &name, &version);
    buf_percent_encode(out, name);
    if (!has_version) return;
    buf_char(out, '@');
    buf_percent_encode(out, version);
}

/* Below the base URL …/v1/projects/P/locations/L. Claude takes Messages, with the model in the path (Google Cloud, "Claude on Vertex
 * AI"); Google's own models take generateContent. */
static bool vertex_path(const struct provider_call *c, struct buf *out)
{
    if (wire_is_embed(c->operation)) return false; /* Vertex AI has a call of its own shape for that (predict) */
    if (c->format != WIRE_ANTHROPIC_MESSAGES) return !is_claude(c->model) && put_gemini(c, "/publishers/google/models", out);
    if (!is_claude(c->model)) return false;
    buf_str(out, S("/publishers/anthropic/models/"));
    if (c->operation == WIRE_COUNT_TOKENS) buf_str(out, S("count-tokens"));
    else put_versioned(out, c->model);
    buf_str(out, c->stream ? S(":streamRawPredict") : S(":rawPredict"));
    return true;
}

/* learn.microsoft.com, "Azure OpenAI API version lifecycle": below /openai/v1 as OpenAI has it, the model being the deployment's
 * name; below /openai with a version and, but for Responses, the deployment in the path. */
static bool azure_path(const struct provider_call *c, struct buf *out)
{
    if (c->operation == WIRE_COUNT_TOKENS) return false; /* answered with 404, state of May 2026 */
    if (!c->api_version.n) return openai_path(c, out);
    size_t at;
    bool kept = is_kept(c, WIRE_OPENAI_TASKS), asks = kept && str_find(c->rest, S("?"), &at);
    if (c->format != WIRE_OPENAI_RESPONSES && !kept) buf_fmt(out, "/deployments/%.*s", STR_ARG(c->model));
    if (!openai_path(c, out)) return false;
    buf_fmt(out, "%capi-version=%.*s", asks ? '&' : '?', STR_ARG(c->api_version));
    return true;
}

static unsigned no_credentials(struct secret key, struct buf *room, struct http_field *ret_fields)
{
    (void)key, (void)room, (void)ret_fields;
    return 0;
}

static unsigned bearer(struct secret key, struct buf *room, struct http_field *ret_fields)
{
    if (key.value.n == 0) return 0;
    buf_str(room, S("Bearer "));
    buf_str(room, key.value);
    ret_fields[0] = (struct http_field){S("authorization"), buf_view(room)};
    return 1;
}

static unsigned x_api_key(struct secret key, struct buf *room, struct http_field *ret_fields)
{
    if (key.value.n == 0) return no_credentials(key, room, ret_fields);
    ret_fields[0] = (struct http_field){S("x-api-key"), key.value};
    return 1;
}

/* A key of the resource, or a token of Entra: a JWT always begins so. */
static unsigned azure_key(struct secret key, struct buf *room, struct http_field *ret_fields)
{
    if (str_starts(key.value, S("eyJ"))) return bearer(key, room, ret_fields);
    if (key.value.n == 0) return no_credentials(key, room, ret_fields);
    ret_fields[0] = (struct http_field){S("api-key"), key.value};
    return 1;
}

static unsigned x_goog_api_key(struct secret key, struct buf *room, struct http_field *ret_fields)
{
    if (key.value.n == 0) return no_credentials(key, room, ret_fields);
    ret_fields[0] = (struct http_field){S("x-goog-api-key"), key.value};
    return 1;
}

static const struct http_field NOTHING_REQUIRED[] = {{{NULL, 0}, {NULL, 0}}};
static const struct http_field ANTHROPIC_REQUIRED[] = {
    {{"anthropic-version", 17}, {"2023-06-01", 10}},
    {{NULL, 0}, {NULL, 0}},
};

/* Amazon Bedrock User Guide, "Anthropic Claude Messages API", "Beta headers". */
static const char *const BEDROCK_BETAS[] = {
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "token-efficient-tools-2025-02-19",
    "output-128k-2025-02-19",
    "dev-full-thinking-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "fine-grained-tool-streaming-2025-05-14",
    "context-management-2025-06-27",
    "context-1m-2025-08-07",
    "tool-search-tool-2025-10-19",
    "tool-examples-2025-10-29",
    "effort-2025-11-24",
    "compact-2026-01-12",
    NULL,
};

static const struct provider_kind KINDS[] = {
    {
        .name = "openai",
        .formats = {1, {WIRE_OPENAI_CHAT}},
        .has_tasks = true,
        .keeps = true,
        .needs_url = true,
        .otel_name = "openai",
        .takes_query = true,
        .path = openai_path,
        .credentials = bearer,
        .messages_fields = NOTHING_REQUIRED,
    },
    {
        .name = "azure",
        .formats = {1, {WIRE_OPENAI_CHAT}},
        .has_tasks = true,
        .keeps = true,
        .needs_url = true,
        .has_versions = true,
        .otel_name = "azure.ai.openai",
        .has_entra_tokens = true,
        .path = azure_path,
        .credentials = azure_key,
        .messages_fields = NOTHING_REQUIRED,
        .quirks = QUIRK_OWN_REASONING,
    },
    {
        .name = "anthropic",
        .formats = {1, {WIRE_ANTHROPIC_MESSAGES}},
        .needs_url = true,
        .otel_name = "anthropic",
        .keeps = true,
        .takes_query = true,
        .path = anthropic_own_path,
        .credentials = x_api_key,
        .messages_fields = ANTHROPIC_REQUIRED,
    },
    {
        .name = "bedrock",
        .formats = {3, {WIRE_BEDROCK_CONVERSE, WIRE_BEDROCK_INVOKE, WIRE_OPENAI_CHAT}},
        .otel_name = "aws.bedrock",
        .path = bedrock_path,
        .credentials = bearer,
        .messages_fields = NOTHING_REQUIRED,
        .betas = BEDROCK_BETAS,
        .aws_service = "bedrock",
        .aws_url = "https://bedrock-runtime.REGION.amazonaws.com",
        .quirks = QUIRK_OWN_REASONING,
    },
    {
        .name = "bedrock_mantle",
        .formats = {2, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES}},
        .otel_name = "aws.bedrock",
        .path = mantle_path,
        .credentials = bearer,
        .messages_fields = ANTHROPIC_REQUIRED,
        .aws_service = "bedrock-mantle",
        .aws_url = "https://bedrock-mantle.REGION.api.aws",
        .quirks = QUIRK_OWN_REASONING,
    },
    {
        .name = "gemini",
        .formats = {1, {WIRE_GEMINI_GENERATE}},
        .needs_url = true,
        .otel_name = "gcp.gemini",
        .path = gemini_path,
        .credentials = x_goog_api_key,
        .messages_fields = NOTHING_REQUIRED,
    },
    {
        .name = "vertex",
        .formats = {2, {WIRE_GEMINI_GENERATE, WIRE_ANTHROPIC_MESSAGES}},
        .needs_url = true,
        .otel_name = "gcp.vertex_ai",
        .path = vertex_path,
        .credentials = bearer,
        .messages_fields = NOTHING_REQUIRED,
        .quirks = QUIRK_NO_CALL_ID | QUIRK_BARE_COUNT,
        .vertex_bodies = true,
        .has_google_tokens = true,
    },
    {
        .name = "local",
        .is_llama = true,
        .formats = {2, {WIRE_OPENAI_CHAT, WIRE_ANTHROPIC_MESSAGES}},
        .chat_errors = true,
        .has_tasks = true,
        .otel_name = "aquifer.local",
        .path = local_path,
        .credentials = bearer,
        .messages_fields = NOTHING_REQUIRED,
        .quirks = QUIRK_MAX_TOKENS | QUIRK_NO_DEVELOPER | QUIRK_REASONING_CONTENT, /* llama.cpp's server */
    },
};

const struct provider_kind *provider_kind_at(unsigned i) { return i < COUNTOF(KINDS) ? &KINDS[i] : NULL; }

const struct provider_kind *provider_kind_find(struct str name)
{
    for (unsigned i = 0; i < COUNTOF(KINDS); i++)
        if (str_eq(str_z(KINDS[i].name), name)) return &KINDS[i];
    return NULL;
}

/* Kinds that stand for many vendors' servers, and hosts that are known to speak more than all of them do. */
static const struct {
    const char *kind, *host;     /* the host itself and those below it */
    struct wire_formats formats; /* none: the kind's */
    uint32_t quirks;             /* beside the kind's */
} HOSTS[] = {
    {"openai", "api.openai.com", {2, {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES}}, QUIRK_OWN_REASONING},
    {"openai", "openai.azure.com", {0}, QUIRK_OWN_REASONING}, /* Azure's and Bedrock's, called as if they were OpenAI */
    {"openai", "services.ai.azure.com", {0}, QUIRK_OWN_REASONING},
    {"openai", "amazonaws.com", {0}, QUIRK_OWN_REASONING},
    {"openai", "api.aws", {0}, QUIRK_OWN_REASONING},
};

static struct str host_of(struct str url)
{
    size_t at, n = 0;
    struct str rest = str_find(url, S("://"), &at) ? str_from(url, at + 3) : STR_NONE;
    while (n < rest.n && rest.p[n] != '/' && rest.p[n] != ':') n++;
    return str_make(rest.p, n);
}

static bool is_host(struct str host, struct str name)
{
    struct str end = host.n >= name.n ? str_from(host, host.n - name.n) : STR_NONE;
    return end.n && str_eq_nocase(end, name) && (host.n == name.n || host.p[host.n - name.n - 1] == '.');
}

/* Its row, or the end of the table. */
static unsigned host_row(const struct provider_kind *k, struct str url)
{
    struct str host = host_of(url);
    unsigned i = 0;
    while (i < COUNTOF(HOSTS) && !(strcmp(HOSTS[i].kind, k->name) == 0 && is_host(host, str_z(HOSTS[i].host)))) i++;
    return i;
}

struct wire_formats provider_formats(const struct provider_kind *k, struct str url)
{
    unsigned i = host_row(k, url);
    return i < COUNTOF(HOSTS) && HOSTS[i].formats.n ? HOSTS[i].formats : k->formats;
}

uint32_t provider_quirks(const struct provider_kind *k, struct str url)
{
    unsigned i = host_row(k, url);
    return k->quirks | (i < COUNTOF(HOSTS) ? HOSTS[i].quirks : 0);
}

bool provider_takes_beta(const struct provider_kind *k, struct str beta)
{
    for (const char *const *one = k->betas; one && *one; one++)
        if (str_eq(str_z(*one), beta)) return true;
    return !k->betas;
}

#define WAIT_MAX_MS (31ull * 86400 * 1000) /* what tells a longer wait tells none */

/* Seconds (RFC 9110 10.2.3), also with the fraction some vendors send; milliseconds, rounded up. */
static bool read_seconds(struct str text, uint64_t *ret_ms)
{
    struct str whole, fraction;
    uint64_t s, thousandths = 0;
    str_cut(str_trim(text), '.', &whole, &fraction);
    if (!str_u64(whole, &s) || s > WAIT_MAX_MS / 1000) return false;
    for (size_t i = 0, unit = 100; i < fraction.n; i++, unit /= 10) {
        if (fraction.p[i] < '0' || fraction.p[i] > '9') return false;
        thousandths += unit * (uint64_t)(fraction.p[i] - '0');
    }
    *ret_ms = s * 1000 + thousandths;
    return true;
}

static int month_of(struct str name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (name.n == 3 && memcmp(names + 3 * i, name.p, 3) == 0) return i + 1;
    return 0;
}

/* IMF-fixdate, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7); the obsolete forms are not read. */
static bool read_http_date(struct str text, int64_t *ret_ms)
{
    text = str_trim(text);
    if (text.n != 29 || !str_ends(text, S(" GMT"))) return false;
    int month = month_of(str_make(text.p + 8, 3));
    if (!month) return false;
    struct buf b;
    buf_init(&b, 64);
    buf_fmt(&b, "%.4s-%02d-%.2sT%.8sZ", text.p + 12, month, text.p + 5, text.p + 17);
    bool good = clock_parse_rfc3339(buf_view(&b), ret_ms);
    buf_done(&b);
    return good;
}

static uint64_t read_retry_after(struct http_fields fields, int64_t now_ms)
{
    static const struct str MILLIS[] = {{"retry-after-ms", 14}, {"x-ms-retry-after-ms", 19}};
    uint64_t ms;
    for (unsigned i = 0; i < COUNTOF(MILLIS); i++)
        if (str_u64(str_trim(http_field_get(fields, MILLIS[i])), &ms) && ms <= WAIT_MAX_MS) return ms;
    struct str text = http_field_get(fields, S("retry-after"));
    int64_t at;
    if (!text.p) return 0;
    if (read_seconds(text, &ms)) return ms;
    if (read_http_date(text, &at) && at > now_ms && (uint64_t)(at - now_ms) <= WAIT_MAX_MS) return (uint64_t)(at - now_ms);
    return 0;
}

/* A quota that is used up: nothing comes back in seconds, and another account may have some. */
static void judge_spent(struct provider_verdict *v)
{
    enum { REST_MS = 600000 };
    v->spent = v->try_next = v->rest = true;
    if (!v->retry_after_ms) v->retry_after_ms = REST_MS;
}

/* 424: Bedrock's ModelErrorException, a model that failed while it answered; ServiceQuotaExceededException is a 400 (Amazon
 * Bedrock API reference, Converse, "Errors"). */
void provider_judge(int status, struct http_fields fields, int64_t now_ms, struct provider_verdict *ret_verdict)
{
    bool passing = status == 408 || status == 424 || status == 429 || status >= 500;
    *ret_verdict = (struct provider_verdict){
        .account = status == 401 || status == 403,
        .try_next = passing,
        .rest = passing,
        .retry_after_ms = passing ? read_retry_after(fields, now_ms) : 0,
    };
    struct str name = http_field_get(fields, S("x-amzn-errortype"));
    if (status >= 400 && str_starts(name, S("ServiceQuotaExceededException"))) judge_spent(ret_verdict);
}

/* 429s and refusals that look like others of their status and are not. From the vendors' lists of errors: OpenAI, Anthropic
 * ("billing_error"), Azure ("content filtering": the prompt's evaluation is billed). */
static const struct {
    struct str word; /* the error's code, type or status */
    bool spent, charged;
} WORDS[] = {
    {{"insufficient_quota", 18}, true, false}, {{"billing_hard_limit_reached", 26}, true, false},
    {{"billing_not_active", 18}, true, false}, {{"billing_error", 13}, true, false},
    {{"content_filter", 14}, false, true},
};

/* What only the text tells: a day's quota at Google and AWS, an empty account or a spend limit at Anthropic. */
static const struct {
    int status;
    struct str phrase;
} PHRASES[] = {
    {429, {"PerDay", 6}},
    {429, {"tokens per day", 14}},
    {400, {"credit balance is too low", 25}},
    {400, {"reached your specified API usage limits", 39}}, /* the limit that its owner set */
};

static void judge_word(const struct json_tape *t, uint32_t word, struct provider_verdict *v)
{
    if (!word || !json_is(t, word, JSON_STRING)) return;
    for (unsigned i = 0; i < COUNTOF(WORDS); i++) {
        if (!str_eq(json_text(t, word), WORDS[i].word)) continue;
        v->spent |= WORDS[i].spent;
        v->charged |= WORDS[i].charged;
    }
}

static struct str text_of(const struct json_tape *t, uint32_t object, struct str name)
{
    uint32_t at = json_find(t, object, name);
    return at && json_is(t, at, JSON_STRING) ? json_text(t, at) : STR_NONE;
}

/* google.rpc.RetryInfo: protobuf's duration, "45.837906927s". google.rpc.ErrorInfo: a wrong key is a 400 there. */
static void judge_details(const struct json_tape *t, struct provider_verdict *v)
{
    uint32_t one, details = json_path(t, 0, "error", "details");
    uint64_t ms;
    if (!details || !json_is(t, details, JSON_ARRAY)) return;
    for (struct json_iter it = json_each(t, details); json_next(t, &it, &one);) {
        struct str delay = text_of(t, one, S("retryDelay"));
        v->account |= str_starts(text_of(t, one, S("reason")), S("API_KEY_"));
        if (!v->rest || !str_ends(delay, S("s"))) continue;
        if (!read_seconds(str_make(delay.p, delay.n - 1), &ms) || ms == 0) continue;
        if (!v->retry_after_ms) v->retry_after_ms = ms;
    }
}

/* llama.cpp v0.5.0, tools/server: a text longer than a step of an embeddings model; no text. */
static const char *const CALLERS_FAULT[] = {
    "too large to process. increase the physical batch size",
    "\\\"prompt\\\" must not be empty",
};

int provider_true_status(const struct provider_kind *k, int status, struct str body)
{
    size_t at;
    if (!k->is_llama || status != 500) return status;
    for (size_t i = 0; i < COUNTOF(CALLERS_FAULT); i++)
        if (str_find(body, str_z(CALLERS_FAULT[i]), &at)) return 400;
    return status;
}

void provider_judge_body(int status, struct str body, struct json_tape *t, struct provider_verdict *v)
{
    size_t at;
    if (!wire_scan_error(t, body)) return;
    judge_details(t, v);
    judge_word(t, json_path(t, 0, "error", "code"), v);
    judge_word(t, json_path(t, 0, "error", "type"), v);
    for (unsigned i = 0; i < COUNTOF(PHRASES); i++)
        if (status == PHRASES[i].status && str_find(body, PHRASES[i].phrase, &at)) v->spent = true;
    if (v->spent) judge_spent(v);
}
