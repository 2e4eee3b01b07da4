/* Models on this machine and on offer: names, descriptions, adding and removing files, the catalogue that is shipped. */
#include "base/test.h"
#include "engine/priv.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define GGUF_BYTES "GGUF\3\0\0\0weights"
#define A_SHA "07ef2b6d6c9b43bf8f8a16a0d2b4a3f4b9d84e1d7d0d7f5f4c8b5f2f6e8a9b0c"

struct place {
    char root[64], dir[96], file[96];
};

static void write_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    close(fd);
}

static int set_up(void **state)
{
    struct place *p = mem_alloc(sizeof(*p));
    snprintf(p->root, sizeof(p->root), "engine-models-XXXXXX"); /* in the directory that the tests run in */
    if (!mkdtemp(p->root)) return -1;
    snprintf(p->dir, sizeof(p->dir), "%s/a/models", p->root);
    snprintf(p->file, sizeof(p->file), "%s/own.gguf", p->root);
    write_file(p->file, S(GGUF_BYTES));
    *state = p;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) { return remove(path); }

static int tear_down(void **state)
{
    struct place *p = *state;
    int code = nftw(p->root, remove_one, 8, FTW_PHYS | FTW_DEPTH);
    free(p);
    return code;
}

static struct model named(const char *name)
{
    struct model m = {0};
    assert_true(text_set(m.name, sizeof(m.name), str_z(name)));
    return m;
}

static void names_are_bounded(void **state)
{
    assert_true(model_name_ok(S("qwen2.5-coder-1.5b")));
    assert_true(model_name_ok(S("0123456789012345678901234567890123456789012345678901234567890123")));
    assert_false(model_name_ok(S("01234567890123456789012345678901234567890123456789012345678901234")));
    static const char *const bad[] = {"", ".x", "-x", "_x", "A", "a/b", "a b", "a\n", "\xc3\xa9", "..", "a:b"};
    for (size_t i = 0; i < COUNTOF(bad); i++) assert_false(model_name_ok(str_z(bad[i])));
}

static void names_come_from_files(void **state)
{
    static const struct {
        const char *file, *name;
    } cases[] = {
        {"Qwen2.5-Coder 1.5B__Instruct.gguf", "qwen2.5-coder-1.5b-instruct"},
        {"dir/SmolLM2-135M.Q4_1.gguf", "smollm2-135m.q4-1"},
        {"--x--", "x"},
    };
    char name[MODEL_NAME_LEN + 1];
    for (size_t i = 0; i < COUNTOF(cases); i++) {
        assert_true(model_name_from_file(str_z(cases[i].file), name));
        assert_string_equal(name, cases[i].name);
    }
    assert_false(model_name_from_file(S("___.gguf"), name));
    assert_false(model_name_from_file(S("..gguf"), name));
}

static void a_linked_file_stays_where_it_is(void **state)
{
    struct place *p = *state;
    struct model m = named("own"), back;
    struct fault why = {0};
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, &why), OK);
    assert_int_equal(model_load(p->dir, S("own"), &back, &why), OK);
    assert_true(back.file[0] == '/');
    assert_int_equal(back.bytes, sizeof(GGUF_BYTES) - 1);
    assert_int_equal(strlen(back.sha256), 64);
    assert_int_equal(back.context, MODEL_CONTEXT);
    m = named("own");
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, &why), ERR_EXISTS);
    assert_int_equal(model_remove(p->dir, S("own"), &why), OK);
    assert_int_equal(access(p->file, F_OK), 0);
    assert_int_equal(model_load(p->dir, S("own"), &back, &why), ERR_NOT_FOUND);
}

static void put_number(struct buf *b, uint64_t n, size_t width) { buf_add(b, (const char *)&n, width); }

static void put_gguf_text(struct buf *b, const char *text)
{
    put_number(b, strlen(text), 8);
    buf_str(b, str_z(text));
}

