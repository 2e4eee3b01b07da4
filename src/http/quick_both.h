/* The two readers of a request's head side by side: whatever the quick one takes, llhttp must take in the same sense. For
 * quick_both_test.c and quick_fuzz.c only; the connection in here has no socket. */
#pragma once

#include "http/h1_priv.h"
#include "http/server_bench.h"

struct both_ways {
    struct bench *bench;
    struct conn conn;
};

static void both_ways_init(struct both_ways *w)
{
    w->bench = bench_new();
    w->conn = (struct conn){.server = w->bench->server, .options = w->bench->server->options};
    h1_parser_init(&w->conn);
}

static struct head_builder *builder_new(struct both_ways *w)
{
    struct head_builder *b = head_take(w->bench->server);
    w->conn.h1.builder = b;
    return b;
}

/* Reads as a connection would; what was read is in the stream. */
static bool read_slowly(struct both_ways *w, struct str bytes, struct stream *s, size_t *ret_used)
{
    struct h1 *h = &w->conn.h1;
    struct fault why = {0};
    struct head_builder *b = builder_new(w);
    unsigned codings, lengths;
    h->in = IN_HEAD;
    h->overhead = 0;
    llhttp_reset(&h->parser);
    bool is_good = h1_parse(&w->conn, bytes, ret_used, &why) == HPE_PAUSED && head_build(b, &w->conn, s, &why) == OK;
    head_field(b, S("transfer-encoding"), &codings);
    head_field(b, S("content-length"), &lengths);
    head_give(w->bench->server, b);
    return is_good && codings == 0 && lengths <= 1;
}

static void same_text(struct str a, struct str b) { must(str_eq(a, b)); }

static void same_request(const struct http_request *a, const struct http_request *b)
{
    same_text(a->method, b->method);
    same_text(a->path, b->path);
    same_text(a->query, b->query);
    same_text(a->authority, b->authority);
    must(a->fields.n == b->fields.n);
    for (size_t i = 0; i < a->fields.n; i++) {
        same_text(a->fields.at[i].name, b->fields.at[i].name);
        same_text(a->fields.at[i].value, b->fields.at[i].value);
    }
}

/* True: the quick one took it. */
static bool read_both_ways(struct both_ways *w, struct str bytes)
{
    struct stream quick = {0}, slow = {0};
    struct h1 *h = &w->conn.h1;
    struct fault why = {0};
    uint64_t length;
    size_t slow_used;
    struct head_builder *b = builder_new(w);
    size_t used = head_quick(b, bytes, w->conn.options->o.limits.fields_max, &length);
    if (!used) {
        head_give(w->bench->server, b);
        return false;
    }
    bool is_good = head_build(b, &w->conn, &quick, &why) == OK;
    head_give(w->bench->server, b);
    must(read_slowly(w, bytes, &slow, &slow_used) == is_good);
    if (is_good) {
        same_request(quick.pub.request, slow.pub.request);
        must(slow_used == used && !(h->parser.flags & F_CHUNKED) && !h->is_10 && llhttp_should_keep_alive(&h->parser));
        must((h->parser.flags & F_CONTENT_LENGTH ? h->parser.content_length : 0) == length);
    }
    free(quick.pub.request);
    free(slow.pub.request);
    return true;
}
