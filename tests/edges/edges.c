// What is hard for a tracer: threads that execute, tables of descriptors that processes share, stops, signals.

#include "../scenarios/scenario.h"
#include "../scenarios/sleeps.h"
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

extern char **environ;

// What is executed sends on the descriptor that it inherits.
static void sender(void *given) {
    char number[16];
    snprintf(number, sizeof number, "%d", *(int *)given);
    execl("/proc/self/exe", "edges", "sends", number, (char *)NULL);
    err(1, "exec");
}

static void *sender_thread(void *given) {
    sender(given);
    return NULL;
}

static void hears_the_end(int server) {
    if (hear(server, (size_t)-1) != 5) errx(1, "not five bytes");
    CHECK(close(server));
}

static void hears_the_rest(int server) {
    if (hear(server, (size_t)-1) != 4) errx(1, "not four bytes");
    CHECK(close(server));
}

// A child whose second thread executes; its first one waits.
static void exec_from_a_thread(void) {
    struct ends both = ends();
    pid_t child = CHECK(fork());
    if (child == 0) {
        pthread_t thread;
        CHECK(close(both.server));
        if (pthread_create(&thread, NULL, sender_thread, &both.client)) errx(1, "thread");
        pthread_join(thread, NULL);
        _exit(1);
    }
    CHECK(close(both.client));
    hears_the_end(both.server);
    ended(child);
}

static int connects(void *given) {
    *(int *)given = joined();
    return 0;
}

// A process that shares the table of descriptors, and memory, and is no thread.
static void shared_table(void) {
    static char stack[1 << 16];
    int listening = listener(1, 0), client = -1;
    pid_t child = CHECK(clone(connects, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, &client));
    ended(child);
    int server = take(listening);
    say(client, 5, 0);
    CHECK(close(client));
    hears_the_end(server);
}

// A thread whose table of descriptors is its own: the socket ends with its copy.
static struct { struct ends both; int flags, told[2], goes_on[2]; } apart;

static void *parts_table(void *given) {
    (void)given;
    if (apart.flags) CHECK(syscall(SYS_close_range, apart.both.server, apart.both.server, apart.flags));
    else CHECK(unshare(CLONE_FILES));
    tell(apart.told[1]);
    await(apart.goes_on[0]);
    say(apart.both.client, 5, 0);
    CHECK(syscall(SYS_close_range, apart.both.client, apart.both.client, 0));
    return NULL;
}

static void own_table(int flags) {
    pthread_t thread;
    apart.both = ends();
    apart.flags = flags;
    CHECK(pipe(apart.told));
    CHECK(pipe(apart.goes_on));
    if (pthread_create(&thread, NULL, parts_table, NULL)) errx(1, "thread");
    await(apart.told[0]);
    CHECK(close(apart.both.client));
    tell(apart.goes_on[1]);
    pthread_join(thread, NULL);
    hears_the_end(apart.both.server);
}

static void unshared_table(void) { own_table(0); }
static void table_unshared_by_closing(void) { own_table(CLOSE_RANGE_UNSHARE); }

// A process whose first thread has ended.
static pthread_t first;

static void *outlives_the_first(void *given) {
    if (pthread_join(first, NULL)) errx(1, "join");
    int client = joined();
    say(client, 5, 0);
    CHECK(close(client));
    return given;
}

static void first_thread_gone(void) {
    int listening = listener(1, 0);
    pid_t child = CHECK(fork());
    if (child == 0) {
        pthread_t thread;
        CHECK(close(listening));
        first = pthread_self();
        if (pthread_create(&thread, NULL, outlives_the_first, NULL)) errx(1, "thread");
        pthread_exit(NULL);
    }
    hears_the_end(take(listening));
    ended(child);
}

static void spawned(void) {
    struct ends both = ends();
    char number[16];
    char *words[] = {"edges", "sends", number, NULL};
    pid_t child;
    snprintf(number, sizeof number, "%d", both.client);
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, words, environ)) errx(1, "spawn");
    CHECK(close(both.client));
    CHECK(fcntl(both.server, F_SETFD, FD_CLOEXEC));
    ended(child);
    await_end(both.server);
    CHECK(close(both.server));
}

