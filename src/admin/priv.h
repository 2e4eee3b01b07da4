/* The inside of the control process, for the files of this room only.
 *
 * Two threads' worth of work. The loop speaks HTTP and never waits for a disk. All that touches database, files, keys or
 * configuration is a job in one of two lanes; a lane runs one job at a time, on a pool thread, so that what belongs to it
 * needs no lock. Lane DESK owns struct desk. Lane REPORTS has a database connection of its own for what may take long, so
 * that revoking a key never waits for a report. A job's done() runs on the loop before the lane's next job starts: there,
 * and only there, the loop may look at the desk. */
#pragma once

#include "admin/admin.h"
#include "board/board.h"
#include "catalog/catalog.h"
#include "config/config.h"
#include "generation/generation.h"
#include "http/http.h"
#include "identity/identity.h"
#include "json/json.h"
#include "ledger/ledger.h"
#include "loop/loop.h"
#include "store/store.h"

/* ---- lanes ------------------------------------------------------------------------------------------------------------ */

struct job {
    struct work work;
    struct job *next;
    struct lane *lane;
    bool in_vain;                /* set on the loop while it waits: nobody wants it any more, done() without run() */
    void (*run)(struct job *j);  /* on a pool thread */
    void (*done)(struct job *j); /* on the loop; the job may be freed here */
    void (*drop)(struct job *j); /* in its place, when the lane is cleared before its turn came; NULL: it is nobody's to free */
};
struct lane {
    struct loop *loop;
    void *user;
    struct job *first, **end;
    bool busy;
    void (*on_idle)(struct lane *l); /* set: the lane is closing and starts nothing more */
};
void lane_init(struct lane *l, struct loop *loop, void *user);
void lane_submit(struct lane *l, struct job *j);
/* Starts no further job; on_idle is called when none is running, perhaps at once. */
void lane_end(struct lane *l, void (*on_idle)(struct lane *l));
void lane_clear(struct lane *l); /* after its end: what waits is dropped */

/* ---- the desk: lane DESK only ------------------------------------------------------------------------------------------ */

/* The digest of admin.key or metrics.key. */
struct face_key {
    bool set;
    uint8_t digest[KEY_DIGEST_LEN];
};

/* A key as the store has it; its texts live in its own arena. */
struct key_row {
    struct key key;
    int64_t created_ms, revoked_ms; /* revoked_ms 0: not */
    struct str metadata;            /* JSON object; "" none */
    struct arena arena;
};
struct desk {
    struct board *board;
    const struct board_fds *fds;
    const char *file;          /* the configuration */
    struct config *config;     /* that of the published generation; NULL before the first */
    struct config *first;      /* what the process began with, once there is another; NULL until then */
    struct buf restart_needed; /* keys that differ from it and wait for the next start: "listen, loops" */
    struct catalog *catalog;
    struct store *store;
    struct key_row **keys; /* by place, oldest first */
    unsigned n_keys, cap_keys;
    struct map by_id; /* id → struct key_row */
    uint32_t next_place;
    struct buf published;         /* the newest generation's text */
    struct http_origin **origins; /* of the newest generation */
    unsigned n_origins;
    bool unpublished; /* a change of keys waits for it */
    uint64_t number;
    int64_t published_ms, created_ms;
    char hash[65];
    uint64_t seen;        /* fingerprint of the files when they were last read */
    uint64_t looked;      /* the same when they were last looked at */
    struct fault refused; /* why the newest configuration was refused; code OK: it was not */
    struct ledger_ingest *ingest;
    bool seeded;
    int64_t ingest_complained_ms, swept_ms;
    struct face_key admin_key, metrics_key;
    struct found_sealed *found; /* credentials that were found, as they are published */
    unsigned n_found;
};
/* Reads configuration and catalogue, opens the database when it is not open, publishes. On an error everything stays as it
 * was; the fault is kept in `refused` and counted. */
