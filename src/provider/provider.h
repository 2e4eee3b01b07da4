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
};

struct provider_kind {
    const char *name;            /* "openai": as in configuration */
    struct wire_formats formats; /* what it speaks by default */
    bool needs_url, needs_key;
    const char *otel_name; /* gen_ai.provider.name */
    /* Appends the path below the base URL for this call; false: the kind cannot do it. */
    bool (*path)(const struct provider_call *c, struct buf *out);
    /* The credential's fields. `room` holds what must be composed ("Bearer …"). Returns their number. */
    unsigned (*credentials)(struct secret key, struct buf *room, struct http_field ret_fields[PROVIDER_FIELDS_MAX]);
    /* Fields the vendor insists on when the caller did not send them (anthropic-version); name NULL ends. */
    const struct http_field *required;
    /* AWS: calls are signed for this service unless there is a key (then a bearer key). NULL: no AWS. */
    const char *aws_service;
    const char *aws_url; /* REGION stands for the region: "https://bedrock-mantle.REGION.api.aws" */
};

const struct provider_kind *provider_kind_find(struct str name); /* NULL: unknown */
const struct provider_kind *provider_kind_at(unsigned i);        /* NULL: past the last */

/* What a failed answer means. */
struct provider_verdict {
    bool try_next;           /* 408, 429, 5xx, and what the vendor means to be such */
    bool rest;               /* the deployment shall rest */
    uint64_t retry_after_ms; /* 0: not told */
};
/* Status and headers of an answer (RFC 9110 10.2.3; retry-after-ms, x-ms-retry-after-ms, retry-after as seconds or date). */
void provider_judge(int status, struct http_fields fields, int64_t now_ms, struct provider_verdict *ret_verdict);
