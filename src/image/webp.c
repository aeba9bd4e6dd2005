/* WebP by libwebp; alpha is dropped, as Pillow's convert("RGB") does. */

#include "base/status.h"
#include "image/rows.h"

#ifndef LINNET_WEBP

int webp_decode(decoder *d, const image_bytes *in) {
    (void)d;
    return fail(E_UNSUPPORTED, "%s: a WebP file, and this program was built without libwebp", in->name);
}

#else

#include <webp/decode.h>

int webp_decode(decoder *d, const image_bytes *in) {
    int rc = OK;
    uint8_t *out = NULL;
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(in->bytes, in->n, &features) != VP8_STATUS_OK) {
        rc = fail(E_FORMAT, "%s: not a readable WebP: bad header", in->name);
        goto done;
    }
    if (features.has_animation) {
        rc = fail(E_UNSUPPORTED, "%s: an animated WebP; convert it to JPEG or PNG", in->name);
        goto done;
    }
    TRY(decoder_size(d, in, features.width, features.height));
    TRY(decoder_whole(d, in, (size_t)d->w * (size_t)d->h * 4, &out)); /* libwebp has a copy when lossless */
    if (WebPDecodeRGBAInto(in->bytes, in->n, out, (size_t)d->w * (size_t)d->h * 4, d->w * 4) == NULL)
        rc = fail(E_FORMAT, "%s: not a readable WebP: corrupt or truncated", in->name);
done:
    return rc;
}

#endif
