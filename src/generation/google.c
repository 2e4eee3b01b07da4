/* Key files of Google's: which one a provider's tokens are fetched with, and whether it is one. Called by control before each asking,
 * by `aquifer config check` and by doctor. Owns nothing. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "generation/generation.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* Where `gcloud auth application-default login` writes to. */
static void gcloud_path(struct buf *out)
{
    const char *given = variable("CLOUDSDK_CONFIG"), *home = variable("HOME");
    buf_fmt(out, "file:%s%s/application_default_credentials.json",
            given  ? given
            : home ? home
                   : "",
            given ? "" : "/.config/gcloud");
}

bool generation_google_file(struct str service_account, enum found_source source, struct buf *ret_reference)
{
    const char *named = variable("GOOGLE_APPLICATION_CREDENTIALS");
    buf_clear(ret_reference);
    if (service_account.n) {
        buf_str(ret_reference, service_account);
        return true;
    }
    if (source == SOURCE_INSTANCE) return false;
    if (named) {
        buf_fmt(ret_reference, "file:%s", named);
        return true;
    }
    gcloud_path(ret_reference);
    return source == SOURCE_FILE || access(buf_z(ret_reference) + 5, R_OK) == 0;
}

static enum err read_and_sign(struct str reference, struct arena *a, struct google_file *ret_file, struct fault *why)
{
    struct buf text, form;
    buf_init(&text, KIB(65));
    buf_init(&form, KIB(64));
    enum err got = config_secret(reference, &text, why);
    if (got == OK) got = google_file_read(buf_view(&text), a, ret_file, why);
    if (got == OK) got = google_token_body(ret_file, clock_wall_ms(), &form, why);
    if (text.cap) OPENSSL_cleanse(text.p, text.cap);
    if (form.cap) OPENSSL_cleanse(form.p, form.cap);
    buf_done(&text);
    buf_done(&form);
    return got;
}

enum err generation_google_read(struct str reference, struct arena *a, struct google_file *ret_file, struct fault *why)
{
    struct fault what = {0};
    if (read_and_sign(reference, a, ret_file, &what) == OK) return OK;
    size_t at;
    if (str_find(str_z(what.text), reference, &at)) return FAIL(why, what.code, "%.250s", what.text);
    return FAIL(why, what.code, "Google key file %.*s: %.190s", (int)(reference.n < 100 ? reference.n : 100), reference.p,
                what.text);
}
