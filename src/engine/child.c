/* One llama-server process: started so that it cannot outlive us, its output folded into our log, its end noticed.
 * Called by the manager; owns the process and its two descriptors. Runs in the engine process, on its loop. */
#include "engine/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES_A_TICK 50u
#define OOM_SCORE "600" /* 0 is ours: the kernel takes the child long before the gateway */

void child_init(struct child *c, struct loop *l, const char *name, void (*on_exit)(struct child *, int))
{
    *c = (struct child){.loop = l, .name = name, .on_exit = on_exit, .pidfd = -1, .log_fd = -1};
}

/* ---- its log in ours -------------------------------------------------------------------------------------------------- */

/* llama-server begins a line with a time and a letter ("0.02.291 W srv …"); what is not like that is information. */
static enum log_level line_level(struct str line)
{
    size_t at = 0;
    while (at < line.n && ((line.p[at] >= '0' && line.p[at] <= '9') || line.p[at] == '.')) at++;
    if (at == 0 || at + 2 >= line.n || line.p[at] != ' ' || line.p[at + 2] != ' ') return LOG_INFO;
    switch (line.p[at + 1]) {
    case 'E': return LOG_ERROR;
    case 'W': return LOG_WARN;
    case 'D': return LOG_DEBUG;
    default: return LOG_INFO;
    }
}

static bool speaks_of_error(struct str line)
{
    size_t at;
    return line_level(line) == LOG_ERROR || str_find(line, S("error"), &at) || str_find(line, S("failed"), &at);
}

static void hide_secret(struct str line, const char *secret)
{
    size_t at;
    if (!secret || !*secret) return;
    while (str_find(line, str_z(secret), &at)) memset((char *)(uintptr_t)line.p + at, '*', strlen(secret));
}

static void log_line(struct child *c)
{
    struct str line = str_trim(str_make(c->line, c->line_len));
    c->line_len = 0;
    if (line.n && line.p[line.n - 1] == '\r') line.n--;
    if (!line.n) return;
    hide_secret(line, c->secret);
    if (speaks_of_error(line)) {
        size_t n = line.n < sizeof(c->last_error) ? line.n : sizeof(c->last_error) - 1;
        if (!text_set(c->last_error, sizeof(c->last_error), str_make(line.p, n))) c->last_error[0] = 0;
    }
    if (!c->lines_left) {
        c->lines_over++;
        return;
    }
    c->lines_left--;
    LOG(line_level(line), "engine.line", "llama-server says", F_STR("line", line), F_Z("model", c->name), F_INT("pid", c->pid));
}

void child_feed_log(struct child *c, struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' || c->line_len == sizeof(c->line)) log_line(c);
        if (bytes.p[i] != '\n') c->line[c->line_len++] = bytes.p[i];
    }
}

/* False: the other end is closed. Reads at most one buffer, so that a flood does not hold the loop. */
static bool read_log(struct child *c)
{
    ssize_t n = read(c->log_fd, loop_scratch(c->loop), LOOP_SCRATCH);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    child_feed_log(c, str_make(loop_scratch(c->loop), (size_t)n));
    return n > 0;
}

static void close_log(struct child *c)
{
    if (c->log_fd < 0) return;
    log_line(c);
    watch_stop(&c->log_watch);
    close(c->log_fd);
    c->log_fd = -1;
}

static void on_log(struct watch *w, unsigned events)
{
    struct child *c = CONTAINER_OF(w, struct child, log_watch);
    if (!read_log(c)) close_log(c);
}

/* ---- start and end ------------------------------------------------------------------------------------------------------ */

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void on_exit_ready(struct watch *w, unsigned events)
{
    struct child *c = CONTAINER_OF(w, struct child, exit_watch);
    int status = 0;
    kill(-c->pid, SIGKILL); /* helpers that it may have left behind; its own id is ours until waitpid() */
    if (waitpid(c->pid, &status, WNOHANG) != c->pid) return;
    if (c->log_fd >= 0) read_log(c);
    close_log(c);
    watch_stop(&c->exit_watch);
    close_fd(&c->pidfd);
    c->pid = 0;
    c->on_exit(c, status);
}

/* Between fork and exec: only async-signal-safe calls. The exec's errno goes to the parent through `report`. */
NORETURN static void become_child(char **argv, char **envp, int log_fd, int report, pid_t parent)
{
    struct rlimit no_core = {0, 0};
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* it died before the line above */
    setpgid(0, 0);
    setrlimit(RLIMIT_CORE, &no_core);
    int oom = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (oom >= 0 && write(oom, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0) close(oom); /* as the system wants it, then */
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool placed = null >= 0 && dup2(null, 0) == 0 && dup2(log_fd, 1) == 1 && dup2(log_fd, 2) == 2 && dup2(report, 3) == 3;
    if (placed) {
        fcntl(3, F_SETFD, FD_CLOEXEC);
        close_range(4, ~0u, 0);
        execve(argv[0], argv, envp);
    }
    int code = errno;
    if (write(placed ? 3 : report, &code, sizeof(code)) < 0) _exit(126);
    _exit(127);
}

/* Waits until the exec has happened or failed: the pipe's other end closes with it. 0: it runs. */
static int exec_error(int report)
{
    int code = 0;
    ssize_t n;
    do n = read(report, &code, sizeof(code));
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(code) ? code : 0;
}

struct pipes {
    int log[2], report[2];
};

static bool pipes_open(struct pipes *p)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}};
    return pipe2(p->log, O_CLOEXEC) == 0 && pipe2(p->report, O_CLOEXEC) == 0;
}

