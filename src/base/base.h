/* base: the floor of the house: strings, buffers, arenas, errors, clock, random, maps, logging.
 * Every room stands on it, in every process; it knows nobody. Nothing here does I/O but the log. */
#pragma once

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)

/* A broken promise of our own code: says where and aborts, in production too. Never for input from outside. */
#define must(cond) (LIKELY(cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))
NORETURN void must_failed(const char *cond, const char *file, int line);

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* Whose fault and of what kind; each wire format turns it into its own word (`invalid_request_error` …). */
enum err_class {
    CLASS_NONE,
    CLASS_REQUEST,    /* the request itself is wrong */
    CLASS_AUTH,       /* who are you */
    CLASS_PERMISSION, /* not yours */
    CLASS_NOT_FOUND,  /* no such path or model */
    CLASS_TOO_LARGE,  /* body or head over the limit */
    CLASS_RATE,       /* come back later */
    CLASS_BILLING,    /* no money left */
    CLASS_OVERLOADED, /* Aquifer itself cannot take it now */
    CLASS_UPSTREAM,   /* the provider failed */
    CLASS_TIMEOUT,    /* a deadline passed */
    CLASS_INTERNAL,   /* our bug or our disk */
};

/* One row per error: enum, stable code (docs/errors.md, append only), HTTP status, class, and whether the same
 * request sent again can succeed (false becomes `x-should-retry: false`). */
