/* link: one byte connection, plain or TLS, under the server's and the client's connections. Private to this room.
 * Embedded in its owner; owns the socket, the SSL object and the queue of bytes that the peer did not take yet. */
#pragma once

#include <sys/uio.h>

#include "http/http.h"

struct ssl_st;
struct link;

struct link_handler {
    void (*on_open)(struct link *k);                  /* TCP connected and TLS shaken hands */
    /* Received bytes, in the loop's scratch or in the buffer given by link_read_into(). */
    void (*on_data)(struct link *k, struct str bytes);
    void (*on_drained)(struct link *k);               /* the queue fell below HTTP_QUEUE_LOW after having been over it, or to 0 */
    /* The peer closed its side (code OK), or an error (ERR_IO, ERR_UPSTREAM_TLS …). Called at most once; the owner then
     * calls link_close(). */
    void (*on_closed)(struct link *k, const struct fault *why);
};

struct link {
    struct loop *loop;
    const struct link_handler *handler;
    struct watch watch;
    int fd;                 /* -1: closed */
    struct ssl_st *ssl;     /* NULL: plain */
    struct buf out;         /* queued plain bytes (TLS: not yet encrypted) */
    size_t out_at;          /* of them, already sent */
    char *into;             /* link_read_into() target */
    size_t into_room;
    unsigned char state;    /* enum link_state in link.c */
    bool reading, was_high, read_wants_write, write_wants_read;
};

/* Takes over an accepted, non-blocking socket. on_open may come before this returns for plain links. */
MUST_USE enum err link_accept(struct link *k, struct loop *l, int fd, struct tls_server *tls,
                              const struct link_handler *h, struct fault *why);
/* Takes over a connected, non-blocking socket as client; with TLS the handshake begins. */
MUST_USE enum err link_connect(struct link *k, struct loop *l, int fd, const struct http_origin *tls_origin,
                               const struct link_handler *h, struct fault *why);
/* Sends as much as possible now, queues the rest (copies). False: broken, on_closed follows from the loop. */
bool link_send(struct link *k, struct iovec *v, int n);
size_t link_queued(const struct link *k);
void link_read(struct link *k, bool on); /* back-pressure */
/* The next bytes go straight to `into` (a body of known length); on_data() is called with them there. 0 ends it. */
void link_read_into(struct link *k, char *into, size_t room);
struct str link_alpn(const struct link *k); /* "h2", "http/1.1" or "" */
bool link_was_resumed(const struct link *k);
/* Closes now (a TLS close_notify is tried once). No callbacks after it. The owner may be freed. */
void link_close(struct link *k);
