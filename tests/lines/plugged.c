// Opens a library, which sends, closes it, and opens another, as if at the same place.

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void plug(const char *path, int fd) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library) abort();
    void (*say)(int) = (void (*)(int))dlsym(library, "say");
    say(fd);
    dlclose(library);
}

int main(int count, char **words) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    int listener = socket(AF_INET, SOCK_STREAM, 0); // line: socket
    bind(listener, (struct sockaddr *)&place, sizeof place); // line: bind
    getsockname(listener, (struct sockaddr *)&place, &length); // line: getsockname
    listen(listener, 1); // line: listen
    int fd = socket(AF_INET, SOCK_STREAM, 0); // line: socket
    if (connect(fd, (struct sockaddr *)&place, sizeof place)) abort(); // line: connect
    for (int at = 1; at < count; at++) plug(words[at], fd);
    close(fd); // line: close
    close(listener); // line: close
}
