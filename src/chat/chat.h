/* chat: the neutral form of a conversation: the usage vector and its price (which the ledger keeps), the items of a request,
 * the answer and its streamed events, the accounting for loss, sealed state. Wire formats read into it and write from it and
 * never meet elsewhere. Used by wire and gateway; pure: no I/O, no clock (sealing draws a random nonce). */
#pragma once

#include "base/base.h"
#include "chat/manners.h"
#include "chat/tables.h"
#include "chat/usage.h"
#include "json/json.h"

/* ==== the conversation =================================================================================================
 * An ordered list of items; messages are only a grouping of them (struct chat_group). All text is a *span*: the inside of
 * a JSON string as the source spelled it, escapes unresolved, borrowed from the source's text or from the arena; writers
 * put it between quotes again (json_put_span) and readers never resolve what they need not look at. *Raw* is whole JSON as
 * it stands in the source (a number keeps its spelling, a schema its order). STR_NONE (p NULL) is "absent". */

/* What every node of the form begins with. Law 3 stands on it: a reader sets a bit in `has` for each thing it found and
 * puts members that this form has no place for into `extra`; a writer sets the same bit in `told` when it has expressed,
 * approximated or knowingly dropped it (the latter two through chat_lose()); chat_account() refuses what is left over. */
struct chat_node {
    uint64_t has, told;
    struct chat_extra *extra;
    uint32_t at; /* byte offset in the source, for errors with a path */
};

/* A member or element that the form has no place for. */
struct chat_extra {
    struct str name;   /* a span */
    struct str inside; /* plain; the object within the node's that holds it ("function" in a call); absent: the node's own */
    struct str raw;
    uint32_t at;
    bool told;
    struct chat_extra *next, *last; /* last: of the list, known by its first */
};

/* A JSON value that some formats carry raw and others inside a string: tool arguments, schemas in Converse. */
struct chat_json {
    struct str text; /* quoted: a span that unescapes to JSON, which nobody has checked; else raw */
    bool quoted;
};

/* Who made an opaque blob, and so who may have it back: a vendor family ("anthropic", "openai", "gemini") and, when we
 * sealed it, the deployment's identity. */
struct chat_origin {
    struct str family;   /* plain; "" unknown */
    uint64_t deployment; /* 0: unknown */
};

enum chat_opaque_kind {
    OPAQUE_SIGNATURE,         /* Messages thinking.signature, Converse reasoningText.signature */
    OPAQUE_REDACTED,          /* Messages redacted_thinking.data, Converse redactedContent */
    OPAQUE_ENCRYPTED,         /* Responses reasoning.encrypted_content */
    OPAQUE_THOUGHT_SIGNATURE, /* Gemini thoughtSignature, on calls, text and thoughts */
    OPAQUE_COMPACTION,        /* Responses compaction.encrypted_content */
    OPAQUE_REASONING_DETAILS, /* vendor fields of Chat-compatible servers (reasoning_details), raw */
    OPAQUE_SUMMARY,           /* ours: what a model said when it was asked to sum a conversation up; a span of text */
    OPAQUE_KINDS              /* append only: sealed state holds the number */
};
struct chat_opaque {
    enum chat_opaque_kind kind;
    struct str span; /* the exact bytes as a span */
    struct chat_origin origin;
    struct chat_opaque *next, *last; /* last: of the list, known by its first */
};

enum chat_role { ROLE_NONE, ROLE_SYSTEM, ROLE_DEVELOPER, ROLE_USER, ROLE_ASSISTANT };

struct chat_cache {
    struct str kind, ttl; /* spans: "ephemeral", "1h"; ttl may be absent */
};

enum chat_media_form { MEDIA_BASE64, MEDIA_URL, MEDIA_FILE, MEDIA_OBJECT, MEDIA_TEXT, MEDIA_HANDLE };
struct chat_media {
    enum chat_media_form form;
    struct str type;  /* "image/png", a span; absent when the source did not tell */
    struct str value; /* base64, URL, file id, object URI (s3://, gs://), plain text, cached handle: a span */
    struct str owner; /* of a file or bucket */
};

