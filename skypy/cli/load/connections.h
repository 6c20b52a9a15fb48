/*
 * Connections to a line echo server. The stream of a connection is one line repeated, so every echoed byte is known in
 * advance and all of them are compared. Latency is per line: from the time given to `queue_lines` to just after the
 * recv that completes the line. The program defines `lines_came_back` and says with it what is sent next.
 */
#ifndef SKYPY_LOAD_CONNECTIONS_H
#define SKYPY_LOAD_CONNECTIONS_H

#include "common.h"

#define DRAIN_SECONDS 5              /* after the last send: how long the missing lines may take */
#define MESSAGES_SHOWN 5             /* a server that dies breaks every connection in the same way */

struct connection {
    int fd;                          /* -1 once it is broken */
    bool wants_room;                 /* EPOLLOUT is on: the kernel did not take everything */
    uint64_t queued_bytes;           /* stream positions; always received <= sent <= queued <= received + window */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t *queued_at;             /* per line in flight, a ring by line number */
};

static uint64_t connection_count, most_in_flight, line_bytes, window_bytes;
static struct connection *connections;
static int epoll_fd;
static char *stream;                 /* the line repeated: a window can be sent from any place within the first line */
static char *received;               /* one byte more than a window, so that surplus bytes show at once */
static uint64_t errors;

/* Lines `first` up to but not including `end` of this connection have come back. */
static void lines_came_back(struct connection *connection, uint64_t first, uint64_t end, uint64_t now);

static uint64_t queued_at(const struct connection *connection, uint64_t line)
{
    return connection->queued_at[line % most_in_flight];
}

static uint64_t lines_missing(const struct connection *connection)
{
    return (connection->queued_bytes - connection->received_bytes + line_bytes - 1) / line_bytes;
}

static void give_up(struct connection *connection, const char *why)
{
    if (errors++ < MESSAGES_SHOWN)
        fprintf(stderr, "%s: connection %td broke after %" PRIu64 " echoed bytes: %s\n", program,
                connection - connections, connection->received_bytes, why);
    close(connection->fd);
    connection->fd = -1;
}

static void ask_for_room(struct connection *connection, bool wanted)
{
    if (wanted != connection->wants_room)
        watch(epoll_fd, EPOLL_CTL_MOD, connection->fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, connection);
    connection->wants_room = wanted;
}

static void send_queued(struct connection *connection)
{
    size_t wanted = connection->queued_bytes - connection->sent_bytes;
    ssize_t count = send(connection->fd, stream + connection->sent_bytes % line_bytes, wanted, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        give_up(connection, strerror(errno));
        return;
    }
    if (count > 0)
        connection->sent_bytes += (uint64_t)count;
    ask_for_room(connection, connection->sent_bytes < connection->queued_bytes);
}

static void queue_lines(struct connection *connection, uint64_t count, uint64_t at)
{
    uint64_t line = connection->queued_bytes / line_bytes;
    for (uint64_t end = line + count; line < end; line++)
        connection->queued_at[line % most_in_flight] = at;
    connection->queued_bytes += count * line_bytes;
    send_queued(connection);
}

static bool echo_is_right(struct connection *connection, size_t count)
{
    const char *expected = stream + connection->received_bytes % line_bytes;
    char text[120];
    size_t right = 0;

    if (count > connection->sent_bytes - connection->received_bytes) {
        give_up(connection, "the server sent more bytes than it was given");
        return false;
    }
    if (memcmp(received, expected, count) == 0)
        return true;
    while (received[right] == expected[right])
        right++;
    snprintf(text, sizeof text, "byte %" PRIu64 " came back as 0x%02x, not as 0x%02x",
             connection->received_bytes + right, (unsigned char)received[right], (unsigned char)expected[right]);
    give_up(connection, text);
    return false;
}

static void receive(struct connection *connection)
{
    ssize_t count = recv(connection->fd, received, window_bytes + 1, 0);
    uint64_t first = connection->received_bytes / line_bytes;

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        give_up(connection, count < 0 ? strerror(errno) : "the server closed it");
        return;
    }
    if (!echo_is_right(connection, (size_t)count))
        return;
    connection->received_bytes += (uint64_t)count;
    if (connection->received_bytes / line_bytes > first)
        lines_came_back(connection, first, connection->received_bytes / line_bytes, clock_now());
}

static void connect_all(const char *host, const char *port)
{
    struct addrinfo *address = resolve(host, port);

    allow_many_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    connections = allocate(connection_count, sizeof *connections);
    for (uint64_t i = 0; i < connection_count; i++) {
        connections[i].queued_at = allocate(most_in_flight, sizeof *connections[i].queued_at);
        connections[i].fd = connect_to(address, false);
        watch(epoll_fd, EPOLL_CTL_ADD, connections[i].fd, EPOLLIN, &connections[i]);
    }
    freeaddrinfo(address);
}

static void make_buffers(const char *usage)
{
    window_bytes = most_in_flight * line_bytes;
    if (window_bytes > LARGEST_NUMBER)
        bad_usage("the lines in flight on one connection must not exceed 64 MiB", usage);
    stream = allocate(window_bytes + line_bytes, 1);
    received = allocate(window_bytes + 1, 1);
    for (uint64_t i = 0; i < window_bytes + line_bytes; i++)
        stream[i] = i % line_bytes == line_bytes - 1 ? '\n' : (char)('a' + i % line_bytes % 26);
}

static void serve_events(int wait_milliseconds)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, wait_milliseconds);

    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive(connection);
        if (connection->fd >= 0 && connection->wants_room && events[i].events & EPOLLOUT)
            send_queued(connection);
    }
}

static bool all_came_back(void)
{
    for (uint64_t i = 0; i < connection_count; i++)
        if (connections[i].fd >= 0 && lines_missing(&connections[i]) > 0)
            return false;
    return true;
}

/* Wait for everything that is still out; what does not come back is an error of its connection. */
static void drain(void)
{
    uint64_t deadline = clock_now() + DRAIN_SECONDS * NANOSECONDS;
    char text[80];

    while (!all_came_back() && clock_now() < deadline)
        serve_events(10);
    for (uint64_t i = 0; i < connection_count; i++) {
        if (connections[i].fd < 0 || lines_missing(&connections[i]) == 0)
            continue;
        snprintf(text, sizeof text, "%" PRIu64 " lines were not back %d s after the last send",
                 lines_missing(&connections[i]), DRAIN_SECONDS);
        give_up(&connections[i], text);
    }
}

#endif
