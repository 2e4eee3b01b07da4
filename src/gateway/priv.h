/* The inside of the gateway: the process, its loops, and the exchange with its journey. */
#pragma once

#include <pthread.h>

#include "board/board.h"
#include "budget/budget.h"
#include "gateway/gateway.h"
#include "generation/generation.h"
#include "http/http.h"
#include "json/json.h"
#include "ledger/ledger.h"
#include "loop/loop.h"
#include "provider/provider.h"
#include "route/route.h"
#include "wire/wire.h"

#define GATEWAY_LISTENERS 16
#define GATEWAY_LOOPS 256

struct gateway;

/* One per processor; all but the marked fields belong to its thread. */
struct gateway_loop {
    struct gateway *gateway;
    struct loop *loop;
    struct http_server *server;
    struct http_client *client;
    struct journal_writer *writer;
    char attempt_id[LEDGER_ID_LEN + 1]; /* the newest */
    struct generation *generation;      /* the one that new exchanges get */
    struct json_tape tape;              /* of whatever is being read; never kept across callbacks */
    struct buf room;                    /* for what is composed and handed on within one callback */
    struct arena form;                  /* of the request that is being translated */
    bool translates;                    /* the last call was translated: the next body's tape had better hold all of it */
    struct buf array;                   /* for what array.c turns, until it is written */
    struct exchange *spare;             /* freed exchanges for the next ones */
    unsigned n_spare;
    struct followed *followed;                  /* such responses that somebody sees while they are worked on */
    struct run *runs;                           /* responses that go on without their callers */
    struct http_origin *state;                  /* control's state service */
    const struct exchange *scanned;             /* its body is what the tape holds: from recall to admit */
    struct http_origin *engines[BOARD_ENGINES]; /* by the engine's row */
    uint32_t engine_ports[BOARD_ENGINES];
    struct post on_generation, on_drain, on_short; /* sent by the manager */
    atomic_bool generation_posted, short_posted;
    _Atomic uint64_t serves; /* number of `generation` */
    pthread_t thread;
    unsigned number;
};

struct listener {
    int fds[GATEWAY_LOOPS];
    unsigned n_fds;
    struct tls_server *tls;
};

struct gateway {
    struct board *board;
    struct board_fds fds;
    struct gateway_slot *slot;
    unsigned slot_number;
    const char *data;
    struct journal *journal;
    struct gateway_loop *loops;
    unsigned n_loops;
    struct listener listeners[GATEWAY_LISTENERS];
    unsigned n_listeners;
    /* The manager's. */
    struct loop *manager;
    pthread_mutex_t lock; /* around `newest` alone */
    struct generation *newest;
    struct watch bell;
    struct timer memory_timer, drain_timer, look_timer;
    struct gateway_loop waiting; /* the waiting room: waiting.c */
    struct http_server_options waiting_options;
    enum { WAITING_OPEN, WAITING_LEAVES, WAITING_EMPTY } waiting_state;
    unsigned looks_short; /* looks at the resident size that found it at the ceiling, one after the other */
    atomic_bool draining;
    atomic_uint loops_left;
    /* memory.c */
    _Atomic int64_t rss_seen, held_at_rss;
    _Atomic uint64_t memory_max;
    _Atomic uint64_t talks[1 << 16]; /* talks.c: conversations that a response is being made for; 0: none */
};

enum step_id {
    STEP_AUTHENTICATE,
    STEP_READ,
    STEP_RECALL,
    STEP_ADMIT,
    STEP_ROUTE,
    STEP_SEND,
    STEP_RELAY,
    STEP_SETTLE,
    STEP_RECORD,
    STEP_KEEP,
    STEP_FINISH,
    STEPS
};
enum next {
    NEXT,    /* on to the following step */
    WAIT,    /* something will call exchange_resume() or exchange_jump() */
    MOVED,   /* x->step was set by the step itself */
    FAILED,  /* x->fault tells; on to settle, which knows what is open */
    FINISHED /* nothing more to start */
};

