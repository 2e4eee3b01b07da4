/* OpenAI's calls that are no conversation: embeddings, images, audio, moderation, and reranking as it has become usual beside
 * them. One road only: the same format up and down, the body spliced. Facts: OpenAI API reference "Embeddings", "Images",
 * "Audio", "Moderations"; rules T1… in docs/wire.md. Pure; used by the gateway on every such request. */
#include "wire/openai_tasks/priv.h"
#include "wire/parts.h"

/* ---- request ------------------------------------------------------------------------------------------------------ */

static const struct str NEEDED[WIRE_OPERATIONS] = {
    [WIRE_EMBED] = WIRE_STR("input"),  [WIRE_IMAGE] = WIRE_STR("prompt"),   [WIRE_SPEAK] = WIRE_STR("input"),
    [WIRE_RERANK] = WIRE_STR("query"), [WIRE_MODERATE] = WIRE_STR("input"),
};

/* What the vendor takes where no model is named, routed as if it were (OpenAI's moderation guide). Images have no such name any more:
 * "Specify a model explicitly". */
static const struct str OTHERWISE[WIRE_OPERATIONS] = {[WIRE_MODERATE] = WIRE_STR("omni-moderation-latest")};

static enum err tasks_read(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *r,
                           struct fault *why)
{
    *r = (struct wire_request){.operation = op, .input_bound = t->src.n, .choices = 1};
    TRY(wire_seek_model(t, a, r, why));
    if (!r->model_n) r->model = OTHERWISE[op];
    if (!json_find(t, 0, NEEDED[op])) return FAIL(why, ERR_BAD_REQUEST, "%.*s: missing", STR_ARG(NEEDED[op]));
    uint32_t n = json_find(t, 0, S("n"));
    if (n && json_u64(t, n, &r->choices) && r->choices == 0) r->choices = 1; /* the provider judges it */
    return wire_read_stream(t, r, why);
}

/* In a form the name stands without quotation marks; a part that the form lacked comes as it is. */
static unsigned tasks_edits(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits)
{
    if (!quoted_model.n) return 0;
    bool bare = wire_manner(r->operation)->form && r->model_n;
    struct str with = bare ? str_make(quoted_model.p + 1, quoted_model.n - 2) : quoted_model;
    ret_edits[0] = (struct json_edit){r->model_at, r->model_n, with};
    return 1;
}

/* ---- usage -------------------------------------------------------------------------------------------------------- */

/* Embeddings, rerankers and local servers say prompt_tokens, images and audio input_tokens with their parts. */
static const struct {
    const char *total, *details[2], *shares[2];
    enum usage_cell rest, cells[2];
} SIDES[] = {
    {"prompt_tokens", {NULL, NULL}, {NULL, NULL}, USAGE_IN_FRESH, {0, 0}},
    {"input_tokens",
     {"input_tokens_details", "input_token_details"},
     {"image_tokens", "audio_tokens"},
     USAGE_IN_FRESH,
     {USAGE_IN_IMAGE, USAGE_IN_AUDIO}},
    {"output_tokens",
     {"output_tokens_details", "output_token_details"},
     {"image_tokens", "audio_tokens"},
     USAGE_OUT_VISIBLE,
     {USAGE_OUT_IMAGE, USAGE_OUT_AUDIO}},
};

static bool count_at(const struct json_tape *t, uint32_t object, const char *name, uint64_t *ret_n)
{
    return object && name && wire_count_in(t, object, str_z(name), ret_n);
}

static void read_side(const struct json_tape *t, uint32_t usage, unsigned side, struct usage *u)
{
    uint64_t left, part;
    if (!count_at(t, usage, SIDES[side].total, &left)) return;
    for (unsigned i = 0; i < 4; i++) {
        const char *name = SIDES[side].details[i / 2];
        uint32_t details = name ? json_find(t, usage, str_z(name)) : 0;
        if (!count_at(t, details, SIDES[side].shares[i % 2], &part)) continue;
        if (part > left) part = left;
        left -= part;
        usage_set(u, SIDES[side].cells[i % 2], part, USAGE_REPORTED);
    }
    usage_set(u, SIDES[side].rest, left, USAGE_REPORTED);
}

