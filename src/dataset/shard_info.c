#include "dataset/shard_info.h"

#include "base/json.h"
#include "base/log.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

#define INFO_BYTES ((size_t)64 << 20)

int shard_info_read(json_t **out, const char *root) {
    int rc = OK;
    char path[PATH_BYTES];
    unsigned char *bytes = NULL;
    size_t n = 0;
    json_error_t error;
    *out = NULL;
    TRY(path_join(path, root, "_info.json"));
    if (!file_exists(path))
        return OK;
    TRY(file_read(&bytes, &n, path, INFO_BYTES));
    rc = json_read(out, (const char *)bytes, n, 0, &error);
    if (rc == E_FORMAT) {
        log_once(LOG_WARN, "%s: ignored: %s", path, status_message());
        rc = OK;
    }
done:
    free(bytes);
    return rc;
}

int64_t shard_info_length(const json_t *info, const char *shard) {
    const char *key = NULL;
    json_t *split = NULL;
    json_object_foreach(json_object_get(info, "splits"), key, split) {
        const json_t *names = json_object_get(split, "filenames"), *lengths = json_object_get(split, "shard_lengths");
        for (size_t i = 0; i < json_array_size(names); i++) {
            const char *name = json_string_value(json_array_get(names, i));
            const json_t *length = json_array_get(lengths, i);
            if (name != NULL && strcmp(name, shard) == 0 && json_is_integer(length))
                return json_integer_value(length);
        }
    }
    return -1;
}

int shard_info_sample(char filename[PATH_BYTES], int64_t *label, const char *bytes, size_t n) {
    json_t *o = NULL;
    json_error_t error;
    if (json_read(&o, bytes, n, 0, &error) == E_NOMEM)
        return E_NOMEM;
    const char *name = json_string_value(json_object_get(o, "filename"));
    const json_t *number = json_object_get(o, "label");
    if (name != NULL && strlen(name) < PATH_BYTES)
        memcpy(filename, name, strlen(name) + 1);
    if (json_is_integer(number) && json_integer_value(number) >= 0)
        *label = json_integer_value(number);
    json_decref(o);
    return OK;
}
