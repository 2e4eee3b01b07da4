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
    WIRE_OPENAI_TASKS, /* OpenAI's calls that are no conversation; whoever speaks OpenAI's formats speaks it too */
    WIRE_FORMATS
};

/* What somebody speaks, the preferred one first. */
struct wire_formats {
    uint8_t n, at[WIRE_FORMATS];
};
bool wire_formats_have(const struct wire_formats *list, enum wire_format f);
bool wire_formats_add(struct wire_formats *list, enum wire_format f); /* false: it is there already */

#define WIRE_MODEL_MAX 256 /* bytes of a model's name: Bedrock's are ARNs of more than 100. The ledger's bound, too */

enum wire_operation {
    WIRE_GENERATE,
    WIRE_COUNT_TOKENS,
    WIRE_LIST_MODELS,
    WIRE_COMPACT, /* Responses: a conversation becomes one item */
    WIRE_CONNECT, /* a WebSocket, on which requests come; not one itself */
    WIRE_STATE,   /* about what is kept of Responses: no model is called */
    /* WIRE_OPENAI_TASKS: */
    WIRE_EMBED,
    WIRE_EMBED_BATCH, /* Gemini's, which has a call for one text and one for many */
    WIRE_IMAGE,
    WIRE_IMAGE_EDIT,
    WIRE_IMAGE_VARY,
    WIRE_SPEAK,
    WIRE_TRANSCRIBE,
    WIRE_TRANSLATE_AUDIO,
    WIRE_RERANK,
    WIRE_MODERATE,
    /* What a vendor's account keeps; not read: */
    WIRE_KEEP,  /* files, uploads, and what became of a batch */
    WIRE_BATCH, /* the start of one */
    WIRE_OPERATIONS
};

/* What the journey must know of an operation. */
enum wire_meter {
    WIRE_METER_NONE,  /* costs nothing */
    WIRE_METER_BOTH,  /* tokens in and out; what the answer does not tell is estimated */
    WIRE_METER_INPUT, /* tokens in; estimated when the answer does not tell */
    WIRE_METER_TOLD,  /* what the answer tells; else the cost is unknown */
};
struct wire_manner {
    enum wire_meter meter;
    bool form;   /* the body is multipart/form-data, not JSON */
    bool passes; /* a good answer goes to the client as it comes: it is no JSON */
    bool opaque; /* the body goes up as it comes, and so does the answer come down: nobody reads either */
};
const struct wire_manner *wire_manner(enum wire_operation op);

/* What admission, routing and the edits need of a request; spans point into the body. */
struct wire_request {
    enum wire_operation operation;
    struct str model;         /* unescaped; copied to the arena when it had escapes */
    size_t model_at, model_n; /* the string's span in the body, with its quotes; n 0: none, and where a member may be put */
    bool stream;
    uint64_t max_output;             /* tokens the caller allows, all choices together; 0: not said */
    uint64_t choices;                /* answers asked for (Chat's n); at least 1 */
    uint64_t input_bound;            /* no tokenizer makes more input tokens of this body */
    bool marked;                     /* it may hold state that we sealed: wire_holds_seal() */
    bool wants_usage;                /* Chat: the caller asked for stream_options.include_usage himself */
    bool tools, effort, effort_none; /* Chat: tools are offered; reasoning_effort is said; and it is none */
    uint8_t thoughts;                /* Responses: enum responses_thoughts */
    union {                          /* an open stream is small */
        struct str rest;             /* WIRE_KEEP, WIRE_BATCH: the path below /v1, with its query */
        struct str boundary;         /* of a form without a model; it is written into it where the path has one */
    };
    struct json_edit usage_edit; /* Chat: what makes the provider tell the usage; with.n == 0: nothing to do */
    struct str version, betas;   /* Messages as Vertex AI has it: anthropic_version and anthropic_beta of the body; "" none */
};

/* ---- bounds.c: what of a request bounds its answer ---- */
struct wire_bound {
    uint64_t most;    /* tokens of one answer; 0: not said */
    uint64_t choices; /* answers; 0: not said */
};
/* The members of a format's root that do, by number; STR_NONE: no more. */
struct str wire_bound_name(enum wire_format f, unsigned i);
bool wire_bound_counts(enum wire_format f, struct str name,
                       uint32_t quirks); /* false: a server of these quirks does not know it */
