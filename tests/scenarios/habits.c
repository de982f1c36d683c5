// What is worth a second look: habits of programs that cost something, or go wrong one day.

#include "scenario.h"

// The client asks with one call; the server takes nineteen bytes at a time, and answers each piece.
static void echo_in_pieces(void) {
    enum { PIECE = 19, PIECES = 84 };
    struct ends both = ends();
    set(both.server, IPPROTO_TCP, TCP_NODELAY, 1);
    say(both.client, PIECE * PIECES, 0);
    UNTIL(unread(both.server) == PIECE * PIECES);
    for (int at = 0; at < PIECES; at++) {
        hear(both.server, PIECE);
        say(both.server, PIECE, 0);
    }
    hear(both.client, PIECE * PIECES);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

// Asks again and again before the peer has said anything.
static void asks_again(void) {
    struct ends both = ends();
    char byte;
    for (int at = 0; at < 20; at++)
        if (recv(both.server, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN) errx(1, "there is nothing to take");
    part(both);
}

// Waits before it asks.
static void waits(void) {
    struct ends both = ends();
    for (int at = 0; at < 20; at++) {
        say(both.client, 5, 0);
        struct pollfd watched = {.fd = both.server, .events = POLLIN};
        CHECK(poll(&watched, 1, -1));
        hear(both.server, 5);
        say(both.server, 5, 0);
        hear(both.client, 5);
    }
    part(both);
}

static const struct scenario ALL[] = {
    {"echo-in-pieces", echo_in_pieces}, {"asks-again", asks_again}, {"waits", waits}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
