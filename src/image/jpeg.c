#include "image/jpeg.h"

#include "base/memory.h"
#include "base/status.h"
#include "image/resample.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* libjpeg keeps all coefficients of an image with several scans. Up to this size they are always allowed; above it
 * the file must contain at least the bits that each block needs. */
#define FREE_COEFFICIENT_BYTES ((size_t)64 << 20)
#define COEFFICIENT_BYTES_MAX ((long)3 << 30)
/* Fancy upsampling reads one more chroma sample on each side. */
#define COLUMN_MARGIN 2
/* libjpeg selects other upsamplers for very narrow images, so a crop must not be narrower than this. */
#define NARROWEST_CROP 32
#define ROW_OFFSET 8

/* libjpeg reports errors by longjmp. Every function below that calls libjpeg first sets `jump`, keeps its state in
 * this struct (never in locals that change after setjmp), and calls nothing else in between. */
struct jpeg_reader {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    int rc; /* the status that functions return after a longjmp */
    const char *name;
    uint8_t *row_memory, *row; /* one decoded row */
    size_t row_bytes;
    int skip_pixels; /* pixels of a decoded row to the left of the region */
    int max_scans;
    bool several_scans, four_components;
    bool finishing; /* all rows have been read: what follows may be malformed or missing */
};

/* Callbacks of libjpeg */

static jpeg_reader *reader_of(j_common_ptr c) { return c->client_data; }

static void on_error(j_common_ptr c) {
    jpeg_reader *j = reader_of(c);
    char message[JMSG_LENGTH_MAX];
    c->err->format_message(c, message);
    int code = c->err->msg_code;
    if (code == JERR_OUT_OF_MEMORY || code == JERR_NO_BACKING_STORE)
        j->rc = fail(E_NOMEM, "%s: not enough memory to decode this JPEG", j->name);
    else if (code == JERR_SOF_UNSUPPORTED && (c->err->msg_parm.i[0] & 3) == 3) /* SOF3, SOF7, SOF11, SOF15 */
        j->rc = fail(E_UNSUPPORTED, "%s: a lossless JPEG is not supported; convert it to a lossy 8-bit JPEG", j->name);
    else if (code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED || code == JERR_ARITH_NOTIMPL ||
             code == JERR_CONVERSION_NOTIMPL || code == JERR_COMPONENT_COUNT)
        j->rc = fail(E_UNSUPPORTED, "%s: %s; convert it to an 8-bit JPEG", j->name, message);
    else
        j->rc = fail(E_FORMAT, "%s: not a readable JPEG: %s", j->name, message);
    longjmp(j->jump, 1);
}

static void on_message(j_common_ptr c) { (void)c; /* warnings are ignored, as in Pillow */ }

static void on_scan(j_common_ptr c) {
    jpeg_reader *j = reader_of(c);
    if (j->c.input_scan_number <= j->max_scans)
        return;
    j->rc = fail(E_FORMAT, "%s: the JPEG has more than %d scans (data.max_scans)", j->name, j->max_scans);
    longjmp(j->jump, 1);
}

static void source_start(j_decompress_ptr c) { (void)c; }

static boolean source_fill(j_decompress_ptr c) {
    jpeg_reader *j = reader_of((j_common_ptr)c);
    if (j->finishing)
        return FALSE;
    j->rc = fail(E_FORMAT, "%s: the JPEG is truncated", j->name);
    longjmp(j->jump, 1);
}

static void source_skip(j_decompress_ptr c, long n) {
    if (n <= 0)
        return;
    size_t step = (size_t)n < c->src->bytes_in_buffer ? (size_t)n : c->src->bytes_in_buffer;
    c->src->next_input_byte += step;
    c->src->bytes_in_buffer -= step;
}

int jpeg_reader_create(jpeg_reader **out) {
    int rc = OK;
    jpeg_reader *j = NULL;
    TRY(memory_zeroed(&j, 1, sizeof *j));
    j->c.err = jpeg_std_error(&j->errors);
    j->c.client_data = j;
    j->errors.error_exit = on_error;
    j->errors.output_message = on_message;
    j->progress.progress_monitor = on_scan;
    j->source.init_source = source_start;
    j->source.fill_input_buffer = source_fill;
    j->source.skip_input_data = source_skip;
    j->source.resync_to_restart = jpeg_resync_to_restart;
    j->source.term_source = source_start;
    *out = j;
done:
    return rc;
}

/* Destroys the decompressor. If it were reused, it would keep its quantisation and Huffman tables, and a next image
 * without its own tables would be decoded with them. */
void jpeg_reader_close(jpeg_reader *j) { jpeg_destroy_decompress(&j->c); }

void jpeg_reader_destroy(jpeg_reader *j) {
    if (j == NULL)
        return;
    jpeg_reader_close(j);
    free(j->row_memory);
    free(j);
}

