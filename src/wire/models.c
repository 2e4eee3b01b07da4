/* Lists of models in the shapes that clients know. Facts: OpenAI API reference "Models", Anthropic API reference
 * "Models: list" (limit 1…1000, default 20; before_id and after_id are cursors), Gemini API reference "Models: list", Amazon
 * Bedrock API reference "ListInferenceProfiles", "ListFoundationModels". */
#include "wire/wire.h"

static void put_openai(struct json_writer *w, const struct wire_model *m)
{
    json_put_object(w);
    json_add_str(w, S("id"), m->id);
    json_add_str(w, S("object"), S("model"));
    json_add_i64(w, S("created"), m->created_s);
    json_add_str(w, S("owned_by"), S("aquifer"));
    json_put_end(w);
}

static void put_gemini(struct json_writer *w, const struct wire_model *m)
{
    json_put_object(w);
    json_put_name(w, S("name"));
    json_put_string_begin(w);
    buf_str(w->out, S("models/"));
    json_escape(w->out, m->id);
    json_put_string_end(w);
    json_add_str(w, S("displayName"), m->display_name.n ? m->display_name : m->id);
    json_add_raw(w, S("supportedGenerationMethods"), S("[\"generateContent\",\"countTokens\"]"));
    json_put_end(w);
}

void wire_models_openai(const struct wire_model *m, size_t n, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_str(&w, S("object"), S("list"));
    json_add_array(&w, S("data"));
    for (size_t i = 0; i < n; i++) put_openai(&w, &m[i]);
    json_put_end(&w);
    json_put_end(&w);
}

void wire_models_gemini(const struct wire_model *m, size_t n, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("models"));
    for (size_t i = 0; i < n; i++) put_gemini(&w, &m[i]);
    json_put_end(&w);
    json_put_end(&w);
}

static struct str query_value(struct str query, struct str name)
{
    while (query.n) {
        struct str pair, rest, key, value;
        str_cut(query, '&', &pair, &rest);
        if (str_cut(pair, '=', &key, &value) && str_eq(key, name)) return value;
        query = rest;
    }
    return STR_NONE;
}

/* What Codex 0.169.0 demands of an entry. With it a model that Codex does not know gets its free-text patches, parallel calls and
 * its real context window; what its prompt says beside that, Codex adds itself. */
static void put_codex_model(struct json_writer *w, const struct wire_model *m, size_t place)
{
    static const char *const REST =
        "\"description\":null,\"default_reasoning_level\":\"medium\",\"supported_reasoning_levels\":["
        "{\"effort\":\"low\",\"description\":\"Less thought\"},{\"effort\":\"medium\",\"description\":\"The usual\"},"
        "{\"effort\":\"high\",\"description\":\"More thought\"}],\"shell_type\":\"unified_exec\",\"visibility\":\"list\","
        "\"supported_in_api\":true,\"availability_nux\":null,\"upgrade\":null,\"default_reasoning_summary\":\"none\","
        "\"supports_reasoning_summaries\":true,\"support_verbosity\":false,\"default_verbosity\":null,"
        "\"apply_patch_tool_type\":\"freeform\",\"truncation_policy\":{\"mode\":\"tokens\",\"limit\":10000},"
        "\"supports_parallel_tool_calls\":true,\"experimental_supported_tools\":[],\"input_modalities\":[\"text\",\"image\"],"
        "\"base_instructions\":\"You are a coding agent that works in the user's own workspace. Read before you change; do what "
        "was "
        "asked and no more; run what you have changed; say briefly what you did and what you could not do.\"";
    json_put_object(w);
    json_add_str(w, S("slug"), m->id);
    json_add_str(w, S("display_name"), m->display_name.n ? m->display_name : m->id);
    json_add_u64(w, S("priority"), place);
    if (m->context) json_add_u64(w, S("context_window"), m->context);
    else json_add_null(w, S("context_window"));
    buf_char(w->out, ',');
    buf_str(w->out, str_z(REST));
    json_put_end(w);
}

bool wire_models_codex(const struct wire_model *m, size_t n, struct str query, struct buf *out)
{
    struct json_writer w;
    if (!query_value(query, S("client_version")).p) return false;
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("models"));
    for (size_t i = 0; i < n; i++) put_codex_model(&w, &m[i], i);
    json_put_end(&w);
    json_put_end(&w);
    return true;
}

static size_t place_of(const struct wire_model *m, size_t n, struct str id)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(m[i].id, id)) return i;
    return n;
}

