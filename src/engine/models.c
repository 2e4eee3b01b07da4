/* The models on this machine: list, load, add, remove. Called by the commands, the admin API and the manager; a model
 * is registered exactly while its description stands in the directory. */
#include "engine/priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTION_MAX KIB(16)
#define MODELS_MAX 1000 /* descriptions looked at in one directory */

static enum err description_path(const char *dir, struct str name, char out[PATH_BYTES], struct fault *why)
{
    if (!model_name_ok(name))
        return FAIL(why, ERR_BAD_REQUEST,
                    "\"%.*s\" is no model name (a-z 0-9 . _ -, at most %d, starting with a letter or "
                    "digit)",
                    STR_ARG(name), MODEL_NAME_LEN);
    if (snprintf(out, PATH_BYTES, "%s/%.*s.json", dir, STR_ARG(name)) >= PATH_BYTES)
        return FAIL(why, ERR_LIMIT, "the path of %.*s is too long", STR_ARG(name));
    return OK;
}

static enum err read_description(const char *path, struct model *ret_model, struct fault *why)
{
    struct buf text;
    struct json_doc *doc;
    TRY(file_read(path, DESCRIPTION_MAX, &text, why));
    enum err e = json_doc_read(str_z(path), buf_view(&text), &doc, why);
    buf_done(&text);
    if (e != OK) return e;
    e = model_read(json_doc_root(doc), ret_model, why);
    json_doc_free(doc);
    return e;
}

enum err model_load(const char *dir, struct str name, struct model *ret_model, struct fault *why)
{
    char path[PATH_BYTES];
    TRY(description_path(dir, name, path, why));
    enum err e = read_description(path, ret_model, why);
    if (e == ERR_NOT_FOUND)
        return FAIL(why, ERR_NOT_FOUND,
                    "no model %.*s is here; `aquifer model list` shows what is, `aquifer model pull` fetches one", STR_ARG(name));
    if (e != OK) return e;
    if (!str_eq(name, str_z(ret_model->name)))
        return FAIL(why, ERR_PARSE, "%s describes a model of another name (%s)", path, ret_model->name);
    return OK;
}

void model_path(const char *dir, const struct model *m, struct buf *ret_path)
{
    buf_clear(ret_path);
    if (m->file[0] == '/') buf_str(ret_path, str_z(m->file));
    else buf_fmt(ret_path, "%s/%s", dir, m->file);
}

static bool model_in_use(const char *dir, const struct model *m)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    model_path(dir, m, &path);
    bool in_use = weights_in_use(buf_z(&path));
    buf_done(&path);
    return in_use;
}

static int is_description(const struct dirent *entry)
{
    struct str name = str_z(entry->d_name);
    return str_ends(name, S(".json")) && model_name_ok(str_make(name.p, name.n - 5));
}

/* False: left out, the log says why. */
static bool list_one(const char *dir, const char *file, struct model *ret_model)
{
    struct fault why = {0};
    struct str name = str_make(file, strlen(file) - 5);
    if (model_load(dir, name, ret_model, &why) == OK) {
        ret_model->in_use = model_in_use(dir, ret_model);
        return true;
    }
    LOG(LOG_WARN, "model.unreadable", why.text, F_STR("model", name));
    return false;
}

enum err models_list(const char *dir, struct models *ret_models, struct fault *why)
{
    struct dirent **entries = NULL;
    *ret_models = (struct models){0};
    int n = scandir(dir, &entries, is_description, alphasort);
    if (n < 0 && errno == ENOENT) return OK;
    if (n < 0) return FAIL(why, ERR_IO, "the directory of models %s cannot be read: %s", dir, strerror(errno));
    ret_models->items = mem_alloc(((size_t)n + 1) * sizeof(struct model));
    for (int i = 0; i < n; i++) {
        if (i < MODELS_MAX && list_one(dir, entries[i]->d_name, &ret_models->items[ret_models->n])) ret_models->n++;
        free(entries[i]);
    }
    free(entries);
    return OK;
}

void models_free(struct models *m)
{
    free(m->items);
    *m = (struct models){0};
}

/* ---- adding ------------------------------------------------------------------------------------------------------- */

