/* linnet export: a checkpoint's weights for other programs. */
#include "cli/checkpoint_options.h"
#include "cli/cli.h"

#include "base/log.h"
#include "base/status.h"
#include "export/export.h"

#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {{"--format F", "safetensors, pth or onnx"},
                                 {"--out FILE", "output file; must not be the checkpoint"},
                                 {"--fold", "fold batch norm into the convolutions"},
                                 {"--fp16", "store the weights in half precision"},
                                 {"--normalise", "onnx: include the normalisation; the model then takes RGB in [0, 1]"},
                                 {0}};
static const cli_manual manual = {.usage = "linnet export CHECKPOINT --format safetensors|pth|onnx --out FILE [--fold] "
                                           "[--fp16] [--normalise] [options]",
                                  .option = own,
                                  .shared = true};

static int choose_format(export_format *out, const char *name) {
    static const char *const names[] = {"safetensors", "pth", "onnx"};
    for (int i = 0; i < 3; i++)
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *out = (export_format)i;
            return OK;
        }
    return fail(E_OPTION, "--format must be safetensors, pth or onnx, not '%s'", name != NULL ? name : "");
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
    const char **path = calloc((size_t)argc + 1, sizeof *path);
    if (path == NULL)
        return EXIT_FAILED;
    TRY(cli_take_value(&format, &argc, argv, "--format"));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    code = cli_config(&overridden, argc, argv, path, &n);
    if (code < 0 && (n != 1 || out == NULL || strcmp(out, path[0]) == 0))
        code = cli_usage(&manual);
    if (code >= 0)
        goto done;
    TRY(choose_format(&how.format, format));
    TRY(ckpt_load(&k, path[0]));
    config_defaults(&c);
    TRY(checkpoint_options(&c, k, path[0]));
    TRY(config_read_arguments(&c, argc, argv, path, &n));
    TRY(export_checkpoint(out, k, path[0], &c, &how));
    log_info("%s: %s%s%s%s", out, c.model.arch, how.fold ? ", batch norm folded" : "", how.half ? ", fp16" : "",
             how.normalise ? ", takes RGB in [0, 1]" : "");
done:
    free(path);
    ckpt_free(k);
    return code >= 0 ? code : rc == OK ? EXIT_DONE : cli_failed(rc);
}
