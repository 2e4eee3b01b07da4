/* server: listening sockets, options by generation, drain, and what all connections of a loop share (spare parts, the
 * date, the one head that waits for its body). Called by the gateway; owns every connection. */
#include "server_priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ACCEPT_BATCH 64          /* per turn, so that open streams are not starved */
#define ACCEPT_PAUSE_MS 100      /* when file descriptors or memory ran out */
#define UNSENT_MAX (int)KIB(128) /* what the kernel may hold for a client that does not read */

/* ---- options -------------------------------------------------------------------------------------------------------------- */

void http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .head_max = KIB(64),
        .fields_max = 128,
        .body_max = MIB(32),
        .pass_max = MIB(512),
        .inflate_ratio = 100,
        .head_ms = 30 * 1000,
        .body_gap_ms = 30 * 1000,
        .idle_ms = 10 * 60 * 1000,
        .write_gap_ms = 5 * 60 * 1000,
        .drain_ms = 500,
        .h2_streams_max = 256,
    };
}

struct options *options_new(const struct http_server_options *o)
{
    const struct http_limits *l = &o->limits;
    must(l->head_max && l->fields_max && l->body_max && l->inflate_ratio && l->h2_streams_max);
    struct str prefix = o->path_prefix;
    while (prefix.n && prefix.p[prefix.n - 1] == '/') prefix.n--;
    size_t networks_n = o->n_trusted * sizeof *o->trusted;
    struct options *copy = mem_alloc(sizeof *copy + networks_n + prefix.n);
    copy->refs = 1;
    copy->o = *o;
    char *behind = (char *)(copy + 1);
    if (networks_n) memcpy(behind, o->trusted, networks_n);
    if (prefix.n) memcpy(behind + networks_n, prefix.p, prefix.n);
    copy->o.trusted = (const struct http_network *)(void *)behind;
    copy->o.path_prefix = str_make(behind + networks_n, prefix.n);
    return copy;
}

void options_unref(struct options *o)
{
    if (--o->refs == 0) free(o);
}

/* ---- life ------------------------------------------------------------------------------------------------------------------ */

static void on_flush(struct defer *d) { server_flush_head(CONTAINER_OF(d, struct http_server, flush)); }

struct http_server *http_server_new(struct loop *l, const struct http_handler *h, const struct http_server_options *o, void *user)
{
    struct http_server *s = mem_alloc(sizeof *s);
    s->loop = l;
    s->handler = *h;
    s->user = user;
    s->options = options_new(o);
    s->account = (struct account){.take = o->take_memory, .user = o->user};
    buf_init(&s->head, MIB(1));
    return s;
}

void http_server_set_options(struct http_server *s, const struct http_server_options *o)
{
    options_unref(s->options);
    s->options = options_new(o);
}

static void stop_listening(struct http_server *s)
{
    while (s->listeners) {
        struct listener *at = s->listeners;
        s->listeners = at->next;
        watch_stop(&at->watch);
        timer_cancel(s->loop, &at->pause);
        if (at->tls) tls_server_unref(at->tls);
        free(at);
    }
}

void http_server_free(struct http_server *s)
{
    if (!s) return;
    stop_listening(s);
    s->on_empty = NULL;
    for (struct conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        c->dead = true;
        if (c->proto) c->proto->settle(c);
        conn_free(c);
    }
    loop_undefer(s->loop, &s->flush);
    loop_undefer(s->loop, &s->empty);
    streams_free(s);
    head_free(s->spare_builder);
    head_blocks_free(s);
    h2_shared_free(s->h2);
    buf_done(&s->head);
    options_unref(s->options);
    free(s);
}

const struct http_server_stats *http_server_stats_get(const struct http_server *s) { return &s->stats; }

/* ---- accepting -------------------------------------------------------------------------------------------------------------- */

static void on_pause_over(struct timer *t)
{
    struct listener *at = CONTAINER_OF(t, struct listener, pause);
    watch_set(&at->watch, WATCH_READ);
}

/* Out of descriptors or kernel memory: the waiting connections stay in the kernel's queue for a moment. */
static void pause_accepting(struct listener *at, int error)
{
    LOG(LOG_WARN, "http.accept", "cannot accept connections for a moment", F_Z("error", strerror(error)));
    watch_set(&at->watch, WATCH_NONE);
    timer_set(at->server->loop, &at->pause, ACCEPT_PAUSE_MS, on_pause_over);
}

static void on_connection(struct watch *w, unsigned events)
{
    (void)events;
    struct listener *at = CONTAINER_OF(w, struct listener, watch);
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        union {
            struct sockaddr sa;
            struct sockaddr_storage room;
        } peer = {.room = {0}};
        socklen_t n = sizeof peer;
        int fd = accept4(w->fd, &peer.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_accept(at->server, fd, &peer.sa, at->tls);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause_accepting(at, errno);
        if (errno != ECONNABORTED && errno != EINTR) return;
    }
}

enum err http_server_listen(struct http_server *s, int fd, struct tls_server *tls, struct fault *why)
{
    struct listener *at = mem_alloc(sizeof *at);
    at->server = s;
    at->tls = tls;
    link_keep_alive(fd);
    /* Accepted sockets inherit it; not all kinds of sockets have it. */
    ignore_err(setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){UNSENT_MAX}, sizeof(int)) ? ERR_IO : OK);
    if (watch_start(s->loop, &at->watch, fd, WATCH_READ, on_connection) != OK) {
        free(at);
        return FAIL(why, ERR_IO, "cannot watch a listening socket");
    }
    if (tls) tls_server_ref(tls);
    at->next = s->listeners;
    s->listeners = at;
    return OK;
}

/* ---- drain ------------------------------------------------------------------------------------------------------------------ */

static void on_empty(struct defer *d)
{
    struct http_server *s = CONTAINER_OF(d, struct http_server, empty);
    void (*call)(void *) = s->on_empty;
    s->on_empty = NULL;
    if (call) call(s->user);
}

void server_conn_gone(struct http_server *s)
{
    if (s->on_empty && !s->conns) loop_defer(s->loop, &s->empty, on_empty);
}

void http_server_drain(struct http_server *s, void (*call)(void *user))
{
    s->draining = true;
    s->on_empty = call;
    stop_listening(s);
    for (struct conn *c = s->conns; c; c = c->next) conn_drain(c);
    server_conn_gone(s);
}

/* ---- what connections share --------------------------------------------------------------------------------------------------- */

void server_flush_head(struct http_server *s)
{
    struct stream *of = s->head_of;
    if (of) of->conn->proto->flush(of);
}

struct buf *server_claim_head(struct http_server *s, struct stream *of)
{
    server_flush_head(s);
    must(!s->head_of);
    s->head_of = of;
    loop_defer(s->loop, &s->flush, on_flush);
    return &s->head;
}

struct str server_date(struct http_server *s)
{
    int64_t now = clock_wall_ms() / 1000;
    if (now != s->date_s) {
        time_t t = (time_t)now;
        struct tm utc;
        gmtime_r(&t, &utc);
        strftime(s->date, sizeof s->date, "%a, %d %b %Y %H:%M:%S GMT", &utc); /* the C locale: nobody calls setlocale */
        s->date_s = now;
    }
    return str_z(s->date);
}
