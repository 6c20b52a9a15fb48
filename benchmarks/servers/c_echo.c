/*
 * Bare epoll echo server: one thread, bytes back as they came, no lines and no features. It shows how much the load
 * generator and the kernel can do on this machine: no server can be measured above it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 512
#define BUFFER_BYTES 65536

struct connection {
    int fd;
    bool writing;                    /* EPOLLOUT is on and EPOLLIN off: nothing is read until the rest is sent */
    size_t start, end;               /* what is still to be sent */
    char buffer[BUFFER_BYTES];
};

static int epoll_fd;

static void die(const char *what)
{
    fprintf(stderr, "c_echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int operation, int fd, unsigned int events, struct connection *connection)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        die("epoll_ctl");
}

static void forget(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

static int listen_on(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "c_echo: %s is no IPv4 address\n", host);
        exit(2);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        die("SO_REUSEADDR");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("bind");
    if (listen(fd, 1024) < 0)
        die("listen");
    return fd;
}

static void accept_one(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *connection;

    if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
        return;
    if (fd < 0)
        die("accept4");
    connection = malloc(sizeof *connection);
    if (connection == NULL)
        die("memory");
    connection->fd = fd;
    connection->writing = false;
    connection->start = connection->end = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN, connection);
}

/* Both return false when the connection is over. */

static bool receive(struct connection *connection)
{
    ssize_t count = recv(connection->fd, connection->buffer, BUFFER_BYTES, 0);
    connection->start = 0;
    connection->end = count > 0 ? (size_t)count : 0;
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool send_rest(struct connection *connection)
{
    ssize_t count = send(connection->fd, connection->buffer + connection->start, connection->end - connection->start,
                         MSG_NOSIGNAL);
    bool writing;

    if (count < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (count > 0)
        connection->start += (size_t)count;
    writing = connection->start < connection->end;
    if (writing != connection->writing)
        watch(EPOLL_CTL_MOD, connection->fd, writing ? EPOLLOUT : EPOLLIN, connection);
    connection->writing = writing;
    return true;
}

static void serve(struct connection *connection)
{
    if (!connection->writing && !receive(connection)) {
        forget(connection);
        return;
    }
    if (connection->start < connection->end && !send_rest(connection))
        forget(connection);
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int listener;

    if (count != 3) {
        fprintf(stderr, "usage: c_echo ADDRESS PORT\n");
        return 2;
    }
    listener = listen_on(arguments[1], arguments[2]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                accept_one(listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
