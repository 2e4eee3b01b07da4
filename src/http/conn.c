/* conn: one accepted connection: its link, its deadline, its end; and which protocol is spoken on it.
 * Accepted by server.c; freed at the end of a turn in which it died, never inside a callback. */
#include "server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct conn *conn_of(struct link *k) { return CONTAINER_OF(k, struct conn, link); }

/* ---- deadline ------------------------------------------------------------------------------------------------------------ */

static void on_time(struct timer *t)
{
    struct conn *c = CONTAINER_OF(t, struct conn, timer);
    uint64_t now = loop_now(c->server->loop);
    if (!c->deadline || c->dead) return;
    if (now < c->deadline) {
        timer_set(c->server->loop, t, c->deadline - now, on_time);
        return;
    }
    c->deadline = 0;
    if (c->proto) c->proto->on_deadline(c);
    else conn_kill(c); /* the TLS handshake takes too long */
}

void conn_deadline(struct conn *c, uint64_t ms)
{
    struct loop *l = c->server->loop;
    c->deadline = ms ? loop_now(l) + ms : 0;
    if (!ms || (timer_is_set(&c->timer) && c->timer.at <= c->deadline)) return;
    timer_set(l, &c->timer, ms, on_time);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

#define HANDLES_BYTES 512 /* of the event loop, for one connection, about */

bool conn_account(struct conn *c)
{
    size_t held = sizeof *c + HANDLES_BYTES + (c->linked ? link_memory(&c->link) : 0);
    if (c->proto) held += c->proto->held(c);
    return account_move(&c->server->account, &c->held, held);
}

enum err conn_no_memory(struct fault *why)
{
    return FAIL(why, ERR_OVERLOADED, "The memory for requests is used up. Try again in a moment.");
}

/* ---- end of the turn ------------------------------------------------------------------------------------------------------ */

static void settle(struct defer *d)
{
    struct conn *c = CONTAINER_OF(d, struct conn, later);
    bool is_end = c->dead; /* who dies while settling has streams to close, and comes back */
    if (c->proto) c->proto->settle(c);
    (void)conn_account(c);
    if (is_end) conn_free(c);
}

void conn_later(struct conn *c) { loop_defer(c->server->loop, &c->later, settle); }

void conn_kill(struct conn *c)
{
    c->dead = true;
    conn_later(c);
}

/* ---- the link ------------------------------------------------------------------------------------------------------------- */

static void speak(struct conn *c, const struct proto *p)
{
    c->proto = p;
    p->start(c);
}

/* HTTP/2 without TLS begins with its preface (RFC 9113 3.3), and no method of HTTP/1 is called PRI: four bytes tell. */
#define PREFACE S("PRI ")

static void sniff(struct conn *c, struct str bytes)
{
    size_t n = 0;
    while (n < bytes.n && c->sniffed < PREFACE.n && bytes.p[n] == PREFACE.p[c->sniffed]) n++, c->sniffed++;
    bool is_h2 = c->sniffed == PREFACE.n;
    if (n == bytes.n && !is_h2) {
        conn_deadline(c, c->options->o.limits.head_ms);
        return;
    }
    speak(c, is_h2 ? &H2 : &H1);
    if (c->sniffed) c->proto->on_data(c, str_make(PREFACE.p, c->sniffed));
    if (n < bytes.n) c->proto->on_data(c, str_from(bytes, n));
}

static void on_open(struct link *k)
{
    struct conn *c = conn_of(k);
    struct str alpn = link_alpn(k);
    if (str_eq(alpn, S("h2"))) speak(c, &H2);
    else if (alpn.n) speak(c, &H1);
    else conn_deadline(c, c->server->draining ? c->options->o.limits.drain_ms : c->options->o.limits.idle_ms);
}

static void on_data(struct link *k, struct str bytes)
{
    struct conn *c = conn_of(k);
    if (c->dead) return;
    if (c->proto) c->proto->on_data(c, bytes);
    else sniff(c, bytes);
    if (!conn_account(c) && c->proto && !c->dead) c->proto->starve(c);
}

static void on_drained(struct link *k)
{
    struct conn *c = conn_of(k);
    if (!c->dead && c->proto) c->proto->on_drained(c);
    (void)conn_account(c);
}

static void on_closed(struct link *k, const struct fault *why)
{
    (void)why; /* a client that goes away is nobody's fault */
    conn_kill(conn_of(k));
}

static const struct link_handler ON_LINK = {on_open, on_data, on_drained, on_closed};

/* ---- birth and death ------------------------------------------------------------------------------------------------------ */

void conn_enlist(struct conn *c)
{
    struct http_server *s = c->server;
    c->next = s->conns;
    if (s->conns) s->conns->prev = c;
    s->conns = c;
    atomic_fetch_add_explicit(&s->stats.connections, 1, memory_order_relaxed);
}

static void delist(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->prev) c->prev->next = c->next;
    else s->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    atomic_fetch_sub_explicit(&s->stats.connections, 1, memory_order_relaxed);
}

