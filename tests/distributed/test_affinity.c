/* The assignment of cores to ranks, on a simulated host with two nodes of four cores with two hyperthreads each
 * (core i: CPUs i and i + 8; node 0: cores 0-3); and the binding itself, on this host. */
#include "root.h"

#include "base/file.h"
#include "distributed/affinity.h"

#include <pthread.h>

enum { MOST = 8 };

static core_set cpus(int low, int high) {
    core_set s = {0};
    for (int i = low; i <= high; i++)
        s.bits[i / 64] |= (uint64_t)1 << (i % 64);
    return s;
}

static core_set joined(core_set a, core_set b) {
    for (int i = 0; i < CORES_MAX / 64; i++)
        a.bits[i] |= b.bits[i];
    return a;
}

/** CPUs low..high and their hyperthread siblings. */
static core_set cores(int low, int high) { return joined(cpus(low, high), cpus(low + 8, high + 8)); }

static void write_line(const char *folder, const char *name, const char *line) {
    char path[PATH_BYTES];
    assert_ok(path_format(path, "%s%s", root, folder));
    assert_ok(folder_make(path));
    assert_ok(path_format(path, "%s%s/%s", root, folder, name));
    assert_ok(file_write_atomic(path, line, strlen(line)));
}

static int describe_host(void **state) {
    root_set_up(state);
    for (int i = 0; i < 16; i++) {
        char folder[96], line[16];
        snprintf(folder, sizeof folder, "/sys/devices/system/cpu/cpu%d/topology", i);
        snprintf(line, sizeof line, "%d,%d\n", i % 8, i % 8 + 8);
        write_line(folder, "thread_siblings_list", line);
    }
    return 0;
}

static rank_affinity claim(const char *host, core_set may, core_set near) {
    rank_affinity c = {.allowed = may, .gpu_local = near};
    snprintf(c.host, sizeof c.host, "%s", host);
    return c;
}

/** Checks the cores of each rank and its share of them. */
static void assert_shares(const rank_affinity *c, int n, const core_set *want, const int *own) {
    core_set got[MOST];
    for (int r = 0; r < n; r++)
        cores_of(&got[r], c, n, r, root);
    for (int r = 0; r < n; r++) {
        assert_memory_equal(&got[r], &want[r], sizeof got[r]);
        assert_int_equal(affinity_cores_per_rank(got, c, n, r), own[r]);
    }
}

static void test_near_cores_are_divided(void **state) {
    (void)state;
    core_set all = cpus(0, 15), node0 = cores(0, 3), node1 = cores(4, 7);
    rank_affinity c[] = {claim("a", all, node0), claim("a", all, node1), claim("a", all, node0), claim("b", all, node0),
                         claim("b", all, node1)};
    assert_shares(c, 5, (core_set[]){cores(0, 1), node1, cores(2, 3), node0, node1}, (int[]){4, 8, 4, 8, 8});
}

static void test_one_node_for_all(void **state) {
    (void)state;
    core_set all = cpus(0, 15);
    rank_affinity c[] = {claim("a", all, all), claim("a", all, all), claim("a", all, all)};
    assert_shares(c, 3, (core_set[]){cores(0, 2), cores(3, 5), cores(6, 7)}, (int[]){6, 6, 4});
}

static void test_fewer_cores_than_ranks(void **state) {
    (void)state;
    core_set all = cpus(0, 15), core = cores(1, 1);
    rank_affinity c[] = {claim("a", all, core), claim("a", all, core), claim("a", all, core)};
    assert_shares(c, 2, (core_set[]){cpus(1, 1), cpus(9, 9)}, (int[]){1, 1});
    assert_shares(c, 3, (core_set[]){core, core, core}, (int[]){1, 1, 1});
}

static void test_bound_already(void **state) {
    (void)state;
    core_set node0 = cores(0, 3), node1 = cores(4, 7), low = cores(4, 5);
    rank_affinity c[] = {claim("a", node1, node0), claim("a", node0, node0), claim("a", low, node1)};
    assert_shares(c, 2, (core_set[]){node1, node0}, (int[]){8, 8});
    assert_shares(c, 3, (core_set[]){node1, node0, low}, (int[]){6, 8, 2}); /* two ranks share four of them */
}

