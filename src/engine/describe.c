/* The descriptions of models, NAME.json beside the weights: reading, writing, and the small files under them. Called by
 * models.c and offers.c; keeps nothing. */
#include "engine/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_hex64(struct str s)
{
    if (s.n != 64) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789abcdef", s.p[i]) || !s.p[i]) return false;
    return true;
}

/* A plain name in the directory, or an absolute path: nothing that climbs out of it. */
static bool is_safe_file(struct str s)
{
    if (!s.n || memchr(s.p, 0, s.n)) return false;
    if (s.p[0] == '/') return true;
    return s.p[0] != '.' && !memchr(s.p, '/', s.n);
}

bool model_name_ok(struct str name)
{
    if (!name.n || name.n > MODEL_NAME_LEN || name.p[0] == '.' || name.p[0] == '-' || name.p[0] == '_') return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')) return false;
    }
    return true;
}

bool model_pooling_ok(struct str pooling)
{
    /* llama-server knows "none" (a vector for each token) and "rank" as well: neither is an answer to /v1/embeddings. */
    static const char *const kinds[] = {"", "mean", "cls", "last"};
    for (size_t i = 0; i < COUNTOF(kinds); i++)
        if (str_eq(pooling, str_z(kinds[i]))) return true;
    return false;
}

bool model_name_from_file(struct str file, char out[MODEL_NAME_LEN + 1])
{
    size_t n = 0;
    for (size_t i = file.n; i > 0; i--)
        if (file.p[i - 1] == '/') {
            file = str_from(file, i);
            break;
        }
    if (str_ends(file, S(".gguf"))) file.n -= 5;
    for (size_t i = 0; i < file.n && n < MODEL_NAME_LEN; i++) {
        char c = file.p[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.')) c = '-';
        if (c == '-' && (n == 0 || out[n - 1] == '-')) continue;
        out[n++] = c;
    }
    while (n && out[n - 1] == '-') n--;
    out[n] = 0;
    return model_name_ok(str_make(out, n));
}

/* The text members: where each goes and how long it may be. */
static const struct text_member {
    const char *name;
    size_t at, cap;
} TEXTS[] = {
#define TEXT(member) {#member, offsetof(struct model, member), sizeof(((struct model *)0)->member)}
    TEXT(name), TEXT(file), TEXT(sha256), TEXT(licence), TEXT(source), TEXT(template), TEXT(pooling),
#undef TEXT
};

static enum err check_model(const struct model *m, struct fault *why)
{
    if (!model_name_ok(str_z(m->name)))
        return FAIL(why, ERR_BAD_REQUEST,
                    "the model's name \"%s\" is not made of a-z 0-9 . _ - (at most %d, starting with "
                    "a letter or digit)",
                    m->name, MODEL_NAME_LEN);
    if (!is_safe_file(str_z(m->file)))
        return FAIL(why, ERR_BAD_REQUEST, "model %s: file \"%s\" is neither a plain name nor an absolute path", m->name, m->file);
    if (!is_hex64(str_z(m->sha256)))
        return FAIL(why, ERR_BAD_REQUEST, "model %s: sha256 must be 64 lower-case hex digits", m->name);
    if (m->template[0] && !is_safe_file(str_z(m->template)))
        return FAIL(why, ERR_BAD_REQUEST, "model %s: template \"%s\" is neither a plain name nor an absolute path", m->name,
                    m->template);
    if (m->context > 16777216 || m->parallel < 1 || m->parallel > 64)
        return FAIL(why, ERR_BAD_REQUEST, "model %s: context goes to 16777216 and parallel from 1 to 64", m->name);
    if (!model_pooling_ok(str_z(m->pooling)))
        return FAIL(why, ERR_BAD_REQUEST, "model %s: pooling is mean, cls or last, not \"%s\"", m->name, m->pooling);
    if (m->pooling[0] && !m->embeddings)
        return FAIL(why, ERR_BAD_REQUEST, "model %s: pooling goes with embeddings only", m->name);
    return OK;
}

enum err model_read(struct json_ref object, struct model *ret_model, struct fault *why)
{
    uint64_t context = MODEL_CONTEXT, parallel = MODEL_PARALLEL;
    *ret_model = (struct model){0};
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        struct str value = STR_NONE;
        TRY(json_opt_str(object, TEXTS[i].name, &value, why));
        if (!text_set((char *)ret_model + TEXTS[i].at, TEXTS[i].cap, value))
            return FAIL(why, ERR_BAD_REQUEST, "a model's %s is longer than %zu bytes or holds a NUL", TEXTS[i].name,
                        TEXTS[i].cap - 1);
    }
    TRY(json_get_u64(object, "bytes", &ret_model->bytes, why));
    TRY(json_opt_u64(object, "context", &context, why));
    TRY(json_opt_u64(object, "parallel", &parallel, why));
    TRY(json_opt_bool(object, "embeddings", &ret_model->embeddings, why));
    ret_model->context = context > UINT32_MAX ? UINT32_MAX : (uint32_t)context;
    ret_model->parallel = parallel > UINT32_MAX ? UINT32_MAX : (uint32_t)parallel;
    return check_model(ret_model, why);
}

