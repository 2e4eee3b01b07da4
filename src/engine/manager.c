/* The engine process: one llama-server for each local model that is in use, started, watched and stopped by what the
 * board says. Called by serve in role `engine`; owns the children, their ports and keys, and writes their rows. */
#include "engine/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 1000u
#define TICK_LOADING_MS 200u /* so that a loaded model is used at once */
#define HEALTH_EVERY_MS 10000u
#define HEALTH_LIMIT_MS 20000u /* a busy machine answers late */
#define EVICT_UNUSED_MS 10000u /* a model in use is not thrown out for another */

struct manager;

/* One local model and its row; it keeps its place as long as the process lives. */
struct slot {
    struct manager *manager;
    struct engine_row *row;
    struct life life;
    struct child child;
    struct probe probe;
    struct model model;
    bool present;   /* its description stands in the directory */
    int weights_fd; /* held while the child runs */
    int64_t rss;
    bool busy;
    bool ended_by_us;  /* the row's fault tells already why */
    uint64_t asked_at; /* last health check */
};

struct manager {
    const struct engine_settings *settings;
    struct board *board;
    const struct board_fds *fds;
    struct loop *loop;
    struct life_rules rules;
    struct timer tick;
    struct watch bell, signals;
    int signal_fd;
    bool stopping;
    uint64_t memory;
    uint64_t looked_at;      /* last whole look: memory, processor */
    struct timespec scanned; /* the directory's time when it was read */
    bool full_told;
    struct slot slots[BOARD_ENGINES];
    size_t n;
};

/* ---- the row ------------------------------------------------------------------------------------------------------------- */

/* What the gateway reads is written before the state that makes it valid. */
static void show(struct slot *s)
{
    uint32_t before = atomic_load_explicit(&s->row->state, memory_order_relaxed);
    atomic_store_explicit(&s->row->pid, s->child.pid, memory_order_relaxed);
    atomic_store_explicit(&s->row->rss, s->rss, memory_order_relaxed);
    if (before == s->life.state) return;
    atomic_store_explicit(&s->row->state, s->life.state, memory_order_release);
    bell_ring(s->manager->fds, BELL_GATEWAY);
}

static void tell(struct slot *s, enum log_level level, const char *event, const char *text)
{
    text_set(s->row->fault, sizeof(s->row->fault), str_make(text, strnlen(text, sizeof(s->row->fault) - 1)));
    LOG(level, event, text, F_Z("model", s->row->name), F_INT("pid", s->child.pid));
}

static struct life_facts facts_of(const struct slot *s)
{
    int64_t wanted = atomic_load_explicit(&s->row->wanted_ms, memory_order_acquire);
    int64_t unused = clock_wall_ms() - wanted;
    return (struct life_facts){.now = loop_now(s->manager->loop),
                               .wanted = s->present ? wanted : 0,
                               .unused_ms = unused > 0 ? (uint64_t)unused : 0,
                               .busy = s->busy};
}

/* ---- starting a child ------------------------------------------------------------------------------------------------------ */

/* A port that is free now; 0: none. Should another take it first, the child ends and is started again with a new one. */
static uint32_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return 0;
    bool got = bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0;
    close(fd);
    return got ? ntohs(at.sin_port) : 0;
}

static void new_key(struct engine_row *row)
{
    unsigned char bytes[32];
    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) snprintf(row->key + 2 * i, 3, "%02x", bytes[i]);
    explicit_bzero(bytes, sizeof(bytes));
}

static uint32_t thread_count(uint32_t configured)
{
    cpu_set_t set;
    if (configured) return configured;
    if (sched_getaffinity(0, sizeof(set), &set) < 0) return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (uint32_t)n : 1;
}

/* A name stands for a file of ours. */
static enum err template_path(const struct model *m, struct buf *ret_path, struct fault *why)
{
    buf_clear(ret_path);
    if (!m->template[0]) return OK;
    if (m->template[0] != '/') {
        TRY(engine_share_dir(ret_path, why));
        buf_str(ret_path, S("/templates/"));
    }
    buf_str(ret_path, str_z(m->template));
    if (access(buf_z(ret_path), R_OK) == 0) return OK;
    return FAIL(why, ERR_ENGINE, "the chat template %s of model %s cannot be read: %s", buf_z(ret_path), m->name,
                strerror(errno));
}

