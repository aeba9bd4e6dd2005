/* The functions of web_server.h in a build without libmicrohttpd. */
#include "telemetry/web_server.h"

#include "base/status.h"

const char *web_unavailable(void) { return "this build has no libmicrohttpd: install libmicrohttpd-dev and rebuild"; }

int web_open(web_server **out, const char *address, int port) {
    (void)out, (void)address;
    return fail(E_UNSUPPORTED, "cannot serve port %d: %s", port, web_unavailable());
}

int web_start(web_server *s) {
    (void)s;
    return 0;
}

int web_put(web_server *s, web_part part, const char *bytes, size_t n) {
    (void)s, (void)part, (void)bytes, (void)n;
    return 0;
}

int web_page_file(web_server *s, const char *path) {
    (void)s, (void)path;
    return 0;
}

void web_close(web_server *s) { (void)s; }
