#define _GNU_SOURCE
#include "telemetry/web_server.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOT_AN_ADDRESS "%s is not an address of this machine%s: give 127.0.0.1, 0.0.0.0 or one that `ip address` lists"
enum { BACKLOG = 16, MEMORY_PER_CONNECTION = 32 << 10, UNPRIVILEGED = 1024 };
enum { HEAD_BYTES = 64 << 10, BLOCK_BYTES = 64 << 10 }; /* the page: where <body> is searched; read at a time */

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

/* The page as a client receives it: `head`, which contains the status, then the file from `at` to `end`. The file is
 * not held in memory: 16 clients that read slowly would hold 16 copies. */
typedef struct page {
    text head;
    int fd; /* -1: no file */
    uint64_t at, end;
} page;

/* MHD_ContentReaderFreeCallback. */
static void page_free(void *context) {
    page *p = context;
    if (p->fd >= 0)
        close(p->fd);
    text_deinit(&p->head);
    free(p);
}

/* MHD_ContentReaderCallback. */
static ssize_t page_read(void *context, uint64_t position, char *out, size_t most) {
    const page *p = context;
    if (position < p->head.n) {
        size_t n = p->head.n - (size_t)position < most ? p->head.n - (size_t)position : most;
        memcpy(out, p->head.data + position, n);
        return (ssize_t)n;
    }
    ssize_t n = file_read_at(p->fd, p->at + position - p->head.n, out, most);
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR; /* the file was made shorter */
}

/* Opens the file, if there is one, and appends its beginning. */
static int begin_file(text *out, page *p, const content *path) {
    char bytes[HEAD_BYTES];
    struct stat st;
    int fd = path != NULL ? open(path->bytes, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? file_read_at(fd, 0, bytes, sizeof bytes) : -1;
    if (n < 0) {
        if (fd >= 0)
            close(fd);
        return OK;
    }
    p->fd = fd;
    p->at = (uint64_t)n;
    p->end = (uint64_t)st.st_size > p->at ? (uint64_t)st.st_size : p->at;
    return text_append(out, bytes, (size_t)n);
}

/* The status follows <body>; it is the first line of a page without one. */
static int make_page(page *p, web_server *s) {
    static const char body[] = "<body>\n";
    text start = {0};
    int rc = OK;
    TRY(begin_file(&start, p, take(s, PAGE_FILE)));
    if (p->fd < 0)
        TRY(take_part(&start, s, WEB_PAGE));
    const char *whole = text_string(&start), *at = strstr(whole, body);
    size_t before = at == NULL ? 0 : (size_t)(at - whole) + sizeof body - 1;
    TRY(text_append(&p->head, whole, before));
    TRY(take_part(&p->head, s, WEB_STATUS));
    TRY(text_append(&p->head, whole + before, start.n - before));
done:
    text_deinit(&start);
    return rc;
}

/* NULL: no memory. */
static struct MHD_Response *page_response(web_server *s) {
    page *p = NULL;
    if (memory_zeroed(&p, 1, sizeof *p) != OK)
        return NULL;
    p->fd = -1;
    struct MHD_Response *r = NULL;
    if (make_page(p, s) == OK)
        r = MHD_create_response_from_callback(p->head.n + p->end - p->at, BLOCK_BYTES, page_read, p, page_free);
    if (r == NULL)
        page_free(p); /* else owned by the response */
    return r;
}

/* Takes the body. NULL: no memory. */
static struct MHD_Response *response(int rc, text *body) {
    struct MHD_Response *r =
        rc == OK ? MHD_create_response_from_buffer(body->n, body->data, MHD_RESPMEM_MUST_FREE) : NULL;
    if (r == NULL)
        text_deinit(body);
    return r;
}

static struct MHD_Response *part_response(web_server *s, web_part part) {
    text body = {0};
    return response(take_part(&body, s, part), &body);
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned code, const char *type, struct MHD_Response *r) {
    if (r == NULL)
        return MHD_NO; /* closes the connection */
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
    return answer(c, code, "text/plain; charset=utf-8", response(text_printf(&body, "%s\n", why), &body));
}

/* MHD_AccessHandlerCallback. */
static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *data_n, /* NOLINT(readability-non-const-parameter) */
                              void **request) {
    static _Thread_local bool lowered;
    web_server *s = context;
    (void)version, (void)data, (void)data_n, (void)request;
    if (!lowered) /* on Linux: of this thread alone */
        lowered = setpriority(PRIO_PROCESS, (id_t)gettid(), 19) == 0;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are allowed");
    if (strcmp(url, "/metrics") == 0)
        return answer(c, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", part_response(s, WEB_METRICS));
    if (strcmp(url, "/progress.json") == 0)
        return answer(c, MHD_HTTP_OK, "application/json", part_response(s, WEB_PROGRESS));
    if (strcmp(url, "/") == 0)
        return answer(c, MHD_HTTP_OK, "text/html; charset=utf-8", page_response(s));
    return refuse(c, MHD_HTTP_NOT_FOUND, "not found: there are /, /metrics and /progress.json");
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
 * Not AI_ADDRCONFIG, for which ::1 alone does not count as IPv6. */
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

int web_start(web_server *s) {
    sigset_t all, before;
    sigfillset(&all); /* signals are for the other threads */
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
