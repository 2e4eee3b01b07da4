/* The control process as a whole: started as the supervisor starts it, spoken to over HTTP, watched through the board and
 * the files it publishes. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "admin/priv.h"
#include "base/test.h"

#define ADMIN_KEY "test-admin-key-0123456789"
#define BASE                                                                                                      \
    "data: ./data\nlisten: 127.0.0.1:21700\nadmin: {listen: 127.0.0.1:21701, key: env:CONTROL_TEST_ADMIN}\n"      \
    "providers: [{name: main, kind: openai, url: 'http://127.0.0.1:21702/v1', key: env:CONTROL_TEST_UPSTREAM}]\n" \
    "routes: [{name: fast, deployments: [{provider: main, model: gpt-4o-mini}]}]\n"
static const char CONFIG[] = BASE "metrics: {listen: 127.0.0.1:21703}\n";

struct world {
    char dir[64], config[96];
    struct board *board;
    struct board_fds fds;
    int sockets[2];          /* admin, metrics */
    uint16_t ports[2], port; /* port: the one that is asked */
    pid_t pid;
    struct buf answer; /* the last answer's body */
    int status;
};

/* ---- the process ------------------------------------------------------------------------------------------------------ */

static void write_config(struct world *w, const char *text)
{
    char fresh[128];
    snprintf(fresh, sizeof fresh, "%s.new", w->config);
    FILE *out = fopen(fresh, "we");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    assert_int_equal(rename(fresh, w->config), 0);
}

static void inherit(int fd) { fcntl(fd, F_SETFD, 0); }

static void start(struct world *w)
{
    char board[64], admin[16], metrics[16];
    board_fds_write(&w->fds, board);
    snprintf(admin, sizeof admin, "%d", w->sockets[0]);
    snprintf(metrics, sizeof metrics, "%d", w->sockets[1]);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid) return;
    inherit(w->fds.memory);
    for (int i = 0; i < BELLS; i++) inherit(w->fds.bells[i]);
    for (int i = 0; i < 2; i++) inherit(w->sockets[i]);
    execl(getenv("AQUIFER_CONTROL"), "aquifer-control", "--config", w->config, "--board", board, "--admin-fds", admin,
          "--metrics-fds", metrics, (char *)NULL);
    _exit(127);
}

static int stop(struct world *w, int signal_number)
{
    int status = 0;
    if (w->pid <= 0) return -1;
    kill(w->pid, signal_number);
    waitpid(w->pid, &status, 0);
    w->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void pause_a_little(void) { nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); }

/* Polls for at most 30 s. */
static void wait_generation(struct world *w, uint64_t at_least)
{
    for (int i = 0; i < 3000 && atomic_load(&w->board->generation) < at_least; i++) pause_a_little();
    assert_true(atomic_load(&w->board->generation) >= at_least);
}

static void open_socket(struct world *w, int i)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    w->sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(w->sockets[i], (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(w->sockets[i], 16), 0);
    getsockname(w->sockets[i], (struct sockaddr *)&a, &len);
    w->ports[i] = ntohs(a.sin_port);
}

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    struct fault why;
    setenv("CONTROL_TEST_ADMIN", ADMIN_KEY, 1);
    setenv("CONTROL_TEST_UPSTREAM", "upstream-secret", 1);
    snprintf(w->dir, sizeof w->dir, "control_test_XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->config, sizeof w->config, "%s/aquifer.yaml", w->dir);
    write_config(w, CONFIG);
    assert_int_equal(board_create(&w->board, &w->fds, &why), OK);
    for (int i = 0; i < 2; i++) open_socket(w, i);
    w->port = w->ports[0];
    buf_init(&w->answer, MIB(16));
    start(w);
    wait_generation(w, 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    stop(w, SIGKILL);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", w->dir, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 2; i++) close(w->sockets[i]);
    close(w->fds.memory);
    for (int i = 0; i < BELLS; i++) close(w->fds.bells[i]);
    board_close(w->board);
    buf_done(&w->answer);
    free(w);
    return 0;
}

/* ---- HTTP ------------------------------------------------------------------------------------------------------------- */

static int send_request(struct world *w, struct str request)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(w->port)};
    struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(send(fd, request.p, request.n, MSG_NOSIGNAL), (ssize_t)request.n);
    return fd;
}

