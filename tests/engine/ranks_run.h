/** Tests of several ranks: the test program starts itself under mpirun, and rank 0 writes the results to a file. */
#ifndef LINNET_TESTS_ENGINE_RANKS_RUN_H
#define LINNET_TESTS_ENGINE_RANKS_RUN_H

#include "distributed/comm_open.h"
#include "engine/parity.h"
#include "engine/small_models.h"

#include <unistd.h>

enum { SIDE = 16 }; /* of the images */

/** Copies images [low, high) of `whole`. */
static inline batch slice_of(const batch *whole, int low, int high) {
    batch b = parity_batch_open(high - low, SIDE, SIDE);
    size_t image = (size_t)SIDE * SIDE * 3;
    memcpy(b.pixels, whole->pixels + (size_t)low * image, (size_t)b.n * image);
    for (int i = 0; i < b.n; i++) {
        b.label[i] = b.label_b[i] = whole->label[low + i];
        b.mix[i] = 1;
    }
    return b;
}

/** Checks that all ranks have the same weights, bit for bit. Rank 0 writes them and its statistics, for run_ranks. */
static inline void write_results(comm *c, const char *path, const double *w, size_t weights, const double *s,
                                 size_t stats) {
    double *first = allocated(weights, sizeof *first);
    memcpy(first, w, weights * sizeof *w);
    assert_ok(comm_all(c, COMM_BROADCAST, COMM_F64, first, weights));
    assert_memory_equal(first, w, weights * sizeof *w);
    free(first);
    if (comm_rank(c) != 0)
        return;
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(w, sizeof *w, weights, f), weights);
    assert_int_equal(fwrite(s, sizeof *s, stats, f), stats);
    assert_int_equal(fclose(f), 0);
}

/** The path of this program: LINNET_PROGRAM if a loader started it. */
static inline void find_self(char out[512]) {
    const char *named = getenv("LINNET_PROGRAM");
    ssize_t n = named != NULL ? snprintf(out, 512, "%s", named) : readlink("/proc/self/exe", out, 511);
    assert_true(n > 0 && n < 512);
    out[n] = 0;
}

static inline void mpirun(char command[2048], int ranks, const char *device, const char *how, const char *path) {
    char self[512];
    find_self(self);
    snprintf(command, 2048,
             "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun --bind-to none --oversubscribe "
             "--mca plm ^slurm,tm,lsf,pals,rsh --mca btl self,vader -n %d %s %s %s %s",
             ranks, self, device, how, path);
}

/** Runs the steps on `ranks` ranks and reads the (count) values that rank 0 has written: weights, statistics, and
 *  further values. */
static inline double *run_ranks(size_t count, int ranks, const char *device, const char *how) {
    char command[2048], path[] = "/tmp/linnet-ranks-XXXXXX";
    double *out = allocated(count, sizeof *out);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    mpirun(command, ranks, device, how, path);
    assert_int_equal(system(command), 0);
    assert_int_equal(read(fd, out, count * sizeof *out), count * sizeof *out);
    close(fd);
    unlink(path);
    return out;
}

/** Checks the largest difference, relative to the largest value of the tensor that contains it. */
static inline void assert_values_near(const double *a, const double *b, size_t n, double bound) {
    double most = 0, scale = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs(a[i] - b[i]));
        scale = fmax(scale, fabs(b[i]));
    }
    print_message("differs by %.2g\n", most / scale);
    assert_true(most <= bound * scale);
}

/** Whether the GPUs and NCCL are stand-ins. */
static inline bool has_stand_in_nccl(void) {
    const char *folder = getenv("LD_LIBRARY_PATH");
    char path[512];
    if (folder == NULL || engine_unavailable("cuda") != NULL)
        return false;
    snprintf(path, sizeof path, "%s/libnccl.so.2", folder);
    return access(path, R_OK) == 0;
}

#endif
