// One of two libraries that differ in one line.
#include <sys/socket.h>

void say(int fd) {
    send(fd, "one", 3, 0); // line: sendto
}
