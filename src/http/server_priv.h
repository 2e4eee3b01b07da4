/* The inside of the HTTP server, for the server's own files: connections, streams, heads, bodies.
 * server.c accepts and drains, conn.c keeps one connection alive, h1*.c and h2*.c speak a protocol on it, local.c does
 * without a connection, websocket*.c takes a connection over, stream.c is the handler's side. Everything belongs to the server's loop. */
#pragma once

#include <llhttp.h>

#include "http/account.h"
#include "http/http.h"
#include "http/link.h"
#include "http/quick.h"

struct conn;
struct block;
struct stream;
struct h2_shared;
struct http_ws;

/* ---- options: one generation, shared by the connections that began under it ----------------------------------------- */

struct options {
    unsigned refs;
    struct http_server_options o; /* pointers into this block */
};
struct options *options_new(const struct http_server_options *o);
void options_unref(struct options *o);

/* ---- heads ---------------------------------------------------------------------------------------------------------- */

/* Collects a head while its bytes come in; head_build() copies it into one block when it is whole. */
struct head_builder {
    struct buf bytes;
    struct head_slot *slots;
    unsigned n_slots, cap_slots;
    uint32_t method_at, method_n, target_at, target_n, authority_at, authority_n;
    bool in_value;      /* the last slot's value has begun */
    bool has_authority; /* :authority, or an absolute target */
    bool target_done;
    bool in_version; /* the request line's last part has begun */
};
struct head_builder *head_take(struct http_server *s); /* the server's spare, or a new one; empty */
void head_give(struct http_server *s, struct head_builder *b);
void head_free(struct head_builder *b);
size_t head_memory(const struct head_builder *b); /* NULL: 0 */
/* A plain request head that is wholly there, at once; 0: is not, use the pieces. Else how long it is, and what of its
 * framing is not in the fields: ret_length is 0 without content-length. */
size_t head_quick(struct head_builder *b, struct str bytes, unsigned fields_max, uint64_t *ret_length);
void head_name(struct head_builder *b, struct str part); /* lower-cased */
void head_value(struct head_builder *b, struct str part);
struct str head_field(const struct head_builder *b, struct str name, unsigned *ret_count); /* the first; how many */
/* Checks target and Host, cuts the prefix, finds the peer behind proxies. The stream gets its request, one block, also
 * when it is refused (what is known of it is in there). */
MUST_USE enum err head_build(const struct head_builder *b, const struct conn *c, struct stream *s, struct fault *why);

/* Gives the stream a copy of a request made inside the process, as it is: nothing is cut or checked. Without the body. */
void head_copy(const struct http_request *r, struct stream *s);

/* The request's block back to its server; NULL: none. */
void head_drop(struct http_server *s, struct http_request *r);
void head_blocks_free(struct http_server *s);

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

#define BODY_UNKNOWN UINT64_MAX
struct decoder;
/* A request body being collected. Grows as bytes come, never ahead of them by more than 256 KiB. */
struct body {
    char *p;
    size_t n, cap;
    uint64_t wire;           /* received, before decoding */
    uint64_t expected;       /* Content-Length or BODY_UNKNOWN */
    struct decoder *decoder; /* NULL: identity */
    size_t taken;            /* asked of take_memory() and not given back */
};
MUST_USE enum err body_begin(struct body *b, const struct http_server_options *o, struct str coding, uint64_t expected,
                             struct fault *why);
MUST_USE enum err body_add(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why);
/* Where the next bytes may be received directly; room 0: nowhere (coded, or length unknown). */
MUST_USE enum err body_room(struct body *b, const struct http_server_options *o, struct str *ret_room, struct fault *why);
void body_took(struct body *b, size_t n); /* received into body_room() */
MUST_USE enum err body_end(struct body *b, struct fault *why);
/* After on_head(): may one of this length and coding be collected, or passed on? */
MUST_USE enum err body_check(const struct body *b, const struct http_server_options *o, bool passes, struct fault *why);
/* n bytes were passed on instead of body_add(). */
MUST_USE enum err body_pass(struct body *b, const struct http_server_options *o, size_t n, struct fault *why);
/* All at once, instead of the four above. */
MUST_USE enum err body_copy(struct body *b, const struct http_server_options *o, struct str bytes, struct fault *why);
void body_done(struct body *b, const struct http_server_options *o);

/* decode.c: content codings, streaming. */
MUST_USE enum err decoder_new(struct str coding, struct decoder **ret_decoder, struct fault *why); /* NULL: identity */
void decoder_free(struct decoder *d);
size_t decoder_size(const struct decoder *d);
/* Decodes from *in (advanced) into room bytes at out; ret_n 0 and *in empty: needs more. */
MUST_USE enum err decoder_step(struct decoder *d, struct str *in, struct iovec out, size_t *ret_n, struct fault *why);
bool decoder_is_whole(const struct decoder *d); /* the input may end here */

/* ---- who is there: proxy.c --------------------------------------------------------------------------------------------- */

