#define _GNU_SOURCE
#include "distributed/heartbeat.h"

#include "base/file.h"
#include "base/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define PATIENCE 5 /* seconds for one address to answer */

static void set_port(struct sockaddr_storage *a, in_port_t port) {
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = port;
    else
        ((struct sockaddr_in6 *)a)->sin6_port = port;
}

/** Of both families where the system has IPv6. @param[out] port in network order */
static int listen_anywhere(in_port_t *port) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
    struct sockaddr_in four = {.sin_family = AF_INET};
    socklen_t six_n = sizeof six, four_n = sizeof four;
    int off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
            bind(fd, (struct sockaddr *)&six, sizeof six) == 0 && listen(fd, SOMAXCONN) == 0 &&
            getsockname(fd, (struct sockaddr *)&six, &six_n) == 0) {
            *port = six.sin6_port;
            return fd;
        }
        close(fd);
    }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&four, sizeof four) == 0 && listen(fd, SOMAXCONN) == 0 &&
        getsockname(fd, (struct sockaddr *)&four, &four_n) == 0) {
        *port = four.sin_port;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/** Whether others can use it: an address of this link alone has no meaning without its interface. */
static bool usable(const struct ifaddrs *i) {
    if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
        return false;
    if (i->ifa_addr->sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr);
    return i->ifa_addr->sa_family == AF_INET;
}

static void add_addresses(watch_invitation *out, const struct ifaddrs *list, in_port_t port, bool loopback) {
    for (const struct ifaddrs *i = list; i != NULL && out->n < WATCH_ADDRESSES; i = i->ifa_next) {
        if (!usable(i) || ((i->ifa_flags & IFF_LOOPBACK) != 0) != loopback)
            continue;
        struct sockaddr_storage *a = &out->address[out->n++];
        size_t bytes = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(a, i->ifa_addr, bytes);
        set_port(a, port);
    }
}

int watch_listen(int *fd, watch_invitation *out) {
    struct ifaddrs *list = NULL;
    in_port_t port = 0;
    memset(out, 0, sizeof *out);
    *fd = listen_anywhere(&port);
    if (*fd < 0 || getifaddrs(&list) != 0 || getrandom(&out->key, sizeof out->key, 0) != sizeof out->key)
        return fail_errno(errno, "cannot open a port for the other ranks' heartbeats");
    add_addresses(out, list, port, false);
    add_addresses(out, list, port, true);
    freeifaddrs(list);
    return OK;
}

/** Calls on it last PATIENCE at most, connect included. */
static void set_patience(int fd) {
    struct timeval t = {.tv_sec = PATIENCE};
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool send_record(int fd, const watch_record *r) {
    return send(fd, r, sizeof *r, MSG_NOSIGNAL) == (ssize_t)sizeof *r;
}

static bool receive_record(int fd, watch_record *r, uint64_t key, watch_kind kind) {
    ssize_t n = recv(fd, r, sizeof *r, MSG_WAITALL);
    if (n >= 0 && (n != (ssize_t)sizeof *r || r->key != key || r->kind != (int32_t)kind)) {
        errno = EPROTO;
        return false;
    }
    r->text[sizeof r->text - 1] = 0;
    return n >= 0;
}

static void address_text(char out[INET6_ADDRSTRLEN + 8], const struct sockaddr_storage *a) {
    char host[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *four = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;
    bool is_four = a->ss_family == AF_INET;
    inet_ntop(a->ss_family, is_four ? (const void *)&four->sin_addr : (const void *)&six->sin6_addr, host, sizeof host);
    snprintf(out, INET6_ADDRSTRLEN + 8, "%s:%d", host, ntohs(is_four ? four->sin_port : six->sin6_port));
}

int watch_connect(int *fd, watch_record *welcome, const watch_invitation *where, const watch_record *hello) {
    char first[INET6_ADDRSTRLEN + 8] = "no address";
    int error = EADDRNOTAVAIL;
    *fd = -1;
    for (int i = 0; i < where->n; i++) {
        const struct sockaddr_storage *a = &where->address[i];
        int one = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (one >= 0) {
            set_patience(one);
            if (connect(one, (const struct sockaddr *)a, sizeof *a) == 0 && send_record(one, hello) &&
                receive_record(one, welcome, where->key, WATCH_WELCOME)) {
                *fd = one;
                return OK;
            }
        }
        if (i == 0) {
            error = errno;
            address_text(first, a);
        }
        if (one >= 0)
            close(one);
    }
    return fail_errno(
        error,
        "cannot reach rank 0 for heartbeats (%s; %d more addresses tried). Open the ports between the hosts, or "
        "disable heartbeats: --dist.timeout 0",
        first, where->n > 0 ? where->n - 1 : 0);
}

void watch_accept(int *fd, watch_record *hello, int listener, const watch_record *welcome, double until) {
    struct pollfd p = {.fd = listener, .events = POLLIN};
    double seconds = until - clock_seconds();
    *fd = -1;
    if (seconds <= 0 || poll(&p, 1, (int)(1e3 * seconds) + 1) <= 0)
        return;
    int one = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (one < 0)
        return;
    set_patience(one);
    if (receive_record(one, hello, welcome->key, WATCH_HELLO) && send_record(one, welcome))
        *fd = one;
    else
        close(one);
}
