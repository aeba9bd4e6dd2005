/* The server of a run's progress: what it answers, and that no client can block it or its owner. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "web_client.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>

static void test_answers(void **state) {
    (void)state;
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "Content-Length: 0", "");
    put(WEB_METRICS, "a 1\n");
    put(WEB_PROGRESS, "{}\n");
    put(WEB_PAGE, "<html><body>\nfirst");
    put(WEB_STATUS, "<p>now</p>");
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "Content-Type: text/plain; version=0.0.4; charset=utf-8", "a 1\n");
    assert_answer(GET("/progress.json"), "HTTP/1.1 200", "Content-Type: application/json", "{}\n");
    assert_answer(GET("/"), "HTTP/1.1 200", "Content-Type: text/html; charset=utf-8", "<html><body>\n<p>now</p>first");
    assert_answer(GET("/"), "HTTP/1.1 200", "Refresh: 10", "<html><body>\n<p>now</p>first");
    assert_answer(GET("/?x=1"), "HTTP/1.1 200", "Cache-Control: no-store", "<html><body>\n<p>now</p>first");
    assert_answer("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200", "Content-Length: 4",
                  "");
    put(WEB_METRICS, "a 2\n");
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "a 2\n");
    assert_answer(GET("/metrics/../../etc/passwd"), "HTTP/1.1 404", "text/plain",
                  "not found: there are /, /metrics and /progress.json\n");
    assert_answer("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405", "Allow: GET, HEAD",
                  "only GET and HEAD are allowed\n");
}

/* A client that comes before web_start is answered after it. */
static void test_early(void **state) {
    (void)state;
    char got[12] = {0};
    web_close(server);
    assert_ok(web_open(&server, "127.0.0.1", port));
    int fd = socket_at(port, true);
    assert_int_equal(send(fd, GET("/"), strlen(GET("/")), MSG_NOSIGNAL), strlen(GET("/")));
    assert_ok(web_start(server));
    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, "HTTP/1.1 200", sizeof got);
    close(fd);
}

static void test_page_file(void **state) {
    (void)state;
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "report.html"));
    assert_ok(file_write_atomic(path, "<body>\nreport", 13));
    put(WEB_PAGE, "none");
    put(WEB_STATUS, "S");
    assert_answer(GET("/"), "HTTP/1.1 200", "", "Snone");
    assert_ok(web_page_file(server, path));
    assert_answer(GET("/"), "HTTP/1.1 200", "", "<body>\nSreport");
    assert_ok(file_write_atomic(path, "<body>\nlater", 12));
    assert_answer(GET("/"), "HTTP/1.1 200", "", "<body>\nSlater");
    assert_ok(file_remove(path));
    assert_answer(GET("/"), "HTTP/1.1 200", "", "Snone");
}

static size_t resident(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Clients that begin to read a report of 64 MiB do not each hold it in memory. What they read is whole, although the
 * file is replaced meanwhile. */
static void test_large_file(void **state) {
    (void)state;
    enum { CLIENTS = 8, FILE_BYTES = 64 << 20, GROWTH = 32 << 20 };
    static char part[1 << 20];
    int fd[CLIENTS];
    char path[PATH_BYTES];
    assert_ok(path_join(path, root, "report.html"));
    assert_ok(file_write_atomic(path, "<body>\nreport", 13));
    assert_int_equal(truncate(path, FILE_BYTES), 0);
    put(WEB_STATUS, "S");
    assert_ok(web_page_file(server, path));
    size_t before = resident();
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = socket_at(port, true);
        assert_int_equal(send(fd[i], GET("/"), strlen(GET("/")), MSG_NOSIGNAL), strlen(GET("/")));
        assert_int_equal(recv(fd[i], part, 8, MSG_WAITALL), 8);
    }
    assert_true(resident() < before + GROWTH);
    assert_ok(file_write_atomic(path, "<body>\nlater", 12));
    assert_answer(GET("/"), "HTTP/1.1 200", "", "<body>\nSlater");
    ssize_t all = 8, n = 0, header = -1;
    while ((n = recv(fd[0], part, sizeof part, 0)) > 0) {
        const char *body = header < 0 ? memmem(part, (size_t)n, "\r\n\r\n<body>\nSreport", 18) : NULL;
        if (body != NULL)
            header = all + (body - part) + 4;
        all += n;
    }
    assert_int_equal(n, 0);
    assert_true(header > 0);
    assert_int_equal(all - header, FILE_BYTES + 1);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
}

/* A file that is made shorter while it is read ends the connection, not the server. */
static void test_shortened_file(void **state) {
    (void)state;
    char path[PATH_BYTES], part[4096];
    assert_ok(path_join(path, root, "report.html"));
    assert_ok(file_write_atomic(path, "<body>\nreport", 13));
    assert_int_equal(truncate(path, 64 << 20), 0);
    assert_ok(web_page_file(server, path));
    int fd = socket_at(port, true);
    assert_int_equal(send(fd, GET("/"), strlen(GET("/")), MSG_NOSIGNAL), strlen(GET("/")));
    assert_int_equal(recv(fd, part, 8, MSG_WAITALL), 8);
    assert_int_equal(truncate(path, 13), 0);
    while (recv(fd, part, sizeof part, 0) > 0)
        continue;
    close(fd);
    assert_answer(GET("/"), "HTTP/1.1 200", "", "<body>\nreport");
}

