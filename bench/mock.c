/* mock: an upstream that answers OpenAI Chat Completions (and Anthropic Messages) at once and cheaply, plain or over TLS.
 * Started by bench/run; one process, one thread. A request without `"stream":true` gets one JSON
 * answer; with it, an event stream: first event at once, then --chunks events, one every --gap milliseconds, or
 * (--hold) nothing more, so that thousands of streams stand open. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "net.h"
#include "request.h"

enum { READ_MAX = 256 * 1024, EVENTS = 512, TICKS = 1024, GAP_MAX = TICKS - 1 };

struct conn {
    LIST_ENTRY(conn) in_tick; /* on the wheel while `due_ms` is not 0 */
    int fd;
    bool wants_write; /* EPOLLOUT is armed */
    SSL *ssl;         /* NULL on plain connections */
    struct request request;
    struct text out;               /* what of the current text has not been sent; texts are static */
    uint64_t due_ms;               /* when the next event of the stream goes out */
    uint64_t sent;                 /* events of this stream sent so far */
    const struct answers *answers; /* in the format of this request */
    bool usage;                    /* the caller asked for the usage event */
};

LIST_HEAD(tick, conn);

/* One process, one thread: its state is here. */
static struct {
    int epoll;
    int listener[2]; /* one address, or one each for IPv4 and IPv6 */
    size_t listeners;
    SSL_CTX *tls;
    bool hold;
    uint64_t chunks, gap_ms;
    struct answers answers, messages;
    struct tick wheel[TICKS]; /* one slot a millisecond: every gap is shorter than a turn */
    uint64_t tick_ms;         /* the last millisecond that was served */
    size_t paced;             /* connections on the wheel */
    char read[READ_MAX];
} mock = {.chunks = 64, .gap_ms = 10};

static void pace_off(struct conn *c)
{
    if (!c->due_ms) return;
    LIST_REMOVE(c, in_tick);
    c->due_ms = 0;
    mock.paced--;
}

static void pace_at(struct conn *c, uint64_t due_ms)
{
    pace_off(c);
    c->due_ms = due_ms > mock.tick_ms ? due_ms : mock.tick_ms + 1;
    LIST_INSERT_HEAD(&mock.wheel[c->due_ms % TICKS], c, in_tick);
    mock.paced++;
}

static void conn_free(struct conn *c)
{
    pace_off(c);
    request_clear(&c->request);
    if (c->ssl) SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

static void write_arm(struct conn *c, bool on)
{
    if (c->wants_write == on) return;
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0u), .data.ptr = c};
    if (epoll_ctl(mock.epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) die("epoll_ctl");
    c->wants_write = on;
}

