/* Paths, credentials, and what a failed answer means. */
#include "base/test.h"

#include "provider/provider.h"

static void paths_by_kind(void **state)
{
    (void)state;
    static const struct {
        const char *kind;
        enum wire_format format;
        enum wire_operation operation;
        const char *path;
    } CASES[] = {
        {"openai", WIRE_OPENAI_CHAT, WIRE_GENERATE, "/chat/completions"},
        {"openai", WIRE_OPENAI_RESPONSES, WIRE_GENERATE, "/responses"},
        {"openai", WIRE_OPENAI_RESPONSES, WIRE_COMPACT, "/responses/compact"},
        {"openai", WIRE_OPENAI_CHAT, WIRE_COMPACT, NULL},
        {"openai", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, NULL},
        {"azure", WIRE_OPENAI_CHAT, WIRE_GENERATE, "/chat/completions"},
        {"azure", WIRE_OPENAI_TASKS, WIRE_EMBED, "/embeddings"},
        {"azure", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, NULL},
        {"anthropic", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, "/v1/messages"},
        {"anthropic", WIRE_ANTHROPIC_MESSAGES, WIRE_COUNT_TOKENS, "/v1/messages/count_tokens"},
        {"anthropic", WIRE_OPENAI_CHAT, WIRE_GENERATE, NULL},
        {"local", WIRE_OPENAI_CHAT, WIRE_GENERATE, "/v1/chat/completions"},
        {"local", WIRE_ANTHROPIC_MESSAGES, WIRE_GENERATE, "/v1/messages"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct provider_call call = {.format = CASES[i].format, .operation = CASES[i].operation};
        struct buf path;
        buf_init(&path, 100);
        assert_int_equal(provider_kind_find(str_z(CASES[i].kind))->path(&call, &path), CASES[i].path != NULL);
        assert_string_equal(buf_z(&path), CASES[i].path ? CASES[i].path : "");
        buf_done(&path);
    }
    assert_null(provider_kind_find(S("nobody")));
}

/* The model stands in Bedrock's paths as one encoded segment, and whose it is tells what it can be called with. */
static void bedrock_by_model(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        bool stream;
        const char *model, *path;
    } CASES[] = {
        {WIRE_BEDROCK_CONVERSE, false, "us.anthropic.claude-x-v1:0", "/model/us.anthropic.claude-x-v1%3A0/converse"},
        {WIRE_BEDROCK_CONVERSE, true, "arn:aws:b/c", "/model/arn%3Aaws%3Ab%2Fc/converse-stream"},
        {WIRE_BEDROCK_INVOKE, true, "anthropic.c", "/model/anthropic.c/invoke-with-response-stream"},
        {WIRE_BEDROCK_INVOKE, false, "arn:x", "/model/arn%3Ax/invoke"},
        {WIRE_BEDROCK_INVOKE, false, "amazon.nova-pro-v1:0", NULL},
        {WIRE_OPENAI_CHAT, false, "gpt-5.5", "/openai/v1/chat/completions"},
        {WIRE_OPENAI_CHAT, false, "anthropic.c", NULL},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct provider_call call = {
            .format = CASES[i].format, .operation = WIRE_GENERATE, .model = str_z(CASES[i].model), .stream = CASES[i].stream};
        struct buf path;
        buf_init(&path, 100);
        assert_int_equal(provider_kind_find(S("bedrock"))->path(&call, &path), CASES[i].path != NULL);
        assert_string_equal(buf_z(&path), CASES[i].path ? CASES[i].path : "");
        buf_done(&path);
    }
}

static void azure_by_version(void **state)
{
    (void)state;
    static const struct {
        enum wire_format format;
        const char *path;
    } CASES[] = {
        {WIRE_OPENAI_CHAT, "/deployments/d/chat/completions?api-version=2024-10-21"},
        {WIRE_OPENAI_RESPONSES, "/responses?api-version=2024-10-21"},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct provider_call call = {CASES[i].format, WIRE_GENERATE, S("d"), false, S("2024-10-21")};
        struct buf path;
        buf_init(&path, 100);
        assert_true(provider_kind_find(S("azure"))->path(&call, &path));
        assert_string_equal(buf_z(&path), CASES[i].path);
        buf_done(&path);
    }
}