/* A GGUF file of metadata alone: a vocabulary to step over, its architecture, a way of pooling. */
static void write_gguf(const char *path, const char *architecture, uint32_t pooling)
{
    enum { U32 = 4, STRING = 8, ARRAY = 9 };
    struct buf b;
    buf_init(&b, KIB(4));
    buf_str(&b, S("GGUF"));
    put_number(&b, 3, 4);
    put_number(&b, 0, 8);
    put_number(&b, 3, 8);
    put_gguf_text(&b, "tokenizer.ggml.tokens");
    put_number(&b, ARRAY, 4);
    put_number(&b, STRING, 4);
    put_number(&b, 2, 8);
    put_gguf_text(&b, "one");
    put_gguf_text(&b, "two");
    put_gguf_text(&b, "general.architecture");
    put_number(&b, STRING, 4);
    put_gguf_text(&b, architecture);
    put_gguf_text(&b, "x.pooling_type");
    put_number(&b, U32, 4);
    put_number(&b, pooling, 4);
    write_file(path, buf_view(&b));
    buf_done(&b);
}

static void a_file_tells_that_it_is_for_embeddings(void **state)
{
    static const struct {
        const char *architecture;
        uint32_t pooling;
        bool embeds;
    } CASES[] = {{"llama", 0, false}, {"bert", 0, true}, {"nomic-bert", 2, true}, {"qwen3", 3, true}, {"qwen3", 4, false}};
    struct place *p = *state;
    struct model m = named("told"), back;
    for (size_t i = 0; i < COUNTOF(CASES); i++) {
        write_gguf(p->file, CASES[i].architecture, CASES[i].pooling);
        if (model_embeds(p->file) != CASES[i].embeds) fail_msg("%s, %u", CASES[i].architecture, CASES[i].pooling);
    }
    write_gguf(p->file, "bert", 1);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, NULL), OK);
    assert_int_equal(model_load(p->dir, S("told"), &back, NULL), OK);
    assert_true(back.embeddings);
}

static void a_damaged_file_tells_nothing(void **state)
{
    struct place *p = *state;
    char bytes[512];
    write_gguf(p->file, "qwen3", 3);
    FILE *in = fopen(p->file, "re");
    size_t n = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    for (size_t cut = 0; cut < n; cut++) {
        write_file(p->file, str_make(bytes, cut));
        assert_false(model_embeds(p->file));
    }
    for (size_t at = 4; at < n; at++) { /* lengths and counts that cannot be meant: it ends, whatever it says */
        char was = bytes[at];
        bytes[at] = (char)0xff;
        write_file(p->file, str_make(bytes, n));
        (void)model_embeds(p->file);
        bytes[at] = was;
    }
    assert_false(model_embeds("/nonexistent.gguf"));
}

static void pooling_goes_with_embeddings(void **state)
{
    struct place *p = *state;
    struct model m = named("own"), back;
    struct fault why = {0};
    memcpy(m.pooling, "cls", 4);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, &why), ERR_BAD_REQUEST);
    m.embeddings = true;
    memcpy(m.pooling, "none", 5);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, &why), ERR_BAD_REQUEST);
    memcpy(m.pooling, "cls", 4);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_LINK, &why), OK);
    assert_int_equal(model_load(p->dir, S("own"), &back, &why), OK);
    assert_true(back.embeddings);
    assert_string_equal(back.pooling, "cls");
}

static void a_copied_file_goes_with_its_model(void **state)
{
    struct place *p = *state;
    struct model m = named("copy");
    struct models all;
    struct fault why = {0};
    char copy[128];
    snprintf(copy, sizeof(copy), "%s/copy.gguf", p->dir);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_COPY, &why), OK);
    assert_int_equal(access(copy, F_OK), 0);
    assert_int_equal(models_list(p->dir, &all, &why), OK);
    assert_int_equal(all.n, 1);
    assert_string_equal(all.items[0].name, "copy");
    assert_false(all.items[0].in_use);
    models_free(&all);
    int held = weights_hold(copy);
    assert_int_equal(models_list(p->dir, &all, &why), OK);
    assert_true(all.items[0].in_use);
    models_free(&all);
    assert_int_equal(model_remove(p->dir, S("copy"), &why), ERR_EXISTS);
    close(held);
    assert_int_equal(model_remove(p->dir, S("copy"), &why), OK);
    assert_int_equal(access(copy, F_OK), -1);
}

static void the_hash_decides(void **state)
{
    struct place *p = *state;
    struct model m = named("own");
    struct fault why = {0};
    memset(m.sha256, 'a', 64);
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_COPY, &why), ERR_PARSE);
    assert_non_null(strstr(why.text, "SHA-256"));
    char sha256[65];
    write_file(p->file, S("abc"));
    assert_int_equal(model_hash_file(p->file, sha256, &why), OK);
    assert_string_equal(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); /* FIPS 180-4's example */
    assert_int_equal(model_hash_file(p->root, sha256, &why), ERR_IO);
}

