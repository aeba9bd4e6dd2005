#define _GNU_SOURCE
#include "dataset/transfer/fetch.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if LINNET_CURL
#include "dataset/transfer/fetch_s3.h"
#include "net/curl.h"
#endif

bool fetch_is_url(const char *name) {
    static const char *const scheme[] = {"http://", "https://", "s3://"};
    for (size_t i = 0; i < sizeof scheme / sizeof *scheme; i++)
        if (strncmp(name, scheme[i], strlen(scheme[i])) == 0)
            return true;
    return false;
}

#if LINNET_CURL

enum { SLICE_MS = 50, FIRST_WAIT_MS = 100, WAIT_MAX_MS = 10000, REDIRECTS_MAX = 5 };

/** A download and its current request. */
typedef struct transfer {
    const char *url;
    const fetch_target *target;
    const atomic_bool *stop;
    CURL *curl;
    char error[CURL_ERROR_SIZE];
    bool begun;          /* begin was called */
    uint64_t size;       /* of the file, or FETCH_UNKNOWN */
    uint64_t version;    /* as for begin */
    uint64_t got;        /* bytes delivered */
    bool looked;         /* the head of the current answer was read */
    uint64_t skip;       /* bytes of the current answer that were delivered before */
    double stall, moved; /* a request ends `stall` seconds after its last byte, which came at `moved` */
    curl_off_t moved_to;
    bool stalled;
    int rc; /* an error of the target, or of this file: final */
    status_saved why;
} transfer;

static const char *header(transfer *t, const char *name) {
    struct curl_header *h = NULL;
    return curl_easy_header(t->curl, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

static uint64_t version_of(transfer *t, uint64_t size) {
    const char *tag = header(t, "etag"), *time = header(t, "last-modified");
    uint64_t h = HASH_START;
    if (tag[0] != 0) {
        h = hash_bytes(h, tag, strlen(tag));
    } else {
        h = hash_bytes(h, time, strlen(time));
        h = hash_bytes(h, &size, sizeof size);
    }
    return h != 0 ? h : 1;
}

/** Reads "bytes FIRST-LAST/ALL"; ALL may be "*", which leaves *all unchanged. @return whether it is such a text */
static bool read_range(uint64_t *first, uint64_t *all, const char *s) {
    static const char unit[] = "bytes ";
    char *end = NULL;
    if (strncmp(s, unit, sizeof unit - 1) != 0)
        return false;
    s += sizeof unit - 1;
    *first = strtoull(s, &end, 10);
    if (end == s || *end != '-')
        return false;
    s = end + 1;
    strtoull(s, &end, 10);
    if (end == s)
        return false;
    if (*end == '/' && end[1] >= '0' && end[1] <= '9')
        *all = strtoull(end + 1, NULL, 10);
    return true;
}

/** Reads the head of an answer with content. */
static int look(transfer *t, long status) {
    int rc = OK;
    curl_off_t length = -1;
    uint64_t size = FETCH_UNKNOWN, first = 0;
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (status == 206) {
        size = t->size;
        if (!read_range(&first, &size, header(t, "content-range")) || first != t->got)
            return fail(E_DATA, "%s: the server sent a different range than requested", t->url);
    } else if (length >= 0) {
        size = (uint64_t)length;
    }
    uint64_t version = version_of(t, size);
    if (t->begun && (version != t->version || size != t->size))
        return fail(E_DATA, "%s changed on the server while it was downloaded: start again", t->url);
    t->skip = t->got - first;
    if (!t->begun) {
        t->size = size;
        t->version = version;
        t->begun = true;
        TRY(t->target->begin(t->target->context, size, version));
    }
done:
    return rc;
}

static int deliver(transfer *t, const char *bytes, size_t n) {
    size_t skip = t->skip < n ? (size_t)t->skip : n;
    t->skip -= skip;
    n -= skip;
    if (t->size != FETCH_UNKNOWN && n > t->size - t->got)
        return fail(E_DATA, "%s: the server sent more than the %llu bytes that it announced", t->url,
                    (unsigned long long)t->size);
    t->got += n;
    return n > 0 ? t->target->take(t->target->context, bytes + skip, n) : OK;
}

/** libcurl's callback for bytes. @return other than n: the transfer ends */
static size_t on_bytes(char *bytes, size_t unit, size_t n, void *context) {
    transfer *t = context;
    long status = 0;
    (void)unit; /* 1 */
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206)
        return n; /* the text of an error */
    if (!t->looked) {
        t->looked = true;
        t->rc = look(t, status);
    }
    if (t->rc == OK)
        t->rc = deliver(t, bytes, n);
    if (t->rc != OK)
        status_save(&t->why, t->rc);
    return t->rc == OK ? n : 0;
}

/** libcurl's callback, at least once a second. @return other than 0: the request ends */
static int on_progress(void *context, curl_off_t size, curl_off_t got, curl_off_t a, curl_off_t b) {
    transfer *t = context;
    (void)size, (void)a, (void)b;
    if (got != t->moved_to) {
        t->moved_to = got;
        t->moved = clock_seconds();
    }
    t->stalled = clock_seconds() - t->moved > t->stall;
    return t->stalled || (t->stop != NULL && atomic_load(t->stop));
}

/** What to do after an answer with an error status. @return OK to try again, E_DATA */
static int judge_status(const transfer *t, long status) {
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return fail(OK, "the server answers with status %ld", status);
    if (status == 401 || status == 403)
        return fail(E_DATA, "%s: access denied (status %ld): %s", t->url, status,
                    strncmp(t->url, "s3:", 3) == 0
                        ? "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN "
                          "and AWS_REGION, and the bucket's permissions"
                        : "check the permissions; credentials belong in ~/.netrc");
    if (status == 404 || status == 410)
        return fail(E_DATA, "%s does not exist on the server (status %ld): check the list of shards", t->url, status);
    if (status == 301 || status == 307)
        return fail(E_DATA,
                    "%s: the object is in another region or at another endpoint (status %ld): check AWS_REGION and "
                    "AWS_ENDPOINT_URL",
                    t->url, status);
    return fail(E_DATA, "%s: the server answers with status %ld", t->url, status);
}

/** What to do after a request. *whole: the file is complete. @return OK to go on, else a final error */
static int judge(bool *whole, transfer *t, CURLcode code) {
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->rc != OK)
        return status_restore(&t->why);
    if (t->stop != NULL && atomic_load(t->stop))
        return fail(E_STOPPED, "the download of %s was stopped", t->url);
    if (t->stalled)
        return fail(OK, "the server sends no data");
    if (code == CURLE_OK && (status == 200 || status == 206)) {
        if (!t->looked) { /* an empty file */
            int rc = look(t, status);
            if (rc != OK)
                return rc;
        }
        *whole = t->skip == 0 && (t->size == FETCH_UNKNOWN || t->got == t->size);
        return *whole ? OK : fail(OK, "the answer is shorter than announced");
    }
    if (code == CURLE_OK)
        return judge_status(t, status);
    if (t->begun && t->got == t->size) { /* the connection failed after the last byte */
        *whole = true;
        return OK;
    }
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return fail(E_DATA, "cannot download %s: %s", t->url, t->error[0] != 0 ? t->error : curl_easy_strerror(code));
    case CURLE_OUT_OF_MEMORY: return fail(E_NOMEM, "out of memory for downloading %s", t->url);
    default: return fail(OK, "%s", t->error[0] != 0 ? t->error : curl_easy_strerror(code));
    }
}