/* Do writers of the format say it by this name? The others of its names stay free for a deployment's defaults. */
bool wire_bound_is_written(enum wire_format f, struct str name, uint32_t quirks);
bool wire_bound_is(struct str name); /* of any format */
/* Raises *bound to what such a member says; a name means the same in all formats that have it. */
void wire_bound_read(const struct json_tape *t, struct str name, uint32_t value, struct wire_bound *bound);
uint64_t wire_bound_least(enum wire_format f); /* writers of the format say no less */
enum {
    WIRE_RESPONSES_LEAST = 16, /* the vendor refuses fewer; some clients ask for one token to see whether a model is there */
    WIRE_MESSAGES_MOST = 4096, /* A14: said where neither the caller nor the catalogue tells a bound */
};

/* A form that is read while it comes. */
#define WIRE_BOUNDARY_MAX 70
enum wire_form_part { WIRE_FORM_OTHER, WIRE_FORM_MODEL, WIRE_FORM_STREAM };
struct wire_form {
    char delimiter[WIRE_BOUNDARY_MAX + 4];
    unsigned char n_delimiter;
    unsigned char part; /* enum wire_form_part: the one whose value is being read */
    bool begun, in_value, ended;
    bool file;      /* one has begun */
    bool sent;      /* set by the caller: its beginning is gone, a model that comes now is refused */
    unsigned parts; /* so far */
    size_t at;      /* what lies before it is known and holds nothing that would be refused */
};
MUST_USE enum err wire_form_begin(struct wire_form *f, struct str type, struct fault *why); /* type: the content-type */
/* Looks through `form` from f->at as far as it has come: the same form every time with more behind it, or without n bytes of its
 * beginning, and f->at less by n. Sets model (whose span is that of this call's form) and stream. ERR_BAD_REQUEST. */
MUST_USE enum err wire_form_look(struct wire_form *f, struct str form, struct wire_request *r, struct fault *why);
MUST_USE enum err wire_form_end(const struct wire_form *f, struct fault *why); /* nothing more comes: was it whole? */
struct str wire_form_boundary(const struct wire_form *f);
uint64_t wire_form_input(uint64_t bytes); /* input_bound of a form of that length */

/* What a stream's event means for the relay. */
struct wire_step {
    bool hide;    /* not for the client (the usage chunk that only we asked for) */
    bool starts;  /* first event that says something of the model's; not what a vendor says before it has one at work */
    bool last;    /* the format's last event: after it the stream is complete */
    bool error;   /* an error event of the provider: the attempt failed */
    bool garbage; /* not an event of this format */
};

/* State of one stream, embedded in the exchange; small, no allocation. */
struct wire_stream {
    enum wire_format format;
    uint32_t next_number; /* Responses: of the event that would follow */
    bool hide_usage;      /* include_usage was added by us */
    bool started, finished;
    bool begun;             /* an event that `starts` has come; `started`: any of the format's */
    bool may_end;           /* Gemini: what came so far is whole, should the transfer close */
    uint64_t tokens_untold; /* an estimate of what was generated since the provider last told its usage */
    struct usage *usage;
};

/* A character that a provider cut in two between events; of one stream, zeroed at its start. */
struct wire_halves {
    char high[6]; /* as it stood: \ud83d */
    bool waits;
};
/* For an event that is no JSON: appends it to `out` without a half at the end of a text, which then waits, and with the one
 * that waited before the text that begins with the other. False: there was nothing to mend. */
bool wire_join_halves(struct wire_halves *h, struct str data, struct buf *out);

uint64_t wire_tokens_of_event(size_t data_n); /* an estimate */
uint64_t wire_tokens_of_text(size_t text_n);  /* the same of a delta's text alone */
/* Usage was told, and stands in it: what came before is in it, if it tells of an output at all. */
void wire_usage_told(struct wire_stream *s);

