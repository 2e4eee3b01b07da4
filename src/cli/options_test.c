/* Arguments, places and printing: what people type is understood or told what is wrong, and what comes from outside cannot
 * steer their terminal. */
#include "cli/priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

struct seen {
    bool good;
    const char *name, *flag;
    struct cli_words words;
};

/* The arguments stand behind the command's name; complaints go nowhere. */
#define TAKE(...) take((char *[]){(char[]){"x"}, __VA_ARGS__ __VA_OPT__(, ) NULL})
static struct seen take(char **argv)
{
    struct seen s = {0};
    const struct cli_option options[] = {{"--name", "NAME", "a name", &s.name}, {"--flag", NULL, "a flag", &s.flag}, {0}};
    int argc = 0, err = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    while (argv[argc]) argc++;
    dup2(nowhere, STDERR_FILENO);
    s.good = cli_options(argc, argv, options, &s.words);
    dup2(err, STDERR_FILENO);
    close(err);
    close(nowhere);
    return s;
}

static void options_are_taken(void **state)
{
    struct seen s = TAKE((char[]){"--name"}, (char[]){"ann"}, (char[]){"word"}, (char[]){"--flag"});
    assert_true(s.good);
    assert_string_equal(s.name, "ann");
    assert_string_equal(s.flag, "yes");
    assert_int_equal(s.words.n, 1);
    s = TAKE((char[]){"--name=a=b"});
    assert_true(s.good);
    assert_string_equal(s.name, "a=b");
    s = TAKE((char[]){"--name="});
    assert_true(s.good);
    assert_string_equal(s.name, "");
    s = TAKE((char[]){"--"}, (char[]){"--flag"}, (char[]){"-"});
    assert_true(s.good);
    assert_null(s.flag);
    assert_int_equal(s.words.n, 2);
    s = TAKE((char[]){"-"});
    assert_true(s.good && s.words.n == 1);
}

static void words_where_none_belong(void **state)
{
    const char *flag = NULL;
    const struct cli_option options[] = {{"--flag", NULL, "a flag", &flag}, {0}};
    char *fine[] = {(char[]){"x"}, (char[]){"--flag"}, NULL}, *wrong[] = {(char[]){"x"}, (char[]){"word"}, NULL};
    int err = dup(STDERR_FILENO), nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDERR_FILENO);
    bool good = cli_options(2, fine, options, NULL), bad = cli_options(2, wrong, options, NULL);
    dup2(err, STDERR_FILENO);
    close(err);
    close(nowhere);
    assert_true(good && flag && !bad);
}

static void wrong_options_are_told(void **state)
{
    assert_false(TAKE((char[]){"--nome"}, (char[]){"ann"}).good);
    assert_false(TAKE((char[]){"--name"}).good);
    assert_false(TAKE((char[]){"--flag=yes"}).good);
    assert_false(TAKE((char[]){"-n"}).good);
    char word[] = "w", *many[CLI_WORDS_MAX + 3];
    for (unsigned i = 0; i < COUNTOF(many) - 1; i++) many[i] = word;
    many[COUNTOF(many) - 1] = NULL;
    assert_false(take(many).good);
}

static unsigned tables;
static void count_table(const struct cli_option *table, void *user)
{
    (void)user;
    for (const struct cli_option *o = table; o->name; o++) assert_true(o->help && *o->help);
    tables++;
}

/* Else the manual and the completion would be silent about a command, or run it. */
static void every_command_names_its_options_and_does_nothing(void **state)
{
    unsigned commands = 0;
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        assert_true(c->help && *c->help);
        const struct cli_command *under = c->under ? c->under : c;
        for (; under->name; under++) {
            commands += under->run != NULL;
            cli_describe(under, count_table, NULL);
            if (!c->under) break;
        }
    }
    assert_true(commands > 5);
    assert_int_equal(tables, commands);
}

static void listeners_become_origins(void **state)
{
    static const struct {
        const char *address, *url;
        bool tls;
    } CASES[] = {{"127.0.0.1:8400", "http://127.0.0.1:8400", false},
                 {"*:8400", "https://127.0.0.1:8400", true},
                 {"0.0.0.0:1", "http://127.0.0.1:1", false},
                 {"[::]:8400", "http://127.0.0.1:8400", false},
                 {"[::1]:8400", "http://[::1]:8400", false}};
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        char url[512];
        cli_url_of(str_z(CASES[i].address), CASES[i].tls, url);
        assert_string_equal(url, CASES[i].url);
    }
}

