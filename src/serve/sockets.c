/* Listening sockets: one per loop and address. */
#include "priv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *hint(int number)
{
    if (number == EADDRINUSE) return "; another program (or another Aquifer) has it: stop that one or choose another port";
    if (number == EACCES) return "; ports below 1024 need CAP_NET_BIND_SERVICE";
    if (number == EADDRNOTAVAIL) return "; no interface of this machine has that address";
    return "";
}

static void set_options(int fd, int family)
{
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
}

/* A supervisor that was killed leaves a gateway which lets go of its sockets within moments: that is waited for. */
static enum err bind_patiently(int fd, const struct sockaddr_storage *to, socklen_t len)
{
    enum { TRIES = 100, PAUSE_MS = 20 };
    for (int i = 0; i < TRIES; i++) {
        if (bind(fd, (const struct sockaddr *)to, len) == 0 && listen(fd, 4096) == 0) return OK;
        if (errno != EADDRINUSE) break;
        (void)poll(NULL, 0, PAUSE_MS); /* before there is a loop with timers */
    }
    return ERR_IO;
}

static enum err open_one(struct socket_set *s, const struct sockaddr_storage *to, socklen_t len, bool shared, struct fault *why)
{
    int on = 1;
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot open a socket for %s: %s", s->address, strerror(errno));
    s->fds[s->n++] = fd;
    set_options(fd, to->ss_family);
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return FAIL(why, ERR_IO, "cannot share %s between loops: %s", s->address, strerror(errno));
    if (bind_patiently(fd, to, len) != OK)
        return FAIL(why, ERR_IO, "cannot listen on %s: %s%s", s->address, strerror(errno), hint(errno));
    return OK;
}

/* SO_REUSEPORT would let a second Aquifer of the same user share the port in silence: a probe without it finds one. */
static enum err probe(struct socket_set *s, const struct sockaddr_storage *to, socklen_t len, struct fault *why)
{
    enum err e = open_one(s, to, len, false, why);
    sockets_close(s);
    return e;
}

enum err sockets_open(struct socket_set *s, struct str address, unsigned n, struct fault *why)
{
    struct sockaddr_storage to;
    socklen_t len;
    if (!config_address(address, &to, &len)) return FAIL(why, ERR_CONFIG, "bad address %.*s", STR_ARG(address));
    snprintf(s->address, sizeof s->address, "%.*s", STR_ARG(address));
    TRY(probe(s, &to, len, why));
    while (s->n < n) TRY(open_one(s, &to, len, n > 1, why));
    return OK;
}

void sockets_close(struct socket_set *s)
{
    while (s->n) close(s->fds[--s->n]);
}

void sockets_write(const struct socket_set *s, struct buf *out)
{
    for (unsigned i = 0; i < s->n; i++) buf_fmt(out, "%s%d", i ? "," : "", s->fds[i]);
}
