/* provider: what differs between kinds of vendor accounts: paths, credentials, default formats, how their errors are to be
 * understood. One file per kind, one row in provider.c. Pure. */
#pragma once

#include "base/base.h"
#include "http/http.h"
#include "wire/wire.h"

#define PROVIDER_FIELDS_MAX 4

/* What a path may depend on. */
struct provider_call {
    enum wire_format format;
    enum wire_operation operation;
    struct str model; /* the upstream's id */
    bool stream;
    struct str api_version; /* Azure: of its older paths; "" the current ones */
    struct str rest;        /* of what an account keeps: the path below /v1, with its query */
};

struct provider_kind {
    const char *name;            /* "openai": as in configuration */
    struct wire_formats formats; /* what it speaks by default */
    bool chat_errors;            /* its errors have Chat Completions' shape, whatever format it is called in */
    bool has_tasks;              /* serves OpenAI's calls that are no conversation, whatever `formats` says */
    bool is_llama;               /* llama.cpp's server, as Aquifer starts it: one model, no pictures, no sound */
    bool needs_url, needs_key;
    bool has_versions;     /* takes api_version */
    bool keeps;            /* files and batches, in the first of its formats (OpenAI's: WIRE_OPENAI_TASKS) */
    const char *otel_name; /* gen_ai.provider.name */
    /* Appends the path below the base URL for this call; false: the kind cannot do it. */
    bool (*path)(const struct provider_call *c, struct buf *out);
    /* The credential's fields. `room` holds what must be composed ("Bearer …"). Returns their number. */
    unsigned (*credentials)(struct secret key, struct buf *room, struct http_field ret_fields[PROVIDER_FIELDS_MAX]);
    /* Fields the vendor insists on in Messages when the caller did not send them (anthropic-version); name NULL ends. */
    const struct http_field *messages_fields;
    uint32_t quirks; /* enum wire_quirk: what all its deployments are like */
    /* AWS: calls are signed for this service unless there is a key (then a bearer key). NULL: no AWS. */
    const char *const *betas; /* Anthropic's that it takes, up to a NULL; NULL: it is not known to refuse any */
    bool takes_query;         /* the vendor's clients may say something in the query: wire_put_query() */
    const char *aws_service;
    bool vertex_bodies;     /* Messages goes there in Vertex AI's dialect: wire_dialect_changes() */
    bool has_google_tokens; /* calls carry an access token of Google's, given as key or found */
    bool has_entra_tokens;  /* calls may carry an access token of Microsoft Entra's, given as key or found */
    const char *aws_url;    /* REGION stands for the region: "https://bedrock-mantle.REGION.api.aws" */
};

/* Who may start a batch at an account that keeps them: its cost is not known then. */
enum provider_batches { BATCHES_OFF, BATCHES_UNCAPPED, BATCHES_ALL };
#define PROVIDER_BATCHES "off|uncapped|all"

const struct provider_kind *provider_kind_find(struct str name); /* NULL: unknown */
const struct provider_kind *provider_kind_at(unsigned i);        /* NULL: past the last */
/* What an account speaks when the configuration does not say: the kind's, unless the vendor's own host speaks more. */
struct wire_formats provider_formats(const struct provider_kind *k, struct str url);
/* What all its deployments are like: enum wire_quirk, the kind's and its host's. */
uint32_t provider_quirks(const struct provider_kind *k, struct str url);

/* Is it among the betas of Anthropic's that accounts of this kind are known to take? */
bool provider_takes_beta(const struct provider_kind *k, struct str beta);

/* What a failed answer means. */
struct provider_verdict {
    bool try_next;           /* 408, 424, 429, 5xx, and what the vendor means to be such */
    bool rest;               /* the deployment shall rest */
    uint64_t retry_after_ms; /* 0: not told */
    bool spent;              /* a quota that no waiting of seconds gives back: the client shall not try again either */
    bool charged;            /* refused, but its prompt was read and is billed */
    bool account;            /* it does not take the credential that came with the call, or what that one may do */
};
/* Status and headers of an answer (RFC 9110 10.2.3; retry-after-ms, x-ms-retry-after-ms, retry-after as seconds or date). */
void provider_judge(int status, struct http_fields fields, int64_t now_ms, struct provider_verdict *ret_verdict);
/* The status that an error should have: llama.cpp's server says 500 where its caller asked for what cannot be. */
int provider_true_status(const struct provider_kind *k, int status, struct str body);
/* What the error's body adds to that: words that say more than the status. */
void provider_judge_body(int status, struct str body, struct json_tape *t, struct provider_verdict *verdict);

/* The rest of a vendor's limits, as the head of an answer tells it. */
struct provider_headroom {
    int64_t requests, tokens; /* the least that is left of each; -1: not told */
    uint64_t rest_ms;         /* something is used up, and comes back after so long; 0: nothing is, or nobody knows when */
};
void provider_headroom(struct http_fields fields, int64_t now_ms, struct provider_headroom *ret_room);

/* ---- credentials that Aquifer finds for itself (docs/decisions/0010) ------------------------------------------------ */

