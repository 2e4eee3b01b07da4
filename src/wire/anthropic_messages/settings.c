/* The settings of Messages, for both directions; see openai_chat/settings.c. Pure. */
#include "wire/anthropic_messages/priv.h"

const struct wire_setting anthropic_messages_settings[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = WIRE_SET_OWN("temperature"), /* 0 to 1 here, and not beside thinking (A11) */
    [SET_TOP_P] = WIRE_SET_OWN("top_p"),
    [SET_TOP_K] = WIRE_SET_OWN("top_k"),
    [SET_MAX_OUTPUT] = WIRE_SET_OWN("max_tokens"), /* A14 */
    [SET_STOP] = WIRE_SET("stop_sequences"),
    [SET_N] = {.lack = LACK_OWN}, /* C15: one is all there is */
    [SET_SEED] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_FREQUENCY_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_PRESENCE_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGIT_BIAS] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGPROBS] = {.lack = LACK_OWN}, /* false is no wish */
    [SET_USER] = {.lack = LACK_OWN},     /* metadata.user_id */
    [SET_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_SERVICE_TIER] = WIRE_SET_OWN("service_tier"),
    [SET_STORE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_KEY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_RETENTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_ALL] = WIRE_SET("cache_control"),
    [SET_SAFETY_ID] = {.lack = LACK_OWN}, /* metadata.user_id as well */
    [SET_VERBOSITY] = WIRE_SET_LOSE(LOSS_VERBOSITY),
    [SET_MODALITIES] = {.lack = LACK_OWN}, /* text alone */
    [SET_PREDICTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CONTEXT] = WIRE_SET_OWN("context_management"),
    [SET_TRUNCATION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_INCLUDE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CLIENT_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CONTAINER] = WIRE_SET_OWN("container"),
    [SET_MCP_SERVERS] = WIRE_SET("mcp_servers"),
    [SET_BETAS] = WIRE_SET_LOSE(LOSS_HINT), /* unless the gateway made the field anthropic-beta of them */
    [SET_LATENCY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MORE_PATHS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MEDIA_RESOLUTION] = WIRE_SET_LOSE(LOSS_DETAIL),
};
