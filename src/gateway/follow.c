/* Following a response that runs in the background, from any event on: what is stored of its stream is asked for until it is over,
 * so that it does not matter which loop or gateway works on it, or worked. Where the work is this loop's, its run tells when something
 * was stored; else one follower of a response asks for all of the loop's, less often while nothing comes. Owns what is followed. */
#include "gateway/state.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LOOK_MS = 20,           /* at the least between two looks of a follower */
    LOOK_MOST_MS = 400,     /* … and at the most: so late is seen what another loop stored, and that a key has expired */
    PAGE_BYTES = KIB(256),  /* so much at once means that there may be more */
    PATIENCE_MS = 60 * 1000 /* so long the service may be away before a follower is told */
};

static void on_look(struct timer *t);

/* One response, and who follows it on this loop. */
struct followed {
    struct followed *next, **at; /* of the loop's */
    struct kept *followers;
    struct kept *asker; /* of those that are up to date the one that asks for all of them; NULL: the next one that looks */
    struct str id, project;
    char text[];
};

static struct followed *followed_find(struct gateway_loop *gl, struct str id, struct str project)
{
    for (struct followed *f = gl->followed; f; f = f->next)
        if (str_eq(f->id, id) && str_eq(f->project, project)) return f;
    struct followed *f = mem_alloc(sizeof *f + id.n + project.n);
    memcpy(f->text, id.p, id.n);
    if (project.n) memcpy(f->text + id.n, project.p, project.n);
    f->id = str_make(f->text, id.n);
    f->project = str_make(f->text + id.n, project.n);
    f->next = gl->followed;
    f->at = &gl->followed;
    if (f->next) f->next->at = &f->next;
    gl->followed = f;
    return f;
}

static void join(struct kept *k)
{
    struct followed *f = followed_find(k->exchange->gl, k->id, k->exchange->key->project);
    k->followed = f;
    k->next = f->followers;
    k->at = &f->followers;
    if (k->next) k->next->at = &k->next;
    f->followers = k;
}

static void followed_drop(struct followed *f)
{
    if (f->followers) return;
    *f->at = f->next;
    if (f->next) f->next->at = f->at;
    free(f);
}

void follow_stop(struct kept *k)
{
    struct followed *f = k->followed;
    if (!f) return;
    *k->at = k->next;
    if (k->next) k->next->at = k->at;
    k->followed = NULL;
    if (f->asker == k) f->asker = NULL;
    followed_drop(f);
    timer_cancel(k->exchange->gl->loop, &k->exchange->timer);
}

/* Who is not up to date asks for himself; of the others one asks for all. */
static bool asks(struct kept *k)
{
    struct followed *f = k->followed;
    if (!k->idle) return true;
    if (!f->asker || !f->asker->idle) f->asker = k;
    return f->asker == k;
}

static void look_in(struct kept *k, uint64_t ms)
{
    struct exchange *x = k->exchange;
    uint64_t now = loop_now(x->gl->loop), next = k->looked_ms + LOOK_MS;
    if (now + ms < next) ms = next - now;
    timer_set(x->gl->loop, &x->timer, ms ? ms : 1, on_look);
}

static void wake(struct kept *k)
{
    k->pause_ms = LOOK_MS;
    if (k->call.call || !k->idle) return;
    k->idle = false;
    look_in(k, 0);
}

static void leave(struct exchange *x, enum outcome outcome)
{
    follow_stop(x->kept);
    x->outcome = (unsigned char)outcome;
    exchange_jump(x, STEP_SETTLE);
}

static void give_up(struct exchange *x, const struct fault *why)
{
    x->fault = *why;
    leave(x, OUTCOME_FAULT);
}

/* A follower stays for hours: his key must be good all that time, by the newest generation. */
static bool may_follow(struct exchange *x)
{
    const struct key *k = generation_key(x->gl->generation, str_z(x->key->id));
    bool expired = k && k->expires_ms && k->expires_ms <= clock_wall_ms();
    if (k && !k->revoked && !expired) return true;
    if (expired) FAIL(&x->fault, ERR_KEY_EXPIRED, "key %s has expired: ask for a new one", x->key->id);
    else FAIL(&x->fault, ERR_KEY_INVALID, "the key that this response was followed with is revoked");
    return false;
}

static void begin(struct exchange *x)
{
    struct http_field fields[OUR_FIELDS_MAX + 1] = {{S("content-type"), S("text/event-stream")}};
    unsigned n = 1 + our_fields(x, (struct http_fields){NULL, 0}, fields + 1);
    if (x->head_sent) return;
    x->head_sent = true;
    x->attempt.status = 200; /* what the log tells */
    x->wrote_ms = loop_now(x->gl->loop);
    http_stream_head(x->stream, 200, (struct http_fields){fields, n}, -1);
}

