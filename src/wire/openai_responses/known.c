/* All members of answers and events of Responses that are read, or that say nothing a caller could miss: most of a response object
 * repeats the request. What is not here is counted when it is lost. Facts: OpenAI API reference "The response object" and
 * "Streaming events". */
#include "wire/openai_responses/priv.h"

static const struct wire_known NOTE[] = {
    WIRE_LEAF("type"), WIRE_LEAF("start_index"), WIRE_LEAF("end_index"),
    WIRE_LEAF("url"),  WIRE_LEAF("title"),       WIRE_LEAF("file_id"),
};
static const struct wire_known PART[] = {
    WIRE_LEAF("type"), WIRE_LEAF("text"), WIRE_TREE("annotations", NOTE), WIRE_LEAF("logprobs"), WIRE_LEAF("refusal"),
};
static const struct wire_known ITEM[] = {
    WIRE_LEAF("type"),
    WIRE_LEAF("id"),
    WIRE_LEAF("status"),
    WIRE_LEAF("role"),
    WIRE_TREE("content", PART),
    WIRE_LEAF("call_id"),
    WIRE_LEAF("name"),
    WIRE_LEAF("arguments"),
    WIRE_LEAF("input"),
    WIRE_LEAF("namespace"),
    WIRE_LEAF("phase"),
    WIRE_TREE("summary", PART),
    WIRE_LEAF("encrypted_content"),
};
static const struct wire_known INPUT[] = {WIRE_LEAF("cached_tokens"), WIRE_LEAF("cache_write_tokens"),
                                          WIRE_LEAF("cache_write_tokens_details")};
static const struct wire_known OUTPUT[] = {WIRE_LEAF("reasoning_tokens")};
static const struct wire_known USAGE[] = {
    WIRE_LEAF("input_tokens"),  WIRE_TREE("input_tokens_details", INPUT),
    WIRE_LEAF("output_tokens"), WIRE_TREE("output_tokens_details", OUTPUT),
    WIRE_LEAF("total_tokens"),
};
static const struct wire_known ERROR[] = {WIRE_LEAF("code"), WIRE_LEAF("message"), WIRE_LEAF("type"), WIRE_LEAF("param")};
static const struct wire_known WHY[] = {WIRE_LEAF("reason")};
static const struct wire_known EFFORT[] = {WIRE_LEAF("effort"), WIRE_LEAF("summary"), WIRE_LEAF("context"),
                                           WIRE_LEAF("generate_summary")};
static const struct wire_known FORMAT[] = {
    WIRE_LEAF("type"), WIRE_LEAF("name"), WIRE_LEAF("description"), WIRE_LEAF("schema"), WIRE_LEAF("strict"),
};
static const struct wire_known TEXT[] = {WIRE_TREE("format", FORMAT), WIRE_LEAF("verbosity")};
static const struct wire_known RESPONSE[] = {
    WIRE_LEAF("id"),
    WIRE_LEAF("object"),
    WIRE_LEAF("created_at"),
    WIRE_LEAF("completed_at"),
    WIRE_LEAF("status"),
    WIRE_LEAF("model"),
    WIRE_TREE("output", ITEM),
    WIRE_TREE("usage", USAGE),
    WIRE_LEAF("service_tier"),
    WIRE_TREE("error", ERROR),
    WIRE_TREE("incomplete_details", WHY),
    WIRE_LEAF("output_text"),
    /* the request, repeated; whatever is in its metadata is the caller's own, and counted */
    WIRE_LEAF("background"),
    WIRE_LEAF("billing"),
    WIRE_LEAF("conversation"),
    WIRE_LEAF("frequency_penalty"),
    WIRE_LEAF("instructions"),
    WIRE_LEAF("max_output_tokens"),
    WIRE_LEAF("max_tool_calls"),
    {WIRE_STR("metadata"), NOTE, 0},
    WIRE_LEAF("parallel_tool_calls"),
    WIRE_LEAF("presence_penalty"),
    WIRE_LEAF("previous_response_id"),
    WIRE_LEAF("prompt"),
    WIRE_LEAF("prompt_cache_key"),
    WIRE_LEAF("prompt_cache_retention"),
    WIRE_TREE("reasoning", EFFORT),
    WIRE_LEAF("safety_identifier"),
    WIRE_LEAF("store"),
    WIRE_LEAF("temperature"),
    WIRE_TREE("text", TEXT),
    WIRE_LEAF("tool_choice"),
    WIRE_LEAF("tools"),
    WIRE_LEAF("tool_usage"), /* of the vendor's own tools, which no translated request asks for: zeros */
    WIRE_LEAF("top_logprobs"),
    WIRE_LEAF("top_p"),
    WIRE_LEAF("truncation"),
    WIRE_LEAF("user"),
};
const struct wire_tree openai_responses_known = {RESPONSE, COUNTOF(RESPONSE)};

/* obfuscation is filler. */
static const struct wire_known EVENT[] = {
    WIRE_LEAF("type"),
    WIRE_LEAF("sequence_number"),
    WIRE_LEAF("output_index"),
    WIRE_LEAF("content_index"),
    WIRE_LEAF("summary_index"),
    WIRE_LEAF("item_id"),
    WIRE_LEAF("delta"),
    WIRE_LEAF("text"),
    WIRE_LEAF("refusal"),
    WIRE_LEAF("arguments"),
    WIRE_LEAF("input"),
    WIRE_LEAF("name"),
    WIRE_LEAF("logprobs"),
    WIRE_LEAF("obfuscation"),
    WIRE_LEAF("annotation_index"),
    WIRE_TREE("annotation", NOTE),
    WIRE_TREE("part", PART),
    WIRE_TREE("item", ITEM),
    WIRE_TREE("response", RESPONSE),
    WIRE_LEAF("code"),
    WIRE_LEAF("message"),
    WIRE_LEAF("param"),
    WIRE_TREE("error", ERROR),
};
const struct wire_tree openai_responses_event_known = {EVENT, COUNTOF(EVENT)};
