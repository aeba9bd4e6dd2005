#include "distributed/rank_timing.h"

#include <stddef.h>

static rank_time difference(const rank_time *now, const rank_time *before, int r) {
    return before != NULL ? time_since(now[r], &before[r]) : now[r];
}

rank_timing rank_timing_between(const rank_time *now, const rank_time *before, int ranks) {
    rank_timing p = {.slowest = -1};
    double longest = 0, sum = 0;
    for (int r = 0; r < ranks; r++) {
        rank_time d = difference(now, before, r);
        double work = d.seconds - d.waited;
        sum += work;
        if (work > longest) {
            longest = work;
            p.slowest = r;
        }
    }
    double others = (sum - longest) / (ranks > 1 ? ranks - 1 : 1);
    if (p.slowest < 0 || !(others > 0))
        return (rank_timing){.slowest = -1};
    rank_time d = difference(now, before, p.slowest);
    p.comm = d.waited / d.seconds;
    p.excess = longest / others - 1;
    p.loaded = d.loaded / d.seconds;
    return p;
}
