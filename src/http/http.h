/* http: HTTP/1.1 and HTTP/2 server connections, the pooled HTTP/1.1 upstream client, TLS, SSE framing. Wire only, no
 * opinion: who may call what is decided above. Every object belongs to one loop and its thread, but for the TLS
 * contexts and origins, which are reference-counted and shared. */
#pragma once

#include "base/base.h"
#include "loop/loop.h"

/* ---- fields ------------------------------------------------------------------------------------------------------ */

struct http_field {
    struct str name; /* lower case when received */
    struct str value;
};
struct http_fields {
    const struct http_field *at;
    size_t n;
};
struct str http_field_get(struct http_fields fields, struct str name); /* first; p == NULL: none */
bool http_field_is_token(struct str name);                             /* RFC 9110 5.1 */
bool http_field_value_is_valid(struct str value);                      /* no CR, LF, NUL */

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

struct tls_server; /* certificate, key, ALPN h2 + http/1.1; TLS 1.2 and 1.3 */
struct tls_client; /* full verification, SNI, session cache for resumption shared by all loops */

MUST_USE enum err tls_server_new(const char *cert_file, const char *key_file, struct tls_server **ret_tls, struct fault *why);
void tls_server_ref(struct tls_server *t);
void tls_server_unref(struct tls_server *t);
/* ca_file NULL: the system's. The same file, unchanged, gives the same object. */
MUST_USE enum err tls_client_new(const char *ca_file, struct tls_client **ret_tls, struct fault *why);
void tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client *t);

/* ---- server ------------------------------------------------------------------------------------------------------ */

struct http_server;
struct http_stream;

struct http_limits {
    size_t head_max;         /* request line and fields, bytes (default 64 KiB) */
    unsigned fields_max;     /* default 128 */
    size_t body_max;         /* after decompression (default 32 MiB) */
    size_t pass_max;         /* of a body that the handler takes in pieces (default 512 MiB) */
    unsigned inflate_ratio;  /* a body that grows more than this many times (and over 1 MiB) is a bomb (default 100) */
    uint32_t head_ms;        /* first byte of a head to its end (default 30 s) */
    uint32_t body_gap_ms;    /* longest silence inside a body (default 30 s) */
    uint32_t idle_ms;        /* kept-alive connection without a request (default 10 min) */
    uint32_t write_gap_ms;   /* a client that takes nothing for so long is gone (default 5 min) */
    uint32_t drain_ms;       /* a draining server's idle connection waits so long for a request on its way (default 500 ms) */
    unsigned h2_streams_max; /* concurrent per connection (default 256) */
};
void http_limits_default(struct http_limits *l);

/* One network of trusted proxies. IPv4 as v4-mapped IPv6. */
struct http_network {
    uint8_t addr[16];
    uint8_t bits;
};
MUST_USE enum err http_network_parse(struct str cidr, struct http_network *ret_network, struct fault *why);

struct http_server_options {
    struct http_limits limits;
    const struct http_network *trusted; /* X-Forwarded-For and PROXY v2 count only from these peers */
    size_t n_trusted;
    bool proxy_protocol;    /* trusted peers must begin with a PROXY v2 header */
    struct str path_prefix; /* "" or "/llm": cut from the path; other paths are not found */
    /* Asks for memory before a body buffer grows, and for heads and buffers of connections in steps of 64 KiB; false →
     * 503 (the memory ceiling). May be NULL. Given back by a negative amount. The first options' hold for the server. */
    bool (*take_memory)(void *user, int64_t bytes);
    void *user;
};

/* One request as the handler sees it. Lives until http_stream_release_request() or the end of the stream. */
struct http_request {
    struct str method;         /* "POST" */
    struct str path;           /* as sent, without prefix and query */
    struct str whole_path;     /* as sent, with the prefix: what a signature covers */
    struct str query;          /* after '?', "" when none */
    struct str authority;      /* Host or :authority */
    struct str peer;           /* the client's address as text, behind trusted proxies */
    struct http_fields fields; /* without pseudo-fields */
    struct str body;           /* whole and decoded; "" before on_request() */
    bool is_head, is_tls, is_h2;
    void *opener; /* of a local stream: what http_local_open() was given, until it is cancelled; NULL: came over the network */
};

