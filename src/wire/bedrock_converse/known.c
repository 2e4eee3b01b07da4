/* All members of Converse's answers and events that are read, or that say nothing a caller could miss: see wire_known. What is
 * not here (trace, additionalModelResponseFields) is counted where another format is written. */
#include "wire/bedrock_converse/priv.h"

static const struct wire_known DETAIL[] = {WIRE_LEAF("ttl"), WIRE_LEAF("inputTokens")};
/* The …Count members, which no document has, repeat those without; what servers' tools used is empty where none ran. */
static const struct wire_known USAGE[] = {
    WIRE_LEAF("inputTokens"),
    WIRE_LEAF("outputTokens"),
    WIRE_LEAF("totalTokens"),
    WIRE_LEAF("cacheReadInputTokens"),
    WIRE_LEAF("cacheWriteInputTokens"),
    WIRE_LEAF("cacheReadInputTokenCount"),
    WIRE_LEAF("cacheWriteInputTokenCount"),
    WIRE_TREE("cacheDetails", DETAIL),
    {WIRE_STR("serverToolUsage"), DETAIL, 0},
};
static const struct wire_known METRICS[] = {WIRE_LEAF("latencyMs")};
static const struct wire_known TIER[] = {WIRE_LEAF("type")};
static const struct wire_known PERFORMANCE[] = {WIRE_LEAF("latency")};
static const struct wire_known TOOL_USE[] = {WIRE_LEAF("toolUseId"), WIRE_LEAF("name"), WIRE_LEAF("input"), WIRE_LEAF("type")};
static const struct wire_known THOUGHT[] = {WIRE_LEAF("text"), WIRE_LEAF("signature")};
/* Whole answers have reasoningText, deltas its members. */
static const struct wire_known REASONING[] = {
    WIRE_TREE("reasoningText", THOUGHT),
    WIRE_LEAF("redactedContent"),
    WIRE_LEAF("text"),
    WIRE_LEAF("signature"),
};
static const struct wire_known CITED[] = {WIRE_LEAF("text")};
static const struct wire_known CITATIONS[] = {WIRE_TREE("content", CITED), WIRE_LEAF("citations")};
static const struct wire_known BLOCK[] = {WIRE_LEAF("text"), WIRE_TREE("toolUse", TOOL_USE),
                                          WIRE_TREE("reasoningContent", REASONING), WIRE_TREE("citationsContent", CITATIONS),
                                          WIRE_LEAF("citation")};
static const struct wire_known MESSAGE[] = {WIRE_LEAF("role"), WIRE_TREE("content", BLOCK)};
static const struct wire_known OUTPUT[] = {WIRE_TREE("message", MESSAGE)};
/* A whole answer, and all of its events; "p" is padding of a random length. */
static const struct wire_known ROOT[] = {
    WIRE_TREE("output", OUTPUT),
    WIRE_LEAF("stopReason"),
    WIRE_TREE("usage", USAGE),
    WIRE_TREE("metrics", METRICS),
    WIRE_TREE("serviceTier", TIER),
    WIRE_TREE("performanceConfig", PERFORMANCE),
    WIRE_LEAF("role"),
    WIRE_LEAF("contentBlockIndex"),
    WIRE_TREE("start", BLOCK),
    WIRE_TREE("delta", BLOCK),
    WIRE_LEAF("p"),
};
const struct wire_tree bedrock_converse_known = {ROOT, COUNTOF(ROOT)};
