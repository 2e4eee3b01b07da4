/* Starting children: what each role gets on its command line and which descriptors go with it. */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char *const ROLE_NAMES[ROLES] = {"control", "gateway", "engine"};

/* ---- the command line --------------------------------------------------------------------------------------------------- */

#define ARGS_MAX (24 + 6 * SERVE_LISTENERS)
struct command {
    char *argv[ARGS_MAX + 1];
    unsigned n;
};

static void put(struct command *c, const char *arg)
{
    must(c->n < ARGS_MAX);
    c->argv[c->n++] = str_dup_z(str_z(arg));
}

static void put_two(struct command *c, const char *name, const char *value)
{
    put(c, name);
    put(c, value);
}

static void put_sockets(struct command *c, const char *name, const struct socket_set *sets, unsigned n)
{
    struct buf text;
    buf_init(&text, KIB(64));
    for (unsigned i = 0; i < n; i++) {
        if (i) buf_char(&text, ',');
        sockets_write(&sets[i], &text);
    }
    if (n) put_two(c, name, buf_z(&text));
    buf_done(&text);
}

static void control_command(struct supervisor *s, struct command *c, const struct child *child)
{
    (void)child;
    char path[4200];
    snprintf(path, sizeof path, "%s-control", s->program);
    put(c, path);
    put_two(c, "--config", s->config_file);
    put_sockets(c, "--admin-fds", s->admin_sockets, s->n_admin);
    put_sockets(c, "--metrics-fds", s->metrics_sockets, s->n_metrics);
}

/* How it may answer before control has told it anything. */
static void put_rules(const struct config *config, struct command *c)
{
    struct buf text;
    buf_init(&text, KIB(64));
    for (unsigned i = 0; i < config->trusted_proxies.n; i++)
        buf_fmt(&text, "%s%.*s", i ? "," : "", STR_ARG(config->trusted_proxies.at[i]));
    if (text.n) put_two(c, "--trusted-proxies", buf_z(&text));
    buf_clear(&text);
    buf_str(&text, config->path_prefix);
    if (text.n) put_two(c, "--path-prefix", buf_z(&text));
    buf_done(&text);
    if (config->proxy_protocol) put_two(c, "--proxy-protocol", "yes");
}

static void gateway_command(struct supervisor *s, struct command *c, const struct child *child)
{
    char slot[12];
    snprintf(slot, sizeof slot, "%u", child->slot);
    put(c, s->program);
    put(c, "role-gateway");
    put_two(c, "--data", s->data);
    put_two(c, "--slot", slot);
    put_two(c, "--log", s->config->log.format == LOG_JSON ? "json" : "text");
    put_rules(s->config, c);
    for (unsigned i = 0; i < s->n_data; i++) {
        put_sockets(c, "--listen", &s->data_sockets[i], 1);
        if (!s->data_sockets[i].tls_cert[0]) continue;
        put_two(c, "--tls-cert", s->data_sockets[i].tls_cert);
        put_two(c, "--tls-key", s->data_sockets[i].tls_key);
    }
}

static void engine_command(struct supervisor *s, struct command *c, const struct child *child)
{
    (void)child;
    put(c, s->program);
    put(c, "role-engine");
    put_two(c, "--config", s->config_file);
}

static void (*const COMMANDS[ROLES])(struct supervisor *, struct command *,
                                     const struct child *) = {control_command, gateway_command, engine_command};

/* ---- in the child, between fork and exec ---------------------------------------------------------------------------------- */

static void keep(int fd) { fcntl(fd, F_SETFD, 0); }

static void keep_sockets(const struct socket_set *sets, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < sets[i].n; k++) keep(sets[i].fds[k]);
}

static void keep_descriptors(struct supervisor *s, enum role role)
{
    keep(s->fds.memory);
    for (int i = 0; i < BELLS; i++) keep(s->fds.bells[i]);
    if (role == ROLE_GATEWAY) keep_sockets(s->data_sockets, s->n_data);
    if (role != ROLE_CONTROL) return;
    keep_sockets(s->admin_sockets, s->n_admin);
    keep_sockets(s->metrics_sockets, s->n_metrics);
}

static bool headers_need(const struct config_field *at, unsigned n, struct str reference)
{
    for (unsigned i = 0; i < n; i++)
        if (str_eq(at[i].value, reference)) return true;
    return false;
}

