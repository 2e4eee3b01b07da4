/* The supervisor's life: start, restart with backoff, reload, upgrade, stop. */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { QUICK_DEATH_MS = 10000, BACKOFF_MS = 100, BACKOFF_MAX_MS = 10000, HANDOVER_LOOK_MS = 20 };
enum { LEAVE_MS = 20000, LEAVE_SOON_MS = 2000 }; /* so long control and engine have to end; after a second signal */

/* ---- what the machine gives ------------------------------------------------------------------------------------------------ */

/* cgroup v2 "max 100000" or "150000 100000": whole processors, rounded up; 0: no quota. */
static unsigned quota_processors(void)
{
    char text[64];
    uint64_t quota, period;
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n <= 0) return 0;
    struct str first, second;
    str_cut(str_trim(str_make(text, (size_t)n - 1)), ' ', &first, &second); /* it ends in a newline */
    if (!str_u64(first, &quota) || !str_u64(second, &period) || period == 0) return 0;
    return (unsigned)((quota + period - 1) / period);
}

static unsigned processors(void)
{
    cpu_set_t set;
    unsigned n = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = quota_processors();
    if (quota && quota < n) n = quota;
    return n < 1 ? 1 : n > SERVE_LOOPS ? SERVE_LOOPS : n;
}

/* ---- opening the house -------------------------------------------------------------------------------------------------------- */

static enum err make_dir(const char *path, struct fault *why)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return OK;
    return FAIL(why, ERR_IO, "cannot make the directory %s: %s; 'data' must be a directory of the user that runs Aquifer", path,
                strerror(errno));
}

static enum err open_data(struct supervisor *s, struct fault *why)
{
    static const char *const DIRS[] = {"", "/run", "/journal"};
    char path[4200];
    snprintf(s->data, sizeof s->data, "%.*s", STR_ARG(s->config->data));
    for (unsigned i = 0; i < COUNTOF(DIRS); i++) {
        snprintf(path, sizeof path, "%s%s", s->data, DIRS[i]);
        TRY(make_dir(path, why));
    }
    snprintf(path, sizeof path, "%s/lock", s->data);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0) return FAIL(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0) return OK;
    return FAIL(why, ERR_IO, "another Aquifer serves from %s; stop it first, or give this one another 'data'", s->data);
}

static enum err open_sets(struct socket_set *sets, unsigned *ret_n, const struct config_listener *at, unsigned n,
                          unsigned sockets, struct fault *why)
{
    if (n > SERVE_LISTENERS) return FAIL(why, ERR_CONFIG, "more than %d addresses to listen on", SERVE_LISTENERS);
    for (unsigned i = 0; i < n; i++) {
        struct socket_set *s = &sets[(*ret_n)++];
        snprintf(s->tls_cert, sizeof s->tls_cert, "%.*s", STR_ARG(at[i].tls_cert));
        snprintf(s->tls_key, sizeof s->tls_key, "%.*s", STR_ARG(at[i].tls_key));
        TRY(sockets_open(s, at[i].address, sockets, why));
    }
    return OK;
}

static enum err open_fresh(struct supervisor *s, struct fault *why)
{
    const struct config *c = s->config;
    TRY(open_data(s, why));
    TRY(open_sets(s->data_sockets, &s->n_data, c->listen.at, c->listen.n, s->n_loops, why));
    TRY(open_sets(s->admin_sockets, &s->n_admin, c->admin_listen.at, c->admin_listen.n, 1, why));
    TRY(open_sets(s->metrics_sockets, &s->n_metrics, c->metrics_listen.at, c->metrics_listen.n, 1, why));
    TRY(board_create(&s->board, &s->fds, why));
    atomic_store(&s->board->supervisor_pid, (int32_t)getpid());
    return OK;
}