struct http_stream {
    struct http_server *server;
    struct http_request *request; /* NULL after release */
    void *user;                   /* the handler's */
};

struct http_handler {
    /* The head is here, the body not. Return true to have the body collected (100-continue is sent); false after having
     * answered already: the body is drained within bounds or the connection closed. */
    bool (*on_head)(struct http_stream *s, void *user);
    void (*on_request)(struct http_stream *s, void *user); /* head and body are whole */
    /* The request is malformed, too large or too slow: the handler answers in the caller's format; the connection closes
     * after it (h1) or the stream (h2). What is known of the request is in s->request. Called before on_request only. */
    void (*on_bad)(struct http_stream *s, const struct fault *why, void *user);
    void (*on_writable)(struct http_stream *s, void *user); /* the queue fell below HTTP_QUEUE_LOW */
    /* Last call for this stream, always made exactly once after on_head or on_bad was called. complete: the whole answer
     * was handed to the kernel; false: the client went away (or we aborted). Never called from inside the handler's own
     * http_stream_*() calls: it comes from the loop. */
    void (*on_closed)(struct http_stream *s, bool complete, void *user);
    /* A piece of a body that http_stream_pass_body() asked for; valid during the call. on_request() follows the last one. May
     * be NULL where nobody asks. */
    void (*on_body)(struct http_stream *s, struct str bytes, void *user);
};

struct http_server_stats {
    _Atomic uint64_t accepted, requests;
    _Atomic int64_t connections, streams;
};

struct http_server *http_server_new(struct loop *l, const struct http_handler *h, const struct http_server_options *o,
                                    void *user);
/* Options of a new generation; connections under way keep theirs until their next request. Copies. */
void http_server_set_options(struct http_server *s, const struct http_server_options *o);
/* Accepts on a listening socket (kept by the caller). tls NULL: plain. HTTP/2 by ALPN or by prior knowledge. */
MUST_USE enum err http_server_listen(struct http_server *s, int fd, struct tls_server *tls, struct fault *why);
/* Stops accepting, closes idle connections after half a second (a request may be on its way: it is served), lets answers
 * under way end (`connection: close`, GOAWAY).
 * on_empty is called once, from the loop, when the last connection is gone. */
void http_server_drain(struct http_server *s, void (*on_empty)(void *user));
void http_server_free(struct http_server *s); /* aborts what is left */
const struct http_server_stats *http_server_stats_get(const struct http_server *s);

#define HTTP_BODY_UNKNOWN UINT64_MAX
#define HTTP_QUEUE_HIGH KIB(64) /* feed no more while more than this is queued */
#define HTTP_QUEUE_LOW KIB(16)  /* on_writable() comes when the queue falls below */

/* The answer's head. body_length < 0: unknown (chunked, or DATA frames until the end). `date`, `content-length`,
 * `transfer-encoding` and `connection` are the server's own; fields must not hold them. Sent with the first write, at the
 * latest at the end of this turn of the loop. */
void http_stream_head(struct http_stream *s, int status, struct http_fields fields, int64_t body_length);
/* Sends; what the client does not take now is copied and queued. Returns the bytes queued. Ignored for HEAD. */
size_t http_stream_write(struct http_stream *s, struct str bytes);
/* The last bytes (may be empty) and the end, in one packet where they fit. */
void http_stream_finish(struct http_stream *s, struct str last);
/* Head, body and end at once. */
void http_stream_answer(struct http_stream *s, int status, struct http_fields fields, struct str body);
/* Breaks the transfer so that the client sees it: no last chunk, or RST_STREAM. */
void http_stream_abort(struct http_stream *s);
size_t http_stream_queued(const struct http_stream *s);
/* Within on_head(), which then returns true: the body is not collected but handed over as it comes, to on_body(), as long as
 * nothing was answered; a compressed one is refused. */
void http_stream_pass_body(struct http_stream *s);
uint64_t http_stream_body_length(const struct http_stream *s); /* as announced; HTTP_BODY_UNKNOWN: it is not */
/* No more of it is read (what was received already may still come), and no deadline of its arrival runs; the answer ends it. */
void http_stream_rest_body(struct http_stream *s, bool rests);
/* Frees head and body of the request early; s->request becomes NULL. */
void http_stream_release_request(struct http_stream *s);