/* Seconds as whisper tells them, with or without a fraction: begun ones count. */
static void read_seconds(const struct json_tape *t, uint32_t at, struct usage *u)
{
    struct str whole, fraction;
    uint64_t n;
    if (!at || !json_is(t, at, JSON_NUMBER)) return;
    str_cut(json_raw(t, at), '.', &whole, &fraction);
    if (!str_u64(whole, &n) || n >= WIRE_COUNT_MAX) return;
    bool more = fraction.n && strspn(fraction.p, "0") < fraction.n;
    usage_set(u, USAGE_UNIT_AUDIO_SECOND, n + more, USAGE_REPORTED);
}

static void read_usage(const struct json_tape *t, struct usage *u)
{
    uint32_t usage = json_find(t, 0, S("usage")), units = json_path(t, 0, "meta", "billed_units", "search_units");
    uint64_t n;
    if (wire_count(t, units, &n)) usage_set(u, USAGE_UNIT_SEARCH, n, USAGE_REPORTED);
    read_seconds(t, json_find(t, 0, S("duration")), u);
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    for (unsigned i = 0; i < COUNTOF(SIDES); i++) read_side(t, usage, i, u);
    read_seconds(t, json_find(t, usage, S("seconds")), u);
    if (usage_worst(u, USAGE_INPUT) == USAGE_UNKNOWN && count_at(t, usage, "total_tokens", &n))
        usage_set(u, USAGE_IN_FRESH, n, USAGE_REPORTED); /* rerankers tell no other */
}

/* Root, usage, its details. */
#define TASK_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 3})

/* The list that an answer must have. A transcript may be plain text, subtitles, or an object of several shapes. */
static const struct str LISTS[WIRE_OPERATIONS] = {
    [WIRE_EMBED] = WIRE_STR("data"),      [WIRE_IMAGE] = WIRE_STR("data"),     [WIRE_IMAGE_EDIT] = WIRE_STR("data"),
    [WIRE_IMAGE_VARY] = WIRE_STR("data"), [WIRE_RERANK] = WIRE_STR("results"), [WIRE_MODERATE] = WIRE_STR("results"),
};

static bool makes_images(enum wire_operation op) { return op == WIRE_IMAGE || op == WIRE_IMAGE_EDIT || op == WIRE_IMAGE_VARY; }

static enum err tasks_answer(enum wire_operation op, struct str body, struct json_tape *t, struct usage *u, struct fault *why)
{
    *u = (struct usage){0};
    bool hears = op == WIRE_TRANSCRIBE || op == WIRE_TRANSLATE_AUDIO;
    if (wire_manner(op)->passes || (hears && !str_starts(str_trim(body), S("{")))) return OK;
    TRY(wire_scan_answer(t, body, &TASK_LIMITS, why));
    uint32_t list = LISTS[op].n ? json_find(t, 0, LISTS[op]) : 0;
    if (LISTS[op].n && (!list || !json_is(t, list, JSON_ARRAY)))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the provider's answer is not one to this call: it has no %.*s",
                    STR_ARG(LISTS[op]));
    uint32_t images = makes_images(op) ? json_count(t, list) : 0;
    if (images) usage_set(u, USAGE_UNIT_IMAGE, images, USAGE_REPORTED);
    read_usage(t, u);
    return OK;
}

const struct wire_ops openai_tasks_ops = {
    .format = WIRE_OPENAI_TASKS,
    .name = "openai_tasks",
    .family = "openai",
    .stream_type = "text/event-stream",
    .read = tasks_read,
    .read_form = openai_tasks_read_form,
    .edits = tasks_edits,
    .answer = tasks_answer,
    .error = openai_error,
    .error_event = openai_error_event,
    .blame = wire_blame,
};
