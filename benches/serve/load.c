/* The load of a benchmark of echo servers: one thread that keeps them busy, compares every byte that comes back with what it sent, and says what
 * that took.
 *
 *     load MODE [NAME=NUMBER]...
 *
 *     rounds   `connections` with `depth` messages of `size` bytes on their way each, for `millis` after `warm`
 *     churn    `connections` at a time, each new: one message there and back, then RST, so that no port waits in TIME-WAIT
 *     bulk     `bytes` through one connection, read while it writes
 *     idle     `connections` that have each had one message back, and stay open
 *
 * `tls`: 1 for connections of TLS, where it is built with OpenSSL; `rounds`, `bulk` and `idle` have that. The server's certificate is not looked at.
 * `port`, and `server`: the process whose processor time is told. `host`: the last number of the 127.0.0.N that it connects from.
 * It prints "ready" (with `idle`, once its connections are there) and begins when a line comes; `rounds` and `churn` print "warm" then, and measure from when
 * another line comes. Then one line of NAME=NUMBER: times are seconds, `began` by the system's monotonic clock, latencies microseconds. `busy` is what all processors did meanwhile, to find what others did. Any byte that is not right, or is missing, ends it with 1. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <fcntl.h>
#include <openssl/ssl.h>
#endif

/* A prime, so that no two messages of a stream that are near each other are equal. */
#define PERIOD 65521
#define MOST_READ (256 * 1024)
/* Steps of the histogram in each doubling: an error under 1 %. */
#define STEPS 128
#define EVENTS 512
/* Instead of a connection: there is a line to read. */
#define TOLD UINT64_MAX
/* What a kernel of Linux 4.2 or later calls IP_BIND_ADDRESS_NO_PORT: the port is chosen by connect, for both ends. */
#define NO_PORT 24

static struct {
    long port, server, host, connections, depth, size, millis, warm, bytes, tls;
} plan = {.host = 1, .connections = 1, .depth = 1, .size = 19, .millis = 500, .warm = 200, .bytes = 1L << 30};

struct connection {
    int fd, waits_for_room;
    /* Of TLS, if it is. */
    void *secured;
    /* How many bytes are to be sent, are sent, and have come back. */
    uint64_t wanted, sent, got;
    /* When each message that is on its way was sent. */
    uint64_t *since;
};

static struct connection *all;
static int epoll;
static unsigned char pattern[PERIOD + MOST_READ], received[MOST_READ];
static uint64_t counts[64 * STEPS], rounds;
static int measuring;

static void fail(const char *what, uint64_t place) {
    fprintf(stderr, "%s (%s), connection or offset %llu\n", what, strerror(errno), (unsigned long long)place);
    exit(1);
}

static uint64_t clock_of(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) return 0;
    return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

/* What a process has used, threads that have ended too: the sum that /proc/PID/task/TID/schedstat gives of each. */
static uint64_t used_by(long process) {
    clockid_t clock;
    char name[64];
    uint64_t used = clock_getcpuclockid(process, &clock) == 0 ? clock_of(clock) : 0;
    snprintf(name, sizeof name, "/proc/%ld/task/%ld/children", process, process);
    FILE *children = fopen(name, "r");
    if (children == NULL) return used;
    for (long child; fscanf(children, "%ld", &child) == 1;) used += used_by(child);
    fclose(children);
    return used;
}

/* Seconds that all processors were not idle. */
static double busy(void) {
    double user, nice, system, idle, wait, irq, soft, steal;
    FILE *file = fopen("/proc/stat", "r");
    const char *line = "cpu %lf %lf %lf %lf %lf %lf %lf %lf";
    int found = file != NULL ? fscanf(file, line, &user, &nice, &system, &idle, &wait, &irq, &soft, &steal) : 0;
    if (file != NULL) fclose(file);
    return found == 8 ? (user + nice + system + irq + soft + steal) / sysconf(_SC_CLK_TCK) : 0;
}

/* Where the clocks stood when it began. */
static struct {
    uint64_t wall, server, own;
    double busy;
} begun;

static void begin(void) {
    begun.busy = busy();
    begun.server = used_by(plan.server);
    begun.own = clock_of(CLOCK_PROCESS_CPUTIME_ID);
    measuring = 1;
    begun.wall = now();
}

static size_t step_of(uint64_t nanos) {
    if (nanos < STEPS) return nanos;
    int doublings = 63 - __builtin_clzll(nanos) - 7;
    return (doublings + 1) * (size_t)STEPS + ((nanos >> doublings) & (STEPS - 1));
}

