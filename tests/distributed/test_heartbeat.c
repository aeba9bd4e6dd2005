/* Where rank 0 listens for heartbeats: the requested interface and port. */
#include "check.h"

#include "distributed/heartbeat.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <unistd.h>

static int port_of(const struct sockaddr_storage *a) {
    return ntohs(a->ss_family == AF_INET ? ((const struct sockaddr_in *)a)->sin_port
                                         : ((const struct sockaddr_in6 *)a)->sin6_port);
}

static bool is_loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static void test_interface(void **state) {
    static const char *const lists[] = {"lo", "nowhere0,lo", "lo,nowhere0"};
    watch_endpoint w;
    int fd = -1;
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_ok(watch_listen(&fd, &w, lists[i], 0));
        assert_true(w.n > 0);
        for (int k = 0; k < w.n; k++)
            assert_true(is_loopback(&w.address[k]) && port_of(&w.address[k]) > 0);
        close(fd);
    }
    assert_fails(E_OPTION, "no address on 'lo2'", watch_listen(&fd, &w, "lo2", 0));
    assert_non_null(strstr(status_message(), "with an address: "));
    assert_non_null(strstr(status_message(), "lo"));
    close(fd);
}

static void test_port(void **state) {
    watch_endpoint w, second;
    watch_record hello = {.kind = WATCH_HELLO, .rank = 1}, welcome;
    int fd = -1, taken = -1, other = -1;
    (void)state;
    assert_ok(watch_listen(&fd, &w, "", 0));
    int port = port_of(&w.address[0]);
    close(fd);
    assert_ok(watch_listen(&fd, &w, "lo", port));
    for (int i = 0; i < w.n; i++)
        assert_int_equal(port_of(&w.address[i]), port);
    assert_fails(E_IO, "for the other ranks' heartbeats (dist.port)", watch_listen(&taken, &second, "lo", port));
    assert_int_equal(taken, -1);
    close(fd);
    /* nothing listens there: the message contains advice */
    assert_fails(E_IO, "--dist.interface and --dist.port", watch_connect(&other, &welcome, &w, &hello));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_interface), cmocka_unit_test(test_port)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
