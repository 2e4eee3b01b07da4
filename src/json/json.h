/* json: the span reader for bodies on the request path (a tape of spans over the text, nothing copied), the writer,
 * splicing, and the document reader for admin, configuration and catalogue (yyjson inside).
 * Called by http, wire, gateway, admin and the commands; pure: no I/O, no clock, no globals but the processor's kind. */
#pragma once

#include "base/base.h"

/* ---- the span reader ------------------------------------------------------------------------------------------- */

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

enum json_flag {
    JSON_ESCAPED = 1, /* a string with a backslash in it: compare and copy through the helpers */
    JSON_KEY = 2,     /* a member's name; its value is the next node */
    JSON_SHUT = 4,    /* a container below `record_depth`: checked, but what is in it was not recorded */
};

/* One value or one member's name. Nodes stand in the order of the text; number 0 is the root. */
struct json_node {
    uint32_t start;  /* offset in the text; of a string: behind its opening quote */
    uint32_t len;    /* bytes; of a string: between the quotes, escapes as they stand; of a container: with both brackets */
    uint32_t next;   /* number of the node behind this one and all that is in it; of a key: its value */
    uint8_t type;    /* enum json_type */
    uint8_t flags;   /* enum json_flag */
    uint16_t unused; /* zero: nodes are 16 bytes and compare as bytes */
};

/* Owns its nodes; grows up to max_nodes and is meant to be kept and used again (a loop has one): a scan into a tape
 * that is large enough allocates nothing. What an unusually large text made it grow to is given back by itself when
 * small ones come. The text is borrowed and must live as long as the tape is read. */
struct json_tape {
    struct str src;
    struct json_node *nodes;
    uint32_t n, cap, max_nodes;
    uint32_t record_depth; /* of the scan that filled it */
    bool marked;           /* by json_limits.mark: some string began so */
};

struct json_limits {
    uint32_t max_depth;    /* containers within each other, at most JSON_DEPTH_MAX */
    uint32_t record_depth; /* containers whose content is recorded; 1: only the root's members; all is checked anyway */
    uint32_t mark;         /* JSON_MARK('a', 'b', 'c'): do strings of JSON_MARKED_MIN bytes or more begin so? At any depth, and
                            * not within escapes; 0: nobody asks */
};
#define JSON_MARK(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)
enum { JSON_MARKED_MIN = 32 };
enum { JSON_DEPTH_MAX = 1024 };
#define JSON_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = JSON_DEPTH_MAX})
#define JSON_LIMITS_TOP ((struct json_limits){.max_depth = 512, .record_depth = 1})

void json_tape_init(struct json_tape *t, uint32_t max_nodes); /* 16 bytes each; 0: the default of 4 Mi nodes */
void json_tape_done(struct json_tape *t);
void json_tape_trim(struct json_tape *t, uint32_t keep_nodes); /* gives memory back; the tape is empty then */

/* Checks the whole text in one pass and records it: RFC 8259 grammar, UTF-8, escapes (a surrogate must have its
 * half), depth, and that each name in the root object stands once, compared unescaped. Empty text is an error.
 * ERR_BAD_JSON tells what and "at byte N"; the tape is then empty. limits may be NULL: JSON_LIMITS. */
enum err json_scan(struct json_tape *t, struct str src, const struct json_limits *limits, struct fault *why) MUST_USE;

/* Is this very text, unchanged since, what the tape holds, recorded as deep as `limits` ask? Then it need not be scanned again. */
bool json_tape_holds(const struct json_tape *t, struct str src, const struct json_limits *limits);

/* ---- reading the tape: nodes are numbers; 0 means "none" wherever a member or element is asked for ---------------- */

static inline const struct json_node *json_node(const struct json_tape *t, uint32_t at) { return &t->nodes[at]; }
static inline enum json_type json_type(const struct json_tape *t, uint32_t at) { return (enum json_type)t->nodes[at].type; }
static inline bool json_is(const struct json_tape *t, uint32_t at, enum json_type type) { return t->nodes[at].type == type; }

/* The node's span: a string's without quotes and still escaped; a number's exact spelling. */
static inline struct str json_text(const struct json_tape *t, uint32_t at)
{
    return str_make(t->src.p + t->nodes[at].start, t->nodes[at].len);
}
/* The value as it stands in the text, quotes included. */
static inline struct str json_raw(const struct json_tape *t, uint32_t at)
{
    uint32_t quote = t->nodes[at].type == JSON_STRING;
    return str_make(t->src.p + t->nodes[at].start - quote, t->nodes[at].len + 2 * quote);
}

/* The member's value by unescaped name; 0: none, or `object` is no object. Where a nested name stands twice the last
 * one counts, as most parsers have it. Must not be asked of a JSON_SHUT container. */
uint32_t json_find(const struct json_tape *t, uint32_t object, struct str name);
/* The same for the members of members: json_path(t, 0, "stream_options", "include_usage"). */
#define json_path(t, at, ...) json_find_path((t), (at), (const char *const[]){__VA_ARGS__, NULL})
uint32_t json_find_path(const struct json_tape *t, uint32_t at, const char *const *names);

