/* Between the files of a WebSocket on which Responses are spoken: socket.c (the connection and its strands), socket_turn.c (one
 * response), socket_say.c (what is said besides). OpenAI's guide "WebSocket mode" is the source of names, limits and errors. */
#pragma once

#include "priv.h"

enum {
    SOCKET_RUNNING_MAX = 16, /* responses under way on one connection */
    SOCKET_WAITING_MAX = 16, /* more that wait for their turn */
    SOCKET_NAMED_MAX = 32,   /* strands with a stream_id */
    STREAM_ID_MAX = 256,
    RESPONSE_ID_MAX = 256,
};

/* The newest response of a strand, for previous_response_id. */
struct remembered {
    char id[RESPONSE_ID_MAX]; /* "" none */
    struct buf items;         /* an item list: all input and output up to here */
    bool stored;              /* it says so itself: whoever stored it knows its id */
};

/* Requests with one stream_id, or with none: answered one after the other; strands run side by side. */
struct strand {
    char id[STREAM_ID_MAX + 1]; /* "": the one without */
    struct turn *first, **end;  /* in order; the first one is under way when `running` */
    bool running;
    struct remembered kept;
};

struct socket {
    struct gateway_loop *gl;
    struct http_ws *ws;       /* NULL: closed */
    struct http_request head; /* of each request: the handshake's, as a POST */
    char *head_bytes;         /* what its strings and fields point into */
    char key_id[KEY_ID_LEN + 1];
    bool is_signed; /* the handshake was signed: the key cannot be proven again, only looked up */
    bool resting;   /* the client does not read: answers wait */
    bool ending;    /* drained, or too old: nothing new begins */
    bool too_old;
    unsigned running, waiting;
    struct strand *strands[SOCKET_NAMED_MAX + 1];
    unsigned n_strands;
    size_t told; /* bytes held, as counted under the memory ceiling */
    struct timer age;
};

/* One response.create and its answer. */
struct turn {
    struct socket *socket;
    struct strand *strand;
    struct turn *next;
    struct buf text; /* as it came; until it begins */
    struct inside inside;
    struct http_local *local;
    struct buf items; /* an item list: what was before, and the request's own */
    struct responses_gather gather;
    struct sse_reader events;
    struct buf answer;               /* that is not a stream */
    struct buf fields;               /* of it: members of a JSON object */
    char id[RESPONSE_ID_MAX];        /* of the response; "" not told yet */
    char continues[RESPONSE_ID_MAX]; /* the id of what was remembered and goes on in it; "" nothing */
    int status;
    bool streaming;
    bool ended; /* its last event came */
    bool good;  /* … and may be continued */
    bool stored;
};

/* ---- socket.c ---- */
void socket_turn_over(struct turn *t); /* frees it and lets the next one begin */
void socket_account(struct socket *k);
const struct remembered *socket_find_kept(const struct socket *k, struct str id);
void socket_forget(struct socket *k, struct str id); /* what could not be continued; unknown ids are fine */
void socket_relieve(struct socket *k);               /* something was sent: do the answers have to wait? */

/* ---- socket_turn.c ---- */
struct turn *turn_new(struct socket *k, struct strand *s, struct str text);
void turn_begin(struct turn *t); /* at the latest it is over when the local stream's calls say so; perhaps before this returns */
void turn_pause(struct turn *t, bool pause);
void turn_free(struct turn *t); /* breaks off what is under way */
size_t turn_memory(const struct turn *t);

/* ---- socket_say.c ---- */
struct complaint { /* an error that only a WebSocket has */
    int status;
    const char *code, *param; /* param: NULL none */
    const char *text;
};
void say_event(struct socket *k, const struct strand *s, struct str json); /* an object, with the strand's name put in */
void say_complaint(struct socket *k, const struct strand *s, const struct complaint *c);
void say_fault(struct socket *k, const struct strand *s, const struct fault *why);
/* A failed answer of HTTP; `fields`: members of a JSON object, may be empty. */
void say_answer(struct socket *k, const struct strand *s, int status, struct str body, struct str fields);
/* The format's own event `error`, told as a WebSocket tells errors. */
void say_error_event(struct socket *k, const struct strand *s, struct str data);
