/* Fuzz: lines of input become path, query and fields of a request that says it is signed. What is read must lie within its
 * bounds, and checking it must end in a verdict. */
#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { FIELDS = 16 };

static size_t read_fields(struct str rest, struct http_field fields[FIELDS])
{
    struct str line;
    size_t n = 0;
    while (rest.n && n < FIELDS) {
        str_cut(rest, '\n', &line, &rest);
        str_cut(line, ':', &fields[n].name, &fields[n].value);
        n++;
    }
    return n;
}

static void check(const struct sigv4_request *r, struct sigv4_claim *c, struct buf *scratch)
{
    struct fault why = {0};
    const struct sigv4_proof proof = {{S("secret")}, c->body.n ? c->body : S(SIGV4_EMPTY_BODY), scratch};
    must(c->signature.n == SIGV4_HASH && c->scope.date.n == 8 && c->names.n);
    must(c->expires_s <= SIGV4_EXPIRES_MAX);
    enum err got = sigv4_check(c, r, &proof, &why);
    must(got == ERR_SIGNATURE_INVALID || got == ERR_SIGNATURE_FORM);
    ignore_err(sigv4_check_time(c, 0, &why));
    ignore_err(sigv4_check_body(c, r->path, &why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct http_field fields[FIELDS];
    struct sigv4_request r = {.method = S("POST"), .host = S("h")};
    struct sigv4_claim claim;
    struct buf room, scratch;
    struct str rest = str_make((const char *)data, n);
    str_cut(rest, '\n', &r.path, &rest);
    str_cut(rest, '\n', &r.query, &rest);
    r.fields = (struct http_fields){fields, read_fields(rest, fields)};
    buf_init(&room, KIB(64));
    buf_init(&scratch, KIB(64));
    if (sigv4_read(&r, &room, &claim, NULL) == OK) check(&r, &claim, &scratch);
    buf_done(&room);
    buf_done(&scratch);
    return 0;
}