static void azure_by_key_or_token(void **state)
{
    (void)state;
    struct http_field fields[PROVIDER_FIELDS_MAX];
    struct buf room;
    buf_init(&room, 100);
    assert_int_equal(provider_kind_find(S("azure"))->credentials((struct secret){S("0123")}, &room, fields), 1);
    assert_str(fields[0].name, "api-key");
    assert_int_equal(provider_kind_find(S("azure"))->credentials((struct secret){S("eyJ0.e.x")}, &room, fields), 1);
    assert_str(fields[0].value, "Bearer eyJ0.e.x");
    buf_done(&room);
}

static void what_bodies_add(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        bool spent, charged;
    } CASES[] = {
        {429, "{\"error\":{\"code\":\"insufficient_quota\"}}", true, false},
        {429, "{\"error\":{\"type\":\"insufficient_quota\",\"code\":null}}", true, false},
        {429, "{\"error\":{\"code\":\"rate_limit_exceeded\"}}", false, false},
        {402, "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\"}}", true, false},
        {400, "{\"error\":{\"message\":\"Your credit balance is too low to …\"}}", true, false},
        {400, "{\"error\":{\"message\":\"You have reached your specified API usage limits. You will …\"}}", true, false},
        {429, "{\"error\":{\"code\":429,\"details\":[{\"quotaId\":\"RequestsPerDayPerProject\"}]}}", true, false},
        {429, "{\"message\":\"Too many tokens per day, please wait\"}", true, false},
        {400, "{\"error\":{\"code\":\"content_filter\"}}", false, true},
        {500, "PerDay", false, false},
        {429, "[]", false, false},
    };
    struct json_tape tape;
    json_tape_init(&tape, 0);
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct provider_verdict v;
        provider_judge(CASES[i].status, (struct http_fields){NULL, 0}, 0, &v);
        bool before = v.try_next;
        provider_judge_body(CASES[i].status, str_z(CASES[i].body), &tape, &v);
        if (v.spent != CASES[i].spent || v.charged != CASES[i].charged) fail_msg("case %u", i);
        assert_true(v.try_next == (before || v.spent) && (v.retry_after_ms == 600000) == v.spent);
    }
    json_tape_done(&tape);
}

static void whose_credential_is_refused(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        bool account;
    } CASES[] = {
        {401, "{\"error\":{\"code\":\"invalid_api_key\"}}", true},
        {403, "", true},
        {400, "{\"error\":{\"code\":400,\"details\":[{\"reason\":\"API_KEY_INVALID\"}]}}", true},
        {400, "{\"error\":{\"code\":400,\"details\":[{\"reason\":\"OTHER\"}]}}", false},
        {400, "{\"error\":{\"message\":\"no field API_KEY_INVALID\"}}", false},
        {404, "{}", false},
        {429, "{}", false},
    };
    struct json_tape tape;
    json_tape_init(&tape, 0);
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct provider_verdict v;
        provider_judge(CASES[i].status, (struct http_fields){NULL, 0}, 0, &v);
        provider_judge_body(CASES[i].status, str_z(CASES[i].body), &tape, &v);
        if (v.account != CASES[i].account) fail_msg("case %u", i);
    }
    json_tape_done(&tape);
}