enum chat_unit { UNIT_BYTES, UNIT_POINTS, UNIT_UTF16, UNIT_BLOCK };
struct chat_annotation {
    struct chat_node node;
    struct str kind; /* the source's own word, plain: "url_citation", "char_location" */
    struct str url, title, quote, file;
    uint64_t start, end; /* in `unit`, within the part's text or the source document */
    enum chat_unit unit;
    struct str raw; /* as it stood */
    struct chat_opaque *opaque;
    struct chat_annotation *next, *last; /* last: of the list, known by its first */
};

enum chat_part_kind {
    PART_TEXT,
    PART_REFUSAL,
    PART_IMAGE,
    PART_AUDIO,
    PART_VIDEO,
    PART_DOCUMENT,
    PART_THOUGHT,  /* reasoning in full; of reasoning items only */
    PART_SUMMARY,  /* reasoning, summed up */
    PART_REDACTED, /* reasoning that only its vendor can read; all of it is in `opaque` */
    PART_UNKNOWN,  /* `raw` */
    PART_KINDS
};
/* The fields of each kind of node: X(bit, word for errors). */
#define CHAT_PART_FIELDS(X)               \
    X(PART_HAS_TEXT, "text")              \
    X(PART_HAS_MEDIA, "media")            \
    X(PART_HAS_NAME, "file name")         \
    X(PART_HAS_TITLE, "title")            \
    X(PART_HAS_CONTEXT, "context")        \
    X(PART_HAS_DETAIL, "detail")          \
    X(PART_HAS_CITATIONS, "citations")    \
    X(PART_HAS_ANNOTATIONS, "annotation") \
    X(PART_HAS_LOGPROBS, "logprobs")      \
    X(PART_HAS_CACHE, "cache mark")       \
    X(PART_HAS_OPAQUE, "opaque state")    \
    X(PART_HAS_RAW, "unknown part")
enum chat_part_field {
#define X(bit, word) bit,
    CHAT_PART_FIELDS(X)
#undef X
        CHAT_PART_FIELDS_N
};
struct chat_part { /* what every walk looks at stands in the first 64 bytes */
    struct chat_node node;
    enum chat_part_kind kind;
    struct chat_part *next;
    struct chat_opaque *opaque;
    struct chat_annotation *annotations;
    struct str text;
    struct chat_media media;
    struct str name, title, context; /* of documents */
    struct str detail;               /* of images: low, high, auto */
    struct str citations;            /* raw: whether the document may be cited */
    struct str logprobs;             /* raw: an array of tokens */
    struct chat_cache cache;
    struct str word; /* unknown parts: the source's `type`, plain */
    struct str raw;  /* unknown parts: all of it */
};

/* How the source spelled a list of parts, so that the same format can be written back as it was. */
enum chat_shape { SHAPE_ABSENT, SHAPE_NULL, SHAPE_STRING, SHAPE_ARRAY };

enum chat_item_kind {
    ITEM_MESSAGE,     /* parts of text and media */
    ITEM_REASONING,   /* parts PART_THOUGHT, PART_SUMMARY, PART_REDACTED */
    ITEM_TOOL_CALL,   /* neighbours are parallel */
    ITEM_TOOL_RESULT, /* answers `call_id` */
    ITEM_SERVER_CALL, /* a tool that runs at the provider */
    ITEM_SERVER_RESULT,
    ITEM_COMPACTION,
    ITEM_TOOLS,     /* tools announced in mid-conversation (Responses additional_tools) */
    ITEM_REFERENCE, /* item_reference: stands for an item kept elsewhere */
    ITEM_UNKNOWN,   /* `raw` */
    ITEM_KINDS
};
enum chat_call_form { CALL_FUNCTION, CALL_CUSTOM, CALL_SERVER };
enum chat_flag { FLAG_ABSENT, FLAG_NO, FLAG_YES };

