/* Which Aquifer a command means: the environment, the configuration file, or what `make run` left beside the program. */
#include "cli/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

static const char *const PLACES[] = {"aquifer.yaml", "/etc/aquifer/aquifer.yaml"};
enum { ENV_FILE_MAX = 64 * 1024 };
static char of_make_run[4096]; /* the configuration that run.env belongs to; "": it was not taken */

const char *cli_config_path(const char *named)
{
    if (named) return named;
    for (unsigned i = 0; i < COUNTOF(PLACES); i++)
        if (access(PLACES[i], F_OK) == 0) return PLACES[i]; /* who may not read it is told so */
    return *of_make_run ? of_make_run : NULL;
}

void cli_url_of(struct str address, bool tls, char out[512])
{
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':') colon--;
    struct str port = str_from(address, colon);
    const char *scheme = tls ? "https" : "http";
    bool any = str_starts(address, S("*:")) || str_starts(address, S("0.0.0.0:")) || str_starts(address, S("[::]:"));
    if (any) snprintf(out, 512, "%s://127.0.0.1:%.*s", scheme, STR_ARG(port));
    else snprintf(out, 512, "%s://%.*s", scheme, STR_ARG(address));
}

static enum err load(const struct cli_common *c, const char *what, struct config **ret_config, struct fault *why)
{
    const char *path = cli_config_path(c->config);
    if (!path) return FAIL(why, ERR_CONFIG, "which Aquifer? Set %s, or name its configuration with --config FILE", what);
    return config_load(path, ret_config, NULL, why);
}

static void set_url(struct cli_target *t, const char *url)
{
    size_t n = strlen(url);
    while (n && url[n - 1] == '/') n--;
    snprintf(t->url, sizeof t->url, "%.*s", (int)n, url);
}

/* ---- the admin API ------------------------------------------------------------------------------------------------------ */

static enum err admin_from_config(const struct cli_common *c, struct cli_target *t, struct fault *why)
{
    struct config *config;
    enum err e = OK;
    TRY(load(c, "AQUIFER_ADMIN_URL and AQUIFER_ADMIN_KEY", &config, why));
    if (config->admin_listen.n == 0)
        e = FAIL(why, ERR_CONFIG, "%.*s has no admin.listen: give it one to use this command", STR_ARG(config->file));
    else cli_url_of(config->admin_listen.at[0].address, config->admin_listen.at[0].tls_cert.n, t->url);
    if (e == OK) e = config_secret(config->admin_key, &t->key, why);
    config_free(config);
    return e;
}

enum err cli_admin(const struct cli_common *c, struct cli_target *ret_target, struct fault *why)
{
    const char *url = getenv("AQUIFER_ADMIN_URL"), *key = getenv("AQUIFER_ADMIN_KEY");
    buf_init(&ret_target->key, KIB(64));
    ret_target->wants_proxy_header = false;
    if (c->config || !url || !key) {
        enum err e = admin_from_config(c, ret_target, why);
        if (e != OK) cli_target_done(ret_target);
        return e;
    }
    set_url(ret_target, url);
    buf_str(&ret_target->key, str_z(key));
    return OK;
}

/* ---- the data port ------------------------------------------------------------------------------------------------------ */

static enum err data_url(const struct cli_common *c, struct cli_target *t, struct fault *why)
{
    const char *url = getenv("AQUIFER_URL");
    struct config *config;
    if (url && !c->config) {
        set_url(t, url);
        return OK;
    }
    TRY(load(c, "AQUIFER_URL and AQUIFER_API_KEY", &config, why));
    cli_url_of(config->listen.at[0].address, config->listen.at[0].tls_cert.n, t->url);
    t->wants_proxy_header = config->proxy_protocol;
    size_t n = strlen(t->url);
    if (config->path_prefix.n) snprintf(t->url + n, sizeof t->url - n, "%.*s", STR_ARG(config->path_prefix));
    config_free(config);
    return OK;
}

enum err cli_data(const struct cli_common *c, const char *key, struct cli_target *ret_target, struct fault *why)
{
    if (!key) key = getenv("AQUIFER_API_KEY");
    buf_init(&ret_target->key, KIB(64));
    ret_target->wants_proxy_header = false;
    TRY(data_url(c, ret_target, why));
    if (!key || !*key)
        return FAIL(why, ERR_KEY_MISSING,
                    "which key? Set AQUIFER_API_KEY or give --key; `aquifer key create --name NAME` makes one");
    if (config_is_reference(str_z(key))) return config_secret(str_z(key), &ret_target->key, why);
    buf_str(&ret_target->key, str_z(key));
    return OK;
}

void cli_target_done(struct cli_target *t)
{
    if (t->key.p) OPENSSL_cleanse(t->key.p, t->key.cap);
    buf_done(&t->key);
}

/* ---- run.env -------------------------------------------------------------------------------------------------------------- */

static bool is_quoted(struct str s) { return s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0]; }

static void put_env(struct str line, bool over)
{
    struct str name, value;
    line = str_trim(line);
    if (str_starts(line, S("export "))) line = str_trim(str_from(line, 7));
    if (!str_cut(line, '=', &name, &value) || !str_starts(name, S("AQUIFER_"))) return;
    value = str_trim(value);
    if (is_quoted(value)) value = str_make(value.p + 1, value.n - 2);
    char *name_z = str_dup_z(name), *value_z = str_dup_z(value);
    setenv(name_z, value_z, over);
    OPENSSL_cleanse(value_z, value.n);
    free(name_z);
    free(value_z);
}

static enum err env_read(const char *path, bool over, struct fault *why)
{
    struct str line;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot open %s: %s", path, strerror(errno));
    char *text = mem_alloc(ENV_FILE_MAX);
    ssize_t n = read(fd, text, ENV_FILE_MAX);
    int error = errno;
    enum err e = OK;
    close(fd);
    if (n < 0) e = FAIL(why, ERR_IO, "cannot read %s: %s", path, strerror(error));
    if (n == ENV_FILE_MAX) e = FAIL(why, ERR_LIMIT, "%s is larger than 64 KiB: is it a file of NAME=VALUE lines?", path);
    for (struct str rest = str_make(text, e == OK ? (size_t)n : 0); rest.n;) {
        str_cut(rest, '\n', &line, &rest);
        if (str_ends(line, S("\r"))) line.n--;
        put_env(line, over);
    }
    OPENSSL_cleanse(text, ENV_FILE_MAX);
    free(text);
    return e;
}

enum err cli_env_load(const char *path, struct fault *why) { return env_read(path, true, why); }

void cli_env_find(void)
{
    char path[4096];
    if (getenv("AQUIFER_URL") || getenv("AQUIFER_ADMIN_URL") || cli_config_path(NULL)) return;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    if (n <= 0) return;
    path[n] = '\0';
    char *name = strrchr(path, '/');
    if (!name) return;
    memcpy(name, "/run.env", sizeof "/run.env");
    if (access(path, R_OK) != 0) return;
    ignore_err(env_read(path, false, NULL));
    memcpy(name, "/run/aquifer.yaml", sizeof "/run/aquifer.yaml");
    if (access(path, R_OK) == 0) snprintf(of_make_run, sizeof of_make_run, "%s", path);
}
