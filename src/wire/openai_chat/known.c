/* All members of answers and chunks of Chat Completions that are read, or that say nothing a caller could miss. What is not here
 * is counted when it is lost. Facts: OpenAI API reference, "The chat completion object" and "… chunk object". */
#include "wire/openai_chat/priv.h"

static const struct wire_known URL[] = {WIRE_LEAF("start_index"), WIRE_LEAF("end_index"), WIRE_LEAF("url"), WIRE_LEAF("title")};
static const struct wire_known NOTE[] = {WIRE_LEAF("type"), WIRE_TREE("url_citation", URL)};
static const struct wire_known FUNCTION[] = {WIRE_LEAF("name"), WIRE_LEAF("arguments")};
static const struct wire_known CUSTOM[] = {WIRE_LEAF("name"), WIRE_LEAF("input")};
static const struct wire_known CALL[] = {
    WIRE_LEAF("index"), WIRE_LEAF("id"), WIRE_LEAF("type"), WIRE_TREE("function", FUNCTION), WIRE_TREE("custom", CUSTOM),
};
static const struct wire_known MESSAGE[] = {
    WIRE_LEAF("content"),   WIRE_LEAF("role"),    WIRE_TREE("tool_calls", CALL),  WIRE_LEAF("reasoning_content"),
    WIRE_LEAF("reasoning"), WIRE_LEAF("refusal"), WIRE_TREE("annotations", NOTE),
};
static const struct wire_known LOGPROBS[] = {WIRE_LEAF("content"), WIRE_LEAF("refusal")};
static const struct wire_known CHOICE[] = {
    WIRE_LEAF("index"),         WIRE_TREE("delta", MESSAGE), WIRE_TREE("message", MESSAGE), WIRE_TREE("logprobs", LOGPROBS),
    WIRE_LEAF("finish_reason"),
};
static const struct wire_known INPUT[] = {
    WIRE_LEAF("cached_tokens"), WIRE_LEAF("cache_write_tokens"), WIRE_LEAF("audio_tokens"),
    WIRE_LEAF("text_tokens"),   WIRE_LEAF("image_tokens"),
};
static const struct wire_known OUTPUT[] = {
    WIRE_LEAF("reasoning_tokens"),
    WIRE_LEAF("audio_tokens"),
    WIRE_LEAF("text_tokens"),
    WIRE_LEAF("accepted_prediction_tokens"),
    WIRE_LEAF("rejected_prediction_tokens"),
};
static const struct wire_known USAGE[] = {
    WIRE_LEAF("prompt_tokens"),
    WIRE_LEAF("completion_tokens"),
    WIRE_LEAF("total_tokens"),
    WIRE_TREE("prompt_tokens_details", INPUT),
    WIRE_TREE("completion_tokens_details", OUTPUT),
    WIRE_LEAF("prompt_cache_hit_tokens"),
    WIRE_LEAF("prompt_cache_miss_tokens"),
};
/* system_fingerprint names the provider's own build; obfuscation is filler. */
static const struct wire_known ROOT[] = {
    WIRE_TREE("choices", CHOICE), WIRE_LEAF("id"),           WIRE_LEAF("object"),       WIRE_LEAF("created"),
    WIRE_LEAF("model"),           WIRE_TREE("usage", USAGE), WIRE_LEAF("service_tier"), WIRE_LEAF("system_fingerprint"),
    WIRE_LEAF("obfuscation"),
};
const struct wire_tree openai_chat_known = {ROOT, COUNTOF(ROOT)};
