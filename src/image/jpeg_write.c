#include "image/jpeg_write.h"

#include "base/status.h"

#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>

#include <jpeglib.h> /* needs stdio.h first */

typedef struct encoder_error {
    struct jpeg_error_mgr base;
    jmp_buf jump;
} encoder_error;

static void on_error(j_common_ptr info) {
    char text[JMSG_LENGTH_MAX];
    info->err->format_message(info, text);
    fail(E_NOMEM, "cannot encode a JPEG: %s", text); /* the only possible error is a lack of memory */
    longjmp(((encoder_error *)info->err)->jump, 1);
}

int jpeg_encode(unsigned char **bytes, unsigned long *n, const uint8_t *pixels, int w, int h, int quality) {
    struct jpeg_compress_struct info;
    encoder_error error;
    info.err = jpeg_std_error(&error.base);
    error.base.error_exit = on_error;
    if (setjmp(error.jump) != 0) {
        jpeg_destroy_compress(&info);
        return E_NOMEM;
    }
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, bytes, n);
    info.image_width = (JDIMENSION)w;
    info.image_height = (JDIMENSION)h;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + (size_t)info.next_scanline * (size_t)w * 3);
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return OK;
}