int jpeg_reader_open(int *w, int *h, jpeg_reader *j, const unsigned char *bytes, size_t n, const char *name) {
    j->name = name;
    j->source.next_input_byte = bytes;
    j->source.bytes_in_buffer = n;
    j->finishing = false;
    if (setjmp(j->jump))
        return j->rc;
    jpeg_create_decompress(&j->c);
    j->c.src = &j->source;
    j->c.mem->max_memory_to_use = COEFFICIENT_BYTES_MAX;
    while (jpeg_read_header(&j->c, FALSE) == JPEG_HEADER_TABLES_ONLY)
        ;
    if (j->c.num_components != 1 && j->c.num_components != 3 && j->c.num_components != 4)
        return fail(E_UNSUPPORTED, "%s: a JPEG with %d components; only 1, 3 and 4 are supported", name,
                    j->c.num_components);
    /* libjpeg-turbo 2 refuses these itself; version 3 would decode them, but could not crop */
    bool lossless = !j->c.progressive_mode && j->c.Ss != 0 && j->c.Se == 0;
    if (j->c.data_precision != 8 || (lossless && LIBJPEG_TURBO_VERSION_NUMBER >= 3000000))
        return fail(E_UNSUPPORTED,
                    "%s: %s JPEG with %d bits per sample is not supported; convert it to a lossy 8-bit JPEG", name,
                    lossless ? "a lossless" : "a", j->c.data_precision);
    j->several_scans = jpeg_has_multiple_scans(&j->c);
    *w = (int)j->c.image_width;
    *h = (int)j->c.image_height;
    return OK;
}

void jpeg_reader_reduce(jpeg_reader *j, int by) {
    j->c.scale_num = 1;
    j->c.scale_denom = (unsigned)by;
}

static uint64_t block_count(const jpeg_reader *j) {
    uint64_t blocks = 0;
    for (int i = 0; i < j->c.num_components; i++)
        blocks += (uint64_t)j->c.comp_info[i].width_in_blocks * j->c.comp_info[i].height_in_blocks;
    return blocks;
}

/* An image with several scans needs all its coefficients in memory. A block takes at least one bit of Huffman code
 * in its first scan; with arithmetic coding less, but at least 1/8 bit. So a valid file always has enough bytes for
 * its size. */
int jpeg_reader_check(const jpeg_reader *j) {
    uint64_t blocks = block_count(j), bytes = j->source.bytes_in_buffer;
    uint64_t blocks_per_byte = j->c.arith_code ? 64 : 8;
    if (!j->several_scans || blocks * sizeof(JBLOCK) <= FREE_COEFFICIENT_BYTES || blocks / blocks_per_byte <= bytes)
        return OK;
    return fail(E_FORMAT, "%s: the header specifies %u x %u pixels, more than a file of %zu bytes can contain", j->name,
                j->c.image_width, j->c.image_height, (size_t)bytes);
}

size_t jpeg_reader_memory(const jpeg_reader *j) {
    return j->several_scans ? (size_t)block_count(j) * sizeof(JBLOCK) : 0;
}

/** libjpeg smooths an incomplete progressive image across blocks. Such an image is decoded without a crop: row by
 *  row, at full width. */
static bool is_smoothed(const jpeg_reader *j) {
    if (!j->c.progressive_mode || j->c.coef_bits == NULL)
        return false;
    for (int i = 0; i < j->c.num_components; i++)
        for (int k = 0; k < 10; k++)
            if (j->c.coef_bits[i][k] != 0)
                return true;
    return false;
}

static bool is_subsampled(const jpeg_reader *j) {
    for (int i = 0; i < j->c.num_components; i++)
        if (j->c.comp_info[i].h_samp_factor != j->c.max_h_samp_factor)
            return true;
    return false;
}

/** In a reduced image libjpeg reduces subsampled components less, as far as their widths allow. If a component is
 *  still narrower than the image (4:1:0), jpeg_crop_scanline takes its width to be smaller than it is and leaves
 *  columns empty. */
static bool columns_can_be_cropped(const jpeg_reader *j) {
    const struct jpeg_decompress_struct *c = &j->c;
    for (int i = 0; i < c->num_components; i++) {
        JDIMENSION h = (JDIMENSION)c->comp_info[i].h_samp_factor, max = (JDIMENSION)c->max_h_samp_factor;
        JDIMENSION share = (c->output_width * h + max - 1) / max, width = c->comp_info[i].downsampled_width;
        if (width != share && width != c->output_width)
            return false;
    }
    return true;
}

/** The columns to request from libjpeg, so that the region's columns equal those of a full decode. */
static void pick_columns(const jpeg_reader *j, crop_box region, JDIMENSION *x, JDIMENSION *w) {
    int width = (int)j->c.output_width, margin = is_subsampled(j) ? COLUMN_MARGIN : 0;
    int left = region.x - margin, right = region.x + region.w + margin;
    if (right - left < NARROWEST_CROP)
        right = left + NARROWEST_CROP;
    right = right < width ? right : width;
    if (right - left < NARROWEST_CROP)
        left = right - NARROWEST_CROP;
    left = left > 0 ? left : 0;
    *x = (JDIMENSION)left;
    *w = (JDIMENSION)(right - left);
}