/* One row per format; registered in wire.c. All mandatory unless said. */
struct wire_ops {
    enum wire_format format;
    const char *name;        /* "openai_chat": as in configuration, metrics, ledger */
    const char *family;      /* whose models' opaque state it carries, unless the model's id tells */
    const char *stream_type; /* content-type of its streams */
    const char *usage_name;  /* the member of an answer's root that has the usage; NULL: "usage" */
    /* Checks what this road needs and finds the spans; the tape was scanned with WIRE_LIMITS. ERR_BAD_REQUEST names the
     * JSON path. */
    enum err (*read)(enum wire_operation op, const struct json_tape *t, struct arena *a, struct wire_request *ret_request,
                     struct fault *why);
    /* Instead of `read`, for operations whose body is a form; type: its content-type. NULL: there are none. */
    enum err (*read_form)(enum wire_operation op, struct str type, struct str body, struct wire_request *ret_request,
                          struct fault *why);
    /* The closed table of edits: model name; Chat: stream_options.include_usage. `quoted_model`: the upstream's
     * id as a JSON string, or "" to leave the caller's. Returns their number (<= WIRE_EDITS). */
    unsigned (*edits)(const struct wire_request *r, struct str quoted_model, struct json_edit *ret_edits);
    /* The usage of a whole 2xx answer to this operation; cells that it does not tell stay unknown. ERR_UPSTREAM_GARBAGE:
     * not whole JSON, or not an answer of this format. */
    enum err (*answer)(enum wire_operation op, struct str body, struct json_tape *t, struct usage *ret_usage, struct fault *why);
    /* NULL: the format's streams pass as bytes. One whole event of a stream; reads usage on the way. Of AWS's event stream: raw the frame, name its type, data its
     * payload; frames that are exceptions do not come here. */
    void (*event)(struct wire_stream *s, const struct sse_event *e, struct json_tape *t, struct wire_step *ret_step);
    /* The transfer has closed: was the stream whole? NULL: not without its last event. */
    bool (*end)(const struct wire_stream *s);
    /* Our own errors as this format's body, and as an event in mid-stream (with its SSE framing). */
    void (*error)(const struct fault *f, struct str request_id, struct buf *out);
    void (*error_event)(const struct fault *f, struct str request_id, struct buf *out);
    /* Of a format that numbers its events, instead of error_event; NULL: it does not. */
    void (*numbered_error_event)(const struct fault *f, struct str request_id, uint64_t number, struct buf *out);
    /* The name of an error that stands in a field of its own; NULL: none does. code: of ours, or OK: it is a provider's, of this status. */
    struct str (*error_type)(enum err_class class, enum err code, int status);
    /* The upstream's word in an error body, for log and ledger ("rate_limit_error: …"); "" none. */
    void (*blame)(struct str body, struct json_tape *t, struct buf *out);
    const char *heartbeat; /* an event or comment that every SDK of this format skips; NULL: put_heartbeat, or there is none */
    void (*put_heartbeat)(struct buf *out);   /* where it is no text; NULL */
    const struct wire_translator *translator; /* NULL: only the same-format road */
};

#define WIRE_EDITS 2
/* Root members and theirs are recorded (stream_options), what lies deeper is only checked. */
#define WIRE_LIMITS ((struct json_limits){.max_depth = 512, .record_depth = 2, .mark = JSON_MARK('a', 'q', '1')})
/* Whether a body whose scan with WIRE_LIMITS was marked has state that we sealed, where its format carries state; `t` holds all
 * of it (JSON_LIMITS). Such a body cannot go as it is to a provider of its own format. */
bool wire_holds_seal(const struct json_tape *t);

/* The usage of a 2xx answer of which only the last bytes were kept: it stands near the end in every format that has it at the
 * root. False: not told there, or the answer did not end as JSON ends. room: scratch, cleared. */
bool wire_read_tail(const struct wire_ops *ops, struct str tail, struct json_tape *t, struct buf *room, struct usage *ret_usage);

/* An error's body; some of Google's front ends wrap it in an array. False: no JSON object is there; true: it is the tape's root. */
bool wire_scan_error(struct json_tape *t, struct str body);

