/*
 * Line-echo load generator: one thread, one epoll, as little work per line as possible, so that the server is what is
 * measured.
 *
 * Every connection keeps `in_flight` lines outstanding: as many lines as came back are sent again, in one send. The
 * stream of a connection is one line repeated, so every echoed byte is known in advance and all of them are compared.
 * Latency is per line: from just before the send that carries it to just after the recv that completes it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS UINT64_C(1000000000)
#define DRAIN_SECONDS 5              /* after the last send: how long the missing lines may take */
#define EVENTS_PER_WAIT 512
#define WAIT_MILLISECONDS 10         /* only reached when nothing comes back; bounds how late the end is noticed */
#define LATENCY_BUCKETS (1 << 21)    /* one per microsecond; what takes longer than 2 s shares the last one */
#define MESSAGES_SHOWN 5             /* a server that dies breaks every connection in the same way */
#define WINDOW_BYTES_LIMIT (64 << 20)

struct connection {
    int fd;                          /* -1 once it is broken */
    bool wants_room;                 /* EPOLLOUT is on: the kernel did not take everything */
    uint64_t queued_bytes;           /* stream positions; always received <= sent <= queued <= received + window */
    uint64_t sent_bytes;
    uint64_t received_bytes;
    uint64_t *queued_at;             /* per line in flight, a ring by line number */
};

static const char *host, *port;
static uint64_t connection_count, in_flight, line_bytes, window_bytes;
static double duration_seconds, warmup_seconds = 0.5;

static struct connection *connections;
static int epoll_fd;
static char *stream;                 /* the line repeated: a window can be sent from any place within the first line */
static char *received;               /* one byte more than a window, so that surplus bytes show at once */

static uint64_t measure_from, send_until;
static uint64_t requests, latency_max, errors;
static uint32_t latencies[LATENCY_BUCKETS];

static void die(const char *what)
{
    fprintf(stderr, "load_generator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("memory");
    return memory;
}

static uint64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t lines_missing(const struct connection *connection)
{
    return (connection->queued_bytes - connection->received_bytes + line_bytes - 1) / line_bytes;
}

static void give_up(struct connection *connection, const char *why)
{
    if (errors++ < MESSAGES_SHOWN)
        fprintf(stderr, "load_generator: connection %td broke after %" PRIu64 " echoed bytes: %s\n",
                connection - connections, connection->received_bytes, why);
    close(connection->fd);
    connection->fd = -1;
}

static void ask_for_room(struct connection *connection, bool wanted)
{
    struct epoll_event event = {.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
    if (wanted == connection->wants_room)
        return;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, connection->fd, &event) < 0)
        die("epoll_ctl");
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

static void queue_lines(struct connection *connection, uint64_t count, uint64_t now)
{
    uint64_t line = connection->queued_bytes / line_bytes;
    for (uint64_t end = line + count; line < end; line++)
        connection->queued_at[line % in_flight] = now;
    connection->queued_bytes += count * line_bytes;
    send_queued(connection);
}

static void count_line(uint64_t latency)
{
    uint64_t bucket = latency / 1000;
    latencies[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    if (latency > latency_max)
        latency_max = latency;
    requests++;
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
    uint64_t now = clock_now();
    uint64_t first, line;

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        give_up(connection, count < 0 ? strerror(errno) : "the server closed it");
        return;
    }
    if (!echo_is_right(connection, (size_t)count))
        return;
    first = line = connection->received_bytes / line_bytes;
    connection->received_bytes += (uint64_t)count;
    for (uint64_t end = connection->received_bytes / line_bytes; line < end; line++)
        if (now >= measure_from && now < send_until)
            count_line(now - connection->queued_at[line % in_flight]);
    if (line > first && now < send_until)
        queue_lines(connection, line - first, now);
}

static void connect_one(struct connection *connection, const struct addrinfo *address)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    int on = 1;

    connection->queued_at = allocate(in_flight, sizeof *connection->queued_at);
    connection->fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die("socket");
    if (connect(connection->fd, address->ai_addr, address->ai_addrlen) < 0)
        die("connect");
    if (setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("TCP_NODELAY");
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0)
        die("O_NONBLOCK");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void connect_all(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address;
    struct rlimit files;
    int failure = getaddrinfo(host, port, &hints, &address);

    if (failure != 0) {
        fprintf(stderr, "load_generator: %s:%s: %s\n", host, port, gai_strerror(failure));
        exit(1);
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    connections = allocate(connection_count, sizeof *connections);
    for (uint64_t i = 0; i < connection_count; i++)
        connect_one(&connections[i], address);
    freeaddrinfo(address);
}

static void make_buffers(void)
{
    uint64_t size = window_bytes + line_bytes;
    stream = allocate(size, 1);
    received = allocate(window_bytes + 1, 1);
    for (uint64_t i = 0; i < size; i++)
        stream[i] = i % line_bytes == line_bytes - 1 ? '\n' : (char)('a' + i % line_bytes % 26);
}

static void serve_events(void)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, WAIT_MILLISECONDS);

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

static void report_missing(void)
{
    char text[80];
    for (uint64_t i = 0; i < connection_count; i++) {
        if (connections[i].fd < 0 || lines_missing(&connections[i]) == 0)
            continue;
        snprintf(text, sizeof text, "%" PRIu64 " lines were not back %d s after the last send",
                 lines_missing(&connections[i]), DRAIN_SECONDS);
        give_up(&connections[i], text);
    }
}

static void run(void)
{
    uint64_t now = clock_now();
    measure_from = now + (uint64_t)(warmup_seconds * 1e9);
    send_until = measure_from + (uint64_t)(duration_seconds * 1e9);
    for (uint64_t i = 0; i < connection_count; i++)
        queue_lines(&connections[i], in_flight, clock_now());
    while ((now = clock_now()) < send_until && errors < connection_count)
        serve_events();
    while (!all_came_back() && clock_now() < send_until + DRAIN_SECONDS * NANOSECONDS)
        serve_events();
    report_missing();
}

static double percentile_microseconds(double share)
{
    uint64_t wanted = (uint64_t)(share * (double)requests), seen = 0;
    for (uint64_t bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
        seen += latencies[bucket];
        if (seen > wanted)
            return (double)bucket;
    }
    return (double)latency_max / 1000;
}

static void print_result(double cpu_fraction)
{
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.3f, \"requests_per_second\": %.1f, \"latency_of\": \"line\", "
           "\"latency_p50_microseconds\": %.0f, \"latency_p99_microseconds\": %.0f, \"latency_max_microseconds\": %.0f, "
           "\"generator_cpu_fraction\": %.3f, \"errors\": %" PRIu64 "}\n",
           requests, duration_seconds, (double)requests / duration_seconds, percentile_microseconds(0.50),
           percentile_microseconds(0.99), (double)latency_max / 1000, cpu_fraction, errors);
}