/** All ranks may use only a part of the host, as in a container. */
static void test_part_of_the_host(void **state) {
    (void)state;
    core_set some = cpus(2, 5), node0 = cores(0, 3);
    rank_affinity c[] = {claim("a", some, node0), claim("a", some, node0), claim("a", some, cores(6, 7))};
    assert_shares(c, 2, (core_set[]){cpus(2, 2), cpus(3, 3)}, (int[]){1, 1});
    assert_shares(c, 3, (core_set[]){cpus(2, 2), cpus(3, 3), some}, (int[]){1, 1, 3}); /* 1/2 + 1/2 + 1 + 1 */
}

static void test_no_gpu(void **state) {
    (void)state;
    core_set all = cpus(0, 15), none = {0};
    rank_affinity c[] = {claim("a", all, none), claim("a", all, none), claim("a", all, none), claim("b", all, none)};
    assert_shares(c, 4, (core_set[]){all, all, all, all}, (int[]){5, 5, 5, 16});
    rank_affinity alone = claim("a", all, cores(0, 3));
    assert_shares(&alone, 1, &all, (int[]){16});
}

/** Ranks in one container share its quota; another container on the host has its own. */
static void test_quota(void **state) {
    (void)state;
    core_set all = cpus(0, 15), none = {0};
    rank_affinity c[] = {claim("a", all, none), claim("a", all, none), claim("a", all, none), claim("b", all, none)};
    for (int r = 0; r < 3; r++) {
        c[r].quota = r < 2 ? 6.5 : 0.5;
        c[r].quota_group = r < 2 ? 7 : 8;
    }
    c[3].quota = 64; /* more than the host has */
    c[3].quota_group = 7;
    assert_shares(c, 4, (core_set[]){all, all, all, all}, (int[]){3, 3, 1, 16});
}

/** An all-gather in which all ranks have the data of this one. */
static int gather_copies(comm *c, comm_call *call) {
    char *data = call->data;
    assert_true(call->kind == COMM_GATHER && call->type == COMM_BYTES);
    for (int r = 0; r < c->ranks; r++)
        if (r != c->rank)
            memcpy(data + (size_t)r * call->n, data + (size_t)c->rank * call->n, call->n);
    return OK;
}

static int nothing_to_wait_for(comm *c, comm_call *call) {
    (void)c;
    (void)call;
    return OK;
}

static comm two_ranks(int rank) {
    return (comm){.rank = rank, .ranks = 2, .local_ranks = 2, .start = gather_copies, .wait = nothing_to_wait_for};
}

static pthread_barrier_t barrier;

/** A thread that was started earlier; afterwards it returns how many cores it may use. */
static void *older_thread(void *usable) {
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    *(int *)usable = affinity_cores();
    return NULL;
}

static void *count_usable(void *usable) {
    *(int *)usable = affinity_cores();
    return NULL;
}

static void test_binding(void **state) {
    (void)state;
    int all = affinity_cores(), own = 0, older = 0, newer = 0;
    comm c = two_ranks(0);
    pthread_t thread;
    assert_ok(affinity_bind(&own, NULL, "", root));
    assert_int_equal(own, all);
    assert_ok(affinity_bind(&own, &c, "", root)); /* on a CPU engine: cores are divided, not bound */
    assert_int_equal(own, all > 1 ? all / 2 : 1);
    assert_ok(affinity_bind(&own, &c, "0000:af:00.0", root)); /* /sys has no entry for that GPU */
    assert_int_equal(affinity_cores(), all);
    if (all < 2) {
        print_message("the rest of this test needs 2 cores\n");
        return;
    }
    write_line("/sys/bus/pci/devices/0000:3b:00.0", "local_cpulist", "0-1023\n");
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, older_thread, &older), 0);
    pthread_barrier_wait(&barrier);
    c = two_ranks(1);
    assert_ok(affinity_bind(&own, &c, "0000:3b:00.0", root));
    pthread_barrier_wait(&barrier);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, count_usable, &newer), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_in_range(own, 1, all - 1);
    assert_int_equal(affinity_cores(), own);
    assert_int_equal(older, own);
    assert_int_equal(newer, own);
    pthread_barrier_destroy(&barrier);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_cores_are_divided),
        cmocka_unit_test(test_one_node_for_all),
        cmocka_unit_test(test_fewer_cores_than_ranks),
        cmocka_unit_test(test_bound_already),
        cmocka_unit_test(test_part_of_the_host),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_no_gpu),
        cmocka_unit_test(test_binding), /* last, because a binding cannot be undone */
    };
    return cmocka_run_group_tests(tests, describe_host, root_tear_down);
}
