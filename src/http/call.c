/* One call: from its start to its one end, over a connection of the pool, or a second one when the first was stale.
 * The caller's handle; from the client's free list. Never calls back from inside the caller's own http_call_*(). */
#include "http/client.h"

#include <stdlib.h>

#define CALLS_KEPT 256

static struct http_call *take(struct http_client *c)
{
    struct http_call *call = c->free_calls;
    if (!call) return mem_alloc(sizeof *call);
    c->free_calls = call->next;
    c->n_free_calls--;
    return call;
}

static void release(struct http_call *call)
{
    struct http_client *c = call->pool->client;
    call_drop_request(call);
    free(call->failed);
    loop_undefer(c->loop, &call->defer);
    if (c->n_free_calls == CALLS_KEPT) {
        free(call);
        return;
    }
    call->next = c->free_calls;
    c->free_calls = call;
    c->n_free_calls++;
}

void call_drop_request(struct http_call *call)
{
    request_free(call->pool->client, call->request);
    call->request = NULL;
}

static void on_refused(struct defer *d)
{
    struct http_call *call = CONTAINER_OF(d, struct http_call, defer);
    struct fault why = *call->failed;
    call_fail(call, &why);
}

/* Over a connection that is not there yet: one that was begun for another call, or a new one. */
static void dial(struct http_call *call)
{
    struct lane *lane = pool_take_orphan(call->pool);
    call->dialling_since = loop_now(call->pool->client->loop);
    pool_wait(call->pool, call);
    if (!lane) {
        lane_dial(call->pool, call);
        return;
    }
    lane->call = call;
    call->lane = lane;
    lane_arm(lane);
}

static void begin(struct http_call *call)
{
    struct pool *p = call->pool;
    struct lane *lane = call->request->is_fed ? NULL : pool_take_idle(p); /* a stale one would cost the whole body */
    if (lane) {
        count(&p->client->stats.reused);
        lane_assign(lane, call);
        return;
    }
    dial(call);
}

