/* aquifer model list|pull|add|remove: the models on this machine, over the engine room's functions. Works without a running
 * Aquifer. */
#include "cli/priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "engine/engine.h"

#define PATH_BYTES 4096

struct place {
    struct cli_words words;
    const char *json, *dir;
    struct buf path; /* of the directory */
};
#define DIR_HELP "directory of models (default: AQUIFER_MODELS, else of the configuration that is near, else the user's cache)"
#define EMBEDDINGS_HELP "the model is for embeddings, and for nothing else"
#define POOLING_HELP "embeddings pooled by mean, cls or last (default: as the file says)"
#define DIR_OPTION(p) {"--dir", "DIR", DIR_HELP, &(p).dir}
#define JSON_OPTION(p) {"--json", NULL, "print JSON for programs", &(p).json}

/* Where a configuration is near, the commands mean the models of the Aquifer that it makes. */
static enum err find_dir(struct place *p, struct fault *why)
{
    const char *file = getenv("AQUIFER_MODELS") ? NULL : cli_config_path(NULL);
    if (file && access(file, R_OK) != 0) file = NULL; /* the service's own: its models are not this user's */
    struct config *config;
    buf_init(&p->path, PATH_BYTES);
    if (p->dir) {
        buf_str(&p->path, str_z(p->dir));
        return OK;
    }
    if (!file) return engine_models_dir(&p->path, why);
    TRY(config_load(file, &config, NULL, why));
    buf_str(&p->path, config->engine.models_dir);
    config_free(config);
    return OK;
}

/* ---- list ------------------------------------------------------------------------------------------------------------------ */

static void print_json(const char *dir, const struct models *models)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MIB(16));
    json_write(&w, &out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (size_t i = 0; i < models->n; i++) model_put(&w, dir, &models->items[i]);
    json_put_end(&w);
    json_put_end(&w);
    cli_print_body(&out);
    buf_done(&out);
}

static void print_models(const char *dir, const struct models *models)
{
    if (models->n == 0) printf("no models in %s; 'aquifer model pull' fetches the default one\n", dir);
    else printf("%-32s  %8s  %7s  %-12s  %s\n", "NAME", "SIZE", "CONTEXT", "LICENCE", "IN USE");
    for (size_t i = 0; i < models->n; i++) {
        const struct model *m = &models->items[i];
        struct buf size;
        buf_init(&size, 32);
        cli_bytes(m->bytes, &size);
        printf("%-32s  %8s  %7u  %-12s  %s\n", m->name, buf_z(&size), m->context, m->licence, m->in_use ? "yes" : "no");
        buf_done(&size);
    }
}

static int list(int argc, char **argv)
{
    struct place p = {0};
    struct models models;
    struct fault why = {0};
    const struct cli_option options[] = {DIR_OPTION(p), JSON_OPTION(p), {0}};
    if (!cli_options(argc, argv, options, NULL)) return 2;
    enum err e = find_dir(&p, &why);
    if (e == OK) e = models_list(buf_z(&p.path), &models, &why);
    if (e == OK && p.json) print_json(buf_z(&p.path), &models);
    if (e == OK && !p.json) print_models(buf_z(&p.path), &models);
    if (e == OK) models_free(&models);
    buf_done(&p.path);
    return e == OK ? 0 : cli_fail(&why);
}

/* ---- pull ------------------------------------------------------------------------------------------------------------------ */

/* An installed aquifer-pull stands one directory deeper than we do and would not find the data files by itself. */
static void name_share(void)
{
    struct buf share;
    buf_init(&share, PATH_BYTES);
    if (engine_share_dir(&share, NULL) == OK) setenv("AQUIFER_SHARE", buf_z(&share), 0);
    buf_done(&share);
}

