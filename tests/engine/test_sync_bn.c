/* The merged batch statistics of several ranks, without ranks: a comm supplies the statistics of the other ranks. */
#include "backend/sync_bn.h"

#include "base/memory.h"
#include "check.h"
#include "engine/small_models.h"

#include <math.h>

enum { RANKS = 4, CHANNELS = 3, ROWS = 12 };

static const int first_row[RANKS + 1] = {0, 7, 8, 8, ROWS}; /* the third rank has no rows */

typedef struct others {
    double x[ROWS][CHANNELS];
} others;

/** (mean, var, rows) of rows [low, high); without rows, values left from an earlier layer. */
static void moments(double out[2 * CHANNELS + 1], const others *o, int low, int high) {
    out[(size_t)2 * CHANNELS] = high - low;
    for (int k = 0; k < CHANNELS; k++) {
        double mean = 0, var = 0;
        for (int i = low; i < high; i++)
            mean += o->x[i][k] / (high - low);
        for (int i = low; i < high; i++)
            var += (o->x[i][k] - mean) * (o->x[i][k] - mean) / (high - low);
        out[k] = high > low ? mean : NAN;
        out[CHANNELS + k] = high > low ? var : INFINITY;
    }
}

static int start(comm *c, comm_call *call) {
    double *data = call->data;
    assert_int_equal(call->kind, COMM_GATHER);
    assert_int_equal(call->channel, COMM_SYNC_BN);
    assert_int_equal(call->n, 2 * CHANNELS + 1);
    for (int r = 0; r < RANKS; r++)
        if (r != c->rank)
            moments(data + (size_t)r * call->n, c->state, first_row[r], first_row[r + 1]);
    return 0;
}

static int wait(comm *c, comm_call *call) {
    (void)c, (void)call;
    return 0;
}

/** All ranks get the statistics of the world batch, in the same bytes, even if the mean is many standard deviations. */
static void test_statistics(void **state) {
    others o;
    double whole[2 * CHANNELS + 1], first[2 * CHANNELS + 1] = {0};
    (void)state;
    fill_normal(&o.x[0][0], sizeof o.x / sizeof(double), 1);
    for (int i = 0; i < ROWS; i++)
        o.x[i][0] += 1e6;
    moments(whole, &o, 0, ROWS);
    for (int r = 0; r < RANKS; r++) {
        comm c = {.rank = r, .ranks = RANKS, .state = &o, .start = start, .wait = wait};
        double own[2 * CHANNELS + 1], *work = allocated(sync_bn_work(&c, CHANNELS), sizeof *work);
        moments(own, &o, first_row[r], first_row[r + 1]);
        assert_ok(sync_bn_statistics(&c, own, own + CHANNELS, &own[(size_t)2 * CHANNELS], CHANNELS, work));
        for (int k = 0; k < 2 * CHANNELS + 1; k++)
            assert_close(own[k], whole[k], k == CHANNELS ? 1e-9 : 1e-14);
        if (r == 0)
            memcpy(first, own, sizeof first);
        assert_memory_equal(own, first, sizeof first);
        free(work);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_statistics)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
