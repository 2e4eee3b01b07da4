/* For the tests of the upstream client against one scripted server: a loop, a client, calls to 127.0.0.1. */
#pragma once

#include "http/calls_test.h"

static struct loop *loop;
static struct http_client *client;

/* What a server says, and how that must end. */
struct disaster {
    struct str answer;
    enum err code;
    const char *words;
};

UNUSED static struct http_origin *origin_at(const char *url) { return origin_with(url, "", ""); }

UNUSED static struct http_origin *origin_of(const struct peer *p)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", p->port);
    return origin_at(url);
}

UNUSED static void start_with(struct seen *s, struct http_origin *o, const char *method, const struct http_deadlines *d)
{
    static const struct http_field FIELDS[] = {{S("x-a"), S("1")}};
    static const struct str PIECES[] = {S("{\"model\":"), S("\"m\""), S("}")};
    struct http_call_request r = {
        str_z(method), S("/v1/chat?x=1"), {FIELDS, 1}, PIECES, strcmp(method, "POST") ? 0 : 3, false, 0};
    s->call = http_call_start(client, o, &r, d, &SEEN, s);
    assert_false(s->over);
}

UNUSED static void start(struct seen *s, struct http_origin *o) { start_with(s, o, "POST", &PATIENT); }

UNUSED static void run(struct seen *s, struct http_origin *o)
{
    start(s, o);
    run_until(loop, &s->over);
}

UNUSED static void assert_fails(const struct seen *s, const struct peer *p, enum err code, const char *words)
{
    char name[32];
    snprintf(name, sizeof name, "127.0.0.1:%u: ", p->port);
    assert_failed(s, code, words);
    assert_ptr_equal(strstr(s->text, name), s->text);
}

#define STAT(name) STAT_OF(client, name)

/* Runs a script against one call. */
UNUSED static void with_peer(struct seen *s, struct peer *p, void (*script)(struct peer *))
{
    peer_start(p, script);
    struct http_origin *o = origin_of(p);
    run(s, o);
    http_origin_unref(o);
}

UNUSED static int set_up(void **state)
{
    (void)state;
    loop = loop_new();
    client = http_client_new(loop, NULL);
    return 0;
}

UNUSED static int tear_down(void **state)
{
    (void)state;
    http_client_free(client);
    loop_free(loop);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
