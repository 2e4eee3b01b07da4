/* load: sends Chat Completions requests and measures what comes back.
 * Started by bench/run; one process, one thread, HTTP/1.1 with keep-alive. Closed loop: every connection sends its
 * next request when it has its answer. With --rate: requests fall due on a fixed beat and latency counts from there,
 * so a stall is charged to every request it delayed. `first_p50_us` counts to the first bytes of the answer. With
 * --hold: opens streams and keeps them open until its standard input ends. Prints one JSON object on standard output. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "reply.h"

enum { READ_MAX = 256 * 1024, EVENTS = 512, OPENING = 256 };
#define DRAIN_NS (30 * NS_PER_S)

struct conn {
    int fd;
    bool busy;         /* a request is under way */
    bool wants_write;  /* EPOLLOUT is armed */
    size_t sent;       /* of the request */
    uint64_t from_ns;  /* when the request was sent, or should have been */
    uint64_t first_ns; /* when the first bytes of the answer came, its head; 0: none yet */
    uint64_t counted;  /* events of the reply already added to the total */
    struct reply reply;
};

static struct {
    int epoll;
    struct endpoint to;
    uint64_t connections, seconds_ms, rate, sources;
    bool hold;
    char *request;
    size_t request_n;
    struct conn *conns;
    struct conn **idle; /* stack of connections without a request */
    size_t idle_n;
    size_t busy;
    uint64_t start_ns, issued;
    uint64_t good, events, non200, errors, reopened;
    uint32_t *latency_ns, *first_ns; /* of the good ones */
    size_t latency_cap;
    char read[READ_MAX];
} load = {.connections = 1, .seconds_ms = 1000};

static void watch(struct conn *c, int op, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(load.epoll, op, c->fd, &event) < 0) die("epoll_ctl");
    c->wants_write = write;
}

static void conn_open(struct conn *c)
{
    size_t index = (size_t)(c - load.conns);
    c->fd = net_connect(&load.to, load.sources ? 1 + (unsigned)(index % load.sources) : 0);
    if (c->fd < 0) die("cannot connect");
    watch(c, EPOLL_CTL_ADD, false);
}

static uint32_t short_ns(uint64_t ns) { return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX; }

static void latency_add(uint64_t ns, uint64_t first_ns)
{
    if (load.good == load.latency_cap) {
        load.latency_cap = load.latency_cap ? load.latency_cap * 2 : 1 << 16;
        load.latency_ns = realloc(load.latency_ns, load.latency_cap * sizeof *load.latency_ns);
        load.first_ns = realloc(load.first_ns, load.latency_cap * sizeof *load.first_ns);
        if (!load.latency_ns || !load.first_ns) die("out of memory");
    }
    load.latency_ns[load.good] = short_ns(ns);
    load.first_ns[load.good] = short_ns(first_ns);
}

/* The request is over, well or not; the connection waits for the next. */
static void conn_rest(struct conn *c)
{
    c->busy = false;
    load.busy--;
    load.idle[load.idle_n++] = c;
}

static void conn_reopen(struct conn *c)
{
    close(c->fd);
    conn_open(c);
    load.reopened++;
}

static void conn_failed(struct conn *c)
{
    load.errors++;
    conn_reopen(c);
    conn_rest(c);
}

static void request_push(struct conn *c)
{
    while (c->sent < load.request_n) {
        ssize_t n = send(c->fd, load.request + c->sent, load.request_n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        /* A closed connection shows at the next read, where it is counted once. */
        if (n < 0) return;
        c->sent += (size_t)n;
    }
    bool more = c->sent < load.request_n;
    if (more != c->wants_write) watch(c, EPOLL_CTL_MOD, more);
}

static void request_start(struct conn *c, uint64_t from_ns)
{
    reply_clear(&c->reply);
    c->sent = 0;
    c->counted = 0;
    c->from_ns = from_ns;
    c->first_ns = 0;
    c->busy = true;
    load.busy++;
    load.issued++;
    request_push(c);
}

static void on_reply(struct conn *c)
{
    if (reply_is_good(&c->reply)) {
        latency_add(now_ns() - c->from_ns, c->first_ns - c->from_ns);
        load.good++;
    } else if (c->reply.status != 200) {
        load.non200++;
    } else {
        load.errors++;
    }
    if (c->reply.closes) conn_reopen(c);
    conn_rest(c);
}

static void on_closed(struct conn *c)
{
    if (c->busy) conn_failed(c);
    else conn_reopen(c);
}

static void on_readable(struct conn *c)
{
    ssize_t n = recv(c->fd, load.read, sizeof load.read, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || !c->busy) {
        on_closed(c);
        return;
    }
    enum reply_result result = reply_feed(&c->reply, load.read, (size_t)n);
    if (!c->first_ns) c->first_ns = now_ns();
    load.events += c->reply.events - c->counted;
    c->counted = c->reply.events;
    if (result == REPLY_WHOLE) on_reply(c);
    if (result == REPLY_BAD) conn_failed(c);
}

static uint64_t due_ns(void) { return load.start_ns + (uint64_t)((double)load.issued * ((double)NS_PER_S / (double)load.rate)); }

/* Sends whatever may be sent now; returns how long to wait for events at most, in nanoseconds. */
static uint64_t issue(uint64_t end_ns)
{
    uint64_t now = now_ns();
    while (load.idle_n && now < end_ns && (!load.rate || due_ns() <= now))
        request_start(load.idle[--load.idle_n], load.rate ? due_ns() : now);
    if (now >= end_ns) return NS_PER_S / 10;
    uint64_t wake = load.rate && load.idle_n ? due_ns() : end_ns;
    return wake > now ? wake - now : 0;
}

static void serve_events(uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S)};
    int n = epoll_pwait2(load.epoll, events, EVENTS, &wait, NULL);
    if (n < 0 && errno != EINTR) die("epoll_pwait2");
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (events[i].events & EPOLLOUT) request_push(c);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(c);
    }
}

