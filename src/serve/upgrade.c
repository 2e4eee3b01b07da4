/* A new binary takes over: the supervisor executes what now lies on disk under its own process id, once a child has tried it
 * (trial.c). Sockets, board, lock and children stay; their numbers travel in one environment variable. */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATE_NAME "AQUIFER_TAKEOVER"

static void put_sets(struct buf *out, const struct socket_set *sets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        buf_fmt(out, "%s=", sets[i].address);
        sockets_write(&sets[i], out);
        buf_char(out, '\n');
    }
    buf_char(out, '\n');
}

/* Lines: board, lock, children (pid/role/slot), and three groups of "address=fds", each closed by an empty line. */
static void write_state(struct supervisor *s, struct buf *out)
{
    char board[64];
    board_fds_write(&s->fds, board);
    buf_fmt(out, "%s\n%d\n", board, s->lock_fd);
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid) buf_fmt(out, "%d/%u/%u ", (int)s->children[i].pid, s->children[i].role, s->children[i].slot);
    buf_char(out, '\n');
    put_sets(out, s->data_sockets, s->n_data);
    put_sets(out, s->admin_sockets, s->n_admin);
    put_sets(out, s->metrics_sockets, s->n_metrics);
}

static void keep_set(const struct socket_set *sets, unsigned n, int flag)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < sets[i].n; k++) fcntl(sets[i].fds[k], F_SETFD, flag);
}

static void mark_all(struct supervisor *s, int flag)
{
    fcntl(s->fds.memory, F_SETFD, flag);
    for (int i = 0; i < BELLS; i++) fcntl(s->fds.bells[i], F_SETFD, flag);
    fcntl(s->lock_fd, F_SETFD, flag);
    keep_set(s->data_sockets, s->n_data, flag);
    keep_set(s->admin_sockets, s->n_admin, flag);
    keep_set(s->metrics_sockets, s->n_metrics, flag);
}

void upgrade_refuse(struct supervisor *s, const char *reason)
{
    snprintf(s->board->upgrade_fault, sizeof s->board->upgrade_fault, "%s", reason);
    atomic_fetch_add(&s->board->counters.upgrades_refused, 1);
    LOG(LOG_ERROR, "upgrade.refused", reason, F_Z("program", s->program));
}

void serve_upgrade(struct supervisor *s)
{
    struct fault why = {0};
    if (s->stopping || s->trial.pid) return; /* it ends, or one is being tried */
    if (trial_start(s, &why) != OK) upgrade_refuse(s, why.text);
}

void upgrade_execute(struct supervisor *s)
{
    struct buf state;
    buf_init(&state, KIB(128));
    write_state(s, &state);
    setenv(STATE_NAME, buf_z(&state), 1);
    buf_done(&state);
    mark_all(s, 0);
    LOG(LOG_INFO, "upgrade.executing", "", F_Z("program", s->program));
    execl(s->program, s->program, "serve", "--config", s->config_file, (char *)NULL);
    upgrade_refuse(s, strerror(errno));
    mark_all(s, FD_CLOEXEC);
    unsetenv(STATE_NAME);
}

bool upgrade_inherited(void) { return getenv(STATE_NAME) != NULL; }

static bool read_fd(struct str text, int *ret_fd)
{
    uint64_t n;
    if (!str_u64(text, &n) || n > INT32_MAX) return false;
    *ret_fd = (int)n;
    return true;
}

static bool read_fds(struct str text, struct socket_set *s)
{
    struct str one;
    while (text.n && s->n < SERVE_LOOPS) {
        str_cut(text, ',', &one, &text);
        if (!read_fd(one, &s->fds[s->n])) return false;
        s->n++;
    }
    return s->n > 0;
}

static bool read_sets(struct str *at, struct socket_set *sets, unsigned *ret_n)
{
    struct str line, address, fds;
    *ret_n = 0;
    while (str_cut(*at, '\n', &line, at) && line.n) {
        if (*ret_n == SERVE_LISTENERS || !str_cut(line, '=', &address, &fds)) return false;
        struct socket_set *s = &sets[(*ret_n)++];
        snprintf(s->address, sizeof s->address, "%.*s", STR_ARG(address));
        if (!read_fds(fds, s)) return false;
    }
    return true;
}

static bool read_children(struct supervisor *s, struct str line)
{
    struct str one, pid, role, slot;
    for (unsigned i = 0; line.n && i < SERVE_CHILDREN; i++) {
        uint64_t p, r, g;
        str_cut(line, ' ', &one, &line);
        if (!str_cut(one, '/', &pid, &role) || !str_cut(role, '/', &role, &slot)) return false;
        if (!str_u64(pid, &p) || !str_u64(role, &r) || !str_u64(slot, &g) || r >= ROLES) return false;
        s->children[i] = (struct child){.pid = (pid_t)p, .role = (unsigned char)r, .slot = (unsigned)g};
    }
    return true;
}

enum err upgrade_adopt(struct supervisor *s, struct fault *why)
{
    struct str at = str_z(getenv(STATE_NAME)), board, lock, children;
    char text[64];
    bool good = str_cut(at, '\n', &board, &at) && str_cut(at, '\n', &lock, &at) && str_cut(at, '\n', &children, &at);
    snprintf(text, sizeof text, "%.*s", STR_ARG(board));
    good = good && board_fds_parse(text, &s->fds) && read_fd(lock, &s->lock_fd) && read_children(s, children) &&
           read_sets(&at, s->data_sockets, &s->n_data) && read_sets(&at, s->admin_sockets, &s->n_admin) &&
           read_sets(&at, s->metrics_sockets, &s->n_metrics);
    unsetenv(STATE_NAME);
    if (!good) return FAIL(why, ERR_INTERNAL, "cannot read what the old binary handed over; stop Aquifer and start it again");
    mark_all(s, FD_CLOEXEC);
    return board_open(&s->fds, &s->board, why);
}
