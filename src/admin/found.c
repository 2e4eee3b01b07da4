/* The keeper of found credentials: on control's loop, asks each source when it is time (lane FOUND, where waiting harms nobody)
 * and lets the desk seal, store and publish what was found. A source that fails is asked again, ever slower; what was
 * found before stays in force. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/priv.h"

enum { SLOWEST_S = 60 };

static void submit(struct control *c);

static void on_time(struct timer *t) { submit(CONTAINER_OF(t, struct control, found.timer)); }

static void arm(struct control *c)
{
    uint64_t soonest = UINT64_MAX, now = clock_mono_ns();
    for (const struct found_account *a = c->found.accounts; a; a = a->next)
        if (a->due_ns < soonest) soonest = a->due_ns;
    if (soonest == UINT64_MAX || c->stopping) return;
    timer_set(c->loop, &c->found.timer, soonest > now ? (soonest - now) / 1000000 + 1 : 1, on_time);
}

/* ---- asking: lane FOUND ------------------------------------------------------------------------------------------------------ */

static void note(struct found_account *a)
{
    const struct found *f = &a->found;
    const struct str pieces[] = {f->access_key, S("\n"), f->secret_key.value, S("\n"), f->token.value};
    sigv4_hash_pieces(pieces, COUNTOF(pieces), a->seen);
    a->fresh = memcmp(a->seen, a->taken, sizeof a->seen) != 0;
}

static void ask_one(struct found_account *a)
{
    struct fault why = {0};
    arena_done(&a->arena);
    arena_init(&a->arena, KIB(1), KIB(64));
    bool found = a->ask(a, &why) == OK;
    a->fails = found ? 0 : a->fails + 1;
    uint64_t slower = a->fails < 6 ? 1u << a->fails : SLOWEST_S;
    uint64_t wait_ms = found ? found_refresh_ms(&a->found, clock_wall_ms()) : 1000 * slower;
    a->due_ns = clock_mono_ns() + wait_ms * 1000000;
    if (found) note(a);
    if (a->fresh)
        LOG(LOG_INFO, "credentials.found", "credentials were found", F_Z("provider", a->provider),
            F_STR("account", a->found.access_key), F_UINT("again_ms", wait_ms));
    if (!found) LOG(LOG_WARN, "credentials.failed", why.text, F_Z("provider", a->provider), F_UINT("again_ms", wait_ms));
}

static void ask_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, found.ask_job);
    uint64_t now = clock_mono_ns();
    for (struct found_account *a = c->found.accounts; a; a = a->next)
        if (a->due_ns <= now) ask_one(a);
}

/* ---- taking: lane DESK ------------------------------------------------------------------------------------------------------ */

static void take_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, found.take_job);
    struct fault why = {0};
    bool taken = false;
    for (struct found_account *a = c->found.accounts; a; a = a->next) {
        if (!a->fresh) continue;
        enum err got = desk_take_found(&c->desk, str_z(a->provider), &a->found, &why);
        if (got == OK) memcpy(a->taken, a->seen, sizeof a->taken);
        taken = taken || got == OK;
        if (got != OK) LOG(LOG_ERROR, "credentials.lost", why.text, F_Z("provider", a->provider));
        a->fresh = false;
    }
    if (taken && desk_publish(&c->desk, &why) != OK) {
        c->desk.unpublished = true; /* the poll tries again */
        LOG(LOG_ERROR, "generation.failed", "new credentials could not be published", F_Z("why", why.text));
    }
}

static void take_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, found.take_job);
    c->found.busy = false;
    if (c->found.changed && !c->stopping) found_sync(c);
    else arm(c);
}

static void ask_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, found.ask_job);
    c->found.take_job.run = take_run;
    c->found.take_job.done = take_done;
    if (!c->stopping) lane_submit(&c->lanes[LANE_DESK], &c->found.take_job);
}

static void submit(struct control *c)
{
    if (c->found.busy || c->stopping) return;
    c->found.busy = true;
    c->found.ask_job.run = ask_run;
    c->found.ask_job.done = ask_done;
    lane_submit(&c->lanes[LANE_FOUND], &c->found.ask_job);
}

/* ---- whom ------------------------------------------------------------------------------------------------------------------- */

static void drop(struct found_account *a)
{
    arena_done(&a->arena);
    free(a->service_account);
    free(a->tenant);
    free(a->client_id);
    free(a->client_secret);
    free(a->url);
    free(a);
}

static void copy(char *out, size_t cap, struct str s) { snprintf(out, cap, "%.*s", STR_ARG(s)); }

static enum err (*asker_of(const struct provider_kind *k))(struct found_account *, struct fault *)
{
    return k->has_google_tokens ? found_ask_google : k->has_entra_tokens ? found_ask_entra : found_ask_aws;
}

static struct found_account *account_of(const struct config_provider *p)
{
    struct found_account *a = mem_alloc(sizeof *a);
    copy(a->provider, sizeof a->provider, p->name);
    copy(a->region, sizeof a->region, p->region);
    copy(a->profile, sizeof a->profile, p->profile);
    a->service_account = str_dup_z(p->service_account);
    a->tenant = str_dup_z(p->tenant);
    a->client_id = str_dup_z(p->client_id);
    a->client_secret = str_dup_z(p->client_secret);
    a->url = str_dup_z(p->url);
    a->source = (enum found_source)p->credentials;
    a->ask = asker_of(p->how);
    arena_init(&a->arena, KIB(1), KIB(64));
    return a;
}

static bool is_same(const struct found_account *a, const struct found_account *b)
{
    return a->source == b->source && strcmp(a->provider, b->provider) == 0 && strcmp(a->region, b->region) == 0 &&
           strcmp(a->profile, b->profile) == 0 && strcmp(a->service_account, b->service_account) == 0 &&
           strcmp(a->tenant, b->tenant) == 0 && strcmp(a->client_id, b->client_id) == 0 &&
           strcmp(a->client_secret, b->client_secret) == 0 && strcmp(a->url, b->url) == 0 && a->ask == b->ask;
}

/* What goes on as it was keeps its time. */
static void take_over(struct found_account *old, struct found_account *fresh)
{
    for (const struct found_account *a = old; a; a = a->next) {
        if (!is_same(a, fresh)) continue;
        fresh->due_ns = a->due_ns;
        fresh->fails = a->fails;
        memcpy(fresh->taken, a->taken, sizeof fresh->taken);
    }
}

void found_sync(struct control *c)
{
    struct found_account *old = c->found.accounts, *next;
    c->found.changed = c->found.busy;
    if (c->found.busy) return;
    c->found.accounts = NULL;
    for (unsigned i = 0; i < c->desk.config->providers.n; i++) {
        const struct config_provider *p = &c->desk.config->providers.at[i];
        if (!config_finds(p)) continue;
        struct found_account *a = account_of(p);
        take_over(old, a);
        a->next = c->found.accounts;
        c->found.accounts = a;
    }
    for (; old; old = next) {
        next = old->next;
        drop(old);
    }
    arm(c);
}

void found_stop(struct control *c) { timer_cancel(c->loop, &c->found.timer); }

void found_done(struct control *c)
{
    struct found_account *next;
    timer_cancel(c->loop, &c->found.timer);
    for (struct found_account *a = c->found.accounts; a; a = next) {
        next = a->next;
        drop(a);
    }
}
