#include "cli/audit_report.h"

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/read.h"
#include "image/contact_sheet.h"
#include "report/markdown.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 3, THUMBNAILS = 48, SIDE = 96, COLUMNS = 8, GAP = 2, LISTED = 200 };

static const char *const split_name[] = {"train", "val"};

static int64_t images_of(const audit *a) {
    int64_t n = 0;
    for (int s = 0; s < 2; s++)
        n += a->data[s] != NULL ? a->data[s]->image_n : 0;
    return n;
}

static const char *file_of(const audit *a, int split, int64_t index) {
    return index >= 0 ? dataset_name(a->data[split], index) : "";
}

/** Appends "train/CLASS/FILE, like val/CLASS/FILE, DETAIL". */
static int put_line(text *out, const audit *a, const audit_finding *f) {
    int rc = OK;
    TRY(text_printf(out, "%s", split_name[f->split]));
    if (f->index >= 0)
        TRY(text_printf(out, "/%s", file_of(a, f->split, f->index)));
    if (f->other >= 0)
        TRY(text_printf(out, ", like %s/%s", split_name[f->other_split], file_of(a, f->other_split, f->other)));
    if (f->detail[0] != 0)
        TRY(text_printf(out, "%s%s", f->other >= 0 ? ", " : ": ", f->detail));
done:
    return rc;
}

void audit_print(const audit *a) {
    char n[32];
    printf("%s images in %.1f s, %.0f/s\n", text_count(n, (unsigned long long)images_of(a)), a->seconds,
           a->seconds > 0 ? (double)images_of(a) / a->seconds : 0);
    if (a->colours.pixels > 0) {
        double mean[3], std[3];
        audit_mean_std(mean, std, &a->colours);
        printf("training images: --data.mean %.4f,%.4f,%.4f --data.std %.4f,%.4f,%.4f\n", mean[0], mean[1], mean[2],
               std[0], std[1], std[2]);
    }
    if (a->n == 0)
        printf("no problems found\n");
    for (int64_t i = 0, of_kind = 0; i < a->n; i++) {
        const audit_finding *f = &a->finding[i];
        text line = {0};
        of_kind = i > 0 && a->finding[i - 1].kind == f->kind ? of_kind + 1 : 0;
        if (of_kind == 0)
            printf("%-17s %8lld  %s\n", audit_name[f->kind], (long long)a->count[f->kind], audit_text[f->kind]);
        if (of_kind < EXAMPLES && put_line(&line, a, f) == OK)
            printf("    %s\n", text_string(&line));
        else if (of_kind == EXAMPLES)
            printf("    ...\n");
        text_deinit(&line);
    }
}

json_t *audit_json(const audit *a) {
    json_t *o = json_object(), *counts = json_object(), *list = json_array();
    for (int k = 0; k < AUDIT_KINDS; k++)
        json_object_set_new(counts, audit_name[k], json_integer(a->count[k]));
    for (int64_t i = 0; i < a->n; i++) {
        const audit_finding *f = &a->finding[i];
        json_t *one = json_object();
        json_object_set_new(one, "kind", json_text(audit_name[f->kind]));
        json_object_set_new(one, "split", json_text(split_name[f->split]));
        if (f->index >= 0)
            json_object_set_new(one, "file", json_text(file_of(a, f->split, f->index)));
        if (f->other >= 0) {
            json_object_set_new(one, "other_split", json_text(split_name[f->other_split]));
            json_object_set_new(one, "other", json_text(file_of(a, f->other_split, f->other)));
        }
        if (f->kind == AUDIT_NEAR_DUPLICATE)
            json_object_set_new(one, "bits", json_integer(f->distance));
        if (f->detail[0] != 0)
            json_object_set_new(one, "detail", json_text(f->detail));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "images", json_integer(images_of(a)));
    json_object_set_new(o, "seconds", json_real(a->seconds));
    json_object_set_new(o, "images_per_second", json_real(a->seconds > 0 ? (double)images_of(a) / a->seconds : 0));
    if (a->colours.pixels > 0) {
        double mean[3], std[3];
        audit_mean_std(mean, std, &a->colours);
        json_object_set_new(o, "mean", json_pack("[fff]", mean[0], mean[1], mean[2]));
        json_object_set_new(o, "std", json_pack("[fff]", std[0], std[1], std[2]));
    }
    json_object_set_new(o, "counts", counts);
    json_object_set_new(o, "findings", list);
    return o;
}

