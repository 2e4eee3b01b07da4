/* The oracle for the span reader: does yyjson see the same text in the same way? Used by the unit tests and by the fuzz
 * target, never by the program. yyjson keeps its values in the order of the text, as the tape does, so that value i and
 * node i must agree. Numbers are compared as text. Both refuse, or both accept; the scan alone refuses names twice. */
#pragma once

#include "json/priv.h"

#include <yyjson.h>

static bool oracle_node_agrees(const struct json_tape *t, uint32_t at, yyjson_val *root)
{
    static const enum json_type SCALARS[] = {
        [YYJSON_TYPE_RAW] = JSON_NUMBER, [YYJSON_TYPE_NULL] = JSON_NULL,  [YYJSON_TYPE_STR] = JSON_STRING,
        [YYJSON_TYPE_ARR] = JSON_ARRAY,  [YYJSON_TYPE_OBJ] = JSON_OBJECT,
    };
    yyjson_val *v = root + at;
    const struct json_node *node = &t->nodes[at];
    if (yyjson_is_bool(v)) return node->type == (yyjson_is_true(v) ? JSON_TRUE : JSON_FALSE);
    if (node->type != SCALARS[yyjson_get_type(v)]) return false;
    if (yyjson_is_raw(v)) return str_eq(json_text(t, at), str_make(yyjson_get_raw(v), yyjson_get_len(v)));
    if (yyjson_is_str(v)) return json_eq(t, at, str_make(yyjson_get_str(v), yyjson_get_len(v)));
    if (yyjson_is_ctn(v))
        return node->next == (size_t)(unsafe_yyjson_get_next(v) - root) && json_count(t, at) == unsafe_yyjson_get_len(v);
    return true;
}

static bool oracle_name_twice(yyjson_val *root)
{
    yyjson_obj_iter it = yyjson_obj_iter_with(root);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&it));) {
        yyjson_obj_iter other = yyjson_obj_iter_with(root);
        yyjson_val *first = NULL;
        while ((first = yyjson_obj_iter_next(&other)) &&
               !unsafe_yyjson_equals_strn(first, yyjson_get_str(key), yyjson_get_len(key)))
            continue;
        if (first != key) return true;
    }
    return false;
}

static bool oracle_depth_over(yyjson_doc *doc, const struct json_limits *limits)
{
    yyjson_val *root = yyjson_doc_get_root(doc), *ends[JSON_DEPTH_MAX + 1];
    must(root);
    uint32_t depth = 0;
    for (size_t i = 0; i < doc->val_read; i++) {
        while (depth && root + i >= ends[depth - 1]) depth--;
        if (!yyjson_is_ctn(root + i)) continue;
        if (depth >= limits->max_depth) return true;
        ends[depth++] = unsafe_yyjson_get_next(root + i);
    }
    return false;
}

/* `got` is what a scan of the text with the limits said, t its tape. */
static bool oracle_agrees(const struct json_tape *t, struct str text, enum err got, const struct json_limits *limits)
{
    yyjson_doc *doc = text.n ? yyjson_read(text.p, text.n, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_val *root = yyjson_doc_get_root(doc);
    bool agrees = (got == OK) == (doc && !oracle_depth_over(doc, limits) && !oracle_name_twice(root));
    if (doc && got == OK && agrees && limits->record_depth >= limits->max_depth) {
        agrees = t->n == doc->val_read;
        for (uint32_t at = 0; agrees && at < t->n; at++) agrees = oracle_node_agrees(t, at, root);
    }
    yyjson_doc_free(doc);
    return agrees;
}

static void oracle_same(const struct json_tape *a, const struct json_tape *b)
{
    must(a->n == b->n);
    must(a->n == 0 || memcmp(a->nodes, b->nodes, a->n * sizeof *a->nodes) == 0);
}

/* Scans with every twin that can run: each alone comes to the same verdict; with the second look the tape is the same node
 * by node and the error word by word; and yyjson agrees. */
UNUSED static enum err oracle_scan(struct json_tape *t, struct str text, const struct json_limits *limits, struct fault *why)
{
    static scan_fn *const TWINS[] = {
        json_scan_scalar,
#if defined(__x86_64__)
        json_scan_sse2,
        json_scan_avx2,
        json_scan_avx512,
#endif
    };
    struct json_limits used = limits ? *limits : JSON_LIMITS;
    bool is_good = !json_scan_once(json_scan_scalar, t, text, &used).what;
    enum err first = json_scan_with(json_scan_scalar, t, text, limits, why);
    for (size_t i = 1; i < COUNTOF(TWINS); i++) {
        struct json_tape other;
        struct fault other_why;
        if (!json_scan_can(TWINS[i])) continue;
        json_tape_init(&other, t->max_nodes);
        must(!json_scan_once(TWINS[i], &other, text, &used).what == is_good);
        must(json_scan_with(TWINS[i], &other, text, limits, &other_why) == first);
        if (first != OK) must(strcmp(other_why.text, why->text) == 0);
        oracle_same(t, &other);
        json_tape_done(&other);
    }
    bool is_bounded = t->max_nodes < text.n; /* yyjson has no such bound */
    must(is_bounded || oracle_agrees(t, text, first, &used));
    return first;
}
