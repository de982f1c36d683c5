// How streams end: which call sent the FIN, or the RST.

#include "scenario.h"

static void by_shutdown(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    hear_all(both.server);
    part(both);
}

static void by_close(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

// Runs this in a child that alone has the client; the server reads until the end.
static void in_child(void (*does)(int client)) {
    struct ends both = ends();
    int ready[2];
    CHECK(pipe(ready));
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.server));
        await(ready[0]);
        say(both.client, 5, 0);
        does(both.client);
        _exit(0);
    }
    CHECK(close(both.client));
    tell(ready[1]);
    hear_all(both.server);
    CHECK(close(both.server));
    CHECK(kill(child, SIGKILL));
    ended(child);
}

static void exits(int client) {
    (void)client;
    _exit(3);
}

static void kills(int client) {
    (void)client;
    raise(SIGKILL);
}

static void becomes_another(int client) {
    CHECK(dup2(1, client));
    CHECK(raise(SIGSTOP));
}

static void executes(int client) {
    CHECK(fcntl(client, F_SETFD, FD_CLOEXEC));
    execl("/bin/sh", "sh", "-c", "kill -STOP $$", (char *)NULL);
    err(1, "sh");
}

static void closes_range(int client) {
    CHECK(close_range((unsigned)client, ~0U, 0));
    CHECK(raise(SIGSTOP));
}

static void by_exit(void) { in_child(exits); }
static void by_kill(void) { in_child(kills); }
static void by_dup2(void) { in_child(becomes_another); }
static void by_close_range(void) { in_child(closes_range); }

// What executes stops itself, so that its end is not the cause.
static void by_exec(void) {
    struct ends both = ends();
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.server));
        say(both.client, 5, 0);
        executes(both.client);
    }
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
    CHECK(kill(child, SIGKILL));
    ended(child);
}

// The last of two descriptors ends it, not the first.
static void by_last_copy(void) {
    struct ends both = ends();
    int copy = CHECK(dup(both.client));
    say(both.client, 5, 0);
    sends[copy] = sends[both.client];
    CHECK(close(both.client));
    say(copy, 6, 0);
    CHECK(close(copy));
    hear_all(both.server);
    CHECK(close(both.server));
}

// The last of two processes ends it.
static void by_last_process(void) {
    struct ends both = ends();
    int go_on[2];
    CHECK(pipe(go_on));
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.server));
        await(go_on[0]);
        CHECK(close(both.client));
        CHECK(raise(SIGSTOP));
        _exit(0);
    }
    say(both.client, 5, 0);
    CHECK(close(both.client));
    tell(go_on[1]);
    hear_all(both.server);
    CHECK(close(both.server));
    CHECK(kill(child, SIGKILL));
    ended(child);
}

static void unread_bytes(void) {
    struct ends both = ends();
    say(both.server, 10, 0);
    UNTIL(unread(both.client) == 10);
    CHECK(close(both.client));
    await_end(both.server);
    CHECK(close(both.server));
}

static void linger_zero(void) {
    struct ends both = ends();
    struct linger at_once = {1, 0};
    say(both.client, 5, 0);
    hear(both.server, 5);
    CHECK(setsockopt(both.client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
    CHECK(close(both.client));
    await_end(both.server);
    CHECK(close(both.server));
}

static void refused(void) {
    int client = stream_socket();
    CHECK(close(listener(1, 0)));
    if (connect(client, (struct sockaddr *)&place, sizeof place) == 0) errx(1, "somebody listens");
    CHECK(close(client));
}

// A connection that nobody accepts ends with the socket that listens.
static void unaccepted(void) {
    int listening = listener(1, 0), client = joined();
    CHECK(close(listening));
    await_end(client);
    CHECK(close(client));
}

// Bytes for a socket that is gone.
static void gone(void) {
    struct ends both = ends();
    CHECK(close(both.server));
    await_end(both.client);
    say(both.client, 5, 0);
    await_end(both.client);
    UNTIL(info(both.client).tcpi_state == 7);
    CHECK(close(both.client));
}

// Connecting to nowhere dissolves the connection.
static void dissolved(void) {
    struct ends both = ends();
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    say(both.client, 5, 0);
    hear(both.server, 5);
    CHECK(connect(both.client, &nowhere, sizeof nowhere));
    await_end(both.server);
    CHECK(close(both.server));
    CHECK(close(both.client));
}

static const struct scenario ALL[] = {
    {"by-shutdown", by_shutdown}, {"by-close", by_close}, {"by-exit", by_exit}, {"by-kill", by_kill},
    {"by-dup2", by_dup2}, {"by-exec", by_exec}, {"by-close-range", by_close_range},
    {"by-last-copy", by_last_copy}, {"by-last-process", by_last_process}, {"unread", unread_bytes},
    {"linger-zero", linger_zero}, {"refused", refused}, {"unaccepted", unaccepted}, {"gone", gone},
    {"dissolved", dissolved}, {0},
};

int main(int count, char **words) { return run(count, words, ALL); }
