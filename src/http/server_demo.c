/* A server with nothing behind it, for conformance tools (h2spec) and for measuring: echoes bodies but to /ok, streams /stream.
 * `server_demo PORT [CERT KEY]` serves plain or TLS on 127.0.0.1 until it is killed. Built with the tests only. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

#define FIELDS ((struct http_fields){(const struct http_field[]){{S("content-type"), S("text/plain")}}, 1})

static bool on_head(struct http_stream *s, void *user)
{
    (void)s, (void)user;
    return true;
}

static void on_request(struct http_stream *s, void *user)
{
    (void)user;
    struct str body = s->request->body;
    if (!str_eq(s->request->path, S("/stream"))) {
        bool echoes = body.n && !str_eq(s->request->path, S("/ok"));
        http_stream_answer(s, 200, FIELDS, echoes ? body : S("hello\n"));
        return;
    }
    http_stream_head(s, 200, FIELDS, -1);
    for (int i = 0; i < 100; i++) http_stream_write(s, S("data: a line of a stream\n\n"));
    http_stream_finish(s, S("data: [DONE]\n\n"));
}

static void on_bad(struct http_stream *s, const struct fault *why, void *user)
{
    (void)user;
    http_stream_answer(s, err_status(why->code), FIELDS, str_z(why->text));
}

static void on_writable(struct http_stream *s, void *user) { (void)s, (void)user; }
static void on_closed(struct http_stream *s, bool complete, void *user) { (void)s, (void)complete, (void)user; }

static int listen_at(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)(const void *)&at, sizeof at) != 0 || listen(fd, 1024) != 0) {
        perror("server_demo: cannot listen");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    static const struct http_handler handler = {on_head, on_request, on_bad, on_writable, on_closed};
    struct http_server_options options = {0};
    struct tls_server *tls = NULL;
    struct fault why;
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: server_demo PORT [CERT KEY]\n");
        return 2;
    }
    http_limits_default(&options.limits);
    if (argc == 4 && tls_server_new(argv[2], argv[3], &tls, &why) != OK) {
        fprintf(stderr, "server_demo: %s\n", why.text);
        return 1;
    }
    struct loop *loop = loop_new();
    struct http_server *server = http_server_new(loop, &handler, &options, NULL);
    if (http_server_listen(server, listen_at(argv[1]), tls, &why) != OK) {
        fprintf(stderr, "server_demo: %s\n", why.text);
        return 1;
    }
    loop_run(loop);
    return 0;
}
