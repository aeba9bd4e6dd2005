/* Prints docs/options.md (or, with an argument, the text of --help):
 *     build/tests/config_tool_help > docs/options.md */
#include "base/status.h"
#include "config/config.h"

#include <stdio.h>

int main(int argc, char **argv) {
    text help = {0};
    (void)argv;
    if (config_help(&help, argc < 2) != OK) {
        fprintf(stderr, "%s\n", status_message());
        return 1;
    }
    fputs(text_string(&help), stdout);
    text_deinit(&help);
    return 0;
}
