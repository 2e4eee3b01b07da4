/* Where things are: our data files, the models, llama-server, our helper programs. Looked up at each use, kept by
 * nobody. Called by the manager, the commands and aquifer-pull. */
#include "engine/priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* The directory of the running program, without its last slash. */
static bool own_dir(struct buf *ret_dir)
{
    char exe[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0) return false;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash) return false;
    buf_clear(ret_dir);
    buf_add(ret_dir, exe, (size_t)(slash - exe));
    return true;
}

static bool is_program(const char *path) { return access(path, X_OK) == 0; }

enum err engine_share_dir(struct buf *ret_path, struct fault *why)
{
    static const char *const places[] = {"/../share/aquifer", "/../share"};
    const char *env = getenv("AQUIFER_SHARE");
    buf_clear(ret_path);
    if (env && *env) {
        buf_str(ret_path, str_z(env));
        return OK;
    }
    for (size_t i = 0; i < COUNTOF(places); i++) {
        if (!own_dir(ret_path)) break;
        buf_str(ret_path, str_z(places[i]));
        size_t n = ret_path->n;
        buf_str(ret_path, S("/models/catalogue.json"));
        bool there = access(buf_z(ret_path), R_OK) == 0;
        ret_path->n = n;
        if (there) return OK;
    }
    return FAIL(why, ERR_ENGINE,
                "our data files (share/models, share/templates) are not beside the program; "
                "set AQUIFER_SHARE to their directory");
}

/* ${XDG_CACHE_HOME:-$HOME/.cache}/aquifer */
static bool cache_dir(struct buf *ret_path)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    buf_clear(ret_path);
    if (cache && *cache == '/') {
        buf_fmt(ret_path, "%s/aquifer", cache);
        return true;
    }
    if (!home || *home != '/') return false;
    buf_fmt(ret_path, "%s/.cache/aquifer", home);
    return true;
}

enum err engine_models_dir(struct buf *ret_path, struct fault *why)
{
    const char *env = getenv("AQUIFER_MODELS");
    if (env && *env) {
        buf_clear(ret_path);
        buf_str(ret_path, str_z(env));
        return OK;
    }
    if (!cache_dir(ret_path)) return FAIL(why, ERR_CONFIG, "no directory for models: HOME is not set; set AQUIFER_MODELS to one");
    buf_str(ret_path, S("/models"));
    return OK;
}

/* False: not on PATH. Empty parts of PATH (the current directory) are passed over. */
static bool find_on_path(const char *name, struct buf *ret_path)
{
    struct str left = str_z(getenv("PATH")), dir;
    while (left.n) {
        str_cut(left, ':', &dir, &left);
        if (!dir.n || dir.p[0] != '/') continue;
        buf_clear(ret_path);
        buf_fmt(ret_path, "%.*s/%s", STR_ARG(dir), name);
        if (!ret_path->over && is_program(buf_z(ret_path))) return true;
    }
    return false;
}

/* The cache keeps one directory per version; versionsort puts the newest last. */
static bool find_in_cache(struct buf *ret_path)
{
    if (!cache_dir(ret_path)) return false;
    buf_str(ret_path, S("/engine"));
    struct dirent **entries = NULL;
    int n = scandir(buf_z(ret_path), &entries, NULL, versionsort);
    size_t base = ret_path->n;
    bool found = false;
    for (int i = n - 1; i >= 0; i--) {
        if (!found && entries[i]->d_name[0] != '.') {
            ret_path->n = base;
            buf_fmt(ret_path, "/%s/llama-server", entries[i]->d_name);
            found = is_program(buf_z(ret_path));
        }
        free(entries[i]);
    }
    free(entries);
    return found;
}

enum err engine_find_command(struct str configured, struct buf *ret_path, struct fault *why)
{
    bool is_path = memchr(configured.p ? configured.p : "", '/', configured.n);
    char name[256] = "llama-server";
    if (is_path) {
        buf_clear(ret_path);
        buf_str(ret_path, configured);
        if (is_program(buf_z(ret_path))) return OK;
        return FAIL(why, ERR_ENGINE, "the engine's command %.*s cannot be run: %s", STR_ARG(configured), strerror(errno));
    }
    if (configured.n && !text_set(name, sizeof(name), configured))
        return FAIL(why, ERR_ENGINE, "the engine's command is longer than %zu bytes", sizeof(name) - 1);
    if (find_on_path(name, ret_path)) return OK;
    if (strcmp(name, "llama-server") == 0 && find_in_cache(ret_path)) return OK;
    return FAIL(why, ERR_ENGINE,
                "%s is neither on PATH nor in the cache; run tools/get-engine once, or give its path in the "
                "configuration (engine.command)",
                name);
}

enum err engine_find_helper(const char *name, struct buf *ret_path, struct fault *why)
{
    static const char *const places[] = {"", "/../libexec/aquifer"};
    for (size_t i = 0; i < COUNTOF(places) && own_dir(ret_path); i++) {
        buf_fmt(ret_path, "%s/%s", places[i], name);
        if (is_program(buf_z(ret_path))) return OK;
    }
    if (find_on_path(name, ret_path)) return OK;
    return FAIL(why, ERR_ENGINE, "%s is neither beside this program nor on PATH; install Aquifer again", name);
}
