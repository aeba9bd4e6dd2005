/* The cached choices of cuDNN's algorithms: the input is the file. What is accepted must be written and read back. */
#include "backend/cuda/autotune_cache.h"
#include "scratch.h"

static void check_same(const autotune_cache *a, const autotune_cache *b) {
    if (a->n != b->n)
        abort();
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->list[i].key, b->list[i].key) != 0 || a->list[i].candidate != b->list[i].candidate ||
            a->list[i].engine != b->list[i].engine || autotune_cache_find(b, a->list[i].key) != &b->list[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static bool ready;
    autotune_cache c, again;
    char path[PATH_BYTES];
    if (!ready && (setenv("XDG_CACHE_HOME", scratch(), 1) != 0 || folder_make(scratch_path(path, "linnet")) != OK))
        abort();
    ready = true;
    scratch_write("linnet/cudnn-fuzz.txt", bytes, n);
    if (autotune_cache_open(&c, "fuzz") != OK || c.changed)
        abort();
    c.changed = true;
    autotune_cache_save(&c);
    if (autotune_cache_open(&again, "fuzz") != OK)
        abort();
    check_same(&c, &again);
    autotune_cache_deinit(&c);
    autotune_cache_deinit(&again);
    return 0;
}
