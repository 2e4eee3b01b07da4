/* The engine's role: settings from the configuration file, then the keeper of local models until SIGTERM. */
#include "serve/serve.h"

#include <stdio.h>
#include <unistd.h>

#include "board/board.h"
#include "config/config.h"
#include "engine/engine.h"

static enum err find_models_dir(const struct config *c, struct engine_settings *s, struct fault *why)
{
    struct buf dir;
    if (c->engine.models_dir.n) {
        snprintf(s->models_dir, sizeof s->models_dir, "%.*s", STR_ARG(c->engine.models_dir));
        return OK;
    }
    buf_init(&dir, sizeof s->models_dir - 1);
    enum err e = engine_models_dir(&dir, why);
    snprintf(s->models_dir, sizeof s->models_dir, "%s", buf_z(&dir));
    buf_done(&dir);
    return e;
}

static void set_pooling(struct model *model, const struct config_engine_model *m)
{
    static const char *const WORDS[] = {
        [POOLING_FILE] = "", [POOLING_MEAN] = "mean", [POOLING_CLS] = "cls", [POOLING_LAST] = "last"};
    snprintf(model->pooling, sizeof model->pooling, "%s", WORDS[m->pooling]);
    model->embeddings = m->embeddings || model_embeds(m->file.p);
}

/* What its row says of embeddings may have changed since it was described. */
static void follow_row(const char *dir, struct model *model, const struct config_engine_model *m)
{
    struct model old = *model;
    struct fault why = {0};
    set_pooling(model, m);
    if (model->embeddings == old.embeddings && strcmp(model->pooling, old.pooling) == 0) return;
    if (model_describe(dir, model, &why) != OK) LOG(LOG_ERROR, "engine.model_refused", why.text, F_STR("model", m->name));
}

/* A model that the file names by its weights is described once; its hash takes seconds for gigabytes. */
static void add_models(const struct config *c, const char *dir)
{
    for (unsigned i = 0; i < c->engine.models.n; i++) {
        const struct config_engine_model *m = &c->engine.models.at[i];
        struct model model;
        struct fault why = {0};
        if (model_load(dir, m->name, &model, NULL) == OK) {
            follow_row(dir, &model, m);
            continue;
        }
        model = (struct model){.context = (uint32_t)m->context, .parallel = (uint32_t)c->engine.parallel};
        snprintf(model.name, sizeof model.name, "%.*s", STR_ARG(m->name));
        snprintf(model.template, sizeof model.template, "%.*s", STR_ARG(m->template));
        set_pooling(&model, m);
        if (model_add(dir, &model, m->file.p, MODEL_LINK, &why) != OK)
            LOG(LOG_ERROR, "engine.model_refused", why.text, F_STR("model", m->name));
    }
}

static enum err open_role(int argc, char **argv, struct engine_settings *s, struct board_fds *fds, struct board **ret_board,
                          struct fault *why)
{
    struct config *c;
    bool good = argc == 5 && strcmp(argv[1], "--config") == 0 && strcmp(argv[3], "--board") == 0;
    if (!good || !board_fds_parse(argv[4], fds))
        return FAIL(why, ERR_CONFIG, "the engine's role is started by 'aquifer serve', not by hand");
    TRY(board_open(fds, ret_board, why));
    TRY(config_load(argv[2], &c, NULL, why));
    log_setup("engine", (enum log_format)c->log.format, (enum log_level)c->log.level, STDERR_FILENO);
    *s = ENGINE_SETTINGS;
    snprintf(s->command, sizeof s->command, "%.*s", STR_ARG(c->engine.command));
    s->threads = (uint32_t)c->engine.threads;
    s->memory_max = c->engine.memory;
    s->idle_stop_s = (uint32_t)(c->engine.idle / 1000);
    enum err e = find_models_dir(c, s, why);
    if (e == OK) add_models(c, s->models_dir);
    config_free(c);
    return e;
}

int engine_role_main(int argc, char **argv)
{
    struct engine_settings settings;
    struct board_fds fds;
    struct board *board;
    struct fault why = {0};
    log_setup("engine", LOG_TEXT, LOG_INFO, STDERR_FILENO);
    if (open_role(argc, argv, &settings, &fds, &board, &why) != OK) {
        LOG(LOG_ERROR, "engine.start_failed", why.text);
        return 1;
    }
    return engine_run(&settings, board, &fds);
}
