// Where it is easy to name the wrong call.

#include "scenario.h"

// The SYN belongs to the call that sends.
static void fast_open(void) {
    int listening = listener(1, 0), client = stream_socket();
    CHECK(sendto(client, bytes(client, 5), 5, MSG_FASTOPEN, (struct sockaddr *)&place, sizeof place));
    struct ends both = {client, take(listening)};
    hear(both.server, 5);
    part(both);
}

static void *reads_once(void *given) {
    char buffer[64];
    CHECK(recv(*(int *)given, buffer, sizeof buffer, 0));
    return NULL;
}

static int is_asleep_in_recv(pid_t tid) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(path, "r");
    if (!file) err(1, "%s", path);
    size_t count = fread(text, 1, sizeof text - 1, file);
    text[count] = 0;
    fclose(file);
    char *state = strrchr(text, ')');
    return state && state[2] == 'S';
}

static pid_t reader;

static void *reads_and_says_who(void *given) {
    reader = gettid();
    return reads_once(given);
}

// A socket that another thread waits on stays open until that thread's call is over.
static void close_while_another_reads(void) {
    struct ends both = ends();
    pthread_t thread;
    if (pthread_create(&thread, NULL, reads_and_says_who, &both.client)) errx(1, "thread");
    UNTIL(reader);
    UNTIL(is_asleep_in_recv(reader));
    CHECK(close(both.client));
    say(both.server, 5, 0);
    pthread_join(thread, NULL);
    hear_all(both.server);
    CHECK(close(both.server));
}

// Again and again between the same two ports.
static void same_ports(void) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof own;
    int listening = listener(8, 0);
    for (int at = 0; at < 4; at++) {
        struct linger at_once = {1, 0};
        struct ends both = {.client = stream_socket()};
        set(both.client, SOL_SOCKET, SO_REUSEADDR, 1);
        CHECK(bind(both.client, (struct sockaddr *)&own, sizeof own));
        CHECK(getsockname(both.client, (struct sockaddr *)&own, &length));
        join(both.client);
        both.server = take(listening);
        say(both.client, 5 + (size_t)at, 0);
        hear(both.server, 5 + (size_t)at);
        CHECK(setsockopt(both.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
        CHECK(close(both.client));
        await_end(both.server);
        CHECK(close(both.server));
    }
}

static void killed_in_send(void) {
    int listening = listener(8, 4096);
    struct ends both = {.client = joined()};
    both.server = take(listening);
    pid_t writer = CHECK(fork());
    if (writer == 0) {
        CHECK(close(both.server)), CHECK(close(listening));
        set(both.client, SOL_SOCKET, SO_SNDBUF, 8192);
        say(both.client, 500000, 0);
        _exit(0);
    }
    UNTIL(is_stuck(both.client));
    CHECK(close(both.client));
    CHECK(kill(writer, SIGKILL));
    ended(writer);
    hear_all(both.server);
    CHECK(close(both.server));
}

// close waits until the queue is empty.
static void lingers(void) {
    int listening = listener(8, 4096);
    struct ends both = {.client = joined()};
    struct linger wait = {1, 30};
    set(both.client, SOL_SOCKET, SO_SNDBUF, 200000);
    both.server = take(listening);
    say(both.client, 30000, 0);
    UNTIL(is_stuck(both.client));
    CHECK(setsockopt(both.client, SOL_SOCKET, SO_LINGER, &wait, sizeof wait));
    int closed[2];
    CHECK(pipe(closed));
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.client));
        tell(closed[1]);
        hear_all(both.server);
        CHECK(close(both.server));
        _exit(0);
    }
    CHECK(close(both.server));
    await(closed[0]);
    CHECK(close(both.client));
    ended(child);
}

static void nonblocking_partly(void) {
    int listening = listener(8, 4096);
    struct ends both = {.client = stream_socket()};
    set(both.client, SOL_SOCKET, SO_SNDBUF, 16384);
    join(both.client);
    both.server = take(listening);
    size_t written = (size_t)say(both.client, 500000, MSG_DONTWAIT);
    UNTIL(is_stuck(both.client));
    for (ssize_t more = 0; more >= 0; written += (size_t)more) {
        more = send(both.client, bytes(both.client, 1000), 1000, MSG_DONTWAIT);
        if (more < 0 && errno != EAGAIN) err(1, "send");
        if (more < 0) break;
    }
    // What failed does not count.
    sends[both.client]--;
    hear(both.server, written);
    say(both.client, 7, 0);
    hear(both.server, 7);
    part(both);
}

