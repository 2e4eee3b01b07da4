/* What a child is told, and what its lines become in our log. */
#include "base/test.h"
#include "engine/priv.h"

#include <stdlib.h>
#include <unistd.h>

static const struct child_plan PLAN = {.command = "/opt/llama-server",
                                       .weights = "/m/w.gguf",
                                       .name = "m",
                                       .template = "",
                                       .key = "secretkey",
                                       .port = 4242,
                                       .threads = 2,
                                       .context = 8192,
                                       .parallel = 2,
                                       .pooling = ""};

static bool has(char **list, const char *word)
{
    for (; *list; list++)
        if (strcmp(*list, word) == 0) return true;
    return false;
}

static void joined(char **list, struct buf *out)
{
    for (; *list; list++) buf_fmt(out, "%s|", *list);
}

static void plain_model(void **state)
{
    struct arena a;
    struct buf text;
    char **argv, **envp;
    arena_init(&a, KIB(4), KIB(64));
    buf_init(&text, KIB(16));
    assert_true(child_words(&a, &PLAN, &argv, &envp));
    joined(argv, &text);
    assert_str(buf_view(&text),
               "/opt/llama-server|-m|/m/w.gguf|--alias|m|--host|127.0.0.1|--port|4242|-c|8192|--parallel|2|-t|2|--jinja|");
    assert_null(strstr(buf_z(&text), PLAN.key));
    assert_true(has(envp, "LLAMA_API_KEY=secretkey"));
    assert_true(has(envp, "LLAMA_ARG_CACHE_RAM=256"));
    buf_done(&text);
    arena_done(&a);
}

static void template_and_embeddings(void **state)
{
    struct arena a;
    char **argv, **envp;
    struct child_plan p = PLAN;
    arena_init(&a, KIB(4), KIB(64));
    p.template = "/t.jinja";
    assert_true(child_words(&a, &p, &argv, &envp));
    assert_true(has(argv, "--chat-template-file") && has(argv, "/t.jinja"));
    p.embeddings = true;
    assert_true(child_words(&a, &p, &argv, &envp));
    assert_true(has(argv, "--embeddings"));
    assert_false(has(argv, "--jinja"));
    assert_false(has(argv, "--pooling"));
    arena_done(&a);
}

/* A slot's whole context goes into one step: llama-server refuses a text that does not fit into one. */
static void embeddings_take_whole_texts(void **state)
{
    struct arena a;
    struct buf text;
    char **argv, **envp;
    struct child_plan p = PLAN;
    arena_init(&a, KIB(4), KIB(64));
    buf_init(&text, KIB(16));
    p.embeddings = true;
    p.pooling = "cls";
    assert_true(child_words(&a, &p, &argv, &envp));
    joined(argv, &text);
    assert_non_null(strstr(buf_z(&text), "|--embeddings|--pooling|cls|-b|4096|-ub|4096|"));
    p.context = 0;
    assert_true(child_words(&a, &p, &argv, &envp));
    assert_false(has(argv, "-b") || has(argv, "-ub"));
    buf_done(&text);
    arena_done(&a);
}

static void our_secrets_stay_with_us(void **state)
{
    struct arena a;
    char **argv, **envp;
    arena_init(&a, KIB(4), KIB(64));
    setenv("AQUIFER_ADMIN_KEY", "hidden", 1);
    setenv("UPSTREAM_KEY", "hidden", 1);
    assert_true(child_words(&a, &PLAN, &argv, &envp));
    for (char **e = envp; *e; e++) assert_null(strstr(*e, "hidden"));
    arena_done(&a);
}

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

static int log_pipe[2];

static struct str logged(char *out, size_t cap)
{
    ssize_t n = read(log_pipe[0], out, cap);
    return str_make(out, n > 0 ? (size_t)n : 0);
}

static void feed(struct child *c, const char *text) { child_feed_log(c, str_z(text)); }

static bool contains(struct str hay, const char *needle)
{
    size_t at;
    return str_find(hay, str_z(needle), &at);
}

static void lines_become_ours(void **state)
{
    char out[4096];
    struct child c;
    child_init(&c, NULL, "m", NULL);
    c.lines_left = 10;
    feed(&c, "0.02.291 W srv  something odd\r\nplain l");
    struct str text = logged(out, sizeof(out));
    assert_true(contains(text, "WARN") && contains(text, "something odd") && contains(text, "model=m"));
    assert_false(contains(text, "plain"));
    feed(&c, "ine\n\n");
    text = logged(out, sizeof(out));
    assert_true(contains(text, "INFO") && contains(text, "plain line"));
    feed(&c, "0.02.300 E srv  cannot bind\n");
    text = logged(out, sizeof(out));
    assert_true(contains(text, "ERROR"));
    assert_non_null(strstr(c.last_error, "cannot bind"));
}

static void keys_are_taken_out(void **state)
{
    char out[4096];
    struct child c;
    child_init(&c, NULL, "m", NULL);
    c.lines_left = 10;
    c.secret = "0123abcd";
    feed(&c, "error: key 0123abcd and 0123abcd again\n");
    struct str text = logged(out, sizeof(out));
    assert_false(contains(text, "0123abcd"));
    assert_null(strstr(c.last_error, "0123abcd"));
}

static void floods_are_cut(void **state)
{
    static char out[65536], line[3 * CHILD_LINE];
    struct child c;
    child_init(&c, NULL, "m", NULL);
    c.lines_left = 2;
    memset(line, 'x', sizeof(line) - 2);
    line[sizeof(line) - 2] = '\n';
    feed(&c, line);
    struct str text = logged(out, sizeof(out));
    assert_true(text.n < 2 * (CHILD_LINE + 300));
    assert_int_equal(c.lines_over, 1);
    feed(&c, "more\n");
    assert_int_equal(c.lines_over, 2);
    child_tick(&c);
    text = logged(out, sizeof(out));
    assert_true(contains(text, "lines=2"));
    assert_int_equal(c.lines_over, 0);
}

static int pipe_log(void **state)
{
    if (pipe(log_pipe) < 0) return -1;
    log_setup("engine", LOG_TEXT, LOG_INFO, log_pipe[1]);
    return 0;
}

static void memory_has_limits(void **state)
{
    assert_int_equal(memory_limit(12345), 12345);
    assert_true(memory_limit(0) > MIB(64));
    assert_true(memory_guess(1117320768) > 1117320768);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_model),
        cmocka_unit_test(template_and_embeddings),
        cmocka_unit_test(embeddings_take_whole_texts),
        cmocka_unit_test(our_secrets_stay_with_us),
        cmocka_unit_test(memory_has_limits),
        cmocka_unit_test(lines_become_ours),
        cmocka_unit_test(keys_are_taken_out),
        cmocka_unit_test(floods_are_cut),
    };
    return cmocka_run_group_tests(tests, pipe_log, NULL);
}