/* ---- local streams: requests that the process makes to its own handler -------------------------------------------------- */

/* The third kind of stream, beside HTTP/1.1's and HTTP/2's: no socket; the handler of the server serves it like any other,
 * and its answer goes to a struct http_local_handler. Drain waits for it, http_server_free() breaks it off.
 * Whatever comes, comes from the loop, at the end of a turn: none of these calls is made inside http_local_open(), _pause(),
 * _resume(), _cancel() or inside the answering handler's http_stream_*() calls. */
struct http_local;
struct http_local_handler {
    void (*on_head)(struct http_local *l, int status, struct http_fields fields, void *user); /* valid during the call */
    /* What the handler wrote since the last call, at least one byte; valid during the call. */
    void (*on_body)(struct http_local *l, struct str bytes, void *user);
    /* Last call, l is gone after it. complete: the answer was whole; false: the handler aborted it, or the server ends.
     * It may come without an on_head() before it. */
    void (*on_end)(struct http_local *l, bool complete, void *user);
};
/* Copies head and body of `r` (method, path, whole_path, query, authority, peer, fields, body, is_tls; `opener` for the
 * handler to see). Nothing of it is checked or cut, so it must be well formed, as a request that came over the network or
 * was made of one is; the body is not encoded. The handler gets on_head() and on_request(), or on_bad() when the body is over
 * the limit or the memory ceiling is reached: it answers in any case. Never NULL. */
struct http_local *http_local_open(struct http_server *s, const struct http_request *r, const struct http_local_handler *h,
                                   void *user);
/* While it rests nothing is told but a broken end. What the handler writes is queued and counted in http_stream_queued(). */
void http_local_pause(struct http_local *l);
void http_local_resume(struct http_local *l);
/* Nobody wants the answer any more: no more calls, l counts as gone; the handler gets on_closed(complete = false) if it has
 * the request. Not from on_end(). */
void http_local_cancel(struct http_local *l);

/* ---- WebSocket (RFC 6455), the server's side, over HTTP/1.1 --------------------------------------------------------------- */

/* Messages are text in UTF-8. No extension is spoken, no subprotocol chosen, binary messages are refused (1003). A message is
 * bounded like a request's body (limits.body_max, take_memory), a silence inside one by body_gap_ms, a client that does not
 * read by write_gap_ms; while more than HTTP_QUEUE_HIGH is queued for it nothing of it is read. */
struct http_ws;
struct http_ws_handler {
    void (*on_message)(struct http_ws *w, struct str text, void *user); /* whole and valid; the bytes live during the call */
    void (*on_writable)(struct http_ws *w, void *user);                 /* the queue fell below HTTP_QUEUE_LOW */
    void (*on_drain)(struct http_ws *w, void *user);                    /* the server ends: http_ws_close() it soon */
    /* Last call, always made once, from the loop: closed by either side, or broken. */
    void (*on_closed)(struct http_ws *w, void *user);
};
struct http_ws_options {
    uint32_t heartbeat_ms; /* a ping when nothing was sent for so long; 0: none */
    uint32_t idle_ms;      /* without any message for so long it is closed (1000), unless busy; 0: never */
};
bool http_ws_is_asked(const struct http_request *r); /* it wants to leave HTTP for a WebSocket */
/* May this request, whose body is whole (empty), become one? ERR_UPGRADE (426), ERR_BAD_HTTP. */
MUST_USE enum err http_ws_check(struct http_stream *s, struct fault *why);
/* Answers 101, with `fields` besides; s ends as after any answer and its connection becomes the WebSocket: messages come when
 * on_closed() of the stream is through. Only after http_ws_check(). Copies handler and options. */
struct http_ws *http_ws_accept(struct http_stream *s, struct http_fields fields, const struct http_ws_handler *h,
                               const struct http_ws_options *o, void *user);