/* The first name that stands a second time in this object, compared unescaped; 0: none, or no object. Of the root json_scan() has
 * seen to that; nested objects need it where what we read there must be what any other parser would. */
uint32_t json_name_twice(const struct json_tape *t, uint32_t object);

struct json_iter {
    uint32_t at, end;
};
/* Over members or elements of a container; over nothing for anything else. */
struct json_iter json_each(const struct json_tape *t, uint32_t container);
/* for (struct json_iter it = json_each(t, array); json_next(t, &it, &value);) */
bool json_next(const struct json_tape *t, struct json_iter *it, uint32_t *ret_value);
bool json_next_member(const struct json_tape *t, struct json_iter *it, uint32_t *ret_key, uint32_t *ret_value);
uint32_t json_count(const struct json_tape *t, uint32_t container); /* members or elements; walks them */

/* Whole numbers by value, however spelled (100, 100.0, 1e2); false: no number, not whole, or does not fit. */
bool json_u64(const struct json_tape *t, uint32_t at, uint64_t *ret_value);
bool json_i64(const struct json_tape *t, uint32_t at, int64_t *ret_value);
bool json_bool(const struct json_tape *t, uint32_t at, bool *ret_value);
/* Where in the document a byte of the text stands: "messages[2].content[0].text"; the innermost member or element whose name
 * or value covers it, as far down as was recorded. Appends nothing for the document itself. Names stand as they are spelled;
 * a path longer than JSON_WHERE_MAX ends in "…". Walks the tape from its root: for errors. */
enum { JSON_WHERE_MAX = 120 };
void json_where(const struct json_tape *t, size_t offset, struct buf *out);
/* A string node equals plain text (escapes resolved). False for everything that is no string. */
bool json_eq_escaped(const struct json_tape *t, uint32_t at, struct str plain); /* json_eq() of one with escapes */
static inline bool json_eq(const struct json_tape *t, uint32_t at, struct str plain)
{
    const struct json_node *node = &t->nodes[at];
    if (UNLIKELY(node->flags & JSON_ESCAPED)) return json_eq_escaped(t, at, plain);
    return node->len == plain.n && node->type == JSON_STRING && str_eq(json_text(t, at), plain);
}
/* Appends a string node's value with its escapes resolved; false: no string. */
bool json_unescape(const struct json_tape *t, uint32_t at, struct buf *out);
/* A string's value as one span: the text itself when it has no escape, else resolved into `out` (appended).
 * STR_NONE: no string, or `out` is over. Earlier spans into `out` may move: one `out` per value, or reserve before. */
struct str json_str(const struct json_tape *t, uint32_t at, struct buf *out);

/* The same on spans of strings that a scan has accepted. */
bool json_span_eq(struct str escaped, struct str plain);
void json_span_unescape(struct str escaped, struct buf *out);
/* Could stand between quotes: UTF-8, no bare quote or control character, whole escapes, surrogates only in pairs. */
bool json_is_span(struct str s);

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Commas and colons come by themselves. A wrong order of calls (value without name, open end) is our bug: must(). */
struct json_writer {
    struct buf *out;
    uint64_t is_object, has_items; /* one bit per open container, the innermost is bit 0 */
    uint32_t depth;                /* at most JSON_WRITE_DEPTH */
    bool has_name;
};
enum { JSON_WRITE_DEPTH = 64 };

void json_write(struct json_writer *w, struct buf *out); /* starts one text at the buffer's end */
bool json_write_done(struct json_writer *w);             /* all is closed; false: the buffer is over */

void json_put_object(struct json_writer *w);
void json_put_array(struct json_writer *w);
void json_put_end(struct json_writer *w); /* closes the innermost object or array */
void json_put_name(struct json_writer *w, struct str name);
void json_put_name_span(struct json_writer *w, struct str escaped); /* a name's span from a tape */
void json_put_str(struct json_writer *w, struct str s);             /* escapes; broken UTF-8 becomes U+FFFD */
void json_put_span(struct json_writer *w, struct str escaped);      /* a string's span from a tape: quotes are put around */
/* A string in pieces: what is added to the buffer between the two calls is its inside, escaped already. */
void json_put_string_begin(struct json_writer *w);
void json_put_string_end(struct json_writer *w);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, struct str json); /* whole valid JSON: a raw span, an exact decimal */

/* The same in three pieces, in one go: '{"role":"user","content":"', a string's span, '"}'. */
void json_put_around(struct json_writer *w, struct str before, struct str inside, struct str behind);

void json_put_members(struct json_writer *w, struct str object); /* those of a whole object's text, into the open one */

/* Name and value in one call. */
void json_add_object(struct json_writer *w, struct str name);
void json_add_array(struct json_writer *w, struct str name);
void json_add_str(struct json_writer *w, struct str name, struct str s);
void json_add_u64(struct json_writer *w, struct str name, uint64_t v);
void json_add_i64(struct json_writer *w, struct str name, int64_t v);
void json_add_bool(struct json_writer *w, struct str name, bool v);
void json_add_null(struct json_writer *w, struct str name);
void json_add_raw(struct json_writer *w, struct str name, struct str json);

