/** What all users of libcurl share, in builds that have it. */
#ifndef LINNET_NET_CURL_H
#define LINNET_NET_CURL_H

#if LINNET_CURL
#include <curl/curl.h>

/** A handle without a request: http and https only, no signals, a connection within `seconds`. error: receives
 * libcurl's messages, and must live as long as the handle. Starts libcurl at the first call. Thread-safe.
 *  @return 0 or E_NOMEM; release *out by curl_easy_cleanup */
int curl_open(CURL **out, char error[CURL_ERROR_SIZE], double seconds);
/** Sets the options of curl_open; after curl_easy_reset. */
void curl_set_common(CURL *curl, char error[CURL_ERROR_SIZE], double seconds);
#endif

#endif
