/* generation: the frozen configuration that the gateway serves from: providers, routes, deployments, prices, keys, limits.
 * Control builds one from the configuration file and the store and publishes it as a file (DATA/run/generation-N.json, no
 * secrets but digests and sealed ones: provider keys stay references); the gateway loads it whole or not at all and swaps it atomically.
 * Immutable after loading; reference-counted; freed as one arena. */
#pragma once

#include "base/base.h"
#include "board/board.h"
#include "chat/chat.h"
#include "http/http.h"
#include "identity/identity.h"
#include "ledger/ledger.h"
#include "provider/provider.h"
#include "wire/wire.h"

#define ROUTE_NAME_MAX 64
#define PROVIDER_NAME_MAX 32

struct price_period {
    int64_t from_ms;    /* in force from then on, until the next one; INT64_MIN: always was */
    struct price price; /* known false: the one before has ended */
};

/* What the catalogue says of a model that a deployment with `model: "*"` may be asked for. */
struct model_facts {
    struct str name;
    struct price_period *prices;
    unsigned n_prices;
    uint64_t max_output, context; /* tokens; 0 unknown */
};

/* What models are like whose id matches one of these. */
struct model_family {
    struct str *match;
    unsigned n_match;
    struct chat_manners manners;
};

struct header {
    struct str name, value; /* value resolved (env:, file:) in the gateway */
};

/* A vendor account. */
struct provider {
    struct str name;
    const struct provider_kind *kind;
    struct http_origin *origin; /* NULL for kind local */
    struct str base_path;
    struct str api_version; /* Azure's older paths; "" the current ones */
    struct secret key;      /* "" none */
    struct str region;
    struct sigv4_credentials aws; /* access_key "" : calls are not signed */
    bool awaited;                 /* control finds the credentials: without them no call can be made */
    struct str files;             /* the project whose files and batches it keeps; "" nobody's */
    enum provider_batches batches;
    struct str *betas; /* that it takes beside those its kind is known to take */
    unsigned n_betas;
    struct http_deadlines deadlines;
    struct header *headers; /* extra ones, on every call */
    unsigned n_headers;
};

/* A field that is added to a request when the caller did not send it. */
struct body_default {
    struct str name, raw;    /* raw: JSON text */
    struct wire_bound bound; /* of the answer, that it says */
};

struct deployment {
    const struct provider *provider;
    struct str model;  /* the upstream's id; "*": the asked name */
    struct str family; /* the id whose family tells the manners; "" the model's own */
    struct str region, tier;
    struct wire_formats formats;          /* what it speaks, the preferred one first */
    uint32_t quirks;                      /* enum wire_quirk */
    uint64_t identity;                    /* a digest of (provider, model, region, tier), the same in every generation */
    struct deployment_state *state;       /* breaker; shared by all generations that name it (route room) */
    struct board_row *rows[WIRE_FORMATS]; /* metrics, by the caller's format; NULL: no call in it can come here */
    struct price_period *prices;          /* oldest first */
    unsigned n_prices;
    bool allow_unpriced;
    bool client_key;     /* calls carry the caller's own credential, not the provider's key */
    uint64_t max_output; /* tokens; 0 unknown */
    uint64_t context;    /* tokens; 0 unknown */
    struct header *headers;
    unsigned n_headers;
    struct body_default *defaults;
    unsigned n_defaults;
    struct str *drop; /* top-level fields removed from requests, counted */
    unsigned n_drop;
    bool rebounds;         /* what bounds an answer is not what the caller's body says: by defaults, drop or quirks */
    uint64_t default_size; /* bytes that defaults add to a body */
    const struct chat_manners *manners; /* of the model; NULL: unknown, or model "*" */
    const struct generation *generation;
    const struct map *models;  /* model "*": name → struct model_facts, priced for its provider's kind; NULL otherwise */
    struct engine_row *engine; /* provider kind local: NULL until the engine keeper has named its row; ask the board again */
};

#define KEPT_MODEL "files" /* route and model of what an account keeps, in the ledger and the metrics */

