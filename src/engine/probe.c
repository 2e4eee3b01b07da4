/* Asks a child for its health: one GET /health on loopback, only the status line is read. Called by the manager; owns
 * its socket. The answer always comes from the loop, never out of probe_start(). */
#include "engine/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void probe_init(struct probe *p, struct loop *l, void (*on_result)(struct probe *, bool))
{
    *p = (struct probe){.loop = l, .fd = -1, .on_result = on_result};
}

void probe_stop(struct probe *p)
{
    timer_cancel(p->loop, &p->timer);
    if (p->fd < 0) return;
    watch_stop(&p->watch);
    close(p->fd);
    p->fd = -1;
}

static void finish(struct probe *p, bool healthy)
{
    probe_stop(p);
    p->on_result(p, healthy);
}

static void on_late(struct timer *t) { finish(CONTAINER_OF(t, struct probe, timer), false); }

static void on_reply(struct watch *w, unsigned events)
{
    struct probe *p = CONTAINER_OF(w, struct probe, watch);
    static const char status_at[] = "HTTP/1.1 200";
    enum { NEED = sizeof(status_at) - 1, CODE_AT = 9 };
    ssize_t n = recv(p->fd, p->reply + p->reply_len, NEED - p->reply_len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        finish(p, false);
        return;
    }
    p->reply_len += (size_t)n;
    if (p->reply_len < NEED) return;
    finish(p, memcmp(p->reply, "HTTP/1.", 7) == 0 && memcmp(p->reply + CODE_AT, status_at + CODE_AT, 3) == 0);
}

static void on_connected(struct watch *w, unsigned events)
{
    struct probe *p = CONTAINER_OF(w, struct probe, watch);
    static const char request[] = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    int code = 0;
    socklen_t len = sizeof(code);
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code != 0 ||
        send(p->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1) {
        finish(p, false);
        return;
    }
    watch_stop(&p->watch);
    if (watch_start(p->loop, &p->watch, p->fd, WATCH_READ, on_reply) != OK) finish(p, false);
}

void probe_start(struct probe *p, uint32_t port, uint64_t limit_ms)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    must(p->fd < 0);
    p->reply_len = 0;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool begun = p->fd >= 0 && (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS) &&
                 watch_start(p->loop, &p->watch, p->fd, WATCH_WRITE, on_connected) == OK;
    if (!begun && p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
    timer_set(p->loop, &p->timer, begun ? limit_ms : 1, on_late);
}