/* Bytes moved, 0 for "later", -1 for "gone". */
static ssize_t tls_result(struct conn *c, int result)
{
    if (result > 0) return result;
    int why = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t conn_write(struct conn *c, struct text t)
{
    if (c->ssl) return tls_result(c, SSL_write(c->ssl, t.p, (int)t.n));
    ssize_t n = send(c->fd, t.p, t.n, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

static ssize_t conn_read(struct conn *c)
{
    if (c->ssl) return tls_result(c, SSL_read(c->ssl, mock.read, sizeof mock.read));
    ssize_t n = recv(c->fd, mock.read, sizeof mock.read, 0);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* Sends what stands in `out`; false when the connection is gone. */
static bool flush(struct conn *c)
{
    while (c->out.n) {
        ssize_t n = conn_write(c, c->out);
        if (n < 0) return false;
        if (n == 0) break;
        c->out.p += n;
        c->out.n -= (size_t)n;
    }
    write_arm(c, c->out.n > 0);
    return true;
}

static bool say(struct conn *c, struct text t)
{
    c->out = t;
    return flush(c);
}

/* The next event of a stream. A reader that lags misses its turn, never an event. */
static bool stream_step(struct conn *c)
{
    if (c->out.n) return true;
    if (c->sent == mock.chunks) {
        pace_off(c);
        request_clear(&c->request);
        return say(c, c->answers->end[c->usage]);
    }
    return say(c, c->answers->chunk[c->sent++ % CHUNK_KINDS]);
}

/* 0 to gap - 1, evenly; the same in every run, so that rounds can be compared (splitmix64). */
static uint64_t phase_ms(void)
{
    static uint64_t state = 1;
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return mock.gap_ms ? (z ^ (z >> 31)) % mock.gap_ms : 0;
}

/* Streams start at a random phase of the gap: real ones do not march in step. */
static bool stream_start(struct conn *c)
{
    c->sent = 0;
    c->usage = request_wants_usage(&c->request);
    if (!say(c, c->answers->stream_head)) return false;
    if (!mock.hold) pace_at(c, mock.tick_ms + 1 + phase_ms());
    return true;
}

static bool answer(struct conn *c)
{
    bool intact = request_is_intact(&c->request);
    c->answers = c->request.messages ? &mock.messages : &mock.answers;
    if (intact && request_wants_stream(&c->request)) return stream_start(c);
    request_clear(&c->request);
    return say(c, intact ? c->answers->whole : mock.answers.refusal);
}

/* One piece from the peer; false when the connection has to go. */
static bool on_bytes(struct conn *c, size_t n)
{
    if (c->due_ms || c->out.n) return false; /* nobody may speak while we answer */
    switch (request_feed(&c->request, mock.read, n)) {
    case REQUEST_MORE: return true;
    case REQUEST_WHOLE: return answer(c);
    case REQUEST_BAD: break;
    }
    say(c, mock.answers.refusal);
    return false;
}

static void on_conn(struct conn *c, uint32_t events)
{
    if ((events & EPOLLOUT) && !flush(c)) {
        conn_free(c);
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t n = conn_read(c);
    bool alive = n >= 0;
    /* OpenSSL may hold more than one record that epoll no longer tells of. */
    while (alive && n > 0) {
        alive = on_bytes(c, (size_t)n);
        if (!c->ssl || !alive) break;
        n = conn_read(c);
        alive = n >= 0;
    }
    if (!alive) conn_free(c);
}

static SSL *tls_accept(int fd)
{
    if (!mock.tls) return NULL;
    SSL *ssl = SSL_new(mock.tls);
    if (!ssl || !SSL_set_fd(ssl, fd)) die("SSL_new");
    SSL_set_accept_state(ssl);
    return ssl;
}

static void on_listener(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("out of memory");
        net_prepare(fd);
        c->fd = fd;
        c->ssl = tls_accept(fd);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (epoll_ctl(mock.epoll, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
    }
    if (errno != EAGAIN && errno != ECONNABORTED) die("accept");
}

static void serve_tick(struct tick *due)
{
    struct conn *c, *next;
    for (c = LIST_FIRST(due); c; c = next) {
        next = LIST_NEXT(c, in_tick);
        bool alive = stream_step(c);
        while (alive && !mock.gap_ms && c->due_ms && !c->out.n) alive = stream_step(c);
        if (!alive) conn_free(c);
        else if (c->due_ms) pace_at(c, c->due_ms + mock.gap_ms);
    }
}

/* After the events of a batch, because it may free a connection that one of them still names. */
static void serve_due(void)
{
    uint64_t now_ms = now_ns() / 1000000;
    while (mock.paced && mock.tick_ms < now_ms) serve_tick(&mock.wheel[++mock.tick_ms % TICKS]);
}

static void wait_for_events(struct epoll_event *events, int *ret_n)
{
    uint64_t left = NS_PER_S / 1000 - now_ns() % (NS_PER_S / 1000);
    struct timespec until_tick = {.tv_nsec = (long)left};
    int n = epoll_pwait2(mock.epoll, events, EVENTS, mock.paced ? &until_tick : NULL, NULL);
    if (n < 0 && errno != EINTR) die("epoll_pwait2");
    *ret_n = n < 0 ? 0 : n;
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    for (int n;;) {
        wait_for_events(events, &n);
        if (!mock.paced) mock.tick_ms = now_ns() / 1000000;
        for (int i = 0; i < n; i++) {
            int *listener = events[i].data.ptr;
            if (listener == &mock.listener[0] || listener == &mock.listener[1]) on_listener(*listener);
            else on_conn(events[i].data.ptr, events[i].events);
        }
        serve_due();
    }
}

/* The second address may be missing (a machine without IPv6); the first may not. */
static void listen_on(const char *text)
{
    if (!text) return;
    struct endpoint at = endpoint_parse(text);
    int *fd = &mock.listener[mock.listeners++];
    *fd = net_listen(&at);
    if (*fd < 0 && mock.listeners == 1) die("cannot listen on %s", text);
    if (*fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = fd};
    if (epoll_ctl(mock.epoll, EPOLL_CTL_ADD, *fd, &event) < 0) die("epoll_ctl");
}

static void tls_load(const char *cert, const char *key)
{
    if (!cert) return;
    mock.tls = SSL_CTX_new(TLS_server_method());
    if (!mock.tls || SSL_CTX_use_certificate_chain_file(mock.tls, cert) != 1 || !key ||
        SSL_CTX_use_PrivateKey_file(mock.tls, key, SSL_FILETYPE_PEM) != 1)
        die("cannot use %s with %s", cert, key ? key : "no --key");
    SSL_CTX_set_mode(mock.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv)
{
    const char *listen = NULL, *also = NULL, *cert = NULL, *key = NULL;
    const struct option_row rows[] = {
        {"listen", &listen, NULL, NULL},  {"also", &also, NULL, NULL},          {"cert", &cert, NULL, NULL},
        {"key", &key, NULL, NULL},        {"chunks", NULL, &mock.chunks, NULL}, {"gap", NULL, &mock.gap_ms, NULL},
        {"hold", NULL, NULL, &mock.hold},
    };
    int rest = options_read(argc, argv, rows, COUNTOF(rows));
    if (rest != argc || !listen || mock.gap_ms > GAP_MAX)
        die("usage: mock --listen ADDRESS:PORT [--also ADDRESS:PORT] [--cert FILE --key FILE] "
            "[--chunks N] [--gap MS (to %d)] [--hold]",
            GAP_MAX);
    signal(SIGPIPE, SIG_IGN);
    files_raise(65536);
    answers_render(&mock.answers);
    answers_render_messages(&mock.messages);
    tls_load(cert, key);
    mock.epoll = epoll_create1(EPOLL_CLOEXEC);
    mock.tick_ms = now_ns() / 1000000;
    listen_on(listen);
    listen_on(also);
    run();
}
