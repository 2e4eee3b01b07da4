/* Private to the json room: what the three twins of the scan share with each other and with their tests. */
#pragma once

#include "json/json.h"

/* Where and why a scan stopped; what is NULL when the text is good. */
struct scan_stop {
    const char *what;
    const unsigned char *at;
};

/* Twins: the same tape and the same stop for every text; they differ in what they can look at in one step. The vector
 * ones ask for a text of at least SCAN_LEAST bytes and a processor that can. The tape has its text and a node's room. */
typedef struct scan_stop scan_fn(struct json_tape *t, const struct json_limits *limits);
enum { SCAN_LEAST = 64 };
scan_fn json_scan_scalar;
#if defined(__x86_64__)
scan_fn json_scan_sse2, json_scan_avx2;
#endif
/* json_scan() with a twin of one's choice. */
enum err json_scan_with(scan_fn *fn, struct json_tape *t, struct str src, const struct json_limits *limits,
                        struct fault *why) MUST_USE;
scan_fn *json_scan_best(struct str src); /* for this text, on this processor */

bool json_tape_grow(struct json_tape *t); /* false: at max_nodes */

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
