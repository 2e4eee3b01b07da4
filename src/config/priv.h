/* The inside of config, for the files of this room only. */
#pragma once

#include "config/config.h"
#include "yaml/yaml.h"

#define CONFIG_PATH_MAX 512
/* One reading: where values land, what is wrong, and where in the document it is just now. */
struct reader {
    struct config *config;
    struct config_report *report;
    struct buf path;  /* "providers[0].url" */
    struct map wrong; /* the keys that were complained about, by that name */
};
/* How one type is read into its field, and how its bytes there are bounded (`min`, `max` of the key). */
typedef void config_read_fn(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field);

config_read_fn read_text, read_name, read_path, read_address, read_url, read_secret, read_flag, read_count, read_duration,
    read_size, read_share, read_word, read_texts, read_names, read_paths, read_headers, read_body_fields, read_price;

/* Why neither `defaults` nor `drop` may name this field; NULL: they may. */
const char *config_own_field(struct str name);

/* Notes an error at a line under the reader's present path; without an open path only the text. The key there is wrong then. */
void config_complain(struct reader *r, unsigned line, const char *fmt, ...) PRINTF(3, 4);
/* Notes an error that follows from several keys below the present path ("url key", by spaces), unless one of them or the path
 * itself is wrong: that was told, and this may only follow from it. Its line is that of the first key that is given, else `line`. */
void config_complain_of(struct reader *r, unsigned line, const char *keys, const char *fmt, ...) PRINTF(4, 5);
/* Was one of these keys below the present path (with "": the path itself) complained about? */
bool config_is_wrong(const struct reader *r, const char *keys);
void config_mark_wrong(struct reader *r, struct str key);
/* The layout of every CONFIG_LIST. */
struct any_list {
    void *at;
    unsigned n;
};
void *config_list_make(struct reader *r, void *field, unsigned n, size_t size); /* elements; NULL when n is 0 */
/* What can only be judged with the whole file read: names that must stand once or exist, things that need each other. */
void config_check(struct reader *r);
