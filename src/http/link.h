/* link: one byte connection, plain or TLS, under the server's and the client's connections. Private to this room.
 * Embedded in its owner; owns the socket, the SSL object and the queue of bytes that the peer did not take yet.
 *
 * Inside any callback the owner may call link_close(); the memory around the link must live until the end of this turn
 * (free it by loop_defer()). At most one on_data() comes for each readiness of the socket (link_taste() tells of the one
 * exception), so after link_read(k, false) nothing more comes but on_closed(), of accepted links and under TLS. */
#pragma once

#include <sys/uio.h>

#include "http/http.h"

struct ssl_st;
struct link;

struct link_handler {
    void (*on_open)(struct link *k); /* TCP connected and TLS shaken hands */
    /* Received bytes, in the loop's scratch or in the buffer given by link_read_into(). */
    void (*on_data)(struct link *k, struct str bytes);
    void (*on_drained)(struct link *k); /* the queue fell below HTTP_QUEUE_LOW after having been over it, or to 0 */
    /* The peer closed its side (code OK; one may still send), or an error (ERR_IO, ERR_UPSTREAM_TLS; ERR_UPSTREAM_CUT:
     * TLS ended without close_notify). Called at most once; the owner then calls link_close(). */
    void (*on_closed)(struct link *k, const struct fault *why);
};

struct link {
    struct loop *loop;
    const struct link_handler *handler;
    struct watch watch;
    int fd;                           /* -1: closed */
    int error;                        /* errno that broke it */
    struct ssl_st *ssl;               /* NULL: plain */
    const struct http_origin *origin; /* of a TLS client; borrowed from the owner */
    struct buf out;                   /* queued bytes as they go out (TLS: encrypted) */
    size_t out_at;                    /* of them, already sent */
    char *into;                       /* link_read_into() target */
    size_t into_room;
    unsigned char state; /* enum link_state */
    bool reading;        /* the owner wants data */
    bool tastes;         /* link_taste() */
    bool was_high;       /* the queue was over HTTP_QUEUE_LOW */
    bool wants_drain;    /* link_write() was refused bytes */
    bool told;           /* on_closed() was called */
    bool minds_end;      /* accepted: a client that went away is noticed also while nothing is read of it */
};

enum link_state {
    LINK_CLOSED = 0, /* never opened, or closed by the owner */
    LINK_SHAKING,    /* TLS handshake */
    LINK_OPEN,
    LINK_BROKEN, /* sending failed: what the peer had sent before is still read, then on_closed() comes */
};

/* Takes over an accepted, non-blocking socket. on_open may come before this returns for plain links. On an error the
 * socket stays the caller's. */
MUST_USE enum err link_accept(struct link *k, struct loop *l, int fd, struct tls_server *tls, const struct link_handler *h,
                              struct fault *why);
/* Takes over a connected, non-blocking socket as client; with TLS (tls_origin not NULL) the handshake begins. */
MUST_USE enum err link_connect(struct link *k, struct loop *l, int fd, const struct http_origin *tls_origin,
                               const struct link_handler *h, struct fault *why);
/* Sends as much as possible now, queues the rest (copies). False: broken, on_closed follows from the loop. Changes v. */
bool link_send(struct link *k, struct iovec *v, int n);
/* Sends what the peer takes now and queues nothing of a plain link, at most some 64 KiB under TLS; on_drained() follows
 * when bytes were left. Returns the bytes taken; v is moved on to the first one that was not. */
size_t link_write(struct link *k, struct iovec *v, int n);
size_t link_queued(const struct link *k);
size_t link_memory(const struct link *k); /* bytes held besides the link itself */
void link_read(struct link *k, bool on);  /* back-pressure */
/* A peer that fell silent because its machine or the network did is found out in some two minutes. Accepted sockets
 * inherit it from the listening one. */
void link_keep_alive(int fd);
/* The next bytes go straight to `into` (a body of known length), one on_data() for each readiness; 0 ends it. Where that
 * cannot be done (TLS near the end of the room) on_data() gets other bytes, perhaps more than the room holds: compare
 * bytes.p, and copy. Only bytes that went to `into` move it on. */
void link_read_into(struct link *k, char *into, size_t room);
/* On: a plain link receives at most LINK_TASTE bytes at once as long as link_read_into() says nothing else. A head fits; of
 * a long body behind it no more than that has to be copied. If on_data() then gives the body its place, the rest follows with
 * a second on_data() for the same readiness. */
#define LINK_TASTE KIB(8)
void link_taste(struct link *k, bool on);
struct str link_alpn(const struct link *k); /* "h2", "http/1.1" or "" */
bool link_was_resumed(const struct link *k);
/* Nothing more will be sent: the peer reads what it got and then the end, while we still read. With an empty queue. */
void link_shutdown(struct link *k);
/* Closes now (a TLS close_notify is tried once). No callbacks after it. The owner may be freed. Idempotent; a zeroed
 * link is closed. */
void link_close(struct link *k);

/* ---- between link.c and link_tls.c -------------------------------------------------------------------------------- */

void link_put(struct link *k, const char *p, size_t n); /* raw bytes out: sent, or queued */
void link_break(struct link *k, int error);
void link_tell(struct link *k, const struct fault *why);
ssize_t link_receive(struct link *k, char *at, size_t room); /* recv(), and the watch is told what that says of readiness */
void link_deliver(struct link *k, char *p, size_t n);
/* Makes the SSL object; a client says hello. */
MUST_USE enum err link_tls_start(struct link *k, struct tls_server *server, struct fault *why);
void link_tls_readable(struct link *k);
/* Encrypts and puts; stops while bytes are queued unless all is set. Moves v on. */
size_t link_tls_write(struct link *k, struct iovec *v, int n, bool all);
void link_tls_say_bye(struct link *k); /* close_notify */
void link_tls_close(struct link *k);
