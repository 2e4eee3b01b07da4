/* Fuzz: the first byte says what the rest is: an answer with or without status 200, or a credential for a form. What is taken is fit
 * for a header field, and told apart from a key. */
#include "provider/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void take_answer(int status, struct str text, struct arena *a)
{
    struct found f;
    struct fault why = {0};
    if (entra_token_read(status, text, 1700000000000, a, &f, &why) != OK) return;
    must(status == 200 && str_starts(f.token.value, S("eyJ")) && http_field_value_is_valid(f.token.value));
    must(f.expires_ms > 1700000000000 && found_refresh_ms(&f, 1700000000000) >= 1000);
}

/* tenant, line end, client id, line end, secret, line end, federated token */
static void take_app(struct str text)
{
    struct entra_app e = {.cloud = entra_cloud_of(text)};
    struct str rest;
    struct buf form;
    str_cut(text, '\n', &e.tenant, &rest);
    str_cut(rest, '\n', &e.client_id, &rest);
    str_cut(rest, '\n', &e.secret.value, &e.assertion.value);
    if (entra_app_check(&e, NULL) != OK) return;
    must(!memchr(e.tenant.p, '/', e.tenant.n) && !memchr(e.client_id.p, '\r', e.client_id.n));
    buf_init(&form, KIB(128));
    entra_token_body(&e, &form);
    must(!form.over && !memchr(form.p, '\r', form.n));
    buf_done(&form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    if (n < 1) return 0;
    struct str text = str_make((const char *)data + 1, n - 1);
    arena_init(&a, KIB(1), KIB(64));
    if (data[0] % 4 == 3) take_app(text);
    else take_answer(data[0] & 2 ? 200 : 400, text, &a);
    arena_done(&a);
    return 0;
}