static void usage(const char *wrong)
{
    fprintf(stderr, "load_generator: %s\n"
            "usage: load_generator HOST PORT CONNECTIONS IN_FLIGHT LINE_BYTES DURATION_SECONDS [WARMUP_SECONDS]\n"
            "LINE_BYTES includes the newline\n", wrong);
    exit(2);
}

static uint64_t positive(const char *text, const char *wrong)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > WINDOW_BYTES_LIMIT)
        usage(wrong);
    return (uint64_t)value;
}

static double seconds(const char *text, double least, const char *wrong)
{
    char *end;
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= least && value <= 86400))
        usage(wrong);
    return value;
}

static void read_arguments(int count, char **arguments)
{
    if (count < 7 || count > 8)
        usage("six or seven arguments are needed");
    host = arguments[1];
    port = arguments[2];
    connection_count = positive(arguments[3], "CONNECTIONS must be a positive number");
    in_flight = positive(arguments[4], "IN_FLIGHT must be a positive number");
    line_bytes = positive(arguments[5], "LINE_BYTES must be a positive number");
    duration_seconds = seconds(arguments[6], 0.001, "DURATION_SECONDS must be a number above 0");
    if (count == 8)
        warmup_seconds = seconds(arguments[7], 0, "WARMUP_SECONDS must be a number, 0 or more");
    window_bytes = in_flight * line_bytes;
    if (window_bytes > WINDOW_BYTES_LIMIT)
        usage("IN_FLIGHT x LINE_BYTES must not exceed 64 MiB");
}

int main(int count, char **arguments)
{
    double cpu_before;
    uint64_t started;

    read_arguments(count, arguments);
    make_buffers();
    connect_all();
    cpu_before = cpu_seconds();
    started = clock_now();
    run();
    print_result((cpu_seconds() - cpu_before) / ((double)(clock_now() - started) / 1e9));
    return errors > 0;
}