static void say(struct exchange *x, struct str bytes)
{
    uint64_t now = loop_now(x->gl->loop), every = x->generation->settings.heartbeat_ms;
    bool silent = !bytes.n && every && now - x->wrote_ms >= every && x->wire->heartbeat;
    if (silent) bytes = str_z(x->wire->heartbeat);
    if (!bytes.n) return;
    x->wrote_ms = now;
    http_stream_write(x->stream, bytes);
}

static void look_again(struct kept *k, bool came)
{
    uint32_t longer = k->pause_ms * 2;
    k->idle = !came;
    look_in(k, came && k->call.answer.n >= PAGE_BYTES ? 0 : k->pause_ms);
    k->pause_ms = came ? LOOK_MS : longer < LOOK_MOST_MS ? longer : LOOK_MOST_MS;
}

static void tell_others(const struct kept *k)
{
    for (struct kept *f = k->followed->followers; f; f = f->next)
        if (f != k) wake(f);
}

/* The service is away: it comes back, and it goes on from there. */
static bool waits_for_it(struct kept *k, enum err got)
{
    uint64_t now = loop_now(k->exchange->gl->loop);
    if (got != ERR_RECALL || !k->exchange->head_sent) return false;
    if (!k->away_ms) k->away_ms = now;
    if (now - k->away_ms > PATIENCE_MS) return false;
    look_again(k, false);
    return true;
}

static void on_followed(struct state_call *c, enum err got)
{
    struct kept *k = CONTAINER_OF(c, struct kept, call);
    struct exchange *x = k->exchange;
    struct str number, state;
    uint64_t last;
    bool came = c->answer.n > 0;
    if (got == OK && c->status >= 400)
        got = FAIL(&c->why, c->status == 404 ? ERR_NOT_FOUND : ERR_BAD_REQUEST, "%.*s", STR_ARG(state_message(c, &x->gl->tape)));
    if (got != OK) {
        if (waits_for_it(k, got)) return;
        tell_others(k);
        give_up(x, &c->why);
        return;
    }
    k->away_ms = 0;
    begin(x);
    say(x, buf_view(&c->answer));
    str_cut(str_z(c->follow), ' ', &number, &state);
    if (str_u64(number, &last)) k->after = (int64_t)last;
    bool over = str_eq(state, S("over"));
    if (k->idle && (came || over)) tell_others(k);
    if (over) leave(x, OUTCOME_STREAM);
    else look_again(k, came);
}

static void look(struct exchange *x)
{
    struct kept *k = x->kept;
    char target[192];
    must(state_id_is_valid(k->id)); /* it stands in the target as it is */
    int n = snprintf(target, sizeof target, "/follow/%.*s", STR_ARG(k->id));
    if (k->after >= 0) n += snprintf(target + n, sizeof target - (size_t)n, "?after=%lld", (long long)k->after);
    const struct state_request r = {S("GET"), str_make(target, (size_t)n), x->key->project, x->generation->settings.state_wait_ms,
                                    MIB(64)};
    k->call.on_done = on_followed;
    k->looked_ms = loop_now(x->gl->loop);
    state_ask(x->gl, &k->call, &r);
}

/* A client that does not read is not read for. */
static void on_look(struct timer *t)
{
    struct exchange *x = CONTAINER_OF(t, struct exchange, timer);
    struct kept *k = x->kept;
    if (!x->stream) return;
    if (!may_follow(x)) {
        leave(x, OUTCOME_FAULT);
        return;
    }
    bool full = http_stream_queued(x->stream) > HTTP_QUEUE_HIGH;
    if (full) k->idle = false; /* so that nobody waits for it to ask */
    if (!full && asks(k)) {
        look(x);
        return;
    }
    if (!full) say(x, STR_NONE);
    look_in(k, LOOK_MOST_MS / 4);
}

void follow(struct exchange *x, struct str id, int64_t after)
{
    struct kept *k = x->kept;
    k->after = after;
    k->id = id;
    k->pause_ms = LOOK_MS;
    join(k);
    look(x);
}

void follow_stored(struct gateway_loop *gl, struct str id)
{
    for (struct followed *f = gl->followed; f; f = f->next)
        for (struct kept *k = str_eq(f->id, id) ? f->followers : NULL; k; k = k->next) wake(k);
}

static void recheck(struct followed *f)
{
    for (struct kept *k = f->followers, *next; k; k = next) {
        next = k->next; /* f goes with the last of them */
        if (may_follow(k->exchange)) continue;
        state_call_stop(&k->call);
        leave(k->exchange, OUTCOME_FAULT);
    }
}

void follow_recheck(struct gateway_loop *gl)
{
    for (struct followed *f = gl->followed, *next; f; f = next) {
        next = f->next;
        recheck(f);
    }
}