static void environment_files_are_read(void **state)
{
    static const char TEXT[] = "# made by make run\nAQUIFER_URL=http://127.0.0.1:1\n export AQUIFER_MODEL=\"a b\"\r\n"
                               "PATH=/nowhere\nnonsense\nAQUIFER_API_KEY='k'";
    char path[] = "env-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, TEXT, sizeof TEXT - 1) == sizeof TEXT - 1);
    close(fd);
    char *before = strdup(getenv("PATH"));
    assert_int_equal(cli_env_load(path, NULL), OK);
    unlink(path);
    assert_string_equal(getenv("AQUIFER_URL"), "http://127.0.0.1:1");
    assert_string_equal(getenv("AQUIFER_API_KEY"), "k");
    assert_string_equal(getenv("AQUIFER_MODEL"), "a b");
    assert_string_equal(getenv("PATH"), before);
    free(before);
    struct fault why = {0};
    assert_int_equal(cli_env_load("no-such-file", &why), ERR_IO);
    assert_non_null(strstr(why.text, "no-such-file"));
}

static void the_environment_says_where(void **state)
{
    struct cli_common c = {0};
    struct cli_target t;
    setenv("AQUIFER_ADMIN_URL", "http://127.0.0.1:7/", 1);
    setenv("AQUIFER_ADMIN_KEY", "secret", 1);
    assert_int_equal(cli_admin(&c, &t, NULL), OK);
    assert_string_equal(t.url, "http://127.0.0.1:7");
    assert_true(str_eq(buf_view(&t.key), S("secret")));
    cli_target_done(&t);
    setenv("AQUIFER_URL", "http://127.0.0.1:8", 1);
    setenv("AQUIFER_API_KEY", "mine", 1);
    assert_int_equal(cli_data(&c, "env:AQUIFER_ADMIN_KEY", &t, NULL), OK);
    assert_true(str_eq(buf_view(&t.key), S("secret")));
    cli_target_done(&t);
    unsetenv("AQUIFER_API_KEY");
    struct fault why = {0};
    assert_int_equal(cli_data(&c, NULL, &t, &why), ERR_KEY_MISSING);
    assert_non_null(strstr(why.text, "AQUIFER_API_KEY"));
    cli_target_done(&t);
}

static void text_cannot_steer_a_terminal(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    cli_plain(S("a\x1b[31mb\a\x7f\tc\nd\r\xc2\x9b"
                "2J\xe4\xb8\x96\xff"),
              &out);
    assert_true(str_eq(buf_view(&out), S("a[31mb\tc\nd2J\xe4\xb8\x96\xef\xbf\xbd")));
    buf_done(&out);
}

static void sizes_read_well(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } CASES[] = {{0, "0 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {491400032, "491 MB"}, {1400000000, "1.4 GB"}};
    for (unsigned i = 0; i < COUNTOF(CASES); i++) {
        struct buf out;
        buf_init(&out, 32);
        cli_bytes(CASES[i].bytes, &out);
        assert_string_equal(buf_z(&out), CASES[i].text);
        buf_done(&out);
    }
}

/* The one who may not read a file is told so, not that there is none. */
static void an_unreadable_file_is_not_overlooked(void **state)
{
    char dir[] = "options_test_XXXXXX", file[64];
    int status;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/aquifer.yaml", dir);
    int fd = open(file, O_WRONLY | O_CREAT, 0);
    assert_true(fd >= 0 && close(fd) == 0 && chmod(dir, 0755) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(dir) != 0 || (geteuid() == 0 && setuid(65534) != 0)) _exit(2);
        const char *found = cli_config_path(NULL);
        _exit(found && strcmp(found, "aquifer.yaml") == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    unlink(file);
    rmdir(dir);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(words_where_none_belong),
        cmocka_unit_test(an_unreadable_file_is_not_overlooked),
        cmocka_unit_test(wrong_options_are_told),
        cmocka_unit_test(every_command_names_its_options_and_does_nothing),
        cmocka_unit_test(listeners_become_origins),
        cmocka_unit_test(environment_files_are_read),
        cmocka_unit_test(the_environment_says_where),
        cmocka_unit_test(text_cannot_steer_a_terminal),
        cmocka_unit_test(sizes_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
