/* The engine process from outside: a manager in a process of its own, watched over the board, with a small script in place
 * of llama-server, and once with the real one where it is in the cache. */
#include "base/test.h"
#include "engine/priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 120000 /* a busy machine under a sanitizer */

static struct world {
    char root[64];
    struct board *board;
    struct board_fds fds;
    struct engine_settings settings;
    pid_t manager;
} w;

/* ---- the world --------------------------------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *ending, struct str text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s%s", w.root, name, ending);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    close(fd);
}

static void put_model(const char *name)
{
    struct model m = {.bytes = 8, .context = 512, .parallel = 1};
    write_file(name, ".gguf", S("GGUF\3\0\0\0"));
    assert_true(text_set(m.name, sizeof(m.name), str_z(name)));
    snprintf(m.file, sizeof(m.file), "%s.gguf", name);
    memset(m.sha256, '0', 64);
    assert_int_equal(model_describe(w.root, &m, NULL), OK);
}

static void start_manager(void)
{
    char path[100];
    snprintf(path, sizeof(path), "%s/log", w.root);
    w.manager = fork();
    assert_true(w.manager >= 0);
    if (w.manager) return;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    log_setup("engine", LOG_TEXT, LOG_DEBUG, fd);
    _exit(engine_run(&w.settings, w.board, &w.fds));
}

static int set_up(void **state)
{
    const char *fake = getenv("ENGINE_FAKE");
    w = (struct world){.settings = ENGINE_SETTINGS};
    snprintf(w.root, sizeof(w.root), "engine-manager-XXXXXX");
    setenv("UPSTREAM_KEY", "not-for-the-child", 1);
    if (!fake || !mkdtemp(w.root) || board_create(&w.board, &w.fds, NULL) != OK) return -1;
    bool fits = text_set(w.settings.command, sizeof(w.settings.command), str_z(fake)) &&
                text_set(w.settings.models_dir, sizeof(w.settings.models_dir), str_z(w.root));
    w.settings.memory_max = MIB(1500);
    return fits ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

static int tear_down(void **state)
{
    int status = 0;
    if (w.manager > 0) {
        kill(w.manager, SIGKILL);
        waitpid(w.manager, &status, 0);
    }
    board_close(w.board);
    close(w.fds.memory);
    for (int i = 0; i < BELLS; i++) close(w.fds.bells[i]);
    return nftw(w.root, remove_one, 8, FTW_PHYS | FTW_DEPTH);
}

/* ---- looking ------------------------------------------------------------------------------------------------------------ */

static struct engine_row *row_of(const char *name)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
        struct engine_row *row = board_engine_find(w.board, str_z(name));
        if (row) return row;
        poll(NULL, 0, 20);
    }
    fail_msg("no row for %s", name);
    return NULL;
}

static enum engine_state state_of(struct engine_row *row) { return (enum engine_state)atomic_load(&row->state); }

static void until_state(struct engine_row *row, enum engine_state wanted)
{
    for (int waited = 0; waited < PATIENCE_MS && state_of(row) != wanted; waited += 20) poll(NULL, 0, 20);
    if (state_of(row) != wanted) fail_msg("%s is in state %d, not %d: %s", row->name, state_of(row), wanted, row->fault);
}

static void until_gone(pid_t pid)
{
    for (int waited = 0; waited < PATIENCE_MS && kill(pid, 0) == 0; waited += 20) poll(NULL, 0, 20);
    assert_int_equal(kill(pid, 0), -1);
}

/* A child that is not the first one; its row tells of the first for a moment after that is gone. */
static void until_another(struct engine_row *row, pid_t first)
{
    pid_t pid = first;
    for (int waited = 0; waited < PATIENCE_MS && (pid == first || pid == 0); waited += 20) {
        poll(NULL, 0, 20);
        pid = atomic_load(&row->pid);
    }
    assert_true(pid > 0 && pid != first);
}

static void want(struct engine_row *row)
{
    atomic_store(&row->wanted_ms, clock_wall_ms());
    bell_ring(&w.fds, BELL_ENGINE);
}

static bool log_has(const char *text)
{
    char path[100];
    struct buf log;
    size_t at;
    snprintf(path, sizeof(path), "%s/log", w.root);
    if (file_read(path, MIB(1), &log, NULL) != OK) return false;
    bool found = str_find(buf_view(&log), str_z(text), &at);
    buf_done(&log);
    return found;
}

static void until_logged(const char *text)
{
    for (int waited = 0; waited < PATIENCE_MS && !log_has(text); waited += 20) poll(NULL, 0, 20);
    assert_true(log_has(text));
}

