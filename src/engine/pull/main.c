/* aquifer-pull: fetches a model (a catalogue name, hf:owner/repo/file.gguf or an https address), checks its hash and
 * registers it in the directory of models. Run by `aquifer model pull`, `make run` and by hand. Prints "NAME PATH" of what
 * is there in the end on stdout, with --json its description; everything else goes to stderr. */
#include "engine/pull/pull.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUB_ANSWER_MS 3000   /* a catalogue's source: there are others */
#define ONLY_ANSWER_MS 30000 /* the only source that there is */

struct pull {
    const char *what, *dir, *name, *sha256, *ca, *template, *pooling;
    bool embeddings, or_smaller, list, json;
    bool answered; /* some source gave something that was not right, or the fault is here: another time will not help */
    struct offers offers;
    struct progress progress;
    struct fault why;
};

static const char USAGE[] = "usage: aquifer-pull [options] [NAME | hf:OWNER/REPO/FILE.gguf | https://…]\n"
                            "Without a name: the default model of the catalogue.\n"
                            "  --dir DIR       directory of models (default: AQUIFER_MODELS, else the user's cache)\n"
                            "  --name NAME     register it under this name\n"
                            "  --sha256 HEX    refuse the file unless it has this SHA-256\n"
                            "  --template FILE chat template, absolute path or one of share/templates\n"
                            "  --embeddings    the model is for embeddings\n"
                            "  --pooling KIND  embeddings pooled by mean, cls or last, whatever the file says\n"
                            "  --ca FILE       certificate authorities to trust in place of the system's\n"
                            "  --or-smaller    when no source answers, take the next smaller model of the catalogue\n"
                            "  --list          show the catalogue\n"
                            "  --json          print JSON for programs\n"
                            "Exit status: 0 the model is here, 1 it failed, 2 wrong use, 3 no source can be reached.\n";
#define EXIT_OUT_OF_REACH 3

/* What one model needs on its way. */
struct goal {
    struct model model;
    const struct offer *offer; /* NULL: an address was given */
    char final[PATH_BYTES], part[PATH_BYTES], work[PATH_BYTES];
};

static enum err set_paths(const struct pull *p, struct goal *g, struct fault *why)
{
    bool fits = snprintf(g->final, PATH_BYTES, "%s/%s", p->dir, g->model.file) < PATH_BYTES - 16 &&
                snprintf(g->part, PATH_BYTES, "%s/%s.part", p->dir, g->model.file) < PATH_BYTES - 16 &&
                snprintf(g->work, PATH_BYTES, "%s/%s.wheels", p->dir, g->model.file) < PATH_BYTES - 16;
    return fits ? OK : FAIL(why, ERR_LIMIT, "the directory's path %s is too long", p->dir);
}

/* ---- what is wanted ---------------------------------------------------------------------------------------------------- */

static enum err goal_of_offer(const struct pull *p, const struct offer *o, struct goal *g, struct fault *why)
{
    g->offer = o;
    g->model = o->model;
    if (p->name && !text_set(g->model.name, sizeof(g->model.name), str_z(p->name)))
        return FAIL(why, ERR_BAD_REQUEST, "the name is too long");
    if (p->sha256 && strcmp(p->sha256, o->model.sha256) != 0)
        return FAIL(why, ERR_BAD_REQUEST, "the catalogue's SHA-256 of %s is %s, not %s", o->model.name, o->model.sha256,
                    p->sha256);
    return set_paths(p, g, why);
}

/* The last part of the address, without a query, is the file's name. */
static struct str file_of(struct str address)
{
    for (size_t i = 0; i < address.n; i++)
        if (address.p[i] == '?' || address.p[i] == '#') address.n = i;
    for (size_t i = address.n; i > 0; i--)
        if (address.p[i - 1] == '/') return str_from(address, i);
    return address;
}

static enum err goal_of_address(const struct pull *p, struct goal *g, struct fault *why)
{
    struct str file = file_of(str_z(p->what));
    struct model *m = &g->model;
    bool named = p->name ? text_set(m->name, sizeof(m->name), str_z(p->name)) : model_name_from_file(file, m->name);
    if (!named || !model_name_ok(str_z(m->name)))
        return FAIL(why, ERR_BAD_REQUEST, "no usable name in %s; give one with --name (a-z 0-9 . _ -)", p->what);
    snprintf(m->file, sizeof(m->file), "%s.gguf", m->name);
    m->context = MODEL_CONTEXT;
    m->parallel = MODEL_PARALLEL;
    if (p->sha256 && !text_set(m->sha256, sizeof(m->sha256), str_z(p->sha256)))
        return FAIL(why, ERR_BAD_REQUEST, "--sha256 takes 64 hex digits");
    return set_paths(p, g, why);
}

