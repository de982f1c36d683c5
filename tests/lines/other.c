// One of two libraries that differ in one line.
#include <sys/socket.h>
// It is here.

void say(int fd) {
    send(fd, "two", 3, 0); // line: sendto
}