static void shutdown_then_close(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    CHECK(shutdown(both.client, SHUT_RDWR));
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

static void refused_then_connects(void) {
    int client = stream_socket(), before = listener(1, 0);
    CHECK(close(before));
    if (connect(client, (struct sockaddr *)&place, sizeof place) == 0) errx(1, "somebody listens");
    int listening = listener(1, 0);
    join(client);
    struct ends both = {client, take(listening)};
    say(both.client, 5, 0);
    hear(both.server, 5);
    part(both);
}

static void ipv6(void) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t length = sizeof six;
    int listening = CHECK(socket(AF_INET6, SOCK_STREAM, 0)), client = CHECK(socket(AF_INET6, SOCK_STREAM, 0));
    sends[client] = 0;
    CHECK(bind(listening, (struct sockaddr *)&six, sizeof six));
    CHECK(getsockname(listening, (struct sockaddr *)&six, &length));
    CHECK(listen(listening, 1));
    CHECK(connect(client, (struct sockaddr *)&six, sizeof six));
    struct ends both = {client, take(listening)};
    say(both.client, 5, 0);
    hear(both.server, 5);
    part(both);
}

// A socket of IPv6 takes a connection of IPv4.
static void both_families(void) {
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    socklen_t length = sizeof any;
    int listening = CHECK(socket(AF_INET6, SOCK_STREAM, 0));
    set(listening, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    CHECK(bind(listening, (struct sockaddr *)&any, sizeof any));
    CHECK(getsockname(listening, (struct sockaddr *)&any, &length));
    CHECK(listen(listening, 1));
    place = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = any.sin6_port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct ends both = {.client = joined()};
    both.server = take(listening);
    say(both.client, 5, 0);
    hear(both.server, 5);
    say(both.server, 6, 0);
    hear(both.client, 6);
    part(both);
}

static void zero_copy(void) {
    struct ends both = ends();
    set(both.client, SOL_SOCKET, SO_ZEROCOPY, 1);
    for (size_t at = 1; at <= 3; at++) {
        static char areas[4][50000];
        memset(areas[at], (int)at, sizeof areas[at]);
        CHECK(send(both.client, areas[at], 10000 * at, MSG_ZEROCOPY));
        hear(both.server, 10000 * at);
    }
    part(both);
}

// Urgent bytes: the reader takes them apart from the others.
static void urgent(void) {
    struct ends both = ends();
    char byte;
    say(both.client, 5, 0);
    hear(both.server, 5);
    say(both.client, 3, MSG_OOB);
    hear(both.server, 2);
    UNTIL(recv(both.server, &byte, 1, MSG_OOB) == 1);
    say(both.client, 7, 0);
    hear(both.server, 7);
    part(both);
}

// Both ends end at once: neither has seen the other's.
static void *shuts(void *given) {
    CHECK(shutdown(*(int *)given, SHUT_WR));
    return NULL;
}

static void both_end(void) {
    struct ends both = ends();
    pthread_t threads[2];
    say(both.client, 5, 0);
    hear(both.server, 5);
    if (pthread_create(&threads[0], NULL, shuts, &both.client)) errx(1, "thread");
    if (pthread_create(&threads[1], NULL, shuts, &both.server)) errx(1, "thread");
    pthread_join(threads[0], NULL), pthread_join(threads[1], NULL);
    hear_all(both.client), hear_all(both.server);
    CHECK(close(both.client)), CHECK(close(both.server));
}

// Several processes accept from one queue.
static void several_accept(void) {
    int listening = listener(8, 0), clients[4];
    pid_t children[4];
    for (int at = 0; at < 4; at++) {
        children[at] = CHECK(fork());
        if (children[at] == 0) {
            int server = take(listening);
            hear(server, 5);
            say(server, 6, 0);
            hear_all(server);
            _exit(0);
        }
    }
    CHECK(close(listening));
    for (int at = 0; at < 4; at++) say(clients[at] = joined(), 5, 0);
    for (int at = 0; at < 4; at++) hear(clients[at], 6);
    for (int at = 0; at < 4; at++) CHECK(close(clients[at]));
    for (int at = 0; at < 4; at++) ended(children[at]);
}

static const struct scenario ALL[] = {
    {"fast-open", fast_open}, {"close-while-another-reads", close_while_another_reads},
    {"same-ports", same_ports}, {"killed-in-send", killed_in_send}, {"lingers", lingers},
    {"nonblocking-partly", nonblocking_partly}, {"shutdown-then-close", shutdown_then_close},
    {"refused-then-connects", refused_then_connects}, {"ipv6", ipv6}, {"both-families", both_families},
    {"zero-copy", zero_copy}, {"urgent", urgent}, {"both-end", both_end}, {"several-accept", several_accept}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