/* ---- fetching one model ------------------------------------------------------------------------------------------------- */

/* What makes one file of the wheels that a source names. */
static const struct packing {
    const char *prefix, *script;
} PACKINGS[] = {{"pip:", "join-wheels.py"}, {"bert:", "bert-to-gguf.py"}};

static const struct packing *packing_of(struct str source)
{
    for (size_t i = 0; i < COUNTOF(PACKINGS); i++)
        if (str_starts(source, str_z(PACKINGS[i].prefix))) return &PACKINGS[i];
    return NULL;
}

static enum err fetch_source(struct pull *p, struct goal *g, const char *source, struct fault *why)
{
    struct buf path, script;
    buf_init(&path, PATH_BYTES);
    buf_init(&script, PATH_BYTES);
    enum err e;
    const struct packing *packing = packing_of(str_z(source));
    if (packing) {
        e = engine_share_dir(&path, why);
        buf_fmt(&script, "%.*s/models/%s", STR_ARG(buf_view(&path)), packing->script);
        buf_fmt(&path, "/models/%s", source + strlen(packing->prefix));
        struct wheels_options o = {
            .pins_file = buf_z(&path), .pack_script = buf_z(&script), .part = g->part, .work = g->work, .bytes = g->model.bytes};
        if (e == OK) e = wheels_fetch(&o, &p->progress, why);
    } else if (source_url(str_z(source), &path)) {
        const char *token = str_starts(str_z(source), S("hf:")) ? getenv("HF_TOKEN") : NULL;
        struct fetch_options o = {.url = buf_z(&path),
                                  .ca = p->ca,
                                  .bearer = token && *token ? token : NULL,
                                  .part = g->part,
                                  .bytes = g->model.bytes,
                                  .hash_known = g->model.sha256[0],
                                  .answer_ms = g->offer ? HUB_ANSWER_MS : ONLY_ANSWER_MS};
        e = fetch_file(&o, &p->progress, why);
    } else {
        e = FAIL(why, ERR_BAD_REQUEST,
                 "%s is neither a name of the catalogue (--list shows it) nor hf:owner/repo/file.gguf nor an "
                 "https address",
                 source);
    }
    buf_done(&path);
    buf_done(&script);
    return e;
}

/* The part is whole: its hash decides, whatever it came from. */
static enum err accept_part(struct pull *p, struct goal *g, const char *source, struct fault *why)
{
    char sha256[65];
    struct stat st;
    TRY(model_hash_file(g->part, sha256, why));
    if (g->model.sha256[0] && strcmp(g->model.sha256, sha256) != 0) {
        unlink(g->part);
        return FAIL(why, ERR_UPSTREAM_GARBAGE, "what %s gave has the SHA-256 %s and not %s; it was thrown away", source, sha256,
                    g->model.sha256);
    }
    enum err e = model_check_gguf(g->part, why);
    if (e != OK) unlink(g->part);
    if (e != OK) return e;
    if (!g->model.sha256[0]) say(&p->progress, "sha256 %s (give it with --sha256 next time)", sha256);
    memcpy(g->model.sha256, sha256, sizeof(sha256));
    if (stat(g->part, &st) < 0 || rename(g->part, g->final) < 0)
        return FAIL(why, ERR_IO, "%s cannot be written: %s", g->final, strerror(errno));
    g->model.bytes = (uint64_t)st.st_size;
    return OK;
}

/* What our user wants it to be for; true: that is something new. */
static bool set_use(const struct pull *p, struct model *m)
{
    bool old = m->embeddings && (!p->pooling || strcmp(p->pooling, m->pooling) == 0);
    if (old || (!p->embeddings && !p->pooling)) return false;
    m->embeddings = true;
    if (p->pooling) must(text_set(m->pooling, sizeof(m->pooling), str_z(p->pooling)));
    return true;
}

static enum err register_model(struct pull *p, struct goal *g, const char *source, struct fault *why)
{
    if (!text_set(g->model.source, sizeof(g->model.source), str_z(source))) g->model.source[0] = 0;
    set_use(p, &g->model);
    g->model.embeddings |= model_embeds(g->final);
    if (p->template && !text_set(g->model.template, sizeof(g->model.template), str_z(p->template)))
        return FAIL(why, ERR_BAD_REQUEST, "the path of the template is too long");
    return model_describe(p->dir, &g->model, why);
}