#define CHAT_ITEM_FIELDS(X)            \
    X(ITEM_HAS_ID, "item id")          \
    X(ITEM_HAS_CALL_ID, "call id")     \
    X(ITEM_HAS_NAMESPACE, "namespace") \
    X(ITEM_HAS_NAME, "name")           \
    X(ITEM_HAS_STATUS, "status")       \
    X(ITEM_HAS_PHASE, "phase")         \
    X(ITEM_HAS_ARGUMENTS, "arguments") \
    X(ITEM_HAS_PARTS, "content")       \
    X(ITEM_HAS_ERROR, "error flag")    \
    X(ITEM_HAS_CACHE, "cache mark")    \
    X(ITEM_HAS_OPAQUE, "opaque state") \
    X(ITEM_HAS_TOOLS, "tools")         \
    X(ITEM_HAS_CALLER, "caller")       \
    X(ITEM_HAS_RAW, "unknown item")
enum chat_item_field {
#define X(bit, word) bit,
    CHAT_ITEM_FIELDS(X)
#undef X
        CHAT_ITEM_FIELDS_N
};
struct chat_item { /* as in struct chat_part */
    struct chat_node node;
    enum chat_item_kind kind;
    uint32_t choice; /* of answers: which of n */
    struct chat_item *next;
    struct chat_group *group;
    struct chat_part *parts, *parts_last;
    struct chat_opaque *opaque; /* that attaches to the item and not to one of its parts */
    struct chat_tool *tools;    /* ITEM_TOOLS */
    struct str id, call_id;     /* the item's own id, and the id that pairs call and result */
    struct str name_space, name;
    struct str status, phase;
    enum chat_call_form form;   /* of calls and results */
    enum chat_flag error;       /* of results */
    struct chat_json arguments; /* function: JSON; custom: `quoted`, free text */
    enum chat_shape shape;      /* of `parts` in results and reasoning */
    struct chat_cache cache;
    struct str word, raw; /* unknown and server items: the source's `type`, plain, and all of it */
};

/* The source message that items came in. The form's order is the items'; groups only tell what belonged together. */
#define CHAT_GROUP_FIELDS(X)         \
    X(GROUP_HAS_ROLE, "role")        \
    X(GROUP_HAS_NAME, "name")        \
    X(GROUP_HAS_ID, "message id")    \
    X(GROUP_HAS_CACHE, "cache mark") \
    X(GROUP_HAS_AUDIO, "audio")
enum chat_group_field {
#define X(bit, word) bit,
    CHAT_GROUP_FIELDS(X)
#undef X
        CHAT_GROUP_FIELDS_N
};
struct chat_group {
    struct chat_node node;
    enum chat_role role;
    enum chat_shape shape; /* of its content */
    struct str name, id;
    struct str audio; /* raw: Chat's reference to an earlier spoken answer */
    struct chat_cache cache;
    bool loose; /* the format has no messages, only items: neighbours of one role may come into one message */
    bool apart; /* stands outside the list of messages: `system`, `instructions`, `systemInstruction` */
};

/* ---- tools ------------------------------------------------------------------------------------------------------------ */

enum chat_tool_kind { TOOL_FUNCTION, TOOL_CUSTOM, TOOL_NAMESPACE, TOOL_SERVER /* runs at the provider: `word`, `raw` */ };
#define CHAT_TOOL_FIELDS(X)                \
    X(TOOL_HAS_NAME, "name")               \
    X(TOOL_HAS_DESCRIPTION, "description") \
    X(TOOL_HAS_SCHEMA, "schema")           \
    X(TOOL_HAS_OUTPUT, "output schema")    \
    X(TOOL_HAS_STRICT, "strict")           \
    X(TOOL_HAS_DEFERRED, "deferred")       \
    X(TOOL_HAS_GRAMMAR, "grammar")         \
    X(TOOL_HAS_CHILDREN, "namespace")      \
    X(TOOL_HAS_CACHE, "cache mark")        \
    X(TOOL_HAS_RAW, "server tool")
enum chat_tool_field {
#define X(bit, word) bit,
    CHAT_TOOL_FIELDS(X)
#undef X
        CHAT_TOOL_FIELDS_N
};
struct chat_tool {
    struct chat_node node;
    enum chat_tool_kind kind;
    struct str name, description; /* spans */
    struct str schema;            /* raw; absent: no arguments */
    struct str output_schema;     /* raw */
    enum chat_flag strict, deferred;
    struct str grammar; /* raw: a custom tool's `format` */
    struct chat_tool *children;
    struct chat_cache cache;
    struct str word, raw;          /* server tools: the source's `type`, plain, and all of it */
    struct chat_tool *next, *last; /* last: of the list, known by its first */
};