static void what_the_status_should_be(void **state)
{
    (void)state;
    static const struct {
        int status, truly;
        const char *body;
    } CASES[] = {
        {500, 400,
         "{\"error\":{\"code\":500,\"message\":\"input (902 tokens) is too large to process. increase the physical batch size "
         "(current batch size: 512)\",\"type\":\"server_error\"}}"},
        {500, 400, "{\"error\":{\"code\":500,\"message\":\"\\\"prompt\\\" must not be empty\",\"type\":\"server_error\"}}"},
        {501, 501, "{\"error\":{\"code\":501,\"message\":\"not implemented\"}}"},
        {500, 500, "This server does not support embeddings"},
        {500, 500, "{\"error\":{\"code\":500,\"message\":\"out of memory\",\"type\":\"server_error\"}}"},
        {503, 503, "too large to process. increase the physical batch size"},
        {500, 500, ""},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct str body = str_z(CASES[i].body);
        assert_int_equal(provider_true_status(provider_kind_find(S("local")), CASES[i].status, body), CASES[i].truly);
        assert_int_equal(provider_true_status(provider_kind_find(S("openai")), CASES[i].status, body), CASES[i].status);
    }
}

static void a_quota_of_aws(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *name;
        bool spent;
    } CASES[] = {
        {400, "ServiceQuotaExceededException:http://internal.amazon.com/coral/", true},
        {400, "ServiceQuotaExceededException", true},
        {400, "ValidationException", false},
        {200, "ServiceQuotaExceededException", false},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct http_field f = {S("x-amzn-errortype"), str_z(CASES[i].name)};
        struct provider_verdict v;
        provider_judge(CASES[i].status, (struct http_fields){&f, 1}, 0, &v);
        assert_true(v.spent == CASES[i].spent && v.try_next == v.spent && v.rest == v.spent);
        assert_int_equal(v.retry_after_ms, v.spent ? 600000 : 0);
    }
}

/* G14: google.rpc.RetryInfo, also in the array that some front ends put around an error. */
static void a_wait_in_the_body(void **state)
{
    (void)state;
#define INFO(delay) "{\"error\":{\"code\":429,\"details\":[7,{\"@type\":\"x\"},{\"retryDelay\":" delay "}]}}"
    static const struct {
        int status;
        const char *body;
        uint64_t ms;
    } CASES[] = {
        {429, INFO("\"45.837906927s\""), 45837},
        {429, "[" INFO("\"2s\"") "]", 2000},
        {503, INFO("\"0.5s\""), 500},
        {400, INFO("\"2s\""), 0},
        {429, INFO("\"2\""), 0},
        {429, INFO("\"s\""), 0},
        {429, INFO("\"-2s\""), 0},
        {429, INFO("2"), 0},
        {429, "{\"error\":{\"details\":7}}", 0},
    };
    struct json_tape tape;
    json_tape_init(&tape, 0);
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct provider_verdict v;
        provider_judge(CASES[i].status, (struct http_fields){NULL, 0}, 0, &v);
        provider_judge_body(CASES[i].status, str_z(CASES[i].body), &tape, &v);
        if (v.retry_after_ms != CASES[i].ms) fail_msg("case %u: %llu", i, (unsigned long long)v.retry_after_ms);
    }
    json_tape_done(&tape);
}

