// Bytes that wait: for company, for room, for a timer; and what the kernel says by itself.

#include "scenario.h"

static void nagle(void) {
    struct ends both = ends();
    set(both.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    say(both.client, 10, 0);
    say(both.client, 11, 0);
    UNTIL(all_acknowledged(both.client));
    hear(both.server, 21);
    part(both);
}

static void nodelay(void) {
    struct ends both = ends();
    set(both.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    set(both.client, IPPROTO_TCP, TCP_NODELAY, 1);
    say(both.client, 10, 0);
    say(both.client, 11, 0);
    hear(both.server, 21);
    part(both);
}

// What Nagle's algorithm holds back, TCP_NODELAY lets go.
static void nodelay_later(void) {
    struct ends both = ends();
    set(both.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    say(both.client, 10, 0);
    say(both.client, 11, 0);
    set(both.client, IPPROTO_TCP, TCP_NODELAY, 1);
    hear(both.server, 21);
    part(both);
}

static void uncork(void) {
    struct ends both = ends();
    set(both.client, IPPROTO_TCP, TCP_CORK, 1);
    for (size_t at = 1; at <= 3; at++) say(both.client, 10 * at, 0);
    set(both.client, IPPROTO_TCP, TCP_CORK, 0);
    hear(both.server, 60);
    part(both);
}

static void cork_timer(void) {
    struct ends both = ends();
    say(both.client, 10, MSG_MORE);
    say(both.client, 11, MSG_MORE);
    hear(both.server, 21);
    part(both);
}

static void more(void) {
    struct ends both = ends();
    say(both.client, 10, MSG_MORE);
    say(both.client, 11, 0);
    hear(both.server, 21);
    part(both);
}

static void cork_close(void) {
    struct ends both = ends();
    say(both.client, 10, MSG_MORE);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

static void many_calls(void) {
    struct ends both = ends();
    set(both.client, IPPROTO_TCP, TCP_CORK, 1);
    for (int at = 0; at < 200; at++) say(both.client, 3, 0);
    set(both.client, IPPROTO_TCP, TCP_CORK, 0);
    hear(both.server, 600);
    part(both);
}

static void many_segments(void) {
    int listening = listener(8, 0);
    pid_t reader = CHECK(fork());
    if (reader == 0) {
        hear_all(take(listening));
        _exit(0);
    }
    CHECK(close(listening));
    int client = stream_socket();
    set(client, IPPROTO_TCP, TCP_MAXSEG, 600);
    set(client, SOL_SOCKET, SO_SNDBUF, 8192);
    join(client);
    say(client, 100000, 0);
    say(client, 20000, 0);
    CHECK(close(client));
    ended(reader);
}

// Fills the window of a small receiver: nothing is under way any more, and bytes wait.
static struct ends stuck(size_t *written) {
    int listening = listener(8, 4096);
    struct ends both = {.client = joined()};
    set(both.client, SOL_SOCKET, SO_SNDBUF, 200000);
    both.server = take(listening);
    CHECK(close(listening));
    *written = 0;
    for (int at = 0; at < 3; at++) *written += (size_t)say(both.client, 20000, 0);
    UNTIL(is_stuck(both.client));
    return both;
}

static void window(void) {
    size_t written;
    struct ends both = stuck(&written);
    hear(both.server, written);
    part(both);
}

static void window_probe(void) {
    size_t written;
    struct ends both = stuck(&written);
    unsigned sent = info(both.client).tcpi_segs_out;
    UNTIL(info(both.client).tcpi_segs_out > sent);
    hear(both.server, written);
    part(both);
}

// The end waits behind the bytes.
static void end_after_bytes(void) {
    size_t written;
    struct ends both = stuck(&written);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.server);
    part(both);
}

static void close_after_bytes(void) {
    size_t written;
    struct ends both = stuck(&written);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

static void delayed_ack(void) {
    struct ends both = ends();
    set(both.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    say(both.client, 10, 0);
    UNTIL(all_acknowledged(both.client));
    hear(both.server, 10);
    part(both);
}

static void keep_alive(void) {
    struct ends both = ends();
    set(both.client, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(both.client, IPPROTO_TCP, TCP_KEEPIDLE, 1);
    say(both.client, 5, 0);
    hear(both.server, 5);
    UNTIL(all_acknowledged(both.client));
    unsigned sent = info(both.client).tcpi_segs_out;
    UNTIL(info(both.client).tcpi_segs_out > sent);
    part(both);
}

static void handler(int signal) { (void)signal; }

// A signal ends a call that has written only some of its bytes.
static void partial_write(void) {
    int listening = listener(8, 4096), partly[2], go_on[2];
    CHECK(pipe(partly)), CHECK(pipe(go_on));
    struct ends both = {.client = joined()};
    both.server = take(listening);
    struct sigaction action = {.sa_handler = handler};
    CHECK(sigaction(SIGUSR1, &action, NULL));
    pid_t writer = CHECK(fork());
    if (writer == 0) {
        CHECK(close(both.server)), CHECK(close(listening));
        set(both.client, SOL_SOCKET, SO_SNDBUF, 8192);
        if (say(both.client, 500000, 0) >= 500000) errx(1, "all at once");
        tell(partly[1]);
        await(go_on[0]);
        say(both.client, 30000, 0);
        _exit(0);
    }
    UNTIL(is_stuck(both.client));
    CHECK(close(both.client));
    CHECK(kill(writer, SIGUSR1));
    await(partly[0]);
    tell(go_on[1]);
    hear_all(both.server);
    CHECK(close(both.server));
    ended(writer);
}

static const struct scenario ALL[] = {
    {"nagle", nagle}, {"nodelay", nodelay}, {"nodelay-later", nodelay_later}, {"uncork", uncork},
    {"cork-timer", cork_timer}, {"more", more}, {"cork-close", cork_close}, {"many-calls", many_calls},
    {"many-segments", many_segments}, {"window", window}, {"window-probe", window_probe},
    {"end-after-bytes", end_after_bytes}, {"close-after-bytes", close_after_bytes},
    {"delayed-ack", delayed_ack}, {"keep-alive", keep_alive}, {"partial-write", partial_write}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
