#include "net/http.h"

#include "base/memory.h"
#include "base/status.h"
#include "net/curl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#if LINNET_CURL
#include <pthread.h>

enum { CONNECT_SECONDS = 10, STALL_SECONDS = 30, STALL_BYTES = 100 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;
static void start_curl(void) { ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK; }

void curl_set_common(CURL *c, char error[CURL_ERROR_SIZE], double seconds) {
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_USERAGENT, "linnet");
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(seconds * 1000));
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L); /* the end of a run does not wait for a name that is being resolved */
#endif
}

int curl_open(CURL **out, char error[CURL_ERROR_SIZE], double seconds) {
    pthread_once(&once, start_curl);
    *out = ready ? curl_easy_init() : NULL;
    if (*out == NULL)
        return fail(E_NOMEM, "libcurl cannot start: out of memory");
    curl_set_common(*out, error, seconds);
    return OK;
}

struct http {
    CURL *curl;
    struct curl_slist *headers;
    http_options o;
    char error[CURL_ERROR_SIZE];
    text *answer; /* of the current request */
    bool too_long;
};

const char *http_unavailable(void) { return NULL; }

int http_open(http **out, const http_options *o) {
    static const char *const header[] = {"Content-Type: application/json", "Expect:"};
    http *h = NULL;
    int rc = OK;
    TRY(memory_zeroed(&h, 1, sizeof *h));
    h->o = *o;
    TRY(curl_open(&h->curl, h->error, CONNECT_SECONDS));
    for (int i = 0; i < 2; i++) {
        struct curl_slist *longer = curl_slist_append(h->headers, header[i]);
        if (longer == NULL) {
            rc = fail(E_NOMEM, "out of memory for a request");
            goto done;
        }
        h->headers = longer;
    }
    *out = h;
    h = NULL; /* now owned by the caller */
done:
    http_close(h);
    return rc;
}

void http_close(http *h) {
    if (h == NULL)
        return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    free(h);
}

/** libcurl's callback for bytes. @return other than n: the request ends */
static size_t on_bytes(char *bytes, size_t unit, size_t n, void *context) {
    http *h = context;
    (void)unit; /* 1 */
    h->too_long = h->answer->n + n > HTTP_ANSWER_BYTES;
    return !h->too_long && text_append(h->answer, bytes, n) == OK ? n : 0;
}

/** libcurl's callback, at least once per second. @return other than 0: the request ends */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const http *h = context;
    (void)a, (void)b, (void)c, (void)d;
    return h->o.stop != NULL && h->o.stop(h->o.context);
}

static bool given(const char *s) { return s != NULL && s[0] != 0; }

static void set_credentials(http *h) {
    CURL *c = h->curl;
    if (h->o.anonymous) {
        curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    } else if (given(h->o.token)) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c, CURLOPT_XOAUTH2_BEARER, h->o.token);
    } else if (given(h->o.user)) {
        curl_easy_setopt(c, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(c, CURLOPT_USERNAME, h->o.user);
        curl_easy_setopt(c, CURLOPT_PASSWORD, h->o.password != NULL ? h->o.password : "");
    } else {
        curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    }
    if (given(h->o.ca_file))
        curl_easy_setopt(c, CURLOPT_CAINFO, h->o.ca_file);
    if (h->o.insecure) {
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

/** Opens the file of the body. *file is NULL without one. */
static int set_body(FILE **file, http *h, const http_request *q) {
    CURL *c = h->curl;
    struct stat st;
    *file = NULL;
    if (q->file == NULL) {
        if (q->json != NULL)
            curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->json);
        curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
        return OK;
    }
    *file = fopen(q->file, "re");
    if (*file == NULL || fstat(fileno(*file), &st) != 0)
        return fail_errno(errno, "cannot read %s", q->file);
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_READDATA, *file);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers->next); /* "Expect:" alone */
    return OK;
}

static void set_options(http *h, const http_request *q) {
    CURL *c = h->curl;
    curl_set_common(c, h->error, CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_URL, q->url);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, q->once ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(q->seconds * 1000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    set_credentials(h);
}

static int check_result(const http *h, CURLcode code) {
    if (code == CURLE_OK)
        return OK;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return fail(E_STOPPED, "the request was stopped");
    if (h->too_long)
        return fail(E_IO, "the answer of the server is longer than %d MiB", HTTP_ANSWER_BYTES >> 20);
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR)
        return fail(E_NOMEM, "out of memory for a request");
    return fail(E_IO, "%s", h->error[0] != 0 ? h->error : curl_easy_strerror(code));
}

int http_send(text *answer, long *status, http *h, const http_request *q) {
    FILE *file = NULL;
    int rc = OK;
    curl_easy_reset(h->curl);
    h->answer = answer;
    h->too_long = false;
    h->error[0] = 0;
    set_options(h, q);
    TRY(set_body(&file, h, q));
    if (file == NULL)
        curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, q->method);
    TRY(check_result(h, curl_easy_perform(h->curl)));
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, status);
done:
    if (file != NULL)
        fclose(file);
    return rc;
}

#else

const char *http_unavailable(void) {
    return "this build has no libcurl: install libcurl4-openssl-dev (7.85 or later) and rebuild";
}

int http_open(http **out, const http_options *o) {
    (void)out, (void)o;
    return fail(E_UNSUPPORTED, "%s", http_unavailable());
}

int http_send(text *answer, long *status, http *h, const http_request *q) {
    (void)answer, (void)status, (void)h, (void)q;
    return fail(E_UNSUPPORTED, "%s", http_unavailable());
}

void http_close(http *h) { (void)h; }

#endif