struct route {
    struct str name; /* may end in '*' : a pattern */
    bool is_pattern;
    struct str display_name, description; /* for /v1/models; "" none */
    struct deployment *deployments;       /* tried in order */
    unsigned n_deployments;
    bool state_upstream; /* responses are kept by the provider, not by us */
    uint32_t total_ms;   /* for all attempts together until the first byte; 0 none */
    int64_t created_s;   /* Unix seconds, for /v1/models */
};

#define PROJECT_DEFAULT "default" /* of keys that were made without one */
#define PROJECT_NAME_MAX 64
#define SEAL_KEY_FILE "seal.key" /* in the data directory, when the configuration names no seal_key */

struct key_limits {
    uint32_t requests_per_minute; /* 0: none */
    uint64_t tokens_per_minute;
    uint32_t concurrency;
    int64_t spend_day, spend_month; /* pico-dollars; -1: none, 0: nothing may be spent */
};

struct key {
    char id[KEY_ID_LEN + 1];
    struct str name;
    uint8_t digest[KEY_DIGEST_LEN];
    uint8_t old_digest[KEY_DIGEST_LEN]; /* after a rotation with grace: valid until old_until_ms */
    int64_t old_until_ms;               /* 0: none */
    int64_t expires_ms;                 /* 0: never */
    bool revoked;
    bool has_aws, has_aws_old; /* a key pair for callers who sign; the old secret is valid as old_digest is */
    uint8_t aws_sealed[AWS_SEALED_LEN], aws_old_sealed[AWS_SEALED_LEN];
    struct secret aws_secret, aws_old_secret; /* opened, in a loaded generation only; "" : could not be */
    struct str *routes;                       /* allowed names or patterns; n_routes 0: all */
    unsigned n_routes;
    struct key_limits limits;
    uint32_t place;               /* of its meter on the board */
    struct str project;           /* whose state it may take up again; never empty */
    const struct chat_seal *seal; /* the project's, in a loaded generation only; NULL: vendors' state cannot travel sealed */
};

struct settings { /* the gateway's own, reloadable */
    struct http_server_options server;
    struct journal_options journal;
    uint64_t memory_max;       /* bytes; percent were resolved when it was loaded */
    uint32_t heartbeat_ms;     /* default 15 s; 0 off */
    uint32_t drain_ms;         /* default 5 min */
    uint32_t websocket_age_ms; /* default 1 h; 0: no limit */
    size_t answer_hold_max;    /* non-stream answers are held whole up to this (default 8 MiB) */
    size_t event_max;          /* longest SSE event (default 4 MiB) */
    unsigned attempts_max;     /* default 3 */
    uint64_t assume_output;    /* tokens reserved when neither request, deployment nor catalogue bounds it */
    bool keeps_state;          /* responses are kept at all */
    size_t state_max;          /* longest one that is */
    uint32_t state_wait_ms;    /* for what control keeps */
    struct str state_socket;   /* where to ask for it */
    bool access_log;
    enum log_level log_level;
};

struct generation {
    _Atomic unsigned refs;
    uint64_t number;
    char hash[65]; /* SHA-256 of the published file, hex */
    struct arena arena;
    struct settings settings;
    struct provider *providers;
    unsigned n_providers;
    struct route *routes; /* file order */
    unsigned n_routes;
    struct map seals;   /* project → struct chat_seal; empty: there is no key to seal with */
    struct route *kept; /* of each provider that keeps files, in file order: named KEPT_MODEL, with one deployment */
    unsigned n_kept;
    struct map exact;        /* name or alias → struct route */
    struct route **patterns; /* longest first */
    unsigned n_patterns;
    struct map keys;               /* id → struct key */
    struct model_family *families; /* the first that matches counts */
    unsigned n_families;
    struct map *catalogs; /* one per kind of provider that a "*" deployment uses */
    unsigned n_catalogs;
};

