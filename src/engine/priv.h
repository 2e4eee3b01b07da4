/* engine, private: what the files of this room share: descriptions, the child's words, the state machine, a child. */
#pragma once

#include "engine/engine.h"

#include <sys/types.h>

#include "json/json.h"
#include "loop/loop.h"

#define PATH_BYTES 4096 /* longest path we make */

/* Copies into a fixed field and terminates; false: too long, or a NUL is in it. */
static inline bool text_set(char *out, size_t cap, struct str s)
{
    if (s.n >= cap || (s.n && memchr(s.p, 0, s.n))) return false;
    if (s.n) memcpy(out, s.p, s.n);
    out[s.n] = 0;
    return true;
}

/* ---- descriptions (describe.c) ------------------------------------------------------------------------------------ */

/* Reads one description's members out of `object`; others may stand there too. */
MUST_USE enum err model_read(struct json_ref object, struct model *ret_model, struct fault *why);
void model_write(struct json_writer *w, const struct model *m);
/* ERR_NOT_FOUND: no such file. */
MUST_USE enum err file_read(const char *path, size_t max, struct buf *ret_text, struct fault *why);
/* Whole or not at all: written beside, synced, renamed. */
MUST_USE enum err file_write(const char *path, struct str text, struct fault *why);
MUST_USE enum err dirs_make(const char *path, struct fault *why); /* with its parents */

/* ---- weights in use (weights.c) ------------------------------------------------------------------------------------- */

/* Opens the weights and marks them as in use until the descriptor is closed; -1: cannot be opened (errno). */
int weights_hold(const char *path);
bool weights_in_use(const char *path);

/* ---- what the child is told (words.c) ------------------------------------------------------------------------------- */

struct child_plan {
    const char *command, *weights, *name, *template, *key; /* template "": the one in the file */
    uint32_t port, threads, context, parallel;
    bool embeddings;
    const char *pooling; /* with embeddings; "": as the file says */
};
/* NULL-terminated argv and environment in the arena; false: too long. */
MUST_USE bool child_words(struct arena *arena, const struct child_plan *p, char ***ret_argv, char ***ret_envp);

/* ---- the life of one model (life.c) ---------------------------------------------------------------------------------- */

enum life_phase {
    PHASE_ABSENT,  /* no child */
    PHASE_LOADING, /* a child that is not yet healthy */
    PHASE_UP,      /* healthy */
    PHASE_LEAVING, /* off the board, still answering: a last look whether somebody came in */
    PHASE_ENDING,  /* told to end */
};
enum life_act {
    ACT_NONE,
    ACT_START,
    ACT_TERM,
    ACT_KILL,      /* did not end when told to */
    ACT_KILL_SLOW, /* did not become healthy in time: a failure */
    ACT_KILL_DEAF, /* does not answer any more: a failure */
};
struct life {
    enum engine_state state; /* what the board shows */
    enum life_phase phase;
    unsigned failures; /* in a row */
    unsigned deaf;     /* health checks in a row without an answer */
    uint64_t since;    /* the phase's begin */
    uint64_t busy;     /* last seen at work, or when it became ready */
    uint64_t retry;    /* not started before */
    int64_t served;    /* `wanted` when it was stopped: only a later one starts it again */
};
struct life_rules {
    uint64_t idle_ms, start_ms; /* idle_ms 0: never stopped */
};
struct life_facts {
    uint64_t now;
    int64_t wanted;     /* the row's wanted_ms; 0 never */
    uint64_t unused_ms; /* since then */
    bool busy;          /* the child used its processor since the last tick */
};
enum life_act life_tick(struct life *l, const struct life_rules *r, const struct life_facts *f);
void life_leave(struct life *l, const struct life_facts *f);          /* READY → leaving: idle, or its memory is needed */
enum life_act life_end(struct life *l, uint64_t now, int64_t wanted); /* at once: shutdown, or the model was removed */
void life_started(struct life *l, uint64_t now);
void life_waits(struct life *l); /* wanted, but there is no room yet */
void life_healthy(struct life *l, uint64_t now);
enum life_act life_deaf(struct life *l);
void life_failed(struct life *l, uint64_t now);  /* could not be started, or ended by itself */
void life_refused(struct life *l, uint64_t now); /* trying again at once is of no use: FAILED now */
void life_gone(struct life *l, uint64_t now);    /* the child has ended */

/* ---- one child process (child.c) --------------------------------------------------------------------------------------- */

#define CHILD_LINE 1000 /* longest log line that is passed on in one piece */

struct child {
    struct loop *loop;
    void (*on_exit)(struct child *c, int status); /* status as waitpid(2) gives it; the child may be started again here */
    struct watch exit_watch, log_watch;
    pid_t pid; /* 0: none */
    int pidfd, log_fd;
    const char *name;   /* the model's, for the log; borrowed */
    const char *secret; /* its key: taken out of its lines; borrowed */
    char line[CHILD_LINE];
    size_t line_len;
    unsigned lines_left;  /* may still be logged until the next child_tick() */
    unsigned lines_over;  /* were left out since */
    char last_error[160]; /* its last line that spoke of an error; "" none */
    uint64_t cpu_ticks;
};
void child_init(struct child *c, struct loop *l, const char *name, void (*on_exit)(struct child *, int));
/* Runs argv[0]; its output goes into our log line by line. It dies with us, leaves no core, and is the first that the
 * kernel takes when memory ends. */
MUST_USE enum err child_start(struct child *c, char **argv, char **envp, struct fault *why);
void child_signal(struct child *c, int sig); /* to all processes of its group */
/* Once a second: memory in use (bytes) and whether it used more than a twentieth of a processor since. */
struct child_use {
    int64_t rss;
    bool busy;
};
struct child_use child_tick(struct child *c);
void child_feed_log(struct child *c, struct str bytes); /* for tests: what a read of its output does */

/* ---- asking a child for its health (probe.c) ---------------------------------------------------------------------------- */

struct probe {
    struct loop *loop;
    struct watch watch;
    struct timer timer;
    int fd; /* -1: not under way */
    char reply[16];
    size_t reply_len;
    void (*on_result)(struct probe *p, bool healthy); /* the probe may be started again here */
};
void probe_init(struct probe *p, struct loop *l, void (*on_result)(struct probe *, bool));
static inline bool probe_runs(const struct probe *p) { return p->fd >= 0; }
void probe_start(struct probe *p, uint32_t port, uint64_t limit_ms); /* GET /health; answers later, also when it cannot connect */
void probe_stop(struct probe *p);

/* ---- memory of the machine (memory.c) ------------------------------------------------------------------------------------ */

uint64_t memory_limit(uint64_t configured); /* 0: three quarters of the smaller of machine and cgroup */
uint64_t memory_guess(uint64_t weights);    /* what a model of this file size needs, before it was ever seen */
