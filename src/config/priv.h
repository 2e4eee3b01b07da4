/* The inside of config, for the files of this room only. */
#pragma once

#include "config/config.h"
#include "yaml/yaml.h"

/* One reading: where values land, what is wrong, and where in the document it is just now. */
struct reader {
    struct config *config;
    struct config_report *report;
    struct buf path; /* "providers[0].url" */
};
/* How one type is read into its field, and how its bytes there are bounded (`min`, `max` of the key). */
typedef void config_read_fn(struct reader *r, const struct config_key *k, const struct yaml_node *n, void *field);

config_read_fn read_text, read_name, read_path, read_address, read_url, read_secret, read_flag, read_count, read_duration,
    read_size, read_share, read_word, read_texts, read_names, read_paths, read_headers, read_body_fields, read_price;

/* Why neither `defaults` nor `drop` may name this field; NULL: they may. */
const char *config_own_field(struct str name);

/* Notes an error at a line under the reader's present path; without an open path only the text. */
void config_complain(struct reader *r, unsigned line, const char *fmt, ...) PRINTF(3, 4);
/* The layout of every CONFIG_LIST. */
struct any_list {
    void *at;
    unsigned n;
};
void *config_list_make(struct reader *r, void *field, unsigned n, size_t size); /* elements; NULL when n is 0 */
/* What can only be judged with the whole file read: names that must stand once or exist, things that need each other. */
void config_check(struct reader *r);