#define ERRORS(X)                                                                          \
    X(OK, "ok", 200, CLASS_NONE, false)                                                    \
    X(ERR_INTERNAL, "internal", 500, CLASS_INTERNAL, false)                                \
    X(ERR_IO, "io", 500, CLASS_INTERNAL, true)                                             \
    X(ERR_LIMIT, "limit", 400, CLASS_TOO_LARGE, false)                                     \
    X(ERR_PARSE, "parse", 400, CLASS_REQUEST, false)                                       \
    X(ERR_CONFIG, "config", 400, CLASS_REQUEST, false)                                     \
    X(ERR_STORE, "store_unavailable", 503, CLASS_OVERLOADED, true)                         \
    X(ERR_EXISTS, "already_exists", 400, CLASS_REQUEST, false)                             \
    X(ERR_READ_ONLY, "read_only", 400, CLASS_REQUEST, false)                               \
    X(ERR_BAD_HTTP, "bad_http", 400, CLASS_REQUEST, false)                                 \
    X(ERR_HEAD_TOO_LARGE, "head_too_large", 431, CLASS_TOO_LARGE, false)                   \
    X(ERR_BODY_TOO_LARGE, "body_too_large", 413, CLASS_TOO_LARGE, false)                   \
    X(ERR_BAD_ENCODING, "bad_content_encoding", 400, CLASS_REQUEST, false)                 \
    X(ERR_UNSUPPORTED_ENCODING, "unsupported_content_encoding", 415, CLASS_REQUEST, false) \
    X(ERR_REQUEST_TIMEOUT, "request_timeout", 408, CLASS_TIMEOUT, true)                    \
    X(ERR_BAD_JSON, "bad_json", 400, CLASS_REQUEST, false)                                 \
    X(ERR_BAD_REQUEST, "bad_request", 400, CLASS_REQUEST, false)                           \
    X(ERR_NOT_FOUND, "not_found", 404, CLASS_NOT_FOUND, false)                             \
    X(ERR_METHOD, "method_not_allowed", 405, CLASS_REQUEST, false)                         \
    X(ERR_KEY_MISSING, "key_missing", 401, CLASS_AUTH, false)                              \
    X(ERR_KEY_INVALID, "key_invalid", 401, CLASS_AUTH, false)                              \
    X(ERR_KEY_EXPIRED, "key_expired", 401, CLASS_AUTH, false)                              \
    X(ERR_ROUTE_DENIED, "route_denied", 403, CLASS_PERMISSION, false)                      \
    X(ERR_MODEL_UNKNOWN, "model_unknown", 404, CLASS_NOT_FOUND, false)                     \
    X(ERR_MODEL_UNPRICED, "model_unpriced", 403, CLASS_PERMISSION, false)                  \
    X(ERR_FORMAT_UNSUPPORTED, "format_unsupported", 400, CLASS_REQUEST, false)             \
    X(ERR_RATE_REQUESTS, "rate_requests", 429, CLASS_RATE, true)                           \
    X(ERR_RATE_TOKENS, "rate_tokens", 429, CLASS_RATE, true)                               \
    X(ERR_CONCURRENCY, "concurrency", 429, CLASS_RATE, true)                               \
    X(ERR_SPEND_DAY, "spend_day", 402, CLASS_BILLING, false)                               \
    X(ERR_SPEND_MONTH, "spend_month", 402, CLASS_BILLING, false)                           \
    X(ERR_OVERLOADED, "overloaded", 503, CLASS_OVERLOADED, true)                           \
    X(ERR_JOURNAL_FULL, "journal_full", 503, CLASS_OVERLOADED, true)                       \
    X(ERR_NOT_READY, "not_ready", 503, CLASS_OVERLOADED, true)                             \
    X(ERR_DRAINING, "draining", 503, CLASS_OVERLOADED, true)                               \
    X(ERR_ENGINE, "engine_unavailable", 503, CLASS_OVERLOADED, true)                       \
    X(ERR_UPSTREAM_DNS, "upstream_dns", 502, CLASS_UPSTREAM, true)                         \
    X(ERR_UPSTREAM_CONNECT, "upstream_connect", 502, CLASS_UPSTREAM, true)                 \
    X(ERR_UPSTREAM_TLS, "upstream_tls", 502, CLASS_UPSTREAM, true)                         \
    X(ERR_UPSTREAM_STALE, "upstream_stale", 502, CLASS_UPSTREAM, true)                     \
    X(ERR_UPSTREAM_CUT, "upstream_cut", 502, CLASS_UPSTREAM, true)                         \
    X(ERR_UPSTREAM_GARBAGE, "upstream_garbage", 502, CLASS_UPSTREAM, true)                 \
    X(ERR_UPSTREAM_TOO_LARGE, "upstream_too_large", 502, CLASS_UPSTREAM, false)            \
    X(ERR_UPSTREAM_ERROR, "upstream_error", 502, CLASS_UPSTREAM, true)                     \
    X(ERR_UPSTREAM_TIMEOUT, "upstream_timeout", 504, CLASS_TIMEOUT, true)                  \
    X(ERR_CLIENT_GONE, "client_gone", 499, CLASS_REQUEST, false)                           \
    X(ERR_SIGNATURE_FORM, "signature_form", 400, CLASS_AUTH, false)                        \
    X(ERR_SIGNATURE_INVALID, "signature_invalid", 403, CLASS_AUTH, false)                  \
    X(ERR_SIGNATURE_EXPIRED, "signature_expired", 403, CLASS_AUTH, false)                  \
    X(ERR_SIGNATURE_SKEWED, "signature_skewed", 403, CLASS_AUTH, false)                    \
    X(ERR_SIGNATURE_SCOPE, "signature_scope", 403, CLASS_AUTH, false)                      \
    X(ERR_ACCESS_KEY, "access_key_unknown", 403, CLASS_AUTH, false)                        \
    X(ERR_BODY_DIGEST, "body_digest", 400, CLASS_REQUEST, false)                           \
    X(ERR_UPGRADE, "upgrade_required", 426, CLASS_REQUEST, false)                          \
    X(ERR_PREVIOUS, "previous_response_not_found", 400, CLASS_REQUEST, false)              \
    X(ERR_TALK, "conversation_not_found", 404, CLASS_NOT_FOUND, false)                     \
    X(ERR_RECALL, "state_unavailable", 503, CLASS_OVERLOADED, true)                        \
    X(ERR_UPSTREAM_AUTH, "upstream_auth", 502, CLASS_UPSTREAM, false)                      \
    X(ERR_TALK_LOCKED, "conversation_locked", 409, CLASS_REQUEST, true)                    \
    X(ERR_SPEND_RESERVED, "spend_reserved", 429, CLASS_RATE, true)                         \
    X(ERR_SPEND_UNPRICED, "spend_unpriced", 402, CLASS_BILLING, false)

enum err {
#define X(name, code, status, class, retry) name,
    ERRORS(X)
#undef X
        ERR_COUNT
};

const char *err_code(enum err e);        /* "bad_json"; stable, part of the API */
int err_status(enum err e);              /* HTTP status of our own answer */
enum err_class err_class_of(enum err e); /* for the wire formats' own words */
bool err_can_retry(enum err e);          /* false: answer `x-should-retry: false` */

/* The story of one failure. Written once, where the error is born; one per exchange, task or parse. */
struct fault {
    enum err code;
    uint32_t retry_after_s; /* 0: none known */
    const char *where;      /* "src/…:line", for the log only */
    char text[256];         /* what happened, to what, what to do; for a person; no secrets */
};

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define HERE __FILE__ ":" STRINGIFY(__LINE__)
/* Sets the fault and is the code: `return FAIL(why, ERR_PARSE, "…", …);` why may be NULL. */
#define FAIL(why, code, ...) fault_set((why), (code), HERE, __VA_ARGS__)
/* The only macro that may hide a return. */
#define TRY(call)                              \
    do {                                       \
        enum err try_ = (call);                \
        if (UNLIKELY(try_ != OK)) return try_; \
    } while (0)
