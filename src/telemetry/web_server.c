#define _GNU_SOURCE
#include "telemetry/web_server.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)256 << 20)
#define NOT_AN_ADDRESS "%s is not an address of this machine%s: give 127.0.0.1, 0.0.0.0 or one that `ip address` lists"
enum { BACKLOG = 16, MEMORY_PER_CONNECTION = 32 << 10, UNPRIVILEGED = 1024 };

/* A part, or the path of the page's file. */
typedef struct content {
    size_t n;
    char bytes[]; /* n bytes and a 0 */
} content;
enum { PAGE_FILE = WEB_PARTS, CONTENTS };

/* The training hands contents over by an atomic exchange: with a lock it would wait for a thread of the lowest
 * priority. */
struct web_server {
    int listener; /* -1: none; owned by the daemon once that is started */
    struct MHD_Daemon *daemon;
    content *next[CONTENTS]; /* the newest, not yet taken by the thread of the server; exchanged atomically */
    content *now[CONTENTS];  /* of the thread of the server */
};

const char *web_unavailable(void) { return NULL; }

/* ---- the thread of the server ---- */

/* The newest content; NULL: none yet. Valid until the next call. */
static const content *take(web_server *s, int which) {
    content *next = __atomic_exchange_n(&s->next[which], NULL, __ATOMIC_ACQ_REL);
    if (next != NULL) {
        free(s->now[which]);
        s->now[which] = next;
    }
    return s->now[which];
}

/* Copies a part. */
static int take_part(text *out, web_server *s, web_part part) {
    const content *c = take(s, (int)part);
    return c != NULL ? text_append(out, c->bytes, c->n) : text_append(out, "", 0);
}

/* The page without the status: the file, or the part. */
static int take_page(text *out, web_server *s) {
    const content *path = take(s, PAGE_FILE);
    unsigned char *bytes = NULL;
    size_t n = 0;
    if (path == NULL || file_read(&bytes, &n, path->bytes, PAGE_BYTES) != OK)
        return take_part(out, s, WEB_PAGE);
    int rc = text_append(out, bytes, n);
    free(bytes);
    return rc;
}

