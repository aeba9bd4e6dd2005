/** What the files of the library share. Functions of the public header are thin: they enter, call a static function and
 *  leave. */
#ifndef LINNET_LIBRARY_API_H
#define LINNET_LIBRARY_API_H

#include "config/config.h"
#include "image/decoder.h"
#include "loader/transform.h"

#include <linnet/linnet.h>

#include <locale.h>

/** Numbers are read and written with '.', whatever the locale of the program: sets the thread's locale. @return the
 *  locale before, for api_leave */
locale_t api_enter(void);
void api_leave(locale_t before);
/** api_leave before a return. @return rc */
static inline int api_return(locale_t before, int rc) {
    api_leave(before);
    return rc;
}

/** Applies the settings to `c` in their order. o NULL: none. @return 0, E_OPTION, E_FORMAT */
int options_apply(config *c, const linnet_options *o);
/** New configuration: the defaults, then the settings, checked. The caller frees it. @return 0, E_OPTION, E_NOMEM */
int options_config(config **out, const linnet_options *o);

/** The value of each level of a channel in fp32: (v / 255 - mean) / std, each operation rounded. */
typedef struct normalisation {
    float of[3][256];
} normalisation;

void normalisation_init(normalisation *n, const double mean[3], const double std[3]);

/** @return 0, E_OPTION (no such format) */
int pixels_check(linnet_format f);
/** Writes n images of side x side x 3 (NHWC) in a format that pixels_check accepts. */
void pixels_write(void *out, const uint8_t *pixels, int n, int side, linnet_format f, const normalisation *table);

/** The validation transform of a configuration. @return 0, E_NOMEM */
int transform_of_config(linnet_transform **out, const config *c);
/** Pixels of one image as LINNET_UINT8_NHWC, valid until the transform's next use. @return as linnet_transform_bytes */
int transform_pixels(const uint8_t **out, linnet_transform *t, const void *bytes, size_t bytes_n, const char *name);
/** The same for a file. */
int transform_file_pixels(const uint8_t **out, linnet_transform *t, const char *path);

#endif
