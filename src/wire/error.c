/* What the errors of all formats have in common: the class that a status tells, and the reasons that clients know by the words of
 * their own vendor. Called by the formats' readers and writers of errors. Pure. */
#include "wire/formats.h"

static const struct {
    int status;
    enum err_class class;
} STATUS_CLASSES[] = {
    {400, CLASS_REQUEST},  {401, CLASS_AUTH},    {402, CLASS_BILLING},    {403, CLASS_PERMISSION}, {404, CLASS_NOT_FOUND},
    {408, CLASS_TIMEOUT},  {409, CLASS_REQUEST}, {413, CLASS_TOO_LARGE},  {422, CLASS_REQUEST},    {502, CLASS_UPSTREAM},
    {424, CLASS_UPSTREAM}, {429, CLASS_RATE},    {503, CLASS_OVERLOADED}, {504, CLASS_TIMEOUT},    {529, CLASS_OVERLOADED},
};

/* The class that the status tells, unless the words told a better one. */
void wire_error_status(struct chat_error *e, int status)
{
    bool told = e->class != CLASS_NONE && e->class != CLASS_UPSTREAM;
    e->status = status;
    if (e->class == CLASS_NONE) e->class = CLASS_UPSTREAM;
    for (unsigned i = 0; i < COUNTOF(STATUS_CLASSES) && !told; i++)
        if (STATUS_CLASSES[i].status == status) e->class = STATUS_CLASSES[i].class;
    if (!e->message.n) e->message = S("the provider answered with an error and said no more");
    wire_error_reason(e);
}

/* Of an error that came without one: its code where that is a status (OpenRouter), else the first row of its class. */
int wire_status_of(const struct chat_error *e)
{
    uint64_t code;
    if (str_eq(e->word, S("overloaded_error"))) return 529; /* Anthropic's own */
    if (str_u64(e->word, &code) && code >= 400 && code < 600) return (int)code;
    for (unsigned i = 0; i < COUNTOF(STATUS_CLASSES); i++)
        if (STATUS_CLASSES[i].class == e->class) return STATUS_CLASSES[i].status;
    return 502;
}

/* ---- reasons ---------------------------------------------------------------------------------------------------------------- */

/* The vendors' codes. OpenAI and Azure: "Error codes"; llama.cpp's server: exceed_context_size_error. */
static const struct {
    struct str word;
    enum chat_reason reason;
} REASONS[] = {
    {{"context_length_exceeded", 23}, REASON_CONTEXT_FULL},
    {{"exceed_context_size_error", 25}, REASON_CONTEXT_FULL},
    {{"content_filter", 14}, REASON_FILTER},
    {{"content_policy_violation", 24}, REASON_FILTER},
};

/* Where there is no code, only the text tells. Anthropic, Bedrock (two wordings), Gemini, OpenAI's Responses, vLLM, llama.cpp. */
static const struct str FULL[] = {
    {"prompt is too long", 18},         {"exceed context limit", 20},
    {"input is too long", 17},          {"maximum number of tokens allowed", 32},
    {"exceeds the context window", 26}, {"maximum context length", 22},
    {"too large to process", 20},       {"exceeds the available context size", 34},
};

static bool says(struct str text, struct str phrase)
{
    for (size_t i = 0; i + phrase.n <= text.n; i++)
        if (str_eq_nocase(str_make(text.p + i, phrase.n), phrase)) return true;
    return false;
}

void wire_error_reason(struct chat_error *e)
{
    bool is_callers = e->class == CLASS_REQUEST || e->class == CLASS_TOO_LARGE;
    for (unsigned i = 0; i < COUNTOF(REASONS); i++)
        if (str_eq(e->word, REASONS[i].word)) e->reason = REASONS[i].reason;
    for (unsigned i = 0; i < COUNTOF(FULL) && is_callers && !e->reason; i++)
        if (says(e->message, FULL[i])) e->reason = REASON_CONTEXT_FULL;
}

void wire_add_message(struct json_writer *w, const struct chat_error *e, struct str full_words)
{
    json_put_name(w, S("message"));
    json_put_string_begin(w);
    if (e->reason == REASON_CONTEXT_FULL && !says(e->message, full_words)) {
        json_escape(w->out, full_words);
        json_escape(w->out, S(": "));
    }
    json_escape(w->out, e->message);
    json_put_string_end(w);
}

enum err wire_fail_answer(struct chat_answer *answer, const struct chat_error *e, struct fault *why)
{
    answer->failure = arena_alloc(answer->arena, sizeof *answer->failure);
    if (!answer->failure) return FAIL(why, ERR_UPSTREAM_TOO_LARGE, "the provider's answer is too long to be read");
    *answer->failure = *e;
    wire_error_status(answer->failure, wire_status_of(e));
    return FAIL(why, ERR_UPSTREAM_ERROR, "the provider's answer is an error: %.*s: %.*s", STR_ARG(e->word), STR_ARG(e->message));
}
