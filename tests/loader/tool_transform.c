#define _GNU_SOURCE
/* Decodes images on request for scripts that compare the results to Pillow. Each line on standard input, with tabs
 * between the words, requests one image on standard output:
 *     full PATH                          val PATH SIZE RESIZE          crop PATH X Y W H SIZE FLIP
 *                                    squash PATH SIZE RESIZE
 * Arguments: the order of the passes of a resize, newest (default) or horizontal, and the filter. The answer is a line
 * "W H", followed by W * H * 3 bytes, or a line "error CODE MESSAGE". */

#include "base/file.h"
#include "base/status.h"
#include "loader/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

static int answer(int words, char **word, decoder *d, resizing how) {
    int rc = OK, n[WORDS_MAX] = {0}, w = 0, h = 0;
    unsigned char *bytes = NULL;
    uint8_t *own = NULL;
    const uint8_t *pixels = NULL;
    size_t bytes_n = 0;
    for (int i = 2; i < words; i++)
        n[i] = (int)strtol(word[i], NULL, 10);
    TRY(file_read(&bytes, &bytes_n, word[1], 0));
    if (strcmp(word[0], "full") == 0) {
        TRY(decoder_decode_full(&pixels, &w, &h, d, bytes, bytes_n, word[1]));
    } else {
        bool crop = strcmp(word[0], "crop") == 0;
        w = h = crop ? n[6] : n[2];
        pixels = own = malloc((size_t)w * (size_t)h * 3);
        transform t = transform_default(false, n[2], n[3]);
        t.resizing = how;
        t.squash = strcmp(word[0], "squash") == 0;
        if (own == NULL)
            rc = fail(E_NOMEM, "no memory");
        else if (!crop)
            rc = transform_decode(own, d, bytes, bytes_n, word[1], &t, NULL);
        else
            rc = transform_decode_crop(own, d, bytes, bytes_n, word[1], (crop_box){n[2], n[3], n[4], n[5]}, n[6], n[7],
                                       how);
        TRY(rc);
    }
    printf("%d %d\n", w, h);
    fwrite(pixels, 3, (size_t)w * (size_t)h, stdout);
done:
    if (rc < 0)
        printf("error %d %s\n", rc, status_message());
    free(own);
    free(bytes);
    return fflush(stdout) == 0 ? OK : E_IO;
}

int main(int argc, char **argv) {
    resizing how = {.order = argc > 1 && strcmp(argv[1], "horizontal") == 0 ? RESIZE_HORIZONTAL : RESIZE_NEWEST};
    if (argc > 2)
        how.filter = strcmp(argv[2], "bicubic") == 0   ? RESAMPLE_BICUBIC
                     : strcmp(argv[2], "lanczos") == 0 ? RESAMPLE_LANCZOS
                                                       : RESAMPLE_BILINEAR;
    decoder *d = NULL;
    char line[8192];
    if (decoder_create(&d, NULL) < 0)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *word[WORDS_MAX], *rest = line;
        int words = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *p = strsep(&rest, "\t"); p != NULL && words < WORDS_MAX; p = strsep(&rest, "\t"))
            word[words++] = p;
        if (words < 2 || answer(words, word, d, how) < 0)
            break;
    }
    decoder_destroy(d);
    return 0;
}