const struct wire_ops *wire_ops_get(enum wire_format f); /* NULL: not built yet */
/* Formats in which a request of `f` for this operation can be passed on, as a bit mask: itself, and all that it can be
 * translated to. */
uint32_t wire_reach(enum wire_format f, enum wire_operation op);
/* C10: must this request of Chat's reach such a model in another format? */
bool wire_leaves_chat(const struct chat_manners *m, const struct wire_request *r);
/* Whose opaque state a model takes in this format: Bedrock's formats carry that of whoever made the model. */
struct str wire_family(const struct wire_ops *ops, struct str model);
const char *wire_format_name(enum wire_format f);
bool wire_format_find(struct str name, enum wire_format *ret_format);

/* Which format and operation a request line means. */
enum wire_in_path {
    PATH_FIXED,  /* nothing: all stands in the body */
    PATH_PLACE,  /* nothing either, but the path has holes */
    PATH_MODEL,  /* the model; the answer comes whole */
    PATH_STREAM, /* the model; the answer is a stream */
};
struct wire_endpoint {
    const char *method, *path; /* where a model is in the path, a template: wire_path_match() */
    enum wire_format format;
    enum wire_operation operation;
    enum wire_in_path in_path;
};
/* A template's holes are {name}, one segment of the path or the part of one that the text behind the hole leaves, and {+name},
 * which may hold slashes and must be the last. The last hole is the model; what it stands for is returned as it was sent. */
bool wire_path_match(struct str template, struct str path, struct str *ret_hole);
/* The path below /v1, whichever vendor's name for it was called: "/files/file-1"; STR_NONE: it has no such part. */
struct str wire_path_below(struct str path);
/* NULL: no such path. *ret_wrong_method: the path exists for another method. */
const struct wire_endpoint *wire_endpoint_find(struct str method, struct str path, bool *ret_wrong_method);
/* Of a path that is none: why not, and what to call instead; NULL: nothing is known of it. */
const char *wire_endpoint_advice(struct str path);
struct str wire_endpoint_method(struct str path); /* the one that an existing path takes, for `allow` */
/* What the path tells of the request: model (percent-decoded, in the arena) and stream; after wire_ops.read, which leaves them
 * alone in formats that have no model in the body. Nothing for fixed paths. */
MUST_USE enum err wire_read_path(const struct wire_endpoint *e, struct str path, struct arena *a, struct wire_request *r,
                                 struct fault *why);
/* Messages has two dialects: Anthropic's own, and Vertex AI's, whose bodies have a version and, but for counting, no model. */
bool wire_is_vertex(const struct wire_endpoint *e); /* the caller's is Vertex AI's */
struct wire_dialect {
    bool from_vertex, to_vertex;
    struct str model;   /* the upstream's id as a JSON string */
    struct str version; /* for Vertex AI, as a JSON string */
};
#define WIRE_DIALECT_CHANGES 4
/* What makes a body of one dialect one of the other. Returns their number. */
unsigned wire_dialect_changes(const struct wire_request *r, const struct wire_dialect *d,
                              struct json_change ret_changes[WIRE_DIALECT_CHANGES]);
/* The format in which to answer errors when the endpoint is unknown: by path, then by headers (anthropic-version, x-goog-api-key). */
enum wire_format wire_guess(struct str path, struct http_fields fields);

/* A stream as one JSON array in pieces: Gemini's, for callers who do not ask for events. */
struct wire_array {
    bool begun;
};
bool wire_wants_array(struct str path, struct str query);
void wire_array_put(struct wire_array *a, struct str events, struct buf *out); /* whole events in SSE's framing */
void wire_array_end(struct wire_array *a, struct buf *out);

/* The lists of models in all shapes. */
struct wire_model {
    struct str id, display_name;
    int64_t created_s;
    uint64_t context; /* tokens; 0: unknown */
};
void wire_model_one(enum wire_format f, const struct wire_model *m, struct buf *out); /* as an entry of its list */
void wire_models_gemini(const struct wire_model *m, size_t n, struct buf *out);       /* all on one page */
void wire_models_openai(const struct wire_model *m, size_t n, struct buf *out);
/* Codex's catalogue, which it asks for with its version in the query; false: the query is not Codex's. */
bool wire_models_codex(const struct wire_model *m, size_t n, struct str query, struct buf *out);
/* limit, after_id, before_id as in the vendor's document; has_more, first_id, last_id. */
void wire_models_anthropic(const struct wire_model *m, size_t n, struct str query, struct buf *out);

