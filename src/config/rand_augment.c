/* timm's way to write a RandAugment: rand-m9-mstd0.5-inc1. */

#include "base/text.h"
#include "config/config.h"

#include <math.h>
#include <string.h>

/** One section between dashes: a key of letters and a number. */
static bool read_section(config_rand_augment *a, const char *s, size_t n) {
    char key[8] = "", number[32] = "";
    size_t letters = strcspn(s, "0123456789.");
    long long whole = 0;
    double v = 0;
    if (letters >= sizeof key || letters >= n || n - letters >= sizeof number)
        return false;
    memcpy(key, s, letters);
    memcpy(number, s + letters, n - letters);
    bool is_real = strspn(number, "0123456789.") == n - letters && text_to_double(&v, number);
    bool is_whole = is_real && strchr(number, '.') == NULL && text_to_int(&whole, number) && whole <= 100;
    if (strcmp(key, "mstd") == 0 && is_real)
        a->deviation = v > 100 ? (double)INFINITY : v;
    else if (strcmp(key, "p") == 0 && is_real && v <= 1)
        a->probability = v;
    else if (strcmp(key, "m") == 0 && is_whole)
        a->magnitude = (int)whole;
    else if (strcmp(key, "mmax") == 0 && is_whole)
        a->most = whole > 0 ? (int)whole : 10;
    else if (strcmp(key, "n") == 0 && is_whole && whole >= 1 && whole <= CONFIG_RAND_OPS)
        a->ops = (int)whole;
    else if (strcmp(key, "inc") == 0 && is_whole)
        a->increasing = whole != 0;
    else
        return false;
    return true;
}

bool config_read_rand_augment(config_rand_augment *out, const char *value) {
    config_rand_augment a = {.magnitude = 10, .most = 10, .ops = 2, .probability = 0.5};
    if (strncmp(value, "rand", 4) != 0)
        return false;
    for (const char *s = value + 4; *s != 0;) {
        size_t n = strcspn(s + 1, "-");
        if (*s != '-' || !read_section(&a, s + 1, n))
            return false;
        s += 1 + n;
    }
    *out = a;
    return true;
}
