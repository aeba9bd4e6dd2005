/* PNG by libpng, decoded as Pillow's convert("RGB"): alpha and transparency are dropped, 16-bit colour keeps its
 * high bytes, and 16-bit gray is clipped at 255 (Pillow's mode I). */

#include "base/status.h"
#include "image/rows.h"

#ifndef LINNET_PNG

int png_decode(decoder *d, const image_bytes *in) {
    (void)d;
    return fail(E_UNSUPPORTED,
                "%s: PNG is not supported: this program was built without libpng; install libpng-dev and rebuild, or "
                "convert the file to JPEG",
                in->name);
}

#else

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* the highest compression ratio of deflate */
#define DEFLATE_RATIO 1032

/* libpng reports errors by longjmp: everything used after one is in this struct, not in locals. */
typedef struct png_reader {
    decoder *d;
    const image_bytes *in;
    size_t at;
    png_structp png;
    png_infop info;
    jmp_buf jump;
    int rc;
    int type, depth;
    uint8_t *out;
    png_bytep *rows;
} png_reader;

static void on_error(png_structp png, png_const_charp message) {
    png_reader *r = png_get_error_ptr(png);
    if (r->rc == OK)
        r->rc = fail(E_FORMAT, "%s: not a readable PNG: %s", r->in->name, message);
    longjmp(r->jump, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

/** Limits the size of a chunk of pixels to the rest of the file, so that libpng uses what is there.
 *  `header`: 4 bytes of size, 4 of name */
static void limit_chunk(png_bytep header, size_t left) {
    uint32_t n = (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 | header[3];
    if (memcmp(header + 4, "IDAT", 4) == 0 && n > left)
        for (int i = 0; i < 4; i++)
            header[i] = (uint8_t)(left >> (24 - 8 * i));
}

static void on_read(png_structp png, png_bytep to, size_t n) {
    png_reader *r = png_get_io_ptr(png);
    if (n > r->in->n - r->at) {
        r->rc = fail(E_FORMAT, "%s: the PNG is truncated", r->in->name);
        longjmp(r->jump, 1);
    }
    memcpy(to, r->in->bytes + r->at, n);
    r->at += n;
    if (png_get_io_state(png) & PNG_IO_CHUNK_HDR)
        limit_chunk(to, r->in->n - r->at);
}

static int read_header(png_reader *r) {
    if (setjmp(r->jump))
        return r->rc;
    png_set_read_fn(r->png, r, on_read);
#if defined(PNG_SET_OPTION_SUPPORTED) && defined(PNG_MAXIMUM_INFLATE_WINDOW)
    png_set_option(r->png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON); /* the size in the file may be too small */
#endif
    /* text and profile chunks are not needed; a thousand compressed ones could take 8 GB */
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    r->type = png_get_color_type(r->png, r->info);
    r->depth = png_get_bit_depth(r->png, r->info);
    return OK;
}

static int check_size(png_reader *r) {
    int rc = OK;
    uint64_t h = png_get_image_height(r->png, r->info), row = png_get_rowbytes(r->png, r->info);
    TRY(decoder_size(r->d, r->in, png_get_image_width(r->png, r->info), (int64_t)h));
    if (row * h / DEFLATE_RATIO > r->in->n)
        rc = fail(E_FORMAT, "%s: the header specifies %d x %d pixels, more than a file of %zu bytes can contain",
                  r->in->name, r->d->w, r->d->h, r->in->n);
done:
    return rc;
}

static bool is_gray16(const png_reader *r) { return r->type == PNG_COLOR_TYPE_GRAY && r->depth == 16; }

/** Whether the last row has been read. */
static bool is_complete(const png_reader *r) {
    if (png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE)
        return png_get_current_pass_number(r->png) >= PNG_INTERLACE_ADAM7_PASSES;
    return png_get_current_row_number(r->png) >= (uint32_t)r->d->h;
}

/** Reads rows as RGBX, or in the format that widen() converts to RGBX. The rows are spaced as rows of RGBX. A fault
 * after the last row is ignored, as in Pillow. */
static int read_pixels(png_reader *r) {
    if (setjmp(r->jump))
        return is_complete(r) ? OK : r->rc;
    if (r->type == PNG_COLOR_TYPE_PALETTE) {
        png_set_packing(r->png);
    } else if (!is_gray16(r)) {
        png_set_strip_16(r->png);
        png_set_strip_alpha(r->png);
        png_set_expand_gray_1_2_4_to_8(r->png);
        png_set_gray_to_rgb(r->png);
        png_set_filler(r->png, 0xFF, PNG_FILLER_AFTER);
    }
    /* Pillow checks the checksums of the chunks up to here, but not those of the pixels */
    png_set_crc_action(r->png, PNG_CRC_QUIET_USE, PNG_CRC_DEFAULT);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    png_read_image(r->png, r->rows);
    return OK;
}

/** Converts palette indices (1 byte) or 16-bit gray (2 bytes) to RGBX in place, from the last pixel to the first. */
static void widen(png_reader *r) {
    uint8_t palette[256][3];
    png_colorp colors = NULL;
    int colors_n = 0;
    if (r->type == PNG_COLOR_TYPE_PALETTE)
        png_get_PLTE(r->png, r->info, &colors, &colors_n);
    for (int i = 0; i < 256; i++) {
        memset(palette[i], 0, 3); /* entries that the file lacks are black, as in Pillow 13 */
        if (i < colors_n)
            memcpy(palette[i], (uint8_t[]){colors[i].red, colors[i].green, colors[i].blue}, 3);
    }
    for (int y = 0; y < r->d->h; y++) {
        uint8_t *row = r->rows[y];
        for (int x = r->d->w - 1; x >= 0; x--) {
            unsigned index = is_gray16(r) ? (row[x * 2] ? 255 : row[x * 2 + 1]) : row[x];
            uint8_t rgb[3] = {(uint8_t)index, (uint8_t)index, (uint8_t)index};
            if (!is_gray16(r))
                memcpy(rgb, palette[index], 3);
            memcpy(row + (size_t)x * 4, rgb, 3);
            row[(size_t)x * 4 + 3] = 255;
        }
    }
}

int png_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    png_reader r = {.d = d, .in = in};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    r.info = r.png != NULL ? png_create_info_struct(r.png) : NULL;
    if (r.info == NULL) {
        rc = fail(E_NOMEM, "%s: not enough memory to decode this PNG", in->name);
        goto done;
    }
    TRY(read_header(&r));
    TRY(check_size(&r));
    TRY(decoder_whole(d, in, (size_t)d->h * sizeof *r.rows, &r.out));
    TRY(memory_zeroed(&r.rows, (size_t)d->h, sizeof *r.rows));
    for (int y = 0; y < d->h; y++)
        r.rows[y] = r.out + (size_t)y * (size_t)d->w * 4;
    TRY(read_pixels(&r));
    if (r.type == PNG_COLOR_TYPE_PALETTE || is_gray16(&r))
        widen(&r);
done:
    free(r.rows);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return rc;
}

#endif