/* Amazon Bedrock's ListInferenceProfiles and ListFoundationModels. */
void wire_models_profiles(const struct wire_model *m, size_t n, struct buf *out);
void wire_models_foundation(const struct wire_model *m, size_t n, struct buf *out);

/* Appends what of a query may go up with its path, as "?limit=20": a table of names, plain values. */
void wire_put_query(struct str query, struct buf *out);

/* Headers by table: which of the caller's go up, which of the provider's come down. */
bool wire_header_goes_up(struct str name);
bool wire_header_picks_account(struct str name); /* not with a key of ours */
bool wire_header_crosses(struct str name);       /* up, when the body was translated */
bool wire_header_comes_down(struct str name);
bool wire_header_recrosses(struct str name); /* down, when the answer was translated */

/* ---- translation: a format read into the chat form and written from it ------------------------------------------------- */

/* What a request writer must know of where the request goes. */
struct wire_target {
    struct str model;          /* the upstream's id, plain */
    struct chat_origin origin; /* whose opaque state may go there */
    bool stream;
    uint64_t max_output; /* of the model, in tokens; 0 unknown. Formats that demand a bound (A14) fill it from here */
    uint32_t quirks;     /* bits of enum wire_quirk, data of provider and model */
    const struct chat_manners *manners; /* of the model; NULL: unknown */
    bool as_it_goes;                    /* no other format can say it: what this one cannot is approximated rather than refused */
    bool sums_up; /* a summary is asked for in words, also of a format that has a way of its own to ask (chat.compact) */
    struct chat_losses *losses;
    struct json_tape *tape; /* free to use */
    struct arena *memo;     /* outlives the form's arena: for *ret_names and what they hold */
};

/* What only some deployments of a format are like; kinds of providers, the catalogue and the configuration set them. */
#define WIRE_QUIRKS(X)                                                                                          \
    X(QUIRK_MAX_TOKENS, "max_tokens", "Chat: knows max_tokens, not max_completion_tokens")                      \
    X(QUIRK_NO_DEVELOPER, "no_developer", "Chat: knows role system, not developer")                             \
    X(QUIRK_REASONING_CONTENT, "reasoning_content", "Chat: gives and takes reasoning as reasoning_content")     \
    X(QUIRK_NO_CALL_ID, "no_call_id", "Gemini: refuses ids on calls and results, pairs them by order")          \
    X(QUIRK_SCHEMA_SUBSET, "schema_subset", "Gemini: knows its own schema alone, no JSON schema")               \
    X(QUIRK_BARE_COUNT, "bare_count", "Gemini: countTokens takes a bare request (Vertex AI)")                   \
    X(QUIRK_NO_COMPACT, "no_compact", "Responses: has no call that compacts: its model is asked for a summary") \
    X(QUIRK_OWN_REASONING, "own_reasoning", "Responses: refuses reasoning that it did not encrypt itself")      \
    X(QUIRK_ANY_REASONING, "any_reasoning", "Responses: takes every reasoning, whoever thought it")
enum wire_quirk_bit {
#define X(bit, word, what) bit##_BIT,
    WIRE_QUIRKS(X)
#undef X
        WIRE_QUIRKS_N
};
enum wire_quirk {
#define X(bit, word, what) bit = 1 << bit##_BIT,
    WIRE_QUIRKS(X)
#undef X
};
const char *wire_quirk_name(enum wire_quirk_bit b);
bool wire_quirk_find(struct str name, enum wire_quirk *ret_quirk);

/* A name that was respelled for the target; spans. */
struct wire_name {
    struct str ours, theirs, name_space;
    enum chat_call_form form; /* CALL_CUSTOM: a free-text tool told as a function with one string */
    struct wire_name *next;
};