/* The certificate files of inherited listeners come from the configuration: they may be new. */
static void renew_tls(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_data && i < s->config->listen.n; i++) {
        const struct config_listener *l = &s->config->listen.at[i];
        snprintf(s->data_sockets[i].tls_cert, sizeof s->data_sockets[i].tls_cert, "%.*s", STR_ARG(l->tls_cert));
        snprintf(s->data_sockets[i].tls_key, sizeof s->data_sockets[i].tls_key, "%.*s", STR_ARG(l->tls_key));
    }
}

static bool wants_engine(const struct config *c)
{
    for (unsigned i = 0; i < c->providers.n; i++)
        if (str_eq(c->providers.at[i].kind, S("local"))) return true;
    return c->engine.models.n > 0;
}

/* ---- restarting ------------------------------------------------------------------------------------------------------------------ */

static void schedule(struct supervisor *s, enum role role);

/* A gateway of the binary before still serves during a takeover, but the one that is missing is ours. */
static bool is_running(const struct supervisor *s, enum role role)
{
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) {
        const struct child *c = &s->children[i];
        bool ours = role != ROLE_GATEWAY || c->started_ms;
        if (c->pid && c->role == role && !c->leaving && ours) return true;
    }
    return false;
}

static void on_restart(struct timer *t, struct supervisor *s, enum role role)
{
    (void)t;
    if (s->stopping || is_running(s, role)) return;
    if (!serve_child_start(s, role)) schedule(s, role);
}

static struct supervisor *the_supervisor; /* signals and timers of one process: there is one */

static void on_restart_control(struct timer *t) { on_restart(t, the_supervisor, ROLE_CONTROL); }
static void on_restart_gateway(struct timer *t) { on_restart(t, the_supervisor, ROLE_GATEWAY); }
static void on_restart_engine(struct timer *t) { on_restart(t, the_supervisor, ROLE_ENGINE); }

static void schedule(struct supervisor *s, enum role role)
{
    static void (*const ON[ROLES])(struct timer *) = {on_restart_control, on_restart_gateway, on_restart_engine};
    unsigned deaths = s->deaths[role];
    uint64_t wait = deaths <= 1 ? 1 : (uint64_t)BACKOFF_MS << (deaths < 8 ? deaths : 8);
    timer_set(s->loop, &s->restart[role], wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS, ON[role]);
}

static void count_death(struct supervisor *s, const struct child *c)
{
    if (c->role == ROLE_GATEWAY) atomic_fetch_add(&s->board->counters.gateway_restarts, 1);
    if (c->role == ROLE_CONTROL) atomic_fetch_add(&s->board->counters.control_restarts, 1);
    bool quick = loop_now(s->loop) - c->started_ms < QUICK_DEATH_MS;
    s->deaths[c->role] = quick ? s->deaths[c->role] + 1 : 1;
}

/* What a dead gateway held is free again; its journal tells the rest. */
static void clear_slot(struct supervisor *s, const struct child *c)
{
    struct gateway_slot *g = &s->board->gateways[c->slot];
    atomic_store(&g->state, GATEWAY_FREE);
    atomic_store(&g->pid, 0);
    atomic_store(&g->exchanges, 0);
    atomic_store(&g->memory, 0);
    meter_forget(s->board, c->slot);
    bell_ring(&s->fds, BELL_CONTROL); /* its open attempts are interrupted ones now */
}

static void stop_rest(struct supervisor *s);

static bool is_wanted(const struct supervisor *s, enum role role) { return role != ROLE_ENGINE || wants_engine(s->config); }

/* Control and engine are never there twice: two of them would not know of each other's changes. */
static void start_successor(struct supervisor *s, enum role role)
{
    if (role == ROLE_GATEWAY || serve_child_of(s, role) || !is_wanted(s, role)) return;
    timer_cancel(s->loop, &s->restart[role]);
    if (!serve_child_start(s, role)) schedule(s, role);
}