static int compare_latency(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Of sorted ones. */
static double quantile_us(const uint32_t *ns, double q)
{
    if (!load.good) return 0;
    return ns[(size_t)(q * (double)(load.good - 1))] / 1e3;
}

static void report(double seconds)
{
    if (load.good) qsort(load.latency_ns, load.good, sizeof *load.latency_ns, compare_latency);
    if (load.good) qsort(load.first_ns, load.good, sizeof *load.first_ns, compare_latency);
    printf("{\"requests\":%ju,\"events\":%ju,\"non200\":%ju,\"errors\":%ju,\"reopened\":%ju,\"seconds\":%.6f,"
           "\"p50_us\":%.1f,\"p99_us\":%.1f,\"first_p50_us\":%.1f}\n",
           (uintmax_t)load.good, (uintmax_t)load.events, (uintmax_t)load.non200, (uintmax_t)load.errors, (uintmax_t)load.reopened,
           seconds, quantile_us(load.latency_ns, 0.5), quantile_us(load.latency_ns, 0.99), quantile_us(load.first_ns, 0.5));
}

static void run_load(void)
{
    load.start_ns = now_ns();
    uint64_t end_ns = load.start_ns + load.seconds_ms * 1000000;
    for (size_t i = 0; i < load.connections; i++) {
        conn_open(&load.conns[i]);
        load.idle[load.idle_n++] = &load.conns[i];
    }
    load.start_ns = now_ns();
    while (now_ns() < end_ns) serve_events(issue(end_ns));
    uint64_t last_ns = now_ns();
    while (load.busy && now_ns() < end_ns + DRAIN_NS) {
        serve_events(NS_PER_S / 10);
        last_ns = now_ns();
    }
    load.errors += load.busy;
    report((double)(last_ns - load.start_ns) / 1e9);
}

/* A held stream is open when its first event has come. */
static size_t streams_open(void)
{
    size_t n = 0;
    for (size_t i = 0; i < load.connections; i++) n += load.conns[i].busy && load.conns[i].counted > 0;
    return n;
}

static void run_hold(void)
{
    size_t started = 0, open = 0;
    uint64_t end_ns = now_ns() + DRAIN_NS;
    while (open < load.connections && !load.errors && !load.non200 && now_ns() < end_ns) {
        for (; started < load.connections && started - open < OPENING; started++) {
            conn_open(&load.conns[started]);
            request_start(&load.conns[started], now_ns());
        }
        serve_events(NS_PER_S / 100);
        open = streams_open();
    }
    printf("{\"open\":%zu,\"errors\":%ju,\"non200\":%ju}\n", open, (uintmax_t)load.errors, (uintmax_t)load.non200);
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) die("--hold needs a pipe as standard input");
    for (int n = 0;;) {
        struct epoll_event events[EVENTS];
        n = epoll_wait(load.epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr) exit(load.errors || load.non200 || streams_open() != load.connections);
            on_readable(events[i].data.ptr);
        }
    }
}

int main(int argc, char **argv)
{
    const char *to = NULL, *head = NULL, *body = NULL;
    const struct option_row rows[] = {
        {"to", &to, NULL, NULL},
        {"head", &head, NULL, NULL},
        {"body", &body, NULL, NULL},
        {"connections", NULL, &load.connections, NULL},
        {"ms", NULL, &load.seconds_ms, NULL},
        {"rate", NULL, &load.rate, NULL},
        {"sources", NULL, &load.sources, NULL},
        {"hold", NULL, NULL, &load.hold},
    };
    if (options_read(argc, argv, rows, COUNTOF(rows)) != argc || !to || !head || !body || !load.connections)
        die("usage: load --to ADDRESS:PORT --head FILE --body FILE [--connections N] [--ms N] [--rate PER_SECOND] "
            "[--sources N] [--hold]");
    signal(SIGPIPE, SIG_IGN);
    files_raise(65536);
    load.to = endpoint_parse(to);
    load.request = request_read(head, body, &load.request_n);
    load.conns = calloc(load.connections, sizeof *load.conns);
    load.idle = calloc(load.connections, sizeof *load.idle);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.conns || !load.idle) die("out of memory");
    if (load.hold) run_hold();
    else run_load();
}