static void test_garbage(void **state) {
    (void)state;
    static const char *const request[] = {"\r\n\r\n\r\n",
                                          "GET\r\n\r\n",
                                          "\x16\x03\x01\x02",
                                          "GET / HTTP/9.9\r\n\r\n",
                                          "GET /%00%ff HTTP/1.0\r\n\r\n",
                                          "GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                                          "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"};
    put(WEB_METRICS, "a 1\n");
    for (size_t i = 0; i < sizeof request / sizeof *request; i++) {
        int fd = socket_at(port, true);
        assert_true(send(fd, request[i], strlen(request[i]), MSG_NOSIGNAL) > 0);
        close(fd);
        assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "a 1\n");
    }
    text longest = {0}; /* headers beyond the memory of a connection */
    assert_ok(text_printf(&longest, "GET /metrics HTTP/1.1\r\nX: "));
    for (int i = 0; i < 100000; i++)
        assert_ok(text_append(&longest, "x", 1));
    int fd = socket_at(port, true);
    (void)!send(fd, longest.data, longest.n, MSG_NOSIGNAL);
    close(fd);
    text_deinit(&longest);
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "a 1\n");
}

enum { HANGS = 30 }; /* seconds; the thread of the server has the lowest priority */

/* Clients that say nothing, or do not read what they have asked for, occupy every connection. */
static void test_hanging(void **state) {
    (void)state;
    int fd[WEB_CONNECTIONS + 4];
    text page = {0};
    for (int i = 0; i < 1 << 20; i++)
        assert_ok(text_append(&page, "12345678", 8)); /* more than the buffers of a socket take */
    assert_ok(web_put(server, WEB_PAGE, page.data, page.n));
    for (int i = 0; i < WEB_CONNECTIONS + 4; i++) {
        fd[i] = socket_at(port, true);
        if (i % 2 == 0)
            assert_int_equal(send(fd[i], GET("/"), strlen(GET("/")), MSG_NOSIGNAL), strlen(GET("/")));
    }
    usleep(200000);
    double start = clock_seconds();
    for (int i = 0; i < 1000; i++)
        put(WEB_METRICS, "a 1\n");
    assert_true(clock_seconds() - start < HANGS);
    start = clock_seconds();
    web_close(server);
    server = NULL;
    assert_true(clock_seconds() - start < HANGS);
    for (int i = 0; i < WEB_CONNECTIONS + 4; i++)
        close(fd[i]);
    text_deinit(&page);
}

static atomic_bool stop;

static void *reader(void *context) {
    atomic_int *answers = context;
    while (!stop) {
        text all = {0};
        const char *body = strstr(ask(&all, GET("/metrics")), "\r\n\r\n");
        assert_non_null(body);
        body += 4;
        size_t n = strlen(body);
        assert_true(n == 50000 || n == 70000);
        for (size_t i = 1; i < n; i++)
            assert_int_equal(body[i], body[0]);
        atomic_fetch_add(answers, 1);
        text_deinit(&all);
    }
    return NULL;
}

/* A part is replaced as a whole while it is read. */
static void test_replaced(void **state) {
    (void)state;
    static char a[50001], b[70001];
    pthread_t thread[3];
    atomic_int answers = 0;
    memset(a, 'a', 50000);
    memset(b, 'b', 70000);
    put(WEB_METRICS, a);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, reader, &answers), 0);
    for (int i = 0; answers < 60; i++)
        put(WEB_METRICS, i % 2 ? a : b);
    stop = true;
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* The resolver of the C library, with one name more: several.test is 203.0.113.7, which no machine has, and 127.0.0.1.
 */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **out) {
    resolver *real = (resolver *)dlsym(RTLD_NEXT, "getaddrinfo");
    if (strcmp(name, "several.test") != 0)
        return real(name, service, hints, out);
    int rc = real("203.0.113.7", service, hints, out);
    return rc != 0 ? rc : real("127.0.0.1", service, hints, &(*out)->ai_next);
}

static void test_names(void **state) {
    (void)state;
    web_server *other = NULL;
    assert_fails(E_IO, "of several.test is in use by another process", web_open(&other, "several.test", port));
    web_close(server);
    server = NULL;
    assert_ok(web_open(&server, "several.test", port));
    assert_ok(web_start(server));
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "");
    web_close(server);
    server = NULL;
    assert_ok(web_open(&server, "[127.0.0.1]", port));
}

/* A port below 1024 as another user than root. */
static void test_privileged(void **state) {
    (void)state;
    web_server *other = NULL;
    int first = 0;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
    if (f == NULL || fscanf(f, "%d", &first) != 1 || first <= 1)
        printf("skipped: this machine allows every port to every user\n");
    else if (geteuid() != 0 || seteuid(65534) == 0) {
        int rc = web_open(&other, "127.0.0.1", 1);
        (void)!seteuid(getuid());
        assert_fails(E_IO, "no permission to listen at port 1: give a port from 1024 on", rc);
    }
    if (f != NULL)
        fclose(f);
}

static void test_refused(void **state) {
    (void)state;
    web_server *other = NULL;
    assert_fails(E_IO, "is in use by another process: choose another port", web_open(&other, "127.0.0.1", port));
    assert_null(other);
    assert_fails(E_OPTION, "no.such.host.invalid is not an address of this machine",
                 web_open(&other, "no.such.host.invalid", port));
    assert_fails(
        E_OPTION,
        "203.0.113.7 is not an address of this machine: give 127.0.0.1, 0.0.0.0 or one that `ip address` lists",
        web_open(&other, "203.0.113.7", port));
    assert_answer(GET("/metrics"), "HTTP/1.1 200", "", "");
    web_close(server); /* the port is free again at once, although the server has closed a connection */
    server = NULL;
    assert_ok(web_open(&server, "127.0.0.1", port));
}

int main(void) {
    if (web_unavailable() != NULL) {
        printf("skipped: %s\n", web_unavailable());
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_page_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shortened_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_garbage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hanging, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_privileged, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
