#include "cli/cli.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/jpeg_write.h"
#include "train/setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "linnet preview DIR [--split train|val] [--images N] [--epoch N] [--out FILE.jpg] [--image-size N] [options]";

enum { COLUMNS = 8, GAP = 4, QUALITY = 92 };

typedef struct sheet {
    uint8_t *pixels;
    int size, w, h;
} sheet;

static int sheet_init(sheet *s, int images, int size) {
    int rows = (images + COLUMNS - 1) / COLUMNS;
    *s = (sheet){.size = size, .w = COLUMNS * (size + GAP) + GAP, .h = rows * (size + GAP) + GAP};
    if (s->h > 65500 || s->w > 65500)
        return fail(E_OPTION, "%d images of %d pixels do not fit into one JPEG: lower --images", images, size);
    return memory_zeroed(&s->pixels, (size_t)s->w * (size_t)s->h, 3);
}

static void sheet_put(sheet *s, int at, const uint8_t *image) {
    int x = GAP + at % COLUMNS * (s->size + GAP), y = GAP + at / COLUMNS * (s->size + GAP);
    for (int row = 0; row < s->size; row++)
        memcpy(s->pixels + 3 * ((size_t)(y + row) * (size_t)s->w + (size_t)x),
               image + (size_t)row * (size_t)s->size * 3, (size_t)s->size * 3);
}

static int sheet_write(const sheet *s, const char *path) {
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    int rc = OK;
    TRY(jpeg_encode(&bytes, &n, s->pixels, s->w, s->h, QUALITY));
    TRY(file_write_atomic(path, bytes, n));
done:
    free(bytes);
    return rc;
}

/** Fills the sheet with the first images of the loader's order. *shown: how many there were. */
static int fill(int *shown, sheet *to, loader *l, const dataset *d, int images) {
    batch *b = NULL;
    int rc = OK, n = 0;
    while (n < images) {
        TRY(loader_next(&b, l));
        if (b == NULL)
            break;
        for (int i = 0; i < b->n && n < images; i++, n++) {
            sheet_put(to, n, b->pixels + (size_t)i * (size_t)b->h * (size_t)b->w * 3);
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
    sheet s = {0};
    int rc = OK, shown = 0;
    TRY(config_check(c));
    TRY(dataset_open(&d, c->data.path, split));
    loader_options o = setup_loader_options(c, strcmp(split, "train") == 0);
    TRY(loader_open(&l, d, &o));
    TRY(loader_start(l, epoch, 0));
    images = images < d->image_n ? images : (int)d->image_n;
    TRY(sheet_init(&s, images, c->data.image_size));
    TRY(fill(&shown, &s, l, d, images));
    TRY(sheet_write(&s, path));
    printf("%s: %d images of %s as the network sees them in epoch %u, row by row\n", path, shown, d->root, epoch);
done:
    free(s.pixels);
    loader_close(l);
    dataset_close(d);
    return rc;
}

int cmd_preview(int argc, char **argv) {
    static config c;
    const char *split = NULL, *out = NULL, **folder = NULL;
    long long images = 32, epoch = 0;
    int n = 0, rc = OK;
    TRY(cli_take_value(&split, &argc, argv, "--split"));
    TRY(cli_take_value(&out, &argc, argv, "--out"));
    TRY(cli_take_int(&images, &argc, argv, "--images", 1, 4096));
    TRY(cli_take_int(&epoch, &argc, argv, "--epoch", 0, 1 << 20));
    split = split != NULL ? split : "train";
    if (strcmp(split, "train") != 0 && strcmp(split, "val") != 0) {
        rc = fail(E_OPTION, "--split '%s' is neither train nor val", split);
        goto done;
    }
    TRY(memory_zeroed(&folder, (size_t)argc + 1, sizeof *folder));
    int code = cli_config(&c, argc, argv, usage, folder, &n);
    if (code < 0 && n == 1)
        rc = config_set(&c, "data.path", folder[0], "the command line");
    if (code < 0 && c.data.path[0] == 0)
        code = cli_usage(usage);
    free(folder);
    if (code >= 0)
        return code;
    TRY(rc);
    TRY(preview(&c, split, (int)images, (uint32_t)epoch, out != NULL ? out : "preview.jpg"));
done:
    return rc == OK ? EXIT_DONE : cli_failed(rc);
}