static void pipes_close(struct pipes *p)
{
    for (int i = 0; i < 2; i++) {
        close_fd(&p->log[i]);
        close_fd(&p->report[i]);
    }
}

/* The fork; returns 0 and has c->pid and the pipes' near ends, or an errno. */
static int spawn(struct child *c, char **argv, char **envp, struct pipes *p)
{
    pid_t own = getpid();
    pid_t pid = fork();
    if (pid < 0) return errno;
    if (pid == 0) become_child(argv, envp, p->log[1], p->report[1], own);
    close_fd(&p->log[1]);
    close_fd(&p->report[1]);
    int code = exec_error(p->report[0]);
    if (code == 0) {
        c->pid = pid;
        return 0;
    }
    waitpid(pid, NULL, 0);
    return code;
}

/* Without both watches the child could neither speak nor be seen to end. */
static enum err watch_child(struct child *c, struct fault *why)
{
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd >= 0 && watch_start(c->loop, &c->exit_watch, c->pidfd, WATCH_READ, on_exit_ready) == OK) {
        if (watch_start(c->loop, &c->log_watch, c->log_fd, WATCH_READ, on_log) == OK) return OK;
        watch_stop(&c->exit_watch);
    }
    int saved = errno;
    kill(-c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    c->pid = 0;
    close_fd(&c->pidfd);
    close_fd(&c->log_fd);
    return FAIL(why, ERR_ENGINE, "the engine's process cannot be watched: %s", strerror(saved));
}

enum err child_start(struct child *c, char **argv, char **envp, struct fault *why)
{
    struct pipes p;
    must(c->pid == 0);
    int code = pipes_open(&p) ? spawn(c, argv, envp, &p) : errno;
    if (code == 0) {
        c->log_fd = p.log[0];
        p.log[0] = -1;
        fcntl(c->log_fd, F_SETFL, O_NONBLOCK);
    }
    pipes_close(&p);
    if (code) return FAIL(why, ERR_ENGINE, "%s cannot be started: %s", argv[0], strerror(code));
    c->line_len = 0;
    c->last_error[0] = 0;
    c->lines_left = LINES_A_TICK;
    c->lines_over = 0;
    c->cpu_ticks = 0;
    return watch_child(c, why);
}

void child_signal(struct child *c, int sig)
{
    if (c->pid && kill(-c->pid, sig) < 0) kill(c->pid, sig); /* its own group may not be there yet */
}

/* ---- what it uses --------------------------------------------------------------------------------------------------------- */

/* proc(5), /proc/PID/stat: utime, stime and rss are fields 14, 15 and 24; the name, field 2, stands in brackets and may
 * hold anything. */
static bool read_stat(pid_t pid, uint64_t *ret_ticks, int64_t *ret_rss)
{
    enum { FIRST = 3, UTIME = 14, STIME = 15, RSS = 24 };
    char path[40], text[1024];
    uint64_t values[RSS + 1] = {0};
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    const char *name_end = n > 0 ? memrchr(text, ')', (size_t)n) : NULL;
    if (!name_end || name_end + 2 > text + n) return false;
    struct str left = str_make(name_end + 2, (size_t)(text + n - name_end - 2)), field;
    for (int i = FIRST; i <= RSS; i++) {
        str_cut(left, ' ', &field, &left);
        if ((i == UTIME || i == STIME || i == RSS) && !str_u64(field, &values[i])) return false;
    }
    *ret_ticks = values[UTIME] + values[STIME];
    *ret_rss = (int64_t)values[RSS] * sysconf(_SC_PAGESIZE);
    return true;
}

struct child_use child_tick(struct child *c)
{
    struct child_use use = {0};
    uint64_t ticks = 0;
    if (c->lines_over)
        LOG(LOG_WARN, "engine.lines_left_out", "llama-server says more than we log", F_Z("model", c->name),
            F_UINT("lines", c->lines_over));
    c->lines_left = LINES_A_TICK;
    c->lines_over = 0;
    if (!c->pid || !read_stat(c->pid, &ticks, &use.rss)) return use;
    use.busy = ticks - c->cpu_ticks > (uint64_t)sysconf(_SC_CLK_TCK) / 20;
    c->cpu_ticks = ticks;
    return use;
}
