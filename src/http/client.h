/* client: what the files of the upstream client know of each other. Private to this room.
 *
 *   call ── waits in ── pool (one for each origin of a loop) ── owns ── lanes: dialling, at work, or idle (newest first)
 *   lane ── while dialling ── dial: name (dns) → connection (race) → tunnel through a proxy → then TLS in the link */
#pragma once

#include <netinet/in.h>

#include "http/account.h"
#include "http/answer.h"
#include "http/http.h"
#include "http/link.h"

/* "api.example.com:443", for people. */
struct str origin_name(const struct http_origin *o);

/* ---- names: dns.c --------------------------------------------------------------------------------------------------- */

#define ADDRESSES_MAX 12

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};
struct addresses {
    unsigned n;
    union address at[ADDRESSES_MAX]; /* best first (RFC 6724), port 0 */
};

struct dns;
struct dns_query { /* embedded in who waits */
    struct dns_query *next, **link;
    /* From the loop; found NULL: why tells. */
    void (*on_answer)(struct dns_query *q, const struct addresses *found, const struct fault *why);
};

struct dns *dns_new(struct loop *l);
void dns_free(struct dns *d); /* no query waits */
/* A literal, or a name that was resolved before (be it long ago: then it is resolved again behind the back): true, at
 * once. Otherwise the query waits, and q->on_answer() comes. */
bool dns_find(struct dns *d, struct str host, struct dns_query *q, struct addresses *ret_found);
/* For one whose addresses have failed: waits for what is being looked up, or already known by now; false: there is
 * nothing newer. */
bool dns_wait_newer(struct dns *d, struct str host, struct dns_query *q, const struct addresses *failed);
void dns_cancel(struct dns_query *q); /* idempotent */

/* ---- a TCP connection: race.c --------------------------------------------------------------------------------------- */

struct race;
struct runner {
    struct race *race;
    struct watch watch;
    int fd; /* -1: not running */
};
struct race {
    struct loop *loop;
    /* From the loop, once. fd < 0: all failed, error is the last errno. */
    void (*on_done)(struct race *r, int fd, int error);
    struct addresses to;
    struct runner runners[ADDRESSES_MAX];
    struct timer timer;
    struct defer defer;
    unsigned started, running;
    int error;
};
void race_start(struct race *r, struct loop *l, const struct addresses *to, uint16_t port,
                void (*on_done)(struct race *, int fd, int error));
void race_cancel(struct race *r); /* idempotent */

/* ---- from an origin to a connected socket: dial.c ------------------------------------------------------------------- */

struct dial;
typedef void dial_done_fn(void *user, int fd, const struct fault *why); /* fd < 0: why tells */
struct dial *dial_start(struct loop *l, struct dns *d, const struct http_origin *o, dial_done_fn *on_done, void *user);
void dial_cancel(struct dial *d);             /* may be NULL; also after on_done. Frees, later */
const char *dial_phase(const struct dial *d); /* "looking up the name" */
bool dial_is_loopback(const struct dial *d);

/* ---- the client ------------------------------------------------------------------------------------------------------ */

#define POOL_BUCKETS 64
#define INLINE_PIECES 8

/* A request on its way, kept until nobody can want it sent (again). From the client's free list. */
struct request {
    struct request *next;
    struct buf head;
    struct str pieces[INLINE_PIECES];
    struct str *more; /* instead of pieces, when there are more */
    size_t n_pieces;
    uint64_t all, sent; /* bytes; all: as far as known */
    /* Of a body that is fed: */
    struct buf queue;    /* what waits; its first byte is number `gone` of those behind the head */
    uint64_t gone, left; /* left: bytes that may still be fed */
    bool is_fed, is_chunked, is_open;
    bool is_hungry; /* on_hungry() is owed */
};

struct lent_head {
    struct lent_head *next;
    struct answer_head head;
};

struct http_client {
    struct loop *loop;
    struct http_client_options options;
    struct http_client_stats stats;
    struct dns *dns;
    struct pool *buckets[POOL_BUCKETS];
    unsigned n_pools;
    struct request *free_requests;
    unsigned n_free_requests;
    struct http_call *free_calls;
    unsigned n_free_calls;
    struct lent_head *free_heads;
    unsigned n_free_heads;
    struct account account;
};

