/* l4: a byte forwarder that parses nothing: what any proxy in user space pays at least.
 * Started by bench/run as a target beside the gateways: one process, one thread, one upstream connection per client. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"

enum { READ_MAX = 256 * 1024, EVENTS = 512 };

/* One side of a forwarded pair. What the peer could not take yet is kept, and reading stops until it has gone. */
struct side {
    int fd; /* -1 once closed */
    uint32_t armed;
    struct side *peer;
    char *kept; /* bytes for this side that did not fit into its socket */
    size_t kept_n;
};

struct pair {
    struct side client, upstream;
    struct pair *next_dead;
};

static struct {
    int epoll, listener;
    struct endpoint to;
    struct pair *dead; /* freed after the batch of events: a later event of it may still hold a pointer */
    char read[READ_MAX];
} l4;

static struct pair *pair_of(struct side *s) { return s->peer > s ? (struct pair *)(void *)s : (struct pair *)(void *)s->peer; }

static void pair_close(struct side *s)
{
    struct pair *p = pair_of(s);
    if (p->client.fd < 0) return;
    close(p->client.fd);
    close(p->upstream.fd);
    p->client.fd = p->upstream.fd = -1;
    p->next_dead = l4.dead;
    l4.dead = p;
}

static void bury(void)
{
    for (struct pair *p; (p = l4.dead);) {
        l4.dead = p->next_dead;
        free(p->client.kept);
        free(p->upstream.kept);
        free(p);
    }
}

static void arm(struct side *s)
{
    uint32_t want = (s->peer->kept_n ? 0u : EPOLLIN) | (s->kept_n ? EPOLLOUT : 0u);
    if (want == s->armed) return;
    struct epoll_event event = {.events = want, .data.ptr = s};
    if (epoll_ctl(l4.epoll, s->armed == UINT32_MAX ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->fd, &event) < 0) die("epoll_ctl");
    s->armed = want;
}

static void keep(struct side *s, const char *p, size_t n)
{
    char *kept = malloc(n);
    if (!kept) die("out of memory");
    memcpy(kept, p, n);
    free(s->kept);
    s->kept = kept;
    s->kept_n = n;
}

/* Sends to `s`; the rest is kept. False when the pair is closed. */
static bool push(struct side *s, const char *p, size_t n)
{
    ssize_t sent = send(s->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return false;
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done < n) {
        keep(s, p + done, n - done);
    } else {
        s->kept_n = 0;
    }
    arm(s);
    arm(s->peer);
    return true;
}

static void on_side(struct side *s, uint32_t events)
{
    if (s->fd < 0) return;
    bool alive = true;
    if (s->kept_n && (events & EPOLLOUT)) {
        alive = push(s, s->kept, s->kept_n);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t n = recv(s->fd, l4.read, sizeof l4.read, 0);
        alive = n > 0 ? push(s->peer, l4.read, (size_t)n) : n < 0 && errno == EAGAIN;
    }
    if (!alive) pair_close(s);
}

static void on_listener(void)
{
    for (int fd; (fd = accept4(l4.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct pair *p = calloc(1, sizeof *p);
        if (!p) die("out of memory");
        net_prepare(fd);
        p->client = (struct side){.fd = fd, .armed = UINT32_MAX, .peer = &p->upstream};
        p->upstream = (struct side){.fd = net_connect(&l4.to, 0), .armed = UINT32_MAX, .peer = &p->client};
        if (p->upstream.fd < 0) die("cannot connect to the upstream");
        arm(&p->client);
        arm(&p->upstream);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(l4.epoll, events, EVENTS, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &l4.listener) on_listener();
            else on_side(events[i].data.ptr, events[i].events);
        }
        bury();
    }
}

int main(int argc, char **argv)
{
    const char *listen = NULL, *to = NULL;
    const struct option_row rows[] = {{"listen", &listen, NULL, NULL}, {"to", &to, NULL, NULL}};
    if (options_read(argc, argv, rows, COUNTOF(rows)) != argc || !listen || !to)
        die("usage: l4 --listen ADDRESS:PORT --to ADDRESS:PORT");
    struct endpoint at = endpoint_parse(listen);
    l4.to = endpoint_parse(to);
    files_raise(65536);
    l4.epoll = epoll_create1(EPOLL_CLOEXEC);
    l4.listener = net_listen(&at);
    if (l4.listener < 0) die("cannot listen on %s", listen);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &l4.listener};
    if (epoll_ctl(l4.epoll, EPOLL_CTL_ADD, l4.listener, &event) < 0) die("epoll_ctl");
    run();
}
