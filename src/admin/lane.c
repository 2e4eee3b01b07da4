/* Lanes: jobs one after the other on the loop's thread pool. Called by the control process. Owns no job. */
#include "admin/priv.h"

static void start_next(struct lane *l);

static void run(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    j->run(j);
}

static void finish(struct lane *l, struct job *j)
{
    j->done(j); /* frees j, may submit others: the lane is still busy, so none of them starts before this is over */
    l->busy = false;
    if (l->on_idle) l->on_idle(l);
}

static void done(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    struct lane *l = j->lane;
    finish(l, j);
    start_next(l);
}

static void start_next(struct lane *l)
{
    while (!l->busy && !l->on_idle && l->first) {
        struct job *j = l->first;
        l->first = j->next;
        if (!l->first) l->end = &l->first;
        l->busy = true;
        if (j->in_vain) finish(l, j);
        else loop_work(l->loop, &j->work, run, done);
    }
}

void lane_init(struct lane *l, struct loop *loop, void *user)
{
    *l = (struct lane){.loop = loop, .user = user, .end = &l->first};
}

void lane_submit(struct lane *l, struct job *j)
{
    j->next = NULL;
    j->lane = l;
    *l->end = j;
    l->end = &j->next;
    start_next(l);
}

void lane_clear(struct lane *l)
{
    must(!l->busy);
    while (l->first) {
        struct job *j = l->first;
        l->first = j->next;
        if (j->drop) j->drop(j);
    }
    l->end = &l->first;
}

void lane_end(struct lane *l, void (*on_idle)(struct lane *l))
{
    l->on_idle = on_idle;
    if (!l->busy) on_idle(l);
}
