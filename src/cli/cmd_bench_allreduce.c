#include "cli/cli.h"
#include "cli/cmd_bench.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dist/launch.h"

#include <stdio.h>
#include <stdlib.h>

static const char usage[] = "mpirun -n N linnet bench allreduce [--steps N] [--json]";

enum { LARGEST = 1 << 26, SIZES = 9 }; /* bytes: from 1 KiB up, times 4 */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Median seconds of a mean over ranks of so many bytes, as rank 0 sees it. */
static int measure(double *median, comm *c, float *data, size_t bytes, int steps) {
    double *seconds = NULL;
    int rc = OK;
    TRY(memory_zeroed(&seconds, (size_t)steps, sizeof *seconds));
    for (int i = -2; i < steps; i++) {
        TRY(comm_barrier(c));
        double start = clock_seconds();
        TRY(comm_all(c, COMM_MEAN, COMM_F32, data, bytes / sizeof *data));
        if (i >= 0)
            seconds[i] = clock_seconds() - start;
    }
    qsort(seconds, (size_t)steps, sizeof *seconds, by_value);
    *median = seconds[steps / 2];
done:
    free(seconds);
    return rc;
}

/** Every rank sends and receives 2 (n - 1) / n of the data at least: the rate of a link, comparable over ranks. */
static double bus_rate(const comm *c, size_t bytes, double seconds) {
    return 2.0 * (c->ranks - 1) / c->ranks * (double)bytes / seconds;
}

static int run(comm *c, int steps, bool json) {
    float *data = NULL;
    json_t *rows = json_array();
    int rc = OK;
    TRY(memory_zeroed(&data, LARGEST, 1));
    if (c->rank == 0 && !json)
        printf("%d ranks, %d on this host\n%12s %12s %12s\n", c->ranks, c->local_ranks, "size", "ms", "of a link");
    for (size_t bytes = (size_t)LARGEST >> 2 * (SIZES - 1); bytes <= LARGEST; bytes *= 4) {
        double seconds = 0;
        char size[32], rate[32];
        TRY(measure(&seconds, c, data, bytes, steps));
        if (c->rank != 0)
            continue;
        if (!json)
            printf("%12s %12.3f %10s/s\n", text_bytes(size, (double)bytes), 1e3 * seconds,
                   text_bytes(rate, bus_rate(c, bytes, seconds)));
        json_t *row = json_object();
        json_object_set_new(row, "bytes", json_integer((json_int_t)bytes));
        json_object_set_new(row, "seconds", json_number_or_null(seconds));
        json_object_set_new(row, "bus_bytes_per_second", json_number_or_null(bus_rate(c, bytes, seconds)));
        json_array_append_new(rows, row);
    }
    if (c->rank == 0 && json) {
        json_t *o = json_object();
        json_object_set_new(o, "ranks", json_integer(c->ranks));
        json_object_set(o, "sizes", rows);
        json_print(o);
    }
done:
    json_decref(rows);
    free(data);
    return rc;
}

int cmd_bench_allreduce(int argc, char **argv) {
    comm *c = NULL;
    long long steps = 9;
    bool json = cli_take_flag(&argc, argv, "--json");
    int rc = OK, code = EXIT_DONE;
    TRY(cli_take_int(&steps, &argc, argv, "--steps", 1, 1000000));
    if (argc > 0)
        return cli_usage(usage);
    TRY(cli_open_ranks(&c, 0));
    if (comm_ranks(c) < 2)
        rc = fail(E_OPTION, "one process exchanges nothing: mpirun -n 2 --bind-to none linnet bench allreduce");
    else
        rc = run(c, (int)steps, json);
done:
    code = rc == OK ? EXIT_DONE : comm_rank(c) == 0 || rc != E_RANK ? cli_failed(rc) : EXIT_FAILED;
    cli_close_ranks(c, rc);
    return code;
}
