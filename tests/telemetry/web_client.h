/* A server of a run's progress at a free port, and its client. */
#ifndef LINNET_TESTS_TELEMETRY_WEB_CLIENT_H
#define LINNET_TESTS_TELEMETRY_WEB_CLIENT_H

#include "check.h"

#include "base/text.h"
#include "root.h"
#include "telemetry/web_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static web_server *server;
static int port;

static inline int socket_at(int at, bool connects) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)at), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval wait = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(connects ? connect(fd, (void *)&a, sizeof a) : bind(fd, (void *)&a, sizeof a), 0);
    return fd;
}

static inline int free_port(void) {
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    int fd = socket_at(0, false);
    assert_int_equal(getsockname(fd, (void *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static inline int set_up(void **state) {
    port = free_port();
    assert_ok(web_open(&server, "127.0.0.1", port));
    assert_ok(web_start(server));
    return root_set_up(state);
}

static inline int tear_down(void **state) {
    web_close(server);
    return root_tear_down(state);
}

static inline void put(web_part part, const char *s) { assert_ok(web_put(server, part, s, strlen(s))); }

/* Sends bytes and appends all that comes back until the server closes the connection. */
static inline const char *ask(text *got, const char *request) {
    char part[4096];
    int fd = socket_at(port, true);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    for (ssize_t n; (n = recv(fd, part, sizeof part, 0)) > 0;)
        assert_ok(text_append(got, part, (size_t)n));
    close(fd);
    return text_string(got);
}

static inline void assert_answer(const char *request, const char *status, const char *header, const char *body) {
    text all = {0};
    const char *got = ask(&all, request), *end = strstr(got, "\r\n\r\n");
    if (strncmp(got, status, strlen(status)) != 0 || end == NULL || strstr(got, header) == NULL ||
        strcmp(end + 4, body) != 0)
        fail_msg("%.30s: the answer is '%s'", request, got);
    text_deinit(&all);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

#endif
