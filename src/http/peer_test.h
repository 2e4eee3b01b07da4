/* For the tests of this room: a scripted peer on a thread of its own, and a loop that runs until something is true.
 * Everything is on loopback and ends by itself: a socket that nobody answers gives up after PATIENCE_S. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/test.h"
#include "loop/loop.h"

#define PATIENCE_S 30

struct peer {
    int listener;
    uint16_t port;
    pthread_t thread;
    void (*script)(struct peer *p);
    void *user;
    _Atomic int accepted, requests;
};

UNUSED static int listen_on(const char *address, uint16_t *ret_port)
{
    bool v6 = strchr(address, ':');
    struct sockaddr_in6 at6 = {.sin6_family = AF_INET6};
    struct sockaddr_in at4 = {.sin_family = AF_INET};
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, address, v6 ? (void *)&at6.sin6_addr : (void *)&at4.sin_addr), 1);
    if (v6) at6.sin6_port = htons(*ret_port);
    else at4.sin_port = htons(*ret_port);
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    socklen_t n = v6 ? sizeof at6 : sizeof at4;
    struct sockaddr *at = v6 ? (void *)&at6 : (void *)&at4;
    assert_int_equal(bind(fd, at, n), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, at, &n), 0);
    *ret_port = ntohs(v6 ? at6.sin6_port : at4.sin_port);
    return fd;
}

UNUSED static void *peer_run(void *user)
{
    struct peer *p = user;
    p->script(p);
    return NULL;
}

UNUSED static void peer_start(struct peer *p, void (*script)(struct peer *))
{
    p->port = 0;
    p->listener = listen_on("127.0.0.1", &p->port);
    p->script = script;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(p->listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

UNUSED static void peer_join(struct peer *p)
{
    pthread_join(p->thread, NULL);
    if (p->listener >= 0) close(p->listener);
}

UNUSED static int peer_accept(struct peer *p)
{
    int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    p->accepted++;
    return fd;
}

/* False: the other side closed. */
UNUSED static bool peer_send(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes = str_from(bytes, (size_t)n);
    }
    return true;
}

/* Reads a head and as many body bytes as it names; returns all of it in out (NUL-terminated), or false at the end. */
UNUSED static bool peer_read_request(struct peer *p, int fd, char *out, size_t room)
{
    size_t n = 0, whole = SIZE_MAX;
    while (n < whole) {
        ssize_t got = recv(fd, out + n, room - 1 - n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        n += (size_t)got;
        out[n] = '\0';
        const char *end = strstr(out, "\r\n\r\n"), *length = strstr(out, "content-length: ");
        if (end) whole = (size_t)(end + 4 - out) + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);
    }
    p->requests++;
    return true;
}

/* Waits until the other side closes. */
UNUSED static bool peer_sees_close(int fd)
{
    char byte[4096];
    ssize_t n;
    do n = recv(fd, byte, sizeof byte, 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    return n == 0 || errno == ECONNRESET;
}

UNUSED static void on_tick(struct timer *t) { (void)t; }

/* Turns the loop until *done; fails after a time in which every test should be long over. */
UNUSED static void run_until(struct loop *l, const bool *done)
{
    uint64_t give_up = clock_mono_ns() + (uint64_t)PATIENCE_S * 2 * 1000000000;
    struct timer tick = {0};
    while (!*done) {
        if (!timer_is_set(&tick)) timer_set(l, &tick, 200, on_tick); /* so that a turn ends */
        loop_turn(l, true);
        assert_true(clock_mono_ns() < give_up);
    }
    timer_cancel(l, &tick);
}
