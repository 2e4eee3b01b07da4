/* first: measures the time from fork to the first answered request.
 * Started by bench/run: forks the program after `--` on processor --core, sends one request after the other on new
 * connections until one gets a good 200, prints {"ms":…,"pid":…}, keeps the program until its standard input ends,
 * then sends it SIGTERM. The program's standard output goes to standard error. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net.h"
#include "reply.h"

#define GIVE_UP_NS (30 * NS_PER_S)

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL); }

static pid_t spawn(char **argv, uint64_t core)
{
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) return pid;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((int)core, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0) die("processor %ju", (uintmax_t)core);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* it ends with us, however we end */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    int none = open("/dev/null", O_RDONLY);
    dup2(none, STDIN_FILENO);
    execvp(argv[0], argv);
    die("%s", argv[0]);
}

/* True when the whole request went out and a good reply came back; anything else is "not yet". */
static bool ask(const struct endpoint *to, const char *request, size_t n)
{
    static struct reply reply;
    char piece[16384];
    enum reply_result result = REPLY_MORE;
    int fd = net_connect(to, 0);
    if (fd < 0) return false;
    fcntl(fd, F_SETFL, 0);
    reply_clear(&reply);
    bool sent = send(fd, request, n, MSG_NOSIGNAL) == (ssize_t)n;
    while (sent && result == REPLY_MORE) {
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        result = got > 0 ? reply_feed(&reply, piece, (size_t)got) : REPLY_BAD;
    }
    close(fd);
    return result == REPLY_WHOLE && reply_is_good(&reply);
}

int main(int argc, char **argv)
{
    const char *to = NULL, *head = NULL, *body = NULL;
    uint64_t core = 0;
    const struct option_row rows[] = {
        {"to", &to, NULL, NULL}, {"head", &head, NULL, NULL}, {"body", &body, NULL, NULL}, {"core", NULL, &core, NULL}};
    int rest = options_read(argc, argv, rows, COUNTOF(rows));
    if (rest == argc || !to || !head || !body)
        die("usage: first --to ADDRESS:PORT --head FILE --body FILE [--core N] -- PROGRAM [ARGUMENT…]");
    struct endpoint at = endpoint_parse(to);
    size_t n;
    char *request = request_read(head, body, &n);
    uint64_t start = now_ns();
    pid_t pid = spawn(argv + rest, core);
    while (!ask(&at, request, n)) {
        if (waitpid(pid, NULL, WNOHANG) == pid) die("the program ended before it answered");
        if (now_ns() - start > GIVE_UP_NS) die("no good answer within 30 s");
        nap();
    }
    printf("{\"ms\":%.3f,\"pid\":%d}\n", (double)(now_ns() - start) / 1e6, (int)pid);
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    free(request);
}
