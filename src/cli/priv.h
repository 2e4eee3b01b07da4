/* The inside of the commands: options, calls, tables. */
#pragma once

#include "base/base.h"
#include "cli/cli.h"
#include "json/json.h"

/* ---- options.c: "--name VALUE", "--flag", and what stands without a name ---------------------------------------------- */

enum { CLI_WORDS_MAX = 16, CLI_VALUES_MAX = 16 };
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
/* False: told on stderr what is wrong and how it is right. */
bool cli_options(int argc, char **argv, const struct cli_option *table, struct cli_words *ret_words);

/* Every command that talks to a running Aquifer has these. */
struct cli_common {
    const char *config, *json;
};
#define CLI_COMMON(c)                                                                                                      \
    {"--config", "FILE", "the configuration file (default: ./aquifer.yaml, then /etc/aquifer/aquifer.yaml)", &(c).config}, \
    {                                                                                                                      \
        "--json", NULL, "print JSON for programs", &(c).json                                                               \
    }

/* ---- call.c: one HTTP request, waited for -------------------------------------------------------------------------------- */

struct cli_target {
    char url[512];  /* origin */
    struct buf key; /* a secret: wiped by cli_target_done() */
};
/* AQUIFER_ADMIN_URL and AQUIFER_ADMIN_KEY, else the configuration file's admin.listen and admin.key. */
MUST_USE enum err cli_admin(const struct cli_common *c, struct cli_target *ret_target, struct fault *why);
void cli_target_done(struct cli_target *t);

struct cli_request {
    struct str method, path, body; /* body "" none; sent as JSON */
    /* Called with each piece of a 2xx answer's body when given; else all is collected. */
    void (*on_bytes)(struct str bytes, void *user);
    void *user;
    const volatile bool *stop; /* becomes true: the call is cancelled; may be NULL */
    uint32_t first_byte_ms;    /* 0: 60 s */
};
struct cli_answer {
    int status;
    struct buf body;
};
/* ERR_IO… when nobody answers; a status is no error here. The caller frees ret_answer->body. */
MUST_USE enum err cli_call(const struct cli_target *t, const struct cli_request *r, struct cli_answer *ret_answer,
                           struct fault *why);
/* The same for the admin API: an error status becomes a fault with the API's own words. The document is the caller's. */
MUST_USE enum err cli_admin_call(const struct cli_common *c, struct str method, struct str path, struct str body,
                                 struct cli_answer *ret_answer, struct fault *why);

/* ---- print.c --------------------------------------------------------------------------------------------------------------- */

struct cli_column {
    const char *title, *field; /* member of each row's object */
    bool right;                /* numbers stand at the right */
};
/* The objects of an array as a table with a head line; plain text, no colour, columns two spaces apart. */
void cli_table(const struct cli_column *columns, unsigned n, struct json_ref rows);
int cli_fail(const struct fault *why); /* tells on stderr; 1 */
void cli_print_body(const struct buf *body);

/* ---- the commands ------------------------------------------------------------------------------------------------------------ */
int cli_key(int argc, char **argv);   /* key.c */
int cli_usage(int argc, char **argv); /* usage.c */
