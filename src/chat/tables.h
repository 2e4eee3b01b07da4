/* The two long tables of chat/chat.h, which includes them: the settings of a request, and the ways in which a writer may lose
 * something. Only macros; they make enums, words for errors and headers, and the rows of docs/compatibility.md. */
#pragma once

/* Each present or absent, raw as it stood. X(bit, word, what a reader must see: N number, W whole number, S string,
 * B boolean, A array of strings, J any JSON). Append
 * only within a release: docs/compatibility.md lists them. */
#define CHAT_SETTINGS(X)                                                                  \
    X(SET_TEMPERATURE, "temperature", N)                                                  \
    X(SET_TOP_P, "top_p", N)                                                              \
    X(SET_TOP_K, "top_k", N)                                                              \
    X(SET_MAX_OUTPUT, "max_output_tokens", W)                                             \
    X(SET_STOP, "stop", A) /* always written by readers as an array, even of one */       \
    X(SET_N, "n", W)                                                                      \
    X(SET_SEED, "seed", N)                                                                \
    X(SET_FREQUENCY_PENALTY, "frequency_penalty", N)                                      \
    X(SET_PRESENCE_PENALTY, "presence_penalty", N)                                        \
    X(SET_LOGIT_BIAS, "logit_bias", J)                                                    \
    X(SET_LOGPROBS, "logprobs", B)                                                        \
    X(SET_TOP_LOGPROBS, "top_logprobs", W)                                                \
    X(SET_USER, "user", S)                                                                \
    X(SET_METADATA, "metadata", J)                                                        \
    X(SET_SERVICE_TIER, "service_tier", S)                                                \
    X(SET_STORE, "store", B)                                                              \
    X(SET_CACHE_KEY, "prompt_cache_key", S)                                               \
    X(SET_CACHE_RETENTION, "prompt_cache_retention", S)                                   \
    X(SET_CACHE_ALL, "automatic cache mark", J) /* Messages: cache_control at the root */ \
    X(SET_CACHED_CONTENT, "cached content", S)                                            \
    X(SET_SAFETY_ID, "safety_identifier", S)                                              \
    X(SET_VERBOSITY, "verbosity", S)                                                      \
    X(SET_MODALITIES, "modalities", A)                                                    \
    X(SET_AUDIO, "audio output", J)                                                       \
    X(SET_PREDICTION, "prediction", J)                                                    \
    X(SET_WEB_SEARCH, "web_search_options", J)                                            \
    X(SET_SAFETY, "safety settings", J)                                                   \
    X(SET_GUARDRAIL, "guardrail", J)                                                      \
    X(SET_CONTEXT, "context_management", J)                                               \
    X(SET_TRUNCATION, "truncation", S)                                                    \
    X(SET_INCLUDE, "include", A)                                                          \
    X(SET_PREVIOUS, "previous_response_id", S)                                            \
    X(SET_CONVERSATION, "conversation", J)                                                \
    X(SET_BACKGROUND, "background", B)                                                    \
    X(SET_PROMPT, "prompt template", J)                                                   \
    X(SET_MAX_TOOL_CALLS, "max_tool_calls", W)                                            \
    X(SET_CLIENT_METADATA, "client_metadata", J)                                          \
    X(SET_CONTAINER, "container", J)                                                      \
    X(SET_MCP_SERVERS, "mcp_servers", J)                                                  \
    X(SET_BETAS, "betas", A)                                                              \
    X(SET_LATENCY, "latency", S)                                                          \
    X(SET_MORE, "additional model fields", J)                                             \
    X(SET_MORE_PATHS, "additional response paths", J)                                     \
    X(SET_MEDIA_RESOLUTION, "media resolution", S)
/* X(code, word in headers, metrics and docs, what it is, what becomes of it) */
#define CHAT_LOSSES(X)                                                                                                           \
    X(LOSS_EXTRA, "extra_field", "a member that only the caller's own format family knows", "dropped")                           \
    X(LOSS_ANSWER_FIELD, "answer_field", "a member of the provider's answer that the caller's format has no place for",          \
      "dropped")                                                                                                                 \
    X(LOSS_CACHE, "cache_mark", "a mark for prompt caching where the target caches by itself", "dropped")                        \
    X(LOSS_OPAQUE_FOREIGN, "opaque_foreign", "encrypted state of another vendor, account or model", "dropped")                   \
    X(LOSS_REASONING, "reasoning_text", "earlier reasoning that the target does not take back", "dropped")                       \
    X(LOSS_ITEM_ID, "item_id", "an id, status or phase of an item where the target has none", "dropped")                         \
    X(LOSS_NAME, "participant_name", "the name of a message's author, or how a document's is spelled", "dropped")                \
    X(LOSS_HINT, "hint", "a setting that asks for nothing in the answer itself (user, metadata, cache key …)", "dropped")        \
    X(LOSS_TIER, "service_tier", "a service tier that the target does not sell", "dropped")                                      \
    X(LOSS_SAMPLING, "sampling", "a sampling setting that the target does not take (seed, top_k, penalties, stop sequences)",    \
      "dropped")                                                                                                                 \
    X(LOSS_EFFORT, "effort", "reasoning effort told as a budget, or the other way round, by the table", "approximated")          \
    X(LOSS_SYSTEM_PLACE, "system_place", "a system message from mid-conversation moved to where the target takes it",            \
      "approximated")                                                                                                            \
    X(LOSS_ORDER, "order", "what stood between a tool's call and result moved behind them, or text from behind a call in front", \
      "approximated")                                                                                                            \
    X(LOSS_RESULT_ERROR, "result_error", "a tool result's error flag told in its text", "approximated")                          \
    X(LOSS_RESULT_MEDIA, "result_media", "an image in a tool result moved behind it", "approximated")                            \
    X(LOSS_SCHEMA, "schema", "a JSON schema reduced to the subset that the target takes", "approximated")                        \
    X(LOSS_STRICT, "strict", "strict schema adherence asked of a target that has no such switch", "dropped")                     \
    X(LOSS_CITATION, "citation", "citations and annotations that the target cannot hold", "dropped")                             \
    X(LOSS_DETAIL, "detail", "image detail or media resolution", "dropped")                                                      \
    X(LOSS_TOOL_NAME, "tool_name", "a tool's name respelled for the target and back again", "approximated")                      \
    X(LOSS_LIMIT, "output_limit", "an output limit below the least that the target takes, raised to that", "approximated")       \
    X(LOSS_GRAMMAR, "tool_grammar", "the grammar of a free-text tool, told in its description", "approximated")                  \
    X(LOSS_SERVER_TOOL, "server_tool", "a tool that only the other vendor runs (web search, tool search)", "dropped")            \
    X(LOSS_PARALLEL, "parallel_calls", "parallel calls forbidden of a target that has no such switch", "dropped")                \
    X(LOSS_VERBOSITY, "verbosity", "verbosity where the target has no such setting", "dropped")                                  \
    X(LOSS_CHOICE, "tool_choice", "tools left out where none may be called, since the target has no such choice",                \
      "approximated")                                                                                                            \
    X(LOSS_OPENING, "opening_turn",                                                                                              \
      "words of ours where the target demands some: a turn before the assistant's first, a text beside a document",              \
      "approximated")                                                                                                            \
    X(LOSS_ARGUMENTS, "arguments", "a call's arguments that are no JSON object, told within one", "approximated")
