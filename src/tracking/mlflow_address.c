#include "tracking/mlflow.h"

#include "base/status.h"
#include "net/http.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

int mlflow_address(const char **out, const char *option) {
    bool env = strcmp(option, "env") == 0;
    const char *uri = env ? getenv("MLFLOW_TRACKING_URI") : option,
               *what = env ? "MLFLOW_TRACKING_URI" : "monitor.mlflow";
    *out = uri;
    if (http_unavailable() != NULL)
        return fail(E_UNSUPPORTED, "monitor.mlflow: %s", http_unavailable());
    if (uri == NULL || uri[0] == 0)
        return fail(E_OPTION, "monitor.mlflow env: MLFLOW_TRACKING_URI is not set");
    if (strncmp(uri, "http://", 7) != 0 && strncmp(uri, "https://", 8) != 0)
        return fail(E_OPTION,
                    "%s must be the address of a server, http://HOST:PORT or https://HOST; `mlflow server` starts "
                    "one for a folder or database",
                    what);
    const char *host = strchr(uri, ':') + 3;
    size_t n = strcspn(host, "/?#");
    if (memchr(host, '@', n) != NULL)
        return fail(E_OPTION,
                    "%s contains a password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead", what);
    for (size_t i = 0; host[i] != 0; i++)
        if (iscntrl((unsigned char)host[i]))
            n = 0;
    if (n == 0 || strpbrk(host, "?# ") != NULL)
        return fail(E_OPTION, "%s is not the address of a server: expected http://HOST:PORT or https://HOST", what);
    return OK;
}

bool mlflow_is_env(const char *uri) {
    const char *env = getenv("MLFLOW_TRACKING_URI");
    if (env == NULL)
        return false;
    size_t n = strlen(uri), k = strlen(env);
    while (n > 0 && uri[n - 1] == '/')
        n--;
    while (k > 0 && env[k - 1] == '/')
        k--;
    return n > 0 && n == k && memcmp(uri, env, n) == 0;
}