static void hand_to_link(struct conn *c, int fd, struct tls_server *tls)
{
    struct fault why;
    if (link_accept(&c->link, c->server->loop, fd, tls, &ON_LINK, &why) == OK) {
        c->linked = true;
        return;
    }
    LOG(LOG_WARN, "http.accept", why.text);
    close(fd);
    conn_kill(c);
}

/* ---- PROXY v2: before TLS, read to the byte so that nothing of what follows is taken ------------------------------ */

struct proxy_wait {
    struct watch watch;
    struct conn *conn;
    struct tls_server *tls;
    size_t n, size; /* received; the header's size as far as known */
    char bytes[PROXY_MAX];
};

/* Gives the socket back. */
static int stop_waiting(struct conn *c)
{
    struct proxy_wait *w = c->wait;
    int fd = w->watch.fd;
    watch_stop(&w->watch);
    if (w->tls) tls_server_unref(w->tls);
    free(w);
    c->wait = NULL;
    return fd;
}

static void proxy_whole(struct conn *c)
{
    struct tls_server *tls = c->wait->tls;
    if (tls) tls_server_ref(tls);
    hand_to_link(c, stop_waiting(c), tls);
    if (tls) tls_server_unref(tls);
}

static void on_proxy_bytes(struct watch *watch, unsigned events)
{
    (void)events;
    struct proxy_wait *w = CONTAINER_OF(watch, struct proxy_wait, watch);
    struct conn *c = w->conn;
    struct fault why;
    if (c->dead) return;
    ssize_t n = recv(watch->fd, w->bytes + w->n, w->size - w->n, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        conn_kill(c);
        return;
    }
    w->n += (size_t)n;
    if (proxy_parse(str_make(w->bytes, w->n), &c->peer, &w->size, &why) != OK) {
        LOG(LOG_WARN, "http.proxy", why.text, F_Z("peer", c->peer.text));
        conn_kill(c);
    } else if (w->n == w->size) {
        proxy_whole(c);
    }
}

static void wait_for_proxy(struct conn *c, int fd, struct tls_server *tls)
{
    struct proxy_wait *w = mem_alloc(sizeof *w);
    w->conn = c;
    w->size = PROXY_HEAD;
    if (watch_start(c->server->loop, &w->watch, fd, WATCH_READ, on_proxy_bytes) != OK) {
        free(w);
        close(fd);
        conn_kill(c);
        return;
    }
    w->tls = tls;
    if (tls) tls_server_ref(tls);
    c->wait = w;
}

void conn_accept(struct http_server *s, int fd, const struct sockaddr *peer, struct tls_server *tls)
{
    struct conn *c = mem_alloc(sizeof *c);
    c->server = s;
    c->options = s->options;
    c->options->refs++;
    c->is_tls = tls != NULL;
    peer_set(&c->peer, peer);
    conn_enlist(c);
    atomic_fetch_add_explicit(&s->stats.accepted, 1, memory_order_relaxed);
    const struct http_server_options *o = &c->options->o;
    conn_deadline(c, o->limits.head_ms);
    if (o->proxy_protocol && peer_is_in(c->peer.addr, o->trusted, o->n_trusted)) wait_for_proxy(c, fd, tls);
    else hand_to_link(c, fd, tls);
    (void)conn_account(c);
}

void conn_free(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->proto) c->proto->done(c);
    if (c->wait) close(stop_waiting(c));
    if (c->linked) link_close(&c->link);
    timer_cancel(s->loop, &c->timer);
    loop_undefer(s->loop, &c->later);
    delist(c);
    (void)account_move(&s->account, &c->held, 0);
    options_unref(c->options);
    free(c);
    server_conn_gone(s);
}

void conn_renew_options(struct conn *c)
{
    if (c->options == c->server->options) return;
    options_unref(c->options);
    c->options = c->server->options;
    c->options->refs++;
}

void conn_drain(struct conn *c)
{
    if (c->proto) c->proto->drain(c);
    else conn_deadline(c, c->options->o.limits.drain_ms);
}
