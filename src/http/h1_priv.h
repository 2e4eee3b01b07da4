/* Between h1.c (what comes in), h1_parse.c (llhttp) and h1_out.c (what goes out). */
#pragma once

#include "server_priv.h"

bool h1_collects(const struct conn *c); /* the body is wanted: nobody answered yet */
bool h1_may_keep(const struct conn *c); /* the connection can serve another request after this answer */
void h1_next(struct conn *c);           /* the answer is out: the next request, or the end */

void h1_parser_init(struct conn *c);
/* Runs the parser; ret_used: how far it came. The fault is ours if a callback said it, llhttp's otherwise. */
llhttp_errno_t h1_parse(struct conn *c, struct str bytes, size_t *ret_used, struct fault *why);

void h1_send_continue(struct conn *c);
void h1_watch_queue(struct conn *c);    /* sets the write deadline if anything is queued and no other is set */
void h1_check_progress(struct conn *c); /* write deadline: a client that takes nothing is gone */
void h1_on_drained(struct conn *c);
void h1_settle(struct conn *c);
void h1_head(struct stream *s, int status, struct http_fields fields, int64_t body_length);
void h1_write(struct stream *s, struct str bytes);
void h1_finish(struct stream *s, struct str last);
void h1_abort(struct stream *s);
void h1_flush(struct stream *s);
size_t h1_queued(const struct stream *s);
