#define _GNU_SOURCE
#include "dataset/transfer/fetch_s3.h"

#if LINNET_CURL
#include "base/status.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL ? value : "";
}

static const char *region(void) {
    const char *name = variable("AWS_REGION");
    if (name[0] == 0)
        name = variable("AWS_DEFAULT_REGION");
    return name[0] != 0 ? name : "us-east-1";
}

/** Appends an object's key: other bytes than these are written as %XX. Source: AWS, "Signature Calculations for the
 *  Authorization Header", UriEncode. */
static int append_key(text *t, const char *key) {
    int rc = OK;
    for (; *key != 0; key++)
        TRY(text_printf(t, isalnum((unsigned char)*key) || strchr("-_.~/", *key) != NULL ? "%c" : "%%%02X",
                        (unsigned char)*key));
done:
    return rc;
}

/** The address of an object: below the endpoint, or at Amazon. A bucket's name with a dot does not fit into the
 *  certificates of bucket.s3.amazonaws.com. */
static int append_address(text *t, const char *url) {
    int rc = OK;
    const char *bucket = url + strlen("s3://"), *slash = strchr(bucket, '/'), *endpoint = variable("AWS_ENDPOINT_URL");
    if (slash == NULL || slash == bucket || slash[1] == 0)
        return fail(E_OPTION, "%s: expected s3://BUCKET/KEY", url);
    int n = (int)(slash - bucket), end = (int)strlen(endpoint);
    while (end > 0 && endpoint[end - 1] == '/')
        end--;
    if (end > 0)
        TRY(text_printf(t, "%.*s/%.*s", end, endpoint, n, bucket));
    else if (memchr(bucket, '.', (size_t)n) != NULL)
        TRY(text_printf(t, "https://s3.%s.amazonaws.com/%.*s", region(), n, bucket));
    else
        TRY(text_printf(t, "https://%.*s.s3.%s.amazonaws.com", n, bucket, region()));
    TRY(append_key(t, slash));
done:
    return rc;
}

static int add_header(struct curl_slist **headers, const char *header) {
    struct curl_slist *longer = curl_slist_append(*headers, header);
    if (longer == NULL)
        return fail(E_NOMEM, "out of memory for a request");
    *headers = longer;
    return OK;
}

/** Without a key the request is anonymous, which public buckets accept. S3 requires the hash of the body, which is
 * empty here; libcurl sends it by itself from version 8 on only. */
static int sign(CURL *curl, struct curl_slist **headers) {
    int rc = OK;
    text provider = {0}, header = {0};
    const char *id = variable("AWS_ACCESS_KEY_ID"), *secret = variable("AWS_SECRET_ACCESS_KEY"),
               *token = variable("AWS_SESSION_TOKEN");
    if (id[0] == 0)
        return OK;
    if (secret[0] == 0)
        return fail(E_OPTION, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
    curl_easy_setopt(curl, CURLOPT_USERNAME, id);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, secret);
    TRY(text_printf(&provider, "aws:amz:%s:s3", region()));
    if (curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, text_string(&provider)) != CURLE_OK) {
        rc = fail(E_UNSUPPORTED, "the installed libcurl cannot sign requests for S3");
        goto done;
    }
    TRY(add_header(headers, "x-amz-content-sha256: " EMPTY_SHA256));
    if (token[0] != 0) {
        TRY(text_printf(&header, "x-amz-security-token: %s", token));
        TRY(add_header(headers, text_string(&header)));
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
done:
    text_deinit(&provider);
    text_deinit(&header);
    return rc;
}

int fetch_s3_prepare(CURL *curl, struct curl_slist **headers, const char *url) {
    int rc = OK;
    text t = {0};
    TRY(append_address(&t, url));
    curl_easy_setopt(curl, CURLOPT_URL, text_string(&t));
    TRY(sign(curl, headers));
done:
    text_deinit(&t);
    return rc;
}
#endif
