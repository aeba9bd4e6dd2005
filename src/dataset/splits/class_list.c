#include "dataset/splits/class_list.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 20)

bool class_list_is_name(const char *name) { return name[0] != 0 && strpbrk(name, "/\r\n") == NULL; }

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int check_names(const char *file, char *const *name, int n) {
    int rc = OK;
    const char **sorted = NULL;
    if (n == 0)
        return fail(E_FORMAT, "%s contains no class names: write one per line", file);
    TRY(memory_zeroed(&sorted, (size_t)n, sizeof *sorted));
    memcpy(sorted, name, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_name);
    for (int i = 0; i < n && rc == OK; i++)
        if (!class_list_is_name(sorted[i]))
            rc = fail(E_FORMAT, "%s: '%s' cannot be a class, as it contains '/': write one class name per line", file,
                      sorted[i]);
        else if (i > 0 && strcmp(sorted[i - 1], sorted[i]) == 0)
            rc = fail(E_FORMAT, "%s names the class '%s' twice: remove one of the lines", file, sorted[i]);
done:
    free(sorted);
    return rc;
}

/** Finds the lines of the text, which are ended by 0. name: (n) or NULL, to count them */
static int split_lines(char **name, char *bytes, size_t n) {
    int found = 0;
    for (char *p = bytes, *end = bytes + n; p < end;) {
        char *line = p;
        size_t length = strcspn(p, "\n");
        p += length + 1;
        while (length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0)
            continue;
        if (name != NULL) {
            line[length] = 0;
            name[found] = line;
        }
        found++;
    }
    return found;
}

int class_list_apply(dataset *d, const char *file) {
    int rc = OK, n = 0;
    unsigned char *bytes = NULL;
    char **name = NULL;
    size_t size = 0;
    TRY(file_read(&bytes, &size, file, FILE_MAX));
    if (memchr(bytes, 0, size) != NULL) {
        rc = fail(E_FORMAT, "%s contains zero bytes: save it as UTF-8 text, one class name per line", file);
        goto done;
    }
    size_t mark = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    n = split_lines(NULL, (char *)bytes + mark, size - mark);
    TRY(memory_zeroed(&name, (size_t)n, sizeof *name));
    split_lines(name, (char *)bytes + mark, size - mark);
    TRY(check_names(file, name, n));
    TRY(dataset_use_classes(d, name, n, file));
done:
    free(name);
    free(bytes);
    return rc;
}
