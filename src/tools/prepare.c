#define _GNU_SOURCE
#include "tools/prepare.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/text.h"
#include "dataset/tar.h"
#include "tools/archive_sum.h"
#include "tools/devkit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)1 << 20)
#define TRAIN_MD5 "1d675b47d978889d74fa0da5fadfb00e"
#define VAL_MD5 "29b22e2961454d5413ddabcf34fc5622"
#define DEVKIT_MD5 "fa75699e90414af021442c21a62c3abf"

/** State while an archive is unpacked. */
typedef struct unpacking {
    const prepare_options *options;
    prepare_result *result;
    devkit kit;
    char staging[PATH_BYTES]; /* OUT/.prepare */
    tar_source source;
    tar_reader reader;
    tar_member *member, *inner;
    unsigned char *room; /* (COPY_BYTES) */
    const char *phase;
} unpacking;

static int check_stop(const unpacking *u) {
    if (u->options->stop != NULL && *u->options->stop != 0)
        return fail(E_STOPPED, "stopped; run the same command again to continue");
    return OK;
}

static int open_archive(unpacking *u, const char *path, const char *phase) {
    int rc = OK;
    struct stat st;
    u->phase = phase;
    u->source = (tar_source){.fd = open(path, O_RDONLY | O_CLOEXEC), .name = path};
    if (u->source.fd < 0 || fstat(u->source.fd, &st) != 0)
        return fail_errno(errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return fail(E_IO, "%s is not a regular file", path);
    u->source.size = (uint64_t)st.st_size;
    posix_fadvise(u->source.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    TRY(tar_reader_init(&u->reader, &u->source));
done:
    return rc;
}

static void close_archive(unpacking *u) {
    tar_reader_deinit(&u->reader);
    if (u->source.fd >= 0)
        close(u->source.fd);
    u->source.fd = -1;
}

static int copy_bytes(int fd, const unpacking *u, const tar_source *s, const tar_member *m, const char *path) {
    int rc = OK;
    for (uint64_t done = 0; done < m->size;) {
        size_t n = m->size - done < COPY_BYTES ? (size_t)(m->size - done) : COPY_BYTES;
        TRY(tar_source_read(u->room, s, m->data + done, n));
        TRY(file_write_at(fd, done, u->room, n, path));
        done += n;
    }
done:
    return rc;
}

/** Writes a member to FOLDER/NAME; an incomplete file is removed. */
static int unpack_file(const unpacking *u, const tar_source *s, const tar_member *m, const char *folder) {
    int rc = OK;
    char path[PATH_BYTES];
    if (strchr(m->name, '/') != NULL || m->name[0] == '.' || !tar_name_is_safe(m->name))
        return fail(E_DATA, "%s: invalid archive member '%.200s': expected an image file name without a folder",
                    s->name, m->name);
    TRY(path_join(path, folder, m->name));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(errno, "cannot write %s", path);
    rc = copy_bytes(fd, u, s, m, path);
    if (close(fd) != 0 && rc == OK)
        rc = fail_errno(errno, "cannot write %s", path);
    if (rc != OK)
        unlink(path);
done:
    return rc;
}

/** Waits until everything written below the folder is on the disk. */
static int sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return fail_errno(error, "cannot write %s", path);
    }
    close(fd);
    return OK;
}

static int publish(const char *from, const char *to) {
    int rc = OK;
    TRY(sync_folder(from));
    if (rename(from, to) != 0)
        rc = fail_errno(errno, "cannot rename %s to %s", from, to);
done:
    return rc;
}

static void show(const unpacking *u, uint64_t done) {
    if (u->options->progress != NULL)
        u->options->progress(u->options->context, u->phase, (int64_t)done, (int64_t)u->source.size);
}

/** Unpacks the archive of one class, a member of the open archive. */
static int unpack_class(unpacking *u, const char *folder) {
    int rc = OK;
    tar_source s = u->source;
    tar_reader r = {0};
    bool more = true;
    int64_t images = 0;
    s.first = u->member->data;
    s.size = u->member->size;
    s.name = u->member->name;
    TRY(tar_reader_init(&r, &s));
    TRY(folder_make(folder));
    for (;;) {
        TRY(check_stop(u));
        TRY(tar_next(&more, u->inner, &r));
        if (!more)
            break;
        if (u->inner->type != '0')
            continue;
        TRY(unpack_file(u, &s, u->inner, folder));
        images++;
        show(u, u->member->data + r.at);
    }
    if (images == 0)
        rc = fail(E_DATA, "%s contains no images", s.name);
    u->result->train_images += images;
done:
    if (rc != OK && rc != E_STOPPED)
        fail_context(rc, "%s", u->source.name);
    tar_reader_deinit(&r);
    return rc;
}

