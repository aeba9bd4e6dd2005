/** A list of names in one block of memory, addressed by offset, to save memory with millions of names. */
#ifndef LINNET_DATASET_NAME_LIST_H
#define LINNET_DATASET_NAME_LIST_H

#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

/** {0} is empty. */
typedef struct name_list {
    text block;
    uint64_t *at; /* (n) */
    size_t n, capacity;
} name_list;

/** Copies the name. @return 0, E_NOMEM */
int name_list_add(name_list *list, const char *name);
/** Valid until the next name_list_add. */
const char *name_list_get(const name_list *list, size_t i);
/** Sorts the names from index `first` on in byte order. */
void name_list_sort(name_list *list, size_t first);
/** Removes all names; the memory is kept. */
void name_list_clear(name_list *list);
void name_list_deinit(name_list *list);

#endif
