/* The settings of Chat Completions, for both directions. What OpenAI's own API does not know and what only steers the
 * provider's side is counted; what would change the answer itself and has no word here is not in the table and is refused. */
#include "wire/openai_chat/priv.h"

const struct wire_setting openai_chat_settings[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = WIRE_SET("temperature"),
    [SET_TOP_P] = WIRE_SET("top_p"),
    [SET_TOP_K] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_MAX_OUTPUT] = {.lack = LACK_OWN}, /* max_completion_tokens, or max_tokens by a quirk: C14 */
    [SET_STOP] = {.lack = LACK_OWN},       /* a string or an array */
    [SET_N] = WIRE_SET("n"),
    [SET_SEED] = WIRE_SET("seed"),
    [SET_FREQUENCY_PENALTY] = WIRE_SET("frequency_penalty"),
    [SET_PRESENCE_PENALTY] = WIRE_SET("presence_penalty"),
    [SET_LOGIT_BIAS] = WIRE_SET("logit_bias"),
    [SET_LOGPROBS] = WIRE_SET("logprobs"),
    [SET_TOP_LOGPROBS] = WIRE_SET("top_logprobs"),
    [SET_USER] = WIRE_SET("user"),
    [SET_METADATA] = WIRE_SET_OWN("metadata"),         /* C12: beside store: true */
    [SET_SERVICE_TIER] = WIRE_SET_OWN("service_tier"), /* the words are the vendor's */
    [SET_STORE] = WIRE_SET("store"),
    [SET_CACHE_KEY] = WIRE_SET("prompt_cache_key"),
    [SET_CACHE_RETENTION] = WIRE_SET("prompt_cache_retention"),
    [SET_CACHE_ALL] = WIRE_SET_LOSE(LOSS_CACHE),
    [SET_SAFETY_ID] = WIRE_SET("safety_identifier"),
    [SET_VERBOSITY] = WIRE_SET("verbosity"),
    [SET_MODALITIES] = WIRE_SET("modalities"),
    [SET_AUDIO] = WIRE_SET("audio"),
    [SET_PREDICTION] = WIRE_SET("prediction"),
    [SET_WEB_SEARCH] = WIRE_SET("web_search_options"),
    [SET_CONTEXT] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_TRUNCATION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_INCLUDE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CLIENT_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_BETAS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_LATENCY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MORE_PATHS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MEDIA_RESOLUTION] = WIRE_SET_LOSE(LOSS_DETAIL),
};