/** Sets the options that are the same for every request. */
static void set_options(transfer *t) {
    CURL *c = t->curl;
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 1L << 18);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
}

/** One request for what is missing. */
static int request(bool *whole, transfer *t) {
    char range[32];
    snprintf(range, sizeof range, "%llu-", (unsigned long long)t->got);
    curl_easy_setopt(t->curl, CURLOPT_RANGE, t->got > 0 ? range : NULL);
    t->error[0] = 0;
    t->looked = t->stalled = false;
    t->skip = 0;
    t->moved = clock_seconds();
    t->moved_to = 0;
    return judge(whole, t, curl_easy_perform(t->curl));
}

/** Waits before a further request, in slices, so that `stop` ends the wait. */
static void wait_for(const transfer *t, long ms) {
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
    for (; ms > 0 && (t->stop == NULL || !atomic_load(t->stop)); ms -= SLICE_MS)
        nanosleep(&slice, NULL);
}

static int transfer_all(transfer *t, double timeout) {
    int rc = OK;
    bool whole = false;
    double last = clock_seconds();
    long wait = FIRST_WAIT_MS;
    for (;;) {
        uint64_t before = t->got;
        TRY(request(&whole, t));
        if (whole)
            break;
        if (t->got > before) {
            last = clock_seconds();
            wait = FIRST_WAIT_MS;
        }
        if (clock_seconds() - last >= timeout) {
            rc = fail_context(E_DATA, "cannot download %s: no data for %.0f s, in spite of retries", t->url, timeout);
            goto done;
        }
        log_info("%s: %s; trying again from byte %llu", t->url, status_message(), (unsigned long long)t->got);
        wait_for(t, wait);
        wait = wait * 2 < WAIT_MAX_MS ? wait * 2 : WAIT_MAX_MS;
    }
done:
    return rc;
}

int fetch(const char *url, double timeout, const atomic_bool *stop, const fetch_target *target) {
    int rc = OK;
    struct curl_slist *headers = NULL;
    transfer t = {.url = url, .target = target, .stop = stop, .size = FETCH_UNKNOWN};
    t.stall = timeout < 120 ? timeout / 4 : 30;
    TRY(curl_open(&t.curl, t.error, t.stall));
    set_options(&t);
    if (strncmp(url, "s3://", 5) == 0) {
        TRY(fetch_s3_prepare(t.curl, &headers, url));
    } else {
        curl_easy_setopt(t.curl, CURLOPT_URL, url);
        curl_easy_setopt(t.curl, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    }
    TRY(transfer_all(&t, timeout));
done:
    curl_easy_cleanup(t.curl);
    curl_slist_free_all(headers);
    return rc;
}

#else

int fetch(const char *url, double timeout, const atomic_bool *stop, const fetch_target *target) {
    (void)timeout, (void)stop, (void)target;
    return fail(E_UNSUPPORTED,
                "%s: this build cannot download: install libcurl4-openssl-dev (7.85 or later) and build again", url);
}

#endif
