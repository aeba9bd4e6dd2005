/** Requests for objects of S3, in builds with libcurl. */
#ifndef LINNET_DATASET_TRANSFER_FETCH_S3_H
#define LINNET_DATASET_TRANSFER_FETCH_S3_H

#if LINNET_CURL
#include <curl/curl.h>

/** Sets address and signature of a request for s3://BUCKET/KEY, from the environment (fetch.h). *headers is passed on
 *  to the request: the caller frees it after the request. @return 0, E_OPTION, E_NOMEM */
int fetch_s3_prepare(CURL *curl, struct curl_slist **headers, const char *url);
#endif

#endif
