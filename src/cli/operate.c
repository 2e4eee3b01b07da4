/* aquifer status|reload|upgrade|backup|restore: for who runs one. All ask the running Aquifer; restore works on a stopped one
 * as well. */
#include "cli/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"

enum { WAIT_MS = 30000, LOOK_MS = 100, COPY_BYTES = 65536 };

/* ---- status ---------------------------------------------------------------------------------------------------------------- */

static enum err ask(const struct cli_common *c, struct cli_answer *a, struct json_doc **ret_doc, struct fault *why)
{
    enum err e = cli_admin_call(c, S("GET"), S("/admin/v1/status"), STR_NONE, a, why);
    if (e == OK) e = cli_document(a, ret_doc, why);
    return e;
}

static struct str text_at(struct json_ref r, const char *section, const char *name)
{
    struct json_ref in = section ? json_ref_find(r, section) : r;
    return json_ref_text(json_ref_find(in, name));
}

static uint64_t number_at(struct json_ref r, const char *section, const char *name)
{
    uint64_t n = 0;
    return str_u64(text_at(r, section, name), &n) ? n : 0;
}

static void print_generation(struct json_ref root)
{
    struct str refused = text_at(root, "generation", "refused"), file = text_at(root, "generation", "file");
    bool ready = json_ref_type(json_ref_find(root, "ready")) == JSON_TRUE;
    printf("aquifer %.*s, %s\n", STR_ARG(text_at(root, NULL, "version")), ready ? "ready" : "not ready");
    printf("configuration: %.*s, generation %.*s of %.*s\n", STR_ARG(file), STR_ARG(text_at(root, "generation", "number")),
           STR_ARG(text_at(root, "generation", "published")));
    if (refused.n) printf("  the newest one was refused: %.*s\n", STR_ARG(refused));
}

static void print_status(struct json_ref root)
{
    static const struct cli_column GATEWAYS[] = {{"GATEWAY", "pid", true},
                                                 {"STATE", "state", false},
                                                 {"GENERATION", "generation", true},
                                                 {"REQUESTS NOW", "exchanges", true},
                                                 {"CONNECTIONS", "connections", true},
                                                 {"UPSTREAM", "upstream_open", true}};
    static const struct cli_column ENGINES[] = {
        {"ENGINE", "model", false}, {"STATE", "state", false}, {"PID", "pid", true}, {"RESTARTS", "restarts", true}};
    struct json_ref engines = json_ref_find(root, "engines");
    print_generation(root);
    printf("processes: supervisor %.*s, control %.*s\n", STR_ARG(text_at(root, "processes", "supervisor")),
           STR_ARG(text_at(root, "processes", "control")));
    printf("ledger: %.*s answers wait to be booked, %.*s booked; journal %.*s bytes\n\n",
           STR_ARG(text_at(root, "journal", "lag")), STR_ARG(text_at(root, "journal", "rows")),
           STR_ARG(text_at(root, "journal", "bytes")));
    cli_table(GATEWAYS, COUNTOF(GATEWAYS), json_ref_find(root, "gateways"));
    if (json_ref_count(engines) == 0) return;
    putchar('\n');
    cli_table(ENGINES, COUNTOF(ENGINES), engines);
}

int cli_status(int argc, char **argv)
{
    struct cli_common c = {0};
    struct cli_answer a;
    struct json_doc *doc = NULL;
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(c), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    enum err e = ask(&c, &a, &doc, &why);
    if (e == OK && c.json) cli_print_body(&a.body);
    if (e == OK && !c.json) print_status(json_doc_root(doc));
    json_doc_free(doc);
    buf_done(&a.body);
    return e == OK ? 0 : cli_fail(&why);
}

/* ---- reload and upgrade: a signal to the supervisor, then looking until it is done --------------------------------------------- */

struct seen {
    uint64_t supervisor, gateway, generation, reloads, failures, upgrades_refused;
    char refused[320], upgrade_fault[320], restart_needed[320];
};