static double percentile(double part) {
    uint64_t before = 0, wanted = rounds * part;
    for (size_t step = 0; step < sizeof counts / sizeof *counts; step++) {
        before += counts[step];
        if (before <= wanted) continue;
        if (step < STEPS) return step / 1e3;
        return (double)((STEPS + step % STEPS) << (step / STEPS - 1)) / 1e3;
    }
    return 0;
}

static void finish(void) {
    double wall = (now() - begun.wall) / 1e9, server = (used_by(plan.server) - begun.server) / 1e9;
    double own = (clock_of(CLOCK_PROCESS_CPUTIME_ID) - begun.own) / 1e9;
    printf("rounds=%llu began=%.6f wall=%.6f server=%.6f own=%.6f busy=%.3f p50=%.2f p99=%.2f\n", (unsigned long long)rounds,
           begun.wall / 1e9, wall, server, own, busy() - begun.busy, percentile(0.5), percentile(0.99));
    exit(0);
}

static const unsigned char *expected(uint64_t connection, uint64_t offset) {
    return pattern + (offset + connection * 7919) % PERIOD;
}

static void fill_pattern(void) {
    uint64_t state = 0x9e3779b97f4a7c15ULL;
    for (size_t at = 0; at < PERIOD; at++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        /* Letters, for servers that show what comes. */
        pattern[at] = 'a' + (state >> 32) % 26;
    }
    for (size_t at = PERIOD; at < sizeof pattern; at++) pattern[at] = pattern[at - PERIOD];
}

/* A socket on its way to the server. Each host connects from an address of its own: one has 28,000 ports. */
static int dial(uint64_t host, int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), yes = 1;
    if (fd < 0) fail("socket", host);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000 + (uint32_t)host)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001), .sin_port = htons(plan.port)};
    /* Nobody waits for ever where a call may wait. */
    struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IP, NO_PORT, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) fail("bind", host);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) fail("connect", host);
    return fd;
}