/* Of a signed request, once its body is whole. */
enum body_proof {
    BODY_FREE,   /* nothing: a bearer key, or a body that was not signed */
    BODY_DIGEST, /* that it has the digest which was signed */
    BODY_SIGNED, /* the signature itself: no digest came with the head */
};

/* What stands behind http_request.opener: a request that the gateway makes to itself for a caller it knows already. */
struct inside {
    const char *key_id; /* was proven when the caller came and cannot be proven again (a signature); NULL: as everybody */
    bool warm;          /* wants an answer without a model */
    struct run *run;    /* works for a response in the background; NULL: for a caller who waits */
};

/* What the client gets in the end. */
enum outcome {
    OUTCOME_NONE,
    OUTCOME_FAULT,  /* x->fault in the caller's format: as answer, or as the stream's error event */
    OUTCOME_ANSWER, /* x->held with x->status and x->down: a whole answer, the provider's errors too */
    OUTCOME_STREAM, /* x->last ends the stream */
    OUTCOME_SOCKET, /* the connection becomes a WebSocket */
    OUTCOME_BREAK,  /* a transfer that cannot be ended well: broken visibly */
    OUTCOME_GONE,   /* nobody is there any more */
};

/* An upstream's stream, cut into events. */
struct framing {
    bool binary; /* AWS's event stream, else SSE */
    union {
        struct sse_reader sse;
        struct event_stream_reader frames;
    };
};
struct framed {
    struct sse_event event; /* of a frame: raw, its type as name, its payload as data */
    bool exception;         /* a frame that says so: the stream failed */
    struct str message;     /* of a frame that has its words in a header */
};

/* One upstream call. */
struct attempt {
    const struct deployment *deployment;
    struct http_call *call; /* NULL: over */
    struct journal_place place;
    bool placed;    /* `place` is taken and not settled */
    bool started;   /* its open mark is stored */
    bool head_seen; /* the provider answered */
    int status;
    struct provider_verdict verdict;
    uint64_t rest_ms;                /* a limit of the provider is used up for so long; 0: none is */
    const struct wire_ops *wire;     /* the provider's format */
    struct translation *translation; /* NULL: the body goes as it came */
    bool crossing;                   /* the answer is translated as well */
    enum wire_operation operation;   /* what the provider is asked to do */
    const struct price *price;
    uint64_t start_ns, first_byte_ns;
};

