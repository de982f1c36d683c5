// Both ends of a connection, through templates, lambdas and destructors.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {
struct Wire {
    int fd;
    explicit Wire(int fd) : fd(fd) {}
    Wire(const Wire &) = delete;
    template <typename T> void say(const T &text) const {
        send(fd, text.data(), text.size(), 0); // line: sendto
    }
    ~Wire() { close(fd); } // line: close
};
} // namespace

int main() {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto *address = reinterpret_cast<sockaddr *>(&place);
    socklen_t length = sizeof place;
    Wire listener(socket(AF_INET, SOCK_STREAM, 0)); // line: socket
    bind(listener.fd, address, sizeof place); // line: bind
    getsockname(listener.fd, address, &length); // line: getsockname
    listen(listener.fd, 1); // line: listen
    std::thread client([&] {
        Wire wire(socket(AF_INET, SOCK_STREAM, 0)); // line: socket
        connect(wire.fd, address, sizeof place); // line: connect
        std::vector<std::string> words{"ho", "la"};
        std::for_each(words.begin(), words.end(), [&](const std::string &word) { wire.say(word); });
    });
    Wire server(accept(listener.fd, nullptr, nullptr)); // line: accept
    char buffer[16];
    ssize_t count = 1;
    std::function<void()> hear = [&] {
        count = recv(server.fd, buffer, sizeof buffer, 0); // line: recvfrom
    };
    while (count > 0) hear();
    client.join();
}
