/* From an origin to a connected socket: its name (or its proxy's), a connection, a tunnel (RFC 9110 9.3.6) when there is
 * a proxy. Made by lane.c for the time of dialling only; owns the socket until it hands it over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/client.h"

#define TUNNEL_HEAD_MAX KIB(16)

struct tunnel {
    struct dial *dial;
    struct watch watch;
    int fd;
    struct answer answer;
    struct answer_head head;
    char room[2048];
};

struct dial {
    struct loop *loop;
    struct dns *dns;
    const struct http_origin *origin; /* the pool's */
    dial_done_fn *on_done;
    void *user;
    struct dns_query query;
    struct addresses found;
    struct race race;
    struct tunnel *tunnel;     /* while the proxy is asked */
    struct defer defer, local; /* local: a socket in the file system is connected at once */
    const char *phase;
    bool is_racing, is_loopback, is_second; /* is_second: old addresses have failed */
};

const char *dial_phase(const struct dial *d) { return d->phase; }
bool dial_is_loopback(const struct dial *d) { return d->is_loopback; }

static void done(struct dial *d, int fd, const struct fault *why) { d->on_done(d->user, fd, why); }

/* ---- the tunnel ----------------------------------------------------------------------------------------------------- */

/* Gives the socket back to the caller. */
static int end_tunnel(struct dial *d)
{
    int fd = d->tunnel->fd;
    watch_stop(&d->tunnel->watch);
    answer_head_done(&d->tunnel->head);
    free(d->tunnel);
    d->tunnel = NULL;
    return fd;
}

static void fail_tunnel(struct dial *d, const char *text)
{
    struct fault why = {0};
    const struct http_origin *o = d->origin;
    close(end_tunnel(d));
    ignore_err(FAIL(&why, ERR_UPSTREAM_CONNECT, "the proxy %.*s:%u %s", STR_ARG(o->proxy_host), o->proxy_port, text));
    done(d, -1, &why);
}

static void on_tunnel_head(struct dial *d, size_t left_over)
{
    int status = d->tunnel->answer.status;
    char text[64];
    if (status < 200 || status > 299) {
        snprintf(text, sizeof text, "refused the connection with status %d", status);
        fail_tunnel(d, text);
    } else if (left_over > 0) {
        fail_tunnel(d, "sent bytes before the connection was used");
    } else {
        done(d, end_tunnel(d), NULL);
    }
}

static void on_tunnel_ready(struct watch *w, unsigned events)
{
    (void)events;
    struct tunnel *t = CONTAINER_OF(w, struct tunnel, watch);
    struct dial *d = t->dial;
    ssize_t got = recv(t->fd, t->room, sizeof t->room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        fail_tunnel(d, "closed the connection when asked to connect on");
        return;
    }
    char *at = t->room;
    size_t n = (size_t)got;
    struct fault why = {0};
    enum answer_event event = answer_next(&t->answer, &at, &n, &why);
    if (event == ANSWER_BAD) fail_tunnel(d, why.text);
    else if (event == ANSWER_HEAD) on_tunnel_head(d, n);
}

/* Short enough for any socket buffer that is still empty. */
static bool ask_proxy(int fd, const struct http_origin *o)
{
    struct buf ask;
    struct str name = origin_name(o);
    buf_init(&ask, KIB(4));
    buf_fmt(&ask, "CONNECT %.*s HTTP/1.1\r\nhost: %.*s\r\n", STR_ARG(name), STR_ARG(name));
    if (o->proxy_authorization.n) buf_fmt(&ask, "proxy-authorization: %.*s\r\n", STR_ARG(o->proxy_authorization));
    buf_str(&ask, S("\r\n"));
    bool sent = !ask.over && send(fd, ask.p, ask.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)ask.n;
    explicit_bzero(ask.p, ask.n);
    buf_done(&ask);
    return sent;
}

static void start_tunnel(struct dial *d, int fd)
{
    struct tunnel *t = d->tunnel = mem_alloc(sizeof *t);
    d->phase = "waiting for the proxy";
    t->dial = d;
    t->fd = fd;
    answer_head_init(&t->head, TUNNEL_HEAD_MAX);
    answer_init(&t->answer, true);
    answer_lend(&t->answer, &t->head);
    if (watch_start(d->loop, &t->watch, fd, WATCH_READ, on_tunnel_ready) != OK || !ask_proxy(fd, d->origin))
        fail_tunnel(d, "took no request");
}

