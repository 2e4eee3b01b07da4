/* What the tests of targets share: a request read in one format and written for another, and rows of what must be in it. */
#pragma once

#include "wire/test.h"

#define TURN "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define CHAT_TOOL(name, rest) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"" rest "}}"
#define CHAT_WITH(tool) "{\"model\":\"m\"," TURN ",\"tools\":[" tool "]}"
#define MESSAGES_WITH(tool) "{\"model\":\"m\",\"max_tokens\":9," TURN ",\"tools\":[" tool "]}"
#define RESPONSES_WITH(tool) "{\"model\":\"m\",\"input\":\"hi\",\"tools\":[" tool "]}"
#define GEMINI_WITH(tool) "{\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],\"tools\":[{\"functionDeclarations\":[" tool "]}]}"
#define CHAT_SCHEMA(schema)                                                                                                      \
    "{\"model\":\"m\"," TURN ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":" schema \
    "}}}"
#define A100 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"

UNUSED static struct str told(struct bench *b, unsigned f, unsigned g, struct str body, const struct wire_target *more,
                              struct wire_name **ret_names)
{
    struct chat c = {.arena = &b->arena, .source = body};
    struct buf out;
    const struct wire_target to = {.model = S("m"),
                                   .origin = {g == WIRE_BEDROCK_CONVERSE ? S("anthropic") : str_z(ops_of(g)->family), 7},
                                   .max_output = 4096,
                                   .manners = more ? more->manners : NULL,
                                   .as_it_goes = more && more->as_it_goes,
                                   .quirks = more ? more->quirks : 0,
                                   .losses = &b->losses,
                                   .tape = &b->tape,
                                   .memo = &b->arena};
    b->losses = (struct chat_losses){0};
    buf_init(&out, MIB(8));
    enum err e = json_scan(&b->tape, body, NULL, &b->why);
    if (e == OK) e = translator_of(f)->read_request(&b->tape, &c, &b->why);
    if (e == OK) e = wire_adapt(&c, (enum wire_format)g, &to, ret_names, &b->why);
    if (e == OK) e = translator_of(g)->write_request(&c, &to, &out, &b->why);
    if (e == OK) e = chat_account(&c, "it", &b->why);
    if (e == OK) return keep(b, &out);
    buf_done(&out);
    return STR_NONE;
}

UNUSED static struct str through(struct bench *b, unsigned f, unsigned g, struct str body, struct wire_name **ret_names)
{
    return told(b, f, g, body, NULL, ret_names);
}

struct row {
    unsigned from, to;
    const char *body;
    const char *has[4], *lacks[2];
    enum chat_loss loss; /* counted `lost` times */
    unsigned lost;
};

UNUSED static void hold(const struct row *rows, size_t n, const struct wire_target *more)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct bench b;
        struct wire_name *names;
        size_t at;
        bench_start(&b);
        struct str out = told(&b, r->from, r->to, str_z(r->body), more, &names);
        if (!out.p) fail_msg("%s: %s", r->body, b.why.text);
        for (unsigned k = 0; k < 4 && r->has[k]; k++)
            if (!str_find(out, str_z(r->has[k]), &at)) fail_msg("row %zu: %s is not in %.*s", i, r->has[k], STR_ARG(out));
        for (unsigned k = 0; k < 2 && r->lacks[k]; k++)
            if (str_find(out, str_z(r->lacks[k]), &at)) fail_msg("row %zu: %s is in %.*s", i, r->lacks[k], STR_ARG(out));
        if (b.losses.n[r->loss] != r->lost) fail_msg("row %zu: %u times %s", i, b.losses.n[r->loss], chat_loss_word(r->loss));
        bench_stop(&b);
    }
}