enum chat_choice_mode { CHOICE_ABSENT, CHOICE_AUTO, CHOICE_NONE, CHOICE_REQUIRED, CHOICE_NAMED, CHOICE_ALLOWED };
struct chat_choice {
    enum chat_choice_mode mode;
    enum chat_choice_mode within; /* CHOICE_ALLOWED: AUTO or REQUIRED among `names` */
    struct str names[64];         /* spans; NAMED has one */
    unsigned n_names;
    enum chat_call_form form; /* NAMED */
};

/* ---- settings ----------------------------------------------------------------------------------------------------------- */

/* The settings: CHAT_SETTINGS in tables.h. */
enum chat_setting {
#define X(bit, word, type) bit,
    CHAT_SETTINGS(X)
#undef X
        CHAT_SETTINGS_N
};

const char *chat_setting_word(enum chat_setting s);
char chat_setting_type(enum chat_setting s); /* N W S B A J, as in the table */

/* What is structured has bits behind the settings' in struct chat.node. */
#define CHAT_ROOT_FIELDS(X)                \
    X(CHAT_HAS_CHOICE, "tool choice")      \
    X(CHAT_HAS_PARALLEL, "parallel calls") \
    X(CHAT_HAS_OUTPUT, "output format")    \
    X(CHAT_HAS_EFFORT, "reasoning effort") \
    X(CHAT_HAS_BUDGET, "reasoning budget") \
    X(CHAT_HAS_THINKING, "reasoning mode") \
    X(CHAT_HAS_SUMMARY, "reasoning summary")
enum chat_root_field {
    CHAT_ROOT_BEFORE_ = CHAT_SETTINGS_N - 1,
#define X(bit, word) bit,
    CHAT_ROOT_FIELDS(X)
#undef X
        CHAT_FIELDS_N
};
_Static_assert(CHAT_FIELDS_N <= 64, "one bit each in struct chat_node");

enum chat_output { OUTPUT_ABSENT, OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_SCHEMA };
enum chat_thinking { THINKING_ABSENT, THINKING_OFF, THINKING_ON /* with a budget */, THINKING_ADAPTIVE };

/* One request. */
struct chat {
    struct chat_node node; /* has/told: settings from bit 0, CHAT_ROOT_FIELDS behind them */
    struct arena *arena;   /* all nodes live here; borrowed */
    struct str source;     /* the text that spans point into */
    struct str family;     /* plain; of the source's format: writers of the same one write `extra` back (law 4) */
    struct str format;     /* plain; the source's own name ("openai_chat") */
    struct chat_item *items, *items_last;
    struct chat_tool *tools;
    struct str settings[CHAT_SETTINGS_N];
    struct chat_choice choice;
    enum chat_flag parallel;
    enum chat_output output;
    struct str schema_name, schema_description; /* spans */
    struct chat_json schema;
    enum chat_flag schema_strict;
    struct str effort;      /* span: minimal … max, the source's word */
    bool has_output_config; /* Converse: Claude's object of it stands in the model's own fields */
    struct str budget;      /* raw number of tokens; -1 Gemini: dynamic */
    struct str summary;     /* span: auto, concise, detailed */
    enum chat_thinking thinking;
    bool stream;
    bool compact; /* not an answer is wanted but a summary of all this, as one ITEM_COMPACTION (Responses compaction_trigger) */
};

/* ==== answers ========================================================================================================== */

enum chat_stop_kind {
    STOP_UNKNOWN,
    STOP_END,
    STOP_SEQUENCE,
    STOP_LIMIT,
    STOP_CONTEXT_FULL,
    STOP_TOOL,
    STOP_PAUSE,
    STOP_REFUSAL,
    STOP_FILTER,
    STOP_MALFORMED_CALL, /* an upstream fault: may be tried again */
    STOP_CANCELLED,
    STOP_CUT,
    STOP_KINDS
};
struct chat_stop {
    enum chat_stop_kind kind;
    struct str word;     /* span: the raw word */
    struct str sequence; /* span: which stop sequence */
    struct str category; /* span: of a refusal or filter */
    bool of_prompt;      /* the filter stopped the input, not the output */
};