/* One client request and all that happens for it. Owned by its loop; freed when stream and call are both gone. */
struct exchange {
    struct gateway_loop *gl;
    struct http_stream *stream; /* NULL: closed */
    struct generation *generation;
    const struct key *key;
    const struct route *route;
    const struct wire_endpoint *endpoint;
    const struct wire_ops *wire;
    struct arena arena; /* small and capped: names, edits, copied fields */
    char id[LEDGER_ID_LEN + 1];
    struct str peer;          /* the client's address */
    struct str caller_id;     /* what the caller named the request; empty: nothing, or nobody logs it */
    unsigned char step;       /* enum step_id */
    unsigned char outcome;    /* enum outcome */
    bool driving;             /* drive() is on the stack */
    bool moved;               /* resumed or sent elsewhere since the step was started */
    bool head_sent;           /* the client has the answer's head */
    bool streaming;           /* events are relayed */
    bool waits;               /* of a stream that has not begun: its head is held back (begin.c) */
    bool passing;             /* an answer too long to hold goes through as it comes */
    bool paused;              /* the upstream waits for the client */
    unsigned char body_proof; /* enum body_proof: what the body must still show */
    bool wants_array;         /* of a stream: array.c */
    struct wire_array array;
    bool opaque;     /* neither its body nor the answer is read: account.c */
    bool relay_done; /* the last event is here; only the call's end may still come */
    int status;      /* of the held answer */
    struct wire_request request;
    struct route_walk walk;
    struct attempt attempt;
    struct budget_hold hold;
    uint64_t arrived_ns, deadline_ns; /* deadline: for all attempts together; 0 none */
    union {
        uint64_t engine_deadline; /* loop time; while a local engine is waited for */
        uint64_t wrote_ms;        /* loop time of the last byte to the client; from the head on */
    };
    struct wire_stream wire_stream;
    struct wire_halves halves;
    struct usage usage;   /* of the attempt under way */
    uint64_t tokens_used; /* of all attempts */
    int64_t pico_spent;
    union {                    /* a waiting stream is small */
        struct framing inflow; /* while `streaming` */
        struct buf held;       /* an answer that is not streamed */
    };
    struct buf last;         /* the last event, kept back until the record is safe */
    struct kept *kept;       /* what is asked of kept responses; NULL: nothing */
    struct calls *calls;     /* what is kept of tool calls; NULL: nothing */
    struct http_field *down; /* its fields, copied to the arena */
    unsigned n_down;
    unsigned dropped;   /* fields taken out of the request by configuration */
    struct timer timer; /* engine wait, heartbeat, or the call's lingering end: one at a time */
    struct defer later; /* first the stream's end, then the end of the turn that sends the last byte */
    struct journal_wait safe;
    struct fault fault;
    union {
        struct upload *upload; /* a form that is read as it comes; NULL: the body is held */
        struct exchange *next_spare;
    };
};
/* An open stream that waits takes 4 KB of ours, connections and journal included (docs/performance.md counts them): what only a
 * few requests need stands behind a pointer. */
_Static_assert(sizeof(struct exchange) <= 1400, "an open stream that waits must stay small");

/* ---- exchange.c: the journey and the lifetime ---------------------------------------------------------------------- */
struct exchange *exchange_new(struct gateway_loop *gl, struct http_stream *s);
/* An estimate of what is asked, for limits and for what nobody tells: four bytes a token. */
static inline uint64_t exchange_input_tokens(const struct exchange *x) { return x->request.input_bound / 4; }
void exchange_begin(struct exchange *x);                   /* starts the journey; x may be gone when it returns */
void exchange_resume(struct exchange *x);                  /* the step it waits in is over: on with the next */
void exchange_jump(struct exchange *x, enum step_id step); /* out of a waiting step to another one */
void exchange_release(struct exchange *x);                 /* frees it once stream, call and waits are gone */
const char *step_name(enum step_id step);
/* What the request is told as in a format, and whether the attempt's provider has that call; send.c */
enum wire_operation operation_in(const struct exchange *x, enum wire_format f);
bool can_call_as(const struct exchange *x, enum wire_format f, enum wire_operation op);
bool can_call(const struct exchange *x, enum wire_format f); /* the attempt's provider, for its model; send.c */
struct str upstream_model(const struct exchange *x);         /* the id that the attempt's provider knows it by; send.c */

enum next step_authenticate(struct exchange *x); /* door.c */
enum next step_read(struct exchange *x);
enum next step_recall(struct exchange *x);                         /* recall.c */
enum next step_admit(struct exchange *x);                          /* admit.c */
MUST_USE enum err admit_scan(struct exchange *x, struct str body); /* a request's body, as admit reads it */
MUST_USE enum err admit_ahead(struct exchange *x); /* all that admit holds against it, for recall; admit looks again */
MUST_USE enum err admit_count(struct exchange *x); /* one request of the key's rate, for what goes to no model */
/* Takes what the request may come to at most of the key's means; the tape has its body. ERR_SPEND_UNPRICED beside budget's. reserve.c */
MUST_USE enum err reserve_worst(struct exchange *x);
/* Needs this attempt's money a bound, which a deployment without a price cannot give? */
bool reserve_is_bound(const struct exchange *x);
enum err reserve_refuse_unpriced(struct exchange *x); /* ERR_SPEND_UNPRICED, with what to do */
enum next step_route(struct exchange *x);             /* send.c */
enum next step_send(struct exchange *x);
/* How long the head of the attempt's stream may wait for its beginning, since another deployment can be tried instead, or one has failed
 * already and the caller had better get a status. 0: not at all. */
