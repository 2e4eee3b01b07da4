/* Fuzz: the first byte says what the rest is: a key file of Google's, or an answer of its token server. What is taken is fit for a
 * header field and a form. */
#include "provider/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void take_file(struct str text, struct arena *a)
{
    struct google_file f;
    struct buf form;
    if (google_file_read(text, a, &f, NULL) != OK) return;
    must(source_url_is_allowed(f.token_uri));
    must((f.private_key.value.n > 0) != (f.user_token.value.n > 0));
    buf_init(&form, KIB(64));
    if (google_token_body(&f, 1700000000000, &form, NULL) == OK) must(str_starts(buf_view(&form), S("grant_type=")));
    buf_done(&form);
}

static void take_answer(int status, struct str text, struct arena *a)
{
    struct found f;
    if (google_token_read(status, text, 1700000000000, a, &f, NULL) != OK) return;
    must(status == 200 && f.token.value.n > 0 && http_field_value_is_valid(f.token.value));
    must(f.expires_ms > 1700000000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    if (n < 1) return 0;
    struct str text = str_make((const char *)data + 1, n - 1);
    arena_init(&a, KIB(1), KIB(64));
    if (data[0] % 2) take_file(text, &a);
    else take_answer(data[0] & 2 ? 200 : 400, text, &a);
    arena_done(&a);
    return 0;
}
