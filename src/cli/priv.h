/* The inside of the commands: options, calls, tables. */
#pragma once

#include "base/base.h"
#include "cli/cli.h"
#include "json/json.h"

/* ---- options.c: "--name VALUE", "--flag", and what stands without a name ---------------------------------------------- */

enum { CLI_WORDS_MAX = 16 };
struct cli_option {
    const char *name;  /* "--limit"; NULL ends a table */
    const char *value; /* what stands behind it, for the help; NULL: a flag */
    const char *help;
    const char **to; /* its text; a flag: "yes" */
};
struct cli_words { /* positional arguments */
    const char *at[CLI_WORDS_MAX];
    unsigned n;
};
/* False: told on stderr what is wrong and how it is right. Each command calls it before it does anything. ret_words NULL: a word is
 * wrong. */
bool cli_options(int argc, char **argv, const struct cli_option *table, struct cli_words *ret_words);

/* One command. The table of all of them makes the help, the manual page and the completion. */
struct cli_command {
    const char *name;  /* NULL ends a table */
    const char *words; /* what stands behind it: "FILE.gguf" */
    const char *help;  /* one line */
    const char *about; /* more, for `aquifer help NAME` and the manual; may be NULL */
    int (*run)(int argc, char **argv);
    const struct cli_command *under; /* `aquifer key create`; run is NULL then */
};
/* Runs the command only as far as its options, and hands their table to `tell`. */
typedef void cli_tell_fn(const struct cli_option *table, void *user);
void cli_describe(const struct cli_command *c, cli_tell_fn *tell, void *user);

/* Every command that talks to a running Aquifer has these. */
struct cli_common {
    const char *config, *json;
};
#define CLI_CONFIG(to) \
    {"--config", "FILE", "the configuration file (default: ./aquifer.yaml, then /etc/aquifer/aquifer.yaml)", to}
#define CLI_COMMON(c) \
    CLI_CONFIG(&(c).config), { "--json", NULL, "print JSON for programs", &(c).json }

/* ---- place.c: which Aquifer -------------------------------------------------------------------------------------------- */

struct cli_target {
    char url[512];           /* origin */
    struct buf key;          /* a secret: wiped by cli_target_done() */
    bool wants_proxy_header; /* its configuration says proxy_protocol: then a call from a trusted address is cut without one */
};
/* The configuration file: what was named, else ./aquifer.yaml, else /etc/aquifer/aquifer.yaml, else that of `make run` where its
 * run.env was found; NULL: none of them. */
const char *cli_config_path(const char *named);
/* The file and those that it names, read and judged. As config_look(): of a wrong file what could be read is given. */
struct config;
struct config_report;
MUST_USE enum err cli_config_look(const char *path, struct config **ret_config, struct config_report *report, struct fault *why);
/* The admin API: AQUIFER_ADMIN_URL and AQUIFER_ADMIN_KEY, else the configuration file's admin.listen and admin.key. */
MUST_USE enum err cli_admin(const struct cli_common *c, struct cli_target *ret_target, struct fault *why);
/* The data port: AQUIFER_URL, else the configuration's listen. key: as it is, or env:NAME or file:path; NULL: AQUIFER_API_KEY. */
MUST_USE enum err cli_data(const struct cli_common *c, const char *key, struct cli_target *ret_target, struct fault *why);
void cli_target_done(struct cli_target *t);
/* The origin of a listener's address: "*:8401" is listened on, not called, so loopback stands for it. */
void cli_url_of(struct str address, bool tls, char out[512]);
/* Lines NAME=VALUE, as `make run` leaves them in build/run.env; AQUIFER_… of them go into the environment. */
MUST_USE enum err cli_env_load(const char *path, struct fault *why);
/* run.env beside the program, when the environment names no Aquifer and no configuration is near: `make run`, then
 * `build/aquifer chat`. What the environment has already stays. Not for a command that names its configuration. */
void cli_env_find(void);

/* ---- call.c: one HTTP request, waited for -------------------------------------------------------------------------------- */

struct cli_request {
    struct str method, path, body; /* body "" none; sent as JSON */
    /* Called with each piece of a 2xx answer's body when given; else all is collected. */
    void (*on_bytes)(struct str bytes, void *user);
    void *user;
    const volatile bool *stop; /* becomes true: the call is cancelled; may be NULL */
    uint32_t first_byte_ms;    /* 0: 60 s */
    struct str ca_file, proxy; /* "": AQUIFER_CA_FILE, none */
};
enum { CLI_REQUEST_ID_MAX = 64 };
struct cli_answer {
    int status;                          /* 0: cancelled before an answer came */
    char request_id[CLI_REQUEST_ID_MAX]; /* "" none */
    struct buf body;
};
/* ERR_UPSTREAM_… when nobody answers; a status is no error here. The caller frees ret_answer->body. */
MUST_USE enum err cli_call(const struct cli_target *t, const struct cli_request *r, struct cli_answer *ret_answer,
                           struct fault *why);
/* Was it cut off because connections from here have to begin with a PROXY header? */
bool cli_wants_proxy(const struct cli_target *t, enum err e);
/* The same for the admin API: an error status becomes a fault with the API's own words. The caller frees ret_answer->body,
 * also after an error. */
MUST_USE enum err cli_admin_call(const struct cli_common *c, struct str method, struct str path, struct str body,
                                 struct cli_answer *ret_answer, struct fault *why);
/* What an error answer says: {"error":{"message"}} of any of our doors. Always an error. */
MUST_USE enum err cli_refused(const struct cli_answer *a, struct fault *why);
/* The answer as a document, which the caller frees. */
MUST_USE enum err cli_document(const struct cli_answer *a, struct json_doc **ret_doc, struct fault *why);

/* ---- print.c --------------------------------------------------------------------------------------------------------------- */

struct cli_column {
    const char *title, *field;                           /* member of each row's object */
    bool right;                                          /* numbers stand at the right */
    void (*write)(struct json_ref row, struct buf *out); /* what stands there in place of the member; NULL: the member */
};
/* The objects of an array as a table with a head line; plain text, no colour, columns two spaces apart. */
void cli_table(const struct cli_column *columns, unsigned n, struct json_ref rows);
int cli_fail(const struct fault *why);                /* tells on stderr; 1 */
int cli_wrong_use(const char *fmt, ...) PRINTF(1, 2); /* tells on stderr; 2 */
void cli_print_body(const struct buf *body);
/* Appends text that came from outside so that it cannot steer a terminal: control characters but line ends and tabs are left
 * out. */
void cli_plain(struct str text, struct buf *out);
void cli_bytes(uint64_t bytes, struct buf *out); /* "1.4 GB" */

/* ---- the commands ------------------------------------------------------------------------------------------------------------ */
extern const struct cli_command cli_commands[];        /* cli.c */
extern const struct cli_command cli_key_commands[];    /* key.c */
extern const struct cli_command cli_config_commands[]; /* config.c */
extern const struct cli_command cli_model_commands[];  /* model.c */
int cli_usage(int argc, char **argv);                  /* usage.c */
int cli_chat(int argc, char **argv);                   /* chat.c */
int cli_status(int argc, char **argv);                 /* operate.c: and the next ones */
int cli_reload(int argc, char **argv);
int cli_upgrade(int argc, char **argv);
int cli_backup(int argc, char **argv);
int cli_restore(int argc, char **argv);
int cli_doctor(int argc, char **argv); /* doctor.c */
int cli_help(int argc, char **argv);   /* manual.c */
int cli_manual(int argc, char **argv); /* manual.c: what the build makes the manual page from */
