/* For the tests of the upstream client: what became of a call, and starting one. */
#pragma once

#include <stdio.h>

#include "http/client.h"
#include "http/peer_test.h"

struct seen {
    struct http_call *call;
    int status, heads, ends;
    enum err error;
    char text[320], type[64], body[4096];
    size_t body_n;
    bool over, crawls; /* crawls: nothing that comes brings it further */
    void (*on_body)(struct seen *s);
};

UNUSED static void seen_head(struct http_call *c, int status, struct http_fields fields, void *user)
{
    struct seen *s = user;
    assert_ptr_equal(c, s->call);
    assert_int_equal(s->heads++, 0);
    s->status = status;
    struct str type = http_field_get(fields, S("content-type"));
    snprintf(s->type, sizeof s->type, "%.*s", STR_ARG(type));
}

UNUSED static bool seen_body(struct http_call *c, struct str bytes, void *user)
{
    struct seen *s = user;
    assert_ptr_equal(c, s->call);
    assert_false(c->is_paused);
    for (size_t i = 0; i < bytes.n && s->body_n + i < sizeof s->body - 1; i++) s->body[s->body_n + i] = bytes.p[i];
    s->body_n += bytes.n;
    if (s->on_body) s->on_body(s);
    return !s->crawls;
}

UNUSED static void seen_end(struct http_call *c, void *user)
{
    struct seen *s = user;
    assert_ptr_equal(c, s->call);
    assert_false(s->over);
    assert_false(c->is_paused);
    s->over = true;
    s->ends++;
}

UNUSED static void seen_fail(struct http_call *c, const struct fault *why, void *user)
{
    struct seen *s = user;
    assert_ptr_equal(c, s->call);
    assert_false(s->over);
    s->over = true;
    s->error = why->code;
    snprintf(s->text, sizeof s->text, "%s", why->text);
}

static const struct http_call_handler SEEN = {seen_head, seen_body, seen_end, seen_fail, NULL};
static const struct http_deadlines PATIENT = {PATIENCE_S * 1000, PATIENCE_S * 1000, PATIENCE_S * 1000, 0};

UNUSED static struct http_origin *origin_with(const char *url, const char *ca_file, const char *proxy)
{
    struct http_origin *o = NULL;
    struct str base;
    struct fault why = {0};
    struct http_origin_options options = {str_z(url), str_z(ca_file), str_z(proxy)};
    enum err e = http_origin_new(&options, &o, &base, &why);
    if (e != OK) print_error("%s\n", why.text);
    assert_int_equal(e, OK);
    return o;
}

UNUSED static void assert_failed(const struct seen *s, enum err code, const char *words)
{
    if (s->error != code || !strstr(s->text, words)) print_error("it failed with: %s\n", s->text);
    assert_int_equal(s->error, code);
    assert_int_equal(s->ends, 0);
    assert_non_null(strstr(s->text, words));
}

#define STAT_OF(client, name) atomic_load(&http_client_stats_get(client)->name)