struct paths {
    struct buf command, weights, template;
};

static void paths_init(struct paths *p)
{
    buf_init(&p->command, PATH_BYTES);
    buf_init(&p->weights, PATH_BYTES);
    buf_init(&p->template, PATH_BYTES);
}

static void paths_done(struct paths *p)
{
    buf_done(&p->command);
    buf_done(&p->weights);
    buf_done(&p->template);
}

static enum err find_paths(const struct slot *s, struct paths *p, struct fault *why)
{
    const struct engine_settings *set = s->manager->settings;
    TRY(engine_find_command(str_z(set->command), &p->command, why));
    TRY(template_path(&s->model, &p->template, why));
    model_path(set->models_dir, &s->model, &p->weights);
    return model_check_gguf(buf_z(&p->weights), why);
}

static enum err run_child(struct slot *s, struct paths *p, struct fault *why)
{
    struct arena arena;
    char **argv, **envp;
    struct child_plan plan = {.command = buf_z(&p->command),
                              .weights = buf_z(&p->weights),
                              .name = s->row->name,
                              .template = buf_z(&p->template),
                              .key = s->row->key,
                              .port = free_port(),
                              .threads = thread_count(s->manager->settings->threads),
                              .context = s->model.context,
                              .parallel = s->model.parallel,
                              .embeddings = s->model.embeddings,
                              .pooling = s->model.pooling};
    if (!plan.port) return FAIL(why, ERR_ENGINE, "no free port on 127.0.0.1 for model %s: %s", s->row->name, strerror(errno));
    s->weights_fd = weights_hold(plan.weights);
    if (s->weights_fd < 0) return FAIL(why, ERR_ENGINE, "%s cannot be read: %s", plan.weights, strerror(errno));
    atomic_store_explicit(&s->row->port, plan.port, memory_order_relaxed);
    arena_init(&arena, KIB(16), KIB(256));
    enum err e = child_words(&arena, &plan, &argv, &envp)
                     ? child_start(&s->child, argv, envp, why)
                     : FAIL(why, ERR_ENGINE, "the paths of model %s are too long", s->row->name);
    arena_done(&arena);
    if (e == OK) return OK;
    close(s->weights_fd);
    s->weights_fd = -1;
    return e;
}

static void start(struct slot *s)
{
    struct fault why = {0};
    struct paths paths;
    new_key(s->row);
    s->ended_by_us = false;
    paths_init(&paths);
    enum err e = find_paths(s, &paths, &why);
    if (e == OK) e = run_child(s, &paths, &why);
    paths_done(&paths);
    if (e != OK) {
        tell(s, LOG_ERROR, "engine.start_failed", why.text);
        life_refused(&s->life, loop_now(s->manager->loop));
        return;
    }
    life_started(&s->life, loop_now(s->manager->loop));
    s->asked_at = 0;
    s->rss = 0;
    LOG(LOG_INFO, "engine.start", "llama-server is loading", F_Z("model", s->row->name), F_INT("pid", s->child.pid),
        F_UINT("port", atomic_load(&s->row->port)));
}

/* ---- room in memory ---------------------------------------------------------------------------------------------------------- */

static uint64_t slot_memory(const struct slot *s)
{
    if (!s->child.pid) return 0;
    uint64_t guess = memory_guess(s->model.bytes), rss = s->rss > 0 ? (uint64_t)s->rss : 0;
    return s->life.phase == PHASE_LOADING && guess > rss ? guess : rss;
}

static uint64_t all_memory(const struct manager *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n; i++) sum += slot_memory(&m->slots[i]);
    return sum;
}

/* The ready model that was not used for the longest time; NULL: all are in use. */
static struct slot *least_used(struct manager *m)
{
    struct slot *found = NULL;
    uint64_t most = EVICT_UNUSED_MS;
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = &m->slots[i];
        struct life_facts f = facts_of(s);
        if (s->life.phase != PHASE_UP || f.busy || f.unused_ms < most) continue;
        most = f.unused_ms;
        found = s;
    }
    return found;
}

