/* Before the binary on disk takes over it is tried in a child: does it start at all, can it read this configuration, does it
 * know this board, is its control of the same release? Called by upgrade.c. Owns the child, its output and its deadline. */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"

enum { TRIAL_MS = 15000, OUTPUT_MAX = 65536, SAID_MAX = 200 };

/* ---- the old binary's side ------------------------------------------------------------------------------------------------- */

/* Between fork and exec. */
NORETURN static void try_out(const struct supervisor *s, pid_t parent)
{
    char board[64];
    sigset_t none;
    const struct rlimit size = {OUTPUT_MAX, OUTPUT_MAX}; /* it writes nothing but its output */
    sigemptyset(&none);
    for (int n = 1; n < NSIG; n++) signal(n, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    setpgid(0, 0); /* what it starts is ended with it */
    setrlimit(RLIMIT_FSIZE, &size);
    dup2(s->trial.output, STDOUT_FILENO);
    dup2(s->trial.output, STDERR_FILENO);
    fcntl(s->fds.memory, F_SETFD, 0);
    for (int i = 0; i < BELLS; i++) fcntl(s->fds.bells[i], F_SETFD, 0);
    board_fds_write(&s->fds, board);
    execl(s->program, s->program, "role-trial", "--config", s->config_file, "--board", board, (char *)NULL);
    dprintf(STDERR_FILENO, "it cannot be executed: %s", strerror(errno));
    _exit(127);
}

static void on_deadline(struct timer *t)
{
    struct trial *trial = CONTAINER_OF(t, struct trial, deadline);
    trial->late = true;
    kill(-trial->pid, SIGKILL);
}

enum err trial_start(struct supervisor *s, struct fault *why)
{
    struct trial *t = &s->trial;
    pid_t parent = getpid();
    t->output = memfd_create("aquifer-trial", MFD_CLOEXEC);
    if (t->output < 0) return FAIL(why, ERR_IO, "the new binary cannot be tried: %s", strerror(errno));
    t->pid = fork();
    if (t->pid == 0) try_out(s, parent);
    if (t->pid < 0) {
        int error = errno;
        t->pid = 0;
        close(t->output);
        return FAIL(why, ERR_IO, "the new binary cannot be tried: %s", strerror(error));
    }
    t->late = false;
    setpgid(t->pid, t->pid); /* whoever of the two comes first */
    timer_set(s->loop, &t->deadline, TRIAL_MS, on_deadline);
    return OK;
}

/* The beginning of what it said, in one line. */
static void read_said(int output, char ret_said[SAID_MAX])
{
    ssize_t n = pread(output, ret_said, SAID_MAX - 1, 0);
    ret_said[n < 0 ? 0 : n] = '\0';
    for (char *p = ret_said; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f) *p = ' ';
    struct str text = str_trim(str_z(ret_said));
    memmove(ret_said, text.p, text.n);
    ret_said[text.n] = '\0';
}

static void tell_status(int status, bool late, char ret_text[64])
{
    if (late) snprintf(ret_text, 64, "it did not end within %d s", TRIAL_MS / 1000);
    else if (WIFEXITED(status)) snprintf(ret_text, 64, "it ended with status %d", WEXITSTATUS(status));
    else snprintf(ret_text, 64, "it died of signal %d", WTERMSIG(status));
}

void trial_ended(struct supervisor *s, int status)
{
    char said[SAID_MAX], ending[64], reason[sizeof s->board->upgrade_fault];
    struct trial *t = &s->trial;
    read_said(t->output, said);
    close(t->output);
    timer_cancel(s->loop, &t->deadline);
    t->pid = 0;
    if (s->stopping) return;
    bool ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (ended_well && strcmp(said, ADMIN_GOES) == 0) {
        upgrade_execute(s);
        return;
    }
    tell_status(status, t->late, ending);
    snprintf(reason, sizeof reason, "%s%s%s", said[0] ? said : ending, said[0] ? "; " : "", said[0] ? ending : "");
    upgrade_refuse(s, reason);
}

/* ---- the new binary's side ------------------------------------------------------------------------------------------------- */

static enum err check_all(int argc, char **argv, struct fault *why)
{
    struct config *c;
    struct board *board;
    struct board_fds fds;
    bool good = argc == 5 && strcmp(argv[1], "--config") == 0 && strcmp(argv[3], "--board") == 0;
    if (!good || !board_fds_parse(argv[4], &fds))
        return FAIL(why, ERR_CONFIG, "a trial is made by 'aquifer upgrade', not by hand");
    TRY(board_open(&fds, &board, why));
    board_close(board);
    TRY(config_load(argv[2], &c, NULL, why));
    config_free(c);
    return OK;
}

int serve_trial_main(int argc, char **argv)
{
    char control[4096 + sizeof "-control"];
    struct fault why = {0};
    if (check_all(argc, argv, &why) != OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    ssize_t n = readlink("/proc/self/exe", control, 4095);
    if (n <= 0) return 1;
    memcpy(control + n, "-control", sizeof "-control");
    execl(control, control, "goes-with", AQUIFER_VERSION, (char *)NULL);
    fprintf(stderr, "cannot run %s: %s\n", control, strerror(errno));
    return 1;
}
