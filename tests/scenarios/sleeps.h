#include <stdio.h>
#include <sys/syscall.h>
#include <sys/types.h>

// Whether a thread of this process sleeps in recv (proc(5)).
static int sleeps_in_recv(pid_t thread) {
    char path[64], state = 0;
    long call = -1;
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%ld", &call) != 1) call = -1;
    if (file) fclose(file);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    file = fopen(path, "r");
    if (!file || fscanf(file, "%*d %*s %c", &state) != 1) state = 0;
    if (file) fclose(file);
    return call == SYS_recvfrom && state == 'S';
}