/* Is it here already? With a description: size and known hash must agree. Without: the file's own hash. */
static bool is_here(struct pull *p, struct goal *g)
{
    struct model there;
    struct stat st;
    struct buf path;
    char sha256[65];
    if (model_load(p->dir, str_z(g->model.name), &there, NULL) == OK) {
        buf_init(&path, PATH_BYTES);
        model_path(p->dir, &there, &path);
        bool same = stat(buf_z(&path), &st) == 0 && (uint64_t)st.st_size == there.bytes &&
                    (!g->model.sha256[0] || strcmp(g->model.sha256, there.sha256) == 0);
        if (same) text_set(g->final, sizeof(g->final), buf_view(&path));
        buf_done(&path);
        if (same && set_use(p, &there)) same = model_describe(p->dir, &there, NULL) == OK;
        return same;
    }
    if (!g->model.sha256[0] || stat(g->final, &st) < 0 || (uint64_t)st.st_size != g->model.bytes) return false;
    say(&p->progress, "checking %s", g->final);
    if (model_hash_file(g->final, sha256, NULL) != OK || strcmp(sha256, g->model.sha256) != 0) return false;
    return register_model(p, g, "", NULL) == OK;
}

static bool is_out_of_reach(enum err e)
{
    return e == ERR_UPSTREAM_DNS || e == ERR_UPSTREAM_CONNECT || e == ERR_UPSTREAM_TIMEOUT;
}

static enum err pull_from(struct pull *p, struct goal *g, const char *source, struct fault *why)
{
    if (g->offer || strchr(source, ':')) say(&p->progress, "%s from %s", g->model.name, source); /* else it is no source */
    enum err e = fetch_source(p, g, source, why);
    p->answered |= !is_out_of_reach(e);
    if (e == OK) e = accept_part(p, g, source, why);
    return e == OK ? register_model(p, g, source, why) : e;
}

static enum err pull_goal(struct pull *p, struct goal *g, struct fault *why)
{
    if (is_here(p, g)) return OK;
    p->progress.label = g->model.name;
    if (!g->offer) return pull_from(p, g, p->what, why);
    enum err e = ERR_ENGINE;
    for (size_t i = 0; i < g->offer->n_sources; i++) {
        e = pull_from(p, g, g->offer->sources[i], why);
        if (e == OK) break;
        say(&p->progress, "%s", why->text);
    }
    return e;
}

/* ---- the command ---------------------------------------------------------------------------------------------------------- */

static enum err pull_offer(struct pull *p, const struct offer *o, struct goal *g)
{
    for (;;) {
        *g = (struct goal){0};
        TRY(goal_of_offer(p, o, g, &p->why));
        if (pull_goal(p, g, &p->why) == OK) return OK;
        if (!p->or_smaller || !o->smaller[0]) break;
        say(&p->progress, "%s is out of reach; trying the smaller %s", o->model.name, o->smaller);
        o = offers_find(&p->offers, str_z(o->smaller));
    }
    return FAIL(&p->why, ERR_UPSTREAM_CONNECT,
                "no source of this model could be used (see above). With a GGUF file of your own: "
                "aquifer model add NAME FILE.gguf; with an address: aquifer model pull https://…");
}

