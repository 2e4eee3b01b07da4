/* The settings of Gemini, for both directions; see openai_chat/settings.c. Most stand in generationConfig. Pure. */
#include "wire/gemini_generate/priv.h"

#define CONFIG(name) WIRE_SET_IN(GEMINI_CONFIG, name)
#define CONFIG_OWN(name) {WIRE_STR(name), GEMINI_CONFIG, LACK_OWN, 0}

const struct wire_setting gemini_settings[CHAT_SETTINGS_N] = {
    [SET_TEMPERATURE] = CONFIG("temperature"),
    [SET_TOP_P] = CONFIG("topP"),
    [SET_TOP_K] = CONFIG("topK"),
    [SET_MAX_OUTPUT] = CONFIG("maxOutputTokens"),
    [SET_STOP] = CONFIG("stopSequences"),
    [SET_N] = CONFIG("candidateCount"),
    [SET_SEED] = CONFIG("seed"),
    [SET_FREQUENCY_PENALTY] = CONFIG("frequencyPenalty"),
    [SET_PRESENCE_PENALTY] = CONFIG("presencePenalty"),
    [SET_LOGIT_BIAS] = WIRE_SET_LOSE(LOSS_SAMPLING),
    [SET_LOGPROBS] = CONFIG_OWN("responseLogprobs"), /* the answer's are in a shape of their own */
    [SET_TOP_LOGPROBS] = CONFIG_OWN("logprobs"),
    [SET_USER] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_SERVICE_TIER] = WIRE_SET_LOSE(LOSS_TIER),
    [SET_STORE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_KEY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_RETENTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CACHE_ALL] = WIRE_SET_LOSE(LOSS_CACHE),
    [SET_CACHED_CONTENT] = WIRE_SET("cachedContent"),
    [SET_SAFETY_ID] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_VERBOSITY] = WIRE_SET_LOSE(LOSS_VERBOSITY),
    [SET_MODALITIES] = CONFIG_OWN("responseModalities"),
    [SET_AUDIO] = CONFIG_OWN("speechConfig"),
    [SET_PREDICTION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_SAFETY] = WIRE_SET("safetySettings"),
    [SET_CONTEXT] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_TRUNCATION] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_INCLUDE] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_CLIENT_METADATA] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_BETAS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_LATENCY] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MORE_PATHS] = WIRE_SET_LOSE(LOSS_HINT),
    [SET_MEDIA_RESOLUTION] = CONFIG("mediaResolution"),
};
