/*
 * Short connections: connect, send one line, read it back, close; a fixed number of them at any time. The client closes
 * first and takes a source address out of 127.0.0.1 to 127.0.0.64 in turn, so that ports in TIME_WAIT never run out.
 */
#include "../../skypy/cli/load/common.h"

#define SOURCES 64

enum stage { CONNECTING, WAITING };

struct client {
    int fd;
    enum stage stage;
    size_t received;
    uint64_t started;
};

static const char usage[] = "short_connections PORT AT_ONCE DURATION_SECONDS WARMUP_SECONDS";
static const char line[] = "one line of some thirty-two byte\n";
static struct sockaddr_in server = {.sin_family = AF_INET};
static struct histogram latencies;
static int epoll_fd;
static uint32_t source;

static void begin(struct client *client)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + source++ % SOURCES)};
    int on = 1;

    client->started = clock_now();
    client->stage = CONNECTING;
    client->received = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket");
    setsockopt(client->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(client->fd, (struct sockaddr *)&own, sizeof own) < 0)
        die("bind");
    if (connect(client->fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        die("connect");
    watch(epoll_fd, EPOLL_CTL_ADD, client->fd, EPOLLOUT, client);
}

static void send_line(struct client *client)
{
    if (send(client->fd, line, sizeof line - 1, MSG_NOSIGNAL) != (ssize_t)sizeof line - 1)
        die("send");
    client->stage = WAITING;
    watch(epoll_fd, EPOLL_CTL_MOD, client->fd, EPOLLIN, client);
}

/* True when the whole line is back. */
static bool receive(struct client *client)
{
    char buffer[sizeof line];
    ssize_t count = recv(client->fd, buffer, sizeof buffer, 0);

    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0)
        fail(count < 0 ? strerror(errno) : "the server closed a connection before it had answered");
    if (memcmp(buffer, line + client->received, (size_t)count) != 0)
        fail("the line came back changed");
    client->received += (size_t)count;
    return client->received == sizeof line - 1;
}

static void serve(struct client *client, uint64_t measure_from, uint64_t until)
{
    uint64_t now;

    if (client->stage == CONNECTING) {
        send_line(client);
        return;
    }
    if (!receive(client))
        return;
    close(client->fd);
    now = clock_now();
    if (now >= measure_from && now < until)
        count_latency(&latencies, now - client->started);
    begin(client);
}

int main(int count, char **arguments)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    uint64_t at_once, started, measure_from, until;
    double duration_seconds, cpu_fraction;
    struct client *clients;

    program = "short_connections";
    if (count != 5)
        bad_usage("four arguments are needed", usage);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons((uint16_t)positive(arguments[1], "PORT", usage));
    at_once = positive(arguments[2], "AT_ONCE", usage);
    duration_seconds = seconds(arguments[3], 0.001, "DURATION_SECONDS", usage);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    clients = allocate(at_once, sizeof *clients);
    started = clock_now();
    measure_from = started + nanoseconds(seconds(arguments[4], 0, "WARMUP_SECONDS", usage));
    until = measure_from + nanoseconds(duration_seconds);
    for (uint64_t i = 0; i < at_once; i++)
        begin(&clients[i]);
    while (clock_now() < until) {
        int ready = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, 10);
        for (int i = 0; i < ready; i++)
            serve(events[i].data.ptr, measure_from, until);
    }
    cpu_fraction = cpu_seconds() / ((double)(clock_now() - started) / 1e9);
    printf("{\"connections_per_second\": %.1f, ", (double)latencies.count / duration_seconds);
    print_latencies(&latencies);
    printf(", \"generator_cpu_fraction\": %.3f}\n", cpu_fraction);
    return 0;
}