static void receive(struct world *w, int fd)
{
    char piece[8192];
    ssize_t n;
    size_t at;
    buf_clear(&w->answer);
    while ((n = recv(fd, piece, sizeof piece, 0)) > 0) buf_add(&w->answer, piece, (size_t)n);
    close(fd);
    assert_true(w->answer.n > 12 && str_starts(buf_view(&w->answer), S("HTTP/1.1 ")));
    w->status = (w->answer.p[9] - '0') * 100 + (w->answer.p[10] - '0') * 10 + w->answer.p[11] - '0';
    assert_true(str_find(buf_view(&w->answer), S("\r\n\r\n"), &at));
    buf_drop_head(&w->answer, at + 4);
}

static int begin_as(struct world *w, const char *key, const char *method, const char *path, const char *body)
{
    struct buf request;
    buf_init(&request, MIB(1));
    buf_fmt(&request, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", method, path);
    if (key) buf_fmt(&request, "Authorization: Bearer %s\r\n", key);
    if (body) buf_fmt(&request, "Content-Length: %zu\r\n", strlen(body));
    buf_fmt(&request, "\r\n%s", body ? body : "");
    int fd = send_request(w, buf_view(&request));
    buf_done(&request);
    return fd;
}

static int ask_as(struct world *w, const char *key, const char *method, const char *path, const char *body)
{
    receive(w, begin_as(w, key, method, path, body));
    return w->status;
}

static int ask(struct world *w, const char *method, const char *path, const char *body)
{
    return ask_as(w, ADMIN_KEY, method, path, body);
}

static void assert_says(struct world *w, const char *text)
{
    if (!strstr(buf_z(&w->answer), text)) fail_msg("\"%.600s\" lacks \"%s\"", buf_z(&w->answer), text);
}

/* The value of a top-level string. */
static void take(struct world *w, const char *name, char *out, size_t room)
{
    struct json_doc *doc;
    struct str value = STR_NONE;
    struct fault why;
    assert_int_equal(json_doc_read(S("answer"), buf_view(&w->answer), &doc, &why), OK);
    assert_int_equal(json_get_str(json_doc_root(doc), name, &value, &why), OK);
    assert_true(value.n < room);
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
    json_doc_free(doc);
}

static struct generation *newest(struct world *w)
{
    char path[256];
    struct buf text;
    char piece[8192];
    size_t n;
    struct generation *g = NULL;
    struct fault why = {0};
    snprintf(path, sizeof path, "%s/data/run/generation-%llu.json", w->dir,
             (unsigned long long)atomic_load(&w->board->generation));
    FILE *in = fopen(path, "re");
    if (!in) fail_msg("%s: %s", path, strerror(errno));
    buf_init(&text, MIB(16));
    while ((n = fread(piece, 1, sizeof piece, in)) > 0) buf_add(&text, piece, n);
    fclose(in);
    assert_null(strstr(buf_z(&text), "upstream-secret"));
    if (generation_load(buf_view(&text), w->board, &g, &why) != OK) fail_msg("%s", why.text);
    buf_done(&text);
    return g;
}

/* What the gateway does with a key, but for its clock. */
static bool key_works(struct world *w, const char *text)
{
    struct key_text t;
    uint8_t digest[KEY_DIGEST_LEN];
    struct generation *g = newest(w);
    assert_true(key_read(str_z(text), &t));
    key_digest(t.secret, digest);
    const struct key *k = generation_key(g, str_z(t.id));
    bool good = k && !k->revoked &&
                (key_digest_is(digest, k->digest) || (k->old_until_ms > clock_wall_ms() && key_digest_is(digest, k->old_digest)));
    generation_unref(g);
    return good;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

static void first_generation(void **state)
{
    struct world *w = *state;
    struct generation *g = newest(w);
    assert_int_equal(g->number, 1);
    assert_int_equal(g->n_routes, 1);
    assert_int_equal(deployment_price(&g->routes[0].deployments[0], clock_wall_ms())->per[USAGE_IN_FRESH],
                     150000); /* the catalogue's */
    generation_unref(g);
    struct stat st;
    char path[256];
    snprintf(path, sizeof path, "%s/data/run/generation-1.json", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/data", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void who_may_call(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask_as(w, NULL, "GET", "/admin/v1/keys", NULL), 401);
    assert_says(w, "\"code\":\"key_missing\"");
    assert_int_equal(ask_as(w, "test-admin-key-012345678", "GET", "/admin/v1/keys", NULL), 401);
    assert_says(w, "\"code\":\"key_invalid\"");
    assert_says(w, "\"request_id\":\"");
    assert_int_equal(ask_as(w, NULL, "GET", "/metrics", NULL), 401);
    assert_int_equal(ask_as(w, NULL, "GET", "/healthz", NULL), 200);
    assert_int_equal(ask_as(w, NULL, "GET", "/admin/v1/openapi.yaml", NULL), 200);
    assert_says(w, "openapi: 3.1.0");
    assert_int_equal(ask(w, "GET", "/admin/v1/keys", NULL), 200);
    assert_int_equal(ask(w, "GET", "/admin/v1/nothing", NULL), 404);
    assert_int_equal(ask(w, "PATCH", "/admin/v1/keys", NULL), 405);
    assert_int_equal(ask(w, "GET", "/admin/v1/keys/a/b", NULL), 404);
}

static void life_of_a_key(void **state)
{
    struct world *w = *state;
    char id[64], first[KEY_TEXT_MAX], second[KEY_TEXT_MAX], path[128];
    assert_int_equal(ask(w, "POST", "/admin/v1/keys",
                         "{\"name\":\"a\",\"routes\":[\"fast\"],\"limits\":{\"spend_day\":\"2.5\"},\"metadata\":{\"k\":\"v\"}}"),
                     201);
    take(w, "id", id, sizeof id);
    take(w, "key", first, sizeof first);
    assert_true(key_works(w, first));
    snprintf(path, sizeof path, "/admin/v1/keys/%s", id);
    assert_int_equal(ask(w, "GET", path, NULL), 200);
    assert_null(strstr(buf_z(&w->answer), "\"key\""));
    assert_says(w, "\"state\":\"active\"");
    assert_says(w, "\"spend_day\":\"2.5\"");
    assert_says(w, "\"metadata\":{\"k\":\"v\"}");
    snprintf(path, sizeof path, "/admin/v1/keys/%s/rotate", id);
    assert_int_equal(ask(w, "POST", path, "{\"grace\":\"10m\"}"), 200);
    take(w, "key", second, sizeof second);
    assert_true(key_works(w, first) && key_works(w, second));
    assert_int_equal(ask(w, "POST", path, NULL), 200);
    assert_false(key_works(w, first) || key_works(w, second));
    take(w, "key", second, sizeof second);
    assert_true(key_works(w, second));
    snprintf(path, sizeof path, "/admin/v1/keys/%s", id);
    assert_int_equal(ask(w, "DELETE", path, NULL), 200);
    assert_says(w, "\"state\":\"revoked\"");
    assert_false(key_works(w, second)); /* before the answer had come */
    assert_int_equal(ask(w, "DELETE", path, NULL), 200);
    snprintf(path, sizeof path, "/admin/v1/keys/%s/rotate", id);
    assert_int_equal(ask(w, "POST", path, NULL), 400);
    assert_int_equal(ask(w, "DELETE", "/admin/v1/keys/zzzzzzzzzzzz", NULL), 404);
}

static void bad_bodies(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", NULL), 400);
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{"), 400);
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"a\",\"name\":\"b\"}"), 400);
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"a\",\"limits\":{\"rpm\":1}}"), 400);
    assert_says(w, "rpm");
    assert_int_equal(ask(w, "GET", "/admin/v1/usage?from=yesterday", NULL), 400);
    assert_int_equal(ask(w, "GET", "/admin/v1/usage?from=2026-02-01&to=2026-01-01", NULL), 400);
    assert_int_equal(ask(w, "GET", "/admin/v1/usage?key=%zz", NULL), 400);
    assert_int_equal(ask(w, "GET", "/admin/v1/attempts?limit=0", NULL), 400);
    assert_int_equal(ask(w, "GET", "/admin/v1/keys", NULL), 200);
    assert_string_equal(buf_z(&w->answer), "{\"data\":[]}");
}

