// What is lost, late or doubled on the way: links.tsv has the rules of each one's link.

#include "scenario.h"

// Both ends; the client's calls leave one by one.
static struct ends prompt(void) {
    struct ends both = ends();
    set(both.client, IPPROTO_TCP, TCP_NODELAY, 1);
    return both;
}

// Whether a socket of this network is in this state, as /proc/net/tcp has it.
static int there_is(const char *state) {
    char line[512];
    int found = 0;
    FILE *file = fopen("/proc/self/net/tcp", "r");
    if (!file) err(1, "/proc/self/net/tcp");
    while (fgets(line, sizeof line, file)) {
        char *words = strchr(line, ':');
        char seen[3] = "";
        if (words && sscanf(words, ": %*s %*s %2s", seen) == 1) found |= !strcmp(seen, state);
    }
    fclose(file);
    return found;
}

// The client writes so many times, the server reads it all, and the client has it acknowledged.
static void says(struct ends both, int times, size_t length) {
    for (int at = 0; at < times; at++) say(both.client, length, 0);
    hear(both.server, (size_t)times * length);
    UNTIL(all_acknowledged(both.client));
}

static void talk(int times, size_t length) {
    struct ends both = prompt();
    says(both, times, length);
    part(both);
}

static void middle_lost(void) { talk(8, 1000); }
static void many_lost(void) { talk(40, 1400); }
static void last_lost(void) { talk(3, 1000); }
static void one_lost_twice(void) { talk(2, 500); }
static void ack_lost(void) { talk(1, 500); }
static void late(void) { talk(3, 1000); }
static void doubled(void) { talk(2, 500); }
static void collapsed(void) { talk(3, 100); }
static void overlap(void) { talk(2, 100); }
// One byte that is sent again looks as a keep-alive does.
static void one_byte_lost(void) { talk(3, 1); }
static void one_byte_ack_lost(void) { talk(1, 1); }
static void syn_lost(void) { talk(1, 5); }
static void syn_ack_lost(void) { talk(1, 5); }

// The client ends first, and the end of the connection is waited for.
static void ends_first(void) {
    struct ends both = prompt();
    says(both, 1, 5);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.server);
    CHECK(close(both.server));
    hear_all(both.client);
    UNTIL(!there_is("09"));
    CHECK(close(both.client));
}

static void fin_lost(void) { ends_first(); }
static void last_ack_lost(void) { ends_first(); }

// The third segment of the handshake is lost, and the client says nothing: only when the server asks again it is there.
static void handshake_ack_lost(void) {
    struct ends both = ends();
    say(both.server, 7, 0);
    hear(both.client, 7);
    part(both);
}

static void crossed(void) {
    struct ends both = prompt();
    set(both.server, IPPROTO_TCP, TCP_NODELAY, 1);
    for (size_t at = 1; at <= 3; at++) say(both.client, 10 * at, 0), say(both.server, 20 * at, 0);
    hear(both.server, 60), hear(both.client, 120);
    UNTIL(all_acknowledged(both.client) && all_acknowledged(both.server));
    part(both);
}

// The reader makes room, but the sender is not told: it asks.
static void update_lost(void) {
    int listening = listener(8, 4096);
    struct ends both = {.client = joined()};
    set(both.client, SOL_SOCKET, SO_SNDBUF, 200000);
    both.server = take(listening);
    CHECK(close(listening));
    size_t written = 0;
    for (int at = 0; at < 3; at++) written += (size_t)say(both.client, 20000, 0);
    UNTIL(is_stuck(both.client));
    hear(both.server, written);
    part(both);
}

static void refusal_lost(void) {
    int client = stream_socket();
    CHECK(close(listener(1, 0)));
    if (connect(client, (struct sockaddr *)&place, sizeof place) == 0) errx(1, "somebody listens");
    CHECK(close(client));
}

// A FIN that comes before the bytes before it.
static void end_before_bytes(void) {
    struct ends both = prompt();
    say(both.client, 5, 0);
    say(both.client, 6, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.server);
    part(both);
}

static const struct scenario ALL[] = {
    {"middle-lost", middle_lost}, {"many-lost", many_lost}, {"last-lost", last_lost},
    {"one-lost-twice", one_lost_twice}, {"ack-lost", ack_lost}, {"late", late}, {"doubled", doubled},
    {"collapsed", collapsed}, {"overlap", overlap}, {"one-byte-lost", one_byte_lost},
    {"one-byte-ack-lost", one_byte_ack_lost}, {"syn-lost", syn_lost}, {"syn-ack-lost", syn_ack_lost},
    {"fin-lost", fin_lost}, {"last-ack-lost", last_ack_lost}, {"handshake-ack-lost", handshake_ack_lost},
    {"crossed", crossed}, {"update-lost", update_lost}, {"refusal-lost", refusal_lost},
    {"end-before-bytes", end_before_bytes}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
