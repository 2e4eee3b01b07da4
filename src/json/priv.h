/* Private to the json room: what the three twins of the scan share with each other and with their tests. */
#pragma once

#include "json/json.h"

/* Where and why a scan stopped; what is NULL when the text is good. */
struct scan_stop {
    const char *what;
    const unsigned char *at;
};

/* Twins: the same verdict for every text and the same tape for a good one; they differ in what they look at in one step.
 * What is wrong and where, only the scalar one tells: a vector one's stop says no more than that something is. The tape has
 * its text and a node's room. */
typedef struct scan_stop scan_fn(struct json_tape *t, const struct json_limits *limits);
scan_fn json_scan_scalar;
#if defined(__x86_64__)
scan_fn json_scan_sse2, json_scan_avx2, json_scan_avx512;
#endif
bool json_scan_can(scan_fn *fn); /* on this processor? */
/* One twin alone, no second look. */
struct scan_stop json_scan_once(scan_fn *fn, struct json_tape *t, struct str src, const struct json_limits *limits);
/* json_scan() with a twin of one's choice. */
enum err json_scan_with(scan_fn *fn, struct json_tape *t, struct str src, const struct json_limits *limits,
                        struct fault *why) MUST_USE;
scan_fn *json_scan_best(struct str src); /* for this text, on this processor */

bool json_tape_grow(struct json_tape *t); /* false: at max_nodes */

/* What vectors are compared with and looked up in, in memory: compilers would build them anew in each round of a loop. */
enum scan_bytes {
    BYTES_QUOTE,
    BYTES_BACKSLASH,
    BYTES_BLANK,
    BYTES_HALF,  /* 0x0F */
    BYTES_THIRD, /* see utf8_errors() */
    BYTES_FOURTH,
    BYTES_TOP,        /* 0x80 */
    BYTES_FIRST_HIGH, /* UTF-8 by the halves of neighbouring bytes */
    BYTES_FIRST_LOW,
    BYTES_SECOND_HIGH,
    BYTES_ESCAPE_HIGH, /* what may follow a backslash, by its halves */
    BYTES_ESCAPE_LOW,
    BYTES_N,
};
extern const unsigned char JSON_BYTES[BYTES_N][64];
extern const unsigned char JSON_SHORT_ESCAPES[128]; /* 0x80: may follow a backslash */

/* So far the slow paths of a vector twin have looked. */
struct scan_seen {
    const unsigned char *unicode_to, *utf8_to;
};

/* Slow paths, the same for all twins. They answer NULL where the text is wrong. */
const unsigned char *json_skip_blank(const unsigned char *p, const unsigned char *end);
/* p at the backslash of a \u escape; answers the place behind it, or behind both halves of a pair. */
const unsigned char *json_skip_unicode(const unsigned char *p, const unsigned char *end);
/* p at a byte over 0x7F; answers the place of the next byte below. */
const unsigned char *json_skip_utf8(const unsigned char *p, const unsigned char *end);
/* p behind the opening quote of a string that a twin refused. */
struct scan_stop json_string_fault(const unsigned char *p, const unsigned char *end);

/* Which bytes may follow a backslash (but for u): b f n r t " \ / */
extern const bool JSON_SHORT_ESCAPE[256];

/* Whole numbers by value of a text that has passed the grammar of numbers; see json_u64(). */
bool json_text_u64(struct str text, uint64_t *ret_value);
bool json_text_i64(struct str text, int64_t *ret_value);
