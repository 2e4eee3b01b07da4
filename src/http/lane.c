/* One upstream connection: dialled, put to work for one call at a time, read as answers, given back to its pool.
 * Made by pool and call; owns its socket. What it tells, it tells from the loop. */
#include "http/client.h"

#include <stdlib.h>
#include <unistd.h>

#define HEADS_KEPT 16
#define DIAL_MS 5000  /* a connection that is dialled for nobody */
#define STALE_MS 5000 /* a kept-alive connection that ends later than this after the request was not just stale */

static const struct link_handler LINK_HANDLER;

/* Puts the origin's name before a text that begins in the middle. */
static void name_fault(const struct lane *lane, const struct fault *from, struct fault *ret_why)
{
    struct str name = origin_name(lane->pool->origin);
    ignore_err(fault_set(ret_why, from->code, from->where, "%.*s: %s", STR_ARG(name), from->text));
}

static void fail_call(struct lane *lane, const struct fault *from)
{
    struct fault why = {0};
    name_fault(lane, from, &why);
    call_fail(lane->call, &why);
}

/* ---- the head lent while an answer begins ---------------------------------------------------------------------------- */

static void lend_head(struct lane *lane)
{
    struct http_client *client = lane->pool->client;
    struct lent_head *h = client->free_heads;
    if (h) {
        client->free_heads = h->next;
        client->n_free_heads--;
    } else {
        h = mem_alloc(sizeof *h);
        answer_head_init(&h->head, client->options.head_max);
    }
    lane->lent = h;
    answer_lend(&lane->answer, &h->head);
}

