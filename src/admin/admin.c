/* The control process: its arguments, its loop, when what is done. Started by the supervisor with the board and the
 * listening sockets as inherited descriptors; dies with it. */
#include "admin/priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { POLL_MS = 500, INGEST_MS = 200, LISTENERS_MAX = 20, BODY_MAX = MIB(1), STATE_BODY_MAX = MIB(128), ANSWER_MS = 5000 };
enum { DRAIN_MS = 20 }; /* its clients are few and try again: a restart waits for none that only keeps a connection */

struct arguments {
    const char *config, *board, *admin_fds, *metrics_fds;
};

/* ---- jobs of its own -------------------------------------------------------------------------------------------------- */

static void take_keys(struct control *c)
{
    const struct desk *d = &c->desk; /* in a done(): the lane stands still */
    c->admin_key = d->admin_key;
    c->metrics_key = d->metrics_key;
    atomic_store(&c->state.retention_ms, d->config->state.retention);
    atomic_store(&c->state.max_bytes, d->config->state.max_bytes);
    log_threshold = (enum log_level)d->config->log.level;
}

static void submit_reload(struct control *c);
static void stop(struct control *c);

static void reload_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, reload_job);
    struct fault why = {0};
    ignore_err(desk_reload(&c->desk, &why)); /* told, counted and kept by the desk */
}

static void reload_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, reload_job);
    c->reload_queued = false;
    if (c->desk.config) {
        take_keys(c);
        if (!c->stopping) found_sync(c);
    } else if (atomic_load(&c->board->generation) == 0) { /* the first start: nobody serves an older generation */
        c->status = 1;                                    /* why was logged */
        stop(c);
    }
    if (!c->reload_again) return;
    c->reload_again = false;
    submit_reload(c);
}

static void submit_reload(struct control *c)
{
    if (c->reload_queued) {
        c->reload_again = true;
        return;
    }
    c->reload_queued = true;
    c->reload_job.run = reload_run;
    c->reload_job.done = reload_done;
    lane_submit(&c->lanes[LANE_DESK], &c->reload_job);
}

/* The files are looked at in the lane: stat(2) may wait for a disk, too. A key change that could not be published is
 * published here. */
static void poll_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, poll_job);
    struct fault why = {0};
    c->files_changed = desk_files_changed(&c->desk);
    if (c->desk.unpublished) c->desk.unpublished = desk_publish(&c->desk, &why) != OK;
    desk_sweep(&c->desk);
}

static void on_poll(struct timer *t);

static void poll_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, poll_job);
    if (c->stopping) return;
    if (c->files_changed) submit_reload(c);
    timer_set(c->loop, &c->poll, POLL_MS, on_poll);
}

static void on_poll(struct timer *t)
{
    struct control *c = CONTAINER_OF(t, struct control, poll);
    c->poll_job.run = poll_run;
    c->poll_job.done = poll_done;
    lane_submit(&c->lanes[LANE_DESK], &c->poll_job);
}

static void on_ingest_time(struct timer *t);

static void ingest_run(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, ingest_job);
    struct fault why = {0};
    if (c->desk.config) ignore_err(desk_ingest(&c->desk, &why)); /* told by the desk */
}

/* No pool thread may be at work when the desk is cleared away. */
static void on_lane_idle(struct lane *l)
{
    struct control *c = l->user;
    for (unsigned i = 0; i < LANES; i++)
        if (c->lanes[i].busy || !c->lanes[i].on_idle) return;
    loop_stop(c->loop);
}

static void close_lanes(struct control *c)
{
    for (unsigned i = 0; i < LANES; i++) lane_end(&c->lanes[i], on_lane_idle);
}

static void ingest_done(struct job *j)
{
    struct control *c = CONTAINER_OF(j, struct control, ingest_job);
    c->ingest_queued = false;
    if (c->finishing) close_lanes(c);
    else if (!c->stopping) timer_set(c->loop, &c->ingest_timer, INGEST_MS, on_ingest_time);
}

static void submit_ingest(struct control *c)
{
    if (c->ingest_queued) return;
    c->ingest_queued = true;
    c->ingest_job.run = ingest_run;
    c->ingest_job.done = ingest_done;
    lane_submit(&c->lanes[LANE_DESK], &c->ingest_job);
}

static void on_ingest_time(struct timer *t) { submit_ingest(CONTAINER_OF(t, struct control, ingest_timer)); }

