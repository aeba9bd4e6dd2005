/** Serves the progress of a run over HTTP: /metrics for Prometheus, /progress.json, and / as a page that reloads
 * itself. A thread of its own, of the lowest priority, answers. At most WEB_CONNECTIONS are open at a time; one that is
 * silent for WEB_SECONDS is closed; a file is not held in memory. There is no access control: whoever reaches the
 * address may read. */
#ifndef LINNET_TELEMETRY_WEB_SERVER_H
#define LINNET_TELEMETRY_WEB_SERVER_H

#include <stddef.h>

enum { WEB_CONNECTIONS = 16, WEB_SECONDS = 10, WEB_RELOAD_SECONDS = 10 };

typedef enum web_part {
    WEB_METRICS,  /* Prometheus' text format */
    WEB_PROGRESS, /* JSON */
    WEB_STATUS,   /* HTML, inserted after <body> of the page */
    WEB_PAGE,     /* an HTML document, shown until web_page_file */
    WEB_PARTS
} web_part;

typedef struct web_server web_server;

/** Why there is no server ("this build has no libmicrohttpd: install ..."), or NULL. */
const char *web_unavailable(void);

/** Listens at an address (a number, in brackets or not, or a name) and port (1 to 65535). All parts are empty. Clients
 * wait until web_start.
 *  @return 0, E_OPTION (not an address of this machine), E_IO (the port is in use, or not allowed), E_NOMEM,
 *  E_UNSUPPORTED (built without libmicrohttpd) */
int web_open(web_server **out, const char *address, int port);

/** Starts the thread. @return 0 or E_DEVICE (no thread; call web_close) */
int web_start(web_server *s);

/** Replaces a part by a copy of n bytes, without waiting for the thread. @return
 * 0 or E_NOMEM (the old part remains) */
int web_put(web_server *s, web_part part, const char *bytes, size_t n);

/** From now on the page is this file, read for each request; WEB_PAGE if it cannot be read. @return 0 or E_NOMEM */
int web_page_file(web_server *s, const char *path);

/** Closes all connections and ends the thread. NULL is allowed. */
void web_close(web_server *s);

#endif
