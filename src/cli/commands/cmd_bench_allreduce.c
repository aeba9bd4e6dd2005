#include "cli/cli.h"
#include "cli/commands/cmd_bench.h"
#include "cli/json.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "distributed/comm_open.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {{"--type fp32|bf16|fp16", "number format (default: fp32)"},
                                 {"--bytes N", "measure only this size in bytes (default: 1 KiB to 64 MiB)"},
                                 {"--steps N", "all-reduces per size; the median is printed (default: 9)"},
                                 {"--json", "print the result as one JSON object"},
                                 {0}};
static const cli_manual manual = {
    .usage = "mpirun -n N linnet bench allreduce [--type fp32|bf16|fp16] [--bytes N] [--steps N] [--json]",
    .option = own};

enum { SMALLEST = 1 << 10, LARGEST = 1 << 26 }; /* bytes, without --bytes: 1 KiB, 4 KiB, ... */

typedef struct allreduce {
    const char *name;
    comm_type type;
    comm_kind kind; /* the operation used for gradients of this type */
    size_t smallest, largest;
    int steps;
    bool json;
} allreduce;

/** With 16 bits, the engine divides. */
static const allreduce types[] = {{.name = "fp32", .type = COMM_F32, .kind = COMM_MEAN},
                                  {.name = "bf16", .type = COMM_BF16, .kind = COMM_SUM},
                                  {.name = "fp16", .type = COMM_F16, .kind = COMM_SUM}};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Median seconds for `bytes` of data, measured on rank 0. */
static int measure(double *median, comm *c, const allreduce *a, void *data, size_t bytes) {
    double *seconds = NULL;
    int rc = OK;
    TRY(memory_zeroed(&seconds, (size_t)a->steps, sizeof *seconds));
    for (int i = -2; i < a->steps; i++) {
        TRY(comm_barrier(c));
        double start = clock_seconds();
        TRY(comm_all(c, a->kind, a->type, data, bytes / comm_bytes(a->type)));
        if (i >= 0)
            seconds[i] = clock_seconds() - start;
    }
    qsort(seconds, (size_t)a->steps, sizeof *seconds, by_value);
    *median = seconds[a->steps / 2];
done:
    free(seconds);
    return rc;
}

/** Every rank sends and receives at least 2 (n - 1) / n of the data. So this is the rate of a link, comparable
 *  across numbers of ranks. */
static double bus_rate(const comm *c, size_t bytes, double seconds) {
    return 2.0 * (c->ranks - 1) / c->ranks * (double)bytes / seconds;
}

static int run(comm *c, const allreduce *a) {
    void *data = NULL;
    json_t *rows = json_array();
    int rc = OK;
    TRY(memory_zeroed(&data, a->largest, 1));
    if (c->rank == 0 && !a->json)
        printf("%d ranks, %d on this host, %s\n%12s %12s %12s\n", c->ranks, c->local_ranks, a->name, "size", "ms",
               "busbw");
    for (size_t bytes = a->smallest; bytes <= a->largest; bytes *= 4) {
        double seconds = 0;
        char size[32], rate[32];
        TRY(measure(&seconds, c, a, data, bytes));
        if (c->rank != 0)
            continue;
        if (!a->json)
            printf("%12s %12.3f %10s/s\n", text_bytes(size, (double)bytes), 1e3 * seconds,
                   text_bytes(rate, bus_rate(c, bytes, seconds)));
        json_t *row = json_object();
        json_object_set_new(row, "bytes", json_integer((json_int_t)bytes));
        json_object_set_new(row, "seconds", json_number_or_null(seconds));
        json_object_set_new(row, "bus_bytes_per_second", json_number_or_null(bus_rate(c, bytes, seconds)));
        json_array_append_new(rows, row);
    }
    if (c->rank == 0 && a->json) {
        json_t *o = json_object();
        json_object_set_new(o, "ranks", json_integer(c->ranks));
        json_object_set_new(o, "type", json_text(a->name));
        json_object_set(o, "sizes", rows);
        rc = json_print(o);
    }
done:
    json_decref(rows);
    free(data);
    return rc;
}

static int read_options(allreduce *out, int *argc, char **argv) {
    const char *name = NULL;
    long long steps = 9, bytes = 0;
    bool json = cli_take_flag(argc, argv, "--json");
    int rc = OK;
    TRY(cli_take_value(&name, argc, argv, "--type"));
    TRY(cli_take_int(&steps, argc, argv, "--steps", 1, 1000000));
    TRY(cli_take_int(&bytes, argc, argv, "--bytes", 4, INT_MAX));
    *out = (allreduce){.steps = 0};
    for (size_t i = 0; i < sizeof types / sizeof *types && out->name == NULL; i++)
        if (name == NULL || strcmp(types[i].name, name) == 0)
            *out = types[i];
    if (out->name == NULL)
        return fail(E_OPTION, "--type must be fp32, bf16 or fp16, not '%s'", name);
    out->smallest = bytes > 0 ? (size_t)bytes : SMALLEST;
    out->largest = bytes > 0 ? (size_t)bytes : LARGEST;
    out->steps = (int)steps;
    out->json = json;
done:
    return rc;
}

int cmd_bench_allreduce(int argc, char **argv) {
    comm *c = NULL;
    allreduce a;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    TRY(read_options(&a, &argc, argv));
    if (argc > 0)
        return cli_usage(&manual);
    TRY(cli_open_ranks(&c, NULL));
    if (comm_ranks(c) < 2)
        rc =
            fail(E_OPTION, "an all-reduce needs at least two ranks: mpirun -n 2 --bind-to none linnet bench allreduce");
    else
        rc = run(c, &a);
done:
    code = rc == OK ? EXIT_DONE : comm_rank(c) == 0 || rc != E_RANK ? cli_failed(rc) : EXIT_FAILED;
    cli_close_ranks(c, rc);
    return code;
}