/* One pull at a time in one directory; a second waits and then often finds what it wants. */
static enum err lock_dir(const struct pull *p, struct fault *why)
{
    char path[PATH_BYTES];
    TRY(dirs_make(p->dir, why));
    if (snprintf(path, sizeof(path), "%s/.pull.lock", p->dir) >= (int)sizeof(path))
        return FAIL(why, ERR_LIMIT, "%s is too long", p->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return FAIL(why, ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return OK; /* held until we end */
    fprintf(stderr, "model: another download into %s is under way; waiting for it\n", p->dir);
    while (flock(fd, LOCK_EX) < 0 && errno == EINTR) continue;
    return OK;
}

static void show_offers(const struct offers *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct offer *o = &all->items[i];
        printf("%-24s %6.0f MB  %-12s %s%s\n", o->model.name, (double)o->model.bytes / 1e6, o->model.licence,
               o->model.embeddings ? "embeddings"
               : o->tools          ? "tools"
                                   : "no tools",
               o->is_default ? ", default" : "");
    }
}

static void put_offers(struct json_writer *w, const struct offers *all)
{
    json_put_object(w);
    json_add_array(w, S("data"));
    for (size_t i = 0; i < all->n; i++) {
        const struct offer *o = &all->items[i];
        json_put_object(w);
        json_add_str(w, S("name"), str_z(o->model.name));
        json_add_u64(w, S("bytes"), o->model.bytes);
        json_add_str(w, S("licence"), str_z(o->model.licence));
        json_add_bool(w, S("tools"), o->tools);
        json_add_bool(w, S("embeddings"), o->model.embeddings);
        json_add_bool(w, S("default"), o->is_default);
        json_put_end(w);
    }
    json_put_end(w);
    json_put_end(w);
}

static void show_json(const struct pull *p, const struct model *m)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, MIB(1));
    json_write(&w, &out);
    if (p->list) put_offers(&w, &p->offers);
    else model_put(&w, p->dir, m);
    puts(buf_z(&out));
    buf_done(&out);
}

/* What stands in the directory now: more of it is known than when it was asked for. */
static enum err show(struct pull *p, const struct goal *g)
{
    struct model m = {0};
    if (p->json && !p->list) TRY(model_load(p->dir, str_z(g->model.name), &m, &p->why));
    if (p->json) show_json(p, &m);
    else if (p->list) show_offers(&p->offers);
    else printf("%s %s\n", g->model.name, g->final);
    return OK;
}

static bool read_options(int argc, char **argv, struct pull *p)
{
    static const struct option options[] = {
        {"dir", required_argument, NULL, 'd'},    {"name", required_argument, NULL, 'n'},
        {"sha256", required_argument, NULL, 's'}, {"template", required_argument, NULL, 't'},
        {"embeddings", no_argument, NULL, 'e'},   {"pooling", required_argument, NULL, 'p'},
        {"ca", required_argument, NULL, 'c'},     {"or-smaller", no_argument, NULL, 'o'},
        {"list", no_argument, NULL, 'l'},         {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) switch (c) {
        case 'd': p->dir = optarg; break;
        case 'n': p->name = optarg; break;
        case 's': p->sha256 = optarg; break;
        case 't': p->template = optarg; break;
        case 'e': p->embeddings = true; break;
        case 'p': p->pooling = optarg; break;
        case 'c': p->ca = optarg; break;
        case 'o': p->or_smaller = true; break;
        case 'l': p->list = true; break;
        case 'j': p->json = true; break;
        case 'h': fputs(USAGE, stdout); exit(0);
        default: return false;
        }
    if (optind < argc - 1) return false;
    p->what = optind < argc ? argv[optind] : "";
    return true;
}

static enum err pull(struct pull *p, struct goal *g)
{
    if (p->pooling && !model_pooling_ok(str_z(p->pooling)))
        return FAIL(&p->why, ERR_BAD_REQUEST, "--pooling is mean, cls or last, not \"%.40s\"", p->pooling);
    TRY(offers_load(&p->offers, &p->why));
    if (p->list) return OK;
    TRY(lock_dir(p, &p->why));
    const struct offer *o = offers_find(&p->offers, str_z(p->what));
    if (o) return pull_offer(p, o, g);
    if (!*p->what) return FAIL(&p->why, ERR_NOT_FOUND, "the catalogue names no default model; name one");
    TRY(goal_of_address(p, g, &p->why));
    return pull_goal(p, g, &p->why);
}

int main(int argc, char **argv)
{
    struct pull p = {.progress = {.label = ""}};
    struct goal *g = mem_alloc(sizeof(*g));
    struct buf dir;
    if (!read_options(argc, argv, &p)) {
        fputs(USAGE, stderr);
        return 2;
    }
    log_setup("pull", LOG_TEXT, LOG_WARN, 2);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    buf_init(&dir, PATH_BYTES);
    enum err e = p.dir ? OK : engine_models_dir(&dir, &p.why);
    if (!p.dir) p.dir = buf_z(&dir);
    if (e == OK) e = pull(&p, g);
    if (e == OK) e = show(&p, g);
    if (e != OK) fprintf(stderr, "model: %s\n", p.why.text);
    offers_free(&p.offers);
    buf_done(&dir);
    curl_global_cleanup();
    free(g);
    return e == OK ? 0 : is_out_of_reach(e) && !p.answered ? EXIT_OUT_OF_REACH : 1;
}
