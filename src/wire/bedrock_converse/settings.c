/* The settings of Converse, for both directions; see openai_chat/settings.c. Pure. */
#include "wire/bedrock_converse/priv.h"

const struct wire_setting bedrock_converse_settings[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = {WIRE_STR("temperature"), PLACE_INFERENCE, LACK_OWN, 0}, /* 0 to 1 here */
    [SET_TOP_P] = WIRE_SET_IN(PLACE_INFERENCE, "topP"),
    [SET_TOP_K] = {WIRE_STR("top_k"), PLACE_MORE, LACK_OWN, 0}, /* the model's own word, not every model's */
    [SET_MAX_OUTPUT] = WIRE_SET_IN(PLACE_INFERENCE, "maxTokens"),
    [SET_STOP] = WIRE_SET_IN(PLACE_INFERENCE, "stopSequences"),
    [SET_N] = {.lack = LACK_OWN}, /* one is all there is */
    [SET_SEED] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_FREQUENCY_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_PRESENCE_PENALTY] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGIT_BIAS] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGPROBS] = {.lack = LACK_OWN}, /* false is no wish */
    [SET_USER] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_METADATA] = WIRE_SET("requestMetadata"),
    [SET_SERVICE_TIER] = {.lack = LACK_OWN}, /* {"type"} here */
    [SET_STORE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_KEY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_RETENTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_ALL] = WIRE_SET_LOSE(LOSS_CACHE),
    [SET_SAFETY_ID] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_VERBOSITY] = WIRE_SET_LOSE(LOSS_VERBOSITY),
    [SET_MODALITIES] = {.lack = LACK_OWN}, /* text alone */
    [SET_PREDICTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_GUARDRAIL] = WIRE_SET("guardrailConfig"),
    [SET_CONTEXT] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_TRUNCATION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_INCLUDE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_BACKGROUND] = {.lack = LACK_OWN},
    [SET_CLIENT_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_BETAS] = WIRE_SET_IN(PLACE_MORE, "anthropic_beta"),
    [SET_LATENCY] = {.lack = LACK_OWN}, /* {"latency"} here */
    [SET_MORE_PATHS] = WIRE_SET("additionalModelResponseFieldPaths"),
    [SET_MEDIA_RESOLUTION] = WIRE_SET_LOSE(LOSS_DETAIL),
};