/** Sets *at to the class of a member nXXXXXXXX.tar. */
static int class_of_member(int *at, const unpacking *u) {
    char wnid[16] = "";
    size_t n = strlen(u->member->name);
    if (n > 4 && n - 4 < sizeof wnid && strcmp(u->member->name + n - 4, ".tar") == 0)
        memcpy(wnid, u->member->name, n - 4);
    *at = synset_find(wnid);
    if (*at < 0)
        return fail(E_DATA,
                    "%s: the archive member '%.200s' is not a class archive of ILSVRC2012: expected nXXXXXXXX.tar",
                    u->source.name, u->member->name);
    return OK;
}

static int class_folder(char out[PATH_BYTES], const unpacking *u, int at) {
    return path_format(out, "%s/train/%s", u->options->out, synsets[at].wnid);
}

/** Checks that the remaining files fit on the disk, with 2 % for the overhead of the file system. */
static int check_space(const unpacking *u, uint64_t bytes) {
    uint64_t room = 0;
    char need[32], have[32];
    double wanted = (double)bytes * 1.02;
    int rc = disk_free(&room, u->options->out);
    if (rc != OK || wanted <= (double)room)
        return rc;
    return fail(E_FULL,
                "not enough disk space: %s has %s free, but %s still needs %s: free some space or choose another --out",
                u->options->out, text_bytes(have, (double)room), u->phase, text_bytes(need, wanted));
}

/** Moves to the archive of the next class; *more is false after the last. */
static int next_class(bool *more, int *at, unpacking *u) {
    int rc = OK;
    do
        TRY(tar_next(more, u->member, &u->reader));
    while (*more && u->member->type != '0');
    if (*more)
        TRY(class_of_member(at, u));
done:
    return rc;
}

/** Reads all outer headers once: checks that every class is present and that there is enough space. */
static int survey_train(unpacking *u) {
    int rc = OK, missing = -1;
    bool more = true, seen[SYNSETS] = {false};
    uint64_t bytes = 0;
    char folder[PATH_BYTES];
    for (;;) {
        int at = 0;
        TRY(next_class(&more, &at, u));
        if (!more)
            break;
        TRY(class_folder(folder, u, at));
        seen[at] = true;
        bytes += folder_exists(folder) ? 0 : u->member->size;
    }
    for (int i = 0; i < SYNSETS; i++)
        missing = missing < 0 && !seen[i] ? i : missing;
    if (missing >= 0) {
        rc = fail(E_DATA, "%s does not contain %s.tar, a class of ILSVRC2012", u->source.name, synsets[missing].wnid);
        goto done;
    }
    TRY(check_space(u, bytes));
    u->reader.at = 0;
done:
    return rc;
}