static void vforked(void) {
    struct ends both = ends();
    pid_t child = CHECK(vfork());
    if (child == 0) {
        execl("/proc/self/exe", "edges", "sends", both.client == 4 ? "4" : "?", (char *)NULL);
        _exit(1);
    }
    CHECK(close(both.client));
    hears_the_end(both.server);
    ended(child);
}

static void stopped(void) {
    struct ends both = ends();
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.server));
        CHECK(raise(SIGSTOP));
        say(both.client, 5, 0);
        _exit(0);
    }
    int status;
    CHECK(close(both.client));
    CHECK(waitpid(child, &status, WUNTRACED));
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) errx(1, "it did not stop");
    CHECK(kill(child, SIGCONT));
    CHECK(waitpid(child, &status, WCONTINUED));
    hears_the_end(both.server);
    ended(child);
}

static int told[2];

static void tells(int signal) {
    (void)signal;
    CHECK(write(told[1], "", 1));
}

// Sends a signal to the thread that is given once that waits in recv.
static void *strikes(void *given) {
    pid_t thread = *(pid_t *)given;
    UNTIL(sleeps_in_recv(thread));
    CHECK(syscall(SYS_tgkill, getpid(), thread, SIGUSR1));
    return NULL;
}

static pthread_t striking(void) {
    static pid_t own;
    pthread_t thread;
    own = gettid();
    if (pthread_create(&thread, NULL, strikes, &own)) errx(1, "thread");
    return thread;
}

// A signal comes while recv waits. The peer sends only when it has come.
static void interrupted(int flags) {
    struct ends both = ends();
    struct sigaction action = {.sa_handler = tells, .sa_flags = flags};
    CHECK(pipe(told));
    pid_t child = CHECK(fork());
    if (child == 0) {
        CHECK(close(both.server));
        await(told[0]);
        say(both.client, 5, 0);
        _exit(0);
    }
    CHECK(close(both.client));
    CHECK(sigaction(SIGUSR1, &action, NULL));
    pthread_t thread = striking();
    char buffer[5];
    ssize_t count = recv(both.server, buffer, sizeof buffer, MSG_WAITALL);
    if (flags == SA_RESTART ? count != 5 : count >= 0 || errno != EINTR) err(1, "recv");
    pthread_join(thread, NULL);
    hear_all(both.server);
    CHECK(close(both.server));
    ended(child);
}

static void restarted(void) { interrupted(SA_RESTART); }
static void not_restarted(void) { interrupted(0); }

// A handler that never comes back to the call that it interrupted, twice the same.
static sigjmp_buf elsewhere;

static void jumps(int signal) {
    (void)signal;
    siglongjmp(elsewhere, 1);
}

static void jumped_out(void) {
    struct ends both = ends();
    struct sigaction action = {.sa_handler = jumps, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGUSR1, &action, NULL));
    for (int times = 0; times < 2; times++) {
        pthread_t thread = striking();
        char buffer[5];
        if (sigsetjmp(elsewhere, 1) == 0) {
            CHECK(recv(both.client, buffer, sizeof buffer, 0));
            errx(1, "nobody sent");
        }
        pthread_join(thread, NULL);
    }
    say(both.client, 5, 0);
    CHECK(close(both.client));
    hears_the_end(both.server);
}

// A socket that is connected anew, to the same address.
static void connected_again(void) {
    int listening = listener(2, 0), client = joined(), server = take(listening);
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    CHECK(connect(client, &nowhere, sizeof nowhere));
    await_end(server);
    CHECK(close(server));
    join(client);
    server = take(listening);
    say(client, 5, 0);
    CHECK(close(client));
    hears_the_end(server);
}

