/** A contact sheet: equal squares, arranged row by row in one picture. */
#ifndef LINNET_IMAGE_CONTACT_SHEET_H
#define LINNET_IMAGE_CONTACT_SHEET_H

#include <stdint.h>

typedef struct contact_sheet {
    uint8_t *pixels; /* (h, w, 3) RGB */
    int size;        /* side of a square, pixels */
    int gap;         /* pixels; black, around and between the squares */
    int columns;
    int w, h;
} contact_sheet;

/** @return 0, E_OPTION (larger than a JPEG can be), E_NOMEM */
int contact_sheet_init(contact_sheet *s, int images, int columns, int size, int gap);
void contact_sheet_deinit(contact_sheet *s);

/** Copies an image (size, size, 3) into the square of index `at`; squares are counted row by row from 0. */
void contact_sheet_put(contact_sheet *s, int at, const uint8_t *image);

/** Encodes into *bytes (malloc'd, also when it fails; the caller frees it). @return 0, E_NOMEM */
int contact_sheet_encode(unsigned char **bytes, unsigned long *n, const contact_sheet *s);

#endif
