/** Counts the allocations of a program and its libraries, and makes one of them fail. Include it in one file of a test
 *  program, which defines _GNU_SOURCE first.
 *
 *  Without sanitizers malloc and its relatives and mmap are replaced for the whole process, the C library included
 *  (allocations_work). With AddressSanitizer, which has its own malloc, tests/CMakeLists.txt passes --wrap to the
 * linker for the tests named test_no_memory: that reaches the calls of linnet's own code, not those within shared
 * libraries (failing_works; the leak check is then the sanitizer's). With ThreadSanitizer, or another C library than
 * glibc, neither works.
 *
 *  Allocations of these libraries are counted, but never fail: libgomp, oneDNN and MPI, which end the process when they
 *  get no memory; the C++ library and the dynamic linker, through which they allocate; libwebp (1.2.4) and libtiff
 *  (4.5.0), which then use pointers that they have not set. */
#ifndef LINNET_TESTS_ALLOCATIONS_H
#define LINNET_TESTS_ALLOCATIONS_H

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long allocations; /* so far */
static atomic_long live;        /* blocks that are not freed; mappings are not counted */
static atomic_long fail_at;     /* 1: the next allocation fails; 0 and less: none */
static bool fail_after;         /* and all later ones */

/** Address ranges whose allocations do not fail. */
static struct { uintptr_t begin, end; } spared[16];
static int spared_n;

static inline int spare_one(struct dl_phdr_info *info, size_t size, void *context) {
    static const char *const name[] = {"libgomp",  "libdnnl",  "libstdc++", "libmpi",
                                       "libopen-", "ld-linux", "libwebp",   "libtiff"};
    bool is = false;
    (void)size;
    (void)context;
    for (size_t i = 0; i < sizeof name / sizeof *name; i++)
        is = is || strstr(info->dlpi_name, name[i]) != NULL;
    for (int i = 0; is && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X) != 0 &&
            spared_n < (int)(sizeof spared / sizeof *spared)) {
            spared[spared_n].begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            spared[spared_n].end = spared[spared_n].begin + info->dlpi_phdr[i].p_memsz;
            spared_n++;
        }
    return 0;
}

/** Call before fail_at is set. */
static inline void spare_libraries(void) {
    spared_n = 0;
    dl_iterate_phdr(spare_one, NULL);
}

/** Counts an allocation that `caller` asks for. @return whether it must fail */
static inline bool allocation_fails(const void *caller) {
    atomic_fetch_add(&allocations, 1);
    if (atomic_load(&fail_at) <= 0 && !(fail_after && atomic_load(&fail_at) < 0))
        return false;
    for (int i = 0; i < spared_n; i++)
        if ((uintptr_t)caller >= spared[i].begin && (uintptr_t)caller < spared[i].end)
            return false;
    long left = atomic_fetch_sub(&fail_at, 1) - 1;
    if (left == 0 && fail_after)
        atomic_store(&fail_at, -1);
    if (left > 0)
        return false;
    errno = ENOMEM;
    return true;
}

static inline void *count_live(void *p) {
    atomic_fetch_add(&live, p != NULL);
    return p;
}

#define CALLER __builtin_return_address(0)

#if defined(__SANITIZE_ADDRESS__)
#define REPLACED(name) __wrap_##name
#define REAL(name) __real_##name
static const bool allocations_work = false, failing_works = true;
#elif defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define REPLACED(name) name
#define REAL(name) __libc_##name
static const bool allocations_work = true, failing_works = true;
#else
static const bool allocations_work = false, failing_works = false;
#endif

#ifdef REPLACED
void *REAL(malloc)(size_t bytes);
void *REAL(calloc)(size_t n, size_t bytes);
void *REAL(realloc)(void *p, size_t bytes);
void *REPLACED(malloc)(size_t bytes);
void *REPLACED(calloc)(size_t n, size_t bytes);
void *REPLACED(realloc)(void *p, size_t bytes);
void *REPLACED(aligned_alloc)(size_t alignment, size_t bytes);
int REPLACED(posix_memalign)(void **out, size_t alignment, size_t bytes);
void *REPLACED(mmap)(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);

void *REPLACED(malloc)(size_t bytes) { return allocation_fails(CALLER) ? NULL : count_live(REAL(malloc)(bytes)); }

void *REPLACED(calloc)(size_t n, size_t bytes) {
    return allocation_fails(CALLER) ? NULL : count_live(REAL(calloc)(n, bytes));
}

void *REPLACED(realloc)(void *p, size_t bytes) {
    if (allocation_fails(CALLER))
        return NULL;
    void *moved = REAL(realloc)(p, bytes);
    if (p == NULL)
        count_live(moved);
    else if (moved == NULL && bytes == 0)
        atomic_fetch_sub(&live, 1);
    return moved;
}

void *REPLACED(mmap)(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    if (allocation_fails(CALLER))
        return MAP_FAILED; /* NOLINT: the constant of the C library */
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd, offset); /* 64-bit systems */
}
#endif

#if defined(__SANITIZE_ADDRESS__)
#define REAL_ALIGNED __real_aligned_alloc
void *__real_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return allocation_fails(CALLER) ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *s) { return allocation_fails(CALLER) ? NULL : __real_strdup(s); }
#elif defined(REPLACED)
#define REAL_ALIGNED __libc_memalign
void *__libc_memalign(size_t alignment, size_t bytes);
void __libc_free(void *p);
void *memalign(size_t alignment, size_t bytes);

void *aligned_alloc(size_t alignment, size_t bytes) {
    return allocation_fails(CALLER) ? NULL : count_live(__libc_memalign(alignment, bytes));
}

void *memalign(size_t alignment, size_t bytes) {
    return allocation_fails(CALLER) ? NULL : count_live(__libc_memalign(alignment, bytes));
}

void free(void *p) {
    atomic_fetch_sub(&live, p != NULL);
    __libc_free(p);
}
#endif

#ifdef REPLACED
int REPLACED(posix_memalign)(void **out, size_t alignment, size_t bytes) {
    if (allocation_fails(CALLER))
        return ENOMEM;
    *out = count_live(REAL_ALIGNED(alignment, bytes));
    return *out != NULL ? 0 : ENOMEM;
}
#endif

#endif