// A filter of its own: getppid does not exist.
static void own_filter(void) {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
    if (syscall(SYS_getppid) >= 0 || errno != EPERM) errx(1, "its filter does nothing");
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(close(both.client));
    hears_the_end(both.server);
}

static void asks_to_be_traced(void) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 || errno != EPERM) errx(1, "two tracers");
    struct ends both = ends();
    say(both.client, 5, 0);
    CHECK(close(both.client));
    hears_the_end(both.server);
}

// A child that asks for no tracer.
static void untraced(int newer) {
    struct ends both = ends();
    struct clone_args arguments = {.flags = CLONE_UNTRACED, .exit_signal = SIGCHLD};
    long child = newer ? syscall(SYS_clone3, &arguments, sizeof arguments)
                       : syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
    if (child > 0 && arguments.flags != CLONE_UNTRACED) errx(1, "its arguments were changed");
    if (CHECK(child) == 0) {
        CHECK(close(both.server));
        say(both.client, 5, 0);
        _exit(0);
    }
    CHECK(close(both.client));
    hears_the_end(both.server);
    ended((pid_t)child);
}

static void untraced_clone(void) { untraced(0); }
static void untraced_clone3(void) { untraced(1); }

// A process with the number of one that had a socket and is gone: what that one had is not its.
static void reused_pid(void) {
    struct ends both = ends();
    pid_t first = CHECK(fork());
    if (first == 0) {
        CHECK(close(both.server));
        await_end(both.client);
        _exit(0);
    }
    CHECK(kill(first, SIGKILL));
    ended(first);
    pid_t again = first;
    struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (unsigned long)&again, .set_tid_size = 1};
    if (CHECK(syscall(SYS_clone3, &arguments, sizeof arguments)) == 0) {
        if (getpid() != first) errx(1, "another number");
        CHECK(close(both.server));
        say(both.client, 5, 0);
        CHECK(close(both.client));
        CHECK(raise(SIGSTOP));
        _exit(0);
    }
    CHECK(close(both.client));
    hears_the_end(both.server);
    CHECK(kill(again, SIGKILL));
    ended(again);
}

// Signals that come all the time, as those by which Go's runtime preempts its threads.
static volatile int preempts = 1;

static void *preempts_all(void *given) {
    pid_t thread = *(pid_t *)given;
    while (preempts) syscall(SYS_tgkill, getpid(), thread, SIGURG), usleep(200);
    return NULL;
}

static void handles(int signal) { (void)signal; }

static void preempted(void) {
    struct sigaction action = {.sa_handler = handles, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGURG, &action, NULL));
    int listening = listener(1, 0), came[2];
    CHECK(pipe(came));
    pid_t child = CHECK(fork()), own = getpid();
    if (child == 0) {
        int server = take(listening);
        hear(server, 1);
        tell(came[1]);
        hears_the_rest(server);
        _exit(0);
    }
    CHECK(close(listening));
    pthread_t thread;
    if (pthread_create(&thread, NULL, preempts_all, &own)) errx(1, "thread");
    int client = joined();
    say(client, 5, 0);
    await(came[0]);
    CHECK(close(client));
    ended(child);
    preempts = 0;
    pthread_join(thread, NULL);
}

static void repaired(void) {
    struct ends both = ends();
    say(both.client, 5, 0);
    if (hear(both.server, 5) != 5) errx(1, "not five bytes");
    set(both.client, IPPROTO_TCP, TCP_REPAIR, 1);
    set(both.client, IPPROTO_TCP, TCP_REPAIR, 0);
    say(both.client, 6, 0);
    hear(both.server, 6);
    part(both);
}