size_t http_ws_send(struct http_ws *w, struct str text); /* one message; returns the bytes queued; ignored once closing */
size_t http_ws_queued(const struct http_ws *w);
void http_ws_busy(struct http_ws *w, bool is_busy); /* an answer is under way: it is not idle */
/* Sends what is queued, then a close with the code (1000…4999) and a reason of up to 123 bytes. on_closed() follows when the
 * client has agreed, or after five seconds; no message comes any more. */
void http_ws_close(struct http_ws *w, unsigned code, struct str reason);

/* ---- upstream client --------------------------------------------------------------------------------------------- */

/* Where calls go. Same key: same pool, also across generations. Reference-counted, immutable, shared by loops. */
struct http_origin {
    _Atomic unsigned refs;
    uint64_t hash;   /* of the key */
    struct str key;  /* "https://api.example.com:443 ca=… proxy=…"; no secrets */
    struct str host; /* name or address literal without brackets; SNI and verification use it */
    uint16_t port;
    struct str authority;   /* Host field: host[:port] */
    struct tls_client *tls; /* NULL: plain */
    struct str unix_path;   /* a socket in the file system, instead of host and port; "" none */
    struct str proxy_host;  /* HTTP CONNECT proxy; "" none */
    uint16_t proxy_port;
    struct str proxy_authorization; /* value of Proxy-Authorization, "" none; a secret */
};
struct http_origin_options {
    struct str url;     /* http(s)://host[:port][/base] */
    struct str ca_file; /* "" system */
    struct str proxy;   /* "" or http://[user:password@]host:port */
};
/* ret_base_path: the URL's path without a trailing slash ("" or "/v1"), pointing into o->url. */
MUST_USE enum err http_origin_new(const struct http_origin_options *o, struct http_origin **ret_origin, struct str *ret_base_path,
                                  struct fault *why);
/* A socket in the file system, of any length of path: another process of ours. */
struct http_origin *http_origin_unix(struct str path);
void http_origin_ref(struct http_origin *o);
void http_origin_unref(struct http_origin *o);

struct http_deadlines {     /* milliseconds; 0: none */
    uint32_t connect_ms;    /* name, TCP (both families raced), proxy and TLS; default 5 s */
    uint32_t first_byte_ms; /* from the call's start to the answer's head; default 10 min */
    uint32_t gap_ms;        /* longest silence inside the answer, and crawl without getting on; default 5 min */
    uint32_t total_ms;      /* default none */
};

struct http_call;
struct http_call_handler {
    /* Final head (1xx are swallowed). fields are valid during the call only. */
    void (*on_head)(struct http_call *c, int status, struct http_fields fields, void *user);
    /* Transfer coding removed; valid during the call. True: the answer got on with these (a whole event, any byte where each
     * counts). What does not get on for gap_ms, at less than 1,000 bytes a second, is a hang. */
    bool (*on_body)(struct http_call *c, struct str bytes, void *user);
    void (*on_end)(struct http_call *c, void *user); /* message whole; c is gone after it */
    /* Refused, hung, broken or garbage; why->code tells (ERR_UPSTREAM_*). c is gone after it. */
    void (*on_fail)(struct http_call *c, const struct fault *why, void *user);
    /* Of a call whose body is fed: the upstream has taken so much that less than HTTP_QUEUE_LOW waits. From the loop. */
    void (*on_hungry)(struct http_call *c, void *user);
};
struct http_call_request {
    struct str method;
    struct str target;         /* path and query */
    struct http_fields fields; /* without Host, Content-Length, Connection, Transfer-Encoding */
    /* The body, to be sent in order; bytes stay valid until the answer's head or the end. What is not sent when the head
     * comes is not sent any more. */
    const struct str *pieces;
    size_t n_pieces; /* the array itself is copied */
    /* Instead of pieces: the body comes by http_call_feed(), this long; HTTP_BODY_UNKNOWN: chunked. Such a call gets a
     * connection of its own, and is not sent again once some of the body is gone. */
    bool is_fed;
    uint64_t fed_length;
};
struct http_client_stats {
    _Atomic uint64_t calls, reused, connects, connect_failures, stale_retries, tls_handshakes, tls_resumed;
    _Atomic int64_t open, idle;
};
struct http_client_options {      /* 0: the default */
    unsigned idle_max_per_origin; /* default 1024 */
    uint32_t idle_ms;             /* a pooled connection is closed before vendors do it: default 55 s, or what they announce */
    size_t head_max;              /* an answer's head (default 64 KiB) */
    /* As in http_server_options: told what connections hold; may refuse, which here only counts. May be NULL. */
    bool (*take_memory)(void *user, int64_t bytes);
    void *user;
};

