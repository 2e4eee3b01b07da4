/* The parts of aquifer-pull that need no network: addresses, pins, progress. */
#include "base/test.h"
#include "engine/pull/pull.h"

#include <stdio.h>
#include <stdlib.h>

#define SHA "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe"

static void sources_become_addresses(void **state)
{
    struct buf url;
    buf_init(&url, 1024);
    unsetenv("HF_ENDPOINT");
    assert_true(source_url(S("hf:Qwen/Repo-GGUF/dir/file_q4.gguf"), &url));
    assert_str(buf_view(&url), "https://huggingface.co/Qwen/Repo-GGUF/resolve/main/dir/file_q4.gguf");
    setenv("HF_ENDPOINT", "https://mirror.example", 1);
    assert_true(source_url(S("hf:a/b/c"), &url));
    assert_str(buf_view(&url), "https://mirror.example/a/b/resolve/main/c");
    setenv("HF_ENDPOINT", "http://mirror.example", 1); /* not https: not followed */
    assert_true(source_url(S("hf:a/b/c"), &url));
    assert_str(buf_view(&url), "https://huggingface.co/a/b/resolve/main/c");
    unsetenv("HF_ENDPOINT");
    assert_true(source_url(S("https://example.com/x?y=z"), &url));
    assert_str(buf_view(&url), "https://example.com/x?y=z");
    static const char *const bad[] = {
        "http://x/", "ftp://x/", "file:///etc/passwd", "qwen",       "hf:",        "hf:a/b",     "hf:a//c",
        "hf:/b/c",   "hf:a/b/",  "hf:a/../c",          "hf:a/b/c?d", "hf:a/b/c#d", "hf:a/b/c d", ""};
    for (size_t i = 0; i < COUNTOF(bad); i++) assert_false(source_url(str_z(bad[i]), &url));
    buf_done(&url);
}

static void pins_are_read(void **state)
{
    struct pins p;
    struct fault why = {0};
    assert_int_equal(pins_read(S("a-b==0.2.0 --hash=sha256:" SHA "\n\nc==1 --hash=sha256:" SHA), &p, &why), OK);
    assert_int_equal(p.n, 2);
    assert_string_equal(p.items[0].name, "a-b");
    assert_string_equal(p.items[0].version, "0.2.0");
    assert_string_equal(p.items[1].sha256, SHA);
    pins_free(&p);
}

static void bad_pins_are_refused(void **state)
{
    static const char *const bad[] = {
        "a==1",                         /* no hash */
        "a>=1 --hash=sha256:" SHA,      /* no one version */
        "a==1 --hash=sha256:" SHA "00", /* too long */
        "a==1 --hash=md5:" SHA,
        "--index-url=x==1 --hash=sha256:" SHA, /* an option for pip */
        "a==1;python_version<'3' --hash=sha256:" SHA,
        "a @ https://x==1 --hash=sha256:" SHA,
        "==1 --hash=sha256:" SHA,
    };
    struct pins p;
    struct fault why = {0};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        assert_int_equal(pins_read(str_z(bad[i]), &p, &why), ERR_PARSE);
        assert_non_null(strstr(why.text, "line 1"));
        assert_null(p.items);
    }
}

static void progress_says_how_far(void **state)
{
    char text[200];
    struct progress p = {.label = "m", .total = 1117320768, .started_ns = 0};
    progress_text(&p, 412000000, 10000000000ull, text, sizeof(text));
    assert_string_equal(text, "m   36 %  412 of 1117 MB  41.2 MB/s");
    p.begin = 400000000; /* there before: no part of the speed */
    progress_text(&p, 412000000, 10000000000ull, text, sizeof(text));
    assert_string_equal(text, "m   36 %  412 of 1117 MB  1.2 MB/s");
    p.total = 0;
    progress_text(&p, 412000000, 0, text, sizeof(text));
    assert_string_equal(text, "m  412 MB  0.0 MB/s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_become_addresses),
        cmocka_unit_test(pins_are_read),
        cmocka_unit_test(bad_pins_are_refused),
        cmocka_unit_test(progress_says_how_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
