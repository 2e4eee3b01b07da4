/* config: the one YAML file: read strictly, checked whole, explained from one table. Called by the supervisor, control,
 * the engine keeper and the commands; the gateway never sees it (it gets generations). Reads files only where said; owns
 * nothing but what config_free() frees. */
#pragma once

#include <sys/socket.h>

#include "base/base.h"
#include "ledger/ledger.h"
#include "provider/provider.h"
#include "wire/wire.h"

/* ---- what a file says ------------------------------------------------------------------------------------------------ */

#define CONFIG_UNSET UINT64_MAX /* a number that was not given and has no default of its own */
#define CONFIG_LIST(type) \
    struct {              \
        type *at;         \
        unsigned n;       \
    }
/* Durations are milliseconds, sizes bytes, all as uint64_t. Strings end in a NUL that is not counted; absent ones are
 * empty. Paths are absolute or count from the working directory: relative ones were put behind the file's directory. */

struct config_listener {
    struct str address;           /* "127.0.0.1:8400", "[::1]:8400", "*:8400" (all IPv6 and IPv4) */
    struct str tls_cert, tls_key; /* PEM files; "" plain */
    uint64_t line;
};
struct config_field {       /* a header */
    struct str name, value; /* value: literal, "env:NAME" or "file:path" */
};
struct config_default { /* a field for the request's body */
    struct str name, json;
};
struct config_price { /* dollars per million tokens, or per thousand calls, as pico-dollars per token or call */
    bool given;
    uint32_t cells; /* bit mask of the usage cells that were given */
    uint64_t per[USAGE_CELLS];
};
struct config_timeouts {
    uint64_t connect, first_byte, gap, total;
};
struct config_provider {
    struct str name, kind, url, key, api_version, ca_file, proxy, jurisdiction;
    struct str files; /* whose project's files and batches the account keeps; "" nobody's */
    uint64_t batches; /* enum provider_batches */
    CONFIG_LIST(struct str) betas;
    struct str region, access_key, secret_key, session_token, profile; /* AWS */
    struct str service_account;                                        /* Google: reference to a key file */
    struct str tenant, client_id, client_secret; /* Azure: an application at Entra; the secret: a reference */
    uint64_t credentials;                        /* enum found_source */
    CONFIG_LIST(struct str) formats;
    CONFIG_LIST(struct config_field) headers;
    struct config_timeouts timeouts; /* filled from the file's when not given */
    const struct provider_kind *how;
    struct wire_formats speaks; /* `formats` read, or the kind's */
    CONFIG_LIST(struct str) quirks;
    uint32_t quirk_bits; /* `quirks` read, and the kind's */
    uint64_t line;
};
enum config_key_of { CONFIG_KEY_PROVIDER, CONFIG_KEY_CLIENT }; /* whose credential a call carries */
struct config_deployment {
    struct str provider, model, family, region, tier;
    struct config_price price;
    bool allow_unpriced;
    uint64_t key;                 /* enum config_key_of */
    uint64_t max_output, context; /* CONFIG_UNSET: from the catalogue */
    CONFIG_LIST(struct config_field) headers;
    CONFIG_LIST(struct config_default) defaults;
    CONFIG_LIST(struct str) drop;
    CONFIG_LIST(struct str) formats;
    struct wire_formats speaks; /* `formats` read, or the provider's */
    CONFIG_LIST(struct str) quirks;
    uint32_t quirk_bits; /* `quirks` read, and the provider's */
    unsigned provider_index;
    uint64_t line;
};
enum config_state { CONFIG_STATE_OURS, CONFIG_STATE_UPSTREAM }; /* who keeps responses */
struct config_route {
    struct str name, display_name, description;
    CONFIG_LIST(struct str) aliases;
    uint64_t total;
    uint64_t state; /* enum config_state */
    CONFIG_LIST(struct config_deployment) deployments;
    uint64_t line;
};
enum config_pooling { POOLING_FILE, POOLING_MEAN, POOLING_CLS, POOLING_LAST };
struct config_engine_model {
    struct str name, file, template;
    uint64_t context, line, pooling; /* enum config_pooling */
    bool embeddings;
};
struct config_engine {
    struct str command, models_dir;
    uint64_t threads, memory, idle, context, parallel; /* threads, memory 0: by the machine */
    CONFIG_LIST(struct config_engine_model) models;
};
struct config_limits {
    uint64_t body, upload, head, fields, inflate_ratio, h2_streams, answer, event, attempts, websocket_age;
};
struct config_client_timeouts { /* towards our clients */
    uint64_t head, body, idle, write;
};

struct yaml_node;
struct config {
    struct arena arena;
    struct str file, dir; /* dir: "" or ends in '/' */
    const struct yaml_node *root;
    struct str data;
    CONFIG_LIST(struct config_listener) listen, admin_listen, metrics_listen;
    struct str admin_key, metrics_key; /* references; metrics_key "" : open on its own listener */
    struct str seal_key;               /* reference; "" : seal.key in the data directory */
    uint64_t loops;                    /* 0: as many as processors may be used */
    struct str path_prefix;
    CONFIG_LIST(struct str) trusted_proxies;
    bool proxy_protocol;
    struct config_limits limits;
    struct config_timeouts timeouts;
    struct config_client_timeouts client_timeouts;
    uint64_t heartbeat, drain;
    uint64_t memory_max, memory_percent; /* one of them is 0 */
    struct {
        uint64_t safety, on_stall; /* enum ledger_safety, enum ledger_on_stall */
        uint64_t stall, max_bytes, segment, retention;
    } ledger;
    struct {
        uint64_t retention, max_bytes, max_response, wait; /* retention 0: nothing is kept */
    } state;
    struct {
        uint64_t format, level; /* enum log_format, enum log_level */
        bool access;
    } log;
    CONFIG_LIST(struct str) catalog;
    CONFIG_LIST(struct config_provider) providers;
    CONFIG_LIST(struct config_route) routes;
    struct config_engine engine;
    uint64_t assume_output;
};