static void on_death(struct supervisor *s, pid_t pid, int status)
{
    static const char *const NAMES[ROLES] = {"control", "gateway", "engine"};
    struct child *c = serve_child_find(s, pid);
    if (pid == s->trial.pid) trial_ended(s, status);
    if (!c || pid == 0) return;
    struct child dead = *c;
    *c = (struct child){0};
    if (dead.role == ROLE_GATEWAY) clear_slot(s, &dead);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    enum log_level level = dead.leaving || code == 0 ? LOG_INFO : LOG_ERROR;
    LOG(level, "child.ended", code < 0 ? strsignal(-code) : "", F_Z("role", NAMES[dead.role]), F_INT("pid", pid),
        F_INT("status", code));
    if (s->stopping) {
        stop_rest(s);
        return;
    }
    if (dead.leaving) {
        start_successor(s, (enum role)dead.role);
        return;
    }
    count_death(s, &dead);
    schedule(s, (enum role)dead.role);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------------------------- */

/* What control does is safe at any moment; one that hangs must not hold up the others. */
static void on_overstay(struct timer *t)
{
    struct supervisor *s = CONTAINER_OF(t, struct supervisor, overstay);
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) {
        struct child *c = &s->children[i];
        if (!c->pid || !c->leaving || c->role == ROLE_GATEWAY) continue;
        LOG(LOG_WARN, "child.overstayed", "it was told to end and has not; it is killed", F_INT("pid", c->pid),
            F_INT("after_ms", s->at_once ? LEAVE_SOON_MS : LEAVE_MS));
        kill(c->pid, SIGKILL);
    }
}

/* Gateways drain first; control ingests what they settled; then it is told, too. */
static void stop_rest(struct supervisor *s)
{
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && s->children[i].role == ROLE_GATEWAY) return;
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && !s->children[i].leaving) serve_child_leave(&s->children[i], SIGTERM);
    if (!timer_is_set(&s->overstay)) timer_set(s->loop, &s->overstay, s->at_once ? LEAVE_SOON_MS : LEAVE_MS, on_overstay);
    if (children_left(s) == 0) loop_stop(s->loop);
}

/* While a gateway drains nobody accepts, and an open socket would let callers in to wait in vain: refused, they go elsewhere. */
static void stop_listening(struct supervisor *s)
{
    for (unsigned i = 0; i < s->n_data; i++) sockets_close(&s->data_sockets[i]);
}

static void stop(struct supervisor *s)
{
    if (s->stopping) return;
    s->stopping = true;
    stop_listening(s);
    LOG(LOG_INFO, "supervisor.stopping", "gateways drain; a second signal ends them at once");
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && s->children[i].role == ROLE_GATEWAY) serve_child_leave(&s->children[i], SIGTERM);
    stop_rest(s);
}

static void stop_at_once(struct supervisor *s)
{
    if (s->at_once) return;
    s->at_once = true;
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && s->children[i].role == ROLE_GATEWAY) kill(s->children[i].pid, SIGKILL);
    timer_cancel(s->loop, &s->overstay);
    stop_rest(s);
}

/* ---- handing over to a new gateway ------------------------------------------------------------------------------------------------- */

/* Old gateways drain as soon as a new one serves. */
static void on_handover(struct timer *t)
{
    struct supervisor *s = CONTAINER_OF(t, struct supervisor, handover);
    struct child *fresh = NULL;
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) {
        struct child *c = &s->children[i];
        if (c->pid && c->role == ROLE_GATEWAY && c->started_ms) fresh = c;
    }
    if (!fresh || atomic_load(&s->board->gateways[fresh->slot].state) != GATEWAY_SERVING) {
        if (!s->stopping) timer_set(s->loop, t, HANDOVER_LOOK_MS, on_handover);
        return;
    }
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) {
        struct child *c = &s->children[i];
        if (c->pid && c != fresh && c->role == ROLE_GATEWAY) serve_child_leave(c, SIGTERM);
    }
}

/* Inherited children are of the old binary: control and engine go at once, gateways when the new one serves. */
static void replace_children(struct supervisor *s)
{
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) {
        struct child *c = &s->children[i];
        if (c->pid && c->role != ROLE_GATEWAY) serve_child_leave(c, SIGTERM);
    }
    timer_set(s->loop, &s->overstay, LEAVE_MS, on_overstay);
    timer_set(s->loop, &s->handover, HANDOVER_LOOK_MS, on_handover);
}

