/* What is traced, in a benchmark: one program that does one thing many times, and says in a file what that took.
 *
 *     pair pingpong ROUNDS FILE      one byte there and back over TCP, between two processes: 4 calls a round
 *     pair bulk BYTES SIZE FILE      so many bytes from one process to another, SIZE in each send
 *     pair getppid TIMES FILE        a call that no tracer asked for
 *     pair read TIMES FILE           a read of what is no socket
 *     pair send TIMES FILE           a send of one byte to a socket whose peer reads all
 *
 * The file has a line: nanoseconds of the whole, calls, and how often the process gave up its processor by itself, as it does
 * at each stop. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long gave_up(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

static int listener(struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(fd, (struct sockaddr *)address, length) == 0, "bind");
    must(listen(fd, 1) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)address, &length) == 0, "getsockname");
    return fd;
}

static int client(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    must(connect(fd, (const struct sockaddr *)address, sizeof *address) == 0, "connect");
    return fd;
}

/* Two processes with a connection between them: the descriptor of each, and which is the one that measures. */
static int pair(int *measures) {
    struct sockaddr_in address;
    int waits = listener(&address);
    pid_t child = fork();
    must(child >= 0, "fork");
    *measures = child != 0;
    if (*measures)
        return client(&address);
    int fd = accept(waits, NULL, NULL), on = 1;
    must(fd >= 0, "accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void answer(int fd, long rounds) {
    char byte;
    while (rounds-- > 0)
        must(recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, 0) == 1, "answer");
}

static void ask(int fd, long rounds) {
    char byte = 'x';
    while (rounds-- > 0)
        must(send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1, "ask");
}

static void swallow(int fd) {
    static char buffer[1 << 18];
    while (recv(fd, buffer, sizeof buffer, 0) > 0)
        ;
}

static void bulk(int fd, long long bytes, size_t size) {
    char *buffer = calloc(1, size);
    while (bytes > 0) {
        ssize_t count = send(fd, buffer, (long long)size < bytes ? size : (size_t)bytes, 0);
        must(count > 0, "send");
        bytes -= count;
    }
}

int main(int count, char **words) {
    const char *what = count > 3 ? words[1] : "";
    long long times = count > 3 ? atoll(words[2]) : 0;
    long long calls = times, begun;
    int measures = 1, fd = -1;
    char byte = 'x';
    if (strcmp(what, "pingpong") == 0 || strcmp(what, "bulk") == 0 || strcmp(what, "send") == 0)
        fd = pair(&measures);
    if (strcmp(what, "pingpong") == 0) {
        calls = 4 * times;
        (measures ? ask : answer)(fd, times / 10);
    }
    long before = gave_up();
    begun = now();
    if (!measures && strcmp(what, "pingpong") == 0)
        answer(fd, times);
    else if (!measures)
        swallow(fd);
    else if (strcmp(what, "pingpong") == 0)
        ask(fd, times);
    else if (strcmp(what, "bulk") == 0)
        bulk(fd, times, (size_t)atoll(words[3]));
    else if (strcmp(what, "getppid") == 0)
        while (times-- > 0)
            getppid();
    else if (strcmp(what, "read") == 0) {
        fd = open("/dev/zero", O_RDONLY);
        before = gave_up();
        begun = now();
        while (times-- > 0)
            must(read(fd, &byte, 1) == 1, "read");
    } else if (strcmp(what, "send") == 0)
        while (times-- > 0)
            must(send(fd, &byte, 1, 0) == 1, "send");
    long long took = now() - begun;
    long stops = gave_up() - before;
    if (!measures)
        return 0;
    close(fd);
    while (wait(NULL) > 0)
        ;
    FILE *out = fopen(words[count - 1], "w");
    must(out != NULL && fprintf(out, "%lld %lld %ld\n", took, calls, stops) > 0 && fclose(out) == 0, "file");
    return 0;
}
