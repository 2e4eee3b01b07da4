/* The keeper of AWS credentials: on control's loop, asks each source when it is time (lane AWS, where waiting harms nobody)
 * and lets the desk seal, store and publish what was found. A source that fails is asked again, ever slower; what was
 * found before stays in force. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/priv.h"

enum { SLOWEST_S = 60 };

static void submit(struct control *c);

static void on_time(struct timer *t) { submit(CONTAINER_OF(t, struct control, aws.timer)); }

static void arm(struct control *c)
{
    uint64_t soonest = UINT64_MAX, now = clock_mono_ns();
    for (const struct aws_account *a = c->aws.accounts; a; a = a->next)
        if (a->due_ns < soonest) soonest = a->due_ns;
    if (soonest == UINT64_MAX || c->stopping) return;
    timer_set(c->loop, &c->aws.timer, soonest > now ? (soonest - now) / 1000000 + 1 : 1, on_time);
}

/* ---- asking: lane AWS ------------------------------------------------------------------------------------------------------ */

static void note(struct aws_account *a)
{
    const struct aws_found *f = &a->found;
    const struct str pieces[] = {f->access_key, S("\n"), f->secret_key.value, S("\n"), f->session_token.value};
    sigv4_hash_pieces(pieces, COUNTOF(pieces), a->seen);
    a->fresh = memcmp(a->seen, a->taken, sizeof a->seen) != 0;
}

static void ask_one(struct aws_account *a)
{
    struct fault why = {0};
    arena_done(&a->arena);
    arena_init(&a->arena, KIB(1), KIB(64));
    bool found = aws_ask(a, &why) == OK;
    a->fails = found ? 0 : a->fails + 1;
    uint64_t slower = a->fails < 6 ? 1u << a->fails : SLOWEST_S;
    uint64_t wait_ms = found ? aws_refresh_ms(&a->found, clock_wall_ms()) : 1000 * slower;
    a->due_ns = clock_mono_ns() + wait_ms * 1000000;
    if (found) note(a);
    if (a->fresh)
        LOG(LOG_INFO, "aws.found", "AWS credentials were found", F_Z("provider", a->provider),
            F_STR("access_key", a->found.access_key), F_UINT("again_ms", wait_ms));
    if (!found) LOG(LOG_WARN, "aws.failed", why.text, F_Z("provider", a->provider), F_UINT("again_ms", wait_ms));
}

static void ask_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, aws.ask_job);
    uint64_t now = clock_mono_ns();
    for (struct aws_account *a = c->aws.accounts; a; a = a->next)
        if (a->due_ns <= now) ask_one(a);
}

/* ---- taking: lane DESK ------------------------------------------------------------------------------------------------------ */

static void take_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, aws.take_job);
    struct fault why = {0};
    bool taken = false;
    for (struct aws_account *a = c->aws.accounts; a; a = a->next) {
        if (!a->fresh) continue;
        enum err got = desk_take_aws(&c->desk, str_z(a->provider), &a->found, &why);
        if (got == OK) memcpy(a->taken, a->seen, sizeof a->taken);
        taken = taken || got == OK;
        if (got != OK) LOG(LOG_ERROR, "aws.lost", why.text, F_Z("provider", a->provider));
        a->fresh = false;
    }
    if (taken && desk_publish(&c->desk, &why) != OK) {
        c->desk.unpublished = true; /* the poll tries again */
        LOG(LOG_ERROR, "generation.failed", "new AWS credentials could not be published", F_Z("why", why.text));
    }
}

static void take_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, aws.take_job);
    c->aws.busy = false;
    if (c->aws.changed && !c->stopping) aws_sync(c);
    else arm(c);
}

static void ask_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, aws.ask_job);
    c->aws.take_job.run = take_run;
    c->aws.take_job.done = take_done;
    if (!c->stopping) lane_submit(&c->lanes[LANE_DESK], &c->aws.take_job);
}

static void submit(struct control *c)
{
    if (c->aws.busy || c->stopping) return;
    c->aws.busy = true;
    c->aws.ask_job.run = ask_run;
    c->aws.ask_job.done = ask_done;
    lane_submit(&c->lanes[LANE_AWS], &c->aws.ask_job);
}

/* ---- whom ------------------------------------------------------------------------------------------------------------------- */

static void drop(struct aws_account *a)
{
    arena_done(&a->arena);
    free(a);
}

static void copy(char *out, size_t cap, struct str s) { snprintf(out, cap, "%.*s", STR_ARG(s)); }

static struct aws_account *account_of(const struct config_provider *p)
{
    struct aws_account *a = mem_alloc(sizeof *a);
    copy(a->provider, sizeof a->provider, p->name);
    copy(a->region, sizeof a->region, p->region);
    copy(a->profile, sizeof a->profile, p->profile);
    a->source = (enum aws_source)p->credentials;
    arena_init(&a->arena, KIB(1), KIB(64));
    return a;
}

static bool is_same(const struct aws_account *a, const struct aws_account *b)
{
    return a->source == b->source && strcmp(a->provider, b->provider) == 0 && strcmp(a->region, b->region) == 0 &&
           strcmp(a->profile, b->profile) == 0;
}

/* What goes on as it was keeps its time. */
static void take_over(struct aws_account *old, struct aws_account *fresh)
{
    for (const struct aws_account *a = old; a; a = a->next) {
        if (!is_same(a, fresh)) continue;
        fresh->due_ns = a->due_ns;
        fresh->fails = a->fails;
        memcpy(fresh->taken, a->taken, sizeof fresh->taken);
    }
}

void aws_sync(struct control *c)
{
    struct aws_account *old = c->aws.accounts, *next;
    c->aws.changed = c->aws.busy;
    if (c->aws.busy) return;
    c->aws.accounts = NULL;
    for (unsigned i = 0; i < c->desk.config->providers.n; i++) {
        const struct config_provider *p = &c->desk.config->providers.at[i];
        if (p->credentials == AWS_GIVEN) continue;
        struct aws_account *a = account_of(p);
        take_over(old, a);
        a->next = c->aws.accounts;
        c->aws.accounts = a;
    }
    for (; old; old = next) {
        next = old->next;
        drop(old);
    }
    arm(c);
}

void aws_stop(struct control *c) { timer_cancel(c->loop, &c->aws.timer); }

void aws_done(struct control *c)
{
    struct aws_account *next;
    timer_cancel(c->loop, &c->aws.timer);
    for (struct aws_account *a = c->aws.accounts; a; a = next) {
        next = a->next;
        drop(a);
    }
}
