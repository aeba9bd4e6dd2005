#include "cli/cli.h"

#include "base/file.h"
#include "base/status.h"
#include "image/contact_sheet.h"
#include "training/run_context.h"
#include "training/run_dataset.h"
#include "training/run_loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cli_option own[] = {{"--split train|val", "dataset split (default: train)"},
                                 {"--images N", "number of images (default: 32)"},
                                 {"--epoch N", "epoch whose augmentation is shown, counted from 0 (default: 0)"},
                                 {"--out FILE", "the JPEG file to write (preview.jpg)"},
                                 {0}};
static const cli_manual manual = {
    .usage = "linnet preview DATA [--split train|val] [--images N] [--epoch N] [--out FILE.jpg] [options]",
    .option = own,
    .shared = true};

enum { COLUMNS = 8, GAP = 4 };

static int contact_sheet_write(const contact_sheet *s, const char *path) {
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    int rc = OK;
    TRY(contact_sheet_encode(&bytes, &n, s));
    TRY(file_write_atomic(path, bytes, n));
done:
    free(bytes);
    return rc;
}

/** Fills the sheet with the first images of the loader's order. *shown: their number. */
static int fill(int *shown, contact_sheet *to, loader *l, const dataset *d, int images) {
    batch *b = NULL;
    int rc = OK, n = 0;
    while (n < images) {
        TRY(loader_next(&b, l));
        if (b == NULL)
            break;
        for (int i = 0; i < b->n && n < images; i++, n++) {
            contact_sheet_put(to, n, b->pixels + (size_t)i * (size_t)b->h * (size_t)b->w * 3);
            printf("%3d  %-24s %s\n", n, d->class_name[b->label[i]], dataset_name(d, b->index[i]));
        }
        loader_release(l, b);
        b = NULL; /* now owned by the loader */
    }
    *shown = n;
done:
    if (b != NULL)
        loader_release(l, b);
    return rc;
}

static int preview(const config *c, const char *split, int images, uint32_t epoch, const char *path) {
    dataset *d = NULL;
    loader *l = NULL;
    contact_sheet s = {0};
    int rc = OK, shown = 0;
    TRY(config_check(c));
    TRY(run_context_open_one(&d, c, split));
    loader_options o = run_loader_options(c, strcmp(split, "train") == 0);
    TRY(loader_open(&l, d, &o));
    if (o.transform.training)
        loader_set_size(l, run_loader_train_size(c, epoch));
    TRY(loader_start(l, epoch, 0));
    images = images < d->image_n ? images : (int)d->image_n;
    TRY(contact_sheet_init(&s, images, COLUMNS,
                           o.transform.training ? run_loader_train_size(c, epoch) : o.transform.size, GAP));
    TRY(fill(&shown, &s, l, d, images));
    TRY(contact_sheet_write(&s, path));
    printf("%s: %d model input images of %s in epoch %u, row by row\n", path, shown, d->root, epoch);
done:
    contact_sheet_deinit(&s);
    loader_close(l);
    dataset_close(d);
    return rc;
}

int cmd_preview(int argc, char **argv) {
    static config c;
    const char *split = NULL, *out = NULL;
    long long images = 32, epoch = 0;
    int rc = OK, code = cli_help(argc, argv, &manual);
    if (code >= 0)
        return code;
    TRY(cli_take_value(&split, &argc, argv, "--split"));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    TRY(cli_take_int(&images, &argc, argv, "--images", 1, 4096));
    TRY(cli_take_int(&epoch, &argc, argv, "--epoch", 0, 1 << 20));
    split = split != NULL ? split : "train";
    if (strcmp(split, "train") != 0 && strcmp(split, "val") != 0) {
        rc = fail(E_OPTION, "--split must be train or val, not '%s'", split);
        goto done;
    }
    code = cli_config_data(&c, argc, argv);
    if (code >= 0)
        return code;
    TRY(preview(&c, split, (int)images, (uint32_t)epoch, out != NULL ? out : "preview.jpg"));
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
