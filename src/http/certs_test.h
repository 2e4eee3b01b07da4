/* For the tests of this room: authorities and certificates made on the spot, written to files of a directory that is
 * removed at the end. */
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/test.h"

struct cert {
    X509 *x509;
    EVP_PKEY *key;
    char cert_file[80], key_file[80];
};

static char certs_dir[40];

UNUSED static void certs_open(void)
{
    snprintf(certs_dir, sizeof certs_dir, P_tmpdir "/aquifer-certs-XXXXXX");
    assert_non_null(mkdtemp(certs_dir));
}

UNUSED static void certs_close(void) { assert_int_equal(rmdir(certs_dir), 0); }

UNUSED static void add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

UNUSED static void write_files(struct cert *c, const char *name)
{
    snprintf(c->cert_file, sizeof c->cert_file, "%s/%s.pem", certs_dir, name);
    snprintf(c->key_file, sizeof c->key_file, "%s/%s.key", certs_dir, name);
    FILE *f = fopen(c->cert_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, c->x509), 1);
    fclose(f);
    f = fopen(c->key_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
}

/* names NULL: an authority. Otherwise "DNS:localhost,IP:127.0.0.1". by NULL: signs itself. days < 0: expired. */
UNUSED static void cert_make(struct cert *c, const char *name, const char *names, const struct cert *by, int days)
{
    static long serial;
    *c = (struct cert){.x509 = X509_new(), .key = EVP_EC_gen("P-256")};
    assert_true(c->x509 && c->key);
    X509_set_version(c->x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c->x509), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c->x509), -86400L * 30);
    X509_gmtime_adj(X509_getm_notAfter(c->x509), 86400L * days);
    X509_NAME *subject = X509_get_subject_name(c->x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c->x509, by ? X509_get_subject_name(by->x509) : subject);
    X509_set_pubkey(c->x509, c->key);
    add_extension(c->x509, NID_basic_constraints, names ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (names) add_extension(c->x509, NID_subject_alt_name, names);
    assert_true(X509_sign(c->x509, by ? by->key : c->key, EVP_sha256()) > 0);
    write_files(c, name);
}

UNUSED static void cert_free(struct cert *c)
{
    unlink(c->cert_file);
    unlink(c->key_file);
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
}
