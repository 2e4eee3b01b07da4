/* Micro benchmark of the span reader: ns per byte of each twin beside yyjson, on the texts that pass through a gateway.
 * Run by hand (build/src/json/json_bench [FILE...]); not a test. Prints the median and the best of several rounds. */
#include "json/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <yyjson.h>

enum { ROUNDS = 21 };
static struct json_tape tape;

static void put_message(struct json_writer *w, struct str role, struct str content)
{
    json_put_object(w);
    json_add_str(w, S("role"), role);
    json_add_str(w, S("content"), content);
    json_put_end(w);
}

static void chat_of(struct buf *out, size_t about, struct str words)
{
    struct json_writer w;
    struct buf text;
    buf_init(&text, SIZE_MAX);
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("model"), S("gpt-4o-mini"));
    json_add_array(&w, S("messages"));
    put_message(&w, S("system"), S("You are a helpful assistant."));
    while (out->n + 200 < about) {
        buf_clear(&text);
        while (text.n < 1200 && out->n + text.n + 200 < about) buf_str(&text, words);
        put_message(&w, S("user"), buf_view(&text));
    }
    json_put_end(&w);
    json_add_raw(&w, S("temperature"), S("0.7"));
    json_add_u64(&w, S("max_tokens"), 256);
    json_add_bool(&w, S("stream"), true);
    json_put_end(&w);
    must(json_write_done(&w));
    buf_done(&text);
}

static void base64_of(struct buf *out, size_t about)
{
    buf_str(out, S("{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_"
                   "url\":{\"url\":\""));
    buf_str(out, S("data:image/png;base64,"));
    while (out->n < about) buf_str(out, S("iVBORw0KGgoAAAANSUhEUgAA+/"));
    buf_str(out, S("\"}}]}]}"));
}

static void event_of(struct buf *out)
{
    buf_str(out,
            S("{\"id\":\"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz01\",\"object\":\"chat.completion.chunk\",\"created\":1795422606,"
              "\"model\":\"gpt-4o-mini-2024-07-18\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\","
              "\"choices\":[{\"index\":0,\"delta\":{\"content\":\" rain\"},\"logprobs\":null,\"finish_reason\":null}]}"));
}

static void embedding_of(struct buf *out)
{
    buf_str(out, S("{\"data\":[{\"embedding\":["));
    for (int i = 0; i < 1536; i++) buf_fmt(out, "%s%.9f", i ? "," : "", (i * 7919 % 2000 - 1000) / 9173.0);
    buf_str(out, S("]}]}"));
}

static void run_scan(scan_fn *fn, const struct json_limits *limits, struct str text)
{
    struct fault why;
    must(json_scan_with(fn, &tape, text, limits, &why) == OK);
}

static void run_yyjson(struct str text)
{
    yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
    must(doc);
    yyjson_doc_free(doc);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *text_name, const char *how, scan_fn *fn, const struct json_limits *limits, struct str text)
{
    double ns[ROUNDS];
    size_t times = 1 + 4000000 / text.n;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = clock_mono_ns();
        for (size_t i = 0; i < times; i++) {
            if (fn) run_scan(fn, limits, text);
            else run_yyjson(text);
        }
        ns[round] = (double)(clock_mono_ns() - start) / (double)times;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    double n = (double)text.n;
    printf("| %-12s | %8zu | %-9s | %8.3f | %.3f | %.3f |\n", text_name, text.n, how, ns[ROUNDS / 2] / 1000, ns[ROUNDS / 2] / n,
           ns[0] / n);
}

static void compare(const char *name, struct buf *text)
{
    struct json_limits top = JSON_LIMITS_TOP;
    struct str view = buf_view(text);
#if defined(__x86_64__)
    if (json_scan_can(json_scan_avx512)) measure(name, "avx512", json_scan_avx512, NULL, view);
    if (json_scan_can(json_scan_avx2)) measure(name, "avx2", json_scan_avx2, NULL, view);
    measure(name, "sse2", json_scan_sse2, NULL, view);
#endif
    measure(name, "scalar", json_scan_scalar, NULL, view);
    measure(name, "best top", json_scan_best(view), &top, view);
    measure(name, "yyjson", NULL, NULL, view);
    buf_done(text);
}

static void file_of(struct buf *out, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    do must(buf_reserve(out, KIB(64)));
    while ((out->n += fread(out->p + out->n, 1, KIB(64), file)) && !feof(file));
    fclose(file);
}

static void compare_own(void)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    event_of(&text);
    compare("event", &text);
    chat_of(&text, 1024, S("Rain falls anywhere, every well draws from the same rock. "));
    compare("chat 1k", &text);
    chat_of(&text, 100 << 10, S("Rain falls anywhere, every well draws from the same rock.\n\"Each well has a meter\", "));
    compare("chat 100k", &text);
    chat_of(&text, 100 << 10, S("Дождь идёт везде, 每口井都取自同一块岩石。 Élan vital, naïve café; "));
    compare("utf8 100k", &text);
    base64_of(&text, 1 << 20);
    compare("base64 1m", &text);
    embedding_of(&text);
    compare("numbers", &text);
}

int main(int argc, char **argv)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    json_tape_init(&tape, 0);
    puts("| text | bytes | how | us | ns/B | best |\n|---|---|---|---|---|---|");
    for (int i = 1; i < argc; i++) {
        const char *slash = strrchr(argv[i], '/');
        file_of(&text, argv[i]);
        compare(slash ? slash + 1 : argv[i], &text);
    }
    if (argc == 1) compare_own();
    json_tape_done(&tape);
    return 0;
}
