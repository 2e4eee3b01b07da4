/* The desk: configuration, catalogue, keys and the publishing of generations. Runs in lane DESK. A generation is written
 * beside its place, proved by loading it as a gateway would, synced and renamed: never half. */
#include "admin/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GENERATIONS_KEPT = 3 };

enum err desk_make_dir(const char *path, struct fault *why)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return OK;
    return FAIL(why, ERR_IO, "cannot make the directory %.200s: %s", path, strerror(errno));
}

/* ---- files --------------------------------------------------------------------------------------------------------------- */

static enum err write_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR) return ERR_IO;
        if (n > 0) text = str_from(text, (size_t)n);
    }
    return fsync(fd) == 0 ? OK : ERR_IO;
}

static enum err sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err got = fd >= 0 && fsync(fd) == 0 ? OK : ERR_IO;
    if (fd >= 0) close(fd);
    return got;
}

/* ---- the database ----------------------------------------------------------------------------------------------------- */

static enum err read_created(struct desk *d, struct fault *why)
{
    char now[24];
    snprintf(now, sizeof now, "%lld", (long long)clock_wall_ms());
    TRY(store_exec(d->store, "INSERT INTO settings (name, value) VALUES ('created_ms', ?1) ON CONFLICT DO NOTHING",
                   BINDS(V_TEXT(str_z(now))), NULL, why));
    return store_get_i64(d->store, "SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'created_ms'", NULL, &d->created_ms,
                         why);
}

static enum err open_store(struct desk *d, struct str data, struct fault *why)
{
    char path[4096];
    if (d->store) return OK;
    snprintf(path, sizeof path, "%.*s", STR_ARG(data));
    TRY(desk_make_dir(path, why));
    snprintf(path, sizeof path, "%.*s/run", STR_ARG(data));
    TRY(desk_make_dir(path, why));
    snprintf(path, sizeof path, "%.*s/journal", STR_ARG(data));
    TRY(desk_make_dir(path, why));
    snprintf(path, sizeof path, "%.*s/aquifer.db", STR_ARG(data));
    TRY(store_open(&(struct store_options){.path = path}, &d->store, why));
    enum err got = store_migrate(d->store, why);
    if (got == OK) got = read_created(d, why);
    if (got == OK) got = keys_load(d, why);
    if (got == OK) got = desk_load_found(d, why);
    if (got == OK) return OK;
    store_close(d->store);
    d->store = NULL;
    return got;
}

/* ---- the sealing key --------------------------------------------------------------------------------------------------- */

/* Made once; another one that was made at the same time is as good. */
static enum err make_seal_key(const char *dir, const char *path, struct fault *why)
{
    char text[SEAL_TEXT_LEN + 1];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) return OK;
    if (fd < 0) return FAIL(why, ERR_IO, "cannot write %.200s: %s", path, strerror(errno));
    seal_key_make(text);
    enum err got = write_all(fd, str_make(text, SEAL_TEXT_LEN));
    explicit_bzero(text, sizeof text);
    close(fd);
    if (got == OK) got = sync_dir(dir);
    if (got == OK) return OK;
    unlink(path);
    return FAIL(why, ERR_IO, "cannot write %.200s: %s", path, strerror(errno));
}

/* A data directory without AWS key pairs gets its sealing key before anything is served: with it, vendors' state travels through
 * other formats. Where pairs exist a lost key is not made anew, so that restoring it brings them back. */
static enum err first_seal_key(const struct desk *d, const struct config *c, struct fault *why)
{
    char dir[4096], path[4200];
    if (c->seal_key.n) return OK;
    for (unsigned i = 0; i < d->n_keys; i++)
        if (d->keys[i]->key.has_aws) return OK;
    snprintf(dir, sizeof dir, "%.*s", STR_ARG(c->data));
    snprintf(path, sizeof path, "%s/" SEAL_KEY_FILE, dir);
    return make_seal_key(dir, path, why);
}

enum err desk_seal_key(const struct desk *d, struct seal_key *ret_key, struct fault *why)
{
    char dir[4096], path[4200];
    snprintf(dir, sizeof dir, "%.*s", STR_ARG(d->config->data));
    snprintf(path, sizeof path, "%s/" SEAL_KEY_FILE, dir);
    if (d->config->seal_key.n == 0) TRY(make_seal_key(dir, path, why));
    return generation_seal_key(d->config, ret_key, why);
}

/* ---- publishing ------------------------------------------------------------------------------------------------------- */

/* Calls for each generation file; the highest number is returned. */
static uint64_t each_file(struct str data, void (*see)(const char *path, uint64_t number, void *user), void *user)
{
    char dir[4096], path[4400];
    uint64_t highest = 0, number;
    snprintf(dir, sizeof dir, "%.*s/run", STR_ARG(data));
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct str name = str_z(e->d_name);
        if (!str_starts(name, S("generation-")) || !str_ends(name, S(".json"))) continue;
        if (!str_u64(str_make(name.p + 11, name.n - 16), &number)) continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (number > highest) highest = number;
        if (see) see(path, number, user);
    }
    if (d) closedir(d);
    return highest;
}

