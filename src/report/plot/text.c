/* Cleans, measures and draws text. */

#include "report/plot/draw.h"

#include <cairo.h>
#include <math.h>
#include <string.h>

#define ELLIPSIS "\xE2\x80\xA6"
#define FONT "sans-serif"

static const uint32_t palette[PLOT_COLORS] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7,
                                              0xE69F00, 0x56B4E9, 0x4D4D4D, 0x8C6D1F};

uint32_t plot_palette(int i) { return palette[(i % PLOT_COLORS + PLOT_COLORS) % PLOT_COLORS]; }

void plot_color(cairo_t *cr, uint32_t rgb, double alpha) {
    cairo_set_source_rgba(cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0, alpha);
}

/* Length of the UTF-8 character at s; 0: malformed, or not allowed in text (Unicode 15, table 3-7). */
static size_t character(const unsigned char *s) {
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : s[0] >> 4 == 0xE ? 3 : s[0] >> 3 == 0x1E ? 4 : 0;
    if (n <= 1)
        return n;
    uint32_t code = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
        code = code << 6 | (s[i] & 0x3F);
    }
    bool overlong = (n == 3 && code < 0x800) || (n == 4 && code < 0x10000), surrogate = code >> 11 == 0x1B;
    bool none = code < 0xA0 || (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
    return overlong || surrogate || none || code > 0x10FFFF ? 0 : n;
}

void plot_text_clean(char out[PLOT_TEXT], const char *s) {
    const size_t room = PLOT_TEXT - 2 * sizeof ELLIPSIS; /* plot_text_fit adds another ellipsis */
    size_t at = 0;
    for (const unsigned char *c = (const unsigned char *)(s != NULL ? s : ""); *c != 0;) {
        size_t n = character(c);
        if (at + (n > 0 ? n : 1) > room) {
            memcpy(out + at, ELLIPSIS, sizeof ELLIPSIS - 1);
            at += sizeof ELLIPSIS - 1;
            break;
        }
        if (n == 0)
            out[at++] = '?';
        else if (*c < ' ' || *c == 0x7F)
            out[at++] = ' ';
        else
            memcpy(out + at, c, n), at += n;
        c += n > 0 ? n : 1;
    }
    out[at] = 0;
}

void plot_font(cairo_t *cr, double pixels, bool bold) {
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, pixels);
}

double plot_text_width(cairo_t *cr, const char *clean) {
    cairo_text_extents_t e;
    cairo_text_extents(cr, clean, &e);
    return e.x_advance;
}

void plot_text_fit(char out[PLOT_TEXT], cairo_t *cr, const char *s, double width) {
    plot_text_clean(out, s);
    if (plot_text_width(cr, out) <= width)
        return;
    char whole[PLOT_TEXT];
    memcpy(whole, out, sizeof whole);
    size_t fits = 0, too_long = strlen(whole);
    while (too_long - fits > 1) { /* in bytes; a cut is always before a character */
        size_t middle = (fits + too_long) / 2, cut = middle;
        while (cut > fits && ((unsigned char)whole[cut] & 0xC0) == 0x80)
            cut--;
        memcpy(out, whole, cut);
        memcpy(out + cut, ELLIPSIS, sizeof ELLIPSIS);
        if (cut > fits && plot_text_width(cr, out) <= width)
            fits = cut;
        else
            too_long = middle;
    }
    while (fits > 0 && whole[fits - 1] == ' ')
        fits--;
    memcpy(out, whole, fits);
    memcpy(out + fits, ELLIPSIS, sizeof ELLIPSIS);
}

void plot_text_draw(cairo_t *cr, double x, double y, double align, const char *clean) {
    cairo_move_to(cr, round(x - align * plot_text_width(cr, clean)), round(y));
    cairo_show_text(cr, clean);
}
