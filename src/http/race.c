/* Happy Eyeballs (RFC 8305): a name's addresses are tried one after the other, families in turn, a quarter of a second
 * apart or at once after a failure; the first connection wins. Used by dial.c; owns the sockets until one has won. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/client.h"

#define NEXT_AFTER_MS 250 /* RFC 8305 5 */

static void try_next(struct race *r);

/* The first that is not taken, of the wanted family if there is one. */
static unsigned pick(const struct addresses *from, const bool *taken, sa_family_t want)
{
    unsigned any = from->n;
    for (unsigned i = 0; i < from->n; i++) {
        if (taken[i]) continue;
        if (from->at[i].any.sa_family == want) return i;
        if (any == from->n) any = i;
    }
    return any;
}

/* RFC 8305 4: the best address first, then the families by turns. */
static void interleave(struct addresses *to, const struct addresses *from)
{
    bool taken[ADDRESSES_MAX] = {false};
    sa_family_t want = from->n ? from->at[0].any.sa_family : AF_UNSPEC;
    to->n = from->n;
    for (unsigned i = 0; i < from->n; i++) {
        unsigned next = pick(from, taken, want);
        taken[next] = true;
        to->at[i] = from->at[next];
        want = to->at[i].any.sa_family == AF_INET ? AF_INET6 : AF_INET;
    }
}

static void stop_runner(struct runner *runner)
{
    if (runner->fd < 0) return;
    watch_stop(&runner->watch);
    close(runner->fd);
    runner->fd = -1;
    runner->race->running--;
}

void race_cancel(struct race *r)
{
    for (unsigned i = 0; i < r->started; i++) stop_runner(&r->runners[i]);
    timer_cancel(r->loop, &r->timer);
    loop_undefer(r->loop, &r->defer);
}

static void on_all_failed(struct defer *d)
{
    struct race *r = CONTAINER_OF(d, struct race, defer);
    race_cancel(r);
    r->on_done(r, -1, r->error);
}

static void on_late(struct timer *t) { try_next(CONTAINER_OF(t, struct race, timer)); }

static void win(struct race *r, struct runner *runner)
{
    int fd = runner->fd;
    watch_stop(&runner->watch);
    runner->fd = -1;
    r->running--;
    race_cancel(r);
    r->on_done(r, fd, 0);
}

static void on_connected(struct watch *w, unsigned events)
{
    (void)events;
    struct runner *runner = CONTAINER_OF(w, struct runner, watch);
    struct race *r = runner->race;
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(runner->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) error = errno;
    if (error == 0) {
        win(r, runner);
        return;
    }
    r->error = error;
    stop_runner(runner);
    try_next(r);
}

static bool start_runner(struct race *r, unsigned i)
{
    struct runner *runner = &r->runners[i];
    const union address *a = &r->to.at[i];
    *runner = (struct runner){.race = r, .fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (runner->fd < 0) {
        r->error = errno;
        return false;
    }
    link_keep_alive(runner->fd);
    socklen_t n = a->any.sa_family == AF_INET ? sizeof a->v4 : sizeof a->v6;
    bool begun = connect(runner->fd, &a->any, n) == 0 || errno == EINPROGRESS;
    if (!begun) r->error = errno;
    else if (watch_start(r->loop, &runner->watch, runner->fd, WATCH_WRITE, on_connected) == OK) {
        r->running++;
        return true;
    }
    close(runner->fd);
    runner->fd = -1;
    return false;
}

static void try_next(struct race *r)
{
    while (r->started < r->to.n) {
        if (!start_runner(r, r->started++)) continue;
        if (r->started < r->to.n) timer_set(r->loop, &r->timer, NEXT_AFTER_MS, on_late);
        return;
    }
    if (r->running == 0) loop_defer(r->loop, &r->defer, on_all_failed); /* race_start() may still be on the stack */
}

void race_start(struct race *r, struct loop *l, const struct addresses *to, uint16_t port,
                void (*on_done)(struct race *, int fd, int error))
{
    *r = (struct race){.loop = l, .on_done = on_done, .error = EHOSTUNREACH};
    interleave(&r->to, to);
    for (unsigned i = 0; i < r->to.n; i++) {
        if (r->to.at[i].any.sa_family == AF_INET) r->to.at[i].v4.sin_port = htons(port);
        else r->to.at[i].v6.sin6_port = htons(port);
    }
    try_next(r);
}
