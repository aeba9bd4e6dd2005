#define _GNU_SOURCE
/* Decodes on demand for scripts that compare with Pillow. A line on standard input, tabs between the words, names one
 * image of standard output:
 *     full PATH                          val PATH SIZE RESIZE          crop PATH X Y W H SIZE FLIP
 * The answer is a line "W H", followed by W * H * 3 bytes, or a line "error CODE MESSAGE". */

#include "base/file.h"
#include "base/status.h"
#include "loader/transform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 8

static int answer(int words, char **word, decoder *d) {
    int rc = OK, n[WORDS_MAX] = {0}, w = 0, h = 0;
    unsigned char *bytes = NULL;
    uint8_t *own = NULL;
    const uint8_t *pixels = NULL;
    size_t bytes_n = 0;
    for (int i = 2; i < words; i++)
        n[i] = (int)strtol(word[i], NULL, 10);
    TRY(file_read(&bytes, &bytes_n, word[1], 0));
    if (strcmp(word[0], "full") == 0) {
        TRY(transform_decode_full(&pixels, &w, &h, d, bytes, bytes_n, word[1]));
    } else {
        w = h = strcmp(word[0], "val") == 0 ? n[2] : n[6];
        pixels = own = malloc((size_t)w * (size_t)h * 3);
        transform t = transform_default(false, n[2], n[3]);
        if (own == NULL)
            rc = fail(E_NOMEM, "no memory");
        else if (strcmp(word[0], "val") == 0)
            rc = transform_decode(own, d, bytes, bytes_n, word[1], &t, NULL);
        else
            rc = transform_decode_crop(own, d, bytes, bytes_n, word[1], (crop_box){n[2], n[3], n[4], n[5]}, n[6], n[7]);
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

int main(void) {
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
        if (words < 2 || answer(words, word, d) < 0)
            break;
    }
    decoder_destroy(d);
    return 0;
}