/* What clients act upon though it is no class of its own: they shorten the conversation. */
enum chat_reason { REASON_NONE, REASON_CONTEXT_FULL, REASON_FILTER };
struct chat_error {
    enum err_class class; /* whose fault and what to do */
    enum chat_reason reason;
    struct str word;    /* the upstream's type or code, plain */
    struct str message; /* plain */
    int status;         /* 0: in a stream */
    uint64_t retry_after_ms;
};

struct chat_meta {
    struct str id, model; /* spans, as the upstream said */
    struct str family;    /* plain; as in struct chat */
    int64_t created_s;    /* 0: not told */
};

/* One whole answer: what a stream folds to, and what a body that is not streamed reads to. */
#define CHAT_CHOICES_MAX 128
struct chat_answer {
    struct chat_node node; /* only `extra` */
    struct arena *arena;
    struct chat_meta meta;
    struct chat_item *items, *items_last;
    struct chat_stop *stops; /* by choice */
    uint32_t n_choices;
    struct usage usage;
    struct chat_error *failure; /* the body says that it failed, whatever its status: the reader gave ERR_UPSTREAM_ERROR */
};

/* ---- events: the streamed form -------------------------------------------------------------------------------------- */

enum chat_event_kind {
    EVENT_META,       /* meta; once, first */
    EVENT_ITEM_START, /* node: kind, group role, choice, ids, name; neither parts nor arguments, which come as events */
    EVENT_PART_START, /* what: kind and what is known of it, without its text */
    EVENT_DELTA,      /* goes onto `field` of the part (or of the item: arguments) */
    EVENT_PART_END,   /* what: only what came now (opaque, extra); or NULL */
    EVENT_ITEM_END,   /* node: what is known better now (status), with its whole opaque; or NULL */
    EVENT_USAGE,      /* usage: cumulative */
    EVENT_STOP,       /* stop of `choice`; all of its items have ended */
    EVENT_ERROR,      /* only EVENT_END may follow */
    EVENT_PING,
    EVENT_RAW, /* raw: a member of the answer itself, or a whole event, that the form has no place for */
    EVENT_END, /* the source's own last event has come; nothing follows. Each choice has had its stop */
    EVENT_KINDS
};
/* In `text` of the event, never empty: a span; a span; nothing (`annotation` has it); a raw array of tokens, onto which the next is
 * joined. */
enum chat_delta { DELTA_TEXT, DELTA_ARGUMENTS, DELTA_ANNOTATION, DELTA_LOGPROBS };

/* Borrowed: valid while the sink is called. Several items may be open at once, each with one open part at most. Deltas are whole
 * UTF-8 and whole escapes. chat_check_event() is the law in full. */
struct chat_event {
    enum chat_event_kind kind;
    uint32_t item; /* counted from 0 in order of start, over all choices */
    uint32_t part; /* within the item, from 0 */
    uint32_t choice;
    enum chat_delta field;
    struct str text;
    const struct chat_item *node;
    const struct chat_part *what;
    const struct chat_annotation *annotation;
    const struct chat_meta *meta;
    const struct usage *usage;
    const struct chat_stop *stop;
    const struct chat_error *error;
    struct chat_extra *raw;
};

/* Who takes events: a format's stream writer, the folder, a test. ERR_… ends the stream with the fault. */
struct chat_sink {
    enum err (*on_event)(void *user, const struct chat_event *e, struct fault *why);
    void *user;
};
static inline enum err chat_emit(const struct chat_sink *s, const struct chat_event *e, struct fault *why)
{
    return s->on_event(s->user, e, why);
}

/* Check: a sink that lets only legal sequences through to `next` (NULL: to nobody). The folder and every test of a reader stand
 * on it. ERR_UPSTREAM_GARBAGE says which rule was broken. */
