/* The gateway process: arguments, the manager (generations, memory, signals) on the main thread, one thread per loop, and
 * the drain at the end. Owns the listening sockets' use, the journal and the generations. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "priv.h"

/* ---- arguments ---------------------------------------------------------------------------------------------------------- */

struct tls_files {
    const char *cert, *key;
};
struct args {
    const char *data, *board, *slot, *log;
    const char *trusted, *prefix, *proxy_protocol; /* for the waiting room; all later comes with a generation */
    const char *listen[GATEWAY_LISTENERS];
    struct tls_files tls[GATEWAY_LISTENERS];
    unsigned n_listen;
};

static bool take_arg(struct args *a, const char *name, const char *value)
{
    struct tls_files *tls = a->n_listen ? &a->tls[a->n_listen - 1] : NULL;
    const struct {
        const char *name;
        const char **to;
    } plain[] = {
        {"--data", &a->data},
        {"--board", &a->board},
        {"--slot", &a->slot},
        {"--log", &a->log},
        {"--trusted-proxies", &a->trusted},
        {"--path-prefix", &a->prefix},
        {"--proxy-protocol", &a->proxy_protocol},
        {"--tls-cert", tls ? &tls->cert : NULL},
        {"--tls-key", tls ? &tls->key : NULL},
    };
    for (unsigned i = 0; i < COUNTOF(plain); i++) {
        if (strcmp(plain[i].name, name) != 0 || !plain[i].to) continue;
        *plain[i].to = value;
        return true;
    }
    if (strcmp(name, "--listen") != 0 || a->n_listen == GATEWAY_LISTENERS) return false;
    a->listen[a->n_listen++] = value;
    return true;
}

static enum err read_args(int argc, char **argv, struct args *a, struct fault *why)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (!take_arg(a, argv[i], argv[i + 1])) return FAIL(why, ERR_CONFIG, "unknown argument %s", argv[i]);
    if (!a->data || !a->board || !a->slot || !a->n_listen)
        return FAIL(why, ERR_CONFIG, "the gateway is started by 'aquifer serve', not by hand");
    return OK;
}

static enum err open_listener(struct gateway *g, const char *fds, const struct tls_files *tls, struct fault *why)
{
    struct listener *l = &g->listeners[g->n_listeners++];
    struct str rest = str_z(fds), one;
    while (rest.n && l->n_fds < GATEWAY_LOOPS) {
        uint64_t fd;
        str_cut(rest, ',', &one, &rest);
        if (!str_u64(one, &fd) || fd > INT32_MAX) return FAIL(why, ERR_CONFIG, "bad descriptor list '%s'", fds);
        l->fds[l->n_fds++] = (int)fd;
    }
    if (g->n_loops && l->n_fds != g->n_loops) return FAIL(why, ERR_CONFIG, "listeners of different sizes");
    g->n_loops = l->n_fds;
    return tls->cert ? tls_server_new(tls->cert, tls->key, &l->tls, why) : OK;
}

/* ---- loops ---------------------------------------------------------------------------------------------------------------- */

enum { ROOM_MAX = 1024 * 1024 };

static enum err open_loop(struct gateway *g, unsigned number, struct fault *why)
{
    struct gateway_loop *gl = &g->loops[number];
    gl->gateway = g;
    gl->number = number;
    gl->loop = loop_new();
    gl->generation = loader_newest(g);
    atomic_store(&gl->serves, gl->generation->number);
    gl->server = http_server_new(gl->loop, &gateway_door, &gl->generation->settings.server, gl);
    gl->client = http_client_new(gl->loop, &(struct http_client_options){.take_memory = memory_take, .user = g});
    gl->state = http_origin_unix(gl->generation->settings.state_socket);
    json_tape_init(&gl->tape, 0);
    buf_init(&gl->room, ROOM_MAX);
    arena_init(&gl->form, TRANSLATE_CHUNK, 0);
    buf_init(&gl->array, SIZE_MAX / 4); /* as long as what was to be written */
    TRY(journal_writer_new(g->journal, gl->loop, &gl->writer, why));
    for (unsigned i = 0; i < g->n_listeners; i++)
        TRY(http_server_listen(gl->server, g->listeners[i].fds[number], g->listeners[i].tls, why));
    return OK;
}

