/* An answer of Chat Completions out of its bytes, streamed or whole: its text, its tokens, its error. Strict about the end: a
 * stream without "[DONE]" was cut off, however cleanly the transfer closed. */
#include "cli/chat_priv.h"

#include <stdlib.h>

#include "http/http.h"

#define EVENT_MAX MIB(8)
#define WHOLE_MAX MIB(64)

struct chat_reply {
    bool stream, done, thinks;
    struct chat_listener to;
    struct sse_reader events;
    struct buf whole; /* the document when not streamed */
    struct buf text, part, finish;
    struct chat_tokens tokens;
    struct json_tape tape;
    enum err failed;
    struct fault why;
};

struct chat_reply *chat_reply_new(bool stream, const struct chat_listener *to)
{
    struct chat_reply *f = mem_alloc(sizeof *f);
    f->stream = stream;
    f->to = *to;
    sse_init(&f->events, EVENT_MAX);
    buf_init(&f->whole, WHOLE_MAX);
    buf_init(&f->text, WHOLE_MAX);
    buf_init(&f->part, EVENT_MAX);
    buf_init(&f->finish, 64);
    json_tape_init(&f->tape, 0);
    return f;
}

void chat_reply_free(struct chat_reply *f)
{
    if (!f) return;
    sse_done(&f->events);
    buf_done(&f->whole);
    buf_done(&f->text);
    buf_done(&f->part);
    buf_done(&f->finish);
    json_tape_done(&f->tape);
    free(f);
}

/* ---- what a document holds ------------------------------------------------------------------------------------------------ */

static bool has_text(const struct json_tape *t, uint32_t at)
{
    return at && json_is(t, at, JSON_STRING) && json_node(t, at)->len;
}

static void take_tokens(struct chat_reply *f)
{
    const struct json_tape *t = &f->tape;
    uint32_t usage = json_find(t, 0, S("usage"));
    struct chat_tokens found = {.known = true};
    if (!usage || !json_is(t, usage, JSON_OBJECT)) return;
    uint32_t input = json_find(t, usage, S("prompt_tokens")), output = json_find(t, usage, S("completion_tokens"));
    uint32_t cached = json_path(t, usage, "prompt_tokens_details", "cached_tokens");
    if (!input || !json_u64(t, input, &found.input)) return;
    if (!output || !json_u64(t, output, &found.output)) return;
    if (cached && (!json_u64(t, cached, &found.cached) || found.cached > found.input)) found.cached = 0;
    f->tokens = found;
}

/* delta of a stream's chunk, message of a whole answer. */
static void take_message(struct chat_reply *f, uint32_t message)
{
    const struct json_tape *t = &f->tape;
    uint32_t content = json_find(t, message, S("content")), refusal = json_find(t, message, S("refusal"));
    bool thinking =
        has_text(t, json_find(t, message, S("reasoning_content"))) || has_text(t, json_find(t, message, S("reasoning")));
    if (thinking && !f->thinks && f->to.on_thinking) f->to.on_thinking(f->to.user);
    f->thinks |= thinking;
    if (!has_text(t, content)) content = refusal;
    if (!has_text(t, content)) return;
    buf_clear(&f->part);
    json_unescape(t, content, &f->part);
    buf_str(&f->text, buf_view(&f->part));
    f->to.on_text(buf_view(&f->part), f->to.user);
}

static enum err take_error(struct chat_reply *f, uint32_t error, struct fault *why)
{
    const struct json_tape *t = &f->tape;
    uint32_t message = json_is(t, error, JSON_OBJECT) ? json_find(t, error, S("message")) : error;
    struct buf text;
    buf_clear(&f->part);
    buf_init(&text, KIB(1));
    if (message && json_unescape(t, message, &f->part)) cli_plain(buf_view(&f->part), &text);
    FAIL(why, ERR_UPSTREAM_ERROR, "%s", text.n ? buf_z(&text) : "the answer broke off with an error that has no text");
    buf_done(&text);
    return ERR_UPSTREAM_ERROR;
}

static enum err take_document(struct chat_reply *f, struct str json, struct fault *why)
{
    const struct json_tape *t = &f->tape;
    if (json_scan(&f->tape, json, NULL, NULL) != OK || !json_is(t, 0, JSON_OBJECT))
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "the answer is not what Chat Completions answer with");
    uint32_t error = json_find(t, 0, S("error")), choices = json_find(t, 0, S("choices")), choice;
    if (error && !json_is(t, error, JSON_NULL)) return take_error(f, error, why);
    take_tokens(f);
    struct json_iter it = json_each(t, choices);
    if (!choices || !json_next(t, &it, &choice)) return OK;
    uint32_t message = json_find(t, choice, f->stream ? S("delta") : S("message")),
             finish = json_find(t, choice, S("finish_reason"));
    if (message) take_message(f, message);
    if (has_text(t, finish)) {
        buf_clear(&f->finish);
        json_unescape(t, finish, &f->finish);
    }
    return OK;
}

/* ---- the bytes --------------------------------------------------------------------------------------------------------------- */

static enum err take_event(struct chat_reply *f, const struct sse_event *e, struct fault *why)
{
    if (!e->has_data || f->done) return OK;
    if (!str_eq(str_trim(e->data), S("[DONE]"))) return take_document(f, e->data, why);
    f->done = true;
    return OK;
}

static void take_events(struct chat_reply *f)
{
    struct sse_event e;
    while (sse_next(&f->events, &e))
        if (f->failed == OK) f->failed = take_event(f, &e, &f->why);
}

void chat_reply_feed(struct chat_reply *f, struct str bytes)
{
    if (f->failed != OK) return;
    if (!f->stream) {
        buf_str(&f->whole, bytes);
        return;
    }
    enum err e = sse_feed(&f->events, bytes, &f->why);
    take_events(f);
    if (e != OK && f->failed == OK) f->failed = e;
}

static enum err end_stream(struct chat_reply *f)
{
    enum err e = sse_finish(&f->events, &f->why);
    take_events(f);
    if (f->failed != OK || e != OK) return f->failed != OK ? f->failed : e;
    return f->done ? OK : FAIL(&f->why, ERR_UPSTREAM_CUT, "the answer was cut off before its end");
}

enum err chat_reply_end(struct chat_reply *f, struct fault *why)
{
    if (f->failed == OK && f->stream) f->failed = end_stream(f);
    else if (f->failed == OK && f->whole.over) f->failed = FAIL(&f->why, ERR_UPSTREAM_TOO_LARGE, "the answer is over 64 MiB");
    else if (f->failed == OK) f->failed = take_document(f, buf_view(&f->whole), &f->why);
    if (f->failed != OK && why) *why = f->why;
    return f->failed;
}

struct str chat_reply_text(const struct chat_reply *f) { return buf_view(&f->text); }
struct chat_tokens chat_reply_tokens(const struct chat_reply *f) { return f->tokens; }
struct str chat_reply_finish(const struct chat_reply *f) { return buf_view(&f->finish); }
