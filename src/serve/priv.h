/* The inside of the supervisor. */
#pragma once

#include <sys/types.h>
#include <uv.h>

#include "board/board.h"
#include "config/config.h"
#include "loop/loop.h"
#include "serve/serve.h"

#define SERVE_LISTENERS 16
#define SERVE_LOOPS 256
#define SERVE_CHILDREN 8

enum role { ROLE_CONTROL, ROLE_GATEWAY, ROLE_ENGINE, ROLES };

/* One address, one socket per loop (SO_REUSEPORT), kept open here so that a gateway's death refuses nobody. */
struct socket_set {
    char address[128];
    char tls_cert[512], tls_key[512]; /* "" plain */
    int fds[SERVE_LOOPS];
    unsigned n;
};

struct child {
    pid_t pid;          /* 0: free */
    unsigned char role; /* enum role */
    unsigned slot;      /* a gateway's place on the board */
    bool leaving;       /* told to end: not started again */
    uint64_t started_ms;
};

/* The binary on disk, tried before it takes over. */
struct trial {
    pid_t pid;  /* 0: none */
    int output; /* what it says, in a memfd */
    bool late;  /* ended by the deadline */
    struct timer deadline;
};

struct supervisor {
    struct loop *loop;
    struct config *config;
    char config_file[4096], program[4096], data[4096];
    struct board *board;
    struct board_fds fds;
    int lock_fd;
    unsigned n_loops;
    struct socket_set data_sockets[SERVE_LISTENERS], admin_sockets[SERVE_LISTENERS], metrics_sockets[SERVE_LISTENERS];
    unsigned n_data, n_admin, n_metrics;
    struct child children[SERVE_CHILDREN];
    struct timer restart[ROLES]; /* backoff of a role that died */
    unsigned deaths[ROLES];      /* in a row, quickly */
    struct timer handover;       /* watches a new gateway until it serves */
    struct timer overstay;       /* ends an old control or engine that does not leave */
    struct trial trial;
    bool stopping, at_once; /* told to end; told twice */
    uv_signal_t signals[5];
};

/* ---- sockets.c --------------------------------------------------------------------------------------------------------- */
MUST_USE enum err sockets_open(struct socket_set *s, struct str address, unsigned n, struct fault *why);
void sockets_close(struct socket_set *s);
void sockets_write(const struct socket_set *s, struct buf *out); /* "7,8" */

/* ---- children.c -------------------------------------------------------------------------------------------------------- */
/* Starts one. False: could not; a restart is scheduled. */
bool serve_child_start(struct supervisor *s, enum role role);
struct child *serve_child_find(struct supervisor *s, pid_t pid);
struct child *serve_child_of(struct supervisor *s, enum role role); /* the one that is not leaving; NULL: none */
unsigned children_left(const struct supervisor *s);
void serve_child_leave(struct child *c, int signal_number); /* it shall end and not come back */

/* ---- upgrade.c --------------------------------------------------------------------------------------------------------- */
void serve_upgrade(struct supervisor *s);   /* tries the binary on disk; when that is over it takes over or is refused */
void upgrade_execute(struct supervisor *s); /* returns only on failure */
void upgrade_refuse(struct supervisor *s, const char *reason);
bool upgrade_inherited(void);                                             /* are we such a new image? */
MUST_USE enum err upgrade_adopt(struct supervisor *s, struct fault *why); /* takes what the old image left in the environment */

/* ---- trial.c ----------------------------------------------------------------------------------------------------------- */
MUST_USE enum err trial_start(struct supervisor *s, struct fault *why);
void trial_ended(struct supervisor *s, int status); /* its wait status; leads to upgrade_execute() or upgrade_refuse() */
