/* The settings of Responses, for both directions. What OpenAI's own API does not know and what only steers the provider's side is
 * counted; what would change the answer itself and has no word here is not in the table and is refused. */
#include "wire/openai_responses/priv.h"

/* Read, and refused by every writer: what is kept elsewhere (R4). */
#define KEPT(name) {WIRE_STR(name), 0, LACK_REFUSE, 0}

const struct wire_setting openai_responses_settings[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = WIRE_SET("temperature"),
    [SET_TOP_P] = WIRE_SET("top_p"),
    [SET_TOP_K] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_MAX_OUTPUT] = WIRE_SET_OWN("max_output_tokens"), /* it has a least */
    [SET_N] = {.lack = LACK_OWN},                         /* one is the same as none */
    [SET_SEED] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_FREQUENCY_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_PRESENCE_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGPROBS] = {.lack = LACK_OWN}, /* asked for by include */
    [SET_TOP_LOGPROBS] = WIRE_SET("top_logprobs"),
    [SET_USER] = WIRE_SET("user"),
    [SET_METADATA] = WIRE_SET_OWN("metadata"),
    [SET_SERVICE_TIER] = WIRE_SET_OWN("service_tier"),
    [SET_STORE] = WIRE_SET_OWN("store"),
    [SET_CACHE_KEY] = WIRE_SET("prompt_cache_key"),
    [SET_CACHE_RETENTION] = WIRE_SET("prompt_cache_retention"),
    [SET_CACHE_ALL] = WIRE_SET_LOSE(LOSS_CACHE),
    [SET_SAFETY_ID] = WIRE_SET("safety_identifier"),
    [SET_VERBOSITY] = WIRE_SET_IN(OPENAI_RESPONSES_TEXT, "verbosity"),
    [SET_CONTEXT] = WIRE_SET_OWN("context_management"), /* the words are the vendor's */
    [SET_TRUNCATION] = WIRE_SET("truncation"),
    [SET_INCLUDE] = WIRE_SET_OWN("include"),
    [SET_PREVIOUS] = KEPT("previous_response_id"),
    [SET_CONVERSATION] = KEPT("conversation"),
    [SET_BACKGROUND] = WIRE_SET_OWN("background"),
    [SET_PROMPT] = WIRE_SET("prompt"),
    [SET_MAX_TOOL_CALLS] = WIRE_SET("max_tool_calls"),
    [SET_CLIENT_METADATA] = WIRE_SET("client_metadata"),
    [SET_BETAS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_LATENCY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MORE_PATHS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MEDIA_RESOLUTION] = WIRE_SET_LOSE(LOSS_DETAIL),
};