/* A program of its own does it, so that no other process of ours links a download library. */
static int pull(int argc, char **argv)
{
    enum { ARGS = 20 };
    const char *given[6] = {0}, *embeddings = NULL, *smaller = NULL, *offers = NULL;
    struct place p = {0};
    struct cli_words words;
    struct fault why = {0};
    const struct cli_option options[] = {
        {"--dir", "DIR", DIR_HELP, &given[0]},
        {"--name", "NAME", "register it under this name", &given[1]},
        {"--sha256", "HEX", "refuse the file unless it has this SHA-256", &given[2]},
        {"--template", "FILE", "chat template: an absolute path or one of share/templates", &given[3]},
        {"--ca", "FILE", "certificate authorities to trust in place of the system's", &given[4]},
        {"--pooling", "KIND", POOLING_HELP, &given[5]},
        {"--embeddings", NULL, EMBEDDINGS_HELP, &embeddings},
        {"--or-smaller", NULL, "when no source answers, take the next smaller model (always so without a name)", &smaller},
        {"--list", NULL, "show what the catalogue offers", &offers},
        JSON_OPTION(p),
        {0},
    };
    if (!cli_options(argc, argv, options, &words)) return 2;
    if (words.n > 1) return cli_wrong_use("model pull: one model at a time");
    p.dir = given[0];
    if (find_dir(&p, &why) != OK) return cli_fail(&why);
    given[0] = buf_z(&p.path);
    char *args[ARGS] = {str_dup_z(S("aquifer-pull"))};
    unsigned n = 1;
    for (unsigned i = 0; i < COUNTOF(given); i++) {
        if (!given[i]) continue;
        args[n++] = str_dup_z(str_z(options[i].name));
        args[n++] = str_dup_z(str_z(given[i]));
    }
    if (embeddings) args[n++] = str_dup_z(S("--embeddings"));
    if (offers) args[n++] = str_dup_z(S("--list"));
    if (p.json) args[n++] = str_dup_z(S("--json"));
    if (smaller || (!offers && words.n == 0)) args[n++] = str_dup_z(S("--or-smaller"));
    if (words.n) args[n++] = str_dup_z(str_z(words.at[0]));
    name_share();
    ignore_err(model_pull_exec(args, &why));
    return cli_fail(&why);
}

/* ---- add and remove --------------------------------------------------------------------------------------------------------- */

struct addition {
    struct place place;
    const char *copy, *sha256, *template, *licence, *context, *pooling, *embeddings;
};

static void print_one(const char *dir, const struct model *m)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MIB(1));
    json_write(&w, &out);
    model_put(&w, dir, m);
    cli_print_body(&out);
    buf_done(&out);
}

static bool set_text(char *to, size_t size, const char *text) { return !text || (size_t)snprintf(to, size, "%s", text) < size; }

static enum err fill(const struct addition *a, struct model *m, struct fault *why)
{
    uint64_t context = 0;
    m->context = MODEL_CONTEXT;
    m->parallel = MODEL_PARALLEL;
    if (!model_name_ok(str_z(a->place.words.at[0])))
        return FAIL(why, ERR_BAD_REQUEST, "'%.80s' is no name: small letters, digits and . _ - , at most %d",
                    a->place.words.at[0], MODEL_NAME_LEN);
    if (a->context && (!str_u64(str_z(a->context), &context) || context < 256 || context > 10000000))
        return FAIL(why, ERR_BAD_REQUEST, "--context must be a number of tokens from 256 on");
    if (context) m->context = (uint32_t)context;
    if (a->pooling && !model_pooling_ok(str_z(a->pooling)))
        return FAIL(why, ERR_BAD_REQUEST, "--pooling is mean, cls or last, not '%.40s'", a->pooling);
    m->embeddings = a->embeddings || a->pooling;
    bool fits = set_text(m->name, sizeof m->name, a->place.words.at[0]) && set_text(m->sha256, sizeof m->sha256, a->sha256) &&
                set_text(m->template, sizeof m->template, a->template) && set_text(m->licence, sizeof m->licence, a->licence) &&
                set_text(m->pooling, sizeof m->pooling, a->pooling);
    return fits ? OK : FAIL(why, ERR_LIMIT, "a value of an option is too long");
}