static void only_gguf_is_taken(void **state)
{
    struct place *p = *state;
    struct model m = named("own");
    struct fault why = {0};
    static const struct str bad[] = {{"", 0}, {"GGUF", 4}, {"GGML\3\0\0\0", 8}, {"GGUF\1\0\0\0", 8}, {"GGUF\0\0\0\3", 8}};
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        write_file(p->file, bad[i]);
        assert_int_equal(model_add(p->dir, &m, p->file, MODEL_COPY, &why), ERR_PARSE);
    }
    assert_int_equal(model_add(p->dir, &m, "/nonexistent.gguf", MODEL_COPY, &why), ERR_NOT_FOUND);
}

static void broken_descriptions_are_left_out(void **state)
{
    struct place *p = *state;
    struct model m = named("good"), back;
    struct models all;
    struct fault why = {0};
    char path[160];
    log_threshold = LOG_ERROR;
    assert_int_equal(model_add(p->dir, &m, p->file, MODEL_COPY, &why), OK);
    static const struct {
        const char *name, *text;
    } bad[] = {
        {"syntax", "{"},
        {"noname", "{\"bytes\":1}"},
        {"climbs", "{\"name\":\"climbs\",\"file\":\"../x\",\"bytes\":1,\"sha256\":\"" A_SHA "\"}"},
        {"hash", "{\"name\":\"hash\",\"file\":\"x\",\"bytes\":1,\"sha256\":\"XYZ\"}"},
        {"other", "{\"name\":\"another\",\"file\":\"x\",\"bytes\":1,\"sha256\":\"" A_SHA "\"}"},
        {"nul", "{\"name\":\"nul\",\"file\":\"x\\u0000y\",\"bytes\":1,\"sha256\":\"" A_SHA "\"}"},
        {"slots", "{\"name\":\"slots\",\"file\":\"x\",\"bytes\":1,\"parallel\":0,\"sha256\":\"" A_SHA "\"}"},
    };
    for (size_t i = 0; i < COUNTOF(bad); i++) {
        snprintf(path, sizeof(path), "%s/%s.json", p->dir, bad[i].name);
        write_file(path, str_z(bad[i].text));
        assert_int_not_equal(model_load(p->dir, str_z(bad[i].name), &back, &why), OK);
    }
    assert_int_equal(models_list(p->dir, &all, &why), OK);
    assert_int_equal(all.n, 1);
    models_free(&all);
    assert_int_equal(model_load(p->dir, S("../good"), &back, &why), ERR_BAD_REQUEST);
    assert_int_equal(models_list("/nonexistent", &all, &why), OK);
    assert_int_equal(all.n, 0);
    models_free(&all);
}

static void make_program(const char *root, const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", root, dir);
    assert_int_equal(dirs_make(path, NULL), OK);
    snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
    write_file(path, S("#!/bin/sh\n"));
    assert_int_equal(chmod(path, 0755), 0);
}

/* A path is taken as it is; a name is looked for on PATH; llama-server also in the cache, newest version first. */
static void the_command_is_found(void **state)
{
    struct place *p = *state;
    char root[PATH_MAX], want[PATH_MAX + 64];
    struct buf path;
    struct fault why = {0};
    buf_init(&path, PATH_BYTES);
    assert_non_null(realpath(p->root, root));
    setenv("PATH", root, 1);
    setenv("XDG_CACHE_HOME", root, 1);
    assert_int_equal(engine_find_command(STR_NONE, &path, &why), ERR_ENGINE);
    assert_non_null(strstr(why.text, "tools/get-engine"));
    make_program(root, "aquifer/engine/v0.9.0", "llama-server");
    make_program(root, "aquifer/engine/v0.10.0", "llama-server");
    make_program(root, "aquifer/engine/.build-x", "llama-server");
    assert_int_equal(engine_find_command(S("llama-server"), &path, &why), OK);
    snprintf(want, sizeof(want), "%s/aquifer/engine/v0.10.0/llama-server", root);
    assert_string_equal(buf_z(&path), want);
    assert_int_equal(engine_find_command(S("other-server"), &path, &why), ERR_ENGINE);
    make_program(root, ".", "llama-server");
    snprintf(want, sizeof(want), "%s/llama-server", root);
    assert_int_equal(engine_find_command(STR_NONE, &path, &why), OK);
    assert_string_equal(buf_z(&path), want);
    assert_int_equal(engine_find_command(str_z(want), &path, &why), OK);
    assert_int_equal(engine_find_command(S("/nonexistent/llama-server"), &path, &why), ERR_ENGINE);
    buf_done(&path);
}