/* ---- signals and the bell --------------------------------------------------------------------------------------------- */

/* One last ingest, so that the database has all that the gateways settled; then the end. */
static void finish(struct control *c)
{
    if (c->finishing) return;
    c->finishing = true;
    timer_cancel(c->loop, &c->give_up);
    submit_ingest(c);
}

static void on_give_up(struct timer *t) { finish(CONTAINER_OF(t, struct control, give_up)); }

static void on_face_empty(void *face)
{
    struct control *c = ((struct face *)face)->control;
    if (--c->faces_open == 0) finish(c);
}

/* Who asked is answered; who comes now waits in the listening socket, which a new control finds. */
static void stop(struct control *c)
{
    if (c->stopping) return;
    c->stopping = true;
    timer_cancel(c->loop, &c->poll);
    timer_cancel(c->loop, &c->ingest_timer);
    found_stop(c);
    state_stop(c);
    timer_set(c->loop, &c->give_up, ANSWER_MS, on_give_up);
    c->faces_open = COUNTOF(c->faces);
    for (size_t i = 0; i < COUNTOF(c->faces); i++) http_server_drain(c->faces[i].server, on_face_empty);
}

static void on_signal(struct watch *w, unsigned events)
{
    struct control *c = CONTAINER_OF(w, struct control, signals);
    struct signalfd_siginfo info;
    while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) submit_reload(c);
        else stop(c);
    }
}

static void on_bell(struct watch *w, unsigned events)
{
    struct control *c = CONTAINER_OF(w, struct control, bell);
    bell_hush(&c->fds, BELL_CONTROL);
    if (!c->stopping) submit_ingest(c);
}

static enum err watch_signals(struct control *c, struct fault *why)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot watch for signals: %s", strerror(errno));
    TRY(watch_start(c->loop, &c->signals, fd, WATCH_READ, on_signal));
    return watch_start(c->loop, &c->bell, c->fds.bells[BELL_CONTROL], WATCH_READ, on_bell);
}

/* ---- listeners -------------------------------------------------------------------------------------------------------- */

static bool parse_fds(const char *text, int ret_fds[LISTENERS_MAX], unsigned *ret_n)
{
    struct str rest = str_z(text), part;
    for (*ret_n = 0; rest.n; (*ret_n)++) {
        uint64_t fd;
        str_cut(rest, ',', &part, &rest);
        if (*ret_n == LISTENERS_MAX || !str_u64(part, &fd) || fd > 65535) return false;
        ret_fds[*ret_n] = (int)fd;
    }
    return true;
}

static enum err listen_on(struct face *f, int fd, const struct config_listener *l, struct fault *why)
{
    struct tls_server *tls = NULL;
    if (l && l->tls_cert.n) TRY(tls_server_new(l->tls_cert.p, l->tls_key.p, &tls, why));
    enum err got = http_server_listen(f->server, fd, tls, why);
    if (tls) tls_server_unref(tls);
    return got;
}

/* The sockets stand in the order of the file; TLS is what the file says at the start. */
static enum err open_face(struct control *c, struct face *f, const char *fds_text, const struct config_listener *listeners,
                          unsigned n, struct fault *why)
{
    int fds[LISTENERS_MAX];
    unsigned n_fds;
    struct http_server_options options = {0};
    http_limits_default(&options.limits);
    options.limits.body_max = f->is_state ? STATE_BODY_MAX : BODY_MAX;
    options.limits.drain_ms = DRAIN_MS;
    f->control = c;
    f->server = http_server_new(c->loop, &api_handler, &options, f);
    if (!fds_text) return OK;
    if (!parse_fds(fds_text, fds, &n_fds) || n_fds > n)
        return FAIL(why, ERR_CONFIG, "the listening sockets do not belong to this configuration; restart Aquifer as a whole");
    for (unsigned i = 0; i < n_fds; i++) TRY(listen_on(f, fds[i], &listeners[i], why));
    return OK;
}

static enum err open_faces(struct control *c, const struct arguments *a, const struct config *config, struct fault *why)
{
    c->faces[FACE_METRICS].metrics_only = true;
    c->faces[FACE_STATE].is_state = true;
    TRY(open_face(c, &c->faces[FACE_STATE], NULL, NULL, 0, why));
    TRY(state_listen(c, config->data, why));
    TRY(open_face(c, &c->faces[FACE_ADMIN], a->admin_fds, config->admin_listen.at, config->admin_listen.n, why));
    return open_face(c, &c->faces[FACE_METRICS], a->metrics_fds, config->metrics_listen.at, config->metrics_listen.n, why);
}

