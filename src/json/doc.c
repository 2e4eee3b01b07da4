/* The document reader: admin bodies, catalogue and data files, read once into a tree by yyjson.
 * Called by catalogue, configuration, admin and the commands, never on the request path. A document owns its tree and
 * its name; refs borrow from it. Numbers stay text, so that money is exact. Errors name the path of what is wrong.
 * yyjson keeps values in the order of the text: a value's subtree is [value, next), which is how paths are found. */
#include "json/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { DEPTH_MAX = 64, PATH_MAX_BYTES = 160 };

struct json_doc {
    yyjson_doc *tree;
    char *name;
};

static yyjson_val *val_of(struct json_ref r)
{
    union {
        const void *in;
        yyjson_val *out; /* yyjson's readers want it without const; none of them writes */
    } value = {.in = r.value};
    return value.out;
}

static struct json_ref ref_of(const struct json_doc *doc, yyjson_val *v) { return (struct json_ref){doc, v}; }

static yyjson_val *root_of(const struct json_doc *doc)
{
    yyjson_val *root = yyjson_doc_get_root(doc->tree);
    must(root);
    return root;
}

struct json_ref json_doc_root(const struct json_doc *doc) { return ref_of(doc, root_of(doc)); }

void json_doc_free(struct json_doc *doc)
{
    if (!doc) return;
    yyjson_doc_free(doc->tree);
    free(doc->name);
    free(doc);
}

/* ---- paths and errors ------------------------------------------------------------------------------------------- */

static void put_step(struct buf *out, yyjson_val *key, size_t index)
{
    if (!key) {
        buf_fmt(out, "[%zu]", index);
        return;
    }
    if (out->n) buf_char(out, '.');
    buf_add(out, yyjson_get_str(key), yyjson_get_len(key));
}

/* The child of `parent` in whose subtree `v` is; its step is written. */
static yyjson_val *step_towards(yyjson_val *parent, yyjson_val *v, struct buf *out)
{
    bool is_object = yyjson_is_obj(parent);
    yyjson_val *child = parent + 1;
    for (size_t i = 0;; i++) {
        yyjson_val *key = is_object ? child : NULL;
        child += is_object;
        yyjson_val *next = unsafe_yyjson_get_next(child);
        if (v < next) {
            put_step(out, key, i);
            return child;
        }
        child = next;
    }
}

void json_ref_path(struct json_ref r, struct buf *out)
{
    yyjson_val *at = root_of(r.doc), *v = val_of(r);
    must(v);
    if (at == v) buf_str(out, S("the document"));
    struct buf path; /* apart, so that its first step knows that it is first */
    buf_init(&path, PATH_MAX_BYTES);
    while (at != v) at = step_towards(at, v, &path);
    buf_str(out, buf_view(&path));
    if (path.over) buf_str(out, S("…"));
    buf_done(&path);
}

