/* The thread that sends records, against a server in this process: what it sends and when it ends. With TSan: that it
 * and the training share nothing without a lock. */
#define _GNU_SOURCE
#include "check.h"

#include "base/file.h"
#include "base/json.h"
#include "net/http.h"
#include "root.h"
#include "tracking/mlflow.h"
#include "tracking/records.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define RUN_INFO                                                                                                       \
    "{\"info\":{\"run_id\":\"r1\",\"experiment_id\":\"3\",\"artifact_uri\":\"mlflow-artifacts:/3/r1/artifacts\"}}"

static int listener;
static char uri[64];
static pthread_t thread;
static atomic_int mode;    /* 0: as MLflow; 1: takes requests and does not answer; 2: closes connections */
static atomic_int metrics; /* values received */
static atomic_int creates; /* runs created */
static atomic_int uploads, finished, params;

static const char *answer_of(const char *request, const char *body) {
    if (strstr(request, "get-by-name") != NULL)
        return "{\"experiment\":{\"experiment_id\":\"3\"}}";
    if (strstr(request, "runs/search") != NULL)
        return "{}";
    if (strstr(request, "runs/create") != NULL) {
        creates++;
        return "{\"run\":" RUN_INFO "}";
    }
    for (const char *p = body; (p = strstr(p, "\"timestamp\"")) != NULL; p++)
        metrics++;
    if (strstr(body, "\"params\":[") != NULL)
        params++;
    if (strstr(body, "FINISHED") != NULL)
        finished++;
    if (strncmp(request, "PUT ", 4) == 0)
        uploads++;
    return "{}";
}

/* Reads a request of at most 1 MiB into `bytes`. @return its body, or NULL at the end of the connection */
static const char *read_request(char *bytes, int fd) {
    size_t n = 0;
    for (;;) {
        ssize_t k = recv(fd, bytes + n, (1 << 20) - n - 1, 0);
        if (k <= 0)
            return NULL;
        n += (size_t)k;
        bytes[n] = 0;
        const char *body = strstr(bytes, "\r\n\r\n"), *length = strcasestr(bytes, "\r\nContent-Length: ");
        size_t wanted = length != NULL ? strtoul(length + 18, NULL, 10) : 0;
        if (body != NULL && n >= (size_t)(body + 4 - bytes) + wanted)
            return body + 4;
    }
}

static void *serve(void *context) {
    static char bytes[1 << 20];
    (void)context;
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        struct timeval wait = {.tv_sec = 20};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        const char *body = NULL;
        while (mode != 2 && (body = read_request(bytes, fd)) != NULL && mode != 2) {
            if (mode == 1)
                continue; /* until the client closes the connection */
            char head[128];
            const char *answer = answer_of(bytes, body);
            snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                     strlen(answer));
            send(fd, head, strlen(head), MSG_NOSIGNAL);
            send(fd, answer, strlen(answer), MSG_NOSIGNAL);
            break; /* one connection at a time is served: another must not wait for this one */
        }
        close(fd);
    }
}

static int set_up(void **state) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (void *)&a, sizeof a), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (void *)&a, &n), 0);
    snprintf(uri, sizeof uri, "http://127.0.0.1:%d", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    return root_set_up(state);
}

static int tear_down(void **state) {
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    return root_tear_down(state);
}

static void put(mlflow *m, const char *record) { mlflow_put(m, json_loads(record, 0, NULL)); }

static mlflow *begin(const char *folder, const char *at) {
    char path[PATH_BYTES];
    mlflow *m = NULL;
    metrics = creates = uploads = finished = params = 0;
    assert_ok(path_join(path, root, folder));
    assert_ok(folder_make(path));
    assert_ok(mlflow_open(&m, path, at));
    return m;
}

static bool has_spool(const char *folder) {
    char path[PATH_BYTES];
    assert_ok(path_format(path, "%s/%s/mlflow.spool", root, folder));
    return file_exists(path);
}

static void put_all(mlflow *m, int steps) {
    put(m, "{\"run\":{\"experiment\":\"e\",\"key\":\"k\",\"name\":\"n\",\"tags\":{},\"params\":{\"a\":\"1\"}}}");
    for (int step = 0; step < steps; step++) {
        mlflow_metric(m, "loss", 1.0 / (step + 1));
        mlflow_metric(m, "lr", step % 2 ? NAN : 0.1);
        mlflow_row(m, step);
    }
}