struct chat_check;
struct chat_check *chat_check_new(struct arena *a, const struct chat_sink *next) MUST_USE; /* in the arena; NULL: it is full */
enum err chat_check_event(void *check, const struct chat_event *e, struct fault *why);
MUST_USE enum err chat_check_done(const struct chat_check *c, struct fault *why); /* ERR_UPSTREAM_CUT: there was no end */

/* Fold: a sink that builds the answer (law 1). Texts are copied to the arena. */
struct chat_fold;
struct chat_fold *chat_fold_new(struct arena *a, struct chat_answer *answer) MUST_USE; /* in the arena; NULL: it is full */
enum err chat_fold_event(void *fold, const struct chat_event *e, struct fault *why);
/* An event that breaks the rules (a delta for nothing open): ERR_UPSTREAM_GARBAGE; EVENT_ERROR: ERR_UPSTREAM_ERROR; an answer that
 * the arena cannot hold: ERR_UPSTREAM_TOO_LARGE; an end that never came: ERR_UPSTREAM_CUT. */
MUST_USE enum err chat_fold_done(struct chat_fold *f, struct fault *why);
/* Unfold: the events of a whole answer, each part in one delta; they pass chat_check_event(). */
MUST_USE enum err chat_unfold(const struct chat_answer *answer, const struct chat_sink *sink, struct fault *why);

/* ==== accounting for loss (law 3) ======================================================================================== */

enum chat_loss {
#define X(code, word, what, how) code,
    CHAT_LOSSES(X)
#undef X
        CHAT_LOSSES_N
};
struct chat_losses {
    uint16_t n[CHAT_LOSSES_N];
};
const char *chat_loss_word(enum chat_loss l);
const char *chat_loss_how(enum chat_loss l); /* "dropped" or "approximated" */

/* A field that is there and expressed; false: it was not there. `node` may be const to the caller's eye only. */
static inline bool chat_told(struct chat_node *n, unsigned field)
{
    n->told |= 1ull << field;
    return n->has & 1ull << field;
}
static inline void chat_has(struct chat_node *n, unsigned field) { n->has |= 1ull << field; }
/* Ticks the field as lost in this way, if it is there. */
void chat_lose_known(struct chat_losses *l, struct chat_node *n, unsigned field, enum chat_loss how);
static inline void chat_lose(struct chat_losses *l, struct chat_node *n, unsigned field, enum chat_loss how)
{
    if (n->has & ~n->told & 1ull << field) chat_lose_known(l, n, field, how); /* hardly anything is there to be lost */
}
void chat_lose_extra(struct chat_losses *l, struct chat_node *n, enum chat_loss how); /* all that is not ticked yet */
void chat_lose_rest(struct chat_losses *l, struct chat_node *n, enum chat_loss how);  /* extra and fields */
/* What the writer of an answer has not ticked counts as LOSS_ANSWER_FIELD: it was paid for, so it is not refused. */
void chat_lose_answer(struct chat_losses *l, struct chat_answer *a);
/* The same for members without a place only: of a whole answer, and of what one event of a stream brings. */
void chat_lose_answer_extra(struct chat_losses *l, struct chat_answer *a);
void chat_lose_event_extra(struct chat_losses *l, const struct chat_event *e);

/* ERR_FORMAT_UNSUPPORTED names the first thing (by path in the source) that the writer has not ticked. `target` is the
 * format's name for the text. */
MUST_USE enum err chat_account(const struct chat *c, const char *target, struct fault *why);

/* ==== building ============================================================================================================ */
/* All from the form's arena; NULL or false: it is full (the reader then says ERR_LIMIT). Appended in order, in O(1). */
struct chat_group *chat_add_group(struct arena *a, enum chat_role role, uint32_t at) MUST_USE;
struct chat_item *chat_add_item(struct arena *a, struct chat_item **first, struct chat_item **last, enum chat_item_kind kind,
                                struct chat_group *g) MUST_USE;
