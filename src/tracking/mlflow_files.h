/** What the log folder has for MLflow: LOGS/mlflow.json and the files that are uploaded. The folder may come from
 * somebody else, so neither is trusted. */
#ifndef LINNET_TRACKING_MLFLOW_FILES_H
#define LINNET_TRACKING_MLFLOW_FILES_H

#include "tracking/mlflow_api.h"

#include <stdint.h>

/** mlflow.json. */
typedef struct mlflow_state {
    char uri[PATH_BYTES]; /* of the server, without '/' at its end */
    mlflow_run run;
    uint64_t sent; /* bytes of the spool */
} mlflow_state;

/** Reads mlflow.json, if there is one. s->uri is kept unless it is "": then it is the stored address, checked as
 *  mlflow_address. In either case without '/' at
 *  its end. The ids are letters, digits, '-' and '_'.
 *  @return 0, E_IO, E_FORMAT, E_NOTFOUND (s->uri is "", and there is no address), E_NOMEM, E_UNSUPPORTED */
int mlflow_state_read(mlflow_state *s, const char *logs);
/** @return 0, E_IO, E_FULL, E_NOMEM */
int mlflow_state_write(const mlflow_state *s, const char *logs);

/** From a log folder, OUT/logs/ARCH/version_N, to OUT: what an artefact's path in a record begins with. */
#define MLFLOW_OUT_FOLDER "../../../"

/** The path of a record's artefact. `file` must be ../../../BELOW, with BELOW one of viewlogs.md, report.html,
 *  logs/..., checkpoints/..., and must not lead out of LOGS/../../.. (OUT), by ".." or a symbolic link.
 *  @return 0, E_DATA (another path, or no such file), E_IO (the path is too long) */
int mlflow_artifact_path(char out[PATH_BYTES], const char *logs, const char *file);

#endif