/* The gateway that serves; 0: none. */
static uint64_t serving(struct json_ref root)
{
    struct json_ref g;
    for (struct json_walk w = json_walk(json_ref_find(root, "gateways")); json_walk_next(&w, NULL, &g);)
        if (str_eq(text_at(g, NULL, "state"), S("serving"))) return number_at(g, NULL, "pid");
    return 0;
}

static enum err look(const struct cli_common *c, struct seen *ret_seen, struct fault *why)
{
    struct cli_answer a;
    struct json_doc *doc = NULL;
    enum err e = ask(c, &a, &doc, why);
    if (e == OK) {
        struct json_ref root = json_doc_root(doc);
        ret_seen->supervisor = number_at(root, "processes", "supervisor");
        ret_seen->gateway = serving(root);
        ret_seen->generation = number_at(root, "generation", "number");
        ret_seen->reloads = number_at(root, "counters", "reloads");
        ret_seen->failures = number_at(root, "counters", "reload_failures");
        ret_seen->upgrades_refused = number_at(root, "upgrade", "refused");
        snprintf(ret_seen->upgrade_fault, sizeof ret_seen->upgrade_fault, "%.*s", STR_ARG(text_at(root, "upgrade", "why")));
        snprintf(ret_seen->refused, sizeof ret_seen->refused, "%.*s", STR_ARG(text_at(root, "generation", "refused")));
        snprintf(ret_seen->restart_needed, sizeof ret_seen->restart_needed, "%.*s",
                 STR_ARG(text_at(root, "generation", "restart_needed")));
    }
    json_doc_free(doc);
    buf_done(&a.body);
    return e;
}

static enum err tell_supervisor(const struct seen *s, int signal_number, struct fault *why)
{
    if (s->supervisor < 2 || s->supervisor > INT32_MAX)
        return FAIL(why, ERR_INTERNAL, "the status names no supervisor; look at its log");
    if (kill((pid_t)s->supervisor, signal_number) == 0) return OK;
    return FAIL(why, ERR_IO, "cannot signal the supervisor %llu: %s; this works on its own machine, as its user or root",
                (unsigned long long)s->supervisor, strerror(errno));
}

typedef bool settled_fn(const struct seen *before, const struct seen *now);
static bool has_reloaded(const struct seen *before, const struct seen *now)
{
    return now->reloads > before->reloads || now->failures > before->failures;
}
static bool has_handed_over(const struct seen *before, const struct seen *now)
{
    return (now->gateway && now->gateway != before->gateway) || now->upgrades_refused > before->upgrades_refused;
}

/* What the supervisor is told to do, and what came of it. */
struct order {
    int signal_number;
    settled_fn *is_settled;
    struct cli_common common;
    struct seen before, now;
};

/* Control may be away for a moment, when it is the one that is replaced. */
static enum err wait_for(struct order *o, struct fault *why)
{
    const struct timespec pause = {0, LOOK_MS * 1000000L};
    enum err got = OK;
    for (uint64_t end = clock_mono_ns() + WAIT_MS * 1000000ull; clock_mono_ns() < end;) {
        got = look(&o->common, &o->now, why);
        if (got == OK && o->is_settled(&o->before, &o->now)) return OK;
        nanosleep(&pause, NULL);
    }
    if (got == OK)
        return FAIL(why, ERR_REQUEST_TIMEOUT, "it was told to, but has not done it within %d s; its log says why",
                    WAIT_MS / 1000);
    struct fault last = *why;
    return FAIL(
        why, ERR_REQUEST_TIMEOUT,
        "it was told to, but since then control tells nothing, so that this command cannot know whether it is done; requests "
        "are served all the same. %s",
        last.text);
}

static int carry_out(int argc, char **argv, struct order *o)
{
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(o->common), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    enum err e = look(&o->common, &o->before, &why);
    if (e == OK) e = tell_supervisor(&o->before, o->signal_number, &why);
    if (e == OK) e = wait_for(o, &why);
    return e == OK ? 0 : cli_fail(&why);
}

