/* answer: see answer.h. */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

/* As api.openai.com sends them, so that the gateway's table of response headers has its normal work. */
#define VENDOR_HEAD                                                                                 \
    "Date: Mon, 23 Nov 2026 09:00:00 GMT\r\n"                                                       \
    "openai-organization: org-bench\r\nopenai-processing-ms: 312\r\nopenai-version: 2020-10-01\r\n" \
    "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 10000000\r\n"                   \
    "x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-remaining-tokens: 9999769\r\n"             \
    "x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 1ms\r\n"                          \
    "x-request-id: req_5f0c2b7d9e8a4c1fb3d6a7e8c9f01234\r\n"

#define EVENT_HEAD                                                                                   \
    "data: {\"id\":\"chatcmpl-C9x8Yh2mQvT4LkWc1RzNnE5uBfJ0a\",\"object\":\"chat.completion.chunk\"," \
    "\"created\":1763888400,\"model\":\"gpt-4o-mini-2024-07-18\","                                   \
    "\"system_fingerprint\":\"fp_51db84afab\","

#define USAGE                                                                   \
    "{\"prompt_tokens\":212,\"completion_tokens\":%d,\"total_tokens\":%d,"      \
    "\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"       \
    "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0," \
    "\"accepted_prediction_tokens\":0,\"rejected_prediction_tokens\":0}}"

#define REFUSAL "{\"error\":{\"message\":\"the request arrived damaged\",\"type\":\"bench\"}}"

static const char *const WORDS[CHUNK_KINDS] = {
    " water",    " rises",  " through", " the rock", ",",   " \\u2014 every", " well", " \\\"draws\\\"", " from", " the",
    " same one", ".\\n\\n", " Größe",   " 水",       " 🌧", " metered",
};

__attribute__((format(printf, 1, 2))) static struct text render(const char *format, ...)
{
    char *p;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&p, format, args);
    va_end(args);
    if (n < 0) die("out of memory");
    return (struct text){p, (size_t)n};
}

/* One event as one chunk of a chunked body. */
static struct text framed(struct text event) { return render("%zx\r\n%s\r\n", event.n, event.p); }

static struct text joined(struct text a, struct text b) { return render("%s%s", a.p, b.p); }

static struct text body_around(const char *prose)
{
    return render("{\"id\":\"chatcmpl-C9x8Yh2mQvT4LkWc1RzNnE5uBfJ0a\",\"object\":\"chat.completion\","
                  "\"created\":1763888400,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,"
                  "\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null,"
                  "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":" USAGE
                  ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_51db84afab\"}\n",
                  prose, 118, 330);
}

/* The answer's prose is filled up with plain words until the body has exactly ANSWER_BODY bytes. */
static struct text filled_up(struct text (*around)(const char *prose))
{
    static const char prose[] = "Rain falls anywhere, every well draws from the same rock, and each well has a meter. ";
    char filled[ANSWER_BODY] = "";
    size_t empty = around("").n;
    for (size_t i = 0; i + empty < ANSWER_BODY; i++) filled[i] = prose[i % (sizeof prose - 1)];
    return around(filled);
}

static struct text render_chunk(const char *words)
{
    return framed(render(EVENT_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
                                    "\"logprobs\":null,\"finish_reason\":null}]}\n\n",
                         words));
}

static struct text render_end(bool with_usage)
{
    struct text finish =
        framed(render(EVENT_HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n"));
    struct text usage = framed(render(EVENT_HEAD "\"choices\":[],\"usage\":" USAGE "}\n\n", 64, 276));
    struct text done = joined(framed(render("data: [DONE]\n\n")), render("0\r\n\r\n"));
    return joined(with_usage ? joined(finish, usage) : finish, done);
}

void answers_render(struct answers *ret)
{
    struct text body = filled_up(body_around);
    struct text role = framed(render(EVENT_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
                                                "\"content\":\"\",\"refusal\":null},\"logprobs\":null,"
                                                "\"finish_reason\":null}]}\n\n"));
    ret->whole = render("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n" VENDOR_HEAD "\r\n%s",
                        body.n, body.p);
    ret->refusal = render("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          sizeof REFUSAL - 1, REFUSAL);
    ret->stream_head = render("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                              "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n" VENDOR_HEAD "\r\n%s",
                              role.p);
    for (size_t i = 0; i < CHUNK_KINDS; i++) ret->chunk[i] = render_chunk(WORDS[i]);
    for (int i = 0; i < 2; i++) ret->end[i] = render_end(i);
}

/* ---- Messages ----------------------------------------------------------------------------------------------------------- */

#define MESSAGE_HEAD                                                                        \
    "\"id\":\"msg_01C9x8Yh2mQvT4LkWc1RzNnE5\",\"type\":\"message\",\"role\":\"assistant\"," \
    "\"model\":\"claude-opus-5-20261101\","
#define MESSAGE_USAGE                                                                                  \
    "\"usage\":{\"input_tokens\":212,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0," \
    "\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},"            \
    "\"output_tokens\":%d,\"service_tier\":\"standard\"}"

static struct text message_around(const char *prose)
{
    return render("{" MESSAGE_HEAD "\"content\":[{\"type\":\"text\",\"text\":\"%s\"}],\"stop_reason\":\"end_turn\","
                  "\"stop_sequence\":null," MESSAGE_USAGE "}\n",
                  prose, 118);
}

static struct text named(const char *name, struct text rest)
{
    return framed(render("event: %s\ndata: {\"type\":\"%s\"%s}\n\n", name, name, rest.p));
}

static struct text render_message_end(void)
{
    struct text stop = joined(named("content_block_stop", render(",\"index\":0")),
                              named("message_delta", render(",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                                                            "\"usage\":{\"output_tokens\":64}")));
    return joined(stop, joined(named("message_stop", render("%s", "")), render("0\r\n\r\n")));
}

void answers_render_messages(struct answers *ret)
{
    struct text body = filled_up(message_around);
    struct text start = named("message_start", render(",\"message\":{" MESSAGE_HEAD "\"content\":[],\"stop_reason\":null,"
                                                      "\"stop_sequence\":null," MESSAGE_USAGE "}",
                                                      1));
    struct text block = named("content_block_start", render(",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"));
    ret->whole = render("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n" VENDOR_HEAD "\r\n%s",
                        body.n, body.p);
    ret->stream_head = render("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                              "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n" VENDOR_HEAD "\r\n%s%s",
                              start.p, block.p);
    for (size_t i = 0; i < CHUNK_KINDS; i++)
        ret->chunk[i] =
            named("content_block_delta", render(",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}", WORDS[i]));
    for (int i = 0; i < 2; i++) ret->end[i] = render_message_end();
}