static int unpack_train(unpacking *u) {
    int rc = OK;
    bool more = true;
    char final[PATH_BYTES], staged[PATH_BYTES];
    TRY(path_join(final, u->options->out, "train"));
    TRY(folder_make(final));
    TRY(open_archive(u, u->options->train, "train"));
    TRY(survey_train(u));
    for (;;) {
        int at = 0;
        TRY(next_class(&more, &at, u));
        if (!more)
            break;
        TRY(class_folder(final, u, at));
        if (folder_exists(final)) {
            u->result->classes_before++;
            continue;
        }
        TRY(path_join(staged, u->staging, synsets[at].wnid));
        TRY(unpack_class(u, staged));
        TRY(publish(staged, final));
    }
    show(u, u->source.size);
done:
    close_archive(u);
    return rc;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/** Collects the names of all members, sorted: the n-th name belongs to the n-th line of the ground truth. */
static int survey_val(char ***out, int64_t *n, unpacking *u) {
    int rc = OK;
    bool more = true;
    uint64_t bytes = 0;
    for (;;) {
        TRY(tar_next(&more, u->member, &u->reader));
        if (!more)
            break;
        if (u->member->type != '0')
            continue;
        if (*n == u->kit.val_n) {
            rc = fail(E_DATA, "%s contains more images than the ground truth file lists (%lld)", u->source.name,
                      (long long)u->kit.val_n);
            goto done;
        }
        TRY(memory_string(&(*out)[*n], u->member->name));
        (*n)++;
        bytes += u->member->size;
    }
    if (*n != u->kit.val_n) {
        rc = fail(E_DATA, "%s contains %lld images, but the ground truth file lists %lld", u->source.name,
                  (long long)*n, (long long)u->kit.val_n);
        goto done;
    }
    qsort(*out, (size_t)*n, sizeof **out, by_name);
    TRY(check_space(u, bytes));
    u->reader.at = 0;
done:
    return rc;
}

static int unpack_val_image(unpacking *u, const char *staged, char *const *names, int64_t n) {
    int rc = OK;
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct stat st;
    const char *name = u->member->name;
    const char *const *found = bsearch(&name, names, (size_t)n, sizeof *names, by_name);
    if (found == NULL)
        return fail(E_IO, "%s changed while it was being read", u->source.name);
    int at = u->kit.val_class[(char *const *)found - names];
    TRY(path_join(folder, staged, synsets[at].wnid));
    TRY(path_join(path, folder, name));
    if (stat(path, &st) == 0 && (uint64_t)st.st_size == u->member->size)
        return OK; /* written by the interrupted run */
    TRY(folder_make(folder));
    TRY(unpack_file(u, &u->source, u->member, folder));
    u->result->val_images++;
done:
    return rc;
}

static int unpack_val(unpacking *u) {
    int rc = OK;
    bool more = true;
    char final[PATH_BYTES], staged[PATH_BYTES], **names = NULL;
    int64_t n = 0;
    TRY(path_join(final, u->options->out, "val"));
    TRY(path_join(staged, u->staging, "val"));
    u->result->val_before = folder_exists(final);
    if (u->result->val_before)
        goto done;
    TRY(open_archive(u, u->options->val, "val"));
    TRY(memory_zeroed(&names, (size_t)u->kit.val_n, sizeof *names));
    TRY(survey_val(&names, &n, u));
    for (;;) {
        TRY(check_stop(u));
        TRY(tar_next(&more, u->member, &u->reader));
        if (!more)
            break;
        if (u->member->type == '0')
            TRY(unpack_val_image(u, staged, names, n));
        show(u, u->reader.at);
    }
    show(u, u->source.size);
    TRY(publish(staged, final));
done:
    close_archive(u);
    for (int64_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return rc;
}

static int write_classes(const unpacking *u) {
    int rc = OK;
    char path[PATH_BYTES];
    text t = {0};
    for (int i = 0; i < SYNSETS; i++)
        TRY(text_printf(&t, "%s\t%s\n", synsets[i].wnid, synsets[i].words));
    TRY(path_join(path, u->options->out, "classes.txt"));
    TRY(file_write_atomic(path, t.data, t.n));
done:
    text_deinit(&t);
    return rc;
}

static int check_sums(const unpacking *u) {
    const prepare_options *o = u->options;
    const struct {
        const char *path, *sum, *phase;
    } file[] = {{o->devkit, DEVKIT_MD5, "MD5 of devkit"},
                {o->train, TRAIN_MD5, "MD5 of train"},
                {o->val, VAL_MD5, "MD5 of val"}};
    int rc = OK;
    for (size_t i = 0; o->check_md5 && i < sizeof file / sizeof *file; i++)
        if (file[i].path != NULL)
            TRY(archive_check_sum(file[i].path, file[i].sum, file[i].phase, u->staging, o));
done:
    return rc;
}

int prepare_imagenet(prepare_result *result, const prepare_options *o) {
    int rc = OK;
    unpacking u = {.options = o, .result = result, .source.fd = -1};
    *result = (prepare_result){0};
    TRY(devkit_read(&u.kit, o->devkit));
    result->classes = SYNSETS;
    TRY(path_join(u.staging, o->out, ".prepare"));
    TRY(folder_make(u.staging));
    TRY(memory_zeroed(&u.member, 1, sizeof *u.member));
    TRY(memory_zeroed(&u.inner, 1, sizeof *u.inner));
    TRY(memory_zeroed(&u.room, COPY_BYTES, 1));
    TRY(check_sums(&u));
    if (o->val != NULL)
        TRY(unpack_val(&u));
    if (o->train != NULL)
        TRY(unpack_train(&u));
    TRY(write_classes(&u));
    archive_forget_sums(u.staging);
    rmdir(u.staging);
done:
    devkit_deinit(&u.kit);
    free(u.member);
    free(u.inner);
    free(u.room);
    return rc;
}