static int add(int argc, char **argv)
{
    struct addition a = {0};
    struct model m = {0};
    struct fault why = {0};
    const struct cli_option options[] = {
        DIR_OPTION(a.place),
        {"--copy", NULL, "copy the file into the directory (default: it stays where it is)", &a.copy},
        {"--sha256", "HEX", "refuse the file unless it has this SHA-256", &a.sha256},
        {"--template", "FILE", "chat template: an absolute path or one of share/templates", &a.template},
        {"--licence", "NAME", "licence of the weights, for the list", &a.licence},
        {"--context", "TOKENS", "of all slots together (default: 8192)", &a.context},
        {"--embeddings", NULL, EMBEDDINGS_HELP, &a.embeddings},
        {"--pooling", "KIND", POOLING_HELP, &a.pooling},
        JSON_OPTION(a.place),
        {0},
    };
    if (!cli_options(argc, argv, options, &a.place.words)) return 2;
    if (a.place.words.n != 2) return cli_wrong_use("model add: NAME FILE.gguf is needed");
    enum err e = find_dir(&a.place, &why);
    if (e == OK) e = fill(&a, &m, &why);
    if (e == OK) e = model_add(buf_z(&a.place.path), &m, a.place.words.at[1], a.copy ? MODEL_COPY : MODEL_LINK, &why);
    if (e == OK && a.place.json) print_one(buf_z(&a.place.path), &m);
    if (e == OK && !a.place.json) printf("%s is added (SHA-256 %s)\n", m.name, m.sha256);
    buf_done(&a.place.path);
    return e == OK ? 0 : cli_fail(&why);
}

static void tell_gone(const struct model *m, const char *path, bool stays, bool json)
{
    struct buf out;
    struct json_writer w;
    if (!json && stays) printf("%s is forgotten; the file %s stays\n", m->name, path);
    else if (!json) printf("%s is removed\n", m->name);
    if (!json) return;
    buf_init(&out, KIB(16));
    json_write(&w, &out);
    json_put_object(&w);
    json_add_str(&w, S("name"), str_z(m->name));
    json_add_str(&w, S("path"), str_z(path));
    json_add_bool(&w, S("file_removed"), !stays);
    json_put_end(&w);
    cli_print_body(&out);
    buf_done(&out);
}

/* A file that was linked stays; the user is told, since it is he who has to delete it. */
static enum err forget(const char *dir, const char *name, bool json, struct fault *why)
{
    struct model m;
    struct buf path;
    TRY(model_load(dir, str_z(name), &m, why));
    TRY(model_remove(dir, str_z(name), why));
    buf_init(&path, PATH_BYTES);
    model_path(dir, &m, &path);
    tell_gone(&m, buf_z(&path), access(buf_z(&path), F_OK) == 0, json);
    buf_done(&path);
    return OK;
}

static int drop(int argc, char **argv)
{
    struct place p = {0};
    struct fault why = {0};
    const struct cli_option options[] = {DIR_OPTION(p), JSON_OPTION(p), {0}};
    if (!cli_options(argc, argv, options, &p.words)) return 2;
    if (p.words.n != 1) return cli_wrong_use("model remove: the model's NAME is needed (see 'aquifer model list')");
    enum err e = find_dir(&p, &why);
    if (e == OK) e = forget(buf_z(&p.path), p.words.at[0], p.json, &why);
    buf_done(&p.path);
    return e == OK ? 0 : cli_fail(&why);
}

const struct cli_command cli_model_commands[] = {
    {"list", "", "the models on this machine", NULL, list, NULL},
    {"pull", "[NAME | hf:OWNER/REPO/FILE.gguf | URL]", "fetch a model, resume, check its hash",
     "Without a name: the default model of the catalogue, or the next smaller one that can be had.", pull, NULL},
    {"add", "NAME FILE.gguf", "use a model file that is here already",
     "Its SHA-256 is computed, which takes seconds for gigabytes.", add, NULL},
    {"remove", "NAME", "forget a model; its file goes too when it lies in the directory of models", NULL, drop, NULL},
    {0},
};