/* What the answer's writer must know of the request; lives in the exchange's arena. */
struct wire_reply {
    struct str model;             /* as the caller asked, plain */
    struct str id;                /* of the exchange: what synthesised ids are made of */
    int64_t now_s;                /* Unix seconds */
    bool include_usage;           /* Chat */
    struct wire_name *names;      /* respelled tools */
    struct chat_origin origin;    /* of the deployment that answers */
    const struct chat_seal *seal; /* NULL: none; foreign state is then lost */
    bool compact;                 /* what the model says is the summary that was asked for (chat.compact) */
    bool keeps_calls;    /* what the caller's format cannot hold of tool calls is kept for him elsewhere: it is not lost */
    bool compact_alone;  /* and that was all that was asked for: WIRE_COMPACT */
    struct str repeated; /* Responses: a JSON object of what the answer repeats of the request; absent: nothing was kept */
    struct chat_losses *losses;
};

/* One event of an upstream's stream: of SSE, or a frame of AWS's event stream. */
struct wire_frame {
    struct str name;    /* `event:` or `:event-type` */
    struct str data;    /* JSON */
    bool exception;     /* `:message-type: exception`, or `error` */
    struct str message; /* of an error, which has no data; else "" */
};

/* All or none. Readers are strict about shape (ERR_BAD_REQUEST with the JSON path) and put what they do not know into
 * `extra`; writers tick all that they dealt with. Stream states are plain memory of the size told, zeroed, without a
 * destructor: what they must keep goes to the arena. */
struct wire_translator {
    /* The tape holds the whole body (JSON_LIMITS). Spans point into it or into c->arena. */
    enum err (*read_request)(const struct json_tape *t, struct chat *c, struct fault *why);
    /* NULL: answers say nothing of it. Keeps in *to, in its arena, what the answer will tell of this request, whose body is gone
     * then; what does not fit is left out. */
    void (*remember)(const struct json_tape *t, struct arena *a, struct wire_reply *to);
    /* The body for the upstream, of what wire_adapt() made; chat_account() has not run yet: the caller does that. */
    enum err (*write_request)(struct chat *c, const struct wire_target *to, struct buf *out, struct fault *why);
    /* A whole 2xx answer. ERR_UPSTREAM_GARBAGE: not one of this format. */
    enum err (*read_answer)(const struct json_tape *t, struct chat_answer *answer, struct fault *why);
    enum err (*write_answer)(struct chat_answer *answer, const struct wire_reply *to, struct buf *out, struct fault *why);
    /* A stream from the upstream; EVENT_END after the format's last event. `read_end`: the transfer closed; the format whose
     * last event is the close (G1) ends here, others say ERR_UPSTREAM_CUT unless they have ended. */
    size_t reader_size;
    void (*reader_start)(void *reader, struct arena *a);
    enum err (*read_event)(void *reader, const struct wire_frame *f, struct json_tape *t, const struct chat_sink *sink,
                           struct fault *why);
    enum err (*read_end)(void *reader, const struct chat_sink *sink, struct fault *why);
    /* A stream to the client, framing included. It cannot emit what its format forbids: items that the format wants one after
     * the other wait, bounded; EVENT_END and EVENT_ERROR write the format's own ending. */
    size_t writer_size;
    void (*writer_start)(void *writer, const struct wire_reply *to, struct arena *a);
    enum err (*write_event)(void *writer, const struct chat_event *e, struct buf *out, struct fault *why);
    /* A failed answer: class, words, retry-after in all forms that the vendor uses. Strings are in the arena. */
    void (*read_error)(int status, struct http_fields fields, struct str body, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error);
    /* An upstream's error in the caller's shape; as a body. */
    void (*write_error)(const struct chat_error *e, struct str request_id, struct buf *out);
};

/* ---- refusal.c: an error event where a stream should begin -------------------------------------------------------------------- */

/* What it would have been as a failed answer, with the status that its words mean; texts are copied to the arena. */
void wire_read_refusal(const struct wire_ops *ops, const struct wire_frame *f, struct json_tape *t, struct arena *a,
                       struct chat_error *ret_error);
/* The body of that answer: the event's own data where it is one, else written. */
void wire_put_refusal(const struct wire_ops *ops, const struct wire_frame *f, struct json_tape *t, const struct chat_error *e,
                      struct str request_id, struct buf *out);