/* Parses and resolves a published file (secrets from env: and file:). Engine rows are found on the board. */
MUST_USE enum err generation_load(struct str json, struct board *b, struct generation **ret_generation, struct fault *why);
void generation_ref(struct generation *g);
void generation_unref(struct generation *g);
/* Exact name or alias, else the longest pattern; NULL: unknown. */
const struct route *generation_route(const struct generation *g, struct str name);
/* The up to 3 nearest names to an unknown one that the key may call. */
unsigned generation_nearest(const struct generation *g, const struct key *k, struct str name, struct str ret_names[3]);
const struct key *generation_key(const struct generation *g, struct str id);
bool key_may_call(const struct key *k, struct str route_name);
const struct price *deployment_price(const struct deployment *d, int64_t wall_ms); /* NULL: none in force */
/* The same for any deployment, also one with model "*": `asked` is the name that goes upstream. NULL: unpriced. */
const struct price *deployment_price_of(const struct deployment *d, struct str asked, int64_t wall_ms);
/* Sets what its defaults, drop and quirks make of the bounds of answers: rebounds, default_size, the defaults' bounds. */
void deployment_note_bounds(struct deployment *d);
/* Limits of the model: the deployment's own, else the catalogue's, else (of its output) its family's; 0 unknown. */
uint64_t deployment_max_output(const struct deployment *d, struct str asked);
/* What the model takes; NULL: nobody told. */
const struct chat_manners *deployment_manners(const struct deployment *d, struct str asked);
uint64_t deployment_context(const struct deployment *d, struct str asked);

/* ---- control: writing one (another library: it knows configuration and catalogue) ------------------------------------- */

struct config;
struct catalog;
/* Credentials that control found for a provider, as published: sealed for its name. */
struct found_sealed {
    struct str provider, hex;
};
/* All of what was found, closed; the caller frees ret_hex. */
void found_seal(const struct seal_key *k, struct str provider, const struct found *f, struct buf *ret_hex);
struct generation_source {
    const struct found_sealed *found;
    size_t n_found;
    uint64_t number;
    const struct config *config;
    const struct catalog *catalog;
    const struct key *keys; /* by place */
    size_t n_keys;
    int64_t created_s; /* of the routes: when this data directory was made */
};
/* The document that generation_load() reads. Logs a warning for each deployment without a price that does not allow it. */
MUST_USE enum err generation_write(const struct generation_source *s, struct buf *out, struct fault *why);
/* The catalogue that a configuration means: the files that ship with Aquifer, then its own. */
MUST_USE enum err generation_catalog(const struct config *c, struct catalog **ret_catalog, struct fault *why);
/* The key that seals secrets in the store: as configured, or that of the data directory. */
MUST_USE enum err generation_seal_key(const struct config *c, struct seal_key *ret_key, struct fault *why);
/* Is it there and well formed, if one is configured? */
MUST_USE enum err generation_check_seal(const struct config *c, struct fault *why);
/* Where the key file is that a provider of Google Cloud gets its tokens with: its service_account, else what
 * GOOGLE_APPLICATION_CREDENTIALS names, else gcloud's own. A reference; false: none, the metadata server is asked. */
bool generation_google_file(struct str service_account, enum found_source source, struct buf *ret_reference);
/* Reads it and proves that its key signs. The fault names the file and what to do. */
MUST_USE enum err generation_google_read(struct str reference, struct arena *a, struct google_file *ret_file, struct fault *why);
/* What an Azure provider's configuration says of its tokens of Entra. client_secret: a reference; "" none. */
struct entra_given {
    struct str tenant, client_id, client_secret;
    enum found_source source;
    struct str url; /* the provider's: it tells the cloud */
};
/* Whom to ask, with what. Texts are the given ones', the environment's, or in `room`, which holds the secret. */
struct entra_way {
    enum found_source source; /* SOURCE_GIVEN: client_secret; never SOURCE_DEFAULT */
    const char *name;         /* of the source, for messages */
    struct entra_app app;
    struct http_field
        header; /* for the endpoint of a managed identity; name "": the token server is asked, with entra_token_body() */
    char url[1024];
    struct buf room;
};
/* Reads variables and files anew. The fault names the source and what to do. generation_entra_done() in any case: it wipes. */
MUST_USE enum err generation_entra_find(const struct entra_given *g, struct entra_way *ret_way, struct fault *why);
void generation_entra_done(struct entra_way *w);
/* Everything but the number equal? Then there is nothing to publish. */
bool generation_is_same(struct str a, struct str b);