/* One request with the row's key (or another); the status, 0: none. The answer's text goes to `out`. */
static int ask(struct engine_row *row, const char *key, const char *path, const char *body, struct buf *out)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atomic_load(&row->port)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char text[2000], block[4096];
    uint64_t status = 0;
    int n = snprintf(text, sizeof(text),
                     "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     *body ? "POST" : "GET", path, key, strlen(body), body);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    for (ssize_t got; (got = recv(fd, block, sizeof(block), 0)) > 0;) buf_add(out, block, (size_t)got);
    close(fd);
    if (out->n > 12) str_u64(str_make(out->p + 9, 3), &status);
    return (int)status;
}

/* ---- tests ---------------------------------------------------------------------------------------------------------------- */

static void a_wanted_model_gets_ready(void **state)
{
    struct buf answer;
    buf_init(&answer, KIB(64));
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    assert_int_equal(state_of(row), ENGINE_STOPPED);
    want(row);
    until_state(row, ENGINE_READY);
    assert_int_equal(strlen(row->key), 64);
    assert_true(atomic_load(&row->pid) > 0);
    assert_int_equal(ask(row, row->key, "/v1/models", "", &answer), 200);
    buf_clear(&answer);
    assert_int_equal(ask(row, "guess", "/v1/models", "", &answer), 401);
    until_logged("fine speaks");
    assert_false(log_has(row->key));
    assert_false(log_has("not-for-the-child"));
    struct models all;
    assert_int_equal(models_list(w.root, &all, NULL), OK);
    assert_true(all.items[0].in_use);
    models_free(&all);
    buf_done(&answer);
}

static void a_slow_one_is_waited_for(void **state)
{
    put_model("slow");
    start_manager();
    struct engine_row *row = row_of("slow");
    want(row);
    until_state(row, ENGINE_STARTING);
    until_state(row, ENGINE_READY);
    assert_int_equal(atomic_load(&row->restarts), 0);
}

static void one_that_never_answers_is_ended(void **state)
{
    w.settings.start_limit_s = 1;
    put_model("nothing");
    start_manager();
    struct engine_row *row = row_of("nothing");
    want(row);
    until_state(row, ENGINE_FAILED);
    assert_non_null(strstr(row->fault, "did not get ready in time"));
}

static void a_crash_loop_backs_off_and_tells_why(void **state)
{
    put_model("crash");
    start_manager();
    struct engine_row *row = row_of("crash");
    want(row);
    until_state(row, ENGINE_FAILED);
    assert_true(atomic_load(&row->restarts) >= 3);
    assert_non_null(strstr(row->fault, "code 3"));
    assert_non_null(strstr(row->fault, "cannot load these weights"));
}

static void a_killed_child_comes_back(void **state)
{
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    want(row);
    until_state(row, ENGINE_READY);
    pid_t first = atomic_load(&row->pid);
    char key[65];
    memcpy(key, row->key, sizeof(key));
    kill(first, SIGKILL);
    until_gone(first);
    until_another(row, first);
    until_state(row, ENGINE_READY);
    assert_string_not_equal(row->key, key);
    assert_non_null(strstr(row->fault, "signal 9"));
}

static void an_idle_one_is_stopped_and_comes_back(void **state)
{
    w.settings.idle_stop_s = 2;
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    want(row);
    until_state(row, ENGINE_READY);
    pid_t first = atomic_load(&row->pid);
    until_state(row, ENGINE_STOPPED);
    until_gone(first);
    want(row);
    until_state(row, ENGINE_READY);
}

static void children_do_not_outlive_a_killed_manager(void **state)
{
    put_model("stubborn");
    start_manager();
    struct engine_row *row = row_of("stubborn");
    want(row);
    until_state(row, ENGINE_READY);
    pid_t child = atomic_load(&row->pid);
    kill(w.manager, SIGKILL);
    waitpid(w.manager, NULL, 0);
    until_gone(child);
    start_manager(); /* takes the row over, and the model is still wanted */
    until_another(row, child);
    until_state(row, ENGINE_READY);
}

static void a_stubborn_child_is_killed_at_the_end(void **state)
{
    int status = 0;
    put_model("stubborn");
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("stubborn"), *other = row_of("fine");
    want(row);
    want(other);
    until_state(row, ENGINE_READY);
    until_state(other, ENGINE_READY);
    pid_t child = atomic_load(&row->pid);
    kill(w.manager, SIGTERM);
    assert_int_equal(waitpid(w.manager, &status, 0), w.manager);
    w.manager = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(kill(child, 0), -1);
    assert_int_equal(state_of(row), ENGINE_STOPPED);
    assert_int_equal(state_of(other), ENGINE_STOPPED);
}