MUST_USE enum err desk_reload(struct desk *d, struct fault *why);
/* Since desk_reload() last read them, and not since the last call of this: who writes in place is let finish. */
bool desk_files_changed(struct desk *d);
MUST_USE enum err desk_publish(struct desk *d, struct fault *why); /* after a change of keys */
MUST_USE enum err desk_publish_with(struct desk *d, const struct config *c, const struct catalog *k, struct fault *why);
/* One turn of ingest; the first also seeds the spend meters. */
MUST_USE enum err desk_ingest(struct desk *d, struct fault *why);
void desk_sweep(struct desk *d); /* removes what is older than ledger.retention, a day at a time */
void desk_done(struct desk *d);
/* A checked copy of a backup takes the database's place; keys, generation, meters and journal positions follow. */
MUST_USE enum err desk_restore(struct desk *d, const char *copy, struct fault *why);
MUST_USE enum err desk_read_key(struct str reference, struct face_key *ret_key, struct fault *why); /* "": not set */
/* The key that seals secrets in the database: the configured one, or the data directory's own, made when there is none. */
MUST_USE enum err desk_seal_key(const struct desk *d, struct seal_key *ret_key, struct fault *why);
MUST_USE enum err desk_make_dir(const char *path, struct fault *why); /* mode 0700; exists: fine */

/* ---- credentials that are found -------------------------------------------------------------------------------------------- */

/* found_desk.c, lane DESK: seals what was found, keeps it in the store (so that a restart has it at once) and in `found`. */
MUST_USE enum err desk_load_found(struct desk *d, struct fault *why);
MUST_USE enum err desk_take_found(struct desk *d, struct str provider, const struct found *f, struct fault *why);
/* Nothing is kept for a provider that the configuration does not have any more; should the store fail, next time. */
void desk_forget_found(struct desk *d);
void desk_done_found(struct desk *d);

struct found_account {
    char provider[PROVIDER_NAME_MAX + 1], region[33], profile[65];
    char *service_account;                    /* Google: a reference; "" none */
    char *tenant, *client_id, *client_secret; /* Azure: "" none; the secret: a reference */
    char *url;                                /* the provider's */
    enum found_source source;
    enum err (*ask)(struct found_account *a, struct fault *why);
    struct arena arena;
    struct found found;
    bool fresh;                               /* found, and not yet taken by the desk */
    char seen[SIGV4_HASH], taken[SIGV4_HASH]; /* digests of what was found, and of what the desk has: no news, no generation */
    unsigned fails;                           /* in a row */
    uint64_t due_ns;                          /* when to ask again */
    struct found_account *next;
};
/* found_aws.c, found_entra.c, found_google.c: ask a source, waiting for its answers; on a pool thread. Texts are in the arena. */
MUST_USE enum err found_ask_aws(struct found_account *a, struct fault *why);
MUST_USE enum err found_ask_entra(struct found_account *a, struct fault *why);
MUST_USE enum err found_ask_google(struct found_account *a, struct fault *why);

/* found_http.c */
struct question {
    const char *method, *url; /* url: with the path */
    struct http_fields fields;
    struct str body;
    const char *flavor; /* what the answer's field Metadata-Flavor must say; NULL: no matter */
};
/* The answer's bytes in `answer`, which the caller wipes and frees in any case. An address that may not be asked is not. */
MUST_USE enum err found_answer(const struct question *q, int *ret_status, struct buf *answer, struct fault *why);
MUST_USE enum err found_question(const struct question *q, struct buf *answer, struct fault *why); /* and its status is 200 */
void found_wipe(struct buf *b);
const char *found_variable(const char *name); /* NULL: not set, or empty */
MUST_USE enum err found_file(const char *path, struct buf *out, struct fault *why);

/* found.c: the keeper, on the loop: asks when it is time (lane FOUND), hands over to the desk. */
struct found_keeper {
    struct job ask_job, take_job;
    struct timer timer;
    struct found_account *accounts;
    bool busy, changed; /* changed: the configuration, while busy */
};
struct control;
void found_sync(struct control *c); /* after a configuration came into force */
void found_stop(struct control *c);
void found_done(struct control *c);

/* ---- keys --------------------------------------------------------------------------------------------------------------- */

struct key_request {
    struct str name, project, metadata; /* project "": the default one */
    struct str *routes;                 /* into the document that was read */
    unsigned n_routes;
    struct key_limits limits;
    int64_t expires_ms;
    bool aws;        /* with an AWS key pair */
    struct buf text; /* metadata's */
};
#define KEY_ROUTES_MAX 256
/* Reads and judges a body. The strings point into doc. key_request_done() in any case. */
/* Each of its routes is one of the configuration's, or a pattern. */
MUST_USE enum err key_request_routes(const struct key_request *r, const struct config *c, struct fault *why);
MUST_USE enum err key_request_read(const struct json_doc *doc, struct key_request *ret_request, struct str routes[KEY_ROUTES_MAX],
                                   struct fault *why);
