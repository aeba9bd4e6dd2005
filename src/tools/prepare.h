/** Unpacks ImageNet's official archives to OUT/train/WNID/NAME and OUT/val/WNID/NAME, as ImageFolder expects, and
 * writes OUT/classes.txt ("WNID<TAB>words" in the order of the classes).
 *
 *  Each archive is read once, sequentially, without temporary copies. A class of train gets its final name when it is
 *  complete, val as a whole; until then the files are in OUT/.prepare. After an interruption the same call continues:
 *  classes that are already complete are skipped. */
#ifndef LINNET_TOOLS_PREPARE_H
#define LINNET_TOOLS_PREPARE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct prepare_options {
    const char *train, *val; /* the archives; NULL: not unpacked */
    const char *devkit, *out;
    bool check_md5; /* verify the published MD5 sums of the three archives, once per file */
    void (*progress)(void *context, const char *phase, int64_t done, int64_t total); /* bytes; NULL: silent */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: E_STOPPED; NULL: never */
} prepare_options;

typedef struct prepare_result {
    int classes;
    int64_t train_images, val_images; /* written by this call */
    int classes_before;               /* classes of train that were already complete */
    bool val_before;
} prepare_result;

/** @return 0, E_FORMAT (damaged archive, wrong sum), E_DATA (does not match the devkit), E_FULL (detected before or
 * while writing), E_IO, E_NOTFOUND, E_NOMEM, E_STOPPED */
int prepare_imagenet(prepare_result *result, const prepare_options *o);

#endif