enum err fault_set(struct fault *why, enum err code, const char *where, const char *fmt, ...) PRINTF(4, 5);
static inline void ignore_err(enum err e) { (void)e; }

/* ---- strings: borrowed bytes, by value, never freed, not NUL-terminated ---------------------------------------- */

struct str {
    const char *p;
    size_t n;
};
#define S(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_NONE ((struct str){NULL, 0})
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "") /* for "%.*s" */

static inline struct str str_make(const char *p, size_t n) { return (struct str){p, n}; }
static inline struct str str_z(const char *z) { return (struct str){z, z ? strlen(z) : 0}; }
static inline bool str_eq(struct str a, struct str b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }
static inline bool str_starts(struct str s, struct str head)
{
    return s.n >= head.n && (head.n == 0 || memcmp(s.p, head.p, head.n) == 0);
}
static inline bool str_ends(struct str s, struct str tail)
{
    return s.n >= tail.n && (tail.n == 0 || memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0);
}
static inline struct str str_from(struct str s, size_t at)
{
    return at >= s.n ? (struct str){s.n ? s.p + s.n : s.p, 0} : (struct str){s.p + at, s.n - at};
}
static inline struct str str_trim(struct str s) /* spaces and tabs */
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) s.n--;
    return s;
}
bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
int str_cmp(struct str a, struct str b);        /* bytewise order */
/* Cuts at the first `at`: true with head and tail around it; false leaves head = s, tail empty. */
bool str_cut(struct str s, char at, struct str *ret_head, struct str *ret_tail);
bool str_find(struct str hay, struct str needle, size_t *ret_at);
/* Whole string is a decimal number without sign that fits; leading zeros are allowed. */
bool str_u64(struct str s, uint64_t *ret_value);
bool str_is_utf8(struct str s, size_t *ret_bad_at); /* ret_bad_at may be NULL */
/* Length (1 to 4) of the UTF-8 character at `at` and its code point; 0: not UTF-8 there (RFC 3629: no overlong
 * forms, no surrogates, nothing over U+10FFFF). */
size_t str_utf8_at(struct str s, size_t at, uint32_t *ret_point);
/* How many bytes from `at` on are printable ASCII other than quote and backslash: what stands in a JSON string or a log
 * value as it is. */
size_t str_plain_run(struct str s, size_t at);
/* Copies and terminates; the caller frees. Aborts without memory. */
char *str_dup_z(struct str s);
/* Edit distance for "did you mean" (bounded: strings over 64 bytes are far from everything). */
unsigned str_distance(struct str a, struct str b);

/* ---- growing writer -------------------------------------------------------------------------------------------- */

/* Grows up to `max` set at birth; beyond it nothing is written and `over` stays set, tested once at the end. */
struct buf {
    char *p;
    size_t n, cap, max;
    bool over;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b); /* frees; b is empty and usable again */
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
    b->over = false;
}
bool buf_grow(struct buf *b, size_t more); /* buf_reserve() when the room is not there yet */
/* Room for `more` bytes; false: over. Inline, as all that adds a few bytes: heads are made of dozens of small pieces. */
static inline bool buf_reserve(struct buf *b, size_t more)
{
    return LIKELY(!b->over && more <= b->cap - b->n && b->n + more <= b->max) || buf_grow(b, more);
}
static inline void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !buf_reserve(b, n)) return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static inline void buf_str(struct buf *b, struct str s) { buf_add(b, s.p, s.n); }
static inline void buf_char(struct buf *b, char c)
{
    if (buf_reserve(b, 1)) b->p[b->n++] = c;
}
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_drop_head(struct buf *b, size_t n); /* removes the first n bytes */
static inline struct str buf_view(const struct buf *b) { return (struct str){b->p, b->n}; }
/* RFC 3986: what is not unreserved is encoded; a '%' that begins no code, or a full buffer: false. */
void buf_percent_encode(struct buf *b, struct str s);
bool buf_percent_decode(struct buf *b, struct str s) MUST_USE;
const char *buf_z(struct buf *b); /* terminates (not counted in n); "" when over */

/* ---- arenas: many small lifetimes freed as one ------------------------------------------------------------------ */

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    char *at, *end;
    size_t used, max, chunk_size;
};

void arena_init(struct arena *a, size_t chunk_size, size_t max);
void arena_done(struct arena *a);                      /* frees all; usable again */
void arena_clear(struct arena *a, size_t keep);        /* as done, but up to `keep` bytes stay for next time */
void *arena_alloc(struct arena *a, size_t n) MUST_USE; /* zeroed, 16-aligned; NULL beyond max */
bool arena_str(struct arena *a, struct str s, struct str *ret_copy) MUST_USE; /* copy, NUL after it */

