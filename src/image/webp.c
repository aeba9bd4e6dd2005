/* WebP by libwebp; of an animation the first frame. Alpha is dropped, as Pillow's convert("RGB") does. */

#include "base/status.h"
#include "image/rows.h"

#ifndef LINNET_WEBP

int webp_decode(decoder *d, const image_bytes *in) {
    (void)d;
    return fail(E_UNSUPPORTED,
                "%s: WebP is not supported: this program was built without libwebp; install libwebp-dev and rebuild, "
                "or convert the file to JPEG",
                in->name);
}

#else

#include <string.h>
#include <webp/decode.h>

/* Of the file "RIFF" size "WEBP", of a chunk its name and size, of ANMF its fields before the frame's own chunks. */
enum { FILE_HEADER = 12, CHUNK_HEADER = 8, FRAME_HEADER = 16 };

static uint32_t number(const unsigned char *p, int n) {
    uint32_t v = 0;
    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/** The fields and chunks of the first ANMF chunk. @return NULL if there is none */
static const unsigned char *first_frame(size_t *n, const image_bytes *in) {
    size_t at = FILE_HEADER;
    while (at < in->n && in->n - at >= CHUNK_HEADER) {
        const unsigned char *chunk = in->bytes + at;
        size_t bytes = number(chunk + 4, 4), left = in->n - at - CHUNK_HEADER;
        if (bytes > left)
            return NULL;
        if (memcmp(chunk, "ANMF", 4) == 0) {
            *n = bytes;
            return bytes > FRAME_HEADER ? chunk + CHUNK_HEADER : NULL;
        }
        at += CHUNK_HEADER + bytes + bytes % 2;
    }
    return NULL;
}

/** Decodes the first frame at its place on the canvas, which is black elsewhere. */
static int decode_frame(uint8_t *out, const decoder *d, const image_bytes *in) {
    size_t n = 0, stride = (size_t)d->w * 4, whole = stride * (size_t)d->h;
    const unsigned char *frame = first_frame(&n, in);
    WebPBitstreamFeatures f;
    if (frame == NULL || WebPGetFeatures(frame + FRAME_HEADER, n - FRAME_HEADER, &f) != VP8_STATUS_OK)
        return fail(E_FORMAT, "%s: not a readable WebP: no first frame", in->name);
    int64_t x = (int64_t)number(frame, 3) * 2, y = (int64_t)number(frame + 3, 3) * 2;
    if (f.has_animation || x + f.width > d->w || y + f.height > d->h)
        return fail(E_FORMAT, "%s: not a readable WebP: the first frame is outside the image", in->name);
    memset(out, 0, whole);
    size_t at = (size_t)y * stride + (size_t)x * 4;
    if (WebPDecodeRGBAInto(frame + FRAME_HEADER, n - FRAME_HEADER, out + at, whole - at, (int)stride) == NULL)
        return fail(E_FORMAT, "%s: not a readable WebP: corrupt or truncated", in->name);
    return OK;
}

int webp_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    uint8_t *out = NULL;
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(in->bytes, in->n, &features) != VP8_STATUS_OK) {
        rc = fail(E_FORMAT, "%s: not a readable WebP: bad header", in->name);
        goto done;
    }
    TRY(decoder_size(d, in, features.width, features.height));
    TRY(decoder_whole(d, in, (size_t)d->w * (size_t)d->h * 4, &out)); /* libwebp needs a copy for lossless images */
    if (features.has_animation)
        rc = decode_frame(out, d, in);
    else if (WebPDecodeRGBAInto(in->bytes, in->n, out, (size_t)d->w * (size_t)d->h * 4, d->w * 4) == NULL)
        rc = fail(E_FORMAT, "%s: not a readable WebP: corrupt or truncated", in->name);
done:
    return rc;
}

#endif
