/* All members of answers and events of Messages that are read, or that say nothing a caller could miss. Facts: Anthropic API
 * reference, "The Message object", "Streaming messages". */
#include "wire/anthropic_messages/priv.h"

static const struct wire_known CITATION[] = {
    WIRE_LEAF("type"),    WIRE_LEAF("cited_text"),       WIRE_LEAF("document_index"),    WIRE_LEAF("document_title"),
    WIRE_LEAF("file_id"), WIRE_LEAF("start_char_index"), WIRE_LEAF("end_char_index"),    WIRE_LEAF("start_page_number"),
    WIRE_LEAF("url"),     WIRE_LEAF("end_page_number"),  WIRE_LEAF("start_block_index"), WIRE_LEAF("end_block_index"),
    WIRE_LEAF("title"),   WIRE_LEAF("source"),           WIRE_LEAF("encrypted_index"),   WIRE_LEAF("search_result_index"),
};
/* What runs at the provider is kept whole, so its inside is a leaf: `input`, `content`. */
static const struct wire_known BLOCK[] = {
    WIRE_LEAF("type"),        WIRE_LEAF("text"),
    WIRE_LEAF("thinking"),    WIRE_LEAF("signature"),
    WIRE_LEAF("data"),        WIRE_LEAF("id"),
    WIRE_LEAF("name"),        WIRE_LEAF("input"),
    WIRE_LEAF("content"),     WIRE_LEAF("caller"),
    WIRE_LEAF("tool_use_id"), WIRE_LEAF("server_name"),
    WIRE_LEAF("is_error"),    WIRE_TREE("citations", CITATION),
};
static const struct wire_known DELTA[] = {
    WIRE_LEAF("type"),      WIRE_LEAF("text"),        WIRE_LEAF("partial_json"),  WIRE_LEAF("thinking"),
    WIRE_LEAF("signature"), WIRE_LEAF("stop_reason"), WIRE_LEAF("stop_sequence"), WIRE_TREE("citation", CITATION),
};
static const struct wire_known CREATION[] = {WIRE_LEAF("ephemeral_5m_input_tokens"), WIRE_LEAF("ephemeral_1h_input_tokens")};
static const struct wire_known DETAILS[] = {WIRE_LEAF("thinking_tokens")};
static const struct wire_known SERVER[] = {WIRE_LEAF("web_search_requests"), WIRE_LEAF("web_fetch_requests")};
static const struct wire_known USAGE[] = {
    WIRE_LEAF("input_tokens"),
    WIRE_LEAF("cache_creation_input_tokens"),
    WIRE_LEAF("cache_read_input_tokens"),
    WIRE_TREE("cache_creation", CREATION),
    WIRE_LEAF("output_tokens"),
    WIRE_TREE("output_tokens_details", DETAILS),
    WIRE_TREE("server_tool_use", SERVER),
    WIRE_LEAF("service_tier"),
    WIRE_LEAF("inference_geo"), /* where it ran: the provider's own affair */
};
static const struct wire_known MESSAGE[] = {
    WIRE_LEAF("id"),          WIRE_LEAF("type"),          WIRE_LEAF("role"),         WIRE_LEAF("model"),
    WIRE_LEAF("stop_reason"), WIRE_LEAF("stop_sequence"), WIRE_TREE("usage", USAGE), WIRE_TREE("content", BLOCK),
};
/* A whole answer is a message; an event holds one, a block or a delta. */
static const struct wire_known ROOT[] = {
    WIRE_LEAF("id"),
    WIRE_LEAF("type"),
    WIRE_LEAF("role"),
    WIRE_LEAF("model"),
    WIRE_LEAF("stop_reason"),
    WIRE_LEAF("stop_sequence"),
    WIRE_LEAF("index"),
    WIRE_LEAF("error"),
    WIRE_LEAF("amazon-bedrock-invocationMetrics"), /* behind the last event of Bedrock's streams: latencies */
    WIRE_TREE("usage", USAGE),
    WIRE_TREE("content", BLOCK),
    WIRE_TREE("message", MESSAGE),
    WIRE_TREE("content_block", BLOCK),
    WIRE_TREE("delta", DELTA),
};
const struct wire_tree anthropic_messages_known = {ROOT, COUNTOF(ROOT)};
