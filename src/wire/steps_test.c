/* A provider's stream, event by event, on the road of one format: what each event is to the relay, what usage is told, and
 * what was generated that no usage tells of yet. */

#include "wire/tape_test.h"
#include "wire/wire.h"

/* ---- streams: each event with the letters of what it is: h hide, s starts, l last, e error, g garbage, . plain ---------- */

struct stream_case {
    enum wire_format format;
    bool hide_usage;
    const char *events[8];
    const char *letters[8];
    uint64_t input, output;
    uint64_t untold;
};

static const char *letter(const struct wire_step *s)
{
    return s->garbage ? "g" : s->error ? "e" : s->last ? "l" : s->hide ? "h" : s->starts ? "s" : ".";
}

static const struct stream_case STREAMS[] = {
    {WIRE_OPENAI_CHAT,
     true,
     {"{\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}", "{\"choices\":[{\"delta\":{}}]}",
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", "[DONE]"},
     {"s", ".", "h", "l"},
     3,
     2,
     0},
    {WIRE_OPENAI_CHAT,
     false,
     {"{\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{}\"}}]}",
      "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}", "[DONE]"},
     {"s", ".", "l"},
     3,
     2,
     0},
    /* A usage with a choice in it is the client's too. */
    {WIRE_OPENAI_CHAT,
     true,
     {"{\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"},
     {"s"},
     1,
     1,
     0},
    {WIRE_OPENAI_CHAT, true, {"{\"choices\":[{}]}", "{\"error\":{\"message\":\"overloaded\"}}"}, {"s", "e"}, 0, 0, 1},
    {WIRE_OPENAI_CHAT, true, {"{\"object\":\"error\",\"message\":\"no\"}"}, {"e"}, 0, 0, 0},
    {WIRE_OPENAI_CHAT, true, {"{\"error\":{\"code\":502},\"choices\":[{\"finish_reason\":\"error\"}]}"}, {"e"}, 0, 0, 1},
    {WIRE_OPENAI_CHAT, true, {"{\"error\":null,\"choices\":[{}]}"}, {"s"}, 0, 0, 1},
    {WIRE_OPENAI_CHAT, true, {"not json"}, {"g"}, 0, 0, 0},
    {WIRE_OPENAI_CHAT,
     true,
     {"{\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0}]}",
      "{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}"},
     {".", "s"},
     0,
     0,
     1},
    {WIRE_ANTHROPIC_MESSAGES,
     false,
     {"{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1,\"cache_creation_input_"
      "tokens\":5,\"cache_creation\":{\"ephemeral_5m_input_tokens\":5,\"ephemeral_1h_input_tokens\":0}}}}",
      "{\"type\":\"ping\"}", "{\"type\":\"content_block_delta\",\"delta\":{}}", "{\"type\":\"some_new_event\"}",
      "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":40,\"input_tokens\":12,\"cache_creation_input_tokens\":5}}",
      "{\"type\":\"message_stop\"}"},
     {"s", ".", ".", ".", ".", "l"},
     17,
     40,
     0},
    /* What message_start told leaves out what came after it. */
    {WIRE_ANTHROPIC_MESSAGES,
     false,
     {"{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\"output_tokens\":1}}}",
      "{\"type\":\"content_block_delta\",\"delta\":{}}", "{\"type\":\"content_block_delta\",\"delta\":{}}"},
     {"s", ".", "."},
     10,
     1,
     2},
    {WIRE_GEMINI_GENERATE,
     false,
     {"{\"candidates\":[{}],\"usageMetadata\":{\"promptTokenCount\":5}}", "{\"candidates\":[{}]}",
      "{\"candidates\":[{}],\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":30}}", "{\"candidates\":[{}]}"},
     {"s", ".", ".", "."},
     5,
     30,
     1},
    {WIRE_ANTHROPIC_MESSAGES, false, {"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}"}, {"e"}, 0, 0, 0},
    {WIRE_ANTHROPIC_MESSAGES, false, {"{\"no\":\"type\"}"}, {"g"}, 0, 0, 0},
    {WIRE_OPENAI_RESPONSES,
     false,
     {"{\"type\":\"response.created\",\"response\":{\"usage\":null}}",
      "{\"type\":\"response.output_text.delta\",\"delta\":\"h\"}", "{\"type\":\"response.some_new_event\"}",
      "{\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}"},
     {".", "s", ".", "l"},
     3,
     2,
     0},
    {WIRE_OPENAI_RESPONSES,
     false,
     {"{\"type\":\"response.created\"}", "{\"type\":\"response.queued\"}", "{\"type\":\"keepalive\"}",
      "{\"type\":\"response.in_progress\"}",
      "{\"type\":\"response.incomplete\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}"},
     {".", ".", ".", ".", "l"},
     3,
     2,
     0},
    {WIRE_OPENAI_RESPONSES,
     false,
     {"{\"type\":\"response.failed\",\"response\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":0}}}"},
     {"e"},
     3,
     0,
     0},
    {WIRE_OPENAI_RESPONSES, false, {"{\"type\":\"error\",\"code\":\"server_is_overloaded\"}"}, {"e"}, 0, 0, 0},
    {WIRE_OPENAI_RESPONSES, false, {"{\"type\":7}"}, {"g"}, 0, 0, 0},
};

static void streams_step_by_step(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNTOF(STREAMS); i++) {
        const struct stream_case *c = &STREAMS[i];
        struct usage u = {0};
        struct wire_stream s = {.format = c->format, .hide_usage = c->hide_usage, .usage = &u};
        for (unsigned k = 0; c->events[k]; k++) {
            struct wire_step step;
            struct sse_event e = {.data = str_z(c->events[k]), .has_data = true};
            wire_ops_get(c->format)->event(&s, &e, &tape, &step);
            assert_string_equal(letter(&step), c->letters[k]);
        }
        assert_int_equal(usage_input(&u), c->input);
        assert_int_equal(usage_output(&u), c->output);
        assert_int_equal(s.tokens_untold, c->untold);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(streams_step_by_step)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