static bool providers_need(const struct config *c, struct str reference)
{
    for (unsigned i = 0; i < c->providers.n; i++) {
        const struct config_provider *p = &c->providers.at[i];
        if (str_eq(p->key, reference) || headers_need(p->headers.at, p->headers.n, reference)) return true;
    }
    for (unsigned i = 0; i < c->routes.n; i++) {
        const struct config_route *r = &c->routes.at[i];
        for (unsigned k = 0; k < r->deployments.n; k++)
            if (headers_need(r->deployments.at[k].headers.at, r->deployments.at[k].headers.n, reference)) return true;
    }
    return false;
}

/* The admin key's variable is control's alone. */
static void forget_admin_key(const struct supervisor *s, enum role role)
{
    struct str reference = s->config->admin_key;
    if (role == ROLE_CONTROL || !str_starts(reference, S("env:")) || providers_need(s->config, reference)) return;
    char *name = str_dup_z(str_from(reference, 4));
    unsetenv(name);
    free(name);
}

NORETURN static void become(struct supervisor *s, enum role role, struct command *c, pid_t parent)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    if (role == ROLE_CONTROL) sigaddset(&blocked, SIGHUP); /* a reload that comes before it listens waits for it */
    for (int n = 1; n < NSIG; n++) signal(n, SIG_DFL);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    /* Nobody outlives the supervisor; the gateway may still drain, control's work is safe at any moment. */
    prctl(PR_SET_PDEATHSIG, role == ROLE_GATEWAY ? SIGTERM : SIGKILL);
    if (getppid() != parent) _exit(1);
    keep_descriptors(s, role);
    forget_admin_key(s, role);
    execv(c->argv[0], c->argv);
    dprintf(STDERR_FILENO, "cannot execute %s: %s\n", c->argv[0], strerror(errno));
    _exit(127);
}

/* ---- the table --------------------------------------------------------------------------------------------------------------- */

struct child *serve_child_find(struct supervisor *s, pid_t pid)
{
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid == pid) return &s->children[i];
    return NULL;
}

struct child *serve_child_of(struct supervisor *s, enum role role)
{
    for (unsigned i = 0; i < SERVE_CHILDREN; i++)
        if (s->children[i].pid && s->children[i].role == role && !s->children[i].leaving) return &s->children[i];
    return NULL;
}

unsigned children_left(const struct supervisor *s)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SERVE_CHILDREN; i++) n += s->children[i].pid != 0;
    return n;
}

void serve_child_leave(struct child *c, int signal_number)
{
    if (!c) return;
    c->leaving = true;
    kill(c->pid, signal_number);
}

/* A slot that no living gateway of ours uses. */
static bool free_slot(const struct supervisor *s, unsigned *ret_slot)
{
    for (unsigned slot = 0; slot < BOARD_GATEWAYS; slot++) {
        bool used = false;
        for (unsigned i = 0; i < SERVE_CHILDREN; i++)
            used |= s->children[i].pid && s->children[i].role == ROLE_GATEWAY && s->children[i].slot == slot;
        if (used) continue;
        *ret_slot = slot;
        return true;
    }
    return false;
}

static pid_t spawn(struct supervisor *s, enum role role, const struct child *child)
{
    struct command c = {.n = 0};
    char board[64];
    pid_t parent = getpid();
    COMMANDS[role](s, &c, child);
    board_fds_write(&s->fds, board);
    put_two(&c, "--board", board);
    pid_t pid = fork();
    if (pid == 0) become(s, role, &c, parent);
    for (unsigned i = 0; i < c.n; i++) free(c.argv[i]);
    return pid;
}

bool serve_child_start(struct supervisor *s, enum role role)
{
    struct child *c = serve_child_find(s, 0);
    unsigned slot = 0;
    if (!c || (role == ROLE_GATEWAY && !free_slot(s, &slot))) {
        LOG(LOG_ERROR, "supervisor.no_place", "too many old gateways still drain; the new one waits for a place");
        return false;
    }
    struct child next = {.role = (unsigned char)role, .slot = slot, .started_ms = loop_now(s->loop)};
    next.pid = spawn(s, role, &next);
    if (next.pid < 0) {
        LOG(LOG_ERROR, "supervisor.fork_failed", strerror(errno), F_Z("role", ROLE_NAMES[role]));
        return false;
    }
    *c = next;
    LOG(LOG_INFO, "child.started", "", F_Z("role", ROLE_NAMES[role]), F_INT("pid", c->pid));
    return true;
}