uint64_t route_patience_ms(const struct exchange *x);
enum next step_relay(struct exchange *x);  /* relay.c */
enum next step_settle(struct exchange *x); /* settle.c */
enum next step_record(struct exchange *x);
enum next step_keep(struct exchange *x);   /* keep.c */
enum next step_finish(struct exchange *x); /* finish.c */

/* ---- door.c: what the HTTP server calls ------------------------------------------------------------------------------ */
extern const struct http_handler gateway_door;
#define DOOR_CREDENTIALS 4
struct str door_own_key(const struct http_request *r); /* x-aquifer-key; "" none */
/* The caller's own credentials for a vendor, as they came; none unless our key came in a field of its own, and never a key of
 * ours. Returns their number. */
unsigned door_client_fields(const struct http_request *r, struct http_field ret_fields[DOOR_CREDENTIALS]);
struct str door_client_key(const struct http_request *r); /* the first of them, bare; "" none */

/* ---- signed.c: callers who sign instead of sending a key ------------------------------------------------------------- */
bool signed_is(const struct http_request *r);
MUST_USE enum err signed_authenticate(struct exchange *x); /* by the head; sets key and body_proof */
MUST_USE enum err signed_check_body(struct exchange *x);   /* once the body is whole, before anything is done with it */
/* A Bedrock API key of the short-lived kind: a presigned request in base64. */
bool signed_key_is(struct str credential);
MUST_USE enum err signed_key_authenticate(struct exchange *x, struct str credential);
/* A bedrock-api-key made with a pair of ours, good or not; those made with a pair of AWS are not. */
bool signed_key_is_ours(struct str credential);

/* ---- relay.c --------------------------------------------------------------------------------------------------------- */
extern const struct http_call_handler gateway_relay;
void relay_writable(struct exchange *x);
void relay_stop(struct exchange *x); /* the client is gone, or we give up: ends the call at once */
/* The attempt failed by x->fault. Before the client's head the next deployment may take over. */
void relay_fail(struct exchange *x, enum attempt_end end);
/* The provider refused, in x->held, with a status that its head did not say; its call is over. As relay_fail() for the rest. */
void relay_refused(struct exchange *x, int status);
void relay_write(struct exchange *x, struct str bytes); /* whole events, or a piece of what passes, to the client */

/* ---- begin.c --------------------------------------------------------------------------------------------------------- */
/* A 2xx head of a stream has come. The client gets his at once, unless another deployment may still take over: then with the first
 * event of a real answer. */
void begin_stream(struct exchange *x, int status, struct http_fields theirs);
void begin_release(struct exchange *x); /* the head goes now, with what waited behind it; nothing if none waits */
/* While the head waits: an event, before it is dealt with. False: it is an error, the attempt is over and settled, and perhaps another one is under way. */
bool begin_look(struct exchange *x, const struct framed *e);
bool begin_keeps(struct exchange *x, struct str bytes); /* while the head waits: what is to be written does so, too */
void begin_undo(struct exchange *x);                    /* the attempt has failed before its stream began; nothing if it began */

/* ---- blame.c: a failure in words: all of it for the log, what the caller may know in x->fault ---------------------------- */
void blame_answer(struct exchange *x);                        /* x->held is what it said */
void blame_account(struct exchange *x);                       /* ... about our own credentials */
void blame_call(struct exchange *x, const struct fault *why); /* no answer, or half of one */

/* ---- array.c --------------------------------------------------------------------------------------------------------- */
/* What is to be written to the client, as an array's pieces when he wants one; else unchanged. Valid until the next call. */
struct str array_events(struct exchange *x, struct str events);
struct str array_end(struct exchange *x, struct str events); /* the last ones */
struct str array_whole(struct exchange *x, struct str body); /* of an answer that is no stream */
struct str array_heartbeat(const struct exchange *x);        /* STR_NONE: the format's own */

