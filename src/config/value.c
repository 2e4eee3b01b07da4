/* What a value in the file stands for: a socket address, a secret behind a reference. Called by supervisor, control,
 * gateway and commands. Owns nothing. */
#include "config/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

static bool split_address(struct str text, char host[INET6_ADDRSTRLEN], uint16_t *ret_port)
{
    size_t colon = text.n;
    uint64_t port;
    while (colon > 0 && text.p[colon - 1] != ':') colon--;
    if (colon == 0 || !str_u64(str_from(text, colon), &port) || port > 65535 || port == 0) return false;
    struct str h = str_make(text.p, colon - 1);
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') h = str_make(h.p + 1, h.n - 2);
    else if (memchr(h.p, ':', h.n)) return false; /* IPv6 without brackets: where would the port begin? */
    if (str_eq(h, S("*"))) h = S("::");
    if (str_eq(h, S("localhost"))) h = S("127.0.0.1");
    if (h.n == 0 || h.n >= INET6_ADDRSTRLEN) return false;
    memcpy(host, h.p, h.n);
    host[h.n] = '\0';
    *ret_port = (uint16_t)port;
    return true;
}

bool config_address(struct str text, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
    char host[INET6_ADDRSTRLEN];
    uint16_t port;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (!split_address(text, host, &port)) return false;
    *ret_address = (struct sockaddr_storage){0};
    v4.sin_port = v6.sin6_port = htons(port);
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(ret_address, &v4, sizeof v4);
        *ret_len = sizeof v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return false;
    memcpy(ret_address, &v6, sizeof v6);
    *ret_len = sizeof v6;
    return true;
}

bool config_address_is_loopback(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET) return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

static enum err secret_of_env(struct str reference, struct buf *out, struct fault *why)
{
    char *name = str_dup_z(str_from(reference, 4));
    const char *value = getenv(name);
    enum err got = OK;
    if (!value)
        got = FAIL(why, ERR_CONFIG, "the environment variable %.100s is not set; set it, or change %.*s in the configuration",
                   name, STR_ARG(reference));
    else if (!*value) got = FAIL(why, ERR_CONFIG, "the environment variable %.100s is empty", name);
    else buf_str(out, str_z(value));
    free(name);
    return got;
}

static enum err secret_of_file(struct str reference, struct buf *out, struct fault *why)
{
    char *path = str_dup_z(str_from(reference, 5)), piece[4096];
    enum err got = OK;
    size_t n, total = 0;
    FILE *in = fopen(path, "re");
    if (in) setvbuf(in, NULL, _IONBF, 0); /* no copy of the secret is left in a buffer of stdio */
    while (in && (n = fread(piece, 1, sizeof piece, in)) > 0 && (total += n) <= KIB(64)) buf_add(out, piece, n);
    explicit_bzero(piece, sizeof piece);
    if (!in || ferror(in)) got = FAIL(why, ERR_CONFIG, "cannot read the secret file %.200s: %s", path, strerror(errno));
    else if (total > KIB(64)) got = FAIL(why, ERR_CONFIG, "the secret file %.200s is larger than 64 KiB", path);
    if (in) fclose(in);
    while (out->n && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == '\r')) out->n--;
    if (got == OK && out->n == 0) got = FAIL(why, ERR_CONFIG, "the secret file %.200s is empty", path);
    free(path);
    return got;
}

enum err config_secret(struct str reference, struct buf *out, struct fault *why)
{
    if (str_starts(reference, S("env:"))) return secret_of_env(reference, out, why);
    if (str_starts(reference, S("file:"))) return secret_of_file(reference, out, why);
    return FAIL(why, ERR_CONFIG, "a secret is written as env:NAME or file:path");
}
