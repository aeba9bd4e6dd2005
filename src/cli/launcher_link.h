/** What ties ranks to the launcher that started them on this machine: a socket, over which a rank takes the launcher's
 *  own stdout and stderr (mpirun would relay pipes: no terminal, no order) and by which the launcher knows who lives.
 */
#ifndef LINNET_CLI_LAUNCHER_LINK_H
#define LINNET_CLI_LAUNCHER_LINK_H

#include "base/file.h"

#include <stdbool.h>
#include <sys/types.h>

/** The launcher's end of one rank. */
typedef struct rank_link {
    int fd; /* -1: the rank has ended */
    int rank;
    pid_t pid;
    bool told; /* the rank has printed why the run ended */
} rank_link;

typedef struct launcher_link {
    int fd; /* listens; -1: closed */
    char name[64];
    rank_link *ranks;
    int n, capacity;        /* that have come so far, in this order */
    int first_gone;         /* index of the first that ended; -1: none */
    char lost[256];         /* who has ended, and where it was, as a rank tells; "" nobody */
    bool permanent;         /* a rank failed with what would fail again */
    char saved[PATH_BYTES]; /* the run's latest checkpoint; "" none yet */
} launcher_link;

/** Listens under a new name and puts it into the environment for the ranks. @return 0, E_IO, E_NOMEM */
int launcher_link_open(launcher_link *l, int ranks);
/** A rank knocks: gives it the standard outputs. Strangers are sent away. */
void launcher_link_accept(launcher_link *l);
/** What link i has to say, if anything; its end sets fd to -1. @return whether it had a word */
bool launcher_link_read(launcher_link *l, int i);
void launcher_link_close(launcher_link *l);

/** In a process that a launcher started: takes over its outputs. Nothing to do in any other. @return 0, E_IO */
int launcher_attach(void);
/** Tells the launcher that this rank prints why it ends. */
void launcher_told(void);
/** Tells the launcher of an error that another start would meet again. */
void launcher_permanent(void);
/** Tells the launcher of a complete checkpoint of this run. */
void launcher_saved(const char *path);
/** Tells the launcher, which knows how its processes end, who it was that did and where it stood. @return whether there
 *  is one */
bool launcher_lost(const char *where);
/** Whether this process was started by a launcher of this program. */
bool launcher_above(void);

#endif