void *mem_alloc(size_t n) MUST_USE;           /* zeroed; aborts without memory (the parent restarts us) */
void *mem_resize(void *p, size_t n) MUST_USE; /* aborts without memory */

/* ---- numbers of money: pico-dollars ---------------------------------------------------------------------------- */

typedef __int128 money; /* 10^-12 dollars; sums never overflow */
#define MONEY_DOLLAR ((money)1000000000000LL)
/* "0.15" dollars → pico-dollars, exact; refuses more than 12 decimals, signs and exponents. */
bool money_parse(struct str text, money *ret_value) MUST_USE;
/* Exact decimal dollars without exponent or trailing zeros: "0.000075", "12", "0". */
void money_write(struct buf *out, money value);

/* ---- clock and random ------------------------------------------------------------------------------------------ */

uint64_t clock_mono_ns(void);
int64_t clock_wall_ms(void);                    /* Unix milliseconds, UTC; at most some 4 ms behind */
int32_t clock_day(int64_t wall_ms);             /* days since 1970-01-01 UTC */
int32_t clock_month(int64_t wall_ms);           /* year * 12 + month - 1, UTC */
void clock_day_text(int32_t day, char out[11]); /* "2026-11-23" */
bool clock_parse_day(struct str text, int32_t *ret_day);
void clock_rfc3339(int64_t wall_ms, char out[25]); /* "2026-11-23T08:16:46.000Z" */
bool clock_parse_rfc3339(struct str text, int64_t *ret_wall_ms);
int64_t clock_month_end_ms(int64_t wall_ms); /* first millisecond of the next UTC month */

void random_bytes(void *out, size_t n); /* buffered getrandom(2) per thread; fit for secrets */
uint64_t random_u64(void);
/* Lower-case base32 (Crockford, no i l o u) of n random characters; terminates. */
void random_id(char *out, size_t n_chars);
/* The same, but its first RANDOM_ID_TIME characters are the time, and `id` holds the one before it ("": none), which it follows
 * within a millisecond: a table that is ordered by such ids grows at its end. Nobody may rely on not guessing one. */
#define RANDOM_ID_TIME 9
void random_id_next(char *id, size_t n_chars, int64_t wall_ms);

uint32_t crc32c(uint32_t seed, const void *p, size_t n); /* Castagnoli; SSE4.2 when the processor has it */

/* ---- map: borrowed string keys → pointers; seeded hash, insertion order kept ------------------------------------ */

struct map_entry {
    struct str key;
    void *value;
    uint64_t hash;
};
struct map {
    struct map_entry *entries;
    uint32_t *slots;
    uint32_t n, cap_entries, n_slots;
};
void map_init(struct map *m);
void map_done(struct map *m);
void *map_find(const struct map *m, struct str key);      /* NULL: none */
bool map_add(struct map *m, struct str key, void *value); /* false: the key stands already, nothing changed */

/* ---- log ------------------------------------------------------------------------------------------------------- */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };
enum log_kind { FIELD_STR, FIELD_INT, FIELD_UINT, FIELD_BOOL, FIELD_SECRET };

/* A secret is a type of its own, so that the log redacts by type and never by guessing patterns. */
struct secret {
    struct str value;
};
struct log_field {
    const char *name;
    enum log_kind kind;
    struct str str;
    int64_t num;
};
#define F_STR(name, s) ((struct log_field){(name), FIELD_STR, (s), 0})
#define F_Z(name, z) ((struct log_field){(name), FIELD_STR, str_z(z), 0})
#define F_INT(name, v) ((struct log_field){(name), FIELD_INT, {0}, (int64_t)(v)})
#define F_UINT(name, v) ((struct log_field){(name), FIELD_UINT, {0}, (int64_t)(v)})
#define F_BOOL(name, v) ((struct log_field){(name), FIELD_BOOL, {0}, (v)})
#define F_SECRET(name, s) ((struct log_field){(name), FIELD_SECRET, {NULL, (s).value.n}, 0})

/* One line: time, level, process, event ("exchange.done"), text for a person, fields. Control characters are escaped. */
#define LOG(level, event, text, ...)                                                                    \
    do {                                                                                                \
        if ((level) >= atomic_load_explicit(&log_threshold, memory_order_relaxed))                      \
            log_write((level), (event), (text),                                                         \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, FIELD_STR, {0}, 0}}); \
    } while (0)
extern _Atomic(enum log_level) log_threshold; /* written by one thread while all read it */
void log_setup(const char *process, enum log_format format, enum log_level threshold, int fd);
void log_write(enum log_level level, const char *event, const char *text, const struct log_field *fields);
bool log_parse_level(struct str name, enum log_level *ret_level);