/* ---- name and connection -------------------------------------------------------------------------------------------- */

static bool is_loopback(const union address *a)
{
    if (a->any.sa_family == AF_INET) return (ntohl(a->v4.sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

static struct str host_of(const struct dial *d) { return d->origin->proxy_host.n ? d->origin->proxy_host : d->origin->host; }

/* The last good answer may be that of yesterday: when it fails, the one being fetched is waited for. */
static bool waits_for_better(struct dial *d)
{
    if (d->is_second || !dns_wait_newer(d->dns, host_of(d), &d->query, &d->found)) return false;
    d->is_second = true;
    d->phase = "looking up the name again";
    return true;
}

static void on_raced(struct race *r, int fd, int error)
{
    struct dial *d = CONTAINER_OF(r, struct dial, race);
    d->is_racing = false;
    if (fd >= 0 && d->origin->proxy_host.n) {
        start_tunnel(d, fd);
        return;
    }
    if (fd < 0 && waits_for_better(d)) return;
    struct fault why = {0};
    if (fd < 0) {
        const char *more = r->to.n > 1 ? " at any of its addresses" : "";
        ignore_err(FAIL(&why, ERR_UPSTREAM_CONNECT, "cannot be connected to%s: %s", more, strerror(error)));
    }
    done(d, fd, &why);
}

static void race_to(struct dial *d, const struct addresses *found)
{
    const struct http_origin *o = d->origin;
    d->found = *found;
    d->phase = "connecting";
    d->is_racing = true;
    d->is_loopback = found->n > 0 && is_loopback(&found->at[0]);
    race_start(&d->race, d->loop, found, o->proxy_host.n ? o->proxy_port : o->port, on_raced);
}

static void on_name(struct dns_query *q, const struct addresses *found, const struct fault *why)
{
    struct dial *d = CONTAINER_OF(q, struct dial, query);
    if (found) race_to(d, found);
    else done(d, -1, why);
}

/* ---- a socket in the file system ------------------------------------------------------------------------------------ */

/* Its directory by descriptor: sun_path holds 107 bytes only, a data directory may be deeper. */
static int connect_in(int dir, const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int n = snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/%s", dir, name);
    int fd = n < (int)sizeof to.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) return fd;
    int error = errno;
    if (fd >= 0) close(fd);
    errno = error;
    return -1;
}

static int connect_path(const char *path)
{
    char room[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof room) return -1;
    snprintf(room, sizeof room, "%.*s", slash ? (int)n : 1, slash ? path : ".");
    int dir = open(n || !slash ? room : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -1;
    int fd = connect_in(dir, slash ? slash + 1 : path), error = errno;
    close(dir);
    errno = error;
    return fd;
}

/* Connected or refused at once, but told from the loop as every other end of dialling. */
static void on_local(struct defer *defer)
{
    struct dial *d = CONTAINER_OF(defer, struct dial, local);
    struct fault why = {0};
    int fd = connect_path(d->origin->unix_path.p);
    if (fd < 0)
        ignore_err(FAIL(&why, ERR_UPSTREAM_CONNECT, "cannot connect to the socket of a process of ours: %s", strerror(errno)));
    done(d, fd, fd < 0 ? &why : NULL);
}

struct dial *dial_start(struct loop *l, struct dns *dns, const struct http_origin *o, dial_done_fn *on_done, void *user)
{
    struct dial *d = mem_alloc(sizeof *d);
    struct addresses found;
    *d = (struct dial){.loop = l, .dns = dns, .origin = o, .on_done = on_done, .user = user};
    d->query.on_answer = on_name;
    if (o->unix_path.n) {
        d->phase = "connecting";
        d->is_loopback = true;
        loop_defer(l, &d->local, on_local);
        return d;
    }
    d->phase = "looking up the name";
    if (dns_find(dns, host_of(d), &d->query, &found)) race_to(d, &found);
    return d;
}

static void free_dial(struct defer *defer) { free(CONTAINER_OF(defer, struct dial, defer)); }

void dial_cancel(struct dial *d)
{
    if (!d) return;
    dns_cancel(&d->query);
    loop_undefer(d->loop, &d->local);
    if (d->is_racing) race_cancel(&d->race);
    if (d->tunnel) close(end_tunnel(d));
    d->is_racing = false;
    loop_defer(d->loop, &d->defer, free_dial);
}