#define PEER_TEXT 46
struct peer {
    uint8_t addr[16]; /* IPv4 as v4-mapped */
    char text[PEER_TEXT];
};
struct sockaddr;
void peer_set(struct peer *p, const struct sockaddr *sa);
bool peer_is_in(const uint8_t addr[16], const struct http_network *networks, size_t n);
/* The client behind trusted proxies: the rightmost address that no trusted proxy owns; STR_NONE: none given. */
struct str peer_forwarded(struct http_fields fields, const struct http_network *trusted, size_t n);
/* PROXY protocol v2. ret_size: how long the header is, as far as known; it is whole, and the peer set, when that many
 * bytes are there. LOCAL leaves the peer as it is. */
#define PROXY_HEAD 16
#define PROXY_MAX 2048
MUST_USE enum err proxy_parse(struct str bytes, struct peer *peer, size_t *ret_size, struct fault *why);

/* ---- streams ----------------------------------------------------------------------------------------------------------- */

enum answer { ANSWER_NONE, ANSWER_BODY, ANSWER_ENDED, ANSWER_BROKEN };
#define LEFT_CHUNKED (-1) /* length unknown, framed */
#define LEFT_CLOSE (-2)   /* length unknown, the connection's end ends it */

/* What only a stream of an HTTP/2 connection has. */
struct h2_part {
    int32_t id;
    bool collects;         /* the body is wanted */
    bool in_ended;         /* END_STREAM came */
    bool out_ended;        /* END_STREAM went to the link */
    bool is_over;          /* nghttp2 has forgotten it */
    bool waits;            /* for bytes of the handler */
    bool was_high, is_low; /* the queue was over HTTP_QUEUE_LOW; and has fallen: on_writable() is owed */
    uint64_t began;        /* loop_now() of its head */
    uint64_t in_at;        /* of its last bytes in */
    size_t owed;           /* bytes of a body that rests, for its window */
    uint64_t out_at;       /* when its queue last moved, or was begun */
    struct buf queue;      /* bytes of the answer that flow control holds back */
    size_t queue_at;
};

struct stream {
    struct http_stream pub;
    struct conn *conn;
    struct stream *prev, *next; /* the connection's (h2), or next spare */
    struct body body;
    int64_t left;         /* answer's bytes still owed, or LEFT_* */
    uint32_t head_bytes;  /* of pub.request, while there is one */
    unsigned char answer; /* enum answer */
    bool told;            /* on_head or on_bad was called: on_closed is owed */
    bool is_head;         /* the request's method, known also after its release */
    bool no_body;         /* HEAD, 204, 304: writes are ignored */
    bool passes, rests;   /* the body goes to on_body(); it shall wait */
    uint32_t rests_since; /* lowest bits of loop_now() */
    struct h2_part h2[];  /* one on an HTTP/2 connection, else none: a waiting stream stays small */
};
struct stream *stream_new(struct conn *c);
void streams_free(struct http_server *s); /* the spare ones */
static inline struct stream *stream_of(struct http_stream *s) { return CONTAINER_OF(s, struct stream, pub); }
void stream_release(struct stream *s); /* head and body of the request */
/* A piece of the body to the handler. */
MUST_USE enum err stream_pass(struct stream *s, struct str bytes, struct fault *why);
void stream_tell(struct stream *s, bool complete); /* on_closed(), once; the request is released */
/* Tells the handler and recycles. */
void stream_close(struct stream *s, bool complete);

/* ---- connections -------------------------------------------------------------------------------------------------------- */

/* A protocol on a connection. Handlers of the gateway are called from these; freeing is always left to settle(). */
struct proto {
    void (*start)(struct conn *c);
    void (*on_data)(struct conn *c, struct str bytes);
    void (*on_drained)(struct conn *c);
    void (*on_deadline)(struct conn *c);
    void (*settle)(struct conn *c); /* end of the turn: close streams that are over, go on */
    void (*drain)(struct conn *c);  /* no new requests: close if idle */
    void (*done)(struct conn *c);   /* free what the protocol owns */
    void (*starve)(struct conn *c); /* the memory ceiling is reached: hold less, refuse what only begins */
    size_t (*held)(const struct conn *c);
    void (*head)(struct stream *s, int status, struct http_fields fields, int64_t body_length);
    void (*write)(struct stream *s, struct str bytes);
    void (*finish)(struct stream *s, struct str last);
    void (*abort)(struct stream *s);
    void (*flush)(struct stream *s); /* send a head that waits */
    size_t (*queued)(const struct stream *s);
    void (*rest)(struct stream *s, uint32_t rested_ms); /* s->rests has changed; for how long it was so */
};
extern const struct proto H1, H2, WS;