void key_request_done(struct key_request *r);
MUST_USE enum err keys_load(struct desk *d, struct fault *why);
/* A key and what is shown of it once; wipe it. */
struct key_shown {
    struct key_row *row;
    char text[KEY_TEXT_MAX];
    char aws_secret[AWS_SECRET_LEN + 1]; /* "": it has no AWS key pair */
};
/* Each stores, then publishes. A revocation that is stored but could not be published is
 * ERR_NOT_READY: it is tried again, but does not hold yet. */
MUST_USE enum err keys_create(struct desk *d, const struct key_request *r, struct key_shown *ret_shown, struct fault *why);
MUST_USE enum err keys_revoke(struct desk *d, struct str id, struct key_row **ret_row, struct fault *why);
/* grace_ms: how long the old secret works on. */
MUST_USE enum err keys_rotate(struct desk *d, struct str id, uint64_t grace_ms, struct key_shown *ret_shown, struct fault *why);
struct key_row *keys_find(const struct desk *d, struct str id); /* NULL: none */
void keys_done(struct desk *d);
void key_put_json(struct json_writer *w, const struct key_row *row); /* members only, no secret */

/* ---- the API ------------------------------------------------------------------------------------------------------------ */

enum lane_name { LANE_DESK, LANE_REPORTS, LANE_FOUND, LANE_STATE, LANES };
enum face_name { FACE_ADMIN, FACE_METRICS, FACE_STATE, FACES };

/* What is kept for callers: lane STATE, but for the bounds, which the loop sets with each configuration. */
struct state_desk {
    struct store *store;
    struct json_tape tape, item;
    _Atomic uint64_t retention_ms, max_bytes; /* retention 0: nothing is kept, and what was is removed */
    struct job sweep_job;
    struct timer sweep_timer;
    bool orphans_gone; /* swept since this process began */
    int fd;            /* the socket that gateways ask at */
};

struct control {
    struct loop *loop;
    struct board *board;
    struct board_fds fds;
    struct lane lanes[LANES];
    struct desk desk;
    struct store *reports; /* lane REPORTS only */
    char *reports_path;
    struct face {
        struct control *control;
        bool metrics_only, is_state;
        struct http_server *server;
    } faces[FACES];
    struct state_desk state;
    struct face_key admin_key, metrics_key; /* the loop's copies */
    bool stopping;                          /* told to end: what was asked is still answered */
    bool finishing;                         /* answered; one last ingest is under way */
    unsigned faces_open;
    struct watch signals, bell;
    struct timer poll, ingest_timer, give_up;
    struct job reload_job, ingest_job, poll_job;
    struct found_keeper found;
    bool reload_queued, reload_again, ingest_queued;
    bool files_changed; /* found by the poll job, read by its done() */
    int status;         /* exit status */
};

/* One request under way. */
struct call {
    struct job job;
    struct control *control;
    struct http_stream *stream; /* NULL: the client went away */
    const struct endpoint *endpoint;
    char request_id[LEDGER_ID_LEN + 1];
    bool in_lane, went_on; /* went_on: `then` is under way */
    bool is_state;         /* it came over the state socket */
    struct timer wait;     /* set: done, but the gateways do not serve generation `awaits` yet */
    uint64_t awaits, give_up_ms;
    struct arena arena;
    struct str method, parameter, query, body; /* copies; parameter: the path's {id} */
    struct str second, project;                /* on the state socket: the path's second {id}, and whose state is meant */
    struct http_field extra;                   /* one more field for the answer; name.n 0: none */
    struct str backup, copy;                   /* restore: what was named, and the checked copy of it */
    struct buf out;
    int status;
    const char *content_type;
    struct fault why;
};
struct endpoint {
    const char *method, *path; /* "{}" at the end or in the middle stands for one segment */
    enum err (*run)(struct call *c, struct fault *why);
    enum lane_name lane;
    enum err (*then)(struct call *c, struct fault *why); /* after a good run(), in lane DESK; may be NULL */
    bool open;                                           /* no key needed */
    bool on_loop;                                        /* at once, without a lane */
    bool ingest_first;                                   /* usage is never older than the last request that finished */
    bool on_metrics;                                     /* also on the metrics listener */
    bool publishes;                                      /* answered when every gateway serves what it changed */
    bool must_hold;                                      /* and not well before: who revokes a key relies on it */
};
extern const struct endpoint endpoints[];
extern const size_t n_endpoints;
extern const struct endpoint state_endpoints[]; /* state_api.c */
extern const size_t n_state_endpoints;
extern const struct http_handler api_handler;