#define F(name, value) {{name, sizeof name - 1}, {value, sizeof value - 1}}
static void what_is_left_of_limits(void **state)
{
    (void)state;
    static const struct {
        struct http_field fields[4];
        int64_t requests, tokens;
        uint64_t rest_ms;
    } CASES[] = {
        {{F("x-ratelimit-remaining-requests", "4999"), F("x-ratelimit-reset-requests", "12ms")}, 4999, -1, 0},
        {{F("x-ratelimit-remaining-tokens", "0"), F("x-ratelimit-reset-tokens", "6m0s")}, -1, 0, 360000},
        {{F("x-ratelimit-remaining-requests", "0"), F("x-ratelimit-reset-requests", "1m2.5s")}, 0, -1, 63000},
        {{F("x-ratelimit-remaining-requests", "-1"), F("x-ratelimit-reset-requests", "1s")}, -1, -1, 0},
        {{F("x-ratelimit-remaining-requests", "0")}, 0, -1, 0},
        {{F("x-ratelimit-remaining-requests", "0"), F("x-ratelimit-reset-requests", "soon")}, 0, -1, 0},
        {{F("x-ratelimit-remaining-requests", "0"), F("x-ratelimit-reset-requests", "999999999d")}, 0, -1, 0},
        {{F("anthropic-ratelimit-output-tokens-remaining", "0"),
          F("anthropic-ratelimit-output-tokens-reset", "1970-01-01T00:01:00Z"),
          F("anthropic-ratelimit-input-tokens-remaining", "70")},
         -1,
         0,
         50000},
        {{F("anthropic-ratelimit-requests-remaining", "0"), F("anthropic-ratelimit-requests-reset", "1970-01-01T00:00:01Z")},
         0,
         -1,
         0},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct provider_headroom room;
        provider_headroom((struct http_fields){CASES[i].fields, 4}, 10000, &room);
        if (room.requests != CASES[i].requests || room.tokens != CASES[i].tokens || room.rest_ms != CASES[i].rest_ms)
            fail_msg("case %u: %lld %lld %llu", i, (long long)room.requests, (long long)room.tokens,
                     (unsigned long long)room.rest_ms);
    }
}

static void paths_with_the_model(void **state)
{
    static const struct {
        const char *kind, *model;
        enum wire_operation operation;
        bool stream;
        const char *path; /* NULL: none */
        bool messages;
    } CASES[] = {
        {"vertex", "claude-opus-4@20250514", WIRE_GENERATE, false,
         "/publishers/anthropic/models/claude-opus-4@20250514:rawPredict", true},
        {"vertex", "claude-5", WIRE_GENERATE, true, "/publishers/anthropic/models/claude-5:streamRawPredict", true},
        {"vertex", "claude-5", WIRE_COUNT_TOKENS, false, "/publishers/anthropic/models/count-tokens:rawPredict", true},
        {"vertex", "claude/../5@a/b", WIRE_GENERATE, false, "/publishers/anthropic/models/claude%2F..%2F5@a%2Fb:rawPredict",
         true},
        {"vertex", "claude-5", WIRE_GENERATE, false, NULL},
        {"vertex", "gemini-3", WIRE_GENERATE, false, NULL, true},
        {"gemini", "g-2.5", WIRE_GENERATE, false, "/models/g-2.5:generateContent"},
        {"gemini", "g", WIRE_GENERATE, true, "/models/g:streamGenerateContent?alt=sse"},
        {"gemini", "g", WIRE_COUNT_TOKENS, false, "/models/g:countTokens"},
        {"gemini", "tunedModels/a?b", WIRE_GENERATE, false, "/tunedModels/a%3Fb:generateContent"},
        {"vertex", "g", WIRE_GENERATE, true, "/publishers/google/models/g:streamGenerateContent?alt=sse"},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct buf path;
        enum wire_format f = CASES[i].messages ? WIRE_ANTHROPIC_MESSAGES : WIRE_GEMINI_GENERATE;
        const struct provider_call call = {f, CASES[i].operation, str_z(CASES[i].model), CASES[i].stream};
        buf_init(&path, 200);
        bool has = provider_kind_find(str_z(CASES[i].kind))->path(&call, &path);
        assert_int_equal(has, CASES[i].path != NULL);
        if (has) assert_string_equal(buf_z(&path), CASES[i].path);
        buf_done(&path);
    }
}

static void mantle_by_maker(void **state)
{
    static const struct {
        const char *model;
        bool chat, responses, messages;
    } CASES[] = {
        {"anthropic.claude-opus-5-v1:0", false, false, true},
        {"us.anthropic.claude-sonnet-5", false, false, true},
        {"openai.gpt-oss-120b", true, true, false},
        {"arn:aws:bedrock:us-east-1:1:application-inference-profile/x", true, true, true},
    };
    static const enum wire_format FORMATS[] = {WIRE_OPENAI_CHAT, WIRE_OPENAI_RESPONSES, WIRE_ANTHROPIC_MESSAGES};
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const bool speaks[] = {CASES[i].chat, CASES[i].responses, CASES[i].messages};
        for (unsigned k = 0; k < COUNTOF(FORMATS); k++) {
            char room[64];
            struct buf path = {.p = room, .cap = sizeof room, .max = sizeof room};
            const struct provider_call call = {.format = FORMATS[k], .operation = WIRE_GENERATE, .model = str_z(CASES[i].model)};
            bool has = provider_kind_find(S("bedrock_mantle"))->path(&call, &path);
            if (has != speaks[k]) fail_msg("%s in %s: %d", CASES[i].model, wire_format_name(FORMATS[k]), has);
        }
    }
}