static void several_paths(void) {
    int listening = listener(1, 0), client = CHECK(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
    sends[client] = 0;
    join(client);
    struct ends both = {client, take(listening)};
    say(both.client, 5, 0);
    hear(both.server, 5);
    CHECK(close(both.client));
    hear_all(both.server);
    CHECK(close(both.server));
}

static void no_uring(void) {
    char parameters[120] = {0};
    if (syscall(SYS_io_uring_setup, 4, parameters) >= 0 || errno != ENOSYS) errx(1, "there is one");
}

struct ring { int fd; unsigned *tail; struct io_uring_sqe *entry; };

static struct ring make_ring(void) {
    struct io_uring_params parameters = {0};
    struct ring ring = {.fd = (int)CHECK(syscall(SYS_io_uring_setup, 1, &parameters))};
    size_t length = parameters.sq_off.array + sizeof(unsigned);
    int shared = MAP_SHARED | MAP_POPULATE;
    char *queue = mmap(NULL, length, PROT_READ | PROT_WRITE, shared, ring.fd, IORING_OFF_SQ_RING);
    ring.entry = mmap(NULL, sizeof *ring.entry, PROT_READ | PROT_WRITE, shared, ring.fd, IORING_OFF_SQES);
    if (queue == MAP_FAILED || ring.entry == MAP_FAILED) err(1, "mmap");
    ring.tail = (unsigned *)(queue + parameters.sq_off.tail);
    return ring;
}

// One operation, to its end.
static void by_ring(struct ring ring, int operation, int fd, const void *bytes, unsigned length) {
    *ring.entry = (struct io_uring_sqe){.opcode = (unsigned char)operation, .fd = fd, .len = length};
    ring.entry->addr = (unsigned long)bytes;
    __atomic_store_n(ring.tail, *ring.tail + 1, __ATOMIC_RELEASE);
    CHECK(syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
}

// Bytes by a call, bytes by a ring, and the socket closed by a ring, so that its number is a pipe's afterwards.
static void ring_used(void) {
    struct ring ring = make_ring();
    struct ends both = ends();
    say(both.client, 5, 0);
    if (hear(both.server, 5) != 5) errx(1, "not five bytes");
    by_ring(ring, IORING_OP_SEND, both.client, bytes(both.client, 7), 7);
    by_ring(ring, IORING_OP_CLOSE, both.client, NULL, 0);
    int pipes[2];
    CHECK(pipe(pipes));
    if (pipes[1] != both.client) errx(1, "another number");
    CHECK(write(pipes[1], "x", 1));
    char byte;
    CHECK(read(pipes[0], &byte, 1));
    if (hear(both.server, (size_t)-1) != 7) errx(1, "not seven bytes");
    CHECK(close(both.server));
}

// A failed exec closes nothing.
static void failed_exec(void) {
    struct ends both = ends();
    CHECK(fcntl(both.client, F_SETFD, FD_CLOEXEC));
    execl("/nowhere/at/all", "nothing", (char *)NULL);
    say(both.client, 5, 0);
    CHECK(shutdown(both.client, SHUT_WR));
    hears_the_end(both.server);
    CHECK(close(both.client));
}

static int sends_and_closes(int client) {
    say(client, 5, 0);
    CHECK(close(client));
    return 0;
}

static const struct scenario ALL[] = {
    {"exec-from-a-thread", exec_from_a_thread}, {"shared-table", shared_table}, {"spawned", spawned},
    {"vforked", vforked}, {"stopped", stopped}, {"restarted", restarted}, {"not-restarted", not_restarted},
    {"own-filter", own_filter}, {"asks-to-be-traced", asks_to_be_traced}, {"untraced-clone", untraced_clone},
    {"untraced-clone3", untraced_clone3}, {"no-uring", no_uring}, {"failed-exec", failed_exec},
    {"ring-used", ring_used},
    {"reused-pid", reused_pid}, {"preempted", preempted}, {"repaired", repaired},
    {"several-paths", several_paths}, {"unshared-table", unshared_table},
    {"table-unshared-by-closing", table_unshared_by_closing}, {"first-thread-gone", first_thread_gone},
    {"jumped-out", jumped_out}, {"connected-again", connected_again}, {0},
};

int main(int count, char **words) {
    if (count == 3) return sends_and_closes(atoi(words[2]));
    return run(count, words, ALL);
}