struct http_client *http_client_new(struct loop *l, const struct http_client_options *o); /* NULL: defaults */
void http_client_free(struct http_client *c);                                             /* fails no calls: they must be over */
void http_client_fail_calls(struct http_client *c); /* those under way: on_fail() comes from in here; before the loop's end */
const struct http_client_stats *http_client_stats_get(const struct http_client *c);

/* Starts a call; never calls back before it returns. A stale kept-alive connection is retried once, transparently, when
 * not one byte of an answer had come. Redirects are never followed. The origin is referenced while it is used. */
struct http_call *http_call_start(struct http_client *c, struct http_origin *o, const struct http_call_request *r,
                                  const struct http_deadlines *d, const struct http_call_handler *h, void *user);
/* The next bytes of a fed body; copied. Returns how many wait to be sent. What comes after the answer's head, and what is longer
 * than was said, goes nowhere; nor does anything of a call that is not fed. */
size_t http_call_feed(struct http_call *c, struct str bytes);
void http_call_feed_end(struct http_call *c);
void http_call_pause(struct http_call *c); /* no on_body() until resumed; the upstream feels it; gap deadline rests */
void http_call_resume(struct http_call *c);
void http_call_cancel(struct http_call *c);         /* closes the socket now; no more callbacks; c is gone */
bool http_call_was_sent(const struct http_call *c); /* any byte of the request reached the kernel's socket buffer */

/* ---- SSE: whole events out of any cut of the bytes ------------------------------------------------------------------ */

/* WHATWG HTML 9.2: lines end in LF, CRLF or CR, an event in a blank line. Comment-only blocks are events without data. Older servers of
 * llama.cpp have a field of their own, `error:`; it is read as the data of an event of that name. */
struct sse_event {
    struct str raw;  /* the event's bytes with its blank line */
    struct str name; /* `event:`, "" when none */
    struct str data; /* `data:` lines joined with LF */
    bool has_data;
};
struct sse_reader {
    struct buf carry;  /* an event not yet whole, or the one handed out that began in earlier bytes */
    struct buf joined; /* the data of an event with several lines */
    struct str fresh;  /* handed in and not yet looked at */
    size_t event_max;
    bool blank;      /* the line has no byte yet */
    bool after_cr;   /* a CR ended the last line; an LF now belongs to it */
    bool at_end;     /* … and that line was blank: the event is whole when we know about the LF */
    bool handed_out; /* carry is the event handed out last */
    bool begun;      /* past the place of a byte order mark */
    bool failed;     /* an event over event_max */
};
void sse_init(struct sse_reader *r, size_t event_max);
void sse_done(struct sse_reader *r);
/* Hands in received bytes, which stay valid until sse_next() is false; call that until then. ERR_UPSTREAM_TOO_LARGE: an
 * event over event_max (found while the bytes before were looked at). */
MUST_USE enum err sse_feed(struct sse_reader *r, struct str bytes, struct fault *why);
/* No more bytes will come: then sse_next() again. What is pending after that was cut. Errors as sse_feed(). */
MUST_USE enum err sse_finish(struct sse_reader *r, struct fault *why);
bool sse_next(struct sse_reader *r, struct sse_event *ret_event); /* valid until the next sse_ call */
size_t sse_pending(const struct sse_reader *r);                   /* bytes of an unfinished event */

/* ---- AWS Signature Version 4 ---------------------------------------------------------------------------------------- */

/* docs.aws.amazon.com/IAM, "Create a signed AWS API request". Pure functions: no clock, no state but a digest context per
 * thread. Used towards Bedrock (signing) and for callers who sign with a key pair of ours (checking). The path is encoded
 * twice, as for every service but S3. */