static void close_loop(struct gateway_loop *gl)
{
    /* Exchanges without a client: their call lingers, or their record waits for the disk. */
    background_close(gl);
    http_server_free(gl->server);
    http_client_fail_calls(gl->client);
    journal_writer_let_go(gl->writer);
    http_client_free(gl->client);
    journal_writer_free(gl->writer);
    http_origin_unref(gl->state);
    for (unsigned i = 0; i < BOARD_ENGINES; i++) http_origin_unref(gl->engines[i]);
    while (gl->spare) {
        struct exchange *x = gl->spare;
        gl->spare = x->next_spare;
        free(x);
    }
    json_tape_done(&gl->tape);
    buf_done(&gl->room);
    arena_done(&gl->form);
    buf_done(&gl->array);
    generation_unref(gl->generation);
    loop_free(gl->loop);
}

static void *run_loop(void *arg)
{
    struct gateway_loop *gl = arg;
    char name[16];
    snprintf(name, sizeof name, "loop-%u", gl->number);
    pthread_setname_np(pthread_self(), name);
    loop_run(gl->loop);
    return NULL;
}

static enum err start_loops(struct gateway *g, struct fault *why)
{
    sigset_t all, before;
    g->loops = mem_alloc(g->n_loops * sizeof *g->loops);
    atomic_store(&g->loops_left, g->n_loops);
    for (unsigned i = 0; i < g->n_loops; i++) TRY(open_loop(g, i, why));
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the manager's */
    for (unsigned i = 0; i < g->n_loops; i++)
        if (pthread_create(&g->loops[i].thread, NULL, run_loop, &g->loops[i]) != 0)
            return FAIL(why, ERR_IO, "cannot start a thread: %s", strerror(errno));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return OK;
}

/* ---- the drain -------------------------------------------------------------------------------------------------------------- */

static void on_loop_empty(void *user)
{
    struct gateway_loop *gl = user;
    if (atomic_fetch_sub(&gl->gateway->loops_left, 1) == 1) loop_stop(gl->gateway->manager);
}

static void on_drain(struct post *p)
{
    struct gateway_loop *gl = CONTAINER_OF(p, struct gateway_loop, on_drain);
    struct gateway *g = gl->gateway;
    http_server_drain(gl->server, on_loop_empty);
    /* The supervisor has the sockets too, if it lives; if it does not, its successor shall be able to listen. */
    for (unsigned i = 0; i < g->n_listeners; i++) close(g->listeners[i].fds[gl->number]);
}

static void on_drain_over(struct timer *t)
{
    struct gateway *g = CONTAINER_OF(t, struct gateway, drain_timer);
    LOG(LOG_WARN, "gateway.drain_over", "the drain time is over; open streams are closed",
        F_INT("exchanges", atomic_load(&g->slot->exchanges)));
    loop_stop(g->manager);
}

static void drain(struct gateway *g)
{
    if (atomic_exchange(&g->draining, true)) return;
    atomic_store(&g->slot->state, GATEWAY_DRAINING);
    LOG(LOG_INFO, "gateway.draining", "no new connections; open streams go on",
        F_INT("exchanges", atomic_load(&g->slot->exchanges)));
    if (!g->loops) {
        loop_stop(g->manager);
        return;
    }
    for (unsigned i = 0; i < g->n_loops; i++) loop_post(g->loops[i].loop, &g->loops[i].on_drain, on_drain);
    timer_set(g->manager, &g->drain_timer, g->newest->settings.drain_ms, on_drain_over);
}

static void on_signal(uv_signal_t *s, int number)
{
    (void)number;
    drain(s->data);
}

/* ---- the manager ------------------------------------------------------------------------------------------------------------ */

static void serve_when_loaded(struct gateway *g)
{
    struct fault why = {0};
    if (loader_load(g, &why) != OK) LOG(LOG_ERROR, "generation.refused", why.text, F_Z("where", why.where));
    waiting_look(g); /* it leaves before the loops begin to accept */
    if (!g->newest || g->loops || atomic_load(&g->draining)) return;
    if (journal_open(&g->newest->settings.journal, g->board, &g->journal, &why) != OK || start_loops(g, &why) != OK) {
        LOG(LOG_ERROR, "gateway.start_failed", why.text, F_Z("where", why.where));
        exit(1);
    }
    loader_tell_board(g);
    atomic_store(&g->slot->state, GATEWAY_SERVING);
    LOG(LOG_INFO, "gateway.serving", "", F_UINT("loops", g->n_loops), F_UINT("slot", g->slot_number));
}