static void prune(const char *path, uint64_t number, void *user)
{
    const struct desk *d = user;
    if (number + GENERATIONS_KEPT <= d->number) unlink(path);
}

static enum err write_file(struct str data, uint64_t number, struct str text, struct fault *why)
{
    char dir[4096], temporary[4200], path[4200];
    snprintf(dir, sizeof dir, "%.*s/run", STR_ARG(data));
    snprintf(temporary, sizeof temporary, "%s/.generation.new", dir);
    snprintf(path, sizeof path, "%s/generation-%llu.json", dir, (unsigned long long)number);
    unlink(temporary); /* left by a crash */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return FAIL(why, ERR_IO, "cannot write %.200s: %s", temporary, strerror(errno));
    enum err got = write_all(fd, text);
    close(fd);
    if (got == OK && rename(temporary, path) != 0) got = ERR_IO;
    if (got == OK) got = sync_dir(dir);
    if (got == OK) return OK;
    int error = errno;
    unlink(temporary);
    return FAIL(why, ERR_IO, "cannot write %.200s: %s", path, strerror(error));
}

static void drop_origins(struct desk *d)
{
    for (unsigned i = 0; i < d->n_origins; i++) http_origin_unref(d->origins[i]);
    free(d->origins);
    d->origins = NULL;
    d->n_origins = 0;
}

/* The origins of the newest generation are kept, not its secrets: while they live the trusted authorities need not be read
 * again, which is nearly all that a loading costs. */
static void keep_origins(struct desk *d, const struct generation *g)
{
    struct http_origin **fresh = mem_alloc((g->n_providers + 1) * sizeof(struct http_origin *));
    unsigned n = 0;
    for (unsigned i = 0; i < g->n_providers; i++) {
        if (!g->providers[i].origin) continue;
        http_origin_ref(g->providers[i].origin);
        fresh[n++] = g->providers[i].origin;
    }
    drop_origins(d);
    d->origins = fresh;
    d->n_origins = n;
}

/* Loads it as a gateway would. */
static enum err prove(struct desk *d, struct str text, char ret_hash[65], struct fault *why)
{
    struct generation *g;
    TRY(generation_load(text, d->board, &g, why));
    memcpy(ret_hash, g->hash, sizeof g->hash);
    keep_origins(d, g);
    generation_unref(g);
    return OK;
}

static enum err write_generation(struct desk *d, const struct config *c, const struct catalog *k, uint64_t number,
                                 struct buf *out, struct fault *why)
{
    struct key *keys = mem_alloc((d->n_keys + 1) * sizeof *keys);
    for (unsigned i = 0; i < d->n_keys; i++) keys[i] = d->keys[i]->key;
    struct generation_source s = {.found = d->found,
                                  .n_found = d->n_found,
                                  .number = number,
                                  .config = c,
                                  .catalog = k,
                                  .keys = keys,
                                  .n_keys = d->n_keys,
                                  .created_s = d->created_ms / 1000};
    enum err got = generation_write(&s, out, why);
    free(keys);
    return got;
}

static void announce(struct desk *d)
{
    atomic_store(&d->board->generation, d->number);
    bell_ring(d->fds, BELL_GATEWAY);
    LOG(LOG_INFO, "generation.published", "a new generation is in force", F_UINT("number", d->number), F_Z("hash", d->hash),
        F_UINT("keys", d->n_keys));
}

enum err desk_publish_with(struct desk *d, const struct config *c, const struct catalog *k, struct fault *why)
{
    struct buf text;
    char hash[65];
    uint64_t newest = atomic_load(&d->board->generation), on_disk = each_file(c->data, NULL, NULL);
    uint64_t number = 1 + (newest > on_disk ? newest : on_disk);
    buf_init(&text, MIB(512));
    enum err got = first_seal_key(d, c, why);
    if (got == OK) got = write_generation(d, c, k, number, &text, why);
    bool same = got == OK && d->number && newest == d->number && generation_is_same(buf_view(&d->published), buf_view(&text));
    if (got == OK && !same) got = prove(d, buf_view(&text), hash, why);
    if (got == OK && !same) got = write_file(c->data, number, buf_view(&text), why);
    if (got != OK || same) {
        buf_done(&text);
        return got;
    }
    buf_done(&d->published);
    d->published = text;
    d->number = number;
    d->published_ms = clock_wall_ms();
    memcpy(d->hash, hash, sizeof hash);
    announce(d);
    each_file(c->data, prune, d);
    return OK;
}

