/* Included by the tests that need it (image_files.h). */

#include "loader/image_files.h"

#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

static void paint_row(unsigned char *row, int components, int w, int y, random_stream *r) {
    for (int x = 0; x < w; x++)
        for (int c = 0; c < components; c++) {
            double wave = 128 + 90 * sin(x / (3.0 + c) + y / (7.0 - c)) * cos(y / 13.0 + c);
            bool edge = (x / 19 + y / 23) % 3 == 0, noisy = (x / 40 + y / 40) % 4 == 1;
            row[x * components + c] = (unsigned char)(noisy ? random_below(r, 256) : edge ? 255 - 80 * c : wave);
        }
}

static void choose_layout(struct jpeg_compress_struct *c, const jpeg_layout *l, jpeg_scan_info *scans) {
    const J_COLOR_SPACE in[] = {0, JCS_GRAYSCALE, 0, JCS_RGB, JCS_CMYK};
    c->input_components = l->components;
    c->in_color_space = in[l->components];
    jpeg_set_defaults(c);
    if (l->components == 4)
        jpeg_set_colorspace(c, l->ycck ? JCS_YCCK : JCS_CMYK);
    jpeg_set_quality(c, l->quality > 0 ? l->quality : 75, TRUE);
    c->comp_info[0].h_samp_factor = l->h;
    c->comp_info[0].v_samp_factor = l->v;
    if (l->components == 4) {
        c->comp_info[3].h_samp_factor = l->h;
        c->comp_info[3].v_samp_factor = l->v;
    }
    if (l->progressive)
        jpeg_simple_progression(c);
    if (l->separate_scans) {
        for (int i = 0; i < l->components; i++)
            scans[i] = (jpeg_scan_info){.comps_in_scan = 1, .component_index = {i}, .Se = 63};
        c->scan_info = scans;
        c->num_scans = l->components;
    }
    c->arith_code = l->arithmetic;
    c->restart_interval = (unsigned)l->restart;
}

unsigned char *make_jpeg(size_t *n, const jpeg_layout *l, int w, int h, unsigned seed) {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    jpeg_scan_info scans[4];
    unsigned char *bytes = NULL, *row = malloc((size_t)w * 4);
    unsigned long size = 0;
    random_stream r = random_open(seed, 0, 0, RANDOM_TEST);
    c.err = jpeg_std_error(&errors); /* an error ends the test, as it should */
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = (JDIMENSION)w;
    c.image_height = (JDIMENSION)h;
    choose_layout(&c, l, scans);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < h; y++) {
        paint_row(row, l->components, w, y, &r);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    *n = size;
    return bytes;
}
