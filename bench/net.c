/* net: see net.h. Everything here ends the program on failure unless the header says otherwise. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void die(const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, format, args);
    va_end(args);
    if (error) fprintf(stderr, ": %s", strerror(error));
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static in_port_t port_parse(const char *text, const char *whole)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (end == text || *end || port == 0 || port > 65535) die("%s: no port after the colon", whole);
    return htons((in_port_t)port);
}

struct endpoint endpoint_parse(const char *text)
{
    struct endpoint e = {0};
    char host[64];
    const char *colon = strrchr(text, ':');
    errno = 0;
    if (!colon || (size_t)(colon - text) >= sizeof host) die("%s: not an ADDRESS:PORT", text);
    bool six = text[0] == '[';
    size_t n = (size_t)(colon - text) - (six ? 2 : 0);
    memcpy(host, text + six, n);
    host[n] = 0;
    struct sockaddr_in *v4 = (void *)&e.at;
    struct sockaddr_in6 *v6 = (void *)&e.at;
    if (six) {
        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port_parse(colon + 1, text)};
        e.n = sizeof *v6;
    } else {
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port_parse(colon + 1, text)};
        e.n = sizeof *v4;
    }
    void *where = six ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr;
    if (inet_pton(six ? AF_INET6 : AF_INET, host, where) != 1) die("%s: not an address", text);
    return e;
}

size_t files_raise(size_t want)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) die("getrlimit");
    struct rlimit more = {.rlim_cur = want, .rlim_max = limit.rlim_max > want ? limit.rlim_max : want};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0) return want;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
    return limit.rlim_cur;
}

void net_prepare(int fd)
{
    int on = 1;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) die("TCP_NODELAY");
}

int net_listen(const struct endpoint *at)
{
    int on = 1;
    int fd = socket(at->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (at->at.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&at->at, at->n) == 0 && listen(fd, 4096) == 0) return fd;
    close(fd);
    return -1;
}

int net_connect(const struct endpoint *to, unsigned source)
{
    int on = 1;
    int fd = socket(to->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (source && to->at.ss_family == AF_INET) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u | source)};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind to 127.0.0.%u", source);
    }
    /* Blocking on purpose: on loopback it returns at once, and a full accept queue shows as time, not as an error. */
    if (connect(fd, (const struct sockaddr *)&to->at, to->n) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    net_prepare(fd);
    return fd;
}

static const struct option_row *option_find(const char *name, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

int options_read(int argc, char **argv, const struct option_row *rows, size_t n)
{
    int i = 1;
    errno = 0;
    for (; i < argc && !strncmp(argv[i], "--", 2) && argv[i][2]; i++) {
        const struct option_row *row = option_find(argv[i] + 2, rows, n);
        if (!row) die("%s: no such option", argv[i]);
        if (row->ret_flag) {
            *row->ret_flag = true;
            continue;
        }
        if (++i == argc) die("%s: a value is missing", argv[i - 1]);
        if (row->ret_text) *row->ret_text = argv[i];
        if (!row->ret_number) continue;
        char *end;
        *row->ret_number = strtoull(argv[i], &end, 10);
        if (end == argv[i] || *end) die("--%s %s: not a whole number", row->name, argv[i]);
    }
    return i < argc && !strcmp(argv[i], "--") ? i + 1 : i;
}

/* The whole file, NUL-terminated. */
static char *file_read(const char *path, size_t *ret_n)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) die("%s", path);
    size_t n = (size_t)st.st_size;
    char *text = malloc(n + 1);
    if (!text || read(fd, text, n) != (ssize_t)n) die("%s: cannot read it whole", path);
    text[n] = 0;
    close(fd);
    *ret_n = n;
    return text;
}

char *request_read(const char *head_path, const char *body_path, size_t *ret_n)
{
    char *request;
    size_t head_n, body_n;
    char *head = file_read(head_path, &head_n);
    char *body = file_read(body_path, &body_n);
    int n = asprintf(&request, "%scontent-length: %zu\r\n\r\n%s", head, body_n, body);
    if (n < 0) die("out of memory");
    free(head);
    free(body);
    *ret_n = (size_t)n;
    return request;
}
