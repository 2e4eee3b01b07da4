/* wire: one folder per wire format, complete in itself. This issue has two on the same-format road (the body is spliced,
 * never rebuilt); the table is made for six, and translation will add columns, not cases. Pure: no I/O, no clock, no
 * globals: fuzzable, golden-testable. Facts: RFCs and vendor documents named in each folder. */
#pragma once

#include "base/base.h"
#include "chat/chat.h"
#include "http/http.h"
#include "json/json.h"

enum wire_format {
    WIRE_OPENAI_CHAT,
    WIRE_OPENAI_RESPONSES,
    WIRE_ANTHROPIC_MESSAGES,
    WIRE_BEDROCK_CONVERSE,
    WIRE_BEDROCK_INVOKE,
    WIRE_GEMINI_GENERATE,
    WIRE_FORMATS
};

enum wire_operation { WIRE_GENERATE, WIRE_COUNT_TOKENS, WIRE_LIST_MODELS };

/* What admission, routing and the edits need of a request; spans point into the body. */
struct wire_request {
    enum wire_operation operation;
    struct str model;         /* unescaped; copied to the arena when it had escapes */
    size_t model_at, model_n; /* the string's span in the body, with its quotes */
    bool stream;
    uint64_t max_output;         /* tokens the caller allows, all choices together; 0: not said */
    uint64_t choices;            /* answers asked for (Chat's n); at least 1 */
    uint64_t input_bound;        /* no tokenizer makes more input tokens of this body */
    bool wants_usage;            /* Chat: the caller asked for stream_options.include_usage himself */
    struct json_edit usage_edit; /* Chat: what makes the provider tell the usage; with.n == 0: nothing to do */
};

/* What a stream's event means for the relay. */
struct wire_step {
    bool hide;    /* not for the client (the usage chunk that only we asked for) */
    bool starts;  /* first event of a real answer */
    bool last;    /* the format's last event: after it the stream is complete */
    bool error;   /* an error event of the provider: the attempt failed */
    bool garbage; /* not an event of this format */
};

/* State of one stream, embedded in the exchange; small, no allocation. */
struct wire_stream {
    enum wire_format format;
    bool hide_usage; /* include_usage was added by us */
    bool started, finished;
    bool told_final;      /* the provider gave its final usage */
    uint64_t tokens_seen; /* an estimate of what was generated, for a cut before the provider told */
    struct usage *usage;
};

/* One row per format; registered in wire.c. All mandatory unless said. */
struct wire_ops {
    enum wire_format format;
    const char *name; /* "openai_chat": as in configuration, metrics, ledger */
    /* Checks what this road needs and finds the spans; the tape was scanned with WIRE_LIMITS. ERR_BAD_REQUEST names the
     * JSON path. */
    enum err (*read)(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *ret_request,
                     struct fault *why);
    /* The closed table of edits: model name; Chat: stream_options.include_usage. `quoted_model`: the upstream's
     * id as a JSON string, or "" to leave the caller's. Returns their number (<= WIRE_EDITS). */
    unsigned (*edits)(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits);
    /* The usage of a whole 2xx answer to this operation; cells that it does not tell stay unknown. ERR_UPSTREAM_GARBAGE:
     * not whole JSON, or not an answer of this format. */
    enum err (*answer)(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage, struct fault *why);
    /* One whole event of a stream; reads usage on the way. */
    void (*event)(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step);
    /* Our own errors as this format's body, and as an event in mid-stream (with its SSE framing). */
    void (*error)(const struct fault *f, struct str request_id, struct buf *out);
    void (*error_event)(const struct fault *f, struct str request_id, struct buf *out);
    /* The upstream's word in an error body, for log and ledger ("rate_limit_error: …"); "" none. */
    void (*blame)(struct str body, struct json_tape *t, struct buf *out);
    const char *heartbeat; /* an event or comment that every SDK of this format skips */
};

#define WIRE_EDITS 2
/* Root members and theirs are recorded (stream_options), what lies deeper is only checked. */
#define WIRE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 2})

/* The usage of a 2xx answer of which only the last bytes were kept: it stands near the end in every format that has it at the
 * root. False: not told there, or the answer did not end as JSON ends. room: scratch, cleared. */
bool wire_read_tail(const struct wire_ops *ops, struct str tail, struct json_tape *t, struct buf *room, struct usage *ret_usage);

const struct wire_ops *wire_ops_get(enum wire_format f); /* NULL: not built yet */
const char *wire_format_name(enum wire_format f);
bool wire_format_find(struct str name, enum wire_format *ret_format);

/* Which format and operation a request line means. */
struct wire_endpoint {
    const char *method, *path;
    enum wire_format format;
    enum wire_operation operation;
};
/* NULL: no such path. *ret_wrong_method: the path exists for another method. */
const struct wire_endpoint *wire_endpoint_find(struct str method, struct str path, bool *ret_wrong_method);
struct str wire_endpoint_method(struct str path); /* the one that an existing path takes, for `allow` */
/* The format in which to answer errors when the endpoint is unknown: by path, then by headers (anthropic-version). */
enum wire_format wire_guess(struct str path, struct http_fields fields);

/* GET /v1/models in both shapes. */
struct wire_model {
    struct str id, display_name;
    int64_t created_s;
};
void wire_models_openai(const struct wire_model *m, size_t n, struct buf *out);
/* limit, after_id, before_id as in the vendor's document; has_more, first_id, last_id. */
void wire_models_anthropic(const struct wire_model *m, size_t n, struct str query, struct buf *out);

/* Headers by table: which of the caller's go up, which of the provider's come down. */
bool wire_header_goes_up(struct str name);
bool wire_header_comes_down(struct str name);