/* ---- the process ------------------------------------------------------------------------------------------------------ */

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
    const struct {
        const char *name;
        const char **value;
    } NAMES[] = {
        {"--config", &a->config}, {"--board", &a->board}, {"--admin-fds", &a->admin_fds}, {"--metrics-fds", &a->metrics_fds}};
    for (int i = 1; i + 1 < argc; i += 2) {
        size_t k = 0;
        while (k < COUNTOF(NAMES) && strcmp(argv[i], NAMES[k].name) != 0) k++;
        if (k == COUNTOF(NAMES)) return false;
        *NAMES[k].value = argv[i + 1];
    }
    return argc % 2 == 1 && a->config && a->board;
}

/* What the loop itself needs, so that the first request finds it: listeners, keys, where the database will be. */
static enum err take_config(struct control *c, const struct arguments *a, const struct config *config, struct fault *why)
{
    size_t room = config->data.n + sizeof "/aquifer.db";
    log_setup("control", (enum log_format)config->log.format, (enum log_level)config->log.level, STDERR_FILENO);
    c->reports_path = mem_alloc(room);
    snprintf(c->reports_path, room, "%.*s", STR_ARG(config->data));
    ledger_restore_sweep(c->reports_path); /* before the first request could begin another one */
    snprintf(c->reports_path, room, "%.*s/aquifer.db", STR_ARG(config->data));
    TRY(desk_read_key(config->admin_key, &c->admin_key, why));
    TRY(desk_read_key(config->metrics_key, &c->metrics_key, why));
    return open_faces(c, a, config, why);
}

/* The configuration is read here for the loop; the desk reads it again for all else. */
static enum err setup(struct control *c, const struct arguments *a, struct fault *why)
{
    struct config *config;
    if (!board_fds_parse(a->board, &c->fds)) return FAIL(why, ERR_CONFIG, "--board is not what the supervisor gives");
    TRY(board_open(&c->fds, &c->board, why));
    int32_t supervisor = atomic_load(&c->board->supervisor_pid);
    if (supervisor && supervisor != (int32_t)getppid()) return FAIL(why, ERR_INTERNAL, "the supervisor is gone");
    TRY(config_load(a->config, &config, NULL, why));
    enum err got = take_config(c, a, config, why);
    config_free(config);
    if (got != OK) return got;
    atomic_store(&c->board->control_pid, (int32_t)getpid());
    c->desk.board = c->board;
    c->desk.fds = &c->fds;
    c->desk.file = a->config;
    map_init(&c->desk.by_id);
    buf_init(&c->desk.restart_needed, KIB(4));
    return watch_signals(c, why);
}

static void teardown(struct control *c)
{
    for (size_t i = 0; i < COUNTOF(c->faces); i++)
        if (c->faces[i].server) http_server_free(c->faces[i].server);
    for (unsigned i = 0; i < LANES; i++) lane_clear(&c->lanes[i]);
    if (c->signals.loop) {
        watch_stop(&c->signals);
        close(c->signals.fd);
    }
    if (c->bell.loop) watch_stop(&c->bell);
    timer_cancel(c->loop, &c->poll);
    timer_cancel(c->loop, &c->ingest_timer);
    timer_cancel(c->loop, &c->give_up);
    found_done(c);
    state_done(c);
    desk_done(&c->desk);
    store_close(c->reports);
    free(c->reports_path);
    board_close(c->board);
    loop_free(c->loop);
}

int admin_main(int argc, char **argv)
{
    struct arguments a = {0};
    struct fault why = {0};
    struct control c = {0};
    if (!read_arguments(argc, argv, &a)) {
        fprintf(stderr,
                "aquifer-control is started by aquifer serve: --config FILE --board FDS [--admin-fds FDS] [--metrics-fds FDS]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    c.loop = loop_new();
    for (unsigned i = 0; i < LANES; i++) lane_init(&c.lanes[i], c.loop, &c);
    if (setup(&c, &a, &why) == OK) {
        submit_reload(&c);
        submit_ingest(&c);
        timer_set(c.loop, &c.poll, POLL_MS, on_poll);
        state_start(&c);
        loop_run(c.loop);
    } else {
        LOG(LOG_ERROR, "control.start_failed", why.text);
        c.status = 1;
    }
    teardown(&c);
    return c.status;
}