/** Copies a thumbnail to the sheet; black if the image cannot be decoded. */
static void put_thumbnail(contact_sheet *s, int at, decoder *d, image_buffer *b, const dataset *data, int64_t index) {
    static uint8_t pixels[SIDE * SIDE * 3];
    transform t = transform_default(false, SIDE, SIDE);
    const unsigned char *bytes = NULL;
    size_t n = 0;
    if (dataset_read(&bytes, &n, b, data, index, 0) == OK &&
        transform_decode(pixels, d, bytes, n, dataset_name(data, index), &t, NULL) == OK)
        contact_sheet_put(s, at, pixels);
}

/** Writes a sheet with the first images of a kind; of pairs, both images side by side. @param[out] shown 0: the kind
 *  has no images */
static int write_sheet(int *shown, const audit *a, const audit_finding *f, int64_t n, const char *path) {
    int rc = OK, at = 0, each = f[0].other >= 0 ? 2 : 1;
    contact_sheet s = {0};
    decoder *d = NULL;
    image_buffer b = {0};
    unsigned char *jpeg = NULL;
    unsigned long jpeg_n = 0;
    *shown = 0;
    if (f[0].index < 0)
        return OK;
    int images = (int)(n * each < THUMBNAILS ? n * each : THUMBNAILS);
    TRY(decoder_create(&d, NULL));
    TRY(contact_sheet_init(&s, images, COLUMNS, SIDE, GAP));
    for (int64_t i = 0; i < n && at < images; i++) {
        put_thumbnail(&s, at++, d, &b, a->data[f[i].split], f[i].index);
        if (each == 2)
            put_thumbnail(&s, at++, d, &b, a->data[f[i].other_split], f[i].other);
    }
    TRY(contact_sheet_encode(&jpeg, &jpeg_n, &s));
    TRY(file_write_atomic(path, jpeg, jpeg_n));
    *shown = images;
done:
    free(jpeg);
    contact_sheet_deinit(&s);
    image_buffer_deinit(&b);
    decoder_destroy(d);
    return rc;
}

static int put_section(text *page, const audit *a, const audit_finding *f, int64_t n, const char *folder) {
    int rc = OK, shown = 0;
    char path[PATH_BYTES];
    text line = {0};
    TRY(path_format(path, "%s/audit-%s.jpg", folder, audit_name[f->kind]));
    TRY(write_sheet(&shown, a, f, n, path));
    TRY(text_printf(page, "\n## %s: %lld\n\n%s.\n\n", audit_name[f->kind], (long long)n, audit_text[f->kind]));
    if (shown > 0)
        TRY(text_printf(page, "![the first %d images](audit-%s.jpg)\n\n", shown, audit_name[f->kind]));
    for (int64_t i = 0; i < n && i < LISTED; i++) {
        line.n = 0;
        TRY(put_line(&line, a, &f[i]));
        TRY(text_printf(page, "- "));
        TRY(md_code(page, text_string(&line)));
        TRY(text_printf(page, "\n"));
    }
    if (n > LISTED)
        TRY(text_printf(page, "- and %lld more; see audit.json for all of them\n", (long long)(n - LISTED)));
done:
    text_deinit(&line);
    return rc;
}

static int write_json(const audit *a, const char *folder) {
    int rc = OK;
    char path[PATH_BYTES];
    text dump = {0};
    json_t *o = audit_json(a);
    TRY(path_join(path, folder, "audit.json"));
    TRY(json_append(&dump, o, JSON_INDENT(1)));
    TRY(file_write_atomic(path, dump.data, dump.n));
done:
    text_deinit(&dump);
    json_decref(o);
    return rc;
}

int audit_write(const audit *a, const char *folder) {
    int rc = OK;
    char path[PATH_BYTES];
    text page = {0};
    TRY(folder_make(folder));
    TRY(text_printf(&page,
                    "# Audit\n\n%lld images. `linnet audit --help` explains each kind of problem.\n\n"
                    "| problem | count |\n|---|---|\n",
                    (long long)images_of(a)));
    for (int k = 0; k < AUDIT_KINDS; k++)
        TRY(text_printf(&page, "| %s | %lld |\n", audit_name[k], (long long)a->count[k]));
    for (int64_t i = 0; i < a->n; i += a->count[a->finding[i].kind])
        TRY(put_section(&page, a, &a->finding[i], a->count[a->finding[i].kind], folder));
    TRY(path_join(path, folder, "audit.md"));
    TRY(file_write_atomic(path, page.data, page.n));
    TRY(write_json(a, folder));
done:
    text_deinit(&page);
    return rc;
}
