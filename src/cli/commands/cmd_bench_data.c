#include "cli/cli.h"
#include "cli/commands/cmd_bench.h"
#include "cli/json.h"

#include "base/status.h"
#include "base/text.h"
#include "tools/bench_data.h"

#include <stdio.h>
#include <string.h>

static const cli_option own[] = {{"--split train|val", "dataset split (default: train)"},
                                 {"--images N", "stop after N images (default: after one epoch)"},
                                 {"--seconds S", "stop after S seconds"},
                                 {"--json", "print the result as one JSON object"},
                                 {0}};
static const cli_manual manual = {.usage = "linnet bench data DATA [--split train|val] [--workers N] [--images N] "
                                           "[--seconds S] [options] [--json]",
                                  .option = own,
                                  .shared = true};

static double rate(int64_t images, double seconds) { return seconds > 0 ? (double)images / seconds : 0; }

static int print_result(const bench_data_result *r, const char *split, bool json) {
    if (!json) {
        char size[32];
        printf("%s, %d px%s, batch size %d, %d worker%s, mean file size %s\n", split, r->image_size,
               r->fast_decode ? ", fast_decode" : "", r->batch, r->workers, r->workers == 1 ? "" : "s",
               text_bytes(size, r->file_bytes));
        printf("%.1f images/s: %lld images in %.2f s\n", rate(r->images, r->seconds), (long long)r->images, r->seconds);
        printf("%.1f images per CPU second (%.2f CPU seconds in total)\n", rate(r->images, r->cpu_seconds),
               r->cpu_seconds);
        if (r->bad > 0)
            printf("%lld of %lld files cannot be read\n", (long long)r->bad, (long long)r->dataset_n);
        return OK;
    }
    json_t *o = json_object();
    json_object_set_new(o, "images_per_second", json_number_or_null(rate(r->images, r->seconds)));
    json_object_set_new(o, "images", json_integer(r->images));
    json_object_set_new(o, "seconds", json_number_or_null(r->seconds));
    json_object_set_new(o, "cpu_seconds", json_number_or_null(r->cpu_seconds));
    json_object_set_new(o, "images_per_cpu_second", json_number_or_null(rate(r->images, r->cpu_seconds)));
    json_object_set_new(o, "workers", json_integer(r->workers));
    json_object_set_new(o, "split", json_text(split));
    json_object_set_new(o, "image_size", json_integer(r->image_size));
    json_object_set_new(o, "batch", json_integer(r->batch));
    json_object_set_new(o, "mean_file_bytes", json_number_or_null(r->file_bytes));
    json_object_set_new(o, "fast_decode", json_boolean(r->fast_decode));
    json_object_set_new(o, "dataset_images", json_integer(r->dataset_n));
    json_object_set_new(o, "bad_images", json_integer(r->bad));
    return json_print(o);
}

/** Removes --split, --images and --seconds from the arguments. */
static int take_limits(const char **split, bench_data_limit *limit, int *argc, char **argv) {
    const char *seconds = NULL;
    long long images = 0;
    int rc = OK;
    TRY(cli_take_value(split, argc, argv, "--split"));
    *split = *split != NULL ? *split : "train";
    if (strcmp(*split, "train") != 0 && strcmp(*split, "val") != 0)
        return fail(E_OPTION, "--split must be train or val, not '%s'", *split);
    TRY(cli_take_int(&images, argc, argv, "--images", 1, 1000000000));
    limit->images = images;
    TRY(cli_take_value(&seconds, argc, argv, "--seconds"));
    if (seconds != NULL && (!text_to_double(&limit->seconds, seconds) || !(limit->seconds > 0 && limit->seconds < 1e6)))
        return fail(E_OPTION, "--seconds '%s' is not a number in (0, 1000000)", seconds);
done:
    return rc;
}

int cmd_bench_data(int argc, char **argv) {
    static config c;
    bench_data_result r;
    bench_data_limit limit = {0};
    const char *split = NULL;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    bool json = cli_take_flag(&argc, argv, "--json");
    TRY(take_limits(&split, &limit, &argc, argv));
    code = cli_config_data(&c, argc, argv);
    if (code >= 0)
        return code;
    TRY(config_check(&c));
    TRY(bench_data(&r, &c, split, limit));
    TRY(print_result(&r, split, json));
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