static void test_delivery(void **state) {
    (void)state;
    mode = 0;
    mlflow *m = begin("all", uri);
    assert_true(mlflow_is_new(m));
    put_all(m, 2000);
    mlflow_row(m, 7); /* no values: no record */
    put(m, "{\"status\":\"FINISHED\",\"time\":1}");
    put(m, "{\"artifact\":\"mlflow.json\",\"name\":\"a b.json\"}");
    put(m, "{\"artifact\":\"missing\",\"name\":\"missing\"}"); /* is skipped */
    assert_int_equal(mlflow_close(m, 30, NULL), 0);
    assert_int_equal(creates, 1);
    assert_int_equal(params, 1);
    assert_int_equal(metrics, 4000);
    assert_int_equal(finished, 1);
    assert_int_equal(uploads, 1);
    assert_false(has_spool("all"));
    /* the next process continues the run */
    m = begin("all", NULL);
    assert_false(mlflow_is_new(m));
    mlflow_metric(m, "loss", 1);
    mlflow_row(m, 2000);
    assert_int_equal(mlflow_close(m, 30, NULL), 0);
    assert_int_equal(creates, 0);
    assert_int_equal(metrics, 1);
    mlflow_close(NULL, 1, NULL);
    mlflow_put(NULL, json_object());
}

/* The end waits only as long as it may, and nothing is lost. */
static void test_silent(void **state) {
    (void)state;
    const char *why = NULL;
    for (int fault = 1; fault <= 2; fault++) {
        const char *folder = fault == 1 ? "silent" : "closed";
        mode = fault;
        mlflow *m = begin(folder, uri);
        put_all(m, 100);
        double start = clock_seconds();
        assert_int_equal(mlflow_close(m, 1, &why), 101);
        double seconds = clock_seconds() - start;
        if (seconds > 25) /* a request alone may take 30 s */
            fail_msg("the end took %.1f s", seconds);
        assert_true(fault == 1 ? strstr(why, "does not answer in time") != NULL : why[0] != 0);
        assert_int_equal(creates, 0);
        assert_true(has_spool(folder));
        mode = 0;
        m = begin(folder, NULL);
        assert_false(mlflow_is_new(m)); /* its run is in the file */
        assert_int_equal(mlflow_close(m, 30, &why), 0);
        assert_int_equal(creates, 1);
        assert_int_equal(metrics, 200);
    }
}

static void test_addresses(void **state) {
    (void)state;
    const char *got = NULL;
    mlflow *m = NULL;
    unsetenv("MLFLOW_TRACKING_URI");
    assert_ok(mlflow_address(&got, "https://host/prefix"));
    assert_string_equal(got, "https://host/prefix");
    assert_fails(E_OPTION, "MLFLOW_TRACKING_URI is not set", mlflow_address(&got, "env"));
    setenv("MLFLOW_TRACKING_URI", "sqlite:///x.db", 1);
    assert_fails(E_OPTION, "MLFLOW_TRACKING_URI must be the address of a server", mlflow_address(&got, "env"));
    setenv("MLFLOW_TRACKING_URI", "http://a:5000", 1);
    assert_ok(mlflow_address(&got, "env"));
    assert_string_equal(got, "http://a:5000");
    assert_fails(E_OPTION, "set MLFLOW_TRACKING_USERNAME", mlflow_address(&got, "http://me:secret@host"));
    assert_null(strstr(status_message(), "secret"));
    for (int i = 0; i < 4; i++)
        assert_fails(E_OPTION, "monitor.mlflow",
                     mlflow_address(&got, (const char *[]){"host:5000", "http://", "http://a/?x=1", "./mlruns"}[i]));
    assert_fails(E_NOTFOUND, "no address", mlflow_open(&m, root, NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_delivery), cmocka_unit_test(test_silent),
                                       cmocka_unit_test(test_addresses)};
    if (http_unavailable() != NULL) {
        printf("skipped: %s\n", http_unavailable());
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