/* ---- count.c: a count of tokens, between formats ---------------------------------------------------------------------------- */

bool wire_counts(enum wire_format f); /* has such a call */
/* What a count's body asks about, as a plain request of *ret_format, appended to `out`. The tape was scanned with JSON_LIMITS and
 * the body was accepted by wire_ops.read. */
MUST_USE enum err wire_count_open(enum wire_format f, const struct json_tape *t, enum wire_format *ret_format, struct buf *out,
                                  struct fault *why);
/* A plain request of `f` as its count: what generating alone needs is left out. */
MUST_USE enum err wire_count_close(enum wire_format f, const struct json_tape *t, const struct wire_target *to, struct buf *out,
                                   struct fault *why);
/* Answers. ERR_UPSTREAM_GARBAGE. */
MUST_USE enum err wire_count_read(enum wire_format f, const struct json_tape *t, uint64_t *ret_tokens, struct fault *why);
void wire_count_write(enum wire_format f, uint64_t tokens, struct buf *out);

/* ---- embed.c: texts as vectors, between OpenAI's tasks and Gemini -------------------------------------------------------------- */

bool wire_is_embed(enum wire_operation op);
bool wire_embeds(enum wire_format f);                         /* has such calls */
enum wire_operation wire_embed_operation(enum wire_format f); /* the one that a translated request is told as */
struct wire_embed_text {
    struct str text, task, title; /* spans, still escaped; task and title .p NULL: not said */
};
struct wire_embed {
    struct wire_embed_text *texts; /* in the arena */
    unsigned n;
    unsigned hints;        /* what only the caller's format can say: task, title, user */
    struct str dimensions; /* a number; "" not said */
    bool base64;           /* OpenAI: the vectors shall come so */
};
/* The tape holds the whole body (JSON_LIMITS). ERR_BAD_REQUEST names what another format cannot be told. */
MUST_USE enum err wire_embed_read(enum wire_format f, enum wire_operation op, const struct json_tape *t, struct arena *a,
                                  struct wire_embed *ret_embed, struct fault *why);
MUST_USE enum err wire_embed_write(enum wire_format f, const struct wire_embed *e, const struct wire_target *to, struct buf *out,
                                   struct fault *why);
struct wire_vectors {
    struct str *at; /* of n, zeroed: lists of numbers as they are spelled */
    unsigned n;
    uint64_t tokens;
    bool told; /* else tokens are whoever called's estimate */
};
/* A 2xx answer; v->at and v->n are the caller's. Scans `body` with a tape of its own limits. */
MUST_USE enum err wire_embed_read_answer(enum wire_format f, struct str body, struct json_tape *t, struct wire_vectors *v,
                                         struct fault *why);
void wire_embed_write_answer(enum wire_format f, enum wire_operation op, const struct wire_vectors *v, const struct wire_embed *e,
                             struct str model, struct buf *out);

/* ---- adapt.c, restore.c: what only some formats can say ---------------------------------------------------------------------- */

/* Between reader and writer, behind chat_unseal_all(): free-text tools, namespaces, tools from mid-conversation, summaries and the
 * wish for one, told so that `target` can say them; names, ids and schemas so that it takes them. *ret_names: how calls are turned
 * back, in to->memo. */
MUST_USE enum err wire_adapt(struct chat *c, enum wire_format target, const struct wire_target *to, struct wire_name **ret_names,
                             struct fault *why);
/* Between the answer's reader and its writer. The restorer is a sink; in the arena, NULL: it is full. */
MUST_USE enum err wire_restore_answer(struct chat_answer *a, const struct wire_name *names, struct fault *why);
struct wire_restorer;
struct wire_restorer *wire_restorer_new(struct arena *a, const struct wire_name *names, const struct chat_sink *next) MUST_USE;
enum err wire_restore_event(void *restorer, const struct chat_event *e, struct fault *why);

/* Kept responses, and chains that live with a connection. */
#include "wire/openai_responses/chain.h"
#include "wire/openai_responses/thoughts.h"
#include "wire/openai_responses/warm.h"
