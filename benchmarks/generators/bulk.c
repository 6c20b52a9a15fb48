/*
 * One connection, as many bytes as it takes, in one direction. "up": everything is sent, then FIN; the time ends with
 * the server's FIN, which it sends when it has read everything. "down": each line asks for one block of BLOCK_BYTES,
 * four are asked for in advance, so that a server without back-pressure is not buried in its own output.
 */
#include "../../skypy/cli/load/common.h"

#define BLOCK_BYTES (1 << 20)
#define ASKED_IN_ADVANCE 4

static const char usage[] = "bulk up|down HOST PORT DURATION_SECONDS";
static char buffer[BLOCK_BYTES];

static uint64_t upload(int fd, uint64_t until)
{
    uint64_t total = 0;
    while (clock_now() < until) {
        ssize_t count = send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
        if (count < 0)
            die("send");
        total += (uint64_t)count;
    }
    shutdown(fd, SHUT_WR);
    if (recv(fd, buffer, sizeof buffer, 0) != 0)
        fail("the server did not end the connection after the last byte");
    return total;
}

static void ask(int fd)
{
    if (send(fd, "more\n", 5, MSG_NOSIGNAL) != 5)
        die("send");
}

static uint64_t download(int fd, uint64_t until)
{
    uint64_t total = 0, blocks = 0;
    for (int i = 0; i < ASKED_IN_ADVANCE; i++)
        ask(fd);
    while (clock_now() < until) {
        ssize_t count = recv(fd, buffer, sizeof buffer, 0);
        if (count < 0)
            die("recv");
        if (count == 0)
            fail("the server closed the connection");
        total += (uint64_t)count;
        for (; blocks < total / BLOCK_BYTES; blocks++)
            ask(fd);
    }
    return total;
}

int main(int count, char **arguments)
{
    double duration_seconds, cpu_fraction, elapsed;
    uint64_t started, total;
    bool up;
    int fd;

    program = "bulk";
    if (count != 5)
        bad_usage("four arguments are needed", usage);
    up = strcmp(arguments[1], "up") == 0;
    if (!up && strcmp(arguments[1], "down") != 0)
        bad_usage("the direction must be up or down", usage);
    duration_seconds = seconds(arguments[4], 0.001, "DURATION_SECONDS", usage);
    fd = connect_to(resolve(arguments[2], arguments[3]), true);
    memset(buffer, 'x', sizeof buffer);
    started = clock_now();
    total = (up ? upload : download)(fd, started + nanoseconds(duration_seconds));
    elapsed = (double)(clock_now() - started) / 1e9;
    cpu_fraction = cpu_seconds() / elapsed;
    printf("{\"bytes\": %" PRIu64 ", \"megabytes_per_second\": %.1f, \"generator_cpu_fraction\": %.3f}\n", total,
           (double)total / 1e6 / elapsed, cpu_fraction);
    return 0;
}