/* {"done":true,NAME:number}, or {"done":false,"refused":why}; "restart_needed" where there are such keys. */
static void print_outcome(const char *refused, const char *name, uint64_t number, const char *restart_needed)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, KIB(4));
    json_write(&w, &out);
    json_put_object(&w);
    json_add_bool(&w, S("done"), !refused);
    if (refused) json_add_str(&w, S("refused"), str_z(refused));
    else json_add_u64(&w, str_z(name), number);
    if (restart_needed[0]) json_add_str(&w, S("restart_needed"), str_z(restart_needed));
    json_put_end(&w);
    json_write_done(&w);
    cli_print_body(&out);
    buf_done(&out);
}

int cli_reload(int argc, char **argv)
{
    struct order o = {SIGHUP, has_reloaded, {0}, {0}, {0}};
    int result = carry_out(argc, argv, &o);
    if (result) return result;
    const char *refused = o.now.refused[0] ? o.now.refused : NULL;
    if (o.common.json) print_outcome(refused, "generation", o.now.generation, o.now.restart_needed);
    else if (refused) fprintf(stderr, "aquifer: refused, the old configuration stays in force: %s\n", refused);
    else printf("generation %llu is in force\n", (unsigned long long)o.now.generation);
    if (!o.common.json && o.now.restart_needed[0]) printf("but for what takes a restart: %s\n", o.now.restart_needed);
    return refused ? 1 : 0;
}

int cli_upgrade(int argc, char **argv)
{
    struct order o = {SIGUSR2, has_handed_over, {0}, {0}, {0}};
    int result = carry_out(argc, argv, &o);
    if (result) return result;
    const char *refused = o.now.upgrades_refused > o.before.upgrades_refused ? o.now.upgrade_fault : NULL;
    if (o.common.json) print_outcome(refused, "gateway", o.now.gateway, "");
    else if (refused) fprintf(stderr, "aquifer: the binary on disk is refused, the one that serves goes on: %s\n", refused);
    else printf("gateway %llu serves; the old one ends when its answers are done\n", (unsigned long long)o.now.gateway);
    return refused ? 1 : 0;
}

/* ---- backup ------------------------------------------------------------------------------------------------------------------- */

static enum err copy_bytes(int from, int to)
{
    char *bytes = mem_alloc(COPY_BYTES);
    ssize_t n;
    bool fine = true;
    while (fine && (n = read(from, bytes, COPY_BYTES)) != 0) fine = n > 0 && write(to, bytes, (size_t)n) == n;
    free(bytes);
    return fine && fsync(to) == 0 ? OK : ERR_IO;
}

/* From the data directory to where it is wanted; the copy there stays when this fails. */
static enum err move_to(const char *from, const char *to, struct fault *why)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return FAIL(why, ERR_IO, "the backup lies in %s on Aquifer's machine, but cannot be read here: %s", from,
                    strerror(errno));
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum err e = out < 0 ? ERR_IO : copy_bytes(in, out);
    int error = errno;
    close(in);
    if (out >= 0) close(out);
    if (e != OK && out >= 0) unlink(to);
    if (e != OK) return FAIL(why, ERR_IO, "cannot write %s: %s; the backup lies in %s", to, strerror(error), from);
    unlink(from);
    return OK;
}

static enum err bring(const char *from, const char *wanted, char *ret_path, size_t size, struct fault *why)
{
    struct stat st;
    const char *name = strrchr(from, '/') ? strrchr(from, '/') + 1 : from;
    bool is_dir = stat(wanted, &st) == 0 && S_ISDIR(st.st_mode);
    int n = is_dir ? snprintf(ret_path, size, "%s/%s", wanted, name) : snprintf(ret_path, size, "%s", wanted);
    if (n < 0 || (size_t)n >= size) return FAIL(why, ERR_LIMIT, "the path is too long: %.200s", wanted);
    return move_to(from, ret_path, why);
}

static void print_path(const char *path)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, KIB(64));
    json_write(&w, &out);
    json_put_object(&w);
    json_add_str(&w, S("path"), str_z(path));
    json_put_end(&w);
    cli_print_body(&out);
    buf_done(&out);
}