#define MODEL_A "{\"name\":\"a\",\"file\":\"a.gguf\",\"bytes\":9,\"sha256\":\"" A_SHA "\",\"sources\":[\"hf:o/r/a.gguf\"]"

static enum err read_catalogue(const char *models, struct fault *why)
{
    struct offers all;
    char text[2000];
    snprintf(text, sizeof(text), "{\"version\":1,\"models\":[%s]}", models);
    enum err e = offers_read(S("test"), str_z(text), &all, why);
    if (e == OK) offers_free(&all);
    return e;
}

static void catalogues_are_checked(void **state)
{
    struct fault why = {0};
    assert_int_equal(read_catalogue(MODEL_A "}", &why), OK);
    assert_int_equal(read_catalogue(MODEL_A "}," MODEL_A "}", &why), ERR_BAD_REQUEST);      /* twice */
    assert_int_equal(read_catalogue(MODEL_A ",\"smaller\":\"a\"}", &why), ERR_BAD_REQUEST); /* a circle */
    assert_int_equal(read_catalogue(MODEL_A ",\"smaller\":\"b\"}", &why), ERR_BAD_REQUEST); /* unknown */
    assert_int_equal(read_catalogue(MODEL_A ",\"licens\":\"x\"}", &why), ERR_BAD_REQUEST);  /* a slip */
    assert_int_equal(
        read_catalogue("{\"name\":\"a\",\"file\":\"a.gguf\",\"bytes\":9,\"sha256\":\"" A_SHA "\",\"sources\":[]}", &why),
        ERR_BAD_REQUEST);
    assert_int_equal(read_catalogue("{\"name\":\"a\",\"file\":\"a.gguf\",\"bytes\":9,\"sha256\":\"" A_SHA
                                    "\",\"sources\":[\"http://x/\"]}",
                                    &why),
                     ERR_BAD_REQUEST);
    assert_int_equal(read_catalogue("{\"name\":\"a\",\"file\":\"/etc/x\",\"bytes\":9,\"sha256\":\"" A_SHA
                                    "\",\"sources\":[\"hf:o/r/a\"]}",
                                    &why),
                     ERR_BAD_REQUEST);
    assert_int_equal(read_catalogue("7", &why), ERR_BAD_REQUEST);
}

/* What we ship can be read, and each pinned file and template is there. */
static void our_own_catalogue_holds(void **state)
{
    struct offers all;
    struct fault why = {0};
    struct buf share;
    buf_init(&share, PATH_BYTES);
    assert_int_equal(offers_load(&all, &why), OK);
    const struct offer *first = offers_find(&all, STR_NONE);
    assert_non_null(first);
    assert_true(first->tools);
    for (size_t i = 0; i < all.n; i++) {
        const struct offer *o = &all.items[i];
        for (size_t k = 0; k < o->n_sources; k++) {
            struct str scheme, pins;
            if (!str_ends(str_z(o->sources[k]), S(".txt")) || !str_cut(str_z(o->sources[k]), ':', &scheme, &pins)) continue;
            assert_true(str_eq(scheme, S("pip")) || str_eq(scheme, S("bert")));
            assert_int_equal(engine_share_dir(&share, &why), OK);
            buf_fmt(&share, "/models/%.*s", STR_ARG(pins));
            assert_int_equal(access(buf_z(&share), R_OK), 0);
        }
        if (!o->model.template[0]) continue;
        assert_int_equal(engine_share_dir(&share, &why), OK);
        buf_fmt(&share, "/templates/%s", o->model.template);
        assert_int_equal(access(buf_z(&share), R_OK), 0);
    }
    offers_free(&all);
    buf_done(&share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(names_come_from_files),
        cmocka_unit_test_setup_teardown(a_linked_file_stays_where_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_tells_that_it_is_for_embeddings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_tells_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pooling_goes_with_embeddings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copied_file_goes_with_its_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_hash_decides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_gguf_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_descriptions_are_left_out, set_up, tear_down),
        cmocka_unit_test(catalogues_are_checked),
        cmocka_unit_test(our_own_catalogue_holds),
        cmocka_unit_test_setup_teardown(the_command_is_found, set_up, tear_down), /* last: it moves PATH */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