static void start_if_room(struct slot *s)
{
    struct manager *m = s->manager;
    uint64_t need = memory_guess(s->model.bytes);
    struct fault why;
    if (need > m->memory) {
        ignore_err(FAIL(&why, ERR_ENGINE,
                        "needs about %llu MB and the engine may use %llu MB; choose a smaller model or raise the "
                        "engine's memory limit",
                        (unsigned long long)(need >> 20), (unsigned long long)(m->memory >> 20)));
        tell(s, LOG_ERROR, "engine.too_large", why.text);
        life_refused(&s->life, loop_now(m->loop));
        return;
    }
    if (all_memory(m) + need <= m->memory) {
        start(s);
        return;
    }
    life_waits(&s->life);
    struct slot *other = least_used(m);
    if (!other) return;
    struct life_facts f = facts_of(other);
    LOG(LOG_INFO, "engine.evict", "stopped to make room for another model", F_Z("model", other->row->name),
        F_Z("for", s->row->name));
    life_leave(&other->life, &f);
    show(other);
}

static void end_now(struct slot *s, const char *event, const char *text)
{
    tell(s, LOG_ERROR, event, text);
    s->ended_by_us = true;
    child_signal(&s->child, SIGKILL);
}

/* The largest goes when all together are over. */
static void keep_memory(struct manager *m)
{
    struct slot *largest = NULL;
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = &m->slots[i];
        if (!s->child.pid || s->rss <= 0) continue;
        sum += (uint64_t)s->rss;
        if (!largest || s->rss > largest->rss) largest = s;
    }
    if (largest && sum > m->memory && !largest->ended_by_us)
        end_now(largest, "engine.memory",
                "llama-server used more memory than the engine may; choose a smaller model or context, or "
                "raise the engine's memory limit");
}

/* ---- what the loop tells -------------------------------------------------------------------------------------------------------- */

static void on_probe(struct probe *p, bool healthy)
{
    struct slot *s = CONTAINER_OF(p, struct slot, probe);
    if (!s->child.pid) return;
    enum engine_state before = s->life.state;
    if (healthy) life_healthy(&s->life, loop_now(s->manager->loop));
    else if (life_deaf(&s->life) == ACT_KILL_DEAF && !s->ended_by_us)
        end_now(s, "engine.deaf", "llama-server did not answer its health check any more and was ended");
    if (before != s->life.state)
        LOG(LOG_INFO, "engine.ready", "model is loaded", F_Z("model", s->row->name), F_INT("pid", s->child.pid));
    show(s);
}

static void describe_end(struct slot *s, int status, char *out, size_t cap)
{
    const char *last = s->child.last_error;
    int n = WIFSIGNALED(status) ? snprintf(out, cap, "llama-server was ended by signal %d", WTERMSIG(status))
                                : snprintf(out, cap, "llama-server ended with code %d", WEXITSTATUS(status));
    if (*last && n > 0 && (size_t)n < cap) snprintf(out + n, cap - (size_t)n, ": %s", last);
}

static bool any_child(const struct manager *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->slots[i].child.pid) return true;
    return false;
}

static void on_child_exit(struct child *c, int status)
{
    struct slot *s = CONTAINER_OF(c, struct slot, child);
    struct manager *m = s->manager;
    char text[sizeof(s->row->fault)];
    bool expected = s->life.phase == PHASE_ENDING;
    probe_stop(&s->probe);
    close(s->weights_fd);
    s->weights_fd = -1;
    s->rss = 0;
    s->busy = false;
    describe_end(s, status, text, sizeof(text));
    life_gone(&s->life, loop_now(m->loop));
    if (expected) LOG(LOG_INFO, "engine.stopped", "llama-server has ended", F_Z("model", s->row->name));
    else if (!s->ended_by_us) tell(s, LOG_ERROR, "engine.crashed", text);
    if (!expected) atomic_fetch_add_explicit(&s->row->restarts, 1, memory_order_relaxed);
    show(s);
    if (m->stopping && !any_child(m)) loop_stop(m->loop);
}