/* Endpoints' bodies, by file. */
typedef enum err endpoint_fn(struct call *c, struct fault *why);
endpoint_fn key_list, key_create, key_get, key_revoke, key_rotate;                        /* api_keys.c */
endpoint_fn report_usage, report_attempts, report_backup;                                 /* api_reports.c */
endpoint_fn restore_check, restore_take;                                                  /* api_restore.c */
endpoint_fn show_config, show_status, show_models, show_health, show_ready, show_openapi; /* api_show.c */
endpoint_fn show_providers, show_routes, refuse_provider, refuse_route;                   /* api_show.c */
endpoint_fn show_metrics;                                                                 /* metrics.c */
endpoint_fn state_calls_keep, state_calls_recall;                                         /* state_calls.c */
endpoint_fn state_recall, state_resolve, state_keep, state_events, state_follow;          /* state_keep.c */
endpoint_fn state_get, state_delete, state_cancel, state_input_items;                     /* state_responses.c */
endpoint_fn talk_create, talk_get, talk_update, talk_delete;                              /* state_talks.c */
endpoint_fn talk_list, talk_add, talk_item, talk_item_delete;                             /* state_talks.c */

/* ---- kept responses: lane STATE ------------------------------------------------------------------------------------------- */

/* The socket that the gateways ask at, DATA/run/state.sock, mode 0600; one that a former control left behind goes. */
MUST_USE enum err state_listen(struct control *c, struct str data, struct fault *why); /* state_api.c */
void state_start(struct control *c);                                                   /* sweeps from now on */
void state_stop(struct control *c);
void state_done(struct control *c);
/* The lane's own connection; ERR_NOT_READY until the desk has made the tables. */
MUST_USE enum err state_store(struct control *c, struct store **ret_store, struct fault *why);
void state_put_error(struct call *c);                                /* as OpenAI words it */
MUST_USE enum err state_sweep(struct control *c, struct fault *why); /* state_sweep.c */
MUST_USE enum err state_calls_remove(struct store *s, int64_t place, struct fault *why);

/* state_items.c: items, and lists of them. */
enum state_side { STATE_INPUT, STATE_OUTPUT };
struct state_owner {
    int64_t response, conversation; /* places; 0: none */
    enum state_side side;
};
/* Stores the elements of an array of the tape (each recorded one level deep). ERR_BAD_REQUEST: one is no object. */
MUST_USE enum err state_put_items(struct call *c, struct store *s, const struct json_tape *t, uint32_t array,
                                  const struct state_owner *owner, struct fault *why);
/* One page of what a query finds, as OpenAI's list; the query's rows are id, body. */
struct state_page {
    struct str after;
    uint64_t limit; /* 1 to 100 */
    bool descending;
};
MUST_USE enum err state_check_include(const struct call *c, struct fault *why); /* of the query */
MUST_USE enum err state_read_page(struct call *c, bool descending, struct state_page *ret_page, struct fault *why);
/* All items are given in ascending order; puts those of the page. */
MUST_USE enum err state_put_page(struct call *c, struct store_rows *rows, const struct state_page *p, struct fault *why);
void state_put_item(struct call *c, struct json_writer *w, struct str id, struct str body); /* in the shape of lists */

/* state_responses.c */
struct state_row {
    int64_t place, output_at;
    struct str body, deployment, runs; /* in the call's arena; NULL: none */
    enum state_background { STATE_AWAITED, STATE_BACKGROUND, STATE_STREAMED } background;
};
/* ERR_NOT_FOUND: no such one in this project. */
MUST_USE enum err state_find(struct call *c, struct store *s, struct str id, struct state_row *ret_row, struct fault *why);
/* Changes the kept object's status; `error` is JSON or STR_NONE. It runs no more after that. */
MUST_USE enum err state_set_status(struct control *c, struct store *s, const struct state_row *row, const char *status,
                                   struct str error, struct fault *why);
/* Removes a response and what only it has. */
MUST_USE enum err state_remove(struct store *s, int64_t place, struct fault *why);
MUST_USE enum err talk_remove(struct store *s, int64_t place, struct fault *why);
/* The place of a conversation of the call's project. ERR_NOT_FOUND. */
MUST_USE enum err talk_find(struct call *c, struct store *s, struct str id, int64_t *ret_place, struct fault *why);

/* A query's parameter, percent-decoded into the call's arena; "" when absent. */
MUST_USE enum err call_query(struct call *c, const char *name, struct str *ret_value, struct fault *why);
MUST_USE enum err call_document(struct call *c, struct json_doc **ret_doc, struct fault *why);
