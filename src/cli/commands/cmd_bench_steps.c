/* `linnet bench train` and `linnet bench eval`. */
#include "cli/cli.h"
#include "cli/commands/cmd_bench.h"
#include "cli/commands/cmd_bench_profile.h"
#include "cli/json.h"
#include "cli/launcher.h"

#include "base/status.h"
#include "base/text.h"
#include "tools/bench.h"

#include <stdio.h>
#include <stdlib.h>

static const cli_option own[] = {{"--steps N", "timed steps (default: 5)"},
                                 {"--warmup N", "warm-up steps, not timed (default: 2)"},
                                 {"--profile", "print the time and algorithm per layer and pass"},
                                 {"--json", "print the result as one JSON object"},
                                 {0}};
static const cli_manual train_manual = {
    .usage = "linnet bench train [--steps N] [--warmup N] [--profile] [options] [--json]",
    .option = own,
    .shared = true};
static const cli_manual eval_manual = {
    .usage = "linnet bench eval [--steps N] [--warmup N] [--profile] [options] [--json]",
    .text = "A step evaluates a batch: forward and loss, with the running statistics of batch norm.",
    .option = own,
    .shared = true};

/** `detail` is NULL without --profile. */
static int print_result(const bench_result *r, const profile *detail, bool json) {
    if (!json) {
        char size[6][32];
        const engine_memory *m = &r->memory;
        if (r->ranks > 1)
            printf("%d ranks, on each: ", r->ranks);
        printf("%s, batch %d, %s, %s\n", r->arch, r->batch, r->precision, r->engine);
        printf("%.2f images/s; median step time %.1f ms, minimum %.1f ms over %d steps\n", r->images_per_second,
               1e3 * r->step_median, 1e3 * r->step_min, r->steps);
        if (r->timing.slowest >= 0)
            printf("communication: %.1f ms per step (%.1f%%) not overlapped with the backward pass; the slowest rank "
                   "(%d) takes %.0f%% longer than the mean of the others\n",
                   1e3 * r->timing.comm * r->seconds / r->steps, 100 * r->timing.comm, r->timing.slowest,
                   100 * r->timing.excess);
        printf("memory: %s parameters, gradients and optimizer state; %s activations; %s libraries; %s process; "
               "planned total %s, measured peak %s\n",
               text_bytes(size[0], (double)m->parameters), text_bytes(size[1], (double)m->activations),
               text_bytes(size[2], (double)m->library), text_bytes(size[3], (double)m->process),
               text_bytes(size[4], (double)engine_memory_total(m)), text_bytes(size[5], (double)r->peak_bytes));
        if (detail != NULL)
            bench_profile_print(detail);
        return OK;
    }
    json_t *o = json_object();
    json_object_set_new(o, "images_per_second", json_number_or_null(r->images_per_second));
    json_object_set_new(o, "images", json_integer((json_int_t)r->ranks * r->batch * r->steps));
    json_object_set_new(o, "ranks", json_integer(r->ranks));
    if (r->timing.slowest >= 0) {
        json_object_set_new(o, "communication_seconds", json_number_or_null(r->timing.comm * r->seconds / r->steps));
        json_object_set_new(o, "slowest_rank", json_integer(r->timing.slowest));
        json_object_set_new(o, "slowest_excess", json_number_or_null(r->timing.excess));
    }
    json_object_set_new(o, "seconds", json_number_or_null(r->seconds));
    json_object_set_new(o, "step_seconds", json_number_or_null(r->step_median));
    json_object_set_new(o, "step_seconds_min", json_number_or_null(r->step_min));
    json_object_set_new(o, "loss", json_number_or_null(r->loss));
    json_object_set_new(o, "arch", json_text(r->arch));
    json_object_set_new(o, "batch", json_integer(r->batch));
    json_object_set_new(o, "precision", json_text(r->precision));
    json_object_set_new(o, "engine", json_text(r->engine));
    json_object_set_new(o, "parameter_bytes", json_integer((json_int_t)r->memory.parameters));
    json_object_set_new(o, "activation_bytes", json_integer((json_int_t)r->memory.activations));
    json_object_set_new(o, "planned_bytes", json_integer((json_int_t)engine_memory_total(&r->memory)));
    json_object_set_new(o, "peak_bytes", r->peak_bytes > 0 ? json_integer((json_int_t)r->peak_bytes) : json_null());
    if (detail != NULL)
        json_object_set_new(o, "profile", bench_profile_json(detail));
    return json_print(o);
}

static int bench_command(int argc, char **argv, const cli_manual *manual, bool training) {
    static config c;
    bench_result r;
    profile detail = {0};
    comm *ranks = NULL;
    long long steps = 5, warmup = 2;
    int n = 0, rc = OK, code = cli_help(argc, argv, manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json"), profiled = cli_take_flag(&argc, argv, "--profile");
    TRY(cli_take_int(&steps, &argc, argv, "--steps", 1, 1000000));
    TRY(cli_take_int(&warmup, &argc, argv, "--warmup", 0, 1000000));
    const char **rest = calloc((size_t)argc + 1, sizeof *rest);
    if (rest == NULL)
        return EXIT_FAILED;
    code = cli_config(&c, argc, argv, rest, &n);
    if (code < 0 && n > 0)
        code = cli_failed(cli_unexpected(rest[0]));
    free(rest);
    if (code >= 0)
        return code;
    code = launcher_run(&c, CLI_SILENT);
    if (code >= 0)
        return code;
    TRY(cli_open_ranks(&ranks, &c));
    TRY(config_check(&c));
    TRY(bench_steps(&r, profiled ? &detail : NULL, &c, ranks, training, (int)steps, (int)warmup));
    if (comm_rank(ranks) == 0)
        rc = print_result(&r, profiled ? &detail : NULL, json);
done:
    code = rc == OK ? EXIT_DONE : comm_rank(ranks) == 0 ? cli_failed(rc) : EXIT_FAILED; /* rank 0 prints the error */
    cli_close_ranks(ranks, rc);
    profile_deinit(&detail);
    return code;
}

int cmd_bench_train(int argc, char **argv) { return bench_command(argc, argv, &train_manual, true); }

int cmd_bench_eval(int argc, char **argv) { return bench_command(argc, argv, &eval_manual, false); }