static void carry_out(struct slot *s, enum life_act act)
{
    switch (act) {
    case ACT_NONE: break;
    case ACT_START: start_if_room(s); break;
    case ACT_TERM: child_signal(&s->child, SIGTERM); break;
    case ACT_KILL: child_signal(&s->child, SIGKILL); break;
    case ACT_KILL_SLOW:
        if (!s->ended_by_us) end_now(s, "engine.slow", "llama-server did not get ready in time and was ended");
        break;
    case ACT_KILL_DEAF: break; /* on_probe() has done it */
    }
}

static void ask_health(struct slot *s, uint64_t now)
{
    bool loading = s->life.phase == PHASE_LOADING;
    if (probe_runs(&s->probe) || (!loading && s->life.phase != PHASE_UP)) return;
    if (!loading && now - s->asked_at < HEALTH_EVERY_MS) return;
    s->asked_at = now;
    probe_start(&s->probe, atomic_load(&s->row->port), HEALTH_LIMIT_MS);
}

static void step_slot(struct slot *s)
{
    struct life_facts f = facts_of(s);
    carry_out(s, life_tick(&s->life, &s->manager->rules, &f));
    if (s->child.pid) ask_health(s, f.now);
    if (!s->present && s->life.phase == PHASE_ABSENT) s->life.state = ENGINE_FAILED; /* its fault tells why */
    show(s);
}

/* ---- the models that there are ---------------------------------------------------------------------------------------------------- */

static struct slot *slot_find(struct manager *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->slots[i].row->name, name) == 0) return &m->slots[i];
    return NULL;
}

static struct slot *slot_new(struct manager *m, struct engine_row *row)
{
    struct slot *s = &m->slots[m->n++];
    *s = (struct slot){.manager = m, .row = row, .weights_fd = -1, .life = {.state = ENGINE_STOPPED}};
    child_init(&s->child, m->loop, row->name, on_child_exit);
    s->child.secret = row->key;
    probe_init(&s->probe, m->loop, on_probe);
    return s;
}

static uint32_t uses_of(const struct model *m) { return m->embeddings ? ENGINE_EMBEDS : ENGINE_TALKS; }

/* A row never changes its name: a gateway may hold a pointer to it. NULL: none is free. */
static struct slot *slot_add(struct manager *m, const struct model *model)
{
    for (size_t i = 0; i < BOARD_ENGINES; i++) {
        struct engine_row *row = &m->board->engines[i];
        if (atomic_load_explicit(&row->state, memory_order_acquire) != ENGINE_FREE) continue;
        must(text_set(row->name, sizeof(row->name), str_z(model->name)));
        atomic_store(&row->uses, uses_of(model));
        atomic_store_explicit(&row->state, ENGINE_STOPPED, memory_order_release);
        return slot_new(m, row);
    }
    return NULL;
}

static void take_model(struct manager *m, const struct model *model)
{
    struct slot *s = slot_find(m, model->name);
    if (!s) s = slot_add(m, model);
    if (s) {
        s->model = *model;
        atomic_store(&s->row->uses, uses_of(model));
        s->present = true;
        return;
    }
    if (!m->full_told)
        LOG(LOG_ERROR, "engine.too_many", "more local models than this process can serve; remove some and restart",
            F_Z("model", model->name), F_UINT("most", BOARD_ENGINES));
    m->full_told = true;
}

static void drop_missing(struct slot *s)
{
    if (s->present) return;
    must(text_set(s->row->fault, sizeof(s->row->fault),
                  S("this model is not on this machine any more; `aquifer model pull` may fetch it")));
    carry_out(s, life_end(&s->life, loop_now(s->manager->loop), 0));
}

static void scan(struct manager *m)
{
    struct stat st;
    struct models all;
    struct fault why = {0};
    if (stat(m->settings->models_dir, &st) < 0) st.st_mtim = (struct timespec){1, 0};
    if (st.st_mtim.tv_sec == m->scanned.tv_sec && st.st_mtim.tv_nsec == m->scanned.tv_nsec) return;
    m->scanned = st.st_mtim;
    if (models_list(m->settings->models_dir, &all, &why) != OK) {
        LOG(LOG_ERROR, "engine.models", why.text);
        return;
    }
    for (size_t i = 0; i < m->n; i++) m->slots[i].present = false;
    for (size_t i = 0; i < all.n; i++) take_model(m, &all.items[i]);
    for (size_t i = 0; i < m->n; i++) drop_missing(&m->slots[i]);
    LOG(LOG_INFO, "engine.models", "looked at the models of this machine", F_UINT("models", all.n));
    models_free(&all);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------------------------ */

static void look(struct manager *m)
{
    if (loop_now(m->loop) - m->looked_at < TICK_MS) return;
    m->looked_at = loop_now(m->loop);
    scan(m);
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = &m->slots[i];
        if (!s->child.pid) continue;
        struct child_use use = child_tick(&s->child);
        s->rss = use.rss;
        s->busy = use.busy;
    }
    keep_memory(m);
}

