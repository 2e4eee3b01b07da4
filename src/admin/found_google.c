/* Asks Google's sources of access tokens: a key file (of a service account or of gcloud's) at its token server, or the metadata
 * server of GCE, GKE and Cloud Run. What they say is known by provider/google.c. Runs on a pool thread. */
#include <stdio.h>

#include "admin/priv.h"

#define METADATA "169.254.169.254"
#define TOKEN_PATH "/computeMetadata/v1/instance/service-accounts/default/token"

/* Which source it was, before what it said. */
static enum err tell(enum err got, const char *source, const struct fault *what, struct fault *why)
{
    return got == OK ? OK : FAIL(why, got, "%.90s: %.150s", source, what->text);
}

/* ---- a key file ------------------------------------------------------------------------------------------------------------ */

static enum err exchange_file(struct found_account *a, const struct google_file *f, struct fault *why)
{
    struct buf body, answer;
    char url[600];
    int status = 0;
    const struct http_field fields[] = {{S("content-type"), S("application/x-www-form-urlencoded")}};
    snprintf(url, sizeof url, "%.*s", STR_ARG(f->token_uri));
    buf_init(&body, KIB(64));
    buf_init(&answer, KIB(1));
    enum err got = google_token_body(f, clock_wall_ms(), &body, why);
    const struct question q = {"POST", url, {fields, COUNTOF(fields)}, buf_view(&body), NULL};
    if (got == OK) got = found_answer(&q, &status, &answer, why);
    if (got == OK) got = google_token_read(status, buf_view(&answer), clock_wall_ms(), &a->arena, &a->found, why);
    found_wipe(&body);
    found_wipe(&answer);
    return got;
}

static enum err from_file(struct found_account *a, struct buf *reference, struct fault *why)
{
    struct google_file f;
    struct fault what = {0};
    TRY(generation_google_read(buf_view(reference), &a->arena, &f, why));
    TRY(tell(exchange_file(a, &f, &what), buf_z(reference), &what, why));
    a->found.access_key = f.account;
    return OK;
}

/* ---- the metadata server --------------------------------------------------------------------------------------------------- */

static enum err ask_metadata(struct found_account *a, const char *url, struct fault *why)
{
    struct buf answer;
    int status;
    const struct http_field fields[] = {{S("metadata-flavor"), S("Google")}};
    const struct question q = {"GET", url, {fields, COUNTOF(fields)}, STR_NONE, "Google"};
    enum err got = found_answer(&q, &status, &answer, why);
    if (got == OK && status == 404)
        got = FAIL(why, ERR_CONFIG, "it has no service account: give the machine or the pod one, or name a key file");
    if (got == OK) got = google_token_read(status, buf_view(&answer), clock_wall_ms(), &a->arena, &a->found, why);
    found_wipe(&answer);
    return got;
}

/* GCE_METADATA_HOST as Google's own libraries have it: a host with or without a port, here an address only. */
static enum err from_metadata(struct found_account *a, struct fault *why)
{
    struct fault what = {0};
    char url[512];
    const char *given = found_variable("GCE_METADATA_HOST");
    snprintf(url, sizeof url, "http://%.300s" TOKEN_PATH, given ? given : METADATA);
    return tell(ask_metadata(a, url, &what), "Google's metadata server", &what, why);
}

enum err found_ask_google(struct found_account *a, struct fault *why)
{
    struct buf reference;
    buf_init(&reference, KIB(8));
    bool file = generation_google_file(str_z(a->service_account), a->source, &reference);
    enum err got = file ? from_file(a, &reference, why) : from_metadata(a, why);
    buf_done(&reference);
    return got;
}
