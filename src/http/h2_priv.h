/* Between h2.c (sessions, what comes in) and h2_out.c (what goes out). */
#pragma once

#include <nghttp2/nghttp2.h>

#include "server_priv.h"

struct h2_shared {
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
};

/* One HTTP/2 connection. */
struct h2 {
    nghttp2_session *session;
    struct head_builder *builder;   /* of the one field block that comes in */
    struct stream *incoming;        /* whose */
    bool is_starved;                /* no memory for it: it is read and not kept */
    size_t head_size;               /* of that block, as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    uint64_t head_at;               /* loop_now() when it began */
    struct stream *streams;         /* all that the handler was not told the end of */
    uint64_t passed, seen, seen_at; /* handed to the link; taken by the client when last looked at, and when */
    uint64_t refilled;              /* loop_now() when patience was last renewed */
    size_t held;                    /* by all streams, when last looked at */
    unsigned patience;              /* frames that only make work, each takes one */
    unsigned n_low;                 /* streams with on_writable() owed */
    uint64_t leave_at;              /* loop_now() for the last word of a drain; 0: not draining */
    bool ticks, left, lingers;
    bool waits_for_rest; /* of a request that is answered already, maybe: the clock ticks faster */
};

void h2_flush(struct conn *c);      /* frames to the link, while it takes them */
void h2_continue(struct stream *s); /* 100 */
void h2_tell_writable(struct conn *c);
void h2_head(struct stream *s, int status, struct http_fields fields, int64_t body_length);
void h2_write(struct stream *s, struct str bytes);
void h2_finish(struct stream *s, struct str last);
void h2_abort(struct stream *s);
void h2_flush_head(struct stream *s);
size_t h2_queued(const struct stream *s);
