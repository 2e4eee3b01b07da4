/* answer: one HTTP/1.1 answer out of any cut of the bytes (RFC 9112). Private to this room: the upstream client reads
 * its answers with it, and the proxy tunnel the proxy's. Strict; memory is bounded by head_max. */
#pragma once

#include <llhttp.h>

#include "http/http.h"

#define ANSWER_FIELDS_MAX 256

/* Where a head is collected. Only needed until ANSWER_HEAD was dealt with; text keeps its memory for the next. */
struct answer_head {
    struct buf text; /* names (in lower case) and values, one after the other; max: the bound for a whole head */
    struct {
        uint32_t name, value, end; /* offsets in text */
    } spans[ANSWER_FIELDS_MAX];
    struct http_field at[ANSWER_FIELDS_MAX];
    struct http_fields fields; /* set when whole */
};
void answer_head_init(struct answer_head *h, size_t head_max);
void answer_head_done(struct answer_head *h);

enum answer_event {
    ANSWER_MORE, /* all input is used up */
    ANSWER_HEAD, /* status and head->fields are whole; interim heads (1xx) are swallowed */
    ANSWER_BODY, /* body holds bytes, valid as long as the input */
    ANSWER_END,  /* the message is whole; input may be left, which belongs to nobody */
    ANSWER_BAD,  /* why tells; "sent …", to be read after the peer's name */
};

struct answer {
    llhttp_t parser;
    struct answer_head *head; /* borrowed; the owner takes it back after ANSWER_HEAD */
    struct str body;
    uint64_t left;      /* bytes of a body of known length still to come */
    char *base;         /* the input: chunks are moved together in it */
    unsigned seen;      /* bytes of the head; then of extensions and trailers since the last chunk */
    unsigned fruitless; /* bytes since the last chunk's size was whole, all of it digits perhaps */
    unsigned fields;    /* whole ones */
    uint16_t status;
    uint8_t phase;         /* enum phase in answer.c */
    uint8_t interim;       /* heads swallowed */
    bool is_head;          /* the answer to HEAD (or CONNECT): no body */
    bool begun;            /* a byte came */
    bool can_reuse;        /* after ANSWER_HEAD: the connection may serve again after ANSWER_END */
    bool complete, framed; /* of the last run over chunks */
    bool too_many;         /* fields */
};
void answer_init(struct answer *a, bool is_head);
/* Before the first byte; waiting for an answer needs no memory. */
void answer_lend(struct answer *a, struct answer_head *head);
/* The next event; moves *at and *n on over the input, which it may change. Call until ANSWER_MORE, END or BAD. */
enum answer_event answer_next(struct answer *a, char **at, size_t *n, struct fault *why);
/* The peer closed. OK: that ended the message; else why tells what was cut, as for ANSWER_BAD. */
MUST_USE enum err answer_close(const struct answer *a, struct fault *why);
