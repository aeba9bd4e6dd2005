/** A simulated dataset and decoder for the loader's tests. An image file contains its number and a word:
 *    "7 good"   decodes
 *    "7 bad"    E_FORMAT
 *    "7 half"   E_FORMAT if the position's first draw is odd: like a truncated file, it is readable or not depending on
 *               the crop
 *    "7 memory" E_NOMEM
 *  The pixels are a function of the number and the draws. Included once per test program, where it replaces the real
 *  decoder. */
#ifndef LINNET_TESTS_FAKE_IMAGES_H
#define LINNET_TESTS_FAKE_IMAGES_H

#include "check.h"

#include "base/file.h"
#include "base/random.h"
#include "dataset/dataset.h"
#include "loader/loader.h"
#include "loader/sampler.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define SIDE 3 /* pixels of the fake images */
#define SEED 0x123456789ABCDEFu

struct decoder {
    int used;
};

static atomic_int decode_us;         /* duration of a decode, microseconds */
static atomic_int decode_burn;       /* CPU time of a decode, microseconds */
static atomic_int decode_now;        /* decodes in progress */
static atomic_int decode_most;       /* the largest number at a time; the test resets it */
static atomic_int decode_count;      /* decodes so far */
static atomic_int unblocked_signals; /* decodes on a thread that does not block SIGINT or SIGTERM */

int decoder_create(decoder **out, const image_limits *limits) {
    (void)limits;
    *out = calloc(1, sizeof **out);
    return *out != NULL ? OK : E_NOMEM;
}

void decoder_destroy(decoder *d) { free(d); }

static void fake_pixels(uint8_t *pixels, int number, uint32_t draw) {
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        pixels[i] = (uint8_t)((uint32_t)number * 31 + (draw >> (i % 4 * 8)) + (uint32_t)i);
}

static bool fake_is_bad(const char *word, uint32_t draw) {
    return strcmp(word, "bad") == 0 || (strcmp(word, "half") == 0 && draw % 2 == 1);
}

/** Spends `us` microseconds of the thread's CPU time. */
static void fake_burn(int us) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    int64_t end = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + (int64_t)us * 1000;
    while ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec < end)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
}

/** Spends the time of a decode, and counts concurrent decodes. */
static void fake_work(int number) {
    int now = ++decode_now, most = decode_most;
    while (now > most && !atomic_compare_exchange_weak(&decode_most, &most, now))
        continue;
    if (decode_us > 0)
        usleep((unsigned)(decode_us / 2 + decode_us * (number % 3) / 2)); /* some later positions are completed first */
    if (decode_burn > 0)
        fake_burn(decode_burn);
    decode_now--;
}

int transform_decode(uint8_t *pixels, decoder *d, const unsigned char *bytes, size_t n, const char *name,
                     const transform *t, random_stream *r) {
    (void)t;
    char text[32], word[16];
    int number = 0;
    d->used++;
    decode_count++;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGTERM))
        unblocked_signals++;
    if (n >= sizeof text || n == 0)
        return fail(E_FORMAT, "%s: empty", name);
    memcpy(text, bytes, n);
    text[n] = 0;
    uint32_t draw = random_u32(r);
    if (sscanf(text, "%d %15s", &number, word) != 2)
        return fail(E_SHAPE, "%s: no fake image", name);
    fake_work(number);
    if (fake_is_bad(word, draw))
        return fail(E_FORMAT, "%s: corrupt", name);
    if (strcmp(word, "memory") == 0)
        return fail(E_NOMEM, "%s: no memory left", name);
    fake_pixels(pixels, number, draw);
    return OK;
}

#define FAKE_MAX 256
static char fake_word[FAKE_MAX][8]; /* of each image, in dataset order */