/* ---- down.c ---------------------------------------------------------------------------------------------------------- */
#define DOWN_FIELDS_MAX 64
/* The fields that come down, pointing into `theirs`, and ours behind them. */
size_t down_fields(struct exchange *x, struct http_fields theirs, struct str type, struct http_field *ret_fields, size_t room);
/* Copies them to x->down, in one piece of the arena; false: there are too many or they are too long. */
bool down_keep(struct exchange *x, struct http_fields theirs);
void down_failed(struct exchange *x, enum err_class class); /* they become those of an error's body that we wrote */
void down_refused(struct exchange *x); /* what the client should know of a refusal: whether and when to try again */

/* ---- framing.c ------------------------------------------------------------------------------------------------------- */
void framing_start(struct framing *f, const struct wire_ops *wire, size_t event_max);
void framing_done(struct framing *f);
/* Hands in received bytes, which stay valid until framing_next() has no more; call that until then. ERR_UPSTREAM_GARBAGE:
 * an event that is too long, or damaged. */
MUST_USE enum err framing_feed(struct framing *f, struct str bytes, struct fault *why);
MUST_USE enum err framing_finish(struct framing *f, struct fault *why); /* no more bytes will come: then framing_next() again */
MUST_USE enum err framing_next(struct framing *f, struct framed *ret_event, bool *ret_got, struct fault *why);

/* ---- able.c: what local models are for ----------------------------------------------------------------------------------- */
/* What the request wants that the model of a local deployment is not made for, as far as the operation tells; NULL: nothing. */
const char *able_lacks(const struct exchange *x, const struct deployment *d);
MUST_USE enum err able_refuse(struct exchange *x, const char *lacks); /* in words: ERR_FORMAT_UNSUPPORTED */
/* Does the request bring what the attempt's model cannot take in? ERR_FORMAT_UNSUPPORTED. The first reads the body as it came. */
MUST_USE enum err able_check_body(struct exchange *x);
MUST_USE enum err able_check(struct exchange *x, const struct chat *c);
MUST_USE enum err able_check_dimensions(struct exchange *x, bool said);

/* ---- translate.c: an attempt whose provider speaks another format ------------------------------------------------------ */
#define TRANSLATE_CHUNK KIB(16)                                         /* of gateway_loop.form */
void translate_refused(struct exchange *x, const struct chat_error *e); /* for translate_error(): a stream began with this */
/* Chooses the format and writes the request. ERR_FORMAT_UNSUPPORTED: this deployment cannot express it, another one may. */
MUST_USE enum err translate_request(struct exchange *x);
/* Reads the body into the form for able_check() alone; what cannot be read is its provider's to refuse. */
MUST_USE enum err translate_look(struct exchange *x);
/* C10: the provider speaks the caller's format, but its model takes this request in another one only, in which it is told now. False:
 * it goes as it came, whatever the vendor says. */
bool translate_leaves_chat(struct exchange *x);
/* For a provider of the caller's own format: when there is something in the body that we sealed, it is opened and the body written
 * anew; the answer then passes as it comes. Else nothing happens. */
MUST_USE enum err translate_sealed(struct exchange *x);
struct str translate_betas(const struct translation *t); /* for the field anthropic-beta; STR_NONE */
struct str translate_body(const struct translation *t);  /* the request for the provider */
void translate_sent(struct translation *t);              /* the provider has answered: its body goes */
/* Turn x->held, a whole answer or a provider's error, into the caller's format; the first reads the usage. */
MUST_USE enum err translate_answer(struct exchange *x);
void translate_error(struct exchange *x);
void translate_chat_error(struct exchange *x); /* no other format was spoken, but the error is in Chat Completions' */
int translate_failure(
    const struct exchange *x); /* after translate_answer(): the status that a 2xx body should have had; 0: none */
