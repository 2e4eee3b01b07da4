/* Who failed, in two versions: what the log says for whoever runs this, and what the caller may know. Called by relay when a call or
 * its answer failed; sets x->fault and owns nothing. Addresses, account names and the words about our credentials stay here. */
#include "priv.h"

#define WORD_MAX 200

static struct str provider_name(const struct exchange *x) { return x->attempt.deployment->provider->name; }

/* The provider's own words; valid until gateway_loop.room is used. */
static struct str word_of(struct exchange *x)
{
    buf_clear(&x->gl->room);
    x->attempt.wire->blame(buf_view(&x->held), &x->gl->tape, &x->gl->room);
    return buf_view(&x->gl->room);
}

static struct str cut(struct str word) { return str_make(word.p, word.n > WORD_MAX ? WORD_MAX : word.n); }

void blame_answer(struct exchange *x)
{
    struct str word = cut(word_of(x));
    FAIL(&x->fault, ERR_UPSTREAM_ERROR, "the provider answered %d: %.*s", x->status, STR_ARG(word));
    buf_clear(&x->gl->room);
}

static struct str before(struct str word, struct str secret)
{
    size_t at;
    return secret.n >= 4 && str_find(word, secret, &at) ? str_make(word.p, at) : word;
}

static struct str before_any(struct str word, const struct header *headers, unsigned n)
{
    for (unsigned i = 0; i < n; i++) word = before(word, headers[i].value);
    return word;
}

/* Some servers repeat what they refuse: their words end there. */
static struct str without_secrets(const struct exchange *x, struct str word)
{
    const struct deployment *d = x->attempt.deployment;
    const struct provider *p = d->provider;
    word = before(word, p->key.value);
    word = before(word, p->aws.session_token.value);
    word = before(word, p->aws.secret_key.value);
    word = before_any(word, p->headers, p->n_headers);
    return before_any(word, d->headers, d->n_headers);
}

void blame_account(struct exchange *x)
{
    struct str name = provider_name(x), word = cut(without_secrets(x, word_of(x)));
    LOG(LOG_WARN, "credentials.refused", "the provider does not take Aquifer's credentials, or what they may do",
        F_Z("request_id", x->id), F_STR("provider", name), F_STR("model", upstream_model(x)), F_INT("status", x->status),
        F_STR("said", word));
    buf_clear(&x->gl->room);
    FAIL(
        &x->fault, ERR_UPSTREAM_AUTH,
        "the provider '%.*s' refused Aquifer's own credentials (%d); your key is fine. Whoever runs Aquifer finds the provider's "
        "words in the log (credentials.refused)",
        (int)(name.n < 64 ? name.n : 64), name.p, x->status);
}

static const struct {
    enum err code;
    const char *what; /* NULL: the HTTP client's own words, behind the address that it begins with */
} CALLS[] = {
    {ERR_UPSTREAM_DNS, "its name cannot be resolved"},
    {ERR_UPSTREAM_CONNECT, "it cannot be reached"},
    {ERR_UPSTREAM_TLS, "its certificate or its TLS is not acceptable"},
    {ERR_UPSTREAM_STALE, NULL},
    {ERR_UPSTREAM_CUT, NULL},
    {ERR_UPSTREAM_GARBAGE, NULL},
    {ERR_UPSTREAM_TOO_LARGE, NULL},
    {ERR_UPSTREAM_TIMEOUT, NULL},
};

/* "host:port: what happened" → what happened. */
static struct str without_address(struct str text)
{
    size_t colon, space;
    if (!str_find(text, S(": "), &colon)) return text;
    return str_find(str_make(text.p, colon), S(" "), &space) ? text : str_from(text, colon + 2);
}

void blame_call(struct exchange *x, const struct fault *why)
{
    struct str name = provider_name(x), words = without_address(str_z(why->text));
    LOG(LOG_INFO, "upstream.failed", why->text, F_Z("request_id", x->id), F_STR("provider", name),
        F_Z("code", err_code(why->code)));
    for (unsigned i = 0; i < COUNTOF(CALLS); i++) {
        if (CALLS[i].code != why->code) continue;
        if (CALLS[i].what) words = str_z(CALLS[i].what);
        FAIL(&x->fault, why->code, "the provider '%.*s': %.*s", (int)(name.n < 64 ? name.n : 64), name.p, STR_ARG(words));
        return;
    }
    x->fault = *why;
}