static void on_bell(struct watch *w, unsigned events)
{
    (void)events;
    struct gateway *g = CONTAINER_OF(w, struct gateway, bell);
    bell_hush(&g->fds, BELL_GATEWAY);
    serve_when_loaded(g);
}

/* While one gateway takes over from another both hang on one bell, and the other may have hushed it. */
static void on_look(struct timer *t)
{
    enum { LOOK_MS = 100 };
    struct gateway *g = CONTAINER_OF(t, struct gateway, look_timer);
    serve_when_loaded(g);
    timer_set(g->manager, t, LOOK_MS, on_look);
}

static void claim_slot(struct gateway *g)
{
    g->slot = &g->board->gateways[g->slot_number];
    meter_forget(g->board, g->slot_number);
    atomic_store(&g->slot->pid, (int32_t)getpid());
    atomic_store(&g->slot->state, GATEWAY_STARTING);
    atomic_store(&g->slot->generation, 0);
    atomic_store(&g->slot->generation_refused, 0);
    atomic_store(&g->slot->exchanges, 0);
    atomic_store(&g->slot->memory, 0);
    atomic_store(&g->slot->websockets, 0);
    atomic_store(&g->slot->started_ms, clock_wall_ms());
}

/* Freed bodies go back to the pool and not to the kernel: at 100 KB each, trimming was a fifth of a request's cost. */
static void tune_process(void)
{
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_MMAP_THRESHOLD, 4 * 1024 * 1024);
    mallopt(M_ARENA_MAX, 64);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_DUMPABLE, 0); /* keys are in this memory */
    signal(SIGPIPE, SIG_IGN);
}

static enum err open_gateway(struct gateway *g, const struct args *a, struct fault *why)
{
    uint64_t slot;
    if (!board_fds_parse(a->board, &g->fds)) return FAIL(why, ERR_CONFIG, "bad board descriptors '%s'", a->board);
    if (!str_u64(str_z(a->slot), &slot) || slot >= BOARD_GATEWAYS) return FAIL(why, ERR_CONFIG, "bad slot '%s'", a->slot);
    g->slot_number = (unsigned)slot;
    g->data = a->data;
    TRY(waiting_rules(g, a->trusted, a->prefix, a->proxy_protocol && strcmp(a->proxy_protocol, "yes") == 0, why));
    TRY(board_open(&g->fds, &g->board, why));
    for (unsigned i = 0; i < a->n_listen; i++) TRY(open_listener(g, a->listen[i], &a->tls[i], why));
    claim_slot(g);
    g->manager = loop_new();
    return watch_start(g->manager, &g->bell, g->fds.bells[BELL_GATEWAY], WATCH_READ, on_bell);
}

static void close_gateway(struct gateway *g)
{
    for (unsigned i = 0; g->loops && i < g->n_loops; i++) loop_stop(g->loops[i].loop);
    for (unsigned i = 0; g->loops && i < g->n_loops; i++) {
        pthread_join(g->loops[i].thread, NULL);
        close_loop(&g->loops[i]);
    }
    waiting_done(g);
    if (g->journal) journal_close(g->journal);
    if (g->newest) generation_unref(g->newest);
    atomic_store(&g->slot->state, GATEWAY_FREE);
    atomic_store(&g->slot->pid, 0);
}

int gateway_main(int argc, char **argv)
{
    static struct gateway g = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct args args = {0};
    struct fault why = {0};
    uv_signal_t term, interrupt;
    log_setup("gateway", LOG_TEXT, LOG_INFO, STDERR_FILENO);
    tune_process();
    enum err e = read_args(argc, argv, &args, &why);
    if (args.log && strcmp(args.log, "json") == 0) log_setup("gateway", LOG_JSON, LOG_INFO, STDERR_FILENO);
    if (e != OK || sandbox_enter(&why) != OK || open_gateway(&g, &args, &why) != OK) {
        LOG(LOG_ERROR, "gateway.start_failed", why.text, F_Z("where", why.where));
        return 1;
    }
    uv_signal_init(loop_uv(g.manager), &term);
    uv_signal_init(loop_uv(g.manager), &interrupt);
    term.data = interrupt.data = &g;
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    memory_watch(&g);
    on_look(&g.look_timer);
    loop_run(g.manager);
    close_gateway(&g);
    LOG(LOG_INFO, "gateway.stopped", "");
    return 0;
}
