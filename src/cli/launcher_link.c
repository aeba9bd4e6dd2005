/* The socket between the launcher and its ranks. */

#define _GNU_SOURCE
#include "cli/launcher_link.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VARIABLE "LINNET_LAUNCHER"

static int own_fd = -1; /* a rank's end of the socket */

/** Sets an abstract address, which leaves no file. @return its length */
static socklen_t address(struct sockaddr_un *a, const char *name) {
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

int launcher_link_open(launcher_link *l, int ranks) {
    struct sockaddr_un a;
    unsigned long long key = 0;
    int rc = OK;
    *l = (launcher_link){.fd = -1, .first_ended = -1, .capacity = ranks};
    TRY(memory_zeroed(&l->ranks, (size_t)ranks, sizeof *l->ranks));
    if (getrandom(&key, sizeof key, 0) != sizeof key) {
        rc = fail_errno(errno, "cannot choose a name for the ranks' socket");
        goto done;
    }
    snprintf(l->name, sizeof l->name, "linnet-%d-%016llx", (int)getpid(), key);
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&a, address(&a, l->name)) != 0 || listen(l->fd, ranks) != 0 ||
        setenv(VARIABLE, l->name, 1) != 0)
        rc = fail_errno(errno, "cannot open a socket for the ranks");
done:
    return rc;
}

/** Sends the standard outputs to a rank. @return 0, or -1 with errno */
static int send_outputs(int fd, int out, int err) {
    char byte = 0, room[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fds[2] = {out, err};
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    return sendmsg(fd, &m, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

void launcher_link_accept(launcher_link *l) {
    struct ucred who = {0};
    socklen_t n = sizeof who;
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (l->n == l->capacity || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || who.uid != geteuid() ||
        send_outputs(fd, STDOUT_FILENO, STDERR_FILENO) != 0) {
        close(fd);
        return;
    }
    l->ranks[l->n++] = (rank_link){.fd = fd, .rank = -1, .pid = who.pid};
}

bool launcher_link_read(launcher_link *l, int i) {
    rank_link *r = &l->ranks[i];
    char said[1 + PATH_BYTES] = "";
    if (r->fd < 0)
        return false;
    ssize_t n = recv(r->fd, said, sizeof said - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        close(r->fd);
        r->fd = -1;
        if (l->first_ended < 0)
            l->first_ended = i;
        return false;
    }
    if (said[0] == 't')
        r->reported = true;
    else if (said[0] == 'r')
        r->rank = (int)strtol(said + 1, NULL, 10);
    else if (said[0] == 'l' && l->lost[0] == 0)
        snprintf(l->lost, sizeof l->lost, "%.*s", (int)sizeof l->lost - 1, said + 1);
    else if (said[0] == 'p')
        l->permanent = true;
    else if (said[0] == 's')
        snprintf(l->saved, sizeof l->saved, "%s", said + 1);
    return true;
}

void launcher_link_close(launcher_link *l) {
    for (int i = 0; i < l->n; i++)
        if (l->ranks[i].fd >= 0)
            close(l->ranks[i].fd);
    if (l->fd >= 0)
        close(l->fd);
    free(l->ranks);
    *l = (launcher_link){.fd = -1};
}

/** Whether a process is ending: it has no memory any more, and so no environment. */
static bool is_ending(pid_t pid) {
    char path[48];
    long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ending = fscanf(f, "%ld", &pages) == 1 && pages == 0; /* NOLINT(cert-err34-c): the kernel's own numbers */
    fclose(f);
    return ending;
}

bool launcher_link_owns(const launcher_link *l, pid_t pid) {
    char path[48], wanted[96], *word = NULL;
    size_t bytes = 0;
    bool own = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    snprintf(wanted, sizeof wanted, VARIABLE "=%s", l->name);
    FILE *f = fopen(path, "re");
    while (f != NULL && !own && getdelim(&word, &bytes, 0, f) > 0)
        own = strcmp(word, wanted) == 0;
    free(word);
    if (f != NULL)
        fclose(f);
    return own || is_ending(pid);
}

/** Receives the outputs of send_outputs. @return 0, or -1 with errno */
static int take_outputs(int fd) {
    char byte, room[CMSG_SPACE(2 * sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int fds[2];
    if (recvmsg(fd, &m, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fds)) {
        errno = EPROTO;
        return -1;
    }
    memcpy(fds, CMSG_DATA(c), sizeof fds);
    int rc = dup2(fds[0], STDOUT_FILENO) >= 0 && dup2(fds[1], STDERR_FILENO) >= 0 ? 0 : -1;
    close(fds[0]);
    close(fds[1]);
    return rc;
}

bool launcher_is_present(void) { return getenv(VARIABLE) != NULL; }

int launcher_attach(void) {
    const char *name = getenv(VARIABLE), *rank = getenv("OMPI_COMM_WORLD_RANK");
    struct sockaddr_un a;
    char line[32];
    if (name == NULL)
        return OK;
    socklen_t length = address(&a, name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int n = snprintf(line, sizeof line, "r%s", rank != NULL ? rank : "0");
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, length) != 0 || take_outputs(fd) != 0 ||
        send(fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
        int rc = fail_errno(errno, "cannot connect to the launcher process that started this rank");
        if (fd >= 0)
            close(fd);
        return rc;
    }
    own_fd = fd; /* stays open: its end shows the launcher that the process has ended */
    return OK;
}

bool launcher_lost(const char *where) {
    char line[256];
    int n = snprintf(line, sizeof line, "l%s", where);
    return own_fd >= 0 && send(own_fd, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1, MSG_NOSIGNAL) > 0;
}

static void tell(const char *word, size_t n) {
    if (own_fd >= 0 && send(own_fd, word, n, MSG_NOSIGNAL) != (ssize_t)n)
        own_fd = -1; /* the launcher has ended */
}

void launcher_reported(void) { tell("t", 1); }
void launcher_permanent(void) { tell("p", 1); }

void launcher_saved(const char *path) {
    char word[1 + PATH_BYTES];
    int n = snprintf(word, sizeof word, "s%s", path);
    tell(word, (size_t)n);
}