void model_write(struct json_writer *w, const struct model *m)
{
    json_put_object(w);
    json_add_u64(w, S("version"), 1);
    for (size_t i = 0; i < COUNTOF(TEXTS); i++) {
        const char *text = (const char *)m + TEXTS[i].at;
        if (*text) json_add_str(w, str_z(TEXTS[i].name), str_z(text));
    }
    json_add_u64(w, S("bytes"), m->bytes);
    json_add_u64(w, S("context"), m->context);
    json_add_u64(w, S("parallel"), m->parallel);
    json_add_bool(w, S("embeddings"), m->embeddings);
    json_put_end(w);
}

enum err file_read(const char *path, size_t max, struct buf *ret_text, struct fault *why)
{
    char block[4096];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s cannot be read: %s", path, strerror(errno));
    buf_init(ret_text, max);
    while ((n = read(fd, block, sizeof(block))) > 0 && !ret_text->over) buf_add(ret_text, block, (size_t)n);
    int saved = errno;
    close(fd);
    if (n == 0 && !ret_text->over) return OK;
    bool over = ret_text->over;
    buf_done(ret_text);
    if (over) return FAIL(why, ERR_LIMIT, "%s is longer than %zu bytes", path, max);
    return FAIL(why, ERR_IO, "%s cannot be read: %s", path, strerror(saved));
}

static bool write_all(int fd, struct str text)
{
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text = str_from(text, (size_t)n);
    }
    return fsync(fd) == 0;
}

enum err file_write(const char *path, struct str text, struct fault *why)
{
    char beside[PATH_BYTES];
    int n = snprintf(beside, sizeof(beside), "%s.%d.tmp", path, (int)getpid());
    if (n < 0 || (size_t)n >= sizeof(beside)) return FAIL(why, ERR_LIMIT, "the path %s is too long", path);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return FAIL(why, ERR_IO, "%s cannot be written: %s", beside, strerror(errno));
    bool written = write_all(fd, text);
    int saved = errno;
    close(fd);
    if (written && rename(beside, path) == 0) return OK;
    if (written) saved = errno;
    unlink(beside);
    return FAIL(why, ERR_IO, "%s cannot be written: %s", path, strerror(saved));
}

enum err dirs_make(const char *path, struct fault *why)
{
    char part[PATH_BYTES];
    if (!text_set(part, sizeof(part), str_z(path))) return FAIL(why, ERR_LIMIT, "the directory's path %s is too long", path);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(part, 0755) < 0 && errno != EEXIST) break;
        *p = '/';
    }
    if (mkdir(part, 0755) == 0 || errno == EEXIST) return OK;
    return FAIL(why, ERR_IO, "the directory %s cannot be made: %s", part, strerror(errno));
}

enum err model_describe(const char *dir, const struct model *m, struct fault *why)
{
    struct buf text;
    struct json_writer w;
    char path[PATH_BYTES];
    TRY(check_model(m, why));
    if (snprintf(path, sizeof(path), "%s/%s.json", dir, m->name) >= (int)sizeof(path))
        return FAIL(why, ERR_LIMIT, "the directory's path %s is too long", dir);
    TRY(dirs_make(dir, why));
    buf_init(&text, KIB(16));
    json_write(&w, &text);
    model_write(&w, m);
    buf_char(&text, '\n');
    enum err e = file_write(path, buf_view(&text), why);
    buf_done(&text);
    return e;
}
