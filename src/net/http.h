/** Requests to one HTTP server, one at a time, over a connection that stays open. With libcurl; proxies are those of
 *  https_proxy and no_proxy. Redirects are not followed, because they could carry a password to another server. */
#ifndef LINNET_NET_HTTP_H
#define LINNET_NET_HTTP_H

#include "base/text.h"

#include <stdbool.h>

enum { HTTP_ANSWER_BYTES = 4 << 20 }; /* a longer answer is an error */

typedef struct http_options {
    const char *token;           /* sent as "Authorization: Bearer"; NULL or "": none */
    const char *user, *password; /* sent if there is no token; NULL or "": those of ~/.netrc, if it has the server */
    bool anonymous;              /* neither token, user, password nor ~/.netrc is used */
    const char *ca_file;         /* certificates to trust; NULL or "": the system's */
    bool insecure;               /* certificates are not checked */
    bool (*stop)(void *context); /* asked at least once per second; true ends the request. NULL: never */
    void *context;
} http_options;

typedef struct http_request {
    const char *method; /* "GET", "POST", "PUT" */
    const char *url;
    const char *json; /* the body; NULL: none */
    const char *file; /* the body is this file, in place of json; NULL: none */
    bool once;        /* never sent twice: libcurl repeats a request if an open connection was closed meanwhile */
    double seconds;   /* limit of the whole request; 0: only a transfer that has almost stopped ends */
} http_request;

typedef struct http http;

/** Why there are no requests ("this build has no libcurl: install ..."), or NULL. */
const char *http_unavailable(void);

/** The strings of the options are borrowed. @return 0, E_NOMEM, E_UNSUPPORTED (built without libcurl) */
int http_open(http **out, const http_options *o);
/** Sends a request and appends the body of the answer. *status: of the answer, also an error's.
 *  @return 0 (there is an answer), E_IO (there is none, or it is too long), E_STOPPED, E_NOTFOUND (no such file),
 *  E_NOMEM */
int http_send(text *answer, long *status, http *h, const http_request *q);
/** NULL is allowed. */
void http_close(http *h);

#endif
