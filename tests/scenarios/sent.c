// Bytes that are sent inside the call that writes them, whatever that call is.

#include "scenario.h"

static void inside(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    hear(both.server, 5);
    say(both.server, 7, 0);
    hear(both.client, 7);
    say(both.client, 9, 0);
    hear(both.server, 9);
    part(both);
}

static void connect_before_accept(void) {
    int listening = listener(1, 0);
    struct ends both = {.client = joined()};
    say(both.client, 5, 0);
    both.server = take(listening);
    hear(both.server, 5);
    part(both);
}

static void nonblocking_connect(void) {
    int listening = listener(1, 0);
    struct ends both = {.client = CHECK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0))};
    if (connect(both.client, (struct sockaddr *)&place, sizeof place) == 0 || errno != EINPROGRESS)
        errx(1, "not in progress");
    struct pollfd watched = {.fd = both.client, .events = POLLOUT};
    CHECK(poll(&watched, 1, -1));
    both.server = take(listening);
    say(both.client, 5, 0);
    hear(both.server, 5);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

static void backlog_of_one(void) {
    int listening = listener(1, 0), ready[2];
    CHECK(pipe(ready));
    pid_t children[3];
    for (int at = 0; at < 3; at++) {
        children[at] = CHECK(fork());
        if (children[at] == 0) {
            CHECK(close(listening));
            int client = joined();
            say(client, 5 + (size_t)at, 0);
            hear_all(client);
            _exit(0);
        }
    }
    for (int at = 0; at < 3; at++) {
        int server = take(listening);
        char byte[16];
        ssize_t count = CHECK(recv(server, byte, sizeof byte, 0));
        say(server, (size_t)count, 0);
        CHECK(close(server));
    }
    for (int at = 0; at < 3; at++) ended(children[at]);
}

static void plain_write(void) {
    struct ends both = ends();
    CHECK(write(both.client, bytes(both.client, 5), 5));
    hear(both.server, 5);
    part(both);
}

static void vectors(void) {
    struct ends both = ends();
    char one[4], two[6];
    struct iovec pieces[] = {{one, sizeof one}, {two, sizeof two}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    memset(one, 1, sizeof one), memset(two, 1, sizeof two);
    CHECK(writev(both.client, pieces, 2));
    hear(both.server, 10);
    memset(one, 2, sizeof one), memset(two, 2, sizeof two);
    CHECK(sendmsg(both.client, &message, 0));
    hear(both.server, 10);
    memset(one, 3, sizeof one), memset(two, 3, sizeof two);
    CHECK(pwritev2(both.client, pieces, 2, -1, 0));
    hear(both.server, 10);
    memset(one, 4, sizeof one), memset(two, 4, sizeof two);
    struct mmsghdr several[] = {{.msg_hdr = message}, {.msg_hdr = message}};
    CHECK(sendmmsg(both.client, several, 2, 0));
    hear(both.server, 20);
    part(both);
}

// A file with so many bytes of this value.
static int file_of(int value, size_t length) {
    char buffer[4096];
    int fd = CHECK(memfd_create("scenario", 0));
    memset(buffer, value, sizeof buffer);
    for (size_t done = 0; done < length;)
        done += (size_t)CHECK(write(fd, buffer, length - done < sizeof buffer ? length - done : sizeof buffer));
    CHECK(lseek(fd, 0, SEEK_SET));
    return fd;
}

static void send_file(void) {
    struct ends both = ends();
    for (int at = 1; at <= 3; at++) {
        size_t length = 5000 * (size_t)at;
        CHECK(sendfile(both.client, file_of(at, length), NULL, length));
        hear(both.server, length);
    }
    part(both);
}

static void spliced(void) {
    struct ends both = ends();
    int through[2];
    CHECK(pipe(through));
    for (int at = 1; at <= 3; at++) {
        size_t length = 3000 * (size_t)at;
        CHECK(splice(file_of(at, length), NULL, through[1], NULL, length, 0));
        for (size_t left = length; left > 0;)
            left -= (size_t)CHECK(splice(through[0], NULL, both.client, NULL, left, 0));
        hear(both.server, length);
    }
    CHECK(splice(through[0], NULL, both.client, NULL, 0, 0));
    part(both);
}

// Out of one socket into another, through a pipe.
static void spliced_on(void) {
    struct ends one = ends(), other = ends();
    int through[2];
    CHECK(pipe(through));
    say(one.client, 700, 0);
    CHECK(splice(one.server, NULL, through[1], NULL, 700, 0));
    CHECK(splice(through[0], NULL, other.client, NULL, 700, 0));
    hear(other.server, 700);
    part(one);
    part(other);
}

static void peeked(void) {
    struct ends both = ends();
    char buffer[64];
    say(both.client, 5, 0);
    CHECK(recv(both.server, buffer, sizeof buffer, MSG_PEEK));
    hear(both.server, 5);
    say(both.client, 6, 0);
    CHECK(recv(both.server, buffer, 4, MSG_TRUNC));
    hear(both.server, 2);
    part(both);
}

static void half_close(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.server);
    for (size_t at = 1; at <= 3; at++) {
        say(both.server, at, 0);
        hear(both.client, at);
    }
    part(both);
}

static const struct scenario ALL[] = {
    {"inside", inside}, {"connect-before-accept", connect_before_accept},
    {"nonblocking-connect", nonblocking_connect}, {"backlog-of-one", backlog_of_one},
    {"write", plain_write}, {"vectors", vectors}, {"sendfile", send_file}, {"splice", spliced},
    {"splice-on", spliced_on}, {"peek", peeked}, {"half-close", half_close}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
