/* Watches: readiness of a file descriptor through uv_poll. The uv handle outlives its watch until libuv lets go of it. */
#include "priv.h"

#include <stdlib.h>

struct watch_handle {
    uv_poll_t poll;
    struct watch *watch; /* NULL once stopped */
};

static int uv_events(unsigned events)
{
    return (events & WATCH_READ ? UV_READABLE : 0) | (events & WATCH_WRITE ? UV_WRITABLE : 0) |
           (events & WATCH_GONE ? UV_DISCONNECT : 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = CONTAINER_OF(poll, struct watch_handle, poll)->watch;
    if (!w) return;
    unsigned ready = 0;
    if (events & UV_READABLE) ready |= WATCH_READ;
    if (events & UV_WRITABLE) ready |= WATCH_WRITE;
    if (events & UV_DISCONNECT) ready |= WATCH_GONE;
    if (status < 0) {
        /* The error shows as the result of a read or write: let the waiter try. libuv has stopped the handle, but there
         * may be bytes to read before the error. */
        ready = w->events;
        if (ready) must(uv_poll_start(poll, uv_events(ready), on_poll) == 0);
    }
    if (ready & w->events) w->on_ready(w, ready & w->events);
}

enum err watch_start(struct loop *l, struct watch *w, int fd, unsigned events, void (*on_ready)(struct watch *, unsigned events))
{
    struct watch_handle *h = mem_alloc(sizeof *h);
    if (uv_poll_init(&l->uv, &h->poll, fd) < 0) {
        free(h);
        return ERR_IO;
    }
    h->watch = w;
    *w = (struct watch){.loop = l, .on_ready = on_ready, .handle = h, .fd = fd, .events = WATCH_NONE};
    watch_set(w, events);
    return OK;
}

void watch_set(struct watch *w, unsigned events)
{
    if (!w->handle || w->events == events) return;
    w->events = events;
    if (events) must(uv_poll_start(&w->handle->poll, uv_events(events), on_poll) == 0);
    else must(uv_poll_stop(&w->handle->poll) == 0);
}

static void on_closed(uv_handle_t *h) { free(CONTAINER_OF(h, struct watch_handle, poll)); }

void watch_stop(struct watch *w)
{
    struct watch_handle *h = w->handle;
    if (!h) return;
    h->watch = NULL;
    w->handle = NULL;
    w->events = WATCH_NONE;
    uv_close((uv_handle_t *)&h->poll, on_closed);
}
