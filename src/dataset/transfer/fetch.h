/** Downloads of whole files by http, https and s3, with libcurl. A connection that fails, stalls or ends early is
 *  repeated with growing waits (0.1 s, 0.2 s ... 10 s) and continued by a range request, until `timeout` seconds have
 *  passed without a byte. So are the statuses 408, 425, 429 and 5xx; other errors of the server are final.
 *
 *  s3://BUCKET/KEY is read from AWS_ENDPOINT_URL, else from Amazon in AWS_REGION (AWS_DEFAULT_REGION, us-east-1). With
 *  AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) requests have AWS Signature Version 4. */
#ifndef LINNET_DATASET_TRANSFER_FETCH_H
#define LINNET_DATASET_TRANSFER_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FETCH_UNKNOWN UINT64_MAX /* a size that the server does not tell */

/** The receiver of a file. */
typedef struct fetch_target {
    /** Called once, before the first byte. size: of the whole file, or FETCH_UNKNOWN; version: a hash of the server's
     *  ETag, else of Last-Modified and size; never 0. */
    int (*begin)(void *context, uint64_t size, uint64_t version);
    /** The next n bytes; each byte of the file once. */
    int (*take)(void *context, const void *bytes, size_t n);
    void *context;
} fetch_target;

/** Whether the name begins with http://, https:// or s3://. */
bool fetch_is_url(const char *name);

/** Downloads `url`. stop (may be NULL): ends the download soon after it becomes true.
 *  @return 0; E_DATA (refused by the server, changed during the download, or no progress for `timeout` seconds);
 *  E_OPTION (not a valid URL); E_STOPPED; E_NOMEM; E_UNSUPPORTED (a build without libcurl); or the target's code */
int fetch(const char *url, double timeout, const atomic_bool *stop, const fetch_target *target);

#endif
