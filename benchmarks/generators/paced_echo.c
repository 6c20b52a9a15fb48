/*
 * Line echo under an open load: lines are sent at RATE, whether or not answers have come. Latency counts from the time at
 * which a line was due, so a server that stalls pays for every line it has held up. RATE is in lines a second; a RATE that
 * begins with x is a share of the rate that saturates the server, which is found first, with one line outstanding on each
 * connection.
 */
#include "../../skypy/cli/load/connections.h"
#include <poll.h>
#include <sys/prctl.h>

#define MOST_WAITING 4096            /* lines on one connection: beyond that the server does not keep up at all */

static const char usage[] = "paced_echo HOST PORT CONNECTIONS RATE LINE_BYTES DURATION_SECONDS SATURATION_SECONDS";
static struct histogram latencies;
static bool saturating, measuring;
static uint64_t saturated_lines;

static void lines_came_back(struct connection *connection, uint64_t first, uint64_t end, uint64_t now)
{
    if (saturating) {
        saturated_lines += end - first;
        queue_lines(connection, end - first, now);
    } else if (measuring) {
        for (uint64_t line = first; line < end; line++)
            count_latency(&latencies, now - queued_at(connection, line));
    }
}

static double saturate(double duration_seconds)
{
    uint64_t now = clock_now(), until = now + nanoseconds(duration_seconds);
    saturating = true;
    for (uint64_t i = 0; i < connection_count; i++)
        queue_lines(&connections[i], 1, now);
    while (clock_now() < until && errors < connection_count)
        serve_events(10);
    saturating = false;
    drain();
    return (double)saturated_lines / duration_seconds;
}

static void wait_until(uint64_t due)
{
    struct pollfd readable = {.fd = epoll_fd, .events = POLLIN};
    uint64_t now = clock_now(), rest = due > now ? due - now : 0;
    struct timespec patience = {(time_t)(rest / NANOSECONDS), (long)(rest % NANOSECONDS)};
    ppoll(&readable, 1, &patience, NULL);
    serve_events(0);
}

static void send_one(uint64_t number, uint64_t due)
{
    struct connection *connection = &connections[number % connection_count];
    if (connection->fd < 0)
        return;
    if (lines_missing(connection) >= MOST_WAITING)
        give_up(connection, "4096 lines wait for their answers: the server does not keep up with half of its own rate");
    else
        queue_lines(connection, 1, due);
}

static uint64_t pace(double rate, double duration_seconds)
{
    uint64_t started = clock_now(), number = 0, total = (uint64_t)(rate * duration_seconds);
    measuring = true;
    while (number < total && errors < connection_count) {
        uint64_t due = started + (uint64_t)((double)number / rate * 1e9);
        if (clock_now() < due) {
            wait_until(due);
            continue;
        }
        send_one(number++, due);
        if (number % 16 == 0)
            serve_events(0);         /* answers are read even when many lines have become due at once */
    }
    drain();
    return number;
}

int main(int count, char **arguments)
{
    double rate, saturation = 0, duration_seconds, saturation_seconds;
    bool is_share;

    program = "paced_echo";
    if (count != 8)
        bad_usage("seven arguments are needed", usage);
    connection_count = positive(arguments[3], "CONNECTIONS", usage);
    is_share = arguments[4][0] == 'x';
    rate = seconds(arguments[4] + is_share, 0.001, "RATE", usage);
    line_bytes = positive(arguments[5], "LINE_BYTES", usage);
    duration_seconds = seconds(arguments[6], 0.001, "DURATION_SECONDS", usage);
    saturation_seconds = seconds(arguments[7], 0.1, "SATURATION_SECONDS", usage);
    most_in_flight = MOST_WAITING;
    make_buffers(usage);
    prctl(PR_SET_TIMERSLACK, 1);     /* the default of 50 microseconds would be in every latency */
    connect_all(arguments[1], arguments[2]);
    if (is_share) {
        saturation = saturate(saturation_seconds);
        if (saturation < 1)
            fail("nothing came back");
        rate *= saturation;
    }
    pace(rate, duration_seconds);
    printf("{\"requests\": %" PRIu64 ", \"requests_per_second\": %.1f, \"saturation_per_second\": %.1f, ",
           latencies.count, rate, saturation);
    print_latencies(&latencies);
    printf(", \"errors\": %" PRIu64 "}\n", errors);
    return errors > 0;
}