static int make_page(text *out, web_server *s) {
    static const char body[] = "<body>\n";
    text page = {0}, status = {0};
    int rc = OK;
    TRY(take_page(&page, s));
    TRY(take_part(&status, s, WEB_STATUS));
    const char *whole = text_string(&page), *at = strstr(whole, body);
    size_t before = at == NULL ? page.n : (size_t)(at - whole) + sizeof body - 1;
    TRY(text_append(out, whole, before));
    TRY(text_append(out, text_string(&status), status.n));
    TRY(text_append(out, whole + before, page.n - before));
done:
    text_deinit(&page);
    text_deinit(&status);
    return rc;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned code, const char *type, text *body) {
    struct MHD_Response *r = MHD_create_response_from_buffer(body->n, body->data, MHD_RESPMEM_MUST_FREE);
    if (r == NULL) {
        text_deinit(body);
        return MHD_NO; /* closes the connection */
    }
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", WEB_RELOAD_SECONDS);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (strncmp(type, "text/html", 9) == 0)
        MHD_add_response_header(r, "Refresh", seconds);
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result done = MHD_queue_response(c, code, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result refuse(struct MHD_Connection *c, unsigned code, const char *why) {
    text body = {0};
    return text_printf(&body, "%s\n", why) == OK ? answer(c, code, "text/plain; charset=utf-8", &body) : MHD_NO;
}

/* MHD_AccessHandlerCallback. */
static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *data_n, /* NOLINT(readability-non-const-parameter) */
                              void **request) {
    static _Thread_local bool lowered;
    web_server *s = context;
    text body = {0};
    const char *type = NULL;
    int rc = OK;
    (void)version, (void)data, (void)data_n, (void)request;
    if (!lowered) /* on Linux: of this thread alone */
        lowered = setpriority(PRIO_PROCESS, (id_t)gettid(), 19) == 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are allowed");
    if (strcmp(url, "/metrics") == 0) {
        type = "text/plain; version=0.0.4; charset=utf-8";
        rc = take_part(&body, s, WEB_METRICS);
    } else if (strcmp(url, "/progress.json") == 0) {
        type = "application/json";
        rc = take_part(&body, s, WEB_PROGRESS);
    } else if (strcmp(url, "/") == 0) {
        type = "text/html; charset=utf-8";
        rc = make_page(&body, s);
    } else {
        return refuse(c, MHD_HTTP_NOT_FOUND, "not found: there are /, /metrics and /progress.json");
    }
    if (rc == OK)
        return answer(c, MHD_HTTP_OK, type, &body);
    text_deinit(&body);
    return MHD_NO;
}

/* ---- the thread of the training ---- */

/* The socket, or -1 and errno. SO_REUSEADDR, because a restarted run takes the port of its predecessor. */
static int listen_to(const struct addrinfo *a) {
    int on = 1, fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, a->ai_addr, a->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int cannot_listen(int error, const char *address, int port) {
    if (error == EADDRINUSE)
        return fail(E_IO, "port %d of %s is in use by another process: choose another port", port, address);
    if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT)
        return fail(E_OPTION, NOT_AN_ADDRESS, address, "");
    if (error == EACCES && port < UNPRIVILEGED)
        return fail(E_IO, "no permission to listen at port %d: give a port from %d on", port, UNPRIVILEGED);
    return fail_errno(error, "cannot listen at port %d of %s", port, address);
}

/* Listens at the first address of a name that this machine has: localhost may be ::1 first although IPv6 is off.
 * AI_ADDRCONFIG would refuse ::1 on a machine with no other IPv6 address. */
static int listen_at(int *out, const char *address, int port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    char service[16], host[256];
    int n = (int)strlen(address), fd = -1;
    snprintf(service, sizeof service, "%d", port);
    if (n > 2 && address[0] == '[' && address[n - 1] == ']') /* as in a URL */
        snprintf(host, sizeof host, "%.*s", n - 2, address + 1);
    else
        snprintf(host, sizeof host, "%s", address);
    int error = getaddrinfo(host, service, &hints, &found);
    if (error != 0) {
        char reason[128];
        snprintf(reason, sizeof reason, " (%s)", gai_strerror(error));
        return fail(E_OPTION, NOT_AN_ADDRESS, address, reason);
    }
    error = EADDRNOTAVAIL;
    for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = listen_to(a);
        error = errno;
        if (fd < 0 && error != EADDRNOTAVAIL && error != EAFNOSUPPORT)
            break; /* in use, or forbidden: another address would not be the one that clients try first */
    }
    freeaddrinfo(found);
    if (fd < 0)
        return cannot_listen(error, address, port);
    *out = fd; /* now owned by the caller */
    return OK;
}

static void be_silent(void *context, const char *format, va_list arguments) {
    (void)context, (void)format, (void)arguments; /* errors of clients are not logged */
}

/* Signals are for the other threads. */
static int start(web_server *s) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    s->daemon = MHD_start_daemon(MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0,
                                 NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL,
                                 MHD_OPTION_LISTEN_SOCKET, s->listener, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)WEB_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)WEB_SECONDS,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->listener = -1; /* now owned by the daemon, which may have closed it when it failed */
    return s->daemon != NULL ? OK : fail(E_DEVICE, "cannot start the thread that serves the progress");
}

int web_open(web_server **out, const char *address, int port) {
    web_server *s = NULL;
    int rc = OK;
    TRY(memory_zeroed(&s, 1, sizeof *s));
    s->listener = -1;
    TRY(listen_at(&s->listener, address, port));
    TRY(start(s));
    *out = s;
    s = NULL; /* now owned by the caller */
done:
    web_close(s);
    return rc;
}

static int hand_over(web_server *s, int which, const char *bytes, size_t n) {
    unsigned char *block = NULL;
    int rc = memory_zeroed(&block, sizeof(content) + n + 1, 1);
    if (rc != OK)
        return rc;
    content *new = (content *)block;
    new->n = n;
    memcpy(new->bytes, bytes, n);
    free(__atomic_exchange_n(&s->next[which], new, __ATOMIC_ACQ_REL));
    return OK;
}

int web_put(web_server *s, web_part part, const char *bytes, size_t n) { return hand_over(s, (int)part, bytes, n); }

int web_page_file(web_server *s, const char *path) { return hand_over(s, PAGE_FILE, path, strlen(path)); }

void web_close(web_server *s) {
    if (s == NULL)
        return;
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    if (s->listener >= 0)
        close(s->listener);
    for (int i = 0; i < CONTENTS; i++) {
        free(s->next[i]);
        free(s->now[i]);
    }
    free(s);
}