#define SIGV4_HASH 64 /* hexadecimal SHA-256 or HMAC, without a NUL */
#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY_BODY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_SKEW_MS 300000          /* a signature in a header holds for 5 minutes either way, as at AWS */
#define SIGV4_EXPIRES_MAX (7 * 86400) /* seconds; of a presigned request */
#define SIGV4_KEY 32                  /* bytes of a signing key */

/* A request as it stands on the wire. */
struct sigv4_request {
    struct str method;
    struct str path;           /* percent-encoded as sent; "" means "/" */
    struct str query;          /* without '?' */
    struct str host;           /* the Host field or :authority, as sent */
    struct http_fields fields; /* names in any case */
};
struct sigv4_scope {
    struct str date; /* "20150830" */
    struct str region, service;
};

void sigv4_hash(struct str bytes, char ret_hex[SIGV4_HASH]);
void sigv4_hash_pieces(const struct str *pieces, size_t n, char ret_hex[SIGV4_HASH]);
/* The canonical request; `names`: of the signed fields, lower case, joined by ';'. body: hexadecimal SHA-256 or
 * SIGV4_UNSIGNED. ERR_SIGNATURE_FORM: a field of that name is not in the request, or it has too many parameters. */
MUST_USE enum err sigv4_canonical(const struct sigv4_request *r, struct str names, struct str body, struct buf *out,
                                  struct fault *why);
/* stamp: "20150830T123600Z". */
void sigv4_string_to_sign(struct str stamp, const struct sigv4_scope *scope, struct str canonical, struct buf *out);
/* Holds for a day; may be kept as long (wipe it). */
void sigv4_key(struct secret secret, const struct sigv4_scope *scope, uint8_t ret_key[SIGV4_KEY]);
void sigv4_signature(const uint8_t key[SIGV4_KEY], struct str string_to_sign, char ret_hex[SIGV4_HASH]);

struct sigv4_credentials {
    struct str access_key;
    struct secret secret_key;
    struct secret session_token; /* "" none */
};
struct sigv4_signer {
    struct sigv4_credentials credentials;
    struct str region, service;
    int64_t wall_ms;
};
#define SIGV4_FIELDS 4 /* x-amz-date, x-amz-content-sha256, x-amz-security-token, authorization */
#define SIGV4_SIGNED_MAX 48
#define SIGV4_SECRET_MAX 256
/* The fields to send beside the request's own. They point into this struct and to what was given: not to be copied. */
struct sigv4_signed {
    struct http_field fields[SIGV4_FIELDS];
    unsigned n;
    char stamp[17], authorization[1536];
    char body[SIGV4_HASH]; /* a place for the digest, for who has none */
};
/* Signs `host`, `content-type` and all fields that begin with "x-amz"; their names must be lower case. body: hexadecimal
 * SHA-256. room: scratch, overwritten. ERR_LIMIT: too many fields, or too long ones. */
MUST_USE enum err sigv4_sign(const struct sigv4_request *r, struct str body, const struct sigv4_signer *s, struct buf *room,
                             struct sigv4_signed *ret_signed, struct fault *why);

/* What a signed request says of itself; points into the request and into `room`. */
struct sigv4_claim {
    struct str access_key;
    struct sigv4_scope scope;
    struct str stamp, names, signature;
    struct str body; /* as claimed: hexadecimal SHA-256 or SIGV4_UNSIGNED; "" not said: the body's own digest counts */
    int64_t signed_ms;
    uint32_t expires_s; /* presigned: valid for so long after signed_ms; 0: signed in the header */
};
/* A request with `Authorization: AWS4-…` or `X-Amz-Algorithm=` in its query. */
bool sigv4_is_signed(struct http_fields fields, struct str query);
/* Reads what is claimed; nothing of it is proven. ERR_SIGNATURE_FORM: not whole, doubled, out of order, of another kind. */
MUST_USE enum err sigv4_read(const struct sigv4_request *r, struct buf *room, struct sigv4_claim *ret_claim, struct fault *why);
/* ERR_SIGNATURE_SKEWED: signed in the future; ERR_SIGNATURE_EXPIRED: too long ago. */
MUST_USE enum err sigv4_check_time(const struct sigv4_claim *c, int64_t wall_ms, struct fault *why);
/* ERR_SIGNATURE_SCOPE: not one of these services (a list that ends in NULL). */
MUST_USE enum err sigv4_check_scope(const struct sigv4_claim *c, const char *const *services, struct fault *why);
struct sigv4_proof {
    struct secret secret;
    struct str body;  /* the claim's, or the body's digest when it claims none */
    struct buf *room; /* scratch, overwritten; not the one that sigv4_read() wrote to */
};
/* Constant-time comparison with what the secret gives. ERR_SIGNATURE_INVALID. */
MUST_USE enum err sigv4_check(const struct sigv4_claim *c, const struct sigv4_request *r, const struct sigv4_proof *p,
                              struct fault *why);
