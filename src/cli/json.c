#include "cli/json.h"

#include "base/status.h"

#include <errno.h>
#include <stdio.h>

int json_print(json_t *object) {
    text line = {0};
    int rc = OK;
    TRY(json_append(&line, object,
                    JSON_REAL_PRECISION(17))); /* all digits of a double: a printed LR may be given as --lr */
    TRY(text_append(&line, "\n", 1));
    if (fwrite(line.data, 1, line.n, stdout) != line.n)
        rc = fail_errno(errno, "cannot write to standard output");
done:
    text_deinit(&line);
    json_decref(object);
    return rc;
}
