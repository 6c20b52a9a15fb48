/*
 * Broadcast: a line sent on one connection must arrive on all of them. A fixed number of lines is under way; the next
 * is sent when every connection has one more. Before that, lines are sent slowly until every connection has got one:
 * then the server knows them all.
 */
#include "../../skypy/cli/load/common.h"

#define LINE_BYTES 32
#define QUIET_MILLISECONDS 100
#define JOIN_SECONDS 20

static const char usage[] = "broadcast HOST PORT CONNECTIONS IN_FLIGHT DURATION_SECONDS WARMUP_SECONDS";
static const char line[LINE_BYTES + 1] = "a line that everybody receives.\n";

struct member {
    int fd;
    uint64_t bytes;
};

static struct member *members;
static uint64_t member_count, delivered_bytes;
static int epoll_fd;

static void receive(struct member *member)
{
    char buffer[65536];
    ssize_t count = recv(member->fd, buffer, sizeof buffer, 0);

    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0)
        fail(count < 0 ? strerror(errno) : "the server closed a connection");
    for (ssize_t i = 0; i < count; i++)
        if (buffer[i] != line[(member->bytes + (uint64_t)i) % LINE_BYTES])
            fail("a line arrived changed");
    member->bytes += (uint64_t)count;
    delivered_bytes += (uint64_t)count;
}

static bool serve_events(int wait_milliseconds)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, wait_milliseconds);
    for (int i = 0; i < count; i++)
        receive(events[i].data.ptr);
    return count > 0;
}

static void send_line(void)
{
    if (send(members[0].fd, line, LINE_BYTES, MSG_NOSIGNAL) != LINE_BYTES)
        die("send");
}

static bool all_have_one(void)
{
    for (uint64_t i = 0; i < member_count; i++)
        if (members[i].bytes == 0)
            return false;
    return true;
}

static void join(const struct addrinfo *address)
{
    uint64_t deadline;

    for (uint64_t i = 0; i < member_count; i++) {
        members[i].fd = connect_to(address, false);
        watch(epoll_fd, EPOLL_CTL_ADD, members[i].fd, EPOLLIN, &members[i]);
    }
    for (deadline = clock_now() + JOIN_SECONDS * NANOSECONDS; !all_have_one();) {
        if (clock_now() > deadline)
            fail("not every connection received a line");
        send_line();
        while (serve_events(QUIET_MILLISECONDS))
            ;
    }
    delivered_bytes = 0;
}

/* Lines delivered between the two times. */
static uint64_t broadcast(uint64_t in_flight, uint64_t measure_from, uint64_t until)
{
    uint64_t round_bytes = member_count * LINE_BYTES, rounds = 0, before = 0, now;

    for (uint64_t i = 0; i < in_flight; i++)
        send_line();
    while ((now = clock_now()) < until) {
        if (now < measure_from)
            before = delivered_bytes;
        serve_events(10);
        for (; rounds < delivered_bytes / round_bytes; rounds++)
            send_line();
    }
    return (delivered_bytes - before) / LINE_BYTES;
}

int main(int count, char **arguments)
{
    double duration_seconds, cpu_before, cpu_fraction;
    uint64_t started, measure_from, lines, in_flight;

    program = "broadcast";
    if (count != 7)
        bad_usage("six arguments are needed", usage);
    member_count = positive(arguments[3], "CONNECTIONS", usage);
    in_flight = positive(arguments[4], "IN_FLIGHT", usage);
    duration_seconds = seconds(arguments[5], 0.001, "DURATION_SECONDS", usage);
    allow_many_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    members = allocate(member_count, sizeof *members);
    join(resolve(arguments[1], arguments[2]));
    cpu_before = cpu_seconds();
    started = clock_now();
    measure_from = started + nanoseconds(seconds(arguments[6], 0, "WARMUP_SECONDS", usage));
    lines = broadcast(in_flight, measure_from, measure_from + nanoseconds(duration_seconds));
    cpu_fraction = (cpu_seconds() - cpu_before) / ((double)(clock_now() - started) / 1e9);
    printf("{\"deliveries_per_second\": %.1f, \"generator_cpu_fraction\": %.3f}\n", (double)lines / duration_seconds,
           cpu_fraction);
    return 0;
}