static uint64_t next_tick(const struct manager *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->slots[i].life.phase == PHASE_LOADING) return TICK_LOADING_MS;
    return TICK_MS;
}

static void step_all(struct manager *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (!m->stopping || m->slots[i].child.pid) step_slot(&m->slots[i]);
}

static void on_tick(struct timer *t)
{
    struct manager *m = CONTAINER_OF(t, struct manager, tick);
    look(m);
    step_all(m);
    timer_set(m->loop, &m->tick, next_tick(m), on_tick);
}

static void on_bell(struct watch *w, unsigned events)
{
    struct manager *m = CONTAINER_OF(w, struct manager, bell);
    bell_hush(m->fds, BELL_ENGINE);
    step_all(m);
    timer_set(m->loop, &m->tick, next_tick(m), on_tick);
}

static void on_signal(struct watch *w, unsigned events)
{
    struct manager *m = CONTAINER_OF(w, struct manager, signals);
    struct signalfd_siginfo info;
    if (read(m->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info) || m->stopping) return;
    m->stopping = true;
    for (size_t i = 0; i < m->n; i++) {
        struct slot *s = &m->slots[i];
        carry_out(s, life_end(&s->life, loop_now(m->loop), atomic_load(&s->row->wanted_ms)));
        show(s);
    }
    if (!any_child(m)) loop_stop(m->loop);
}

/* Rows of an engine process before us: its children died with it. */
static void take_over_rows(struct manager *m)
{
    for (size_t i = 0; i < BOARD_ENGINES; i++) {
        struct engine_row *row = &m->board->engines[i];
        if (atomic_load_explicit(&row->state, memory_order_acquire) == ENGINE_FREE) continue;
        slot_new(m, row);
        atomic_store_explicit(&row->pid, 0, memory_order_relaxed);
        atomic_store_explicit(&row->state, ENGINE_STOPPED, memory_order_release);
    }
}

static enum err watch_signals(struct manager *m)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (m->signal_fd < 0) return ERR_IO;
    return watch_start(m->loop, &m->signals, m->signal_fd, WATCH_READ, on_signal);
}

int engine_run(const struct engine_settings *settings, struct board *board, const struct board_fds *fds)
{
    struct manager *m = mem_alloc(sizeof(*m));
    m->settings = settings;
    m->board = board;
    m->fds = fds;
    m->loop = loop_new();
    m->signal_fd = -1;
    m->memory = memory_limit(settings->memory_max);
    m->rules = (struct life_rules){.idle_ms = settings->idle_stop_s * 1000ull, .start_ms = settings->start_limit_s * 1000ull};
    take_over_rows(m);
    scan(m);
    atomic_store_explicit(&board->engine_pid, (int32_t)getpid(), memory_order_release);
    bool ready = watch_signals(m) == OK && watch_start(m->loop, &m->bell, fds->bells[BELL_ENGINE], WATCH_READ, on_bell) == OK;
    if (ready) {
        timer_set(m->loop, &m->tick, 1, on_tick);
        loop_run(m->loop);
        watch_stop(&m->bell);
    } else {
        LOG(LOG_ERROR, "engine.start_failed", "the engine process cannot watch its signals or its bell");
    }
    watch_stop(&m->signals);
    if (m->signal_fd >= 0) close(m->signal_fd);
    timer_cancel(m->loop, &m->tick);
    for (size_t i = 0; i < m->n; i++) probe_stop(&m->slots[i].probe);
    loop_free(m->loop);
    free(m);
    return ready ? 0 : 1;
}