static void put_anthropic(struct json_writer *w, const struct wire_model *m)
{
    char when[25];
    clock_rfc3339(m->created_s * 1000, when);
    json_put_object(w);
    json_add_str(w, S("type"), S("model"));
    json_add_str(w, S("id"), m->id);
    json_add_str(w, S("display_name"), m->display_name.n ? m->display_name : m->id);
    json_add_str(w, S("created_at"), str_z(when));
    json_put_end(w);
}

static void put_id_or_null(struct json_writer *w, struct str name, const struct wire_model *m)
{
    if (m) json_add_str(w, name, m->id);
    else json_add_null(w, name);
}

void wire_models_anthropic(const struct wire_model *m, size_t n, struct str query, struct buf *out)
{
    uint64_t limit = 20;
    size_t from = 0, to = n;
    struct str after = query_value(query, S("after_id")), before = query_value(query, S("before_id"));
    if (!str_u64(query_value(query, S("limit")), &limit) || limit < 1 || limit > 1000) limit = 20;
    if (after.n && (from = place_of(m, n, after)) < n) from++;
    if (before.n) to = place_of(m, n, before);
    if (from > to) from = to;
    bool more = to - from > limit;
    if (more && before.n) from = to - limit; /* backwards: the page right before the cursor */
    else if (more) to = from + limit;

    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("data"));
    for (size_t i = from; i < to; i++) put_anthropic(&w, &m[i]);
    json_put_end(&w);
    json_add_bool(&w, S("has_more"), more);
    put_id_or_null(&w, S("first_id"), from < to ? &m[from] : NULL);
    put_id_or_null(&w, S("last_id"), from < to ? &m[to - 1] : NULL);
    json_put_end(&w);
}

void wire_model_one(enum wire_format f, const struct wire_model *m, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    if (f == WIRE_ANTHROPIC_MESSAGES) put_anthropic(&w, m);
    else if (f == WIRE_GEMINI_GENERATE) put_gemini(&w, m);
    else put_openai(&w, m);
}

/* ---- Bedrock ------------------------------------------------------------------------------------------------------------- */

static void put_arn(struct json_writer *w, const char *name, const char *kind, struct str id)
{
    json_put_name(w, str_z(name));
    json_put_string_begin(w);
    buf_fmt(w->out, "arn:aws:bedrock:::%s/", kind);
    json_escape(w->out, id);
    json_put_string_end(w);
}

static struct str name_of(const struct wire_model *m) { return m->display_name.n ? m->display_name : m->id; }

void wire_models_profiles(const struct wire_model *m, size_t n, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("inferenceProfileSummaries"));
    for (size_t i = 0; i < n; i++) {
        char when[25];
        clock_rfc3339(m[i].created_s * 1000, when);
        json_put_object(&w);
        put_arn(&w, "inferenceProfileArn", "inference-profile", m[i].id);
        json_add_str(&w, S("inferenceProfileId"), m[i].id);
        json_add_str(&w, S("inferenceProfileName"), name_of(&m[i]));
        json_add_str(&w, S("createdAt"), str_z(when));
        json_add_str(&w, S("status"), S("ACTIVE"));
        json_add_str(&w, S("type"), S("SYSTEM_DEFINED"));
        json_add_array(&w, S("models"));
        json_put_object(&w);
        put_arn(&w, "modelArn", "foundation-model", m[i].id);
        json_put_end(&w);
        json_put_end(&w);
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
}

void wire_models_foundation(const struct wire_model *m, size_t n, struct buf *out)
{
    struct json_writer w;
    json_write(&w, out);
    json_put_object(&w);
    json_add_array(&w, S("modelSummaries"));
    for (size_t i = 0; i < n; i++) {
        json_put_object(&w);
        put_arn(&w, "modelArn", "foundation-model", m[i].id);
        json_add_str(&w, S("modelId"), m[i].id);
        json_add_str(&w, S("modelName"), name_of(&m[i]));
        json_add_raw(&w, S("inputModalities"), S("[\"TEXT\"]"));
        json_add_raw(&w, S("outputModalities"), S("[\"TEXT\"]"));
        json_add_bool(&w, S("responseStreamingSupported"), true);
        json_add_raw(&w, S("inferenceTypesSupported"), S("[\"ON_DEMAND\"]"));
        json_add_raw(&w, S("modelLifecycle"), S("{\"status\":\"ACTIVE\"}"));
        json_put_end(&w);
    }
    json_put_end(&w);
    json_put_end(&w);
}
