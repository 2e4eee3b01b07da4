/* Responses that are kept for their callers, inside the gateway: what one exchange asks of them, and how control's state service
 * is asked. Nothing here touches a database; every question is an awaited call over a socket, with a deadline. Used by recall.c,
 * keep.c, state.c and background.c. */
#pragma once

#include "gateway/priv.h"
#include "wire/wire.h"

/* ---- state.c: one question to the service ---------------------------------------------------------------------------------- */

struct state_call {
    struct http_call *call; /* NULL: none is under way */
    /* From the loop. OK: the service answered, whatever its status; else ERR_RECALL, told in `why`. */
    void (*on_done)(struct state_call *c, enum err got);
    struct gateway_loop *gl;
    struct buf request; /* the body, filled before state_ask() */
    struct str piece;
    int status;
    struct buf answer;
    size_t counted;      /* of the answer, told to the memory ceiling */
    bool sent;           /* the question, or a part of it, went out */
    bool starved;        /* there was no memory for all of it */
    char deployment[32]; /* the provider's deployment that keeps it; "" : we do */
    char follow[48];     /* of a followed stream: the last event's number and whether more comes */
    struct fault why;
};
struct state_request {
    struct str method, target, project;
    uint32_t wait_ms;
    size_t answer_max; /* told to the service, which stops there */
};
void state_ask(struct gateway_loop *gl, struct state_call *c, const struct state_request *r);
void state_call_stop(struct state_call *c); /* no on_done() any more */
void state_call_done(struct state_call *c); /* frees what it holds; may be asked again */
/* The message of an error answer; a text of its own where there is none. Points into the answer. */
struct str state_message(struct state_call *c, struct json_tape *t);
/* An error answer as a fault; `missing` is what a 404 means here. Uses the tape. */
MUST_USE enum err state_refused(struct state_call *c, enum err missing, struct json_tape *t, struct fault *why);
bool state_id_is_valid(struct str id); /* may stand in a target as it is */

/* ---- what an exchange asks -------------------------------------------------------------------------------------------------- */

struct run; /* background.c: a response that goes on without its caller */

struct kept {
    struct exchange *exchange;
    const struct route *route; /* while a pinned one is looked up */
    struct responses_ask ask;
    struct str id;      /* of the response, ours */
    bool tells;         /* the answer is told as the caller asked */
    bool keeps;         /* … and kept */
    bool pins;          /* … by its provider: what is kept here is which of them has it */
    bool asked;         /* the service was asked for earlier items: the request counts, whatever becomes of it */
    uint32_t talk;      /* claimed: nobody else continues the conversation meanwhile; 0: none */
    struct run *run;    /* this is the exchange that works in the background; NULL: it has a caller */
    struct run *starts; /* the one that is being stored for this caller; NULL: none */
    struct state_call call;
    struct buf named; /* the request with kept items in the place of their ids */
    struct buf body;  /* what goes up instead of the request's */
    struct buf input; /* the request's own items */
    size_t counted;   /* bytes told to the memory ceiling */
    bool starved;     /* there was no memory for all of the answer: it is not kept */
    struct responses_gather gather;
    struct sse_reader reader;
    struct buf out;      /* events as the caller gets them */
    struct buf terminal; /* the last event's data, or the whole answer */
    bool is_event, has_terminal;
    /* follow.c: the answer comes from the service piece by piece */
    struct followed *followed; /* what it follows on this loop; NULL: nothing */
    struct kept *next, **at;   /* of its followers */
    int64_t after;             /* followed up to this number */
    uint64_t looked_ms;        /* loop time of the last look */
    uint64_t away_ms;          /* … since when the service cannot be asked; 0: it can */
    uint32_t pause_ms;         /* until the next look */
    bool idle;                 /* the last look found nothing new */
};
struct kept *kept_new(struct exchange *x);
/* Tells the memory ceiling what is held; ERR_OVERLOADED: there is no room for it. */
MUST_USE enum err kept_count(struct kept *k, struct fault *why);
struct responses_view kept_view(const struct kept *k, bool stored);
/* The event's data behind its name. */
void kept_put_event(struct buf *out, struct str name, struct str data);

/* ---- talks.c: one response at a time for a conversation --------------------------------------------------------------------- */

/* ERR_TALK_LOCKED: another one is being made. */
MUST_USE enum err talk_claim(struct gateway *g, struct str project, struct str id, uint32_t *ret_claim, struct fault *why);
void talk_release(struct gateway *g, uint32_t *claim); /* 0 is fine, and what it is then */

/* ---- background.c, follow.c ------------------------------------------------------------------------------------------------------ */

/* The caller gets the queued response, or follows it; the work goes on in an exchange of its own. */
MUST_USE enum err background_start(struct exchange *x);
/* What the caller's exchange had taken of its key's limits, for the one that does the work; once. */
struct budget_hold background_hold(struct run *r);
void background_leave(struct run *r); /* the caller went away while it was being stored */
struct str run_id(const struct run *r);
/* Gives the stored events behind a number to the client (-1: from the first), as they come, until the response is over. */
void follow(struct exchange *x, struct str id, int64_t after);
void follow_stop(struct kept *k);                           /* it follows no more; fine when it did not */
void follow_stored(struct gateway_loop *gl, struct str id); /* there is something new of it */
