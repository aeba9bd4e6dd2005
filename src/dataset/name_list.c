#define _GNU_SOURCE
#include "dataset/name_list.h"

#include "base/memory.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

int name_list_add(name_list *list, const char *name) {
    int rc = memory_grow(&list->at, &list->capacity, list->n + 1, sizeof *list->at);
    uint64_t at = list->block.n;
    if (rc == OK)
        rc = text_append(&list->block, name, strlen(name) + 1);
    if (rc == OK)
        list->at[list->n++] = at;
    return rc;
}

const char *name_list_get(const name_list *list, size_t i) { return list->block.data + list->at[i]; }

void name_list_clear(name_list *list) {
    list->n = 0;
    list->block.n = 0;
}

void name_list_deinit(name_list *list) {
    text_deinit(&list->block);
    free(list->at);
}

static int by_name(const void *a, const void *b, void *block) {
    const char *names = block;
    return strcmp(names + *(const uint64_t *)a, names + *(const uint64_t *)b);
}

void name_list_sort(name_list *list, size_t first) {
    if (list->n > first + 1)
        qsort_r(list->at + first, list->n - first, sizeof *list->at, by_name, list->block.data);
}
