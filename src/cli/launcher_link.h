/** The socket between the launcher and the ranks that it started on this machine. A rank receives the launcher's stdout
 *  and stderr through it (mpirun would relay pipes: no terminal, no order), and the launcher sees when a rank ends. */
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
    bool reported; /* the rank has printed why the run ended */
} rank_link;

typedef struct launcher_link {
    int fd; /* the listening socket; -1: closed */
    char name[64];
    rank_link *ranks;
    int n, capacity;        /* ranks connected so far, in order of connection */
    int first_ended;        /* index of the first rank that ended; -1: none */
    char lost[256];         /* which rank has ended, and at which step, as reported by another rank; "" none */
    bool permanent;         /* a rank failed with an error that a restart would not avoid */
    char saved[PATH_BYTES]; /* the run's latest checkpoint; "" none yet */
} launcher_link;

/** Listens on a new address and puts its name into the environment for the ranks. @return 0, E_IO, E_NOMEM */
int launcher_link_open(launcher_link *l, int ranks);
/** Accepts the connection of a rank and sends it the standard outputs. Processes of other users are refused. */
void launcher_link_accept(launcher_link *l);
/** Reads one message of link i, if there is any; at the end of the connection fd becomes -1. @return whether one came
 */
bool launcher_link_read(launcher_link *l, int i);
void launcher_link_close(launcher_link *l);

/** Whether a child of this process belongs to this run of the ranks: its environment contains the address, or the child
 * is ending and has no environment any more. */
bool launcher_link_owns(const launcher_link *l, pid_t pid);

/** In a process started by a launcher: takes over its outputs. Does nothing in other processes. @return 0, E_IO */
int launcher_attach(void);
/** Reports to the launcher that this rank prints why it ends. */
void launcher_reported(void);
/** Tells the launcher about an error that a restart would not avoid. */
void launcher_permanent(void);
/** Tells the launcher about a complete checkpoint of this run. */
void launcher_saved(const char *path);
/** Tells the launcher which rank ended and at which step; the launcher knows how the process has ended and prints
 *  the message. @return whether there is a launcher */
bool launcher_lost(const char *where);
/** Whether this process was started by a launcher of this program. */
bool launcher_is_present(void);

#endif