/* A stream: what the event becomes is appended to `out`, the ending to x->last. */
MUST_USE enum err translate_begin(struct exchange *x);
MUST_USE enum err translate_event(struct exchange *x, const struct framed *e, struct buf *out, bool *ret_last);
MUST_USE enum err translate_end(struct exchange *x, struct buf *out, bool *ret_last); /* the transfer has closed */
bool translate_fault(struct exchange *x, struct buf *out); /* false: nothing written, the stream had not begun */
bool translate_losses_field(struct exchange *x, struct http_field *ret_field); /* x-aquifer-losses; false: nothing was lost */
bool translate_opened_field(struct exchange *x, struct http_field *ret_field); /* of translate_sealed(); counts them, too */
void translation_free(struct exchange *x);                                     /* with its attempt; NULL is fine */

/* ---- betas.c --------------------------------------------------------------------------------------------------------- */
/* *ret_field: anthropic-beta for the request that goes up, in to->memo; STR_NONE: none. */
MUST_USE enum err betas_carry(struct exchange *x, const struct wire_target *to, enum wire_format f, struct chat *c,
                              struct str *ret_field);

/* The field's words of a body's anthropic_beta, in the exchange's arena; false: none. */
/* Does the request need this one beside its own? */
bool betas_add_system(const struct exchange *x, struct str *ret_beta);
bool betas_of_body(struct exchange *x, struct str raw, struct str *ret_field);
/* ---- recall.c, keep.c: responses that are kept for their callers (state.h) ----------------------------------------------- */
void kept_stop(struct exchange *x);          /* what is under way ends at once; NULL is fine */
void kept_unlock(struct exchange *x);        /* its conversation is free for the next; before the last byte goes out */
void kept_free(struct exchange *x);          /* with its exchange; NULL is fine */
bool kept_counts(const struct exchange *x);  /* its failure stays counted as a request of the key */
bool kept_is_busy(const struct exchange *x); /* a call to the state service is under way */
/* What a stream's whole events become for the caller; valid until the next call. */
struct str kept_events(struct exchange *x, struct str bytes);
void follow_recheck(struct gateway_loop *gl);   /* there is a new generation: whose key is revoked follows no more */
void background_close(struct gateway_loop *gl); /* the loop ends: what still runs is given up */
/* x->held is a whole good answer: it is told as the caller asked. */
MUST_USE enum err kept_answer(struct exchange *x);

/* ---- account.c: what a vendor's account keeps; bodies that pass as they come ------------------------------------------------- */
bool account_is(const struct exchange *x);
MUST_USE enum err account_admit(struct exchange *x);                      /* chooses the account, in the place of a route */
bool account_has_body(const struct exchange *x);                          /* else what comes as one is left behind */
void account_fill(const struct exchange *x, struct http_call_request *r); /* method and length of the call */
void account_feed(struct exchange *x, struct str bytes);                  /* a piece of the body has come */
void account_end(struct exchange *x);
void account_hungry(struct exchange *x); /* the upstream can take more */
/* May this attempt's request name files that its provider keeps? */
MUST_USE enum err account_check_files(struct exchange *x);

/* ---- upload.c: forms that are too long to hold -------------------------------------------------------------------------------- */
bool upload_is_long(const struct exchange *x); /* or may be: it shall be read as it comes */
enum next upload_open(struct exchange *x);     /* in the place of waiting for the body */
void upload_feed(struct exchange *x, struct str bytes);
void upload_end(struct exchange *x);
bool upload_streams(const struct exchange *x); /* what follows is for such alone: not all of it was held */
void upload_show(struct exchange *x);          /* the request's body becomes that which is spliced */
/* r->pieces is what became of that; they are fed once the call is started, and the rest behind them. */
void upload_fill(const struct exchange *x, struct http_call_request *r);
void upload_start(struct exchange *x, const struct str *pieces, size_t n);
void upload_flow(struct exchange *x);         /* the upstream can take more, or more has come */
bool upload_let_go(const struct exchange *x); /* its beginning is not here any more: no second attempt */
void upload_free(struct exchange *x);         /* with its exchange; NULL is fine */