static void credentials_by_kind(void **state)
{
    (void)state;
    struct http_field f[PROVIDER_FIELDS_MAX];
    struct secret key = {S("k")};
    struct buf room;
    buf_init(&room, 100);
    assert_int_equal(provider_kind_find(S("openai"))->credentials(key, &room, f), 1);
    assert_true(str_eq(f[0].name, S("authorization")) && str_eq(f[0].value, S("Bearer k")));
    assert_int_equal(provider_kind_find(S("anthropic"))->credentials(key, &room, f), 1);
    assert_true(str_eq(f[0].name, S("x-api-key")) && str_eq(f[0].value, S("k")));
    assert_int_equal(provider_kind_find(S("openai"))->credentials((struct secret){STR_NONE}, &room, f), 0);
    buf_done(&room);
}

static void what_a_failure_means(void **state)
{
    (void)state;
    static const int64_t NOW = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        int status;
        const char *name, *value;
        bool next;
        uint64_t after;
    } CASES[] = {
        {200, "x", "", false, 0},
        {400, "retry-after", "9", false, 0},
        {401, "x", "", false, 0},
        {408, "x", "", true, 0},
        {424, "x", "", true, 0},
        {429, "retry-after", "7", true, 7000},
        {429, "retry-after", "1.5", true, 1500},
        {429, "retry-after-ms", "250", true, 250},
        {429, "retry-after", "Sun, 06 Nov 1994 08:50:00 GMT", true, 23000},
        {429, "retry-after", "Sun, 06 Nov 1994 08:49:00 GMT", true, 0},
        {429, "retry-after", "soon", true, 0},
        {429, "retry-after", "-1", true, 0},
        {429, "retry-after", "99999999999999999999", true, 0},
        {500, "x", "", true, 0},
        {529, "retry-after", "2", true, 2000},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct http_field f = {str_z(CASES[i].name), str_z(CASES[i].value)};
        struct provider_verdict v;
        provider_judge(CASES[i].status, (struct http_fields){&f, 1}, NOW, &v);
        assert_int_equal(v.try_next, CASES[i].next);
        assert_int_equal(v.retry_after_ms, CASES[i].after);
    }
}

static void formats_by_host(void **state)
{
    static const struct {
        const char *kind, *url;
        unsigned n;
    } CASES[] = {
        {"openai", "https://api.openai.com/v1", 2},
        {"openai", "https://EU.api.OpenAI.com:443", 2},
        {"openai", "http://127.0.0.1:8000/v1", 1},
        {"openai", "https://api.openai.com.example.org/v1", 1},
        {"openai", "https://myapi.openai.com/v1", 1},
        {"openai", "https://h/api.openai.com", 1},
        {"azure", "https://api.openai.com/openai/v1", 1},
        {"anthropic", "https://api.anthropic.com", 1},
        {"openai", "", 1},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct provider_kind *k = provider_kind_find(str_z(CASES[i].kind));
        struct wire_formats got = provider_formats(k, str_z(CASES[i].url));
        if (got.n != CASES[i].n) fail_msg("%s: %u formats", CASES[i].url, got.n);
        assert_int_equal(got.at[0], k->formats.at[0]); /* the preferred one stays */
    }
}