static void reports(void **state)
{
    struct world *w = *state;
    char path[512];
    assert_int_equal(ask(w, "GET", "/admin/v1/usage?from=2026-01-01&key=abc&route=f%61st", NULL), 200);
    assert_says(w, "\"data\":[");
    assert_int_equal(ask(w, "GET", "/admin/v1/attempts?limit=5", NULL), 200);
    assert_int_equal(ask(w, "POST", "/admin/v1/backup", "{\"path\":\"/elsewhere\"}"), 400);
    assert_says(w, "path");
    assert_int_equal(ask(w, "POST", "/admin/v1/backup", "[]"), 400);
    assert_int_equal(ask(w, "POST", "/admin/v1/restore", "{\"path\":\"/dev/null\"}"), 400);
    assert_int_equal(ask(w, "POST", "/admin/v1/backup", "{}"), 201);
    take(w, "path", path, sizeof path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

static void what_is_shown(void **state)
{
    struct world *w = *state;
    assert_int_equal(ask(w, "GET", "/admin/v1/config", NULL), 200);
    assert_says(w, "{\"key\":\"providers[0].key\",\"value\":\"env:CONTROL_TEST_UPSTREAM\"");
    assert_null(strstr(buf_z(&w->answer), "upstream-secret"));
    assert_int_equal(ask(w, "GET", "/admin/v1/models", NULL), 200);
    assert_says(w, "\"price\":{\"input\":\"0.15\"");
    assert_says(w, "aquifer.yaml:5\"");
    assert_int_equal(ask(w, "DELETE", "/admin/v1/routes/fast", NULL), 400);
    assert_says(w, "\"code\":\"read_only\"");
    assert_says(w, "aquifer.yaml:5");
    assert_int_equal(ask(w, "PUT", "/admin/v1/providers/other", "{}"), 404);
    assert_int_equal(ask(w, "GET", "/admin/v1/status", NULL), 200);
    assert_says(w, "\"generation\":{\"number\":1,\"hash\":\"");
    assert_says(w, "\"refused\":null");
    struct board_row *row = board_row_get(w->board, S("fast"), S("main"), S("gpt-4o-mini"), S("openai_chat"));
    assert_int_equal(ask(w, "GET", "/metrics", NULL), 200);
    assert_null(strstr(buf_z(&w->answer), "aquifer_route=")); /* one that nobody used says nothing */
    atomic_store(&row->attempts, 1);
    assert_int_equal(ask(w, "GET", "/metrics", NULL), 200);
    assert_says(w, "gen_ai_client_token_usage_sum{gen_ai_token_type=\"input\",gen_ai_operation_name=\"chat\",gen_ai_provider_"
                   "name=\"openai\",gen_ai_request_model=\"gpt-4o-mini\",aquifer_route=\"fast\"");
    assert_says(w, "gen_ai_client_operation_duration_seconds_bucket{");
    assert_says(w, "\naquifer_generation 1\n");
}

static void readiness(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3000 && !atomic_load(&w->board->ready_spend); i++) pause_a_little();
    assert_int_equal(ask_as(w, NULL, "GET", "/readyz", NULL), 503);
    assert_says(w, "no gateway is serving");
    atomic_store(&w->board->gateways[0].state, GATEWAY_SERVING);
    assert_int_equal(ask_as(w, NULL, "GET", "/readyz", NULL), 200);
}

static void a_bad_file_changes_nothing(void **state)
{
    struct world *w = *state;
    char text[1024];
    uint64_t failures = atomic_load(&w->board->counters.reload_failures);
    write_config(w, "data: ./data\nlisten: 127.0.0.1:21700\nrutes: []\n");
    for (int i = 0; i < 3000 && atomic_load(&w->board->counters.reload_failures) == failures; i++) pause_a_little();
    assert_int_equal(atomic_load(&w->board->counters.reload_failures), failures + 1);
    assert_int_equal(atomic_load(&w->board->generation), 1);
    assert_int_equal(ask(w, "GET", "/admin/v1/status", NULL), 200); /* the admin key stands as well */
    assert_says(w, "did you mean \\\"routes\\\"?");
    snprintf(text, sizeof text, "%sheartbeat: 3s\nloops: 1\n", CONFIG);
    write_config(w, text);
    wait_generation(w, 2);
    struct generation *g = newest(w);
    assert_int_equal(g->settings.heartbeat_ms, 3000);
    generation_unref(g);
    for (int i = 0; i < 3000 && !atomic_load(&w->board->counters.reloads); i++) pause_a_little();
    assert_int_equal(atomic_load(&w->board->counters.reloads), 1);
    assert_int_equal(ask(w, "GET", "/admin/v1/status", NULL), 200);
    assert_says(w, "\"refused\":null,\"restart_needed\":\"loops\"");
}

static void an_unset_secret_refuses_the_whole(void **state)
{
    struct world *w = *state;
    char text[1024];
    snprintf(text, sizeof text, "%sheartbeat: 3s\nmetrics: {key: env:CONTROL_TEST_NOT_SET}\n", BASE);
    write_config(w, text);
    for (int i = 0; i < 3000 && !atomic_load(&w->board->counters.reload_failures); i++) pause_a_little();
    assert_int_equal(ask(w, "GET", "/admin/v1/status", NULL), 200);
    assert_says(w, "CONTROL_TEST_NOT_SET is not set");
    assert_int_equal(atomic_load(&w->board->generation), 1);
}

static void metrics_have_a_door_of_their_own(void **state)
{
    struct world *w = *state;
    char text[1024];
    w->port = w->ports[1];
    assert_int_equal(ask_as(w, NULL, "GET", "/metrics", NULL), 200); /* loopback, no key set */
    assert_says(w, "aquifer_requests_total 0");
    assert_int_equal(ask_as(w, NULL, "GET", "/healthz", NULL), 200);
    assert_int_equal(ask(w, "GET", "/admin/v1/keys", NULL), 404);
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"a\"}"), 404);
    setenv("CONTROL_TEST_METRICS", "metrics-key", 1);
    snprintf(text, sizeof text, "%smetrics: {listen: 127.0.0.1:21703, key: env:CONTROL_TEST_METRICS}\n", BASE);
    write_config(w, text);
    stop(w, SIGKILL);
    start(w); /* with the new variable */
    wait_generation(w, 2);
    assert_int_equal(ask_as(w, NULL, "GET", "/metrics", NULL), 401);
    assert_int_equal(ask_as(w, "metrics-key", "GET", "/metrics", NULL), 200);
    assert_int_equal(ask(w, "GET", "/metrics", NULL), 200);
    w->port = w->ports[0];
    assert_int_equal(ask_as(w, "metrics-key", "GET", "/admin/v1/keys", NULL), 401);
}