/** If a row is aligned to a vector, libjpeg-turbo's colour conversion writes it with non-temporal stores. The
 *  resampler reads the row at once and would wait for memory. So the row is deliberately not aligned. */
static int make_row(jpeg_reader *j) {
    size_t bytes = ROW_OFFSET + (size_t)j->c.image_width * 4 + RESAMPLE_MARGIN;
    if (bytes <= j->row_bytes)
        return OK;
    uint8_t *memory = calloc(bytes, 1); /* calloc aligns to 16 bytes, and ROW_OFFSET breaks the alignment */
    if (memory == NULL)
        return fail(E_NOMEM, "%s: not enough memory for a row of %zu bytes", j->name, bytes);
    free(j->row_memory);
    j->row_memory = memory; /* now owned by j */
    j->row = memory + ROW_OFFSET;
    j->row_bytes = bytes;
    return OK;
}

/** The part of jpeg_reader_begin that calls libjpeg. */
static int start(jpeg_reader *j, crop_box region) {
    JDIMENSION x = 0, w = 0;
    if (setjmp(j->jump))
        return j->rc;
    j->c.out_color_space = j->four_components ? JCS_CMYK : JCS_EXT_RGBX;
    jpeg_start_decompress(&j->c);
    j->skip_pixels = region.x;
    if (!is_smoothed(j)) {
        pick_columns(j, region, &x, &w);
        if (w < j->c.output_width && columns_can_be_cropped(j)) {
            jpeg_crop_scanline(&j->c, &x, &w);
            j->skip_pixels = region.x - (int)x;
        }
        jpeg_skip_scanlines(&j->c, (JDIMENSION)region.y);
    }
    while (j->c.output_scanline < (JDIMENSION)region.y)
        jpeg_read_scanlines(&j->c, &j->row, 1);
    return OK;
}

int jpeg_reader_begin(jpeg_reader *j, crop_box region, const image_limits *limits) {
    int rc = OK;
    j->max_scans = limits->max_scans;
    j->c.progress = &j->progress;
    j->four_components = j->c.num_components == 4;
    TRY(make_row(j));
    TRY(start(j, region));
done:
    return rc;
}

/** Converts CMYK, inverted as Adobe writes it, to RGBX: the product of the complements of two inks, rounded as in
 *  Pillow. */
static void cmyk_to_rgbx(uint8_t *pixels, size_t n) {
    for (size_t i = 0; i < n; i++, pixels += 4) {
        unsigned k = pixels[3];
        for (int c = 0; c < 3; c++) {
            unsigned product = (255u - pixels[c]) * k + 128;
            unsigned ink = ((product >> 8) + product) >> 8;
            pixels[c] = (uint8_t)(k > ink ? k - ink : 0);
        }
    }
}

int jpeg_reader_row(jpeg_reader *j, const uint8_t **row) {
    if (setjmp(j->jump))
        return j->rc;
    jpeg_read_scanlines(&j->c, &j->row, 1);
    if (j->four_components)
        cmyk_to_rgbx(j->row, j->c.output_width);
    *row = j->row + (size_t)j->skip_pixels * 4;
    return OK;
}

/** The marker at which the entropy decoder has stopped or will stop; 0 if there is none before the end. Restart
 *  markers and stuffed zeros are part of the data. */
static int next_marker(const jpeg_reader *j) {
    if (j->c.unread_marker != 0)
        return j->c.unread_marker;
    const unsigned char *p = j->source.next_input_byte, *end = p + j->source.bytes_in_buffer;
    while (p < end && (p = memchr(p, 0xFF, (size_t)(end - p))) != NULL) {
        while (p < end && *p == 0xFF)
            p++;
        if (p < end && *p != 0 && (*p < JPEG_RST0 || *p > JPEG_RST0 + 7))
            return *p;
    }
    return 0;
}

int jpeg_reader_check_rest(jpeg_reader *j) {
    /* The decoder never reads past an end marker, so data that reach one are complete. Several scans have been read
     * to it. */
    if (j->several_scans || next_marker(j) == JPEG_EOI)
        return OK;
    if (setjmp(j->jump))
        return j->rc;
    /* The last row needs all data. Skipping to the end would not read them. */
    if (j->c.output_scanline < j->c.output_height) {
        jpeg_skip_scanlines(&j->c, j->c.output_height - 1 - j->c.output_scanline);
        jpeg_read_scanlines(&j->c, &j->row, 1);
    }
    j->finishing = true;
    jpeg_finish_decompress(&j->c);
    return OK;
}