/* Is the body the one that was signed? ERR_BODY_DIGEST. */
MUST_USE enum err sigv4_check_body(const struct sigv4_claim *c, struct str body, struct fault *why);

/* ---- AWS event stream: whole frames out of any cut of the bytes ------------------------------------------------------- */

/* application/vnd.amazon.eventstream (docs.aws.amazon.com, Amazon Lex V2, "Event stream encoding"): lengths and CRC-32 of
 * the first 8 bytes, headers, payload, CRC-32 of all before it; numbers in network order. */
#define EVENT_STREAM_HEADERS_MAX KIB(128)

enum event_stream_type { /* of a header's value; its number on the wire */
                         EVENT_STREAM_TRUE,
                         EVENT_STREAM_FALSE,
                         EVENT_STREAM_INT8,
                         EVENT_STREAM_INT16,
                         EVENT_STREAM_INT32,
                         EVENT_STREAM_INT64,
                         EVENT_STREAM_BYTES,
                         EVENT_STREAM_STRING,
                         EVENT_STREAM_TIME, /* Unix milliseconds */
                         EVENT_STREAM_UUID,
                         EVENT_STREAM_TYPES
};
struct event_stream_header {
    struct str name;
    enum event_stream_type type;
    struct str value; /* bytes, string, uuid: the value; else its bytes on the wire */
    int64_t number;   /* integers, time; true is 1 */
};
enum event_stream_kind { EVENT_STREAM_EVENT, EVENT_STREAM_EXCEPTION, EVENT_STREAM_ERROR }; /* `:message-type` */
struct event_stream_frame {
    struct str raw, headers, payload;
    enum event_stream_kind kind;
    struct str type;          /* `:event-type`, `:exception-type` or `:error-code` */
    struct str content_type;  /* `:content-type`, "" when none */
    struct str error_message; /* `:error-message`, "" when none */
};
struct event_stream_reader {
    struct buf carry; /* a frame not yet whole, or the one handed out that began in earlier bytes */
    struct str fresh; /* handed in and not yet looked at */
    size_t frame_max;
    bool handed_out; /* carry is the frame handed out last */
    bool failed;     /* no frame comes after a broken one: nobody knows where it would begin */
};
void event_stream_init(struct event_stream_reader *r, size_t frame_max);
void event_stream_done(struct event_stream_reader *r);
/* Hands in received bytes, which stay valid until event_stream_next() has no more; call that until then. */
void event_stream_feed(struct event_stream_reader *r, struct str bytes);
/* The next whole frame, valid until the next event_stream_ call; *ret_got false: more bytes are needed.
 * ERR_UPSTREAM_GARBAGE: longer than frame_max (told by its first 8 bytes, nothing of it is kept), a wrong CRC, headers
 * that are none; again on every call after it. */
MUST_USE enum err event_stream_next(struct event_stream_reader *r, struct event_stream_frame *ret_frame, bool *ret_got,
                                    struct fault *why);
size_t event_stream_pending(const struct event_stream_reader *r); /* bytes of an unfinished frame */
/* Walks a frame's headers; `rest` begins as frame.headers. False: no more. Headers of a frame are well formed. */
bool event_stream_header(struct str *rest, struct event_stream_header *ret_header);

/* Writes a frame around a payload that the caller appends to `out` between the two calls. type "": no such header. */
struct event_stream_mark {
    size_t start, payload;
};
struct event_stream_mark event_stream_begin(struct buf *out, enum event_stream_kind kind, struct str type,
                                            struct str content_type);
void event_stream_end(struct buf *out, struct event_stream_mark m); /* nothing is written when `out` is over */
