/* reply: reads HTTP/1.1 replies for the load generator, from pieces of any size, and judges whether they are whole.
 * Called by load.c and first.c; one struct reply per connection, reused, no heap. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_result { REPLY_MORE, REPLY_WHOLE, REPLY_BAD };

enum { REPLY_HEAD_MAX = 4096, TAIL = 16 };

enum reply_phase { PHASE_HEAD, PHASE_SIZED, PHASE_CHUNK_LINE, PHASE_CHUNK, PHASE_CHUNK_END, PHASE_TRAILER };

struct reply {
    enum reply_phase phase;
    int status;
    bool closes;     /* `connection: close` */
    bool is_stream;  /* an event stream by its content type */
    uint64_t left;   /* body bytes to come, in all or in this chunk */
    uint64_t events; /* whole events so far: empty lines in the body of a stream */
    uint64_t body;   /* body bytes so far */
    char first;      /* first byte of the body */
    char tail[TAIL]; /* its last bytes, right-aligned */
    size_t line_n;   /* bytes of a torn head or chunk line, kept in `line` */
    char line[REPLY_HEAD_MAX];
};

/* Reads what came; REPLY_WHOLE only when the reply ends exactly there (we never pipeline). */
enum reply_result reply_feed(struct reply *r, const char *p, size_t n);

/* After REPLY_WHOLE: a 200 whose JSON has both braces, or whose stream ends in `[DONE]`. */
bool reply_is_good(const struct reply *r);

/* Ready for the next reply. */
void reply_clear(struct reply *r);