/* ---- signals ------------------------------------------------------------------------------------------------------------------------- */

static void reap(struct supervisor *s)
{
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) on_death(s, pid, status);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct supervisor *s = handle->data;
    switch (number) {
    case SIGCHLD: reap(s); break;
    case SIGHUP:
        if (serve_child_of(s, ROLE_CONTROL)) kill(serve_child_of(s, ROLE_CONTROL)->pid, SIGHUP);
        break;
    case SIGUSR2: serve_upgrade(s); break;
    default:
        if (s->stopping) stop_at_once(s);
        else stop(s);
    }
}

static void watch_signals(struct supervisor *s)
{
    static const int NUMBERS[] = {SIGCHLD, SIGHUP, SIGUSR2, SIGTERM, SIGINT};
    for (unsigned i = 0; i < COUNTOF(NUMBERS); i++) {
        uv_signal_init(loop_uv(s->loop), &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, NUMBERS[i]);
    }
    signal(SIGPIPE, SIG_IGN);
}

/* ---- start ------------------------------------------------------------------------------------------------------------------------------ */

static enum err find_program(struct supervisor *s, const char *config_file, struct fault *why)
{
    ssize_t n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
    if (n <= 0) return FAIL(why, ERR_IO, "cannot find our own program: %s", strerror(errno));
    s->program[n] = '\0';
    /* After an upgrade the old file may be gone: the kernel then names it so. */
    struct str gone = S(" (deleted)");
    if (str_ends(str_z(s->program), gone)) s->program[(size_t)n - gone.n] = '\0';
    if (!realpath(config_file, s->config_file))
        return FAIL(why, ERR_CONFIG, "cannot find the configuration file %s: %s", config_file, strerror(errno));
    return OK;
}

static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static enum err start(struct supervisor *s, const char *config_file, struct fault *why)
{
    bool taken_over = upgrade_inherited();
    TRY(find_program(s, config_file, why));
    TRY(config_load(s->config_file, &s->config, NULL, why));
    log_setup("supervisor", (enum log_format)s->config->log.format, (enum log_level)s->config->log.level, STDERR_FILENO);
    s->n_loops = s->config->loops ? (unsigned)s->config->loops : processors();
    if (s->n_loops > SERVE_LOOPS) s->n_loops = SERVE_LOOPS;
    raise_file_limit();
    s->loop = loop_new();
    TRY(taken_over ? upgrade_adopt(s, why) : open_fresh(s, why));
    snprintf(s->data, sizeof s->data, "%.*s", STR_ARG(s->config->data));
    renew_tls(s);
    watch_signals(s);
    if (taken_over) replace_children(s);
    return OK;
}

/* After a takeover control and engine follow when the old ones have gone. */
static void start_first(struct supervisor *s)
{
    bool leaving[ROLES] = {false};
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && s->children[i].leaving) leaving[s->children[i].role] = true; /* no gateway is, yet */
    for (enum role role = 0; role < ROLES; role++) {
        bool is_there = role != ROLE_GATEWAY && serve_child_of(s, role);
        if (!leaving[role] && !is_there && is_wanted(s, role)) serve_child_start(s, role);
    }
}

int serve_main(const char *config_file)
{
    static struct supervisor s;
    struct fault why = {0};
    the_supervisor = &s;
    log_setup("supervisor", LOG_TEXT, LOG_INFO, STDERR_FILENO);
    if (start(&s, config_file, &why) != OK) {
        LOG(LOG_ERROR, "start.failed", why.text);
        return why.code == ERR_CONFIG ? 2 : 1;
    }
    reap(&s); /* inherited children may have died while the image was changed */
    start_first(&s);
    loop_run(s.loop);
    LOG(LOG_INFO, "supervisor.stopped", "");
    return 0;
}