static void quirks_by_host(void **state)
{
    static const struct {
        const char *kind, *url;
        uint32_t quirks;
    } CASES[] = {
        {"openai", "https://api.openai.com/v1", QUIRK_OWN_REASONING},
        {"openai", "https://us.api.openai.com/v1", QUIRK_OWN_REASONING},
        {"openai", "https://r.openai.azure.com/openai/v1", QUIRK_OWN_REASONING},
        {"openai", "https://bedrock-mantle.us-east-1.api.aws/openai/v1", QUIRK_OWN_REASONING},
        {"openai", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", QUIRK_OWN_REASONING},
        {"openai", "http://vllm.example.org:8000/v1", 0},
        {"openai", "https://api.openai.com.example.org/v1", 0},
        {"azure", "https://any.example.org/openai/v1", QUIRK_OWN_REASONING},
        {"bedrock_mantle", "", QUIRK_OWN_REASONING},
        {"anthropic", "https://api.openai.com/v1", 0},
    };
    (void)state;
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        uint32_t got = provider_quirks(provider_kind_find(str_z(CASES[i].kind)), str_z(CASES[i].url));
        if (got != CASES[i].quirks) fail_msg("%s: %x", CASES[i].url, got);
    }
}

static void betas_that_are_known(void **state)
{
    const struct provider_kind *bedrock = provider_kind_find(S("bedrock")), *anthropic = provider_kind_find(S("anthropic"));
    assert_true(provider_takes_beta(bedrock, S("context-1m-2025-08-07")));
    assert_false(provider_takes_beta(bedrock, S("context-1m")));
    assert_false(provider_takes_beta(bedrock, S("claude-code-20250219")));
    assert_true(provider_takes_beta(anthropic, S("claude-code-20250219")));
}

static void what_accounts_keep(void **state)
{
    static const struct {
        const char *kind, *version, *rest, *path; /* path NULL: it keeps none */
    } CASES[] = {
        {"openai", "", "/files?limit=2", "/files?limit=2"},
        {"azure", "", "/files", "/files"},
        {"azure", "2024-10-21", "/files", "/files?api-version=2024-10-21"},
        {"azure", "2024-10-21", "/files?limit=2", "/files?limit=2&api-version=2024-10-21"},
        {"anthropic", "", "/messages/batches", "/v1/messages/batches"},
        {"local", "", "/files", NULL},
        {"bedrock_mantle", "", "/files", NULL},
    };
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        const struct provider_kind *k = provider_kind_find(str_z(CASES[i].kind));
        bool is_anthropic = strcmp(CASES[i].kind, "anthropic") == 0;
        const struct provider_call c = {.format = is_anthropic ? WIRE_ANTHROPIC_MESSAGES : WIRE_OPENAI_TASKS,
                                        .operation = WIRE_KEEP,
                                        .api_version = str_z(CASES[i].version),
                                        .rest = str_z(CASES[i].rest)};
        struct buf out;
        buf_init(&out, KIB(1));
        assert_int_equal(k->path(&c, &out), CASES[i].path != NULL);
        if (CASES[i].path) assert_string_equal(buf_z(&out), CASES[i].path);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_by_host),
        cmocka_unit_test(quirks_by_host),
        cmocka_unit_test(betas_that_are_known),
        cmocka_unit_test(what_accounts_keep),
        cmocka_unit_test(paths_by_kind),
        cmocka_unit_test(bedrock_by_model),
        cmocka_unit_test(azure_by_version),
        cmocka_unit_test(azure_by_key_or_token),
        cmocka_unit_test(what_bodies_add),
        cmocka_unit_test(a_wait_in_the_body),
        cmocka_unit_test(what_is_left_of_limits),
        cmocka_unit_test(mantle_by_maker),
        cmocka_unit_test(paths_with_the_model),
        cmocka_unit_test(credentials_by_kind),
        cmocka_unit_test(what_a_failure_means),
        cmocka_unit_test(whose_credential_is_refused),
        cmocka_unit_test(what_the_status_should_be),
        cmocka_unit_test(a_quota_of_aws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
