/* Reasoning effort as a number of tokens and back, by one table (docs/compatibility.md lists it). Formats differ in which of
 * the two they know; the words are OpenAI's, Anthropic's and Gemini's together. Called by writers, which count LOSS_EFFORT. */
#include "chat/chat.h"

/* In rising order. Anthropic takes no budget below 1,024 (A11). */
static const struct {
    struct str word;
    uint64_t budget;
} EFFORTS[] = {
    {{"minimal", 7}, 1024}, {{"low", 3}, 2048},    {{"medium", 6}, 4096},
    {{"high", 4}, 8192},    {{"xhigh", 5}, 16384}, {{"max", 3}, 32768},
};

uint64_t chat_effort_budget(struct str effort)
{
    for (size_t i = 0; i < COUNTOF(EFFORTS); i++)
        if (json_span_eq(effort, EFFORTS[i].word)) return EFFORTS[i].budget;
    return 0;
}

/* The nearest word from below: a budget is a ceiling. */
struct str chat_budget_effort(uint64_t budget)
{
    struct str word = EFFORTS[0].word;
    for (size_t i = 0; i < COUNTOF(EFFORTS) && EFFORTS[i].budget <= budget; i++) word = EFFORTS[i].word;
    return word;
}
