/** ImageNet's official archives -> OUT/train/WNID/NAME and OUT/val/WNID/NAME, as ImageFolder wants them, and
 *  OUT/classes.txt ("WNID<TAB>words" in the order of the classes).
 *
 *  The archives are read once, front to back; nothing is copied in between. A class of train appears under its name
 *  when it is complete, val as a whole; until then their files are in OUT/.prepare. The same call goes on where one
 *  was interrupted: classes that are there are passed over. */
#ifndef LINNET_TOOLS_PREPARE_H
#define LINNET_TOOLS_PREPARE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct prepare_options {
    const char *train, *val; /* the archives; NULL: not wanted */
    const char *devkit, *out;
    bool check_md5; /* the three sums that the archives are published with; once for each file */
    void (*progress)(void *context, const char *phase, int64_t done, int64_t total); /* bytes; NULL: silent */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: E_STOPPED; NULL: never */
} prepare_options;

typedef struct prepare_result {
    int classes;
    int64_t train_images, val_images; /* written now */
    int classes_before;               /* of train, there already */
    bool val_before;
} prepare_result;

/** @return 0, E_FORMAT (damaged archive, wrong sum), E_DATA (not what the devkit tells), E_FULL (found out before, or
 *  while writing), E_IO, E_NOTFOUND, E_NOMEM, E_STOPPED */
int prepare_imagenet(prepare_result *result, const prepare_options *o);

#endif