int cli_backup(int argc, char **argv)
{
    struct cli_common c = {0};
    struct cli_words words;
    struct cli_answer a;
    struct json_doc *doc = NULL;
    struct fault why = {0};
    char path[4096] = "";
    const struct cli_option options[] = {CLI_COMMON(c), {0}};
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n > 1) return cli_wrong_use("backup: one FILE or DIR");
    enum err e = cli_admin_call(&c, S("POST"), S("/admin/v1/backup"), STR_NONE, &a, &why);
    if (e == OK) e = cli_document(&a, &doc, &why);
    if (e == OK) snprintf(path, sizeof path, "%.*s", STR_ARG(text_at(json_doc_root(doc), NULL, "path")));
    json_doc_free(doc);
    buf_done(&a.body);
    if (e == OK && words.n) {
        char *from = str_dup_z(str_z(path));
        e = bring(from, words.at[0], path, sizeof path, &why);
        free(from);
    }
    if (e == OK && c.json) print_path(path);
    if (e == OK && !c.json) printf("%s\n", path);
    return e == OK ? 0 : cli_fail(&why);
}

/* ---- restore ------------------------------------------------------------------------------------------------------------------- */

/* The program with the database does it. */
static enum err run_restore(const struct cli_common *c, struct str data, const char *file, struct fault *why)
{
    char program[4096 + 16];
    ssize_t n = readlink("/proc/self/exe", program, 4095);
    if (n <= 0) return FAIL(why, ERR_IO, "cannot find our own program: %s", strerror(errno));
    memcpy(program + n, "-control", sizeof "-control");
    char *args[] = {str_dup_z(S("aquifer-control")),
                    str_dup_z(S("restore")),
                    str_dup_z(data),
                    str_dup_z(str_z(file)),
                    c->json ? str_dup_z(S("--json")) : NULL,
                    NULL};
    execv(program, args);
    return FAIL(why, ERR_IO, "cannot run %s: %s", program, strerror(errno));
}

/* The supervisor holds this lock as long as it lives. */
static bool is_running(struct str data)
{
    char path[4200];
    snprintf(path, sizeof path, "%.*s/lock", STR_ARG(data));
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return errno != ENOENT;
    bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return locked;
}

static enum err restore_running(const struct cli_common *c, const char *file, struct fault *why)
{
    struct cli_answer a = {0};
    struct json_writer w;
    struct buf body;
    char *path = realpath(file, NULL);
    if (!path) return FAIL(why, ERR_IO, "cannot find the backup %s: %s", file, strerror(errno));
    buf_init(&body, KIB(64));
    json_write(&w, &body);
    json_put_object(&w);
    json_add_str(&w, S("path"), str_z(path));
    json_put_end(&w);
    enum err e = json_write_done(&w) ? OK : FAIL(why, ERR_LIMIT, "the path is too long");
    if (e == OK) e = cli_admin_call(c, S("POST"), S("/admin/v1/restore"), buf_view(&body), &a, why);
    if (e == OK && c->json) cli_print_body(&a.body);
    if (e == OK && !c->json) printf("%s is restored; the former database is kept as aquifer.db.before-restore\n", path);
    buf_done(&a.body); /* a refusal has one, too */
    buf_done(&body);
    free(path);
    return e;
}

int cli_restore(int argc, char **argv)
{
    struct cli_common c = {0};
    struct cli_words words;
    struct config *config;
    struct fault why = {0};
    const struct cli_option options[] = {CLI_COMMON(c), {0}};
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n != 1) return cli_wrong_use("restore: the backup's FILE is needed");
    const char *path = c.config || !getenv("AQUIFER_ADMIN_URL") ? cli_config_path(c.config) : NULL;
    if (!path) return restore_running(&c, words.at[0], &why) == OK ? 0 : cli_fail(&why);
    if (config_load(path, &config, NULL, &why) != OK) return cli_fail(&why);
    bool running = is_running(config->data);
    enum err e = running ? restore_running(&c, words.at[0], &why) : run_restore(&c, config->data, words.at[0], &why);
    config_free(config);
    return e == OK ? 0 : cli_fail(&why);
}
