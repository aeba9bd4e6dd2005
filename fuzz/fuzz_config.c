/* YAML configurations: an accepted file must be written and read back as the same bytes. */
#include "base/status.h"
#include "config/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    config c, before, again;
    text yaml = {0};
    config_defaults(&c);
    before = c;
    again = c;
    if (config_read_yaml_text(&c, (const char *)bytes, n, "fuzz.yaml") != OK) {
        if (memcmp(&c, &before, sizeof c) != 0)
            abort(); /* an invalid file must change nothing */
        return 0;
    }
    if (config_to_yaml(&yaml, &c) != OK || config_read_yaml_text(&again, yaml.data, yaml.n, "again.yaml") != OK ||
        memcmp(&c, &again, sizeof c) != 0)
        abort();
    text_deinit(&yaml);
    return 0;
}