static void take_head_back(struct lane *lane)
{
    struct http_client *client = lane->pool->client;
    struct lent_head *h = lane->lent;
    if (!h) return;
    lane->lent = NULL;
    lane->answer.head = NULL;
    if (client->n_free_heads < HEADS_KEPT) {
        h->next = client->free_heads;
        client->free_heads = h;
        client->n_free_heads++;
        return;
    }
    answer_head_done(&h->head);
    free(h);
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------ */

static uint64_t due(const struct lane *lane)
{
    if (lane->call) return call_due(lane->call);
    return lane->since + (lane->is_open ? lane->idle_ms : DIAL_MS);
}

static void on_time(struct timer *t)
{
    struct lane *lane = CONTAINER_OF(t, struct lane, timer);
    if (loop_now(lane->link.loop) < due(lane)) {
        lane_arm(lane);
    } else if (lane->call) {
        call_expire(lane->call);
    } else {
        struct pool *p = lane->pool;
        bool was_open = lane->is_open;
        lane_close(lane);
        if (was_open) pool_keep_warm(p);
    }
}

/* Deadlines move away with every call and chunk; the timer is only moved when one came nearer. */
void lane_arm(struct lane *lane)
{
    uint64_t at = due(lane), now = loop_now(lane->link.loop);
    if (at == UINT64_MAX || (timer_is_set(&lane->timer) && lane->timer.at <= at)) return;
    timer_set(lane->link.loop, &lane->timer, at > now ? at - now : 0, on_time);
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static void account(struct lane *lane)
{
    size_t held = sizeof *lane + link_memory(&lane->link) + lane->carry.cap;
    if (lane->call && lane->call->request) held += lane->call->request->queue.cap;
    if (lane->lent) held += sizeof *lane->lent + lane->lent->head.text.cap;
    (void)account_move(&lane->pool->client->account, &lane->held, held);
}

/* ---- dialling ------------------------------------------------------------------------------------------------------- */

static void give_up(struct lane *lane, const struct fault *why)
{
    count(&lane->pool->client->stats.connect_failures);
    if (lane->call) fail_call(lane, why);
    else lane_close(lane);
}

static void on_dialled(void *user, int fd, const struct fault *why)
{
    struct lane *lane = user;
    struct fault bad = {0};
    struct http_origin *o = lane->pool->origin;
    bool is_local = dial_is_loopback(lane->dial);
    dial_cancel(lane->dial);
    lane->dial = NULL;
    if (fd < 0) {
        give_up(lane, why);
        return;
    }
    if (is_local) lane->pool->warm_left = 0; /* nothing to save */
    enum err e = link_connect(&lane->link, lane->link.loop, fd, o->tls ? o : NULL, &LINK_HANDLER, &bad);
    if (e == OK) return;
    close(fd);
    give_up(lane, &bad);
}

struct lane *lane_dial(struct pool *p, struct http_call *call)
{
    struct lane *lane = mem_alloc(sizeof *lane);
    struct http_client *client = p->client;
    *lane = (struct lane){.pool = p, .call = call, .next = p->lanes, .at = &p->lanes, .since = loop_now(client->loop)};
    buf_init(&lane->carry, LOOP_SCRATCH);
    lane->idle_ms = client->options.idle_ms;
    lane->link.loop = client->loop;
    if (lane->next) lane->next->at = &lane->next;
    p->lanes = lane;
    p->n_lanes++;
    gauge(&client->stats.open, 1);
    count(&client->stats.connects);
    if (call) call->lane = lane;
    lane->dial = dial_start(client->loop, client->dns, p->origin, on_dialled, lane);
    lane_arm(lane);
    account(lane);
    return lane;
}

static void on_open(struct link *k)
{
    struct lane *lane = CONTAINER_OF(k, struct lane, link);
    struct http_client_stats *stats = &lane->pool->client->stats;
    pool_unidle(lane); /* it may have been an orphan */
    lane->is_open = true;
    if (k->ssl) count(&stats->tls_handshakes);
    if (link_was_resumed(k)) count(&stats->tls_resumed);
    account(lane);
    if (lane->call) lane_assign(lane, lane->call);
    else pool_put(lane->pool, lane);
}

static void on_free(struct defer *d) { free(CONTAINER_OF(d, struct lane, defer)); }

void lane_close(struct lane *lane)
{
    if (lane->is_dead) return;
    struct pool *p = lane->pool;
    must(!lane->call);
    lane->is_dead = true;
    pool_unidle(lane);
    link_close(&lane->link);
    dial_cancel(lane->dial);
    timer_cancel(lane->link.loop, &lane->timer);
    loop_undefer(lane->link.loop, &lane->defer);
    take_head_back(lane);
    buf_done(&lane->carry);
    free(lane->lost);
    (void)account_move(&p->client->account, &lane->held, 0);
    *lane->at = lane->next;
    if (lane->next) lane->next->at = lane->at;
    p->n_lanes--;
    gauge(&p->client->stats.open, -1);
    loop_defer(lane->link.loop, &lane->defer, on_free);
}

/* ---- sending -------------------------------------------------------------------------------------------------------- */

static void send_more(struct lane *lane)
{
    struct http_call *call = lane->call;
    struct request *r = call->request;
    request_send(r, &lane->link);
    call->was_sent = call->was_sent || r->sent > 0;
    if (!r->is_fed) return;
    account(lane);
    if (!r->is_hungry || r->queue.n >= HTTP_QUEUE_LOW) return;
    r->is_hungry = false;
    call->last = loop_now(lane->link.loop); /* the upstream takes it: it is alive */
    call->handler->on_hungry(call, call->user);
}

/* At the end of the turn: what one turn has to say goes out in one go, so that the other side is woken once and finds it
 * all, and the kernel's sending path stays warm. */
static void on_begin(struct defer *d)
{
    struct http_call *call = CONTAINER_OF(d, struct http_call, defer);
    if (call->lane && call->lane->is_open && call->request && call->lane->link.state == LINK_OPEN) send_more(call->lane);
}

void lane_send_soon(struct lane *lane) { loop_defer(lane->link.loop, &lane->call->defer, on_begin); }

void lane_assign(struct lane *lane, struct http_call *call)
{
    pool_unwait(lane->pool, call);
    lane->call = call;
    call->lane = lane;
    call->sent_at = loop_now(lane->link.loop);
    answer_init(&lane->answer, call->is_head);
    link_read(&lane->link, !call->is_paused);
    loop_defer(lane->link.loop, &call->defer, on_begin);
    lane_arm(lane);
}

static void on_drained(struct link *k)
{
    struct lane *lane = CONTAINER_OF(k, struct lane, link);
    if (lane->call && lane->call->request) send_more(lane);
}

/* ---- receiving ------------------------------------------------------------------------------------------------------ */

/* The answer is whole. The connection is free again before the caller hears of it: its next call may take it. */
static void finish(struct lane *lane, size_t left_over)
{
    struct http_call *call = lane->call;
    bool all_sent = !call->request || (call->request->sent == call->request->all && !call->request->is_open);
    bool can_reuse = lane->answer.can_reuse && all_sent && left_over == 0 && lane->link.state == LINK_OPEN && !lane->link.told;
    lane->call = NULL;
    call->lane = NULL;
    lane->is_kept = true;
    if (can_reuse) pool_put(lane->pool, lane);
    else lane_close(lane);
    call_finish(call);
}

/* `Keep-Alive: timeout=5` (RFC 2068 19.7.1.1) says when the server will close: we do so a second, or half of it, before. */
static uint32_t idle_limit(const struct lane *lane)
{
    uint32_t most = lane->pool->client->options.idle_ms;
    struct str told = http_field_get(lane->answer.head->fields, S("keep-alive")), number, rest;
    size_t at;
    uint64_t seconds;
    if (!told.p || !str_find(told, S("timeout="), &at)) return most;
    str_cut(str_from(told, at + 8), ',', &number, &rest);
    if (!str_u64(str_trim(number), &seconds) || seconds > most / 1000) return most;
    return seconds > 1 ? (uint32_t)(seconds - 1) * 1000 : (uint32_t)seconds * 500;
}

/* False: the call is over, or asked to rest. */
static bool on_head(struct lane *lane)
{
    struct http_call *call = lane->call;
    int status = lane->answer.status;
    if (call->request->sent < call->request->all || call->request->is_open)
        lane->answer.can_reuse = false; /* the rest is not sent any more */
    call_drop_request(call);
    lane->idle_ms = idle_limit(lane);
    call->handler->on_head(call, status, lane->answer.head->fields, call->user);
    if (!lane->call) return false;
    call->got_on = true;
    take_head_back(lane);
    return !call->is_paused;
}

static bool on_body(struct lane *lane)
{
    struct http_call *call = lane->call;
    bool got_on = call->handler->on_body(call, lane->answer.body, call->user);
    if (!lane->call) return false;
    call->got_on |= got_on;
    return !call->is_paused;
}

/* Reads on until the input is used up, or the call over, or resting: then the rest is carried. */
static void read_answer(struct lane *lane, char *at, size_t n)
{
    struct fault why = {0};
    bool go_on = true;
    if (!lane->call->has_answer) {
        lane->call->has_answer = true;
        lend_head(lane);
    }
    while (go_on) {
        switch (answer_next(&lane->answer, &at, &n, &why)) {
        case ANSWER_MORE: return;
        case ANSWER_HEAD: go_on = on_head(lane); break;
        case ANSWER_BODY: go_on = on_body(lane); break;
        case ANSWER_END: finish(lane, n); return;
        case ANSWER_BAD: fail_call(lane, &why); return;
        }
    }
    if (lane->call) buf_add(&lane->carry, at, n);
}

static void on_data(struct link *k, struct str bytes)
{
    struct lane *lane = CONTAINER_OF(k, struct lane, link);
    if (!lane->call) {
        lane_close(lane); /* an answer that nobody asked for */
        return;
    }
    read_answer(lane, loop_scratch(k->loop) + (bytes.p - loop_scratch(k->loop)), bytes.n);
    if (!lane->is_dead) account(lane);
    if (!lane->call) return;
    call_received(lane->call, bytes.n);
    lane_arm(lane);
}

/* ---- the end -------------------------------------------------------------------------------------------------------- */

static void fail_unanswered(struct lane *lane, const struct fault *link_why)
{
    struct http_call *call = lane->call;
    struct fault why = {0};
    uint64_t after = loop_now(lane->link.loop) - call->sent_at;
    bool is_whole = call->request && !call->request->gone; /* nothing of a fed body is gone */
    if (lane->is_kept && !call->was_retried && is_whole && after < STALE_MS) {
        call_retry(call);
        return;
    }
    if (lane->is_kept)
        ignore_err(FAIL(&why, ERR_UPSTREAM_STALE,
                        "closed a kept-alive connection %llu ms after the request, without an answer; it was not sent "
                        "again because it may have been carried out",
                        (unsigned long long)after));
    else if (link_why->code == OK) ignore_err(answer_close(&lane->answer, &why));
    else ignore_err(FAIL(&why, ERR_UPSTREAM_CUT, "no answer: %s", link_why->text));
    fail_call(lane, &why);
}

static void end_answer(struct lane *lane, const struct fault *link_why)
{
    struct fault why = {0};
    if (link_why->code == OK && answer_close(&lane->answer, &why) == OK) {
        finish(lane, 1);
        return;
    }
    if (link_why->code != OK) ignore_err(FAIL(&why, ERR_UPSTREAM_CUT, "the answer was cut: %s", link_why->text));
    fail_call(lane, &why);
}

static void lose(struct lane *lane, const struct fault *why)
{
    struct pool *p = lane->pool;
    if (!lane->call) {
        bool was_idle = lane->idle_at != NULL;
        lane_close(lane);
        if (was_idle) pool_keep_warm(p);
    } else if (!lane->is_open) {
        struct fault bad = *why;
        if (bad.code != ERR_UPSTREAM_TLS) bad.code = ERR_UPSTREAM_CONNECT;
        give_up(lane, &bad);
    } else if (!lane->call->has_answer) {
        fail_unanswered(lane, why);
    } else {
        end_answer(lane, why);
    }
}

static void on_closed(struct link *k, const struct fault *why)
{
    struct lane *lane = CONTAINER_OF(k, struct lane, link);
    if (lane->call && lane->call->is_paused && lane->call->has_answer) {
        lane->lost = mem_alloc(sizeof *lane->lost); /* after what is carried */
        *lane->lost = *why;
        return;
    }
    lose(lane, why);
}

/* What was carried first, then the end if it came, then new bytes. */
static void on_resume(struct defer *d)
{
    struct lane *lane = CONTAINER_OF(d, struct lane, defer);
    if (!lane->call || lane->call->is_paused) return;
    struct buf carried = lane->carry;
    buf_init(&lane->carry, LOOP_SCRATCH);
    if (lane->call->has_answer) read_answer(lane, carried.p, carried.n);
    buf_done(&carried);
    if (!lane->is_dead) account(lane);
    if (lane->is_dead || !lane->call || lane->call->is_paused) return;
    if (lane->lost) {
        struct fault why = *lane->lost;
        lose(lane, &why);
        return;
    }
    link_read(&lane->link, true);
    lane_arm(lane);
}

void lane_resume(struct lane *lane)
{
    if (lane->is_open) loop_defer(lane->link.loop, &lane->defer, on_resume);
}

static const struct link_handler LINK_HANDLER = {
    .on_open = on_open,
    .on_data = on_data,
    .on_drained = on_drained,
    .on_closed = on_closed,
};
