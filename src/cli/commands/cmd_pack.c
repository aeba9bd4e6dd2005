#include "cli/cli.h"

#include "base/status.h"
#include "base/text.h"
#include "tools/pack.h"
#include "training/run_context.h"

#include <stdio.h>

static const cli_option own[] = {{"--out DIR", "output folder"},
                                 CLI_DATA_OPTIONS,
                                 {"--shard-size MB", "shard size in MB (default: 128)"},
                                 {"--resize PIXELS", "scale images down so that the shorter side is at most PIXELS"},
                                 {"--quality N", "quality of the JPEGs that --resize writes, 1 to 100 (default: 90)"},
                                 {0}};
static const cli_manual manual = {
    .usage = "linnet pack DATA --out DIR [--shard-size MB] [--resize PIXELS [--quality N]]", .option = own};

static void show(void *context, const char *split, int64_t done, int64_t total) {
    cli_counter_show(context, split, "images", done, total);
}

int cmd_pack(int argc, char **argv) {
    long long resize = 0, quality = 90;
    double megabytes = 128;
    static config c;
    const char *out = NULL, *size = NULL;
    bool given = false;
    cli_counter counter = {0};
    pack_result r = {0};
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    TRY(cli_take_value(&size, &argc, argv, "--shard-size"));
    if (size != NULL && (!text_to_double(&megabytes, size) || !(megabytes > 0 && megabytes <= 1e6))) {
        rc = fail(E_OPTION, "--shard-size '%s' is not a number of MB in (0, 1,000,000]", size);
        goto done;
    }
    TRY(cli_take_int(&resize, &argc, argv, "--resize", 8, 8192));
    TRY(cli_take_int(&quality, &argc, argv, "--quality", 1, 100));
    TRY(cli_take_data(&given, &c, &argc, argv));
    if (!given || out == NULL)
        return cli_usage(&manual);
    cli_catch_signals(CLI_STOPS);
    pack_options o = {.shard_bytes = (uint64_t)(megabytes * (1 << 20)),
                      .resize = (int)resize,
                      .quality = (int)quality,
                      .max_bad = 0.01,
                      .progress = show,
                      .context = &counter,
                      .stop = &cli_stop};
    splits_request data = run_context_data(&c);
    TRY(pack(&r, &data, out, &o));
    char bytes[32];
    printf("%s: %lld training images in %lld shards, %lld validation images in %lld shards, %s in total\n", out,
           (long long)r.images[0], (long long)r.shards[0], (long long)r.images[1], (long long)r.shards[1],
           text_bytes(bytes, (double)r.bytes));
    if (r.left_out > 0)
        printf("%lld files could not be read and were omitted\n", (long long)r.left_out);
    if (r.undecoded > 0)
        printf("%lld images could not be decoded and were packed unchanged\n", (long long)r.undecoded);
done:
    return rc == OK ? EXIT_DONE : cli_stopped(rc);
}