/* The inside of a string: escaped text without quotes. */
void json_escape(struct buf *out, struct str s);

/* ---- splicing: the original with changes, in pieces for writev(2), nothing copied ----------------------------------- */

struct json_edit {
    size_t start, len; /* what goes; len 0 inserts */
    struct str with;   /* what comes; borrowed */
};
#define JSON_PIECES(n_edits) (2 * (n_edits) + 1)

/* Edits are sorted by start and none reaches out of another: must(). One that lies within what an earlier one takes away
 * is void (the member that it would change is gone). Several insertions at one place keep their order. Returns the number
 * of pieces, at most JSON_PIECES(n); empty ones are left out. */
size_t json_splice(struct str src, const struct json_edit *edits, size_t n, struct str *ret_pieces);
size_t json_pieces_len(const struct str *pieces, size_t n);
void json_sort_edits(struct json_edit *edits, size_t n); /* stable; for edits planned apart from each other */

enum json_change_kind {
    JSON_SET,     /* replaces the value, or adds the member */
    JSON_DEFAULT, /* adds the member where it is missing */
    JSON_DROP,    /* removes the member with its comma */
};
struct json_change {
    enum json_change_kind kind;
    struct str name;  /* plain; one that needs no escaping: must() */
    struct str value; /* whole valid JSON; borrowed */
};
#define JSON_EDITS(n_changes) (4 * (n_changes))

/* The edits that make `changes` (each name once, at most 64) in one object of the tape; sorted. Returns their number, at
 * most JSON_EDITS(n). Nothing else in the text changes. JSON_TWICE: a name that is to change stands twice in a nested
 * object (in the outermost the scan has refused that), so what would be changed is not certain. */
#define JSON_TWICE SIZE_MAX
size_t json_plan(const struct json_tape *t, uint32_t object, const struct json_change *changes, size_t n,
                 struct json_edit *ret_edits);

/* ---- documents: admin bodies, catalogue, configuration; small, read once, errors with line and path ---------------- */

struct json_doc;
struct json_ref { /* one value in a document, by value; borrowed from it */
    const struct json_doc *doc;
    const void *value; /* NULL: not there */
};

/* `name` stands before the line in errors ("catalog/models.json:12: …") and may be empty. The text is copied. Depth at
 * most 64; no name may stand twice in any object. ERR_BAD_JSON tells line and byte, or the path. */
enum err json_doc_read(struct str name, struct str text, struct json_doc **ret_doc, struct fault *why) MUST_USE;
void json_doc_free(struct json_doc *doc); /* NULL is fine */
struct json_ref json_doc_root(const struct json_doc *doc);

static inline bool json_ref_ok(struct json_ref r) { return r.value; }
enum json_type json_ref_type(struct json_ref r);
/* ERR_BAD_REQUEST: "models[3].price.input must be a string, but is a number." Booleans: ask for JSON_TRUE. */
enum err json_ref_want(struct json_ref r, enum json_type type, struct fault *why) MUST_USE;
/* ERR_BAD_REQUEST unless all names of the object are in the NULL-terminated list; says the nearest known name. */
enum err json_ref_only(struct json_ref object, const char *const *names, struct fault *why) MUST_USE;
/* "models[3].price"; the root is "the document". */
void json_ref_path(struct json_ref r, struct buf *out);

/* Members by name. `get`: must be there and of the type. `opt`: a missing one or null leaves *ret_… as it is. */
struct json_ref json_ref_find(struct json_ref object, const char *name);
enum err json_get(struct json_ref object, const char *name, enum json_type type, struct json_ref *ret_value,
                  struct fault *why) MUST_USE;
enum err json_get_str(struct json_ref object, const char *name, struct str *ret_value, struct fault *why) MUST_USE;
enum err json_get_u64(struct json_ref object, const char *name, uint64_t *ret_value, struct fault *why) MUST_USE;
enum err json_opt(struct json_ref object, const char *name, enum json_type type, struct json_ref *ret_value,
                  struct fault *why) MUST_USE;
enum err json_opt_str(struct json_ref object, const char *name, struct str *ret_value, struct fault *why) MUST_USE;
enum err json_opt_u64(struct json_ref object, const char *name, uint64_t *ret_value, struct fault *why) MUST_USE;
enum err json_opt_i64(struct json_ref object, const char *name, int64_t *ret_value, struct fault *why) MUST_USE;
enum err json_opt_bool(struct json_ref object, const char *name, bool *ret_value, struct fault *why) MUST_USE;

/* Of a string: its value. Of a number: its exact spelling (for money_parse()). Else STR_NONE. */
struct str json_ref_text(struct json_ref r);

struct json_walk {
    struct json_ref container, at;
    size_t left;
};
/* for (struct json_walk w = json_walk(array); json_walk_next(&w, NULL, &value);) — name may be NULL, is STR_NONE in arrays. */
struct json_walk json_walk(struct json_ref container);
bool json_walk_next(struct json_walk *w, struct str *ret_name, struct json_ref *ret_value);
size_t json_ref_count(struct json_ref container);