/* The way of the new file is blocked: the revocation is stored, the caller is told that it does not hold yet, and it holds
 * as soon as the way is free. */
static void a_revocation_that_cannot_be_published_is_told(void **state)
{
    struct world *w = *state;
    char text[KEY_TEXT_MAX], id[64], path[160], block[160];
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"a\"}"), 201);
    take(w, "key", text, sizeof text);
    take(w, "id", id, sizeof id);
    snprintf(path, sizeof path, "/admin/v1/keys/%s", id);
    snprintf(block, sizeof block, "%s/data/run/.generation.new", w->dir);
    assert_int_equal(mkdir(block, 0700), 0);
    assert_int_equal(ask(w, "DELETE", path, NULL), 503);
    assert_says(w, "the change is stored but the gateways do not have it yet");
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"b\"}"), 503); /* no text of a key that opens nothing */
    assert_says(w, "no key was made");
    assert_null(strstr(buf_z(&w->answer), "aq_"));
    assert_int_equal(atomic_load(&w->board->generation), 2);
    assert_true(key_works(w, text));
    assert_int_equal(rmdir(block), 0);
    wait_generation(w, 3);
    assert_false(key_works(w, text));
    assert_int_equal(ask(w, "DELETE", path, NULL), 200);
}

static bool is_answered(int fd) { return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 150) != 0; }

