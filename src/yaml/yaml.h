/* yaml: the part of YAML that means one thing only, for configuration and catalogue. Maps, lists and scalars with their
 * lines; no anchors, aliases, tags, directives, further documents or names given twice. Called by config and catalog. */
#pragma once

#include "base/base.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };
struct yaml_node {
    enum yaml_kind kind;
    bool plain;      /* a scalar without quotes: may be a number, true or null */
    unsigned line;   /* from 1; of a member: where its name stands */
    unsigned n;      /* members or elements */
    struct str name; /* in a map */
    struct str text; /* scalars; NUL behind it */
    struct yaml_node *first, *next;
};

/* A fault says "FILE:LINE: what". Root NULL: the text is empty. Nodes live in the arena. */
MUST_USE enum err yaml_read(const char *file, struct str text, struct arena *a, struct yaml_node **ret_root, struct fault *why);
struct yaml_node *yaml_find(const struct yaml_node *map, struct str name); /* NULL: none */
bool yaml_is_null(const struct yaml_node *n);                              /* not given, `~` or nothing behind the colon */
/* A value as JSON: plain true, false, null and numbers are such, all other scalars strings. */
void yaml_write_json(const struct yaml_node *n, struct buf *out);
const char *yaml_kind_name(const struct yaml_node *n); /* "a list" */