struct chat_part *chat_add_part(struct arena *a, struct chat_item *i, enum chat_part_kind kind) MUST_USE;
struct chat_tool *chat_add_tool(struct arena *a, struct chat_tool **list, enum chat_tool_kind kind) MUST_USE;
struct chat_annotation *chat_add_annotation(struct arena *a, struct chat_annotation **list) MUST_USE;
struct chat_opaque *chat_add_opaque(struct arena *a, struct chat_opaque **list, enum chat_opaque_kind kind,
                                    struct str span) MUST_USE;
bool chat_add_extra(struct arena *a, struct chat_node *n, struct str name, struct str raw, uint32_t at) MUST_USE;
/* A message of one text, spelled as a string: its group, item and part at once, behind all items. `at`: of the message, of its text. */
MUST_USE bool chat_add_said(struct chat *c, enum chat_role role, struct str text, const uint32_t at[2]);

/* Such a message, of which nothing but its text and its role are still to be told. */
bool chat_is_said(const struct chat_item *i);
static inline void chat_told_said(struct chat_item *i)
{
    i->parts->node.told |= 1ull << PART_HAS_TEXT;
    i->group->node.told |= 1ull << GROUP_HAS_ROLE;
}

/* What occurs in a request, so that what looks for something rare need not walk all of it. */
struct chat_census {
    uint32_t items, parts; /* a bit for each enum chat_item_kind and chat_part_kind that is there */
};
struct chat_census chat_count(const struct chat *c);
static inline bool chat_holds(struct chat_census all, enum chat_item_kind kind) { return all.items >> kind & 1; }

/* Tool arguments as the target wants them: raw JSON of an object (ERR_BAD_REQUEST when the text is none; "" means {}), or
 * as the inside of a string. Results are in the arena or borrowed. */
MUST_USE enum err chat_json_raw(const struct chat_json *j, struct arena *a, struct json_tape *t, struct str *ret_raw,
                                struct fault *why);
MUST_USE bool chat_json_span(const struct chat_json *j, struct arena *a, struct str *ret_span);

/* ==== sealed state ========================================================================================================== */
/* State of one vendor that travels inside another format's opaque field: XChaCha20-Poly1305 (IETF draft-irtf-cfrg-xchacha-03)
 * under the project's key, with a random nonce; kind, origin and the exact bytes inside; URL-safe base64 behind "aq1.". */
#define CHAT_SEAL_KEY 32
struct chat_seal {
    unsigned char key[CHAT_SEAL_KEY];
};
/* Derives the project's key. The master has CHAT_SEAL_KEY bytes: must(). */
void chat_seal_key(struct chat_seal *s, struct str master, struct str project);
void chat_seal_text(const struct chat_seal *s, const struct chat_opaque *o, struct buf *out);
bool chat_is_sealed(struct str span); /* by its beginning: what else begins so, nobody has sealed */
/* ERR_BAD_REQUEST: forged, of another project, or broken. ERR_LIMIT: the arena is full. The result is in the arena. */
MUST_USE enum err chat_unseal(const struct chat_seal *s, struct arena *a, struct str span, struct chat_opaque *ret_opaque,
                              struct fault *why);
/* What gateways ask control for at once, and the most that they take: of more calls the newest count. */
enum { CHAT_CALLS_ASKED = 512, CHAT_CALLS_BYTES = 8 << 20 };
/* calls.c: an object with a text per call id, sealed; what is in it is ticked. For how many calls? 0: none, or `out` is over. */
unsigned chat_calls_keep(struct chat_answer *a, const struct chat_seal *seal, struct chat_origin origin, struct buf *out);
/* Before chat_unseal_all(). `t` holds such an object, whose text lives as long as the form. ERR_LIMIT. */
MUST_USE enum err chat_calls_restore(struct chat *c, const struct json_tape *t, struct fault *why);
bool chat_call_id_is_plain(struct str id); /* can be its key: letters, digits, a few signs; at most 128 bytes */
/* Every sealed piece of a request opened where it stands, between reader and writer: kind, origin and bytes are then the vendor's own,
 * and writers judge it by its origin as any other. seal NULL: what is sealed belongs to nobody. Errors name the path. */
MUST_USE enum err chat_unseal_all(struct chat *c, const struct chat_seal *s, struct fault *why);
