/* conn: one accepted connection: its link, its deadline, its end; and which protocol is spoken on it.
 * Accepted by server.c; freed at the end of a turn in which it died, never inside a callback. */
#include "server_priv.h"

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

/* ---- end of the turn ------------------------------------------------------------------------------------------------------ */

static void settle(struct defer *d)
{
    struct conn *c = CONTAINER_OF(d, struct conn, later);
    if (c->proto) c->proto->settle(c);
    if (c->dead) conn_free(c);
}

void conn_later(struct conn *c) { loop_defer(c->server->loop, &c->later, settle); }

void conn_kill(struct conn *c)
{
    c->dead = true;
    conn_later(c);
}

/* ---- the link ------------------------------------------------------------------------------------------------------------- */

static void on_open(struct link *k)
{
    struct conn *c = conn_of(k);
    c->proto = &H1;
    c->proto->start(c);
}

static void on_data(struct link *k, struct str bytes)
{
    struct conn *c = conn_of(k);
    if (!c->dead) c->proto->on_data(c, bytes);
}

static void on_drained(struct link *k)
{
    struct conn *c = conn_of(k);
    if (!c->dead) c->proto->on_drained(c);
}

static void on_closed(struct link *k, const struct fault *why)
{
    (void)why; /* a client that goes away is nobody's fault */
    conn_kill(conn_of(k));
}

static const struct link_handler ON_LINK = {on_open, on_data, on_drained, on_closed};

/* ---- birth and death ------------------------------------------------------------------------------------------------------ */

static void enlist(struct conn *c)
{
    struct http_server *s = c->server;
    c->next = s->conns;
    if (s->conns) s->conns->prev = c;
    s->conns = c;
    atomic_fetch_add_explicit(&s->stats.accepted, 1, memory_order_relaxed);
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

void conn_accept(struct http_server *s, int fd, const struct sockaddr *peer, struct tls_server *tls)
{
    struct conn *c = mem_alloc(sizeof *c);
    c->server = s;
    c->options = s->options;
    c->options->refs++;
    c->is_tls = tls != NULL;
    peer_set(&c->peer, peer);
    enlist(c);
    conn_deadline(c, c->options->o.limits.head_ms);
    struct fault why;
    if (link_accept(&c->link, s->loop, fd, tls, &ON_LINK, &why) == OK) {
        c->linked = true;
        return;
    }
    LOG(LOG_WARN, "http.accept", why.text);
    close(fd);
    conn_kill(c);
}

void conn_free(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->proto) c->proto->done(c);
    if (c->linked) link_close(&c->link);
    timer_cancel(s->loop, &c->timer);
    loop_undefer(s->loop, &c->later);
    delist(c);
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
    else conn_kill(c);
}
