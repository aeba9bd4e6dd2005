#include "backend/cpu/algo/conv_algo.h"
#include "base/memory.h"
#include "base/status.h"

#include <string.h>

int conv_plan_keep(void **out, const void *plan, size_t bytes) {
    int rc = OK;
    unsigned char *copy = NULL;
    TRY(memory_zeroed(&copy, bytes, 1));
    memcpy(copy, plan, bytes);
    *out = copy;
done:
    return rc;
}
