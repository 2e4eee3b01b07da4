/* The inside of catalog, for the files of this room only. */
#pragma once

#include "catalog/catalog.h"

/* One file that is being read. */
struct reading {
    struct catalog *catalog;
    const char *file;
    struct fault *why;
    struct str vendor, source, kept_file; /* kept_file: in the arena; its address tells this reading from others */
    int32_t checked_day;
};
struct arena *catalog_arena(const struct reading *r);
enum err catalog_wrong(const struct reading *r, unsigned line, const char *what); /* says so, with file and line: ERR_CONFIG */
/* Only these names, the last NULL; cells: and those of prices. */
MUST_USE enum err catalog_only(const struct reading *r, const struct yaml_node *map, const char *const *names, bool cells);
/* Members of a map; what is not there leaves *ret as it is. */
MUST_USE enum err catalog_text(const struct reading *r, const struct yaml_node *map, const char *name, bool needed,
                               struct str *ret_text);
MUST_USE enum err catalog_count(const struct reading *r, const struct yaml_node *map, const char *name, uint64_t *ret_count);
MUST_USE enum err catalog_day(const struct reading *r, const struct yaml_node *map, const char *name, int32_t *ret_day);
MUST_USE enum err catalog_flag(const struct reading *r, const struct yaml_node *map, const char *name, bool *ret_flag);

/* families.c: the file's list. */
MUST_USE enum err catalog_read_families(const struct reading *r, const struct yaml_node *root, const struct yaml_node *list,
                                        struct catalog_family **ret_families, unsigned *ret_n);
