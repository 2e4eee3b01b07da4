/* engine: local inference: the models on this machine, and the process that runs one llama-server for each that is in
 * use. The manager (role `engine`) is called by serve; the functions on models by the commands and the admin API. The
 * gateway knows only the rows on the board. */
#pragma once

#include "base/base.h"
#include "board/board.h"

#define MODEL_NAME_LEN 64 /* [a-z0-9._-], starts with a letter or digit; fits engine_row.name */

/* ---- where things are -------------------------------------------------------------------------------------------- */

/* Directory of our data files (templates, models on offer): AQUIFER_SHARE, else beside the program: ../share/aquifer
 * of an installed one, ../share of one in its build directory. */
MUST_USE enum err engine_share_dir(struct buf *ret_path, struct fault *why);
/* Default directory of models: AQUIFER_MODELS, else ${XDG_CACHE_HOME:-$HOME/.cache}/aquifer/models. */
MUST_USE enum err engine_models_dir(struct buf *ret_path, struct fault *why);
/* llama-server: a configured path; or a name (also "", which means llama-server) on PATH, else, of llama-server, the newest
 * that tools/get-engine put in the cache. ERR_ENGINE tells what to do. */
MUST_USE enum err engine_find_command(struct str configured, struct buf *ret_path, struct fault *why);
/* One of our own programs: beside the running one, else in ../libexec/aquifer, else on PATH. */
MUST_USE enum err engine_find_helper(const char *name, struct buf *ret_path, struct fault *why);

/* ---- models on this machine: each is a GGUF file and a description NAME.json ---------------------------------------- */

struct model {
    char name[MODEL_NAME_LEN + 1];
    char file[256];     /* name in the directory, or an absolute path elsewhere */
    char sha256[65];    /* of the whole file, hex */
    char licence[64];   /* SPDX name of the weights' licence; "" unknown */
    char source[512];   /* where it came from; "" unknown */
    char template[256]; /* chat template: name under share/templates, or an absolute path; "": the one in the file */
    uint64_t bytes;
    char pooling[8];   /* how tokens become one vector: "mean", "cls", "last"; "": as the file says */
    uint32_t context;  /* tokens of all slots together */
    uint32_t parallel; /* slots */
    bool embeddings;   /* serves /v1/embeddings and nothing else */
    bool in_use;       /* a child of some engine process runs it now; filled by models_list() */
};
#define MODEL_CONTEXT 8192u
#define MODEL_PARALLEL 2u

struct models {
    struct model *items; /* by name */
    size_t n;
};

bool model_name_ok(struct str name);
/* Ways of pooling that /v1/embeddings can answer with, and "" for the file's own. */
bool model_pooling_ok(struct str pooling);
/* "Qwen2.5-Coder 1.5B.gguf" → "qwen2.5-coder-1.5b"; false: nothing usable is in it. */
bool model_name_from_file(struct str file, char out[MODEL_NAME_LEN + 1]);

/* Descriptions that cannot be read are left out with a warning in the log; a missing directory has no models. */
MUST_USE enum err models_list(const char *dir, struct models *ret_models, struct fault *why);
void models_free(struct models *m);
MUST_USE enum err model_load(const char *dir, struct str name, struct model *ret_model, struct fault *why);
/* The absolute path of its weights. */
void model_path(const char *dir, const struct model *m, struct buf *ret_path);
/* As an object for programs: {"name","path","bytes","sha256",…}. */
struct json_writer;
void model_put(struct json_writer *w, const char *dir, const struct model *m);

enum model_place {
    MODEL_LINK, /* the description points to the file where it lies */
    MODEL_COPY, /* the file is copied into the directory */
};
/* Registers a local GGUF file: checks its magic, computes its SHA-256 (seconds for gigabytes) and, if m->sha256 is set,
 * compares. The caller sets the name and what he knows (licence, source, template, context …); the rest is filled. */
MUST_USE enum err model_add(const char *dir, struct model *m, const char *path, enum model_place place, struct fault *why);
/* Writes the description of a file that lies there already; hash and size are the caller's word. Replaces an older one. */
MUST_USE enum err model_describe(const char *dir, const struct model *m, struct fault *why);
/* Removes the description, and the file if it lies in the directory. ERR_EXISTS while it is in use. */
MUST_USE enum err model_remove(const char *dir, struct str name, struct fault *why);
/* SHA-256 of a file as lower-case hex. */
MUST_USE enum err model_hash_file(const char *path, char out[65], struct fault *why);
/* Does the file's metadata say that the model is for embeddings? False also of what cannot be read. */
bool model_embeds(const char *path);
MUST_USE enum err model_check_gguf(const char *path, struct fault *why);

/* `aquifer model pull`: replaces this process by aquifer-pull with the same words (argv[0] is ours). Returns only on
 * failure. */
MUST_USE enum err model_pull_exec(char *const argv[], struct fault *why);

/* ---- models on offer: share/models/catalogue.json ------------------------------------------------------------------- */

#define OFFER_SOURCES 4
struct offer {
    struct model model; /* what its description will say */
    char sources[OFFER_SOURCES]
                [512]; /* in order: "https://…", "hf:owner/repo/file", "pip:PINS" (share/models/PINS), "bert:PINS" */
    size_t n_sources;
    char smaller[MODEL_NAME_LEN + 1]; /* the next one to try when no source of this one answers; "" none */
    bool is_default;
    bool tools; /* calls tools reliably */
};
struct offers {
    struct offer *items;
    size_t n;
};
MUST_USE enum err offers_read(struct str name, struct str text, struct offers *ret_offers, struct fault *why);
MUST_USE enum err offers_load(struct offers *ret_offers, struct fault *why); /* from engine_share_dir() */
void offers_free(struct offers *o);
const struct offer *offers_find(const struct offers *o, struct str name); /* "" asks for the default; NULL: none */

/* ---- the manager: one process, one llama-server for each model that is in use --------------------------------------- */

struct engine_settings {
    char command[512]; /* llama-server; "": engine_find_command() at each start */
    char models_dir[512];
    uint32_t threads;       /* per child; 0: the processors that this process may run on */
    uint64_t memory_max;    /* bytes of all children together; 0: three quarters of the machine or cgroup */
    uint32_t idle_stop_s;   /* stopped when unused so long; 0: never */
    uint32_t start_limit_s; /* loading may take so long */
};
#define ENGINE_SETTINGS ((struct engine_settings){.idle_stop_s = 900, .start_limit_s = 300})

/* Runs until SIGTERM or SIGINT, then stops the children (5 s, then SIGKILL). Looks at the board when BELL_ENGINE rings
 * and once a second. A child whose manager dies is killed by the kernel. Returns the process's exit code.
 *
 * What the gateway does with a row: at each use it stores the wall clock in `wanted_ms` and, unless the state is READY,
 * rings BELL_ENGINE. STOPPED, WANTED and STARTING lead to READY without more; FAILED tells why in `fault`, and the next
 * try comes by itself as long as somebody wants it. Port and key are valid while READY. Once `board->engine_pid` is set,
 * a model without a row is not on this machine. */
int engine_run(const struct engine_settings *settings, struct board *board, const struct board_fds *fds);
