/* Watches: readiness of a file descriptor, straight from epoll. A level watch is asked about anew each turn, by the kernel.
 * Of an edge watch the kernel tells once, and we remember it until the owner says that nothing is left.
 * Part of the loop; a watch belongs to its owner, who may free it at any time after watch_stop(). */
#include "priv.h"

#include <errno.h>
#include <sys/ioctl.h>

static uint32_t to_epoll(const struct watch *w)
{
    if (w->is_edge) return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    return (w->events & WATCH_READ ? EPOLLIN : 0u) | (w->events & WATCH_WRITE ? EPOLLOUT : 0u) |
           (w->events & WATCH_GONE ? EPOLLRDHUP : 0u);
}

/* An error shows as the result of a read or write: whatever the owner waits for, let him try. */
static unsigned from_epoll(uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP)) return WATCH_READ | WATCH_WRITE | WATCH_GONE;
    return (events & EPOLLIN ? WATCH_READ : 0u) | (events & EPOLLOUT ? WATCH_WRITE : 0u) |
           (events & EPOLLRDHUP ? WATCH_READ | WATCH_GONE : 0u);
}

/* A level watch that waits for nothing leaves the epoll: it would be told of errors all the time. */
static bool register_watch(struct watch *w)
{
    bool wanted = w->is_edge || w->events;
    int what = !wanted ? EPOLL_CTL_DEL : w->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (!wanted && !w->registered) return true;
    struct epoll_event e = {.events = to_epoll(w), .data.ptr = w};
    if (epoll_ctl(w->loop->epoll, what, w->fd, &e) < 0) return false;
    w->registered = wanted;
    return true;
}

/* ---- edge watches with something left ------------------------------------------------------------------------------------ */

static void leave_ripe(struct watch *w)
{
    if (!w->ripe_at) return;
    *w->ripe_at = w->ripe_next;
    if (w->ripe_next) w->ripe_next->ripe_at = w->ripe_at;
    w->ripe_at = NULL;
}

static void join_ripe(struct watch *w)
{
    struct watch **first = &w->loop->ripe;
    if (w->ripe_at) return;
    w->ripe_next = *first;
    if (*first) (*first)->ripe_at = &w->ripe_next;
    w->ripe_at = first;
    *first = w;
}

/* The next turn tells those that have what they wait for, without asking the kernel. */
static void sort(struct watch *w)
{
    if (w->is_edge && w->ready & w->events) join_ripe(w);
    else leave_ripe(w);
}

/* ---- for the owners ------------------------------------------------------------------------------------------------------- */

static enum err start(struct watch *w)
{
    int on = 1; /* readiness is a promise that another process or a reset can break: nobody may block */
    w->started = ioctl(w->fd, FIONBIO, &on) == 0 && register_watch(w);
    return w->started ? OK : ERR_IO;
}

enum err watch_start(struct loop *l, struct watch *w, int fd, unsigned events, void (*on_ready)(struct watch *, unsigned events))
{
    *w = (struct watch){.loop = l, .on_ready = on_ready, .fd = fd, .events = (unsigned char)events};
    return start(w);
}

enum err watch_start_edge(struct loop *l, struct watch *w, int fd, unsigned events,
                          void (*on_ready)(struct watch *, unsigned events))
{
    *w = (struct watch){.loop = l, .on_ready = on_ready, .fd = fd, .events = (unsigned char)events, .is_edge = true};
    return start(w);
}

void watch_set(struct watch *w, unsigned events)
{
    if (!w->started || w->events == events) return;
    w->events = (unsigned char)events;
    if (w->is_edge) sort(w);
    else must(register_watch(w));
}

void watch_used_up(struct watch *w, unsigned events)
{
    if (w->ready & WATCH_GONE) events &= ~(unsigned)WATCH_READ; /* no more edges: the end itself is still to be read */
    w->ready &= (unsigned char)~events;
    sort(w);
}

/* What came for it in this turn and is not told yet must not be: the owner may be gone by then. */
static void forget_events(const struct watch *w)
{
    struct loop *l = w->loop;
    for (int i = l->at_event; i < l->n_events; i++)
        if (l->events[i].data.ptr == w) l->events[i].data.ptr = NULL;
}

void watch_stop(struct watch *w)
{
    if (!w->started) return;
    w->started = false;
    if (w->registered) must(epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL) == 0 || errno == EBADF || errno == ENOENT);
    w->events = WATCH_NONE;
    leave_ripe(w);
    forget_events(w);
}

/* ---- for the loop --------------------------------------------------------------------------------------------------------- */

/* Its owner may be gone when this returns. */
static void tell(struct watch *w)
{
    unsigned wanted = w->ready & w->events;
    if (!w->is_edge) w->ready = 0;
    sort(w); /* now, since the owner may free it; what he uses up takes it back */
    if (wanted) w->on_ready(w, wanted);
}

static void tell_events(struct loop *l)
{
    for (l->at_event = 0; l->at_event < l->n_events; l->at_event++) {
        const struct epoll_event *e = &l->events[l->at_event];
        struct watch *w = e->data.ptr;
        if (!w) continue;
        w->ready |= (unsigned char)from_epoll(e->events);
        tell(w);
    }
    l->n_events = 0;
}

void watches_tell(struct loop *l)
{
    struct watch *left = l->ripe, *w;
    l->ripe = NULL;
    if (left) left->ripe_at = &left; /* so that any of them can be stopped while others are told */
    tell_events(l);
    while ((w = left)) {
        leave_ripe(w);
        tell(w);
    }
}
