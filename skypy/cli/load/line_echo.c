/*
 * Line echo under a closed load: every connection keeps IN_FLIGHT lines outstanding, as many as came back are sent
 * again in one send. One thread, one epoll, as little work per line as possible, so that the server is what is
 * measured. A line "measuring" says that all are connected and warmed up; the last line is the result.
 */
#include "connections.h"

#define WAIT_MILLISECONDS 10         /* only reached when nothing comes back; bounds how late the end is noticed */

static const char usage[] = "line_echo HOST PORT CONNECTIONS IN_FLIGHT LINE_BYTES DURATION_SECONDS [WARMUP_SECONDS]\n"
                            "LINE_BYTES includes the newline";
static struct histogram latencies;
static uint64_t measure_from, send_until;

static void lines_came_back(struct connection *connection, uint64_t first, uint64_t end, uint64_t now)
{
    if (now >= send_until)
        return;
    if (now >= measure_from)
        for (uint64_t line = first; line < end; line++)
            count_latency(&latencies, now - queued_at(connection, line));
    queue_lines(connection, end - first, now);
}

static void run(double duration_seconds, double warmup_seconds)
{
    measure_from = clock_now() + nanoseconds(warmup_seconds);
    send_until = measure_from + nanoseconds(duration_seconds);
    for (uint64_t i = 0; i < connection_count; i++)
        queue_lines(&connections[i], most_in_flight, clock_now());
    while (clock_now() < measure_from && errors < connection_count)
        serve_events(WAIT_MILLISECONDS);
    puts("measuring");
    fflush(stdout);
    while (clock_now() < send_until && errors < connection_count)
        serve_events(WAIT_MILLISECONDS);
    drain();
}

int main(int count, char **arguments)
{
    double duration_seconds, warmup_seconds, cpu_before, cpu_fraction;
    uint64_t started;

    program = "line_echo";
    if (count < 7 || count > 8)
        bad_usage("six or seven arguments are needed", usage);
    connection_count = positive(arguments[3], "CONNECTIONS", usage);
    most_in_flight = positive(arguments[4], "IN_FLIGHT", usage);
    line_bytes = positive(arguments[5], "LINE_BYTES", usage);
    duration_seconds = seconds(arguments[6], 0.001, "DURATION_SECONDS", usage);
    warmup_seconds = count == 8 ? seconds(arguments[7], 0, "WARMUP_SECONDS", usage) : 0.5;
    make_buffers(usage);
    connect_all(arguments[1], arguments[2]);
    cpu_before = cpu_seconds();
    started = clock_now();
    run(duration_seconds, warmup_seconds);
    cpu_fraction = (cpu_seconds() - cpu_before) / ((double)(clock_now() - started) / 1e9);
    printf("{\"requests\": %" PRIu64 ", \"requests_per_second\": %.1f, ", latencies.count,
           (double)latencies.count / duration_seconds);
    print_latencies(&latencies);
    printf(", \"generator_cpu_fraction\": %.3f, \"errors\": %" PRIu64 "}\n", cpu_fraction, errors);
    return errors > 0;
}
