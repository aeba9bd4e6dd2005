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

#include <fcntl.h>
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
static atomic_int mode; /* 0: as MLflow; 1: takes requests and does not answer; 2: closes connections; 3: has no run */
static atomic_int metrics;                            /* values received */
static atomic_int creates;                            /* runs created */
static atomic_int uploads, finished, params, secrets; /* secrets: requests with a token or password */

static const char *answer_of(const char *request, const char *body) {
    if (strstr(request, "get-by-name") != NULL)
        return "{\"experiment\":{\"experiment_id\":\"3\"}}";
    if (strstr(request, "runs/search") != NULL)
        return "{}";
    if (strstr(request, "runs/create") != NULL) {
        creates++;
        return "{\"run\":" RUN_INFO "}";
    }
    if (mode == 3)
        return "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"no run\"}";
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
            secrets += strcasestr(bytes, "\r\nAuthorization:") != NULL;
            const char *answer = answer_of(bytes, body);
            snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                     mode == 3 ? 404 : 200, strlen(answer));
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

/* The path of a file in the log folder of root/FOLDER, an --out folder. */
static void path_of(char out[PATH_BYTES], const char *folder, const char *name) {
    assert_ok(path_format(out, "%s/%s/logs/a/version_0%s%s", root, folder, name[0] != 0 ? "/" : "", name));
}

static mlflow *begin(const char *folder, const char *at) {
    char path[PATH_BYTES];
    mlflow *m = NULL;
    metrics = creates = uploads = finished = params = secrets = 0;
    path_of(path, folder, "");
    assert_ok(folder_make(path));
    assert_ok(mlflow_open(&m, path, at));
    return m;
}

static bool has_spool(const char *folder) {
    char path[PATH_BYTES];
    path_of(path, folder, "mlflow.spool");
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
    put(m, "{\"artifact\":\"../../../logs/a/version_0/mlflow.json\",\"name\":\"a b.json\"}");
    put(m, "{\"artifact\":\"../../../logs/missing\",\"name\":\"missing\"}"); /* is skipped */
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
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
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
    assert_int_equal(creates, 0);
    assert_int_equal(metrics, 1);
    mlflow_close(NULL, 1, NULL, NULL);
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
        assert_int_equal(mlflow_close(m, 1, &why, NULL), 101);
        double seconds = clock_seconds() - start;
        if (seconds > 25) /* a request alone may take 30 s */
            fail_msg("the end took %.1f s", seconds);
        assert_true(fault == 1 ? strstr(why, "does not answer in time") != NULL : why[0] != 0);
        assert_int_equal(creates, 0);
        assert_true(has_spool(folder));
        mode = 0;
        m = begin(folder, NULL);
        assert_false(mlflow_is_new(m)); /* its run is in the file */
        assert_int_equal(mlflow_close(m, 30, &why, NULL), 0);
        assert_int_equal(creates, 1);
        assert_int_equal(metrics, 200);
    }
}

/* Only the files that a run writes below --out are uploaded. */
static void test_artefacts(void **state) {
    static const char *const name[] = {
        "mlflow.json",        "../../../secret", "../../../../secret",   "../../../logs/../secret",
        "../../../logs/link", "/etc/passwd",     "../../../logs/../../x"};
    char path[PATH_BYTES], record[PATH_BYTES];
    long long skipped = 0;
    (void)state;
    mode = 0;
    mlflow *m = begin("files", uri);
    assert_ok(path_format(path, "%s/files/secret", root));
    assert_ok(file_write_atomic(path, "x", 1));
    assert_ok(path_format(path, "%s/secret", root));
    assert_ok(file_write_atomic(path, "x", 1));
    assert_ok(path_format(path, "%s/files/logs/link", root));
    assert_int_equal(symlink("../../secret", path), 0);
    put_all(m, 1);
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(record, sizeof record, "{\"artifact\":\"%s\",\"name\":\"x\"}", name[i]);
        put(m, record);
    }
    assert_int_equal(mlflow_close(m, 30, NULL, &skipped), 0);
    assert_int_equal(uploads, 0);
    assert_int_equal(skipped, 7);
}

static int requests_with_secrets(const char *at) {
    mlflow *m = begin("trust", at);
    mlflow_metric(m, "loss", 1);
    mlflow_row(m, 1);
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
    assert_int_equal(metrics, 1);
    return secrets;
}