/* ---- calls.c: state of tool calls, for callers of Chat ------------------------------------------------------------------- */
enum next calls_recall(struct exchange *x);
enum next calls_keep(struct exchange *x); /* x->calls is not NULL */
/* Of the calls whose results a request brings: what was kept, into the form; before it is unsealed. */
MUST_USE enum err calls_restore(struct exchange *x, struct chat *c);
/* Of a whole answer, before it is written: what its calls will need. x->calls is not NULL. */
void calls_gather(struct exchange *x, struct chat_answer *a, struct chat_origin origin);
void calls_stop(struct exchange *x); /* as kept_stop(), kept_free(), kept_is_busy() */
void calls_free(struct exchange *x);
bool calls_are_busy(const struct exchange *x);
bool calls_count(const struct exchange *x); /* as kept_counts() */

/* ---- settle.c -------------------------------------------------------------------------------------------------------- */
/* Ends the attempt under way: usage, cost, journal, metrics, breaker. Idempotent. */
void attempt_settle(struct exchange *x, enum attempt_end end, enum err code);

/* ---- finish.c -------------------------------------------------------------------------------------------------------- */
/* Answers a fault on a stream that has no exchange. */
void refuse(struct gateway_loop *gl, struct http_stream *s, enum wire_format f, const struct fault *why, const char *id);
/* Fields of ours on every answer: request id, and `x-request-id` when the provider gave none. */
#define OUR_FIELDS_MAX 4
unsigned our_fields(struct exchange *x, struct http_fields theirs, struct http_field ret_fields[OUR_FIELDS_MAX]);

/* ---- models.c -------------------------------------------------------------------------------------------------------- */
void models_answer(struct exchange *x);

/* ---- socket.c: Responses over a WebSocket ---------------------------------------------------------------------------- */
MUST_USE enum err socket_check(struct exchange *x); /* may this request open one? */
void socket_open(struct exchange *x);               /* the exchange's answer; it lives on without it */
bool socket_warms(const struct exchange *x);        /* the request wants no model: socket_warm() is its answer */
MUST_USE enum err socket_warm(struct exchange *x);

/* ---- memory.c -------------------------------------------------------------------------------------------------------- */
void memory_watch(struct gateway *g); /* on the manager: measures now and every 100 ms */
void memory_set_max(struct gateway *g, uint64_t bytes);
bool memory_take(void *gateway, int64_t bytes); /* for http: bodies, heads, buffers of connections */
bool memory_is_short(struct gateway *g);
MUST_USE enum err memory_refuse(struct fault *why); /* ERR_OVERLOADED, in words */

/* ---- waiting.c ------------------------------------------------------------------------------------------------------- */
/* The rules of the listeners as the supervisor read them: networks of trusted proxies by commas, the path's prefix (NULL: none).
 * Borrowed, for the process' life. */
MUST_USE enum err waiting_rules(struct gateway *g, const char *trusted, const char *prefix, bool proxy_protocol,
                                struct fault *why);
void waiting_look(struct gateway *g); /* opens when no generation came for too long, closes when one is served */
void waiting_done(struct gateway *g);

/* ---- loader.c -------------------------------------------------------------------------------------------------------- */
/* Loads the newest published generation, when there is one, and hands it to the loops. On the manager. */
MUST_USE enum err loader_load(struct gateway *g, struct fault *why);
/* Writes on the board what all loops serve: control waits for it before it shows a new key. Any thread. */
void loader_tell_board(struct gateway *g);
struct generation *loader_newest(struct gateway *g); /* a new reference; NULL: none yet */

/* ---- sandbox.c ------------------------------------------------------------------------------------------------------- */
MUST_USE enum err sandbox_enter(struct fault *why); /* fails closed: the gateway does not serve without it */