/* A gateway that is slow to take up a generation: who is shown a key before that is refused with it. */
static void a_key_is_shown_when_it_works(void **state)
{
    struct world *w = *state;
    struct gateway_slot *g = &w->board->gateways[0];
    char id[64], path[128];
    atomic_store(&g->generation, 1);
    atomic_store(&g->state, GATEWAY_SERVING);
    int fd = begin_as(w, ADMIN_KEY, "POST", "/admin/v1/keys", "{\"name\":\"a\"}");
    wait_generation(w, 2);
    assert_false(is_answered(fd));
    assert_int_equal(ask(w, "GET", "/admin/v1/status", NULL), 200); /* nobody else waits */
    atomic_store(&g->generation, 2);
    receive(w, fd);
    assert_int_equal(w->status, 201);
    take(w, "id", id, sizeof id);
    snprintf(path, sizeof path, "/admin/v1/keys/%s", id);
    assert_int_equal(ask(w, "DELETE", path, NULL), 503); /* it waits for its time, and does not say what is not so */
    assert_says(w, "a gateway has not taken it up yet");
    close(begin_as(w, ADMIN_KEY, "DELETE", path, NULL)); /* who goes away is not waited for */
    atomic_store(&g->generation, 3);
    assert_int_equal(ask(w, "DELETE", path, NULL), 200);
    assert_int_equal(atomic_load(&w->board->generation), 3);
}