/* ---- reading --------------------------------------------------------------------------------------------------------- */

#define CONFIG_REPORT_MAX 20
#define CONFIG_FILE_MAX MIB(16)
/* What is wrong with a file, in the order of its lines: each item one line of text that names file, line, key and what would be
 * right. All is told at once but for what only follows from another error. */
struct config_report {
    struct {
        unsigned line;
        char text[448];
    } items[CONFIG_REPORT_MAX];
    unsigned n, more; /* more: found but not kept */
};

/* Reads and checks the file. ERR_CONFIG: the report holds all that was found; `why` the first and how many more.
 * ERR_IO: the file cannot be read. report may be NULL. */
MUST_USE enum err config_load(const char *file, struct config **ret_config, struct config_report *report, struct fault *why);
/* The same from text; `file` stands in errors and its directory before relative paths. Touches no file. */
MUST_USE enum err config_read(const char *file, struct str text, struct config **ret_config, struct config_report *report,
                              struct fault *why);
/* As config_load(), and of a file that is wrong what could be read is given for looking further: NULL only when nothing could. */
MUST_USE enum err config_look(const char *file, struct config **ret_config, struct config_report *report, struct fault *why);
/* One more error of a line of the file, in its place; a full report keeps those of the first lines. */
void config_report_add(struct config_report *report, struct str file, unsigned line, const char *text);
void config_free(struct config *c);

/* The value behind "env:NAME" or "file:path" (its last line end removed, at most 64 KiB), for credentials. The caller
 * wipes and frees `out`. The fault names the reference, never the value. */
MUST_USE enum err config_secret(struct str reference, struct buf *out, struct fault *why);
bool config_is_reference(struct str text);
/* Does control find its credentials, instead of their standing in the file? */
bool config_finds(const struct config_provider *p);
/* Letters, digits and . _ : / @ - ; pattern: also one * at the end. */
bool config_name_is_valid(struct str name, bool pattern);
/* "300ms", "5s", "1h30m", "30d", "0" → milliseconds. */
bool config_duration(struct str text, uint64_t *ret_ms);
/* "127.0.0.1:8400" → a socket address. "*:p" is [::]:p, to be bound for both families. */
bool config_address(struct str text, struct sockaddr_storage *ret_address, socklen_t *ret_len);
bool config_address_is_loopback(const struct sockaddr_storage *address);
/* Keys that differ and take effect at the next start only: "listen, engine.idle"; nothing: none. */
void config_restart_needed(const struct config *was, const struct config *is, struct buf *out);
/* "aquifer.yaml:12": where a provider, route or engine model is owned by the file; false: it is not in it. */
bool config_where(const struct config *c, const char *kind, struct str name, struct buf *out);

/* ---- the table ------------------------------------------------------------------------------------------------------- */

enum config_type {
    CONFIG_SECTION,
    CONFIG_MAPS, /* a list of maps */
    CONFIG_TEXT,
    CONFIG_NAME, /* letters, digits and . _ : / @ - */
    CONFIG_PATH,
    CONFIG_ADDRESS,
    CONFIG_URL,
    CONFIG_SECRET,
    CONFIG_FLAG,
    CONFIG_COUNT,
    CONFIG_DURATION,
    CONFIG_SIZE,
    CONFIG_SHARE, /* a size, or percent of what there is */
    CONFIG_WORD,  /* one of `words` */
    CONFIG_TEXTS,
    CONFIG_NAMES,
    CONFIG_PATHS,
    CONFIG_HEADERS,
    CONFIG_BODY_FIELDS,
    CONFIG_PRICE,
    CONFIG_TYPES
};
struct config_key {
    const char *path; /* "providers[].timeouts.connect" */
    enum config_type type;
    uint32_t at, size;    /* place in the struct of its list element or of struct config; size of a list's elements */
    const char *fallback; /* the default as it would be written; NULL: none */
    const char *words;    /* WORD: "disk|process", their number is the value; MAPS: the key that a plain text stands for;
                             NAME: "*", a pattern is a name as well; URL: "reference", env:NAME is one as well */
    uint64_t min, max;
    bool required, reloadable;
    const char *since, *help;
};
const struct config_key *config_key_at(unsigned i); /* NULL: past the last */
const struct config_key *config_key_find(struct str path);
const char *config_type_name(enum config_type t);

/* For `aquifer config explain [KEY]`: one key or all below a section, "" all. False: no such key; out then says which
 * one is near. */
bool config_explain(struct str path, struct buf *out);
/* The same as JSON: {"data":[{"key","help","type","default","required","reloadable","since"}…]}. */
bool config_explain_json(struct str path, struct buf *out);
/* For `aquifer config show`: each value with where it comes from, one a line: "limits.body: 32MiB  # default". */
void config_show(const struct config *c, struct buf *out);
/* The same as JSON: [{"key","value","source"}…]. */
void config_show_json(const struct config *c, struct buf *out);
/* A section of the manual page (mdoc). */
void config_manual(struct buf *out);
