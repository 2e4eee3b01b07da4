/* One byte connection: sends at once what the socket takes, queues the rest, reads once for each readiness.
 * Used by the server's and the client's connections; TLS is in link_tls.c. Owns the socket and its queue. */
#include "http/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX MIB(1024) /* owners stop at HTTP_QUEUE_HIGH; this only bounds a mistake */
#define IOV_BATCH 64
#define TLS_BYTES KIB(24) /* of OpenSSL for one connection, about */
#define KEEP_IDLE_S 60    /* then KEEP_PROBES questions, KEEP_GAP_S apart */
#define KEEP_GAP_S 15
#define KEEP_PROBES 4

size_t link_queued(const struct link *k) { return k->out.n - k->out_at; }

size_t link_memory(const struct link *k) { return k->out.cap + (k->ssl ? TLS_BYTES : 0); }

static void update_watch(struct link *k)
{
    if (k->state == LINK_CLOSED) return;
    bool read = !k->told && (k->reading || k->state != LINK_OPEN);
    bool write = k->state != LINK_BROKEN && (link_queued(k) > 0 || k->wants_drain);
    bool gone = k->minds_end && !k->told && !read;
    watch_set(&k->watch, (read ? WATCH_READ : 0u) | (write ? WATCH_WRITE : 0u) | (gone ? WATCH_GONE : 0u));
}

void link_break(struct link *k, int error)
{
    if (k->state == LINK_BROKEN || k->state == LINK_CLOSED) return;
    k->state = LINK_BROKEN;
    k->error = error;
    k->out_at = 0;
    buf_done(&k->out);
    shutdown(k->fd, SHUT_RDWR); /* wakes the watch; what was received stays readable */
    update_watch(k);
}

void link_tell(struct link *k, const struct fault *why)
{
    if (k->told) return;
    k->told = true;
    update_watch(k);
    k->handler->on_closed(k, why);
}

static void tell_error(struct link *k, int error)
{
    struct fault why = {0};
    ignore_err(FAIL(&why, ERR_IO, "the connection broke: %s", strerror(error)));
    link_tell(k, &why);
}

/* Steps over `taken` bytes; returns the index of the first piece with bytes left. */
static int advance(struct iovec *v, int n, size_t taken)
{
    int i = 0;
    for (; i < n && taken >= v[i].iov_len; i++) {
        taken -= v[i].iov_len;
        v[i].iov_len = 0;
    }
    if (i < n) v[i] = (struct iovec){(char *)v[i].iov_base + taken, v[i].iov_len - taken};
    return i;
}

static size_t total(const struct iovec *v, int n)
{
    size_t sum = 0;
    for (int i = 0; i < n; i++) sum += v[i].iov_len;
    return sum;
}

/* What the socket takes now. A failure breaks the link. */
static size_t push(struct link *k, struct iovec *v, int n)
{
    size_t taken = 0;
    for (int at = 0; at < n;) {
        int batch = n - at < IOV_BATCH ? n - at : IOV_BATCH;
        size_t asked = total(v + at, batch);
        struct msghdr m = {.msg_iov = v + at, .msg_iovlen = (size_t)batch};
        ssize_t got = sendmsg(k->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            if (errno == EAGAIN) watch_used_up(&k->watch, WATCH_WRITE);
            else link_break(k, errno);
            break;
        }
        taken += (size_t)got;
        at += advance(v + at, batch, (size_t)got);
        if ((size_t)got == asked) continue;
        watch_used_up(&k->watch, WATCH_WRITE);
        break;
    }
    return taken;
}

static void enqueue(struct link *k, const void *p, size_t n)
{
    if (k->out_at > k->out.n / 2) {
        buf_drop_head(&k->out, k->out_at);
        k->out_at = 0;
    }
    buf_add(&k->out, p, n);
    if (k->out.over) {
        link_break(k, ENOBUFS);
        return;
    }
    k->was_high = k->was_high || link_queued(k) > HTTP_QUEUE_LOW;
}

void link_put(struct link *k, const char *p, size_t n)
{
    if (k->state == LINK_BROKEN) return;
    size_t taken = 0;
    if (link_queued(k) == 0) {
        struct iovec v = {(void *)(uintptr_t)p, n};
        taken = push(k, &v, 1);
    }
    if (taken == n || k->state == LINK_BROKEN) return;
    enqueue(k, p + taken, n - taken);
    update_watch(k);
}

bool link_send(struct link *k, struct iovec *v, int n)
{
    must(k->state == LINK_OPEN || k->state == LINK_BROKEN);
    if (k->state == LINK_BROKEN) return false;
    if (k->ssl) {
        link_tls_write(k, v, n, true);
        return k->state == LINK_OPEN;
    }
    if (link_queued(k) == 0) push(k, v, n);
    for (int i = 0; i < n && k->state == LINK_OPEN; i++) enqueue(k, v[i].iov_base, v[i].iov_len);
    update_watch(k);
    return k->state == LINK_OPEN;
}

size_t link_write(struct link *k, struct iovec *v, int n)
{
    must(k->state == LINK_OPEN || k->state == LINK_BROKEN);
    if (k->state == LINK_BROKEN) return 0;
    size_t asked = total(v, n);
    size_t taken = 0;
    if (k->ssl) taken = link_tls_write(k, v, n, false);
    else if (link_queued(k) == 0) taken = push(k, v, n);
    if (k->state == LINK_OPEN && taken < asked) {
        k->wants_drain = true;
        update_watch(k);
    }
    return taken;
}

static void flush_queue(struct link *k)
{
    struct iovec v = {k->out.p + k->out_at, link_queued(k)};
    k->out_at += push(k, &v, 1);
    if (k->state == LINK_BROKEN || link_queued(k) > 0) return;
    k->out_at = 0;
    buf_done(&k->out); /* an idle link holds no memory */
}