/** Writes `n` valid images into 3 classes of ROOT/train and opens the dataset. */
static dataset *fake_dataset(const char *root, int n) {
    dataset *d = NULL;
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES], text[32];
        int label = i * 3 / n;
        assert_ok(path_format(path, "%s/train/%c", root, "abc"[label]));
        assert_ok(folder_make(path));
        assert_ok(path_format(path, "%s/train/%c/%03d.jpg", root, "abc"[label], i));
        int k = snprintf(text, sizeof text, "%d good", i);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, (size_t)k, f), k);
        fclose(f);
        memcpy(fake_word[i], "good", 5);
    }
    assert_ok(dataset_open(&d, root, "train"));
    assert_int_equal(d->image_n, n);
    return d;
}

static inline void fake_mark(const dataset *d, int i, const char *word) {
    char path[PATH_BYTES];
    assert_ok(dataset_path(path, d, i));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%d %s", i, word);
    fclose(f);
    snprintf(fake_word[i], sizeof fake_word[i], "%s", word);
}

static loader_options fake_options(int batch_size, int workers, int ahead) {
    return (loader_options){.transform = {.training = true, .augment = true, .size = SIDE, .resize = SIDE},
                            .batch_size = batch_size,
                            .workers = workers,
                            .ahead = ahead,
                            .seed = SEED,
                            .shuffle = true,
                            .max_bad = 1,
                            .micro_batches_per_step = 1,
                            .micro_batch_count = 1};
}

static uint32_t fake_draw(uint32_t epoch, int64_t place) {
    random_stream r = random_open(SEED, epoch, (uint64_t)place, RANDOM_CROP);
    return random_u32(&r);
}

/** The image that must be at a position of the epoch, by a second implementation of the rule. -1: none (validation). */
static int expected_image(const dataset *d, const loader_options *o, uint32_t epoch, int64_t place) {
    static uint32_t order[FAKE_MAX];
    sampler_epoch(order, d->image_n, SEED, epoch, o->shuffle);
    int image = (int)order[place];
    for (int tries = 0; tries < d->image_n; tries++) {
        if (!fake_is_bad(fake_word[image], fake_draw(epoch, place)))
            return image;
        if (!o->transform.training)
            return -1;
        image = (image + 1) % (int)d->image_n;
    }
    return -1;
}

/** Compares one image of a batch to the expected one. */
static void check_image(const batch *b, int i, const dataset *d, int image, uint32_t epoch, int64_t place) {
    uint8_t pixels[SIDE * SIDE * 3];
    assert_int_equal(b->index[i], image);
    assert_int_equal(b->label[i], d->label[image]);
    assert_int_equal(b->label_b[i], d->label[image]);
    assert_true(b->mix[i] == 1.0f);
    fake_pixels(pixels, image, fake_draw(epoch, place));
    assert_memory_equal(b->pixels + (size_t)i * sizeof pixels, pixels, sizeof pixels);
}

/** Runs an epoch from batch `first` and checks every image in it. @return number of batches delivered */
static int check_epoch(loader *l, const dataset *d, const loader_options *o, uint32_t epoch, int64_t first) {
    int batches = 0;
    assert_ok(loader_start(l, epoch, first));
    for (int64_t number = first; number < loader_batches(l); number++) {
        int64_t low = number * o->batch_size, high = low + o->batch_size,
                turn = (number - first) % o->micro_batches_per_step;
        if (turn < o->micro_batch_first || turn >= o->micro_batch_first + o->micro_batch_count)
            continue;
        if (high > d->image_n)
            high = d->image_n;
        batch *b = NULL;
        int at = 0;
        for (int64_t place = low; place < high; place++) {
            int image = expected_image(d, o, epoch, place);
            if (image < 0)
                continue;
            if (b == NULL)
                assert_ok(loader_next(&b, l));
            assert_non_null(b);
            check_image(b, at++, d, image, epoch, place);
        }
        if (b == NULL)
            continue;
        assert_int_equal(b->n, at);
        loader_release(l, b);
        batches++;
    }
    batch *end = NULL;
    assert_ok(loader_next(&end, l));
    assert_null(end);
    return batches;
}

#endif
