/* Pieces that whole answers and chunks of Chat Completions are written from. Pure. */
#include "wire/openai_chat/priv.h"

#include <stdio.h>

/* C5. A refusal that is a stop of its own (Messages) has no other word here than the filter's; a pause is an end, since the
 * caller may go on. */
static const struct str STOP_WORDS[STOP_KINDS] = {
    [STOP_UNKNOWN] = {"stop", 4},
    [STOP_END] = {"stop", 4},
    [STOP_SEQUENCE] = {"stop", 4},
    [STOP_LIMIT] = {"length", 6},
    [STOP_CONTEXT_FULL] = {"length", 6},
    [STOP_TOOL] = {"tool_calls", 10},
    [STOP_PAUSE] = {"stop", 4},
    [STOP_REFUSAL] = {"content_filter", 14},
    [STOP_FILTER] = {"content_filter", 14},
    [STOP_MALFORMED_CALL] = {"stop", 4},
    [STOP_CANCELLED] = {"stop", 4},
    [STOP_CUT] = {"length", 6},
};

struct str openai_chat_stop_word(const struct chat_stop *stop) { return STOP_WORDS[stop->kind]; }

static uint64_t cells(const struct usage *u, const enum usage_cell *c, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) sum += u->n[c[i]];
    return sum;
}
#define CELLS(u, ...) \
    cells((u), (const enum usage_cell[]){__VA_ARGS__}, sizeof((const enum usage_cell[]){__VA_ARGS__}) / sizeof(enum usage_cell))

void openai_chat_put_logprobs(struct json_writer *w, enum chat_part_kind kind, struct str tokens)
{
    bool refused = kind == PART_REFUSAL;
    json_put_name(w, S("logprobs"));
    if (!tokens.n) {
        json_put_null(w);
        return;
    }
    json_put_object(w);
    json_add_raw(w, S("content"), refused ? S("null") : tokens);
    json_add_raw(w, S("refusal"), refused ? tokens : S("null"));
    json_put_end(w);
}

/* C6: the totals include cached, written and reasoning tokens, which are told again as shares. */
void openai_chat_put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t input = usage_input(u), output = usage_output(u);
    json_put_object(w);
    json_add_u64(w, S("prompt_tokens"), input);
    json_add_u64(w, S("completion_tokens"), output);
    json_add_u64(w, S("total_tokens"), input + output);
    json_add_object(w, S("prompt_tokens_details"));
    json_add_u64(w, S("cached_tokens"), CELLS(u, USAGE_IN_CACHE_READ, USAGE_IN_AUDIO_CACHE_READ, USAGE_IN_IMAGE_CACHE_READ));
    json_add_u64(w, S("audio_tokens"), CELLS(u, USAGE_IN_AUDIO, USAGE_IN_AUDIO_CACHE_READ));
    uint64_t written = CELLS(u, USAGE_IN_CACHE_WRITE, USAGE_IN_CACHE_WRITE_5M, USAGE_IN_CACHE_WRITE_1H);
    if (written) json_add_u64(w, S("cache_write_tokens"), written);
    json_put_end(w);
    json_add_object(w, S("completion_tokens_details"));
    json_add_u64(w, S("reasoning_tokens"), u->n[USAGE_OUT_REASONING]);
    json_add_u64(w, S("audio_tokens"), u->n[USAGE_OUT_AUDIO]);
    json_add_u64(w, S("accepted_prediction_tokens"), u->n[USAGE_OUT_PREDICTION_ACCEPTED]);
    json_add_u64(w, S("rejected_prediction_tokens"), u->n[USAGE_OUT_PREDICTION_REJECTED]);
    json_put_end(w);
    json_put_end(w);
}

/* An id that the upstream gave is kept when it is one of this format's kind; another vendor's would mislead. */
void openai_chat_put_head(struct json_writer *w, const struct wire_reply *to, const struct chat_meta *meta, struct str object)
{
    char id[80];
    json_put_name(w, S("id"));
    if (str_starts(meta->id, S("chatcmpl-"))) json_put_span(w, meta->id);
    else json_put_str(w, str_make(id, (size_t)snprintf(id, sizeof id, "chatcmpl-%.*s", STR_ARG(to->id))));
    json_add_str(w, S("object"), object);
    json_add_i64(w, S("created"), meta->created_s ? meta->created_s : to->now_s);
    json_put_name(w, S("model"));
    if (meta->model.p) json_put_span(w, meta->model);
    else json_put_str(w, to->model);
}

/* The members of one call behind its index: id, type, function. `arguments`: the inside of a string. */
void openai_chat_put_call(struct json_writer *w, const struct chat_item *call, struct str arguments)
{
    bool custom = call->form == CALL_CUSTOM;
    json_put_name(w, S("id"));
    json_put_span(w, call->call_id);
    json_add_str(w, S("type"), custom ? S("custom") : S("function"));
    json_add_object(w, custom ? S("custom") : S("function"));
    json_put_name(w, S("name"));
    json_put_span(w, call->name);
    json_put_name(w, custom ? S("input") : S("arguments"));
    json_put_span(w, arguments);
    json_put_end(w);
}

/* C16. */
void openai_chat_put_annotation(struct json_writer *w, const struct chat_annotation *note, struct wire_range range)
{
    json_put_object(w);
    json_add_str(w, S("type"), S("url_citation"));
    json_add_object(w, S("url_citation"));
    json_add_u64(w, S("start_index"), range.start);
    json_add_u64(w, S("end_index"), range.end);
    json_put_name(w, S("url"));
    json_put_span(w, note->url);
    json_put_name(w, S("title"));
    json_put_span(w, note->title);
    json_put_end(w);
    json_put_end(w);
}
