/* The communication thread with a transport that writes to the data of every exchange in progress whenever it is
 * called, as MPI may. After a failure the caller owns the data again, and nothing may write to them. */
#include "check.h"

#include "base/file.h"
#include "distributed/comm_thread.h"

#include <stdatomic.h>
#include <time.h>

enum { RANKS = 3, CALLS = 4, BYTES = 64, WRITTEN = 0x5a, KEPT = 0x11 };

static struct {
    comm_call *started[CALLS]; /* they never complete */
    int n;
    atomic_int calls;  /* of any function */
    atomic_bool noted; /* rank 1's note has arrived */
    atomic_int sent[RANKS];
    atomic_int reads;  /* number of calls of `sent` until the others have read their notes */
    atomic_int closed; /* 1: regularly, 2: after a failure */
} fake;

static void make_progress(void) {
    fake.calls++;
    for (int i = 0; i < fake.n; i++)
        memset(fake.started[i]->data, WRITTEN, fake.started[i]->n);
}

static const char *fake_start(transport *t, comm_call *call) {
    (void)t;
    fake.started[fake.n++] = call;
    make_progress();
    return NULL;
}

static const char *fake_test(bool *done, transport *t, comm_call *call) {
    (void)t;
    (void)call;
    make_progress();
    *done = false;
    return NULL;
}

static const char *fake_send(transport *t, int to, const char note[TRANSPORT_NOTE]) {
    (void)t;
    assert_non_null(strstr(note, "disk full"));
    make_progress();
    fake.sent[to]++;
    return NULL;
}

static bool fake_sent(transport *t) {
    (void)t;
    make_progress();
    return --fake.reads <= 0;
}

static const char *fake_receive(int *from, transport *t, char note[TRANSPORT_NOTE]) {
    (void)t;
    make_progress();
    *from = fake.noted ? 1 : -1;
    if (*from == 1)
        snprintf(note, TRANSPORT_NOTE, "rank 1 on there: no more memory");
    return NULL;
}

static void fake_close(transport *t, bool in_order) {
    (void)t;
    fake.closed = in_order ? 1 : 2;
}

static const char *fake_open(transport *t) {
    *t = (transport){.ranks = RANKS,
                     .local_ranks = RANKS,
                     .start = fake_start,
                     .test = fake_test,
                     .send = fake_send,
                     .sent = fake_sent,
                     .receive = fake_receive,
                     .close = fake_close};
    return NULL;
}

static void sleep_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/** A comm with an exchange in progress. */
static comm *begin(comm_call *call, unsigned char data[BYTES]) {
    comm *c = NULL;
    memset(&fake, 0, sizeof fake);
    memset(data, 0, BYTES);
    assert_ok(comm_thread_open(&c, fake_open));
    *call = (comm_call){.kind = COMM_SUM, .type = COMM_BYTES, .data = data, .n = BYTES};
    assert_ok(c->start(c, call));
    while (fake.n == 0 || fake.calls < 3)
        sleep_ms(1);
    return c;
}

/** Waits for the exchange, which fails. Afterwards nothing may write to the data. */
static void assert_data_released(comm *c, comm_call *call, unsigned char data[BYTES], const char *why) {
    unsigned char kept[BYTES];
    assert_fails(E_RANK, why, c->wait(c, call));
    memset(data, KEPT, BYTES);
    memset(kept, KEPT, BYTES);
    sleep_ms(100);
    assert_memory_equal(data, kept, BYTES);
    assert_true(c->lost(c));
    assert_fails(E_RANK, why, c->start(c, call));
    comm_thread_close(c);
    assert_memory_equal(data, kept, BYTES);
    assert_int_equal(fake.closed, 2);
}

static void test_other_rank_fails(void **state) {
    unsigned char data[BYTES];
    comm_call call;
    (void)state;
    comm *c = begin(&call, data);
    fake.noted = true;
    assert_data_released(c, &call, data, "rank 1 on there: no more memory");
    assert_int_equal(fake.sent[1] + fake.sent[2], 0);
}

/** The error is sent to the other ranks first; the exchange ends when they have read it. */
static void test_this_rank_fails(void **state) {
    unsigned char data[BYTES];
    comm_call call;
    (void)state;
    comm *c = begin(&call, data);
    fake.reads = 50;
    c->tell(c, "disk full");
    assert_data_released(c, &call, data, "disk full");
    assert_true(fake.reads <= 0);
    assert_int_equal(fake.sent[0], 0);
    assert_int_equal(fake.sent[1], 1);
    assert_int_equal(fake.sent[2], 1);
}

/** Ranks that do not read the error do not block the exchange for long. */
static void test_error_is_not_read(void **state) {
    unsigned char data[BYTES];
    comm_call call;
    (void)state;
    comm *c = begin(&call, data);
    fake.reads = 1000000000;
    double start = clock_seconds();
    c->tell(c, "disk full");
    assert_data_released(c, &call, data, "disk full");
    assert_true(clock_seconds() - start < 30);
}

static void test_no_failure(void **state) {
    comm *c = NULL;
    (void)state;
    memset(&fake, 0, sizeof fake);
    assert_ok(comm_thread_open(&c, fake_open));
    comm_thread_close(c);
    assert_int_equal(fake.closed, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_rank_fails),
        cmocka_unit_test(test_this_rank_fails),
        cmocka_unit_test(test_error_is_not_read),
        cmocka_unit_test(test_no_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
