// Both ends of a connection in one program. Each line with calls says which: the names of the system calls.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../scenarios/sleeps.h"

static inline __attribute__((always_inline)) void say(int fd, const char *text) {
    send(fd, text, strlen(text), 0); // line: sendto
}

static __attribute__((noinline)) int client(struct sockaddr_in *place) {
    char large[100000];
    int fd = socket(AF_INET, SOCK_STREAM, 0); // line: socket
    memset(large, fd, sizeof large);
    if (connect(fd, (struct sockaddr *)place, sizeof *place)) abort(); // line: connect
    say(fd, "hola");
    return fd + large[0] - large[99999];
}

// Optimized, the call takes the place of the function that makes it, and of the one that calls that.
static __attribute__((noinline)) ssize_t last(int fd) {
    return send(fd, "y", 1, 0); // line: sendto
}

static __attribute__((noinline)) ssize_t last_but_one(int fd) { return last(fd); }

// On a stack of its own.
static int heard;
static void handle(int signal) {
    char byte = (char)signal;
    send(heard, &byte, 1, 0); // line: sendto
}

static __attribute__((noinline)) void interrupted(int fd) {
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    heard = fd;
    sigaltstack(&stack, NULL);
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

// Both threads are in a call at once.
static _Atomic pid_t numbers[2];

static void *first(void *fd) {
    char byte;
    numbers[0] = gettid();
    recv(*(int *)fd, &byte, 1, MSG_PEEK); // line: recvfrom
    return NULL;
}

// Not the same as the other: of functions that are alike, compilers make one.
static void *second(void *fd) {
    char bytes[2];
    numbers[1] = gettid();
    recv(*(int *)fd, bytes, sizeof bytes, MSG_PEEK); // line: recvfrom
    return NULL;
}

static void threads(int waiting, int saying) {
    pthread_t both[2];
    pthread_create(&both[0], NULL, first, &waiting);
    pthread_create(&both[1], NULL, second, &waiting);
    while (!sleeps_in_recv(numbers[0]) || !sleeps_in_recv(numbers[1])) usleep(2000);
    say(saying, "x");
    pthread_join(both[0], NULL);
    pthread_join(both[1], NULL);
}

int main(int count, char **words) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    char buffer[16];
    // Nothing is left of the program but what runs.
    if (count > 1) unlink(words[0]);
    int listener = socket(AF_INET, SOCK_STREAM, 0); // line: socket
    bind(listener, (struct sockaddr *)&place, sizeof place); // line: bind
    getsockname(listener, (struct sockaddr *)&place, &length); // line: getsockname
    listen(listener, 1); // line: listen
    int fd = client(&place);
    int server = accept(listener, NULL, NULL); // line: accept
    if (recv(server, buffer, sizeof buffer, 0) != 4) return 1; // line: recvfrom
    threads(server, fd);
    if (last_but_one(fd) != 1) return 1;
    interrupted(fd);
    printf("%.4s\n", buffer);
    fflush(stdout); // line: write
    close(server); // line: close
    close(fd); // line: close
    return 0;
}
