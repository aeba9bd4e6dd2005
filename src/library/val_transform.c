/* The validation transform as a handle: a decoder with the memory of one image. */
#include "library/api.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "training/run_loader.h"

#include <stdlib.h>

struct linnet_transform {
    transform how;
    image_limits limits;
    decoder *decoder;
    uint8_t *pixels; /* (size, size, 3) */
    normalisation table;
};

int transform_of_config(linnet_transform **out, const config *c) {
    loader_options o = run_loader_options(c, false);
    linnet_transform *t = NULL;
    int rc = OK;
    TRY(memory_zeroed(&t, 1, sizeof *t));
    t->how = o.transform;
    t->limits = o.limits;
    normalisation_init(&t->table, c->data.mean, c->data.std);
    TRY(memory_zeroed(&t->pixels, (size_t)t->how.size * (size_t)t->how.size, 3));
    TRY(decoder_create(&t->decoder, &t->limits));
    *out = t;
    t = NULL; /* now owned by the caller */
done:
    linnet_transform_close(t);
    return rc;
}

int transform_pixels(const uint8_t **out, linnet_transform *t, const void *bytes, size_t bytes_n, const char *name) {
    int rc = OK;
    TRY(transform_decode(t->pixels, t->decoder, bytes, bytes_n, name != NULL ? name : "image", &t->how, NULL));
    *out = t->pixels;
done:
    return rc;
}

int transform_file_pixels(const uint8_t **out, linnet_transform *t, const char *path) {
    unsigned char *bytes = NULL;
    size_t n = 0;
    int rc = OK;
    TRY(file_read(&bytes, &n, path, t->limits.max_file_bytes));
    TRY(transform_pixels(out, t, bytes, n, path));
done:
    free(bytes);
    return rc;
}

static int open_transform(linnet_transform **out, const linnet_options *options) {
    config *c = NULL;
    int rc = OK;
    *out = NULL;
    TRY(options_config(&c, options));
    TRY(transform_of_config(out, c));
done:
    free(c);
    return rc;
}

int linnet_transform_open(linnet_transform **out, const linnet_options *options) {
    locale_t before = api_enter();
    return api_return(before, open_transform(out, options));
}

void linnet_transform_close(linnet_transform *t) {
    if (t == NULL)
        return;
    decoder_destroy(t->decoder);
    free(t->pixels);
    free(t);
}

int linnet_transform_size(const linnet_transform *t) { return t->how.size; }

int linnet_transform_bytes(void *pixels, linnet_transform *t, const void *bytes, size_t bytes_n, const char *name,
                           linnet_format format) {
    locale_t before = api_enter();
    const uint8_t *image = NULL;
    int rc = OK;
    TRY(pixels_check(format));
    TRY(transform_pixels(&image, t, bytes, bytes_n, name));
    pixels_write(pixels, image, 1, t->how.size, format, &t->table);
done:
    return api_return(before, rc);
}

int linnet_transform_file(void *pixels, linnet_transform *t, const char *path, linnet_format format) {
    locale_t before = api_enter();
    const uint8_t *image = NULL;
    int rc = OK;
    TRY(pixels_check(format));
    TRY(transform_file_pixels(&image, t, path));
    pixels_write(pixels, image, 1, t->how.size, format, &t->table);
done:
    return api_return(before, rc);
}