/* Whose fault: "catalog.json: models[3].price" in front of the rest. */
static enum err fail_at(struct json_ref r, enum err code, struct fault *why, const char *fmt, ...) PRINTF(4, 5);
static enum err fail_at(struct json_ref r, enum err code, struct fault *why, const char *fmt, ...)
{
    struct buf path;
    char rest[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(rest, sizeof rest, fmt, args);
    va_end(args);
    buf_init(&path, PATH_MAX_BYTES + 8);
    json_ref_path(r, &path);
    FAIL(why, code, "%s%s%.*s %s", r.doc->name, *r.doc->name ? ": " : "", STR_ARG(buf_view(&path)), rest);
    buf_done(&path);
    return code;
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static enum err fail_syntax(const char *name, struct str text, const yyjson_read_err *at, struct fault *why)
{
    size_t line = 1, end = at->pos < text.n ? at->pos : text.n;
    for (size_t i = 0; i < end; i++) line += text.p[i] == '\n';
    return FAIL(why, ERR_BAD_JSON, "%s%sline %zu: This is not valid JSON: %s, at byte %zu.", name, *name ? ": " : "", line,
                at->msg ? at->msg : "unknown error", at->pos);
}

static enum err check_depth(const struct json_doc *doc, struct fault *why)
{
    yyjson_val *root = root_of(doc), *ends[DEPTH_MAX];
    uint32_t depth = 0;
    for (yyjson_val *v = root, *end = unsafe_yyjson_get_next(root); v < end; v++) {
        while (depth && v >= ends[depth - 1]) depth--;
        if (!yyjson_is_ctn(v)) continue;
        if (depth == DEPTH_MAX)
            return fail_at(json_doc_root(doc), ERR_BAD_JSON, why, "is nested deeper than %d levels.", DEPTH_MAX);
        ends[depth++] = unsafe_yyjson_get_next(v);
    }
    return OK;
}

static enum err check_names_of(struct json_ref object, struct fault *why)
{
    struct map names;
    struct str name, twice = STR_NONE;
    struct json_ref value;
    bool is_twice = false;
    map_init(&names);
    for (struct json_walk w = json_walk(object); !is_twice && json_walk_next(&w, &name, &value);) {
        is_twice = !map_add(&names, name, &names);
        twice = name;
    }
    map_done(&names);
    if (!is_twice) return OK;
    return fail_at(object, ERR_BAD_JSON, why, "has the name \"%.*s\" twice.", STR_ARG(twice));
}

static enum err check_names(const struct json_doc *doc, struct fault *why)
{
    yyjson_val *root = root_of(doc);
    for (yyjson_val *v = root, *end = unsafe_yyjson_get_next(root); v < end; v++)
        if (yyjson_is_obj(v)) TRY(check_names_of(ref_of(doc, v), why));
    return OK;
}

enum err json_doc_read(struct str name, struct str text, struct json_doc **ret_doc, struct fault *why)
{
    yyjson_read_err at = {0};
    union {
        const char *in;
        char *out; /* yyjson writes to its input only when told to (YYJSON_READ_INSITU) */
    } bytes = {.in = text.p};
    struct json_doc *doc = mem_alloc(sizeof *doc);
    doc->name = str_dup_z(name);
    doc->tree = yyjson_read_opts(bytes.out, text.n, YYJSON_READ_NUMBER_AS_RAW, NULL, &at);
    enum err e = doc->tree ? check_depth(doc, why) : fail_syntax(doc->name, text, &at, why);
    if (e == OK) e = check_names(doc, why);
    if (e == OK) *ret_doc = doc;
    else json_doc_free(doc);
    return e;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

enum json_type json_ref_type(struct json_ref r)
{
    yyjson_val *v = val_of(r);
    if (yyjson_is_raw(v)) return JSON_NUMBER;
    if (yyjson_is_str(v)) return JSON_STRING;
    if (yyjson_is_arr(v)) return JSON_ARRAY;
    if (yyjson_is_obj(v)) return JSON_OBJECT;
    if (yyjson_is_bool(v)) return yyjson_is_true(v) ? JSON_TRUE : JSON_FALSE;
    return JSON_NULL;
}

static const char *type_name(enum json_type type)
{
    static const char *const NAMES[] = {
        [JSON_NULL] = "null",       [JSON_FALSE] = "true or false", [JSON_TRUE] = "true or false", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array",      [JSON_OBJECT] = "an object",
    };
    return NAMES[type];
}

enum err json_ref_want(struct json_ref r, enum json_type type, struct fault *why)
{
    enum json_type is = json_ref_type(r);
    if (is == type || (is == JSON_FALSE && type == JSON_TRUE) || (is == JSON_TRUE && type == JSON_FALSE)) return OK;
    return fail_at(r, ERR_BAD_REQUEST, why, "must be %s, but is %s.", type_name(type), type_name(is));
}

static const char *nearest(struct str name, const char *const *names)
{
    const char *best = NULL;
    unsigned least = (unsigned)(name.n / 3) + 2; /* further away it would be no help */
    for (; *names; names++) {
        unsigned distance = str_distance(name, str_z(*names));
        if (distance >= least) continue;
        least = distance;
        best = *names;
    }
    return best;
}

static bool is_known(struct str name, const char *const *names)
{
    while (*names && !str_eq(name, str_z(*names))) names++;
    return *names;
}

enum err json_ref_only(struct json_ref object, const char *const *names, struct fault *why)
{
    struct str name;
    struct json_ref value;
    TRY(json_ref_want(object, JSON_OBJECT, why));
    for (struct json_walk w = json_walk(object); json_walk_next(&w, &name, &value);) {
        if (is_known(name, names)) continue;
        const char *near = nearest(name, names);
        int shown = name.n > 64 ? 64 : (int)name.n;
        if (near)
            return fail_at(object, ERR_BAD_REQUEST, why, "has the unknown member \"%.*s\"; did you mean \"%s\"?", shown, name.p,
                           near);
        return fail_at(object, ERR_BAD_REQUEST, why, "has the unknown member \"%.*s\".", shown, name.p);
    }
    return OK;
}

struct json_ref json_ref_find(struct json_ref object, const char *name)
{
    return ref_of(object.doc, yyjson_obj_get(val_of(object), name));
}

struct str json_ref_text(struct json_ref r)
{
    yyjson_val *v = val_of(r);
    if (yyjson_is_str(v)) return str_make(yyjson_get_str(v), yyjson_get_len(v));
    if (yyjson_is_raw(v)) return str_make(yyjson_get_raw(v), yyjson_get_len(v));
    return STR_NONE;
}

size_t json_ref_count(struct json_ref container)
{
    yyjson_val *v = val_of(container);
    return yyjson_is_ctn(v) ? unsafe_yyjson_get_len(v) : 0;
}

struct json_walk json_walk(struct json_ref container)
{
    yyjson_val *v = val_of(container);
    size_t left = json_ref_count(container);
    return (struct json_walk){.container = container, .at = ref_of(container.doc, left ? v + 1 : NULL), .left = left};
}

bool json_walk_next(struct json_walk *w, struct str *ret_name, struct json_ref *ret_value)
{
    yyjson_val *v = val_of(w->at);
    if (w->left == 0 || !v) return false;
    bool is_object = yyjson_is_obj(val_of(w->container));
    if (ret_name) *ret_name = is_object ? json_ref_text(w->at) : STR_NONE;
    v += is_object;
    *ret_value = ref_of(w->container.doc, v);
    w->at.value = unsafe_yyjson_get_next(v);
    w->left--;
    return true;
}

/* ---- members by name --------------------------------------------------------------------------------------------- */

enum err json_opt(struct json_ref object, const char *name, enum json_type type, struct json_ref *ret_value, struct fault *why)
{
    TRY(json_ref_want(object, JSON_OBJECT, why));
    struct json_ref value = json_ref_find(object, name);
    if (!json_ref_ok(value) || json_ref_type(value) == JSON_NULL) return OK;
    TRY(json_ref_want(value, type, why));
    *ret_value = value;
    return OK;
}

enum err json_get(struct json_ref object, const char *name, enum json_type type, struct json_ref *ret_value, struct fault *why)
{
    TRY(json_ref_want(object, JSON_OBJECT, why));
    struct json_ref value = json_ref_find(object, name);
    if (!json_ref_ok(value))
        return fail_at(object, ERR_BAD_REQUEST, why, "lacks the member \"%s\", which must be %s.", name, type_name(type));
    TRY(json_ref_want(value, type, why));
    *ret_value = value;
    return OK;
}

enum err json_get_str(struct json_ref object, const char *name, struct str *ret_value, struct fault *why)
{
    struct json_ref value;
    TRY(json_get(object, name, JSON_STRING, &value, why));
    *ret_value = json_ref_text(value);
    return OK;
}

static enum err u64_of(struct json_ref value, uint64_t *ret_value, struct fault *why)
{
    if (json_text_u64(json_ref_text(value), ret_value)) return OK;
    return fail_at(value, ERR_BAD_REQUEST, why, "must be a whole number from 0 to 18446744073709551615.");
}

enum err json_get_u64(struct json_ref object, const char *name, uint64_t *ret_value, struct fault *why)
{
    struct json_ref value;
    TRY(json_get(object, name, JSON_NUMBER, &value, why));
    return u64_of(value, ret_value, why);
}

enum err json_opt_str(struct json_ref object, const char *name, struct str *ret_value, struct fault *why)
{
    struct json_ref value = {0};
    TRY(json_opt(object, name, JSON_STRING, &value, why));
    if (json_ref_ok(value)) *ret_value = json_ref_text(value);
    return OK;
}

enum err json_opt_u64(struct json_ref object, const char *name, uint64_t *ret_value, struct fault *why)
{
    struct json_ref value = {0};
    TRY(json_opt(object, name, JSON_NUMBER, &value, why));
    return json_ref_ok(value) ? u64_of(value, ret_value, why) : OK;
}

enum err json_opt_i64(struct json_ref object, const char *name, int64_t *ret_value, struct fault *why)
{
    struct json_ref value = {0};
    TRY(json_opt(object, name, JSON_NUMBER, &value, why));
    if (!json_ref_ok(value) || json_text_i64(json_ref_text(value), ret_value)) return OK;
    return fail_at(value, ERR_BAD_REQUEST, why, "must be a whole number that fits in 64 bits.");
}

enum err json_opt_bool(struct json_ref object, const char *name, bool *ret_value, struct fault *why)
{
    struct json_ref value = {0};
    TRY(json_opt(object, name, JSON_TRUE, &value, why));
    if (json_ref_ok(value)) *ret_value = json_ref_type(value) == JSON_TRUE;
    return OK;
}