#ifdef WITH_TLS
/* After what OpenSSL said: -1, and EAGAIN where it is to be asked again. */
static ssize_t of_tls(struct connection *one, int result) {
    if (result > 0) return result;
    int why = SSL_get_error(one->secured, result);
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void secure(struct connection *one) {
    static SSL_CTX *context;
    if (context == NULL) context = SSL_CTX_new(TLS_client_method());
    one->secured = SSL_new(context);
    SSL_set_mode(one->secured, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_set_fd(one->secured, one->fd) != 1 || SSL_connect(one->secured) != 1) fail("the handshake", one - all);
    fcntl(one->fd, F_SETFL, O_NONBLOCK);
}

static ssize_t send_secured(struct connection *one, const void *bytes, size_t count) {
    return of_tls(one, SSL_write(one->secured, bytes, (int)count));
}

static ssize_t receive_secured(struct connection *one, void *bytes, size_t count) {
    return of_tls(one, SSL_read(one->secured, bytes, (int)count));
}
#else
static void secure(struct connection *one) { fail("built without OpenSSL", one - all); }
static ssize_t send_secured(struct connection *one, const void *, size_t) { return one - all; }
static ssize_t receive_secured(struct connection *one, void *, size_t) { return one - all; }
#endif

static ssize_t send_some(struct connection *one, const void *bytes, size_t count) {
    if (one->secured != NULL) return send_secured(one, bytes, count);
    return send(one->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t receive_some(struct connection *one, void *bytes, size_t count) {
    if (one->secured != NULL) return receive_secured(one, bytes, count);
    return recv(one->fd, bytes, count, MSG_DONTWAIT);
}

static void watch(int how, int fd, uint64_t connection, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u64 = connection};
    if (epoll_ctl(epoll, how, fd, &event) != 0) fail("epoll_ctl", connection);
}

/* Compares what came. */
static ssize_t take(uint64_t number) {
    struct connection *one = &all[number];
    ssize_t count = receive_some(one, received, sizeof received);
    if (count < 0 && errno == EAGAIN) return 0;
    if (count <= 0) fail("the server ended", number);
    if (one->got + count > one->sent) fail("more came back than was sent", number);
    if (memcmp(received, expected(number, one->got), count) != 0) fail("a byte that came back is wrong", one->got);
    one->got += count;
    return count;
}

/* Sends what is wanted and has room, each message in a call of its own, at most `most` calls. */
static void push(uint64_t number, uint64_t most) {
    struct connection *one = &all[number];
    for (; one->sent < one->wanted && most > 0; most--) {
        uint64_t part = one->sent % plan.size, left = plan.size - part;
        if (left > one->wanted - one->sent) left = one->wanted - one->sent;
        if (part == 0 && one->since != NULL) one->since[one->sent / plan.size % plan.depth] = now();
        ssize_t count = send_some(one, expected(number, one->sent), left);
        if (count < 0 && errno != EAGAIN) fail("send", number);
        if (count > 0) one->sent += count;
        if (count == (ssize_t)left) continue;
        if (!one->waits_for_room) watch(EPOLL_CTL_MOD, one->fd, number, EPOLLIN | EPOLLOUT);
        one->waits_for_room = 1;
        return;
    }
    if (one->waits_for_room && one->sent == one->wanted) {
        watch(EPOLL_CTL_MOD, one->fd, number, EPOLLIN);
        one->waits_for_room = 0;
    }
}

static void count_round(uint64_t since, uint64_t at) {
    if (!measuring) return;
    counts[step_of(at - since)]++;
    rounds++;
}

/* Every message that is back is followed by another. */
static void answer(uint64_t number) {
    struct connection *one = &all[number];
    uint64_t before = one->got / plan.size;
    take(number);
    uint64_t at = now();
    for (uint64_t message = before; message < one->got / plan.size; message++) {
        count_round(one->since[message % plan.depth], at);
        one->wanted += plan.size;
    }
    push(number, UINT64_MAX);
}

static void say(const char *word) {
    printf("%s\n", word);
    fflush(stdout);
}

static void read_line(void) {
    char line[8];
    if (read(STDIN_FILENO, line, sizeof line) < 1) exit(0);
}

static void wait_for_go(void) {
    say("ready");
    read_line();
}

static int wait_events(struct epoll_event *events, uint64_t until) {
    uint64_t at = now();
    if (at >= until) return -1;
    int count = epoll_wait(epoll, events, EVENTS, (int)((until - at) / 1000000) + 1);
    if (count < 0 && errno != EINTR) fail("epoll_wait", 0);
    return count < 0 ? 0 : count;
}

static void run_until(uint64_t until, void (*act)(uint64_t, uint32_t)) {
    struct epoll_event events[EVENTS];
    for (int count; (count = wait_events(events, until)) >= 0;)
        for (int at = 0; at < count; at++) act(events[at].data.u64, events[at].events);
}

/* Several loads are measured in the same time: a server whose queue is full lets one connect a second later than another. Who has
 * connected and is warm goes on until all are: who sleeps may wake on another processor. */
static void run_until_told(void (*act)(uint64_t, uint32_t)) {
    struct epoll_event events[EVENTS];
    uint64_t patience = now() + 30000000000ULL;
    say("warm");
    watch(EPOLL_CTL_ADD, STDIN_FILENO, TOLD, EPOLLIN);
    for (int told = 0; !told;) {
        int count = wait_events(events, patience);
        if (count < 0) fail("nobody said when to begin", 0);
        for (int at = 0; at < count; at++) {
            if (events[at].data.u64 == TOLD) told = 1;
            else act(events[at].data.u64, events[at].events);
        }
    }
    read_line();
    watch(EPOLL_CTL_DEL, STDIN_FILENO, TOLD, 0);
}

static void run_timed(void (*act)(uint64_t, uint32_t)) {
    run_until(now() + plan.warm * 1000000ULL, act);
    run_until_told(act);
    begin();
    run_until(begun.wall + plan.millis * 1000000ULL, act);
    if (rounds == 0) fail("nothing came back", 0);
    finish();
}

static void on_round(uint64_t number, uint32_t events) {
    if (events & EPOLLOUT) push(number, UINT64_MAX);
    if (events & ~EPOLLOUT) answer(number);
}

static void connect_all(int with_times) {
    for (long number = 0; number < plan.connections; number++) {
        all[number].fd = dial(plan.host, 0);
        if (plan.tls) secure(&all[number]);
        all[number].since = with_times ? calloc(plan.depth, sizeof(uint64_t)) : NULL;
        watch(EPOLL_CTL_ADD, all[number].fd, number, EPOLLIN);
    }
}

static void run_rounds(void) {
    /* Not before: a load that sleeps between may wake on another processor than the one that it connected from. */
    wait_for_go();
    connect_all(1);
    for (long number = 0; number < plan.connections; number++) {
        all[number].wanted = plan.size * plan.depth;
        push(number, UINT64_MAX);
    }
    run_timed(on_round);
}

/* 256 KiB a call, so `size` is that of a message no more. */
static void run_bulk(void) {
    struct epoll_event events[2];
    plan.size = MOST_READ;
    connect_all(0);
    wait_for_go();
    begin();
    all[0].wanted = plan.bytes;
    push(0, 1);
    /* A server that stands still for ten seconds will not go on. */
    while (all[0].got < all[0].wanted) {
        watch(EPOLL_CTL_MOD, all[0].fd, 0, all[0].sent < all[0].wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
        all[0].waits_for_room = 1;
        int count = epoll_wait(epoll, events, 2, 10000);
        if (count <= 0) fail("nothing moved for ten seconds", all[0].got);
        if (events[0].events & EPOLLOUT) push(0, 1);
        if (events[0].events & ~EPOLLOUT) take(0);
    }
    rounds = plan.bytes;
    finish();
}

static void renew(uint64_t number) {
    static uint64_t turn;
    struct connection *one = &all[number];
    /* Eight addresses, so that a port is not wanted again at once. */
    one->fd = dial(plan.host + turn++ % 8, SOCK_NONBLOCK);
    one->wanted = plan.size, one->sent = one->got = 0;
    one->since[0] = now();
    watch(EPOLL_CTL_ADD, one->fd, number, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void on_churn(uint64_t number, uint32_t events) {
    struct connection *one = &all[number];
    if (one->sent == 0 && (events & EPOLLOUT)) {
        if (send(one->fd, expected(number, 0), plan.size, MSG_NOSIGNAL) != plan.size) fail("send", number);
        one->sent = plan.size;
    }
    if (events & ~EPOLLOUT) take(number);
    if (one->got < (uint64_t)plan.size) return;
    count_round(one->since[0], now());
    struct linger reset = {.l_onoff = 1};
    setsockopt(one->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(one->fd);
    renew(number);
}

static void run_churn(void) {
    for (long number = 0; number < plan.connections; number++) all[number].since = calloc(1, sizeof(uint64_t));
    wait_for_go();
    for (long number = 0; number < plan.connections; number++) renew(number);
    run_timed(on_churn);
}

static void run_idle(void) {
    begin();
    for (long number = 0; number < plan.connections; number++) {
        struct connection *one = &all[number];
        one->fd = dial(plan.host, 0);
        if (plan.tls) secure(one);
        if (send_some(one, expected(number, 0), plan.size) != plan.size) fail("send", number);
        one->sent = plan.size;
        while (one->got < one->sent) {
            struct pollfd waits = {.fd = one->fd, .events = POLLIN};
            if (poll(&waits, 1, 5000) < 1) fail("no echo", number);
            take(number);
        }
        rounds++;
    }
    wait_for_go();
    finish();
}

static long *named(const char *name) {
    struct {
        const char *name;
        long *value;
    } names[] = {{"port", &plan.port},   {"server", &plan.server}, {"host", &plan.host},
                 {"connections", &plan.connections}, {"depth", &plan.depth}, {"size", &plan.size},
                 {"millis", &plan.millis}, {"warm", &plan.warm},     {"bytes", &plan.bytes},   {"tls", &plan.tls}};
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if (strcmp(names[at].name, name) == 0) return names[at].value;
    fprintf(stderr, "there is no %s\n", name);
    exit(2);
}

int main(int count, char **words) {
    for (int at = 2; at < count; at++) {
        char *equals = strchr(words[at], '=');
        if (equals == NULL) fprintf(stderr, "NAME=NUMBER, not %s\n", words[at]), exit(2);
        *equals = 0;
        *named(words[at]) = atol(equals + 1);
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) files.rlim_cur = files.rlim_max, setrlimit(RLIMIT_NOFILE, &files);
    const char *mode = count > 1 ? words[1] : "";
    fill_pattern();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    all = calloc(plan.connections, sizeof *all);
    if (epoll < 0 || all == NULL || plan.size < 1 || plan.size > MOST_READ) fail("cannot begin", 0);
    if (strcmp(mode, "rounds") == 0) run_rounds();
    if (strcmp(mode, "churn") == 0) run_churn();
    if (strcmp(mode, "bulk") == 0) run_bulk();
    if (strcmp(mode, "idle") == 0) run_idle();
    fprintf(stderr, "rounds, churn, bulk or idle\n");
    return 2;
}
