/* linnet export: a checkpoint's weights for other programs. */
#include "cli/cli.h"

#include "base/log.h"
#include "base/status.h"
#include "export/export.h"
#include "tools/checkpoint_options.h"

#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {
    {"--format safetensors|pth|onnx", "output format"},
    {"--out FILE", "output file; must differ from CHECKPOINT"},
    {"--fold", "fold batch norm into the convolutions; the default for onnx"},
    {"--fp16", "store the weights in half precision"},
    {"--normalise", "onnx: include the normalisation; the input is then RGB in [0, 1]; the default"},
    {"--raw", "onnx: turn off the defaults --fold and --normalise; each can still be given"},
    {0}};
static const cli_manual manual = {.usage = "linnet export CHECKPOINT --format safetensors|pth|onnx --out FILE [--raw] "
                                           "[--fold] [--fp16] [options]",
                                  .option = own,
                                  .shared = true};

static int choose_format(export_format *out, const char *name) {
    static const char *const names[] = {"safetensors", "pth", "onnx"};
    if (name == NULL)
        return fail(E_OPTION, "--format is required: safetensors, pth or onnx");
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (export_format)i;
            return OK;
        }
    return fail(E_OPTION, "--format must be safetensors, pth or onnx, not '%s'", name);
}

/** What an ONNX file contains by default: what a program needs that knows only how to decode an image. */
static int choose_form(export_options *how, bool raw) {
    if (how->format == EXPORT_ONNX && !raw)
        how->fold = how->normalise = true;
    else if (how->format != EXPORT_ONNX && raw)
        return fail(E_OPTION, "--raw is for --format onnx; the other formats are raw unless --fold is given");
    return OK;
}

int cmd_export(int argc, char **argv) {
    static config c, overridden;
    ckpt *k = NULL;
    const char *format = NULL, *out = NULL;
    int n = 0, rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    export_options how = {.fold = cli_take_flag(&argc, argv, "--fold"),
                          .half = cli_take_flag(&argc, argv, "--fp16"),
                          .normalise = cli_take_flag(&argc, argv, "--normalise")};
    bool raw = cli_take_flag(&argc, argv, "--raw");
    static const char *const input[] = {"; input RGB, normalised", "; input RGB in [0, 1]"};
    const char **path = calloc((size_t)argc + 1, sizeof *path);
    if (path == NULL)
        return EXIT_FAILED;
    TRY(cli_take_value(&format, &argc, argv, "--format"));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    code = cli_config(&overridden, argc, argv, path, &n);
    if (code < 0 && n == 1 && out != NULL && strcmp(out, path[0]) == 0)
        TRY(fail(E_OPTION, "--out %s is the checkpoint itself: choose another file", out));
    if (code < 0 && (n != 1 || out == NULL))
        code = cli_usage(&manual);
    if (code >= 0)
        goto done;
    TRY(choose_format(&how.format, format));
    TRY(choose_form(&how, raw));
    TRY(ckpt_load_key(&k, path[0], overridden.model.init_key));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k, path[0]));
    TRY(config_read_arguments(&c, argc, argv, path, &n));
    TRY(export_checkpoint(out, k, path[0], &c, &how));
    log_info("%s: %s%s%s%s", out, c.model.arch, how.fold ? ", batch norm folded" : "", how.half ? ", fp16" : "",
             how.format == EXPORT_ONNX ? input[how.normalise] : "");
done:
    free(path);
    ckpt_free(k);
    return code >= 0 ? code : rc == OK ? EXIT_DONE : cli_failed(rc);
}
