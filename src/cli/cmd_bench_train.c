#include "cli/cli.h"
#include "cli/cmd_bench.h"
#include "cli/json.h"

#include "base/status.h"
#include "base/text.h"
#include "train/bench.h"

#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "linnet bench train [--arch A] [--batch-size N] [--image-size N] [--precision P] [--steps N] [--warmup N] [--json]";

static void print_result(const bench_result *r, bool json) {
    if (!json) {
        char a[32], b[32];
        printf("%s, batch %d, %s, %s\n", r->arch, r->batch, r->precision, r->engine);
        printf("%.2f images/s: median step %.1f ms, shortest %.1f ms, of %d\n", r->images_per_second,
               1e3 * r->step_median, 1e3 * r->step_min, r->steps);
        printf("memory: %s parameters and state, %s activations\n", text_bytes(a, (double)r->parameters_bytes),
               text_bytes(b, (double)r->activations_bytes));
        return;
    }
    json_t *o = json_object();
    json_object_set_new(o, "images_per_second", json_number_or_null(r->images_per_second));
    json_object_set_new(o, "images", json_integer((json_int_t)r->batch * r->steps));
    json_object_set_new(o, "seconds", json_number_or_null(r->seconds));
    json_object_set_new(o, "step_seconds", json_number_or_null(r->step_median));
    json_object_set_new(o, "step_seconds_min", json_number_or_null(r->step_min));
    json_object_set_new(o, "loss", json_number_or_null(r->loss));
    json_object_set_new(o, "arch", json_string(r->arch));
    json_object_set_new(o, "batch", json_integer(r->batch));
    json_object_set_new(o, "precision", json_string(r->precision));
    json_object_set_new(o, "engine", json_string(r->engine));
    json_object_set_new(o, "parameter_bytes", json_integer((json_int_t)r->parameters_bytes));
    json_object_set_new(o, "activation_bytes", json_integer((json_int_t)r->activations_bytes));
    json_print(o);
}

int cmd_bench_train(int argc, char **argv) {
    static config c;
    bench_result r;
    long long steps = 5, warmup = 2;
    int n = 0, rc = OK;
    bool json = cli_take_flag(&argc, argv, "--json");
    TRY(cli_take_int(&steps, &argc, argv, "--steps", 1, 1000000));
    TRY(cli_take_int(&warmup, &argc, argv, "--warmup", 0, 1000000));
    const char **rest = calloc((size_t)argc + 1, sizeof *rest);
    if (rest == NULL)
        return EXIT_FAILED;
    int code = cli_config(&c, argc, argv, usage, rest, &n);
    free(rest);
    if (code >= 0)
        return code;
    if (n > 0)
        return cli_usage(usage);
    TRY(bench_train(&r, &c, (int)steps, (int)warmup));
    print_result(&r, json);
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
