/** Runs an operation again and again, and makes another of its allocations fail each time: first the failing one alone,
 *  then it and all later ones. The operation must succeed, or return E_NOMEM with a message, and leak nothing.
 *  allocations.h says which allocations fail, and which do not. */
#ifndef LINNET_TESTS_NO_MEMORY_H
#define LINNET_TESTS_NO_MEMORY_H

#include "check.h"

#include "allocations.h"

#include <limits.h>

#ifndef NO_MEMORY_MOST
#define NO_MEMORY_MOST 400 /* failures of one operation; of more allocations a part is chosen, evenly */
#endif

/** `also`: a further code that the operation may return, whose message must speak of memory; 0: none. `check` (or NULL)
 *  is called after each failed run. @return the number of allocations of the operation */
static inline long no_memory(int (*run)(void *context), void *context, int also, void (*check)(void *context, int rc)) {
    spare_libraries();
    assert_ok(run(context)); /* what is allocated once per process */
    long before = atomic_load(&live);
    atomic_store(&fail_at, LONG_MAX);
    assert_ok(run(context));
    long n = LONG_MAX - atomic_exchange(&fail_at, 0), step = n / NO_MEMORY_MOST + 1;
    assert_true(n > 0);
    if (allocations_work)
        assert_int_equal(atomic_load(&live), before);
    for (int later = 0; later < 2; later++)
        for (long k = 1; k <= n; k += step) {
            fail_after = later != 0;
            atomic_store(&fail_at, k);
            int rc = run(context);
            atomic_store(&fail_at, 0);
            fail_after = false;
            if (rc != OK && rc != E_NOMEM && rc != also)
                fail_msg("allocation %ld of %ld: code %d: %s", k, n, rc, status_message());
            if (rc != OK && rc == also && strstr(status_message(), "memory") == NULL)
                fail_msg("allocation %ld of %ld: the message speaks of no memory: %s", k, n, status_message());
            if (rc != OK && (status_message()[0] == 0 || strchr(status_message(), '\n') != NULL))
                fail_msg("allocation %ld of %ld: not a message of one line: %s", k, n, status_message());
            if (allocations_work && atomic_load(&live) != before)
                fail_msg("allocation %ld of %ld: %ld blocks are not freed: %s", k, n, atomic_load(&live) - before,
                         status_message());
            if (check != NULL)
                check(context, rc);
        }
    assert_ok(run(context));
    return n;
}

/** For main: ends the program as skipped if allocations cannot fail in this build. */
static inline void no_memory_or_skip(void) {
    if (!failing_works) {
        printf("skipped: allocations cannot be made to fail in this build (ThreadSanitizer, or no glibc)\n");
        exit(77);
    }
}

#endif
