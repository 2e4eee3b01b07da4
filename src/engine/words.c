/* What llama-server is told: its arguments and its environment. Pure; called by the manager for each start.
 *
 * Arguments are those that every llama-server since early 2025 knows. The rest goes by environment, because a version
 * that does not know a variable passes it over, while an unknown argument ends it. The key goes by environment too:
 * arguments can be read by every user of the machine. */
#include "engine/priv.h"

#include <stdio.h>
#include <stdlib.h>

#define PROMPT_CACHE_MIB 256 /* llama-server's own default is 8 GiB of old prompts */

/* From our own environment only these; the rest may hold secrets of others. */
static const char *const PASSED_ON[] = {"PATH",
                                        "HOME",
                                        "TMPDIR",
                                        "LANG",
                                        "LC_ALL",
                                        "LD_LIBRARY_PATH",
                                        "CUDA_VISIBLE_DEVICES",
                                        "HIP_VISIBLE_DEVICES",
                                        "GGML_VK_VISIBLE_DEVICES"};

struct list {
    struct arena *arena;
    char **items;
    size_t n, cap;
    bool over;
};

static void list_add(struct list *l, struct str text)
{
    struct str copy;
    if (l->n + 1 == l->cap || !arena_str(l->arena, text, &copy)) {
        l->over = true;
        return;
    }
    /* execve(2) wants char *, and changes nothing. */
    l->items[l->n++] = (char *)(uintptr_t)copy.p;
}

static void list_text(struct list *l, const char *option, const char *value)
{
    list_add(l, str_z(option));
    list_add(l, str_z(value));
}

static void list_number(struct list *l, const char *option, uint32_t value)
{
    char text[12];
    snprintf(text, sizeof(text), "%u", value);
    list_text(l, option, text);
}

/* A text becomes a vector in one step: the step must hold as much as a slot does, or long texts are refused. */
static void add_embeddings(struct list *l, const struct child_plan *p)
{
    uint32_t step = p->context / p->parallel;
    list_add(l, S("--embeddings"));
    if (*p->pooling) list_text(l, "--pooling", p->pooling);
    if (!step) return; /* context 0: what the model was made for, which only llama-server knows */
    list_number(l, "-b", step);
    list_number(l, "-ub", step);
}

static void add_arguments(struct list *l, const struct child_plan *p)
{
    list_add(l, str_z(p->command));
    list_text(l, "-m", p->weights);
    list_text(l, "--alias", p->name);
    list_text(l, "--host", "127.0.0.1");
    list_number(l, "--port", p->port);
    list_number(l, "-c", p->context);
    list_number(l, "--parallel", p->parallel);
    list_number(l, "-t", p->threads);
    if (p->embeddings) {
        add_embeddings(l, p);
        return;
    }
    list_add(l, S("--jinja"));
    if (*p->template) list_text(l, "--chat-template-file", p->template);
}

static void add_variable(struct list *l, const char *name, const char *value)
{
    char text[PATH_BYTES];
    int n = snprintf(text, sizeof(text), "%s=%s", name, value);
    if (n < 0 || (size_t)n >= sizeof(text)) l->over = true;
    else list_add(l, str_make(text, (size_t)n));
}

static void add_environment(struct list *l, const struct child_plan *p)
{
    char prompt_cache[12];
    snprintf(prompt_cache, sizeof(prompt_cache), "%d", PROMPT_CACHE_MIB);
    for (size_t i = 0; i < COUNTOF(PASSED_ON); i++) {
        const char *value = getenv(PASSED_ON[i]);
        if (value && strlen(value) < PATH_BYTES / 2) add_variable(l, PASSED_ON[i], value);
    }
    add_variable(l, "LLAMA_API_KEY", p->key);
    add_variable(l, "LLAMA_ARG_CACHE_RAM", prompt_cache);
    add_variable(l, "LLAMA_ARG_OFFLINE", "1");
    add_variable(l, "LLAMA_ARG_UI", "0");
    add_variable(l, "LLAMA_ARG_WEBUI", "0"); /* the same in older versions */
}

bool child_words(struct arena *arena, const struct child_plan *p, char ***ret_argv, char ***ret_envp)
{
    enum { WORDS = 32 };
    struct list argv = {.arena = arena, .cap = WORDS}, envp = {.arena = arena, .cap = WORDS};
    argv.items = arena_alloc(arena, WORDS * sizeof(char *));
    envp.items = arena_alloc(arena, WORDS * sizeof(char *));
    if (!argv.items || !envp.items) return false;
    add_arguments(&argv, p);
    add_environment(&envp, p);
    *ret_argv = argv.items;
    *ret_envp = envp.items;
    return !argv.over && !envp.over;
}
