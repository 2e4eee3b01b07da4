/* net: the little that the bench programs share: errors that end the program, clock, addresses, sockets, options.
 * Used by mock, load, l4, first and syncprobe. They stand alone on purpose: what measures the gateway must not be
 * built from the gateway's own rooms, or a slow floor would slow both sides and hide itself. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNTOF(a) (sizeof(a) / sizeof((a)[0]))
#define NS_PER_S 1000000000ull

/* Prints "PROGRAM: text", with the text of `errno` where it is set, and exits 1. A bench that limps on lies. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* "127.0.0.1:8400" or "[::1]:8400"; ends the program on anything else. */
struct endpoint {
    struct sockaddr_storage at;
    socklen_t n;
};
struct endpoint endpoint_parse(const char *text);

/* Raises the limit of open files to `want`, or to as much as the system allows; returns what holds now. */
size_t files_raise(size_t want);

/* A listening, non-blocking TCP socket; -1 with errno when it cannot be had. */
int net_listen(const struct endpoint *at);

/* A connected, non-blocking TCP socket without Nagle's delay. `source` is 0 for "any", or the last byte of the
 * 127.0.0.x to come from: one source address has only some 28,000 ports toward one destination. -1 with errno. */
int net_connect(const struct endpoint *to, unsigned source);

/* Sets O_NONBLOCK and TCP_NODELAY on an accepted or connected socket. */
void net_prepare(int fd);

/* One option of a program: `--name VALUE` or, with `flag`, just `--name`. */
struct option_row {
    const char *name;      /* without the dashes */
    const char **ret_text; /* one of the three is set: text, number or flag */
    uint64_t *ret_number;
    bool *ret_flag;
};

/* Reads all options up to `--` or the first that is none; returns the index where it stopped. */
int options_read(int argc, char **argv, const struct option_row *rows, size_t n);

/* A whole HTTP request out of two files: a head without its last, empty line, and a body; the length is added.
 * The caller's to free. */
char *request_read(const char *head_path, const char *body_path, size_t *ret_n);
