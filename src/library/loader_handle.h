/** The loader as a handle. Private to the loader_ files of the library. */
#ifndef LINNET_LIBRARY_LOADER_HANDLE_H
#define LINNET_LIBRARY_LOADER_HANDLE_H

#include "dataset/dataset.h"
#include "dataset/splits/fingerprint.h"
#include "library/api.h"
#include "loader/loader.h"
#include "loader/workers.h"

struct linnet_loader {
    config config;
    bool training;
    linnet_ranks ranks;
    int *host; /* (ranks.count) of each rank */
    int hosts;
    dataset *dataset;
    loader *loader;
    workers workers;
    normalisation table;
    int64_t epoch, first; /* where the epoch was entered: its batch, counted over all ranks */
    bool started;         /* loader_start was called for this epoch and batch */
    int64_t images;       /* of the last batch, which workers_count has not counted; 0: none */
    fingerprint fingerprint;
};

/** Number of this rank's batches of an epoch from batch `first` on, which is counted over all ranks. */
int64_t loader_own_batches(const linnet_loader *l, int64_t first);
/** Begins to prepare the epoch from batch `first`, counted over all ranks. @return 0, E_OPTION */
int loader_begin(linnet_loader *l, int64_t epoch, int64_t first);

#endif
