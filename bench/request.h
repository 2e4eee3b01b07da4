/* request: reads HTTP/1.1 requests for the mock upstream, from pieces of any size.
 * Called by mock.c; one struct request per connection, reused from request to request, no heap but for a torn head. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum request_result { REQUEST_MORE, REQUEST_WHOLE, REQUEST_BAD };

/* Only both ends of a body are kept: there stand the `stream` members (our load sends them first, a gateway adds
 * them first or last), and whether the body came whole shows in its braces. */
enum { ENDS = 256, HEAD_MAX = 16384 };

struct request {
    bool in_body;
    bool messages; /* asked in Anthropic's format, not OpenAI's */
    bool chunked;
    bool in_last_chunk; /* chunked: only the trailer is missing */
    bool framing;       /* chunked: the size line or the line end after a chunk is next */
    uint64_t left;      /* bytes to come of the body or of this chunk */
    uint64_t size;      /* body bytes so far */
    char first[ENDS];
    char last[ENDS]; /* the last min(size, ENDS) bytes, right-aligned */
    char *torn;      /* start of a head or chunk line whose rest has not come; NULL nearly always */
    size_t torn_n;
};

/* Reads what came. REQUEST_WHOLE means that the request ends exactly here; bytes after it are REQUEST_BAD, because
 * gateways do not pipeline toward an upstream. */
enum request_result request_feed(struct request *r, const char *p, size_t n);

/* After REQUEST_WHOLE: what was asked. */
bool request_is_intact(const struct request *r);
bool request_wants_stream(const struct request *r);
bool request_wants_usage(const struct request *r);

/* Ready for the next request; frees what a torn head held. */
void request_clear(struct request *r);