enum found_source {
    SOURCE_GIVEN,   /* in the configuration */
    SOURCE_DEFAULT, /* the first of those that the cloud has and that is set up, in this order */
    SOURCE_ENVIRONMENT,
    SOURCE_WEB_IDENTITY, /* AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE: exchanged at STS; Azure: AZURE_FEDERATED_TOKEN_FILE */
    SOURCE_FILE,         /* AWS: a profile of the shared credentials file; Google: what GOOGLE_APPLICATION_CREDENTIALS names */
    SOURCE_CONTAINER,    /* the endpoint that ECS and EKS put beside a container */
    SOURCE_INSTANCE      /* AWS: instance metadata, version 2; Google: the metadata server of GCE, GKE and Cloud Run; Azure: the
                            managed identity of a machine, or of App Service */
};
#define FOUND_SOURCES "given|default|environment|web_identity|file|container|instance"

struct found {
    struct str access_key;           /* Google, Azure: whose token it is, for the log; "" unknown */
    struct secret secret_key, token; /* token: AWS: of the session, "" none; Google, Azure: the access token, all there is */
    int64_t expires_ms;              /* 0: they do not */
};
/* Each reads what such a source says, bounded and strict; texts are copied to the arena. The fault never repeats a value. */
MUST_USE enum err aws_profile_read(struct str file, struct str profile, struct arena *a, struct found *ret_found,
                                   struct fault *why);
/* Of container endpoint and instance metadata. */
MUST_USE enum err aws_json_read(struct str body, struct arena *a, struct found *ret_found, struct fault *why);
/* An AssumeRoleWithWebIdentityResponse. */
MUST_USE enum err aws_sts_read(struct str xml, struct arena *a, struct found *ret_found, struct fault *why);
/* The form that asks for it. */
void aws_sts_body(struct str role, struct str session, struct str token, struct buf *out);
/* Is the text fit to sign with? ERR_CONFIG names the part that is not. */
MUST_USE enum err aws_found_check(const struct found *f, struct fault *why);

/* May credentials be asked for there? https to anybody; http to loopback and the clouds' link-local addresses only, and never
 * to a name: whoever controls a variable or a name server must not be handed a token in clear text. */
bool source_url_is_allowed(struct str url);
/* When to ask again: 5 minutes before the end, or at half of a short life; without an end after a minute (a file may
 * change). Milliseconds from now, at least a second. */
uint32_t found_refresh_ms(const struct found *f, int64_t now_ms);

/* A key file of Google's: of a service account, or what `gcloud auth application-default login` leaves. */
struct google_file {
    struct str account; /* client_email; "" of a user's */
    struct str key_id, token_uri;
    struct secret private_key;                          /* PEM; "" : a user's */
    struct secret client_id, client_secret, user_token; /* a user's */
};
#define GOOGLE_TOKEN_URL "https://oauth2.googleapis.com/token"
#define GOOGLE_SCOPE "https://www.googleapis.com/auth/cloud-platform"
/* Strict and bounded; texts are copied to the arena. The fault says what is wrong with it, never a value that is secret. */
MUST_USE enum err google_file_read(struct str json, struct arena *a, struct google_file *ret_file, struct fault *why);
/* The form for token_uri: a JWT signed with the key (RFC 7523, RS256), or the user's token. Secret: the caller wipes it. */
MUST_USE enum err google_token_body(const struct google_file *f, int64_t now_ms, struct buf *out, struct fault *why);
/* What token_uri, or the metadata server, says. status: of its answer. */
MUST_USE enum err google_token_read(int status, struct str json, int64_t now_ms, struct arena *a, struct found *ret_found,
                                    struct fault *why);

/* Azure's clouds are apart: each has a token server of its own, and tokens for its own resources only. */
struct entra_cloud {
    const char *domain, *authority, *resource;
};
const struct entra_cloud *entra_cloud_of(
    struct str url); /* of a resource's address; Azure's public one unless its domain says another */

/* An application at Microsoft Entra: it has a secret, or a token of another issuer that Entra trusts (RFC 7523, workload identity). */
struct entra_app {
    const struct entra_cloud *cloud;
    struct str tenant, client_id;
    struct secret secret, assertion; /* one of them */
};
/* Fit to stand in a URL's path: a GUID or a domain name. */
bool entra_tenant_is_valid(struct str tenant);
/* ERR_CONFIG names the part that is none, never its value. */
MUST_USE enum err entra_app_check(const struct entra_app *e, struct fault *why);
/* The form for AUTHORITY/TENANT/oauth2/v2.0/token. Secret: the caller wipes it. */
void entra_token_body(const struct entra_app *e, struct buf *out);
/* The query for the endpoint of a managed identity; client_id "": the one that the system assigned. */
void entra_identity_query(const char *version, const struct entra_app *e, struct buf *out);
/* What either says; the token is a JWT, copied to the arena. status: of its answer. The fault never repeats a token. */
MUST_USE enum err entra_token_read(int status, struct str json, int64_t now_ms, struct arena *a, struct found *ret_found,
                                   struct fault *why);
