/* Not a target of its own: it has a fault. ./dev runs it to show that a finding fails the command. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    uint8_t *copy = malloc(n + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes, n);
    copy[n] = n > 2 && copy[0] == 'b' && copy[1] == 'a' && copy[2] == 'd' ? copy[n + 1] : 0; /* past the end */
    free(copy);
    return 0;
}