enum h1_in { IN_IDLE, IN_HEAD, IN_STRANGE, IN_BODY, IN_DONE, IN_BAD, IN_LINGER };
struct h1 {
    llhttp_t parser;
    struct head_builder *builder; /* while a head comes in */
    struct stream *stream;        /* the one request under way */
    struct buf carry;             /* received behind the request under way */
    size_t carry_at;
    size_t overhead;     /* head bytes so far; in a chunked body: since the last data; lingering: thrown away */
    uint64_t body_left;  /* of a body with Content-Length */
    uint64_t body_began; /* loop_now() when its head was whole */
    uint64_t passed;     /* handed to the link so far */
    uint64_t seen;       /* of them, taken by the client when the write deadline was last looked at */
    unsigned char in;    /* enum h1_in */
    bool keep, is_10;
    bool was_spoken;        /* a whole head came: the client does speak HTTP/1 */
    bool chunked, collects; /* of the body under way */
    bool wants_continue;    /* and was not told to go on yet */
    struct fault *why;      /* while the parser runs: a callback's own reason to stop it */
    const char *data_end;   /* while the parser runs: behind the last data of a chunk */
};

struct conn {
    struct link link;
    struct http_server *server;
    struct conn *prev, *next;
    struct options *options;
    const struct proto *proto; /* NULL until it is known */
    struct timer timer;
    struct defer later;
    uint64_t deadline; /* 0: none; the timer may fire earlier */
    struct peer peer;
    struct proxy_wait *wait; /* while a PROXY header is expected; it has the socket then */
    uint32_t held;           /* bytes, as counted in the server's account */
    bool is_tls, dead, linked;
    unsigned char sniffed; /* bytes of HTTP/2's preface seen so far */
    struct h2 *h2;
    struct http_ws *ws; /* what it becomes, or is */
    struct h1 h1;
};
/* docs/performance.md counts what an open stream may take, and who takes it: 4 KB for all rooms together. */
_Static_assert(sizeof(struct conn) <= 584 && sizeof(struct stream) <= 136, "an open stream that waits must stay small");
void conn_enlist(struct conn *c); /* among the server's; conn_free() takes it off */
void conn_accept(struct http_server *s, int fd, const struct sockaddr *peer, struct tls_server *tls);
void conn_later(struct conn *c);                 /* settle() at the end of this turn */
void conn_kill(struct conn *c);                  /* nothing more to say: closed at the end of this turn */
void conn_deadline(struct conn *c, uint64_t ms); /* moves it; 0: none */
/* Counts what it holds now. False: the memory ceiling is reached. Bodies are counted by themselves. */
bool conn_account(struct conn *c);
MUST_USE enum err conn_no_memory(struct fault *why);
void conn_drain(struct conn *c);
void conn_free(struct conn *c);
/* Options of the newest generation, if no request of this connection is under way. */
void conn_renew_options(struct conn *c);

/* ---- WebSocket ------------------------------------------------------------------------------------------------------------ */

#define WS_ACCEPT 28 /* characters of Sec-WebSocket-Accept */
void ws_accept_key(struct str key, char ret_text[WS_ACCEPT + 1]);
struct http_ws *ws_new(struct conn *c, const struct http_ws_handler *h, const struct http_ws_options *o, void *user);
void ws_begin(struct conn *c, struct str carried); /* HTTP is over: c speaks WebSocket, beginning with what came already */
void ws_drop(struct conn *c);                      /* with its connection; on_closed() if that was not told; NULL is fine */

/* ---- the server ---------------------------------------------------------------------------------------------------------- */

struct listener {
    struct watch watch;
    struct timer pause;
    struct http_server *server;
    struct tls_server *tls;
    struct listener *next;
};
struct http_server {
    struct loop *loop;
    struct http_handler handler;
    void *user;
    struct options *options;
    struct listener *listeners;
    struct conn *conns;
    struct spare_streams {
        struct stream *first;
        unsigned n;
    } spare_streams[2]; /* those without an h2_part, and those with one */
    struct head_builder *spare_builder;
    struct block *free_blocks; /* of requests; head.c */
    unsigned n_free_blocks;
    struct h2_shared *h2;   /* callbacks and options of all sessions, made for the first one */
    struct buf head;        /* an answer's head that waits for its first bytes */
    struct stream *head_of; /* whose */
    struct defer flush, empty;
    char date[32]; /* "Mon, 23 Nov 2026 08:16:46 GMT" of date_s */
    int64_t date_s;
    bool draining;
    void (*on_empty)(void *user);
    struct http_server_stats stats;
    struct account account;
};
void h2_shared_free(struct h2_shared *h);
void server_flush_head(struct http_server *s);
/* Takes the place of the one waiting head, sending the other one on. */
struct buf *server_claim_head(struct http_server *s, struct stream *of);
struct str server_date(struct http_server *s);
void server_conn_gone(struct http_server *s);

/* response.c: `HTTP/1.1 200 OK` and fields; framing is one of the two. */
struct response_frame {
    int64_t length;            /* >= 0: content-length; LEFT_CHUNKED; LEFT_CLOSE */
    bool close, keep_10, bare; /* bare: neither length nor coding (204, 304) */
};
void response_head(struct buf *out, int status, struct http_fields fields, struct response_frame frame, struct str date);
bool response_has_body(int status);
/* The server's own fields are not taken from the handler. */
bool response_field_is_ours(struct str name);
bool response_field_may_pass(const struct http_field *f); /* well formed and not ours */
