// Sockets that several threads or processes have. Where calls overlap, their order is not known to the program: the
// n-th writer asks for a length that leaves n when it is divided by sixteen.

#include "scenario.h"

#define LONG 160000

struct writer { int fd, number; };

static void *writes(void *given) {
    struct writer *writer = given;
    size_t length = LONG + (size_t)writer->number;
    char *buffer = malloc(length);
    memset(buffer, writer->number, length);
    for (size_t done = 0; done < length;)
        done += (size_t)CHECK(send(writer->fd, buffer + done, length - done, MSG_NOSIGNAL));
    free(buffer);
    return NULL;
}

// A connection whose server is a child that reads it all, slowly enough that writers must wait for room.
static int read_by_child(pid_t *reader) {
    int listening = listener(1, 16384);
    *reader = CHECK(fork());
    if (*reader == 0) {
        hear_all(take(listening));
        _exit(0);
    }
    CHECK(close(listening));
    int client = stream_socket();
    set(client, SOL_SOCKET, SO_SNDBUF, 16384);
    join(client);
    return client;
}

static void two_threads(void) {
    pid_t reader;
    int client = read_by_child(&reader);
    struct writer one = {client, 1}, two = {client, 2};
    pthread_t thread;
    if (pthread_create(&thread, NULL, writes, &two)) errx(1, "thread");
    writes(&one);
    pthread_join(thread, NULL);
    CHECK(close(client));
    ended(reader);
}

static void two_processes(void) {
    pid_t reader;
    int client = read_by_child(&reader);
    pid_t writer = CHECK(fork());
    struct writer mine = {client, writer == 0 ? 2 : 1};
    writes(&mine);
    if (writer == 0) _exit(0);
    ended(writer);
    CHECK(close(client));
    ended(reader);
}

static void *reads(void *given) {
    char buffer[64];
    while (CHECK(recv(*(int *)given, buffer, sizeof buffer, 0)) > 0);
    return NULL;
}

static void two_readers(void) {
    struct ends both = ends();
    pthread_t threads[2];
    for (int at = 0; at < 2; at++)
        if (pthread_create(&threads[at], NULL, reads, &both.server)) errx(1, "thread");
    for (size_t at = 1; at <= 15; at++) say(both.client, 16 * 3 + at, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    for (int at = 0; at < 2; at++) pthread_join(threads[at], NULL);
    part(both);
}

// Sends, or takes, a descriptor through a socket of the Unix domain.
static int passed(int through, int fd) {
    char control[CMSG_SPACE(sizeof fd)] = {0}, byte = 0;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (fd < 0) {
        CHECK(recvmsg(through, &message, 0));
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
        return fd;
    }
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(sendmsg(through, &message, 0));
    return fd;
}

// A descriptor goes to a process that was there before the socket was.
static void passed_on(void) {
    int through[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, through));
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(through[0]));
        int server = passed(through[1], -1);
        hear(server, 5);
        say(server, 6, 0);
        hear_all(server);
        CHECK(close(server));
        CHECK(raise(SIGSTOP));
        _exit(0);
    }
    struct ends both = ends();
    passed(through[0], both.server);
    CHECK(close(both.server));
    say(both.client, 5, 0);
    hear(both.client, 6);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.client);
    CHECK(close(both.client));
    CHECK(kill(child, SIGKILL));
    ended(child);
}

// Who listens executes another program, which accepts.
static void inherited(void) {
    int listening = listener(1, 0);
    char number[16];
    snprintf(number, sizeof number, "%d", listening);
    pid_t child = CHECK(fork());
    if (child == 0) {
        execl("/proc/self/exe", "shared", "accepts", number, (char *)NULL);
        err(1, "exec");
    }
    CHECK(close(listening));
    int client = joined();
    say(client, 5, 0);
    hear(client, 6);
    CHECK(close(client));
    ended(child);
}

static int accepts(int listening) {
    int server = take(listening);
    hear(server, 5);
    say(server, 6, 0);
    hear_all(server);
    CHECK(close(server));
    return 0;
}

static const struct scenario ALL[] = {
    {"two-threads", two_threads}, {"two-processes", two_processes}, {"two-readers", two_readers},
    {"passed-on", passed_on}, {"inherited", inherited}, {0},
};

int main(int count, char **words) {
    if (count == 3) return accepts(atoi(words[2]));
    return run(count, words, ALL);
}
