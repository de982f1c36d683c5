// Whatever comes: connections whose ends write, read, hold back and end in an order that a seed says.

#include "scenario.h"

#define MOST 6

struct one { int ends[2], is_open[2], writes[2]; };

static unsigned long long seed;

// xorshift64
static unsigned below(unsigned bound) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (unsigned)(seed >> 33) % bound;
}

static void opens(int listening, struct one *one) {
    one->ends[0] = stream_socket();
    if (below(3) == 0) set(one->ends[0], SOL_SOCKET, SO_SNDBUF, 4096 << below(6));
    if (below(3) == 0) set(one->ends[0], IPPROTO_TCP, TCP_MAXSEG, 200 + (int)below(1200));
    join(one->ends[0]);
    one->ends[1] = take(listening);
    for (int end = 0; end < 2; end++) one->is_open[end] = one->writes[end] = 1;
}

static void closes(struct one *one, int end) {
    struct linger at_once = {1, 0};
    int fd = one->ends[end];
    if (below(8) == 0) CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    if (below(2)) CHECK(close(fd));
    else if (below(2)) CHECK(close_range((unsigned)fd, (unsigned)fd, 0));
    else CHECK(dup2(1, fd)), CHECK(close(fd));
    one->is_open[end] = one->writes[end] = 0;
}

static void writes(struct one *one, int end, int flags) {
    int fd = one->ends[end];
    if (!one->writes[end] || sends[fd] == 250) return;
    size_t length = below(4) ? 1 + below(300) : 1 + below(60000);
    if (send(fd, bytes(fd, length), length, MSG_DONTWAIT | MSG_NOSIGNAL | flags) >= 0) return;
    sends[fd]--;
    if (errno != EAGAIN) one->writes[end] = 0;
}

static void reads(struct one *one, int end) {
    char buffer[20000];
    if (one->is_open[end] && recv(one->ends[end], buffer, 1 + below(sizeof buffer), MSG_DONTWAIT) < 0 &&
        errno != EAGAIN && errno != ECONNRESET && errno != EPIPE && errno != ENOTCONN)
        err(1, "recv");
}

static void option(struct one *one, int end) {
    static const int NAMES[] = {TCP_NODELAY, TCP_CORK, TCP_QUICKACK};
    if (one->is_open[end]) set(one->ends[end], IPPROTO_TCP, NAMES[below(3)], (int)below(2));
}

static void step(int listening, struct one *one) {
    int end = (int)below(2);
    switch (below(100)) {
    case 0 ... 2:
        if (one->is_open[end]) closes(one, end);
        break;
    case 3 ... 5:
        if (one->is_open[end]) one->writes[end] = 0, shutdown(one->ends[end], SHUT_WR);
        break;
    case 6 ... 12: option(one, end); break;
    case 13 ... 17: writes(one, end, MSG_MORE); break;
    case 18 ... 50: writes(one, end, 0); break;
    case 51 ... 52: poll(NULL, 0, (int)below(60)); break;
    default: reads(one, end);
    }
    if (!one->is_open[0] && !one->is_open[1]) opens(listening, one);
}

int main(int count, char **words) {
    if (count != 2) return puts("random-1\nrandom-2\nrandom-3"), 0;
    const char *number = strrchr(words[1], '-');
    seed = 88172645463325252ULL ^ ((number ? strtoull(number + 1, NULL, 10) : 0) * 2654435761ULL);
    int listening = listener(64, below(2) ? 4096 << below(4) : 0);
    struct one all[MOST];
    for (int at = 0; at < MOST; at++) opens(listening, &all[at]);
    for (int at = 0; at < 600; at++) step(listening, &all[below(MOST)]);
    return 0;
}