static void who_takes_too_much_memory_is_ended(void **state)
{
    w.settings.memory_max = MIB(200);
    put_model("hungry");
    start_manager();
    struct engine_row *row = row_of("hungry");
    want(row);
    until_state(row, ENGINE_FAILED);
    assert_non_null(strstr(row->fault, "more memory"));
}

static void without_room_a_model_waits_its_turn(void **state)
{
    w.settings.memory_max = MIB(140); /* one is guessed at 128 MB before it runs */
    w.settings.idle_stop_s = 3;
    put_model("fine");
    put_model("slow");
    start_manager();
    struct engine_row *first = row_of("slow"), *second = row_of("fine");
    want(first);
    until_state(first, ENGINE_STARTING);
    want(second);
    until_state(second, ENGINE_WANTED);
    for (int waited = 0; waited < PATIENCE_MS && state_of(second) != ENGINE_READY; waited += 100) {
        atomic_store(&second->wanted_ms, clock_wall_ms());
        poll(NULL, 0, 100);
    }
    assert_int_equal(state_of(second), ENGINE_READY);
}

static void what_can_never_fit_is_told(void **state)
{
    w.settings.memory_max = MIB(100);
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    want(row);
    until_state(row, ENGINE_FAILED);
    assert_non_null(strstr(row->fault, "smaller model"));
}

static void models_come_and_go_while_it_runs(void **state)
{
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    want(row);
    until_state(row, ENGINE_READY);
    put_model("later");
    struct engine_row *later = row_of("later");
    want(later);
    until_state(later, ENGINE_READY);
    pid_t child = atomic_load(&row->pid);
    char path[100];
    snprintf(path, sizeof(path), "%s/fine.json", w.root);
    assert_int_equal(unlink(path), 0);
    until_gone(child);
    until_state(row, ENGINE_FAILED);
    put_model("fine");
    want(row);
    until_state(row, ENGINE_READY);
    assert_ptr_equal(row_of("fine"), row);
}

static void a_missing_command_is_told(void **state)
{
    assert_true(text_set(w.settings.command, sizeof(w.settings.command), S("/nonexistent/llama-server")));
    put_model("fine");
    start_manager();
    struct engine_row *row = row_of("fine");
    want(row);
    until_state(row, ENGINE_FAILED);
    assert_non_null(strstr(row->fault, "/nonexistent/llama-server"));
}

/* The smallest model of the catalogue, if `make run` or aquifer-pull has fetched it, on the real engine. */
static void the_real_engine_answers(void **state)
{
    struct buf command, dir, answer;
    struct model m;
    buf_init(&command, PATH_BYTES);
    buf_init(&dir, PATH_BYTES);
    buf_init(&answer, MIB(1));
    w.settings.command[0] = 0;
    w.settings.threads = 1; /* several wait for each other by spinning: on a busy machine that takes a minute */
    if (engine_find_command(STR_NONE, &command, NULL) != OK || engine_models_dir(&dir, NULL) != OK ||
        model_load(buf_z(&dir), S("smollm2-135m"), &m, NULL) != OK) {
        print_message(
            "# no llama-server or no model smollm2-135m on this machine (tools/get-engine, aquifer-pull smollm2-135m)\n");
        skip();
    }
    assert_true(text_set(w.settings.models_dir, sizeof(w.settings.models_dir), buf_view(&dir)));
    start_manager();
    struct engine_row *row = row_of("smollm2-135m");
    want(row);
    until_state(row, ENGINE_READY);
    int status = ask(row, row->key, "/v1/chat/completions",
                     "{\"messages\":[{\"role\":\"user\",\"content\":\"Say hello.\"}],\"max_tokens\":8}", &answer);
    assert_int_equal(status, 200);
    assert_non_null(strstr(buf_z(&answer), "\"completion_tokens\":"));
    buf_clear(&answer);
    assert_int_equal(ask(row, "guess", "/v1/models", "", &answer), 401);
    buf_done(&command);
    buf_done(&dir);
    buf_done(&answer);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_wanted_model_gets_ready),
        IN_WORLD(a_slow_one_is_waited_for),
        IN_WORLD(one_that_never_answers_is_ended),
        IN_WORLD(a_crash_loop_backs_off_and_tells_why),
        IN_WORLD(a_killed_child_comes_back),
        IN_WORLD(an_idle_one_is_stopped_and_comes_back),
        IN_WORLD(children_do_not_outlive_a_killed_manager),
        IN_WORLD(a_stubborn_child_is_killed_at_the_end),
        IN_WORLD(who_takes_too_much_memory_is_ended),
        IN_WORLD(without_room_a_model_waits_its_turn),
        IN_WORLD(what_can_never_fit_is_told),
        IN_WORLD(models_come_and_go_while_it_runs),
        IN_WORLD(a_missing_command_is_told),
        IN_WORLD(the_real_engine_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