struct lane;
struct pool {
    struct pool *next; /* in its bucket */
    struct http_client *client;
    struct http_origin *origin;
    struct lane *lanes;                       /* all */
    struct lane *idle;                        /* newest first */
    struct lane *orphans;                     /* dialling for nobody: their calls found another */
    struct http_call *waiting, **waiting_end; /* oldest first; each has a lane that dials for it */
    unsigned n_lanes, n_idle;
    unsigned warm_left; /* connections that may still be opened ahead of the next call */
    uint64_t used_at;
};

struct lane {
    struct link link;
    struct pool *pool;
    struct http_call *call;            /* NULL: idle, or dialling for nobody any more */
    struct lane *next, **at;           /* of the pool */
    struct lane *idle_next, **idle_at; /* in idle or orphans; idle_at NULL: in neither */
    struct dial *dial;
    struct answer answer;
    struct lent_head *lent;
    struct timer timer; /* never later than what is due; moved only when it fires */
    struct defer defer;
    uint64_t since;     /* dialling or idle since */
    uint32_t idle_ms;   /* how long it may be idle */
    uint32_t held;      /* bytes, as counted in the client's account */
    struct buf carry;   /* input kept while the call is paused */
    struct fault *lost; /* the end that came while the call was paused */
    bool is_open;
    bool is_kept; /* was idle or served before: it may be stale */
    bool is_dead;
};

struct http_call {
    struct pool *pool;
    struct lane *lane;
    struct http_call *next; /* in pool->waiting, or free */
    const struct http_call_handler *handler;
    void *user;
    struct request *request; /* NULL once the answer's head has come */
    struct fault *failed;    /* failed before it began; told from the loop */
    struct defer defer;      /* told to have failed, or sent, later in this turn */
    struct http_deadlines deadlines;
    uint64_t started, last, dialling_since, sent_at;
    uint64_t crawling; /* since when, less a millisecond a byte, the answer has not got on; 0: it has */
    bool is_head, is_waiting, has_answer, is_paused, was_sent, was_retried;
    bool got_on; /* within the bytes that are being read */
};
_Static_assert(sizeof(struct lane) <= 504 && sizeof(struct http_call) <= 152, "an open stream that waits must stay small");

static inline void count(_Atomic uint64_t *c) /* one writer: no locked instruction needed */
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + 1, memory_order_relaxed);
}
static inline void gauge(_Atomic int64_t *g, int by)
{
    atomic_store_explicit(g, atomic_load_explicit(g, memory_order_relaxed) + by, memory_order_relaxed);
}

/* pool.c */
struct pool *pool_get(struct http_client *c, struct http_origin *o);
void pool_free(struct pool *p);              /* no calls; closes the connections */
struct lane *pool_take_idle(struct pool *p); /* NULL: none */
/* An open connection without a call: to who waits longest, or idle, or closed. */
void pool_put(struct pool *p, struct lane *lane);
void pool_unidle(struct lane *lane);           /* no more idle or orphan; idempotent */
struct lane *pool_take_orphan(struct pool *p); /* NULL: none */
void pool_wait(struct pool *p, struct http_call *call);
void pool_unwait(struct pool *p, struct http_call *call); /* idempotent */
/* An idle connection is gone: opens another if the origin is in use and has none left. */
void pool_keep_warm(struct pool *p);

/* lane.c */
struct lane *lane_dial(struct pool *p, struct http_call *call); /* call NULL: ahead of need */
void lane_assign(struct lane *c, struct http_call *call);       /* sends */
void lane_close(struct lane *lane);                             /* frees, later; its call must have been taken away */
void lane_arm(struct lane *lane);                               /* after a deadline may have come nearer */
void lane_resume(struct lane *lane);
void lane_send_soon(struct lane *lane); /* its call has more to send */

/* call.c */
uint64_t call_due(const struct http_call *call);      /* UINT64_MAX: never */
void call_received(struct http_call *call, size_t n); /* bytes of its answer came and were told */
void call_expire(struct http_call *call);
/* Ends it: takes it off its connection (which is closed) and tells. */
void call_fail(struct http_call *call, const struct fault *why);
void call_finish(struct http_call *call); /* its connection was taken away before */
void call_retry(struct http_call *call);
void call_drop_request(struct http_call *call);

/* request.c */
MUST_USE enum err request_new(struct http_client *c, const struct http_origin *o, const struct http_call_request *r,
                              struct request **ret_request, struct fault *why);
void request_free(struct http_client *c, struct request *r);
void request_feed(struct request *r, struct str bytes);
void request_feed_end(struct request *r);
/* Hands the link what it takes now; false: all is sent. */
bool request_send(struct request *r, struct link *k);
