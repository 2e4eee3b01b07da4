/* The inside of `aquifer chat`: lines from the person, the conversation, the answer as it streams in, what it costs. */
#pragma once

#include "base/base.h"
#include "cli/priv.h"

/* ---- chat_lines.c: what the person writes --------------------------------------------------------------------------------- */

enum lines_event {
    LINES_TEXT,
    LINES_STOP, /* Ctrl-C */
    LINES_END,  /* Ctrl-D, or the end of the input */
};
struct lines;
/* edit: the input is a terminal: lines are edited, and the arrow keys bring back earlier ones. Otherwise they are read as
 * they are. Nothing is kept after lines_free(). */
struct lines *lines_new(bool edit);
void lines_free(struct lines *l);
/* One line without its end, appended to `ret_line`. A line over CHAT_LINE_MAX is cut there, and `ret_line` is `over`. */
enum lines_event lines_next(struct lines *l, const char *prompt, struct buf *ret_line);
void lines_remember(struct lines *l, struct str line); /* for the arrow keys */
/* A whole message: a line; lines as long as each ends in a backslash; or all between two lines of three quotes. */
enum lines_event lines_message(struct lines *l, const char *prompt, struct buf *ret_message);
#define CHAT_LINE_MAX MIB(4)

/* SIGINT sets it; who waits looks at it. */
extern volatile bool chat_interrupted;
void chat_catch_interrupts(void);

/* ---- chat_talk.c: the conversation and its requests ------------------------------------------------------------------------ */

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT };
struct chat_message {
    enum chat_role role;
    struct buf text;
};
struct chat_history {
    struct chat_message *at;
    size_t n, cap;
};
void chat_history_add(struct chat_history *h, enum chat_role role, struct str text);
void chat_history_cut(struct chat_history *h, size_t n); /* keeps the first n */
void chat_history_done(struct chat_history *h);
/* [{"role","content"}…] */
void chat_history_json(const struct chat_history *h, struct json_writer *w);
/* The body of a Chat Completions request. */
void chat_request(const struct chat_history *h, struct str model, bool stream, struct buf *out);

/* ---- chat_reply.c: an answer out of its bytes ------------------------------------------------------------------------------- */

struct chat_tokens {
    bool known; /* the answer told */
    uint64_t input, cached, output;
};
struct chat_reply;
/* on_text: each piece of the answer's text as it comes. on_thinking: once, when the model thinks before it answers; may be
 * NULL. stream false: the body is one JSON document. */
struct chat_listener {
    void (*on_text)(struct str text, void *user);
    void (*on_thinking)(void *user);
    void *user;
};
struct chat_reply *chat_reply_new(bool stream, const struct chat_listener *to);
void chat_reply_free(struct chat_reply *f);
void chat_reply_feed(struct chat_reply *f, struct str bytes);
/* After the last byte. ERR_UPSTREAM_…: the answer tells an error, is garbage or was cut off. */
MUST_USE enum err chat_reply_end(struct chat_reply *f, struct fault *why);
struct str chat_reply_text(const struct chat_reply *f); /* the answer as far as it came */
struct chat_tokens chat_reply_tokens(const struct chat_reply *f);
struct str chat_reply_finish(const struct chat_reply *f); /* "stop", "length" …; "" not told */

/* ---- chat_cost.c: what answers cost ------------------------------------------------------------------------------------------ */

enum { CHAT_ASKED_MAX = 64 };
/* Tokens as the answers told them; money as the ledger booked it, found by request id through the admin API. What is not
 * known is counted and told, never taken for nothing. */
struct chat_cost {
    uint64_t answers, input, output;
    unsigned untold;                                /* answers that did not tell their tokens */
    money sum;                                      /* of the answers that were found in the ledger */
    unsigned unpriced;                              /* of these, without a price */
    unsigned lost;                                  /* never found, and too many to go on asking for */
    char asked[CHAT_ASKED_MAX][CLI_REQUEST_ID_MAX]; /* not yet found */
    unsigned n_asked;
    bool is_away; /* the admin API did not answer: only /cost tries again */
    char why_away[320];
};
void chat_cost_add(struct chat_cost *c, const char *request_id, struct chat_tokens tokens);
/* Looks for what is not yet found. key_id "": of all keys. */
void chat_cost_find(struct chat_cost *c, const struct cli_common *common, const char *key_id);
/* Takes what is there out of the admin API's answer; for chat_cost_find() and tests. */
void chat_cost_take(struct chat_cost *c, struct json_ref attempts);
/* "in 12, out 34 tokens, $0.00012" of one answer, or of all. */
void chat_cost_tell(const struct chat_cost *c, struct buf *out);
void chat_cost_tell_one(const struct chat_cost *before, const struct chat_cost *after, struct chat_tokens tokens,
                        struct buf *out);

/* ---- chat_words.c: /commands -------------------------------------------------------------------------------------------------- */

struct chat {
    struct cli_common common;
    struct cli_target target;
    char key_id[32];
    struct buf model;
    struct chat_history history;
    struct chat_cost cost;
    struct lines *lines;
    bool terminal, stream;
    unsigned failures;
    bool quit;
};
/* The line begins with a slash. */
void chat_word(struct chat *c, struct str line);
/* The routes that the key may call; the caller frees. */
MUST_USE enum err chat_models(struct chat *c, struct json_doc **ret_doc, struct fault *why);
