/* quick: a whole HTTP/1.1 head read in one go when it is of the plain kind that nearly every peer sends. Private to this
 * room: h1.c tries it for requests and answer.c for answers; whatever it leaves alone is llhttp's to judge. It accepts
 * only what llhttp accepts in the same sense, so it decides nothing but the time it takes. */
#pragma once

#include "http/http.h"

struct head_slot {
    uint32_t name_at, name_n, value_at, value_n;
};
struct quick_head {
    struct str first[3]; /* method, target, version; or version, status, reason */
    uint32_t size;       /* of the whole head with its blank line */
    unsigned n_slots;
    bool upper;      /* a name has a capital letter: quick_lower() is needed */
    bool has_length; /* exactly one content-length */
    uint64_t length;
};

/* Reads a head that is wholly in `bytes`. False: not plain, or not whole (yet): nothing is said about it then.
 * Not plain is: anything that is not strictly as RFC 9112 writes it; transfer-encoding, upgrade and trailer fields;
 * any `connection` but keep-alive; a second content-length; more than `room` fields. Offsets count from bytes.p. */
bool quick_read(struct str bytes, struct head_slot *slots, unsigned room, struct quick_head *ret_head);
/* Makes the names small, in place or in a copy of the head's `size` bytes. */
void quick_lower(char *bytes, size_t size, const struct head_slot *slots, unsigned n);

/* How many bytes from the start on may stand in a name (RFC 9110 5.6.2), or in a value. Quickest where this many bytes can
 * be read behind the last one that counts. */
#define QUICK_BLOCK 32
size_t quick_name_n(struct str s, bool *ret_upper);
size_t quick_value_n(struct str s);
/* `name: value`, where QUICK_BLOCK bytes can be read behind the value: both may stand so. */
bool quick_field_is_valid(const char *line, size_t name_n, size_t value_n);

/* `name: value` and its line's end. False, and nothing is written: bytes that no field may hold. */
MUST_USE bool http_field_write(struct buf *out, const struct http_field *f);