struct http_call *http_call_start(struct http_client *c, struct http_origin *o, const struct http_call_request *r,
                                  const struct http_deadlines *d, const struct http_call_handler *h, void *user)
{
    struct http_call *call = take(c);
    struct fault why = {0};
    *call = (struct http_call){.pool = pool_get(c, o),
                               .handler = h,
                               .user = user,
                               .deadlines = *d,
                               .started = loop_now(c->loop),
                               .is_head = str_eq(r->method, S("HEAD"))};
    call->last = call->started;
    count(&c->stats.calls);
    if (request_new(c, o, r, &call->request, &why) == OK) {
        begin(call);
    } else {
        call->failed = mem_alloc(sizeof *call->failed);
        *call->failed = why;
        loop_defer(c->loop, &call->defer, on_refused);
    }
    return call;
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------ */

static uint64_t nearer(uint64_t due, uint64_t from, uint32_t after_ms)
{
    return after_ms && from + after_ms < due ? from + after_ms : due;
}

static bool is_dialling(const struct http_call *call) { return call->lane && !call->lane->is_open; }

/* An upload takes its time: the answer is waited for from its last bytes on. */
static uint64_t waits_since(const struct http_call *call) { return call->request->is_fed ? call->last : call->started; }

uint64_t call_due(const struct http_call *call)
{
    const struct http_deadlines *d = &call->deadlines;
    uint64_t due = nearer(UINT64_MAX, call->started, d->total_ms);
    if (call->request) due = nearer(due, waits_since(call), d->first_byte_ms);
    else if (!call->is_paused) due = nearer(due, call->crawling ? call->crawling : call->last, d->gap_ms);
    if (is_dialling(call)) due = nearer(due, call->dialling_since, d->connect_ms);
    return due;
}

/* Bytes came. Those that bring the answer no further buy a millisecond each: a single one every second is a hang as silence is,
 * while a long event over a slow line is none. */
void call_received(struct http_call *call, size_t n)
{
    uint64_t now = loop_now(call->pool->client->loop);
    call->last = now;
    if (call->got_on) call->crawling = 0;
    else if (!call->crawling) call->crawling = now;
    else call->crawling = n < now - call->crawling ? call->crawling + n : now;
    call->got_on = false;
}

/* Which of them it was, in words. */
void call_expire(struct http_call *call)
{
    const struct http_deadlines *d = &call->deadlines;
    struct lane *lane = call->lane;
    uint64_t now = loop_now(call->pool->client->loop);
    struct str name = origin_name(call->pool->origin);
    struct fault why = {0};
    if (d->total_ms && now >= call->started + d->total_ms) {
        ignore_err(FAIL(&why, ERR_UPSTREAM_TIMEOUT, "%.*s: the answer was not whole after %u ms", STR_ARG(name), d->total_ms));
    } else if (call->request && d->first_byte_ms && now >= waits_since(call) + d->first_byte_ms) {
        ignore_err(FAIL(&why, ERR_UPSTREAM_TIMEOUT, "%.*s: no answer after %u ms", STR_ARG(name), d->first_byte_ms));
    } else if (is_dialling(call)) {
        count(&call->pool->client->stats.connect_failures);
        ignore_err(FAIL(&why, ERR_UPSTREAM_CONNECT, "%.*s: no connection after %u ms (still %s)", STR_ARG(name), d->connect_ms,
                        lane->dial ? dial_phase(lane->dial) : "in the TLS handshake"));
    } else {
        bool silent = now >= call->last + d->gap_ms;
        const char *how = silent ? "the answer stopped" : "the answer crawled, and nothing of it got whole,";
        ignore_err(FAIL(&why, ERR_UPSTREAM_TIMEOUT, "%.*s: %s for %u ms", STR_ARG(name), how, d->gap_ms));
    }
    call_fail(call, &why);
}

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

static void leave_lane(struct http_call *call)
{
    struct lane *lane = call->lane;
    pool_unwait(call->pool, call);
    call->lane = NULL;
    if (!lane) return;
    lane->call = NULL;
    lane_close(lane);
}

void call_fail(struct http_call *call, const struct fault *why)
{
    leave_lane(call);
    call->handler->on_fail(call, why, call->user);
    release(call);
}

void call_finish(struct http_call *call)
{
    call->handler->on_end(call, call->user);
    release(call);
}

void http_call_cancel(struct http_call *call)
{
    leave_lane(call);
    release(call);
}

/* The connection had been closed before the request reached it. Once, and on a fresh one: others may be as stale. */
void call_retry(struct http_call *call)
{
    leave_lane(call);
    count(&call->pool->client->stats.stale_retries);
    call->was_retried = true;
    call->request->sent = 0;
    dial(call);
}

/* ---- a body that is fed ------------------------------------------------------------------------------------------------- */

static void send_soon(struct http_call *call)
{
    call->last = loop_now(call->pool->client->loop);
    if (call->lane && call->lane->is_open) lane_send_soon(call->lane);
}

size_t http_call_feed(struct http_call *call, struct str bytes)
{
    struct request *r = call->request;
    if (!r || !r->is_fed) return 0;
    request_feed(r, bytes);
    send_soon(call);
    return r->queue.n;
}

void http_call_feed_end(struct http_call *call)
{
    if (!call->request || !call->request->is_fed) return;
    request_feed_end(call->request);
    send_soon(call);
}

/* ---- the caller's other wishes -------------------------------------------------------------------------------------- */

void http_call_pause(struct http_call *call)
{
    call->is_paused = true;
    if (call->lane && call->lane->is_open) link_read(&call->lane->link, false);
}

void http_call_resume(struct http_call *call)
{
    if (!call->is_paused) return;
    call->is_paused = false;
    call->last = loop_now(call->pool->client->loop); /* the gap deadline rested */
    call->crawling = 0;
    if (call->lane) lane_resume(call->lane);
}

bool http_call_was_sent(const struct http_call *call) { return call->was_sent; }
