// What the scenarios have in common. The n-th call that sends on a socket carries only bytes of value n, so that the
// payload of a segment names the calls that wrote it. Nothing here is ordered by time: what is waited for is seen.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wunused-function"

#define CHECK(call) ({ __typeof__(call) gave_ = (call); if (gave_ < 0) err(1, "%s", #call); gave_; })

static unsigned char sends[1024];
static struct sockaddr_in place;

// How many bytes: all of the value of this call.
static const char *bytes(int fd, size_t length) {
    static char buffer[1 << 20];
    if (length > sizeof buffer) errx(1, "too long");
    return memset(buffer, ++sends[fd], length);
}

static ssize_t say(int fd, size_t length, int flags) {
    return CHECK(send(fd, bytes(fd, length), length, flags | MSG_NOSIGNAL));
}

// Takes so many bytes; fewer where the peer ends before.
static size_t hear(int fd, size_t length) {
    static char buffer[1 << 20];
    size_t had = 0;
    while (had < length) {
        size_t most = length - had < sizeof buffer ? length - had : sizeof buffer;
        ssize_t count = CHECK(recv(fd, buffer, most, 0));
        if (count == 0) break;
        had += (size_t)count;
    }
    return had;
}

static void hear_all(int fd) { hear(fd, (size_t)-1); }

static void set(int fd, int level, int name, int value) {
    CHECK(setsockopt(fd, level, name, &value, sizeof value));
}

static struct tcp_info info(int fd) {
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length));
    return info;
}

// Asks until it is so.
#define UNTIL(condition) while (!(condition)) poll(NULL, 0, 2)

static int all_acknowledged(int fd) {
    struct tcp_info now = info(fd);
    return now.tcpi_unacked == 0 && now.tcpi_notsent_bytes == 0;
}

static int is_stuck(int fd) {
    struct tcp_info now = info(fd);
    return now.tcpi_unacked == 0 && now.tcpi_notsent_bytes > 0;
}

static int unread(int fd) {
    int count = 0;
    CHECK(ioctl(fd, SIOCINQ, &count));
    return count;
}

// Until the peer's end has come, without taking anything.
static void await_end(int fd) {
    struct pollfd watched = {.fd = fd, .events = POLLRDHUP};
    CHECK(poll(&watched, 1, -1));
}

static int stream_socket(void) {
    int fd = CHECK(socket(AF_INET, SOCK_STREAM, 0));
    sends[fd] = 0;
    return fd;
}

static int listener(int backlog, int receive_buffer) {
    int fd = stream_socket();
    socklen_t length = sizeof place;
    if (receive_buffer) set(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
    place = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (struct sockaddr *)&place, sizeof place));
    CHECK(getsockname(fd, (struct sockaddr *)&place, &length));
    CHECK(listen(fd, backlog));
    return fd;
}

static void join(int fd) { CHECK(connect(fd, (struct sockaddr *)&place, sizeof place)); }

static int joined(void) {
    int fd = stream_socket();
    join(fd);
    return fd;
}

static int take(int listening) {
    int fd = CHECK(accept(listening, NULL, NULL));
    sends[fd] = 0;
    return fd;
}

// Both ends of a connection: the first is the client.
struct ends { int client, server; };

static struct ends ends(void) {
    int listening = listener(8, 0);
    struct ends both = {.client = joined()};
    both.server = take(listening);
    CHECK(close(listening));
    return both;
}

// The server closes first, the client when it has seen that.
static void part(struct ends both) {
    CHECK(close(both.server));
    hear_all(both.client);
    CHECK(close(both.client));
}

static void ended(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0));
}

// Pipes say when something has happened.
static void tell(int fd) { CHECK(write(fd, "", 1)); }

static void await(int fd) {
    char byte;
    if (CHECK(read(fd, &byte, 1)) != 1) errx(1, "nobody tells");
}

struct scenario { const char *name; void (*run)(void); };

static int run(int count, char **words, const struct scenario *all) {
    for (; count == 2 && all->name; all++)
        if (!strcmp(all->name, words[1])) return all->run(), 0;
    for (; count == 1 && all->name; all++) puts(all->name);
    return count == 1 ? 0 : 2;
}
