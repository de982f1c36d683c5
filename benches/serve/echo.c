/* Echo servers to stand beside, as they are written where only speed counts.
 *
 *     echo epoll PORT BUFFER      one thread; epoll, told of changes once; reads until nothing is there
 *     echo threads PORT BUFFER    a thread for each connection, in calls that wait
 *
 * What a peer does not read is kept for it, and nothing more is read from it until it has. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 512

/* What a connection is owed. Most are owed nothing, and have none. */
struct owed {
    size_t length, sent;
    unsigned char bytes[];
};

static size_t size;
static unsigned char *buffer;
/* By descriptor. */
static struct owed **owed;
static int epoll;

static void must(int good, const char *what) {
    if (good) return;
    perror(what);
    exit(1);
}

static int open_at(int port, int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), yes = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    must(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    must(bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    must(listen(fd, 4096) == 0, "listen");
    return fd;
}

static void end(int fd) {
    free(owed[fd]);
    owed[fd] = NULL;
    close(fd);
}

/* Whether all that is owed is sent; -1: the connection is over. */
static int pay(int fd) {
    struct owed *debt = owed[fd];
    while (debt != NULL && debt->sent < debt->length) {
        ssize_t count = send(fd, debt->bytes + debt->sent, debt->length - debt->sent, MSG_NOSIGNAL);
        if (count < 0) return errno == EAGAIN ? 0 : -1;
        debt->sent += count;
    }
    free(debt);
    owed[fd] = NULL;
    return 1;
}

static int owe(int fd, const unsigned char *bytes, size_t length) {
    struct owed *debt = malloc(sizeof *debt + length);
    if (debt == NULL) return -1;
    debt->length = length, debt->sent = 0;
    memcpy(debt->bytes, bytes, length);
    owed[fd] = debt;
    return 0;
}

static void serve(int fd) {
    int paid = pay(fd);
    while (paid == 1) {
        ssize_t count = recv(fd, buffer, size, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) break;
        ssize_t sent = send(fd, buffer, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) break;
        if (sent < 0) sent = 0;
        if (sent < count) paid = owe(fd, buffer + sent, count - sent);
    }
    if (paid != 0) end(fd);
}

static void let_in(int listener) {
    for (int fd, yes = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.fd = fd};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
}

static void run_epoll(int port) {
    struct epoll_event events[EVENTS];
    struct rlimit files;
    int listener = open_at(port, SOCK_NONBLOCK);
    must(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    buffer = malloc(size);
    owed = calloc(files.rlim_cur, sizeof *owed);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    must(buffer != NULL && owed != NULL && epoll >= 0, "memory");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0, "epoll_ctl");
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        must(count >= 0 || errno == EINTR, "epoll_wait");
        for (int at = 0; at < count; at++) {
            if (events[at].data.fd == listener) let_in(listener);
            else if (events[at].events & ~EPOLLOUT || owed[events[at].data.fd] != NULL) serve(events[at].data.fd);
        }
    }
}

static void *one(void *descriptor) {
    int fd = (int)(intptr_t)descriptor;
    unsigned char *own = malloc(size);
    for (ssize_t count, sent; own != NULL && (count = recv(fd, own, size, 0)) > 0;)
        for (ssize_t from = 0; from < count; from += sent)
            if ((sent = send(fd, own + from, count - from, MSG_NOSIGNAL)) < 0) goto over;
over:
    free(own);
    close(fd);
    return NULL;
}

static void run_threads(int port) {
    pthread_attr_t attributes;
    int listener = open_at(port, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;
        pthread_t thread;
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (pthread_create(&thread, &attributes, one, (void *)(intptr_t)fd) != 0) close(fd);
    }
}

int main(int count, char **words) {
    if (count != 4) return 2;
    size = atol(words[3]);
    if (strcmp(words[1], "threads") == 0) run_threads(atoi(words[2]));
    else run_epoll(atoi(words[2]));
    return 0;
}
