#define _GNU_SOURCE
#include "distributed/heartbeat.h"

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

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

#define PATIENCE 5 /* seconds that an address may take to answer */

static void set_port(struct sockaddr_storage *a, in_port_t port) {
    if (a->ss_family == AF_INET)
        ((struct sockaddr_in *)a)->sin_port = port;
    else
        ((struct sockaddr_in6 *)a)->sin6_port = port;
}

/** Listens on *port, or on a free port if *port is 0, and sets *port. @return 0, or -1 with errno */
static int listen_on(int fd, in_port_t *port, int family) {
    struct sockaddr_storage any = {.ss_family = (sa_family_t)family}; /* in6addr_any and INADDR_ANY are zero */
    socklen_t n = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    int off = 0, on = 1;
    set_port(&any, *port);
    if ((family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || /* despite connections of an earlier run */
        bind(fd, (struct sockaddr *)&any, n) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&any, &n) != 0)
        return -1;
    *port = family == AF_INET ? ((struct sockaddr_in *)&any)->sin_port : ((struct sockaddr_in6 *)&any)->sin6_port;
    return 0;
}

/** Listens on both address families if the system has IPv6. @param port in network byte order; 0: any free port, and
 *  *port is set @return the socket, or -1 with errno */
static int listen_anywhere(in_port_t *port) {
    static const int families[] = {AF_INET6, AF_INET};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        int fd = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && listen_on(fd, port, families[i]) == 0)
            return fd;
        int error = errno;
        if (fd >= 0)
            close(fd);
        errno = error;
    }
    return -1;
}

/** Whether other hosts can use the address: a link-local address has no meaning without its interface. */
static bool usable(const struct ifaddrs *i) {
    if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
        return false;
    if (i->ifa_addr->sa_family == AF_INET6)
        return !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)i->ifa_addr)->sin6_addr);
    return i->ifa_addr->sa_family == AF_INET;
}

/** An empty list contains every name. */
static bool listed(const char *list, const char *name) { return list[0] == 0 || text_in_list(list, ',', name); }

static void add_addresses(watch_endpoint *out, const struct ifaddrs *list, const char *interfaces, in_port_t port,
                          bool loopback) {
    for (const struct ifaddrs *i = list; i != NULL && out->n < WATCH_ADDRESSES; i = i->ifa_next) {
        if (!usable(i) || ((i->ifa_flags & IFF_LOOPBACK) != 0) != loopback || !listed(interfaces, i->ifa_name))
            continue;
        struct sockaddr_storage *a = &out->address[out->n++];
        size_t bytes = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        memcpy(a, i->ifa_addr, bytes);
        set_port(a, port);
    }
}

static int no_interface(const struct ifaddrs *list, const char *interfaces) {
    char names[256] = "";
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next)
        if (usable(i) && (names[0] == 0 || !listed(names, i->ifa_name)))
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", names[0] != 0 ? "," : "",
                     i->ifa_name);
    return fail(E_OPTION, "dist.interface: rank 0's host has no address on '%s'; interfaces with an address: %s",
                interfaces, names);
}

int watch_listen(int *fd, watch_endpoint *out, const char *interfaces, int port) {
    struct ifaddrs *list = NULL;
    in_port_t bound = htons((in_port_t)port);
    int rc = OK;
    memset(out, 0, sizeof *out);
    *fd = listen_anywhere(&bound);
    if (*fd < 0 && port > 0)
        return fail_errno(errno, "cannot open port %d for the other ranks' heartbeats (dist.port)", port);
    if (*fd < 0 || getifaddrs(&list) != 0 || getrandom(&out->key, sizeof out->key, 0) != sizeof out->key)
        return fail_errno(errno, "cannot open a port for the other ranks' heartbeats");
    add_addresses(out, list, interfaces, bound, false);
    add_addresses(out, list, interfaces, bound, true);
    if (out->n == 0 && interfaces[0] != 0)
        rc = no_interface(list, interfaces);
    freeifaddrs(list);
    return rc;
}

/** Limits each call on the socket, connect included, to PATIENCE seconds. */
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

int watch_connect(int *fd, watch_record *welcome, const watch_endpoint *where, const watch_record *hello) {
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
    return fail_errno(error,
                      "cannot connect to rank 0 for heartbeats (%s; %d more addresses tried). Select the interface and "
                      "the port with --dist.interface and --dist.port, open the ports between the hosts, or disable "
                      "heartbeats with --dist.timeout 0",
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