/* A stored address gets no token or password unless the environment has the same. */
static void test_trust(void **state) {
    static const char netrc[] = "machine 127.0.0.1 login me password hidden\n";
    char path[PATH_BYTES];
    (void)state;
    mode = 0;
    unsetenv("MLFLOW_TRACKING_URI");
    assert_ok(path_format(path, "%s/.netrc", root));
    assert_ok(file_write_atomic(path, netrc, sizeof netrc - 1));
    setenv("HOME", root, 1);
    mlflow *m = begin("trust", uri);
    put_all(m, 1);
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
    assert_true(secrets > 0); /* of ~/.netrc */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(requests_with_secrets(uri), 1);
        assert_int_equal(requests_with_secrets(NULL), 0);
        setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1", 1);
        assert_int_equal(requests_with_secrets(NULL), 0);
        assert_ok(path_format(path, "%s/", uri));
        setenv("MLFLOW_TRACKING_URI", path, 1);
        assert_int_equal(requests_with_secrets(NULL), 1);
        unsetenv("MLFLOW_TRACKING_URI");
        setenv("MLFLOW_TRACKING_TOKEN", "hidden", 1);
    }
    unsetenv("MLFLOW_TRACKING_TOKEN");
}

/* A file that cannot be read stays. */
static void test_unreadable(void **state) {
    char path[PATH_BYTES], link[64], target[PATH_BYTES];
    (void)state;
    mode = 2;
    mlflow *m = begin("unreadable", uri);
    put_all(m, 3);
    path_of(path, "unreadable", "mlflow.spool");
    int blind = open(path, O_WRONLY | O_CLOEXEC), found = 0;
    assert_true(blind >= 0);
    for (int fd = 3; fd < 256; fd++) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = 0;
        if (fd == blind || n <= 0 || strstr(target, "unreadable/logs/a/version_0/mlflow.spool") == NULL)
            continue;
        assert_int_equal(dup3(blind, fd, O_CLOEXEC), fd);
        found++;
    }
    close(blind);
    assert_int_equal(found, 1);
    mode = 0;
    assert_true(mlflow_close(m, 1, NULL, NULL) > 0);
    assert_true(has_spool("unreadable"));
    assert_int_equal(mlflow_close(begin("unreadable", uri), 30, NULL, NULL), 0);
    assert_int_equal(metrics, 6);
}

/* A server that does not have the run: nothing is lost, and what the message advises works. */
static void test_other_server(void **state) {
    char path[PATH_BYTES];
    const char *why = NULL;
    (void)state;
    mode = 0;
    mlflow *m = begin("moved", uri);
    put_all(m, 1);
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
    for (int i = 0; i < 2; i++) {
        mode = 3;
        m = begin("moved", uri);
        mlflow_metric(m, "loss", 1);
        mlflow_row(m, 1);
        assert_int_equal(mlflow_close(m, 1, &why, NULL), 1);
        assert_non_null(strstr(why, "does not have the run r1 (status 404: no run)"));
        mode = 0;
        if (i == 0) /* the former server */
            assert_int_equal(mlflow_close(begin("moved", uri), 30, NULL, NULL), 0);
    }
    assert_int_equal(creates, 0);
    path_of(path, "moved", "mlflow.json");
    assert_ok(file_remove(path));
    path_of(path, "moved", "mlflow.spool");
    assert_ok(file_remove(path));
    m = begin("moved", uri);
    assert_true(mlflow_is_new(m));
    put_all(m, 1);
    assert_int_equal(mlflow_close(m, 30, NULL, NULL), 0);
    assert_int_equal(creates, 1);
}

/* mlflow.json of somebody else. */
static void test_state(void **state) {
    static const char *const bad[][2] = {
        {"{\"tracking_uri\":\"file:///x\"}", "must be the address of a server"},
        {"{\"tracking_uri\":\"http://me:hidden@a\"}", "contains a password"},
        {"{\"tracking_uri\":\"http://a\\u001b[31m\"}", "is not the address"},
        {"{\"tracking_uri\":\"http://a\",\"run_id\":\"\\u001b[31m\",\"experiment_id\":\"1\"}", "is not an id"},
        {"{\"tracking_uri\":\"http://a\",\"run_id\":\"1\",\"experiment_id\":\"../x\"}", "is not an id"}};
    char path[PATH_BYTES];
    mlflow *m = NULL;
    (void)state;
    path_of(path, "foreign", "");
    assert_ok(folder_make(path));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        path_of(path, "foreign", "mlflow.json");
        assert_ok(file_write_atomic(path, bad[i][0], strlen(bad[i][0])));
        path_of(path, "foreign", "");
        assert_fails(E_FORMAT, bad[i][1], mlflow_open(&m, path, NULL));
        assert_non_null(strstr(status_message(), "mlflow.json: "));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_delivery),   cmocka_unit_test(test_silent),
                                       cmocka_unit_test(test_artefacts),  cmocka_unit_test(test_trust),
                                       cmocka_unit_test(test_unreadable), cmocka_unit_test(test_other_server),
                                       cmocka_unit_test(test_state),      cmocka_unit_test(test_addresses)};
    if (http_unavailable() != NULL) {
        printf("skipped: %s\n", http_unavailable());
        return 77;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