static void sighup_reads_again(void **state)
{
    struct world *w = *state;
    kill(w->pid, SIGHUP);
    for (int i = 0; i < 3000 && !atomic_load(&w->board->counters.reloads); i++) pause_a_little();
    assert_int_equal(atomic_load(&w->board->counters.reloads), 1);
    assert_int_equal(atomic_load(&w->board->generation), 1); /* nothing changed, so nothing was published */
}

static void a_restart_keeps_everything(void **state)
{
    struct world *w = *state;
    char text[KEY_TEXT_MAX], path[256];
    for (int i = 0; i < 5; i++) assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"a\"}"), 201);
    take(w, "key", text, sizeof text);
    assert_int_equal(atomic_load(&w->board->generation), 6);
    snprintf(path, sizeof path, "%s/data/run/generation-3.json", w->dir);
    assert_int_equal(access(path, F_OK), -1); /* the last three are kept */
    snprintf(path, sizeof path, "%s/data/run/generation-4.json", w->dir);
    assert_int_equal(access(path, F_OK), 0);
    stop(w, SIGKILL);
    start(w);
    wait_generation(w, 7);
    assert_true(key_works(w, text));
    assert_int_equal(ask(w, "POST", "/admin/v1/keys", "{\"name\":\"b\"}"), 201);
    struct generation *g = newest(w);
    assert_int_equal(g->keys.n, 6);
    generation_unref(g);
    assert_int_equal(stop(w, SIGTERM), 0);
}

static void a_bad_first_file_ends_it(void **state)
{
    struct world *w = *state;
    stop(w, SIGKILL);
    atomic_store(&w->board->generation, 0);
    write_config(w, "data: 1\n");
    start(w);
    int status;
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    w->pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(first_generation),
        CASE(who_may_call),
        CASE(life_of_a_key),
        CASE(bad_bodies),
        CASE(reports),
        CASE(what_is_shown),
        CASE(readiness),
        CASE(a_bad_file_changes_nothing),
        CASE(an_unset_secret_refuses_the_whole),
        CASE(metrics_have_a_door_of_their_own),
        CASE(a_revocation_that_cannot_be_published_is_told),
        CASE(a_key_is_shown_when_it_works),
        CASE(sighup_reads_again),
        CASE(a_restart_keeps_everything),
        CASE(a_bad_first_file_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