static void on_writable(struct link *k)
{
    if (link_queued(k) > 0) flush_queue(k);
    if (k->state == LINK_BROKEN) return;
    bool empty = link_queued(k) == 0;
    bool fell = k->was_high && link_queued(k) < HTTP_QUEUE_LOW;
    if (empty) k->wants_drain = false;
    if (empty || fell) k->was_high = false;
    update_watch(k);
    if ((empty || fell) && k->state == LINK_OPEN) k->handler->on_drained(k);
}

void link_deliver(struct link *k, char *p, size_t n)
{
    if (k->into && p == k->into) {
        k->into += n;
        k->into_room -= n;
        if (k->into_room == 0) k->into = NULL;
    }
    k->handler->on_data(k, str_make(p, n));
}

ssize_t link_receive(struct link *k, char *at, size_t room)
{
    ssize_t n = recv(k->fd, at, room, MSG_DONTWAIT);
    bool is_all = n < 0 ? errno == EAGAIN : (size_t)n < room;
    if (is_all) watch_used_up(&k->watch, WATCH_READ);
    return n;
}

static void receive(struct link *k, char *at, size_t room)
{
    ssize_t n = link_receive(k, at, room);
    if (n > 0) {
        link_deliver(k, at, (size_t)n);
    } else if (n == 0) {
        struct fault none = {0};
        if (k->state == LINK_BROKEN) tell_error(k, k->error);
        else link_tell(k, &none);
    } else if (errno != EAGAIN && errno != EINTR) {
        tell_error(k, errno);
    }
}

static void plain_readable(struct link *k)
{
    bool tastes = k->tastes && !k->into;
    if (k->into) receive(k, k->into, k->into_room);
    else receive(k, loop_scratch(k->loop), tastes ? LINK_TASTE : LOOP_SCRATCH);
    /* The rest of the request that began there is most likely here already, and now has its place. */
    bool wants_rest = tastes && k->into && k->reading && k->state == LINK_OPEN && !k->told;
    if (wants_rest) receive(k, k->into, k->into_room);
}

static void on_gone(struct link *k)
{
    struct fault none = {0};
    if (k->state != LINK_CLOSED && !k->reading) link_tell(k, &none);
}

static void on_ready(struct watch *w, unsigned events)
{
    struct link *k = CONTAINER_OF(w, struct link, watch);
    if (events & WATCH_WRITE) on_writable(k);
    if (events & WATCH_GONE) on_gone(k);
    if (!(events & WATCH_READ) || k->state == LINK_CLOSED || k->told) return;
    if (k->state == LINK_BROKEN && !k->reading) tell_error(k, k->error);
    else if (k->state != LINK_SHAKING && !k->reading) return;
    else if (k->ssl) link_tls_readable(k);
    else plain_readable(k);
}

void link_keep_alive(int fd)
{
    static const struct {
        int level, name, value;
    } OPTIONS[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_GAP_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES},
    };
    for (size_t i = 0; i < COUNTOF(OPTIONS); i++) /* fails on a socket that is not TCP: as good */
        setsockopt(fd, OPTIONS[i].level, OPTIONS[i].name, &OPTIONS[i].value, sizeof(int));
}

static enum err take_over(struct link *k, struct loop *l, int fd, const struct link_handler *h, struct fault *why)
{
    *k = (struct link){.loop = l, .handler = h, .fd = fd, .reading = true};
    buf_init(&k->out, QUEUE_MAX);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* fails on a socket that is not TCP: as good */
    if (watch_start_edge(l, &k->watch, fd, WATCH_READ, on_ready) == OK) return OK;
    k->fd = -1;
    return FAIL(why, ERR_IO, "cannot watch a socket");
}

static enum err start(struct link *k, struct tls_server *server, struct fault *why)
{
    if (!server && !k->origin) {
        k->state = LINK_OPEN;
        k->handler->on_open(k);
        return OK;
    }
    k->state = LINK_SHAKING;
    enum err e = link_tls_start(k, server, why);
    if (e == OK) return OK;
    watch_stop(&k->watch);
    k->state = LINK_CLOSED;
    k->fd = -1;
    return e;
}

enum err link_accept(struct link *k, struct loop *l, int fd, struct tls_server *tls, const struct link_handler *h,
                     struct fault *why)
{
    TRY(take_over(k, l, fd, h, why));
    k->minds_end = true;
    return start(k, tls, why);
}

enum err link_connect(struct link *k, struct loop *l, int fd, const struct http_origin *tls_origin, const struct link_handler *h,
                      struct fault *why)
{
    TRY(take_over(k, l, fd, h, why));
    k->origin = tls_origin;
    return start(k, NULL, why);
}

void link_read(struct link *k, bool on)
{
    k->reading = on;
    update_watch(k);
}

void link_read_into(struct link *k, char *into, size_t room)
{
    k->into = room ? into : NULL;
    k->into_room = room;
}

void link_taste(struct link *k, bool on) { k->tastes = on; }

void link_shutdown(struct link *k)
{
    if (k->state != LINK_OPEN) return;
    if (k->ssl) link_tls_say_bye(k);
    if (k->state == LINK_OPEN) ignore_err(shutdown(k->fd, SHUT_WR) ? ERR_IO : OK); /* gone already: the same to us */
}

void link_close(struct link *k)
{
    if (k->state == LINK_CLOSED) return;
    if (k->ssl) link_tls_close(k);
    watch_stop(&k->watch);
    close(k->fd);
    buf_done(&k->out);
    k->fd = -1;
    k->state = LINK_CLOSED;
}
