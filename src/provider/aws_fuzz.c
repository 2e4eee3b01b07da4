/* Fuzz: the first byte says what the rest is: a credentials file, an answer in JSON or of STS, or an address. What is taken
 * is fit to sign with. */
#include "provider/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum err read_any(uint8_t kind, struct str text, struct arena *a, struct found *f, struct fault *why)
{
    if (kind % 4 == 0) return aws_profile_read(text, S("default"), a, f, why);
    if (kind % 4 == 1) return aws_json_read(text, a, f, why);
    if (kind % 4 == 2) return aws_sts_read(text, a, f, why);
    if (source_url_is_allowed(text)) must(str_starts(text, S("https://")) || str_starts(text, S("http://")));
    return ERR_CONFIG;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct found f;
    struct fault why = {0};
    if (n < 1) return 0;
    arena_init(&a, KIB(1), KIB(64));
    if (read_any(data[0], str_make((const char *)data + 1, n - 1), &a, &f, &why) == OK) {
        must(f.access_key.n && f.secret_key.value.n && f.secret_key.value.n <= SIGV4_SECRET_MAX);
        must(http_field_value_is_valid(f.access_key) && http_field_value_is_valid(f.token.value));
        must(found_refresh_ms(&f, 0) >= 1000);
    }
    arena_done(&a);
    return 0;
}
