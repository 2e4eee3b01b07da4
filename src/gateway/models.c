/* The lists of models: what the key may call, in the shape of the caller's vendor. Patterns are not listed: they name nothing. */
#include "priv.h"

#include <stdlib.h>

static struct wire_model told(const struct route *r, struct str name)
{
    uint64_t context = r->n_deployments ? deployment_context(&r->deployments[0], name) : 0;
    return (struct wire_model){name, r->display_name, r->created_s, context};
}

static void put_one(struct exchange *x)
{
    struct wire_model model = told(x->route, x->request.model);
    wire_model_one(x->wire->format, &model, &x->held);
}

static void put_all(struct exchange *x)
{
    const struct generation *g = x->generation;
    struct wire_model *models = mem_alloc((g->n_routes + 1) * sizeof *models);
    size_t n = 0;
    for (unsigned i = 0; i < g->n_routes; i++) {
        const struct route *r = &g->routes[i];
        if (r->is_pattern || !key_may_call(x->key, r->name)) continue;
        models[n++] = told(r, r->name);
    }
    if (x->wire->format == WIRE_ANTHROPIC_MESSAGES) wire_models_anthropic(models, n, x->stream->request->query, &x->held);
    else if (x->wire->format == WIRE_GEMINI_GENERATE) wire_models_gemini(models, n, &x->held);
    else if (str_eq(x->stream->request->path, S("/inference-profiles"))) wire_models_profiles(models, n, &x->held);
    else if (str_eq(x->stream->request->path, S("/foundation-models"))) wire_models_foundation(models, n, &x->held);
    else if (!wire_models_codex(models, n, x->stream->request->query, &x->held)) wire_models_openai(models, n, &x->held);
    free(models);
}

void models_answer(struct exchange *x)
{
    static struct http_field json = {{"content-type", 12}, {"application/json", 16}};
    x->down = &json;
    x->n_down = 1;
    x->status = 200;
    x->outcome = OUTCOME_ANSWER;
    if (x->endpoint->in_path == PATH_MODEL) put_one(x);
    else put_all(x);
}