enum err desk_publish(struct desk *d, struct fault *why)
{
    if (!d->config) return FAIL(why, ERR_NOT_READY, "no configuration has been accepted yet");
    return desk_publish_with(d, d->config, d->catalog, why);
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static void stir(uint64_t *sum, const char *path)
{
    struct stat st;
    uint64_t parts[4] = {1};
    if (stat(path, &st) == 0) {
        parts[0] = (uint64_t)st.st_mtim.tv_sec;
        parts[1] = (uint64_t)st.st_mtim.tv_nsec;
        parts[2] = (uint64_t)st.st_size;
        parts[3] = (uint64_t)st.st_ino;
    }
    uint64_t high = crc32c((uint32_t)(*sum >> 32), parts, sizeof parts),
             low = crc32c((uint32_t)*sum ^ 0x5bd1e995u, parts, sizeof parts);
    *sum = high << 32 | low;
}

/* Of the configuration and its catalogue files: changes with any of them. */
static uint64_t fingerprint(const struct desk *d)
{
    uint64_t sum = 0;
    stir(&sum, d->file);
    for (unsigned i = 0; d->config && i < d->config->catalog.n; i++) stir(&sum, d->config->catalog.at[i].p);
    return sum;
}

bool desk_files_changed(struct desk *d)
{
    uint64_t now = fingerprint(d);
    bool rests = now == d->looked;
    d->looked = now;
    return rests && now != d->seen;
}

enum err desk_read_key(struct str reference, struct face_key *ret_key, struct fault *why)
{
    struct buf secret;
    *ret_key = (struct face_key){0};
    if (reference.n == 0) return OK;
    buf_init(&secret, KIB(65));
    enum err got = config_secret(reference, &secret, why);
    if (got == OK) {
        key_digest((struct secret){buf_view(&secret)}, ret_key->digest);
        ret_key->set = true;
    }
    if (secret.cap) explicit_bzero(secret.p, secret.cap);
    buf_done(&secret);
    return got;
}

/* What a configuration brings besides the generation; nothing of the desk is touched before all of it is there. */
struct fresh {
    struct config *config;
    struct catalog *catalog;
    struct face_key admin_key, metrics_key;
};

static enum err read_fresh(struct desk *d, struct fresh *f, struct config_report *report, struct fault *why)
{
    TRY(config_load(d->file, &f->config, report, why));
    if (d->config && !str_eq(d->config->data, f->config->data))
        return FAIL(why, ERR_CONFIG, "%s: data cannot move while Aquifer runs; stop it, move the directory, start it again",
                    d->file);
    TRY(desk_read_key(f->config->admin_key, &f->admin_key, why));
    TRY(desk_read_key(f->config->metrics_key, &f->metrics_key, why));
    TRY(generation_check_seal(f->config, why));
    TRY(generation_catalog(f->config, &f->catalog, why));
    TRY(open_store(d, f->config->data, why));
    return desk_publish_with(d, f->config, f->catalog, why);
}

/* Listeners, loops, engines: what differs from the configuration that this process began with waits for the next start. */
static void tell_restart(struct desk *d, const struct config *fresh)
{
    const struct config *began = d->first ? d->first : d->config;
    buf_clear(&d->restart_needed);
    if (began) config_restart_needed(began, fresh, &d->restart_needed);
    if (d->restart_needed.n)
        LOG(LOG_WARN, "config.restart", "the new configuration is in force, but for keys that are read at the start only",
            F_STR("keys", buf_view(&d->restart_needed)));
}

static void take_fresh(struct desk *d, const struct fresh *f)
{
    tell_restart(d, f->config);
    if (!d->first) d->first = d->config;
    else config_free(d->config);
    catalog_free(d->catalog);
    d->config = f->config;
    d->catalog = f->catalog;
    d->admin_key = f->admin_key;
    d->metrics_key = f->metrics_key;
}

static void tell_refusal(const struct desk *d, const struct config_report *report)
{
    for (unsigned i = 0; i < report->n; i++) LOG(LOG_ERROR, "config.mistake", report->items[i].text);
    LOG(LOG_ERROR, "config.refused",
        d->config ? "the configuration was refused; the one before stays in force" : "the configuration was refused",
        F_Z("why", d->refused.text));
}

enum err desk_reload(struct desk *d, struct fault *why)
{
    struct fresh f = {0};
    struct config_report *report = mem_alloc(sizeof *report);
    bool again = d->config;
    d->seen = fingerprint(d);
    enum err got = read_fresh(d, &f, report, why);
    if (got == OK) {
        take_fresh(d, &f);
        desk_forget_found(d);
        d->refused = (struct fault){0};
        d->seen = fingerprint(d); /* now of the new one's catalogue files as well */
        if (again) atomic_fetch_add(&d->board->counters.reloads, 1);
    } else {
        d->refused = *why;
        tell_refusal(d, report);
        config_free(f.config);
        catalog_free(f.catalog);
        atomic_fetch_add(&d->board->counters.reload_failures, 1);
    }
    free(report);
    return got;
}

void desk_done(struct desk *d)
{
    ledger_ingest_free(d->ingest);
    drop_origins(d);
    keys_done(d);
    desk_done_found(d);
    store_close(d->store);
    if (d->first != d->config) config_free(d->first);
    config_free(d->config);
    catalog_free(d->catalog);
    buf_done(&d->published);
    buf_done(&d->restart_needed);
}
