/** The members of a tar file, grouped to the samples of an index that is built. */
#ifndef LINNET_DATASET_SHARD_GROUP_H
#define LINNET_DATASET_SHARD_GROUP_H

#include "base/file.h"
#include "base/text.h"
#include "dataset/shard_classes.h"
#include "dataset/shard_list.h"
#include "dataset/tar.h"

#include <jansson.h>

/** The members read so far that have the same key. */
typedef struct shard_group {
    char key[PATH_BYTES];
    bool open, has_image, duplicate, ambiguous;
    bool compound_image, compound_label; /* from KEY.PART.jpg or KEY.PART.cls, which KEY.jpg and KEY.cls replace */
    char image[PATH_BYTES];              /* name of the member */
    char images[256];                    /* what follows KEY in the names of all images: "jpg, left.jpg" */
    image_location location;
    int64_t label;        /* or LABEL_NONE, LABEL_TEXT */
    char label_name[257]; /* of LABEL_TEXT */
    char filename[PATH_BYTES];
} shard_group;

typedef struct shard_build {
    shard_list *list;
    const char *image_key; /* "": none */
    char seen[256];        /* the images of the first sample that has none with image_key */
    text names;
    sample *sample; /* (n) */
    size_t n, capacity;
    shard_group group;
    const char *shard; /* the shard being read */
    uint32_t shard_number;
    size_t shard_first;
    int64_t lost, shard_lost, shard_notes;
    uint64_t copied; /* bytes of copies so far */
    char note[512];  /* the first problem of the shard */
    json_t *info;
} shard_build;

/** Counts a problem of the shard and keeps the text of the first: one warning per shard is enough. */
void shard_note(shard_build *b, int lost, const char *format, ...) __attribute__((format(printf, 3, 4)));

/** Adds a member. @return 0, E_DATA (several images in the sample before it), E_FORMAT, E_IO, E_NOMEM */
int shard_take_member(shard_build *b, tar_reader *r, const tar_member *m);
/** Ends the last sample of a shard: an image with a label is added to b->sample. @return 0, E_DATA, E_NOMEM */
int shard_close_group(shard_build *b);

/** Replaces labels that are names by numbers: their order in byte order, *out. If the samples also have numbers as
 *  labels, those with names are removed instead, with a warning, and count as lost. Frees nothing on error; the caller
 *  frees out->name. @return 0, E_DATA (nothing is left), E_NOMEM */
int shard_labels_resolve(shard_labels *out, shard_build *b);

#endif
