/*
 * Bare epoll server: one thread, bytes as they come, no features. It shows how much the load generators and the kernel
 * can do on this machine: no server can be measured above it. Its modes are those of the other servers: "echo" and
 * "message" give back every byte, "sink" reads, "source" writes a block for each byte asked with (five a line), and
 * "broadcast" gives the bytes of one connection to all.
 */
#include "../../skypy/cli/load/common.h"

#define BUFFER_BYTES 65536
#define BLOCK_BYTES (1 << 20)
#define ASKING_BYTES 5               /* "more\n" */

struct connection {
    int fd;
    bool writing;                    /* EPOLLOUT is on and EPOLLIN off: nothing is read until the rest is sent */
    size_t start, end;               /* the bytes that are still to be sent */
    size_t asked_bytes;              /* source: of these, each fifth is a block that is still to be sent */
    struct connection *next;         /* broadcast: all of them */
    char buffer[BUFFER_BYTES];
};

typedef bool serve_function(struct connection *);  /* false when the connection is over */

static int epoll_fd;
static struct connection *members;
static char block[BLOCK_BYTES];

static int listen_on(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail("the host must be an IPv4 address");
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
    connection = malloc(sizeof *connection);  /* not zeroed: an idle connection must not pay for its buffer */
    if (connection == NULL)
        die("memory");
    connection->fd = fd;
    connection->writing = false;
    connection->start = connection->end = connection->asked_bytes = 0;
    connection->next = members;
    members = connection;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, connection);
}

static void forget(struct connection *connection)
{
    struct connection **place = &members;
    while (*place != connection)
        place = &(*place)->next;
    *place = connection->next;
    close(connection->fd);
    free(connection);
}

static bool is_alive(ssize_t count)
{
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool receive(struct connection *connection)
{
    ssize_t count = recv(connection->fd, connection->buffer, BUFFER_BYTES, 0);
    connection->start = 0;
    connection->end = count > 0 ? (size_t)count : 0;
    return is_alive(count);
}

static bool send_from(struct connection *connection, const char *bytes)
{
    ssize_t count = send(connection->fd, bytes + connection->start, connection->end - connection->start, MSG_NOSIGNAL);
    bool writing;

    if (count < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (count > 0)
        connection->start += (size_t)count;
    writing = connection->start < connection->end;
    if (writing != connection->writing)
        watch(epoll_fd, EPOLL_CTL_MOD, connection->fd, writing ? EPOLLOUT : EPOLLIN, connection);
    connection->writing = writing;
    return true;
}

static bool echo(struct connection *connection)
{
    if (!connection->writing && !receive(connection))
        return false;
    return connection->start == connection->end || send_from(connection, connection->buffer);
}

static bool sink(struct connection *connection)
{
    return receive(connection);
}

static bool source(struct connection *connection)
{
    if (!connection->writing) {
        if (!receive(connection))
            return false;
        connection->asked_bytes += connection->end;
        connection->start = connection->end = 0;
    }
    do {
        if (connection->start == connection->end) {
            if (connection->asked_bytes < ASKING_BYTES)
                return true;
            connection->asked_bytes -= ASKING_BYTES;
            connection->start = 0;
            connection->end = BLOCK_BYTES;
        }
        if (!send_from(connection, block))
            return false;
    } while (!connection->writing);
    return true;
}

static bool broadcast(struct connection *connection)
{
    if (!receive(connection))
        return false;
    if (connection->end == 0)
        return true;
    for (struct connection *member = members; member != NULL; member = member->next)
        if (send(member->fd, connection->buffer, connection->end, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
            fail("a member does not read");  /* one that is gone has an event of its own */
    return true;
}

static serve_function *mode(const char *name)
{
    if (strcmp(name, "echo") == 0 || strcmp(name, "message") == 0)
        return echo;
    if (strcmp(name, "sink") == 0)
        return sink;
    if (strcmp(name, "source") == 0)
        return source;
    if (strcmp(name, "broadcast") == 0)
        return broadcast;
    bad_usage("no such mode", "c_server echo|message|sink|source|broadcast ADDRESS PORT");
    return NULL;
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    serve_function *serve;
    int listener;

    program = "c_server";
    if (count != 4)
        bad_usage("three arguments are needed", "c_server echo|message|sink|source|broadcast ADDRESS PORT");
    serve = mode(arguments[1]);
    listener = listen_on(arguments[2], arguments[3]);
    allow_many_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL)
                accept_one(listener);
            else if (!serve(events[i].data.ptr))
                forget(events[i].data.ptr);
        }
    }
}
