/* All members of Gemini's answers and chunks that are read, or that say nothing a caller could miss. Facts: Gemini API reference
 * "GenerateContentResponse". */
#include "wire/gemini_generate/priv.h"

static const struct wire_known CALL[] = {WIRE_LEAF("name"), WIRE_LEAF("args"), WIRE_LEAF("id")};
static const struct wire_known BLOB[] = {WIRE_LEAF("mimeType"), WIRE_LEAF("data")};
/* What runs at the provider is kept whole. */
static const struct wire_known PART[] = {
    WIRE_LEAF("text"),
    WIRE_LEAF("thought"),
    WIRE_LEAF("executableCode"),
    WIRE_LEAF("codeExecutionResult"),
    WIRE_LEAF("fileData"),
    WIRE_LEAF("thoughtSignature"),
    WIRE_LEAF("toolCall"),
    WIRE_LEAF("toolResponse"),
    WIRE_TREE("inlineData", BLOB),
    WIRE_TREE("functionCall", CALL),
};
static const struct wire_known CONTENT[] = {WIRE_LEAF("role"), WIRE_TREE("parts", PART)};
static const struct wire_known CANDIDATE[] = {
    WIRE_LEAF("index"),      WIRE_LEAF("finishReason"),     WIRE_LEAF("finishMessage"),
    WIRE_LEAF("tokenCount"), WIRE_TREE("content", CONTENT),
};
static const struct wire_known DETAIL[] = {WIRE_LEAF("modality"), WIRE_LEAF("tokenCount")};
static const struct wire_known USAGE[] = {
    WIRE_LEAF("promptTokenCount"),
    WIRE_LEAF("candidatesTokenCount"),
    WIRE_LEAF("totalTokenCount"),
    WIRE_LEAF("cachedContentTokenCount"),
    WIRE_LEAF("thoughtsTokenCount"),
    WIRE_LEAF("toolUsePromptTokenCount"),
    WIRE_LEAF("trafficType"),
    WIRE_LEAF("serviceTier"),
    WIRE_LEAF("initialPromptTokenCount"), /* a share of the prompt, where the vendor asked the model more than once */
    WIRE_TREE("promptTokensDetails", DETAIL),
    WIRE_TREE("cacheTokensDetails", DETAIL),
    WIRE_TREE("candidatesTokensDetails", DETAIL),
    WIRE_TREE("toolUsePromptTokensDetails", DETAIL),
};
static const struct wire_known FEEDBACK[] = {WIRE_LEAF("blockReason"), WIRE_LEAF("blockReasonMessage"),
                                             WIRE_LEAF("safetyRatings")};
static const struct wire_known ROOT[] = {
    WIRE_LEAF("modelVersion"),
    WIRE_LEAF("responseId"),
    WIRE_LEAF("createTime"),
    WIRE_LEAF("error"),
    WIRE_TREE("candidates", CANDIDATE),
    WIRE_TREE("usageMetadata", USAGE),
    WIRE_TREE("promptFeedback", FEEDBACK),
};
const struct wire_tree gemini_known = {ROOT, COUNTOF(ROOT)};