static bool copy_bytes(int from, int to, uint64_t bytes)
{
    while (bytes) {
        ssize_t n = copy_file_range(from, NULL, to, NULL, bytes > MIB(64) ? MIB(64) : bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        bytes -= (uint64_t)n;
    }
    return fsync(to) == 0;
}

/* Beside its place first, so that a half copy never has the model's name. */
static enum err copy_weights(const char *from, const char *to, uint64_t bytes, struct fault *why)
{
    char beside[PATH_BYTES];
    if (snprintf(beside, sizeof(beside), "%s.part", to) >= (int)sizeof(beside))
        return FAIL(why, ERR_LIMIT, "the path %s is too long", to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool done = out >= 0 && copy_bytes(in, out, bytes) && rename(beside, to) == 0;
    int saved = errno;
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (done) return OK;
    if (out >= 0) unlink(beside);
    return FAIL(why, ERR_IO, "%s cannot be copied to %s: %s", from, to, strerror(saved));
}

/* Fills m->file; copies where that was asked for. */
static enum err place_weights(const char *dir, struct model *m, const char *path, enum model_place place, struct fault *why)
{
    char to[PATH_BYTES];
    if (place == MODEL_LINK) {
        if (text_set(m->file, sizeof(m->file), str_z(path))) return OK;
        return FAIL(why, ERR_LIMIT, "the path %s is too long to be linked to; copy the model instead", path);
    }
    must(snprintf(m->file, sizeof(m->file), "%s.gguf", m->name) < (int)sizeof(m->file));
    if (snprintf(to, sizeof(to), "%s/%s", dir, m->file) >= (int)sizeof(to))
        return FAIL(why, ERR_LIMIT, "the directory's path %s is too long", dir);
    TRY(dirs_make(dir, why));
    if (access(to, F_OK) == 0) return FAIL(why, ERR_EXISTS, "%s is there already; remove it or choose another name", to);
    return copy_weights(path, to, m->bytes, why);
}

enum err model_add(const char *dir, struct model *m, const char *path, enum model_place place, struct fault *why)
{
    char description[PATH_BYTES], real[PATH_MAX], sha256[65];
    struct stat st;
    TRY(description_path(dir, str_z(m->name), description, why));
    if (access(description, F_OK) == 0)
        return FAIL(why, ERR_EXISTS, "a model %s is here already; remove it first or choose another name", m->name);
    if (!realpath(path, real) || stat(real, &st) < 0)
        return FAIL(why, ERR_NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    TRY(model_check_gguf(real, why));
    TRY(model_hash_file(real, sha256, why));
    if (m->sha256[0] && strcmp(m->sha256, sha256) != 0)
        return FAIL(why, ERR_PARSE, "%s has the SHA-256 %s, not %s; it was not added", path, sha256, m->sha256);
    memcpy(m->sha256, sha256, sizeof(m->sha256));
    m->bytes = (uint64_t)st.st_size;
    m->embeddings |= model_embeds(real);
    if (!m->context) m->context = MODEL_CONTEXT;
    if (!m->parallel) m->parallel = MODEL_PARALLEL;
    TRY(place_weights(dir, m, real, place, why));
    return model_describe(dir, m, why);
}

enum err model_remove(const char *dir, struct str name, struct fault *why)
{
    char path[PATH_BYTES];
    struct model m;
    TRY(model_load(dir, name, &m, why));
    TRY(description_path(dir, name, path, why));
    if (model_in_use(dir, &m))
        return FAIL(why, ERR_EXISTS, "the model %s is in use; stop Aquifer, or wait until it is idle, and try again", m.name);
    if (unlink(path) < 0) return FAIL(why, ERR_IO, "%s cannot be removed: %s", path, strerror(errno));
    if (m.file[0] == '/') return OK;
    if (snprintf(path, sizeof(path), "%s/%s", dir, m.file) < (int)sizeof(path) && unlink(path) < 0 && errno != ENOENT)
        return FAIL(why, ERR_IO, "%s cannot be removed: %s", path, strerror(errno));
    return OK;
}

void model_put(struct json_writer *w, const char *dir, const struct model *m)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    model_path(dir, m, &path);
    json_put_object(w);
    json_add_str(w, S("name"), str_z(m->name));
    json_add_str(w, S("path"), buf_view(&path));
    json_add_u64(w, S("bytes"), m->bytes);
    json_add_str(w, S("sha256"), str_z(m->sha256));
    json_add_str(w, S("licence"), str_z(m->licence));
    json_add_str(w, S("source"), str_z(m->source));
    json_add_u64(w, S("context"), m->context);
    json_add_u64(w, S("parallel"), m->parallel);
    json_add_bool(w, S("embeddings"), m->embeddings);
    if (m->pooling[0]) json_add_str(w, S("pooling"), str_z(m->pooling));
    json_add_bool(w, S("in_use"), m->in_use);
    json_put_end(w);
    buf_done(&path);
}

enum err model_pull_exec(char *const argv[], struct fault *why)
{
    struct buf path;
    buf_init(&path, PATH_BYTES);
    TRY(engine_find_helper("aquifer-pull", &path, why));
    execv(buf_z(&path), argv);
    enum err e = FAIL(why, ERR_IO, "%s cannot be run: %s", buf_z(&path), strerror(errno));
    buf_done(&path);
    return e;
}
