/* Pieces that whole answers and streams of Messages are written from. Pure. */
#include "wire/anthropic_messages/priv.h"

#include <stdio.h>

/* A9. A filter and a refusal are one here. */
static const struct str STOP_WORDS[STOP_KINDS] = {
    [STOP_UNKNOWN] = {"end_turn", 8},
    [STOP_END] = {"end_turn", 8},
    [STOP_SEQUENCE] = {"stop_sequence", 13},
    [STOP_LIMIT] = {"max_tokens", 10},
    [STOP_CONTEXT_FULL] = {"model_context_window_exceeded", 29},
    [STOP_TOOL] = {"tool_use", 8},
    [STOP_PAUSE] = {"pause_turn", 10},
    [STOP_REFUSAL] = {"refusal", 7},
    [STOP_FILTER] = {"refusal", 7},
    [STOP_MALFORMED_CALL] = {"end_turn", 8},
    [STOP_CANCELLED] = {"end_turn", 8},
    [STOP_CUT] = {"max_tokens", 10},
};

struct str anthropic_messages_stop_word(enum chat_stop_kind kind, bool refused)
{
    return STOP_WORDS[kind == STOP_END && refused ? STOP_REFUSAL : kind];
}

/* A7, A8: input without what was cached, output with what was thought. */
void anthropic_messages_put_usage(struct json_writer *w, const struct usage *u)
{
    uint64_t read = u->n[USAGE_IN_CACHE_READ] + u->n[USAGE_IN_AUDIO_CACHE_READ] + u->n[USAGE_IN_IMAGE_CACHE_READ];
    uint64_t short_lived = u->n[USAGE_IN_CACHE_WRITE_5M], long_lived = u->n[USAGE_IN_CACHE_WRITE_1H];
    uint64_t written = u->n[USAGE_IN_CACHE_WRITE] + short_lived + long_lived;
    json_put_object(w);
    json_add_u64(w, S("input_tokens"), usage_input(u) - read - written);
    json_add_u64(w, S("cache_creation_input_tokens"), written);
    json_add_u64(w, S("cache_read_input_tokens"), read);
    if (short_lived + long_lived) {
        json_add_object(w, S("cache_creation"));
        json_add_u64(w, S("ephemeral_5m_input_tokens"), short_lived);
        json_add_u64(w, S("ephemeral_1h_input_tokens"), long_lived);
        json_put_end(w);
    }
    json_add_u64(w, S("output_tokens"), usage_output(u));
    if (u->quality[USAGE_OUT_REASONING]) {
        json_add_object(w, S("output_tokens_details"));
        json_add_u64(w, S("thinking_tokens"), u->n[USAGE_OUT_REASONING]);
        json_put_end(w);
    }
    if (u->n[USAGE_UNIT_WEB_SEARCH] + u->n[USAGE_UNIT_WEB_FETCH]) {
        json_add_object(w, S("server_tool_use"));
        json_add_u64(w, S("web_search_requests"), u->n[USAGE_UNIT_WEB_SEARCH]);
        json_add_u64(w, S("web_fetch_requests"), u->n[USAGE_UNIT_WEB_FETCH]);
        json_put_end(w);
    }
    struct str tier = wire_tier_word(WIRE_ANTHROPIC_MESSAGES, u->tier);
    if (tier.n) json_add_str(w, S("service_tier"), tier);
    else if (u->tier[0]) json_add_null(w, S("service_tier"));
    json_put_end(w);
}

void anthropic_messages_put_id(struct json_writer *w, const struct wire_reply *to, const struct chat_meta *meta)
{
    char id[80];
    json_put_name(w, S("id"));
    if (str_starts(meta->id, S("msg_"))) json_put_span(w, meta->id);
    else json_put_str(w, str_make(id, (size_t)snprintf(id, sizeof id, "msg_%.*s", STR_ARG(to->id))));
}

bool anthropic_messages_signature(const struct wire_reply *to, const struct chat_opaque *o, struct arena *a, struct str *ret_span)
{
    bool ours = (o->kind == OPAQUE_SIGNATURE || o->kind == OPAQUE_REDACTED) && str_eq(to->origin.family, S("anthropic"));
    *ret_span = o->span;
    return ours || wire_seal(to, o, a, NULL, ret_span);
}
