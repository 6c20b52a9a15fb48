/*
 * What every load generator needs: time, memory, numbers from the command line, one way to connect, a histogram.
 * Each program is one translation unit with one thread, so everything is static.
 */
#ifndef SKYPY_LOAD_COMMON_H
#define SKYPY_LOAD_COMMON_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
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

#define UNUSED __attribute__((unused))
#define NANOSECONDS UINT64_C(1000000000)
#define EVENTS_PER_WAIT 512
#define LATENCY_BUCKETS (1 << 21)    /* one per microsecond; what takes longer than 2 s shares the last one */
#define LARGEST_NUMBER (64 << 20)

static const char *program = "load";

struct histogram {
    uint64_t count, largest;         /* the largest in nanoseconds */
    uint32_t buckets[LATENCY_BUCKETS];
};

static void UNUSED die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program, what, strerror(errno));
    exit(1);
}

static void UNUSED fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", program, what);
    exit(1);
}

static void UNUSED bad_usage(const char *wrong, const char *usage)
{
    fprintf(stderr, "%s: %s\nusage: %s\n", program, wrong, usage);
    exit(2);
}

static void UNUSED *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        die("memory");
    return memory;
}

static uint64_t UNUSED clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

static uint64_t UNUSED nanoseconds(double seconds)
{
    return (uint64_t)(seconds * 1e9);
}

static double UNUSED cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void UNUSED count_latency(struct histogram *histogram, uint64_t latency)
{
    uint64_t bucket = latency / 1000;
    histogram->buckets[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    if (latency > histogram->largest)
        histogram->largest = latency;
    histogram->count++;
}

static double UNUSED percentile_microseconds(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)histogram->count), seen = 0;
    for (uint64_t bucket = 0; bucket < LATENCY_BUCKETS - 1; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen > wanted)
            return (double)bucket;
    }
    return (double)histogram->largest / 1000;
}

/* The part of a result that all generators print in the same way. */
static void UNUSED print_latencies(const struct histogram *histogram)
{
    printf("\"latency_p50_microseconds\": %.0f, \"latency_p99_microseconds\": %.0f, \"latency_max_microseconds\": %.0f",
           percentile_microseconds(histogram, 0.50), percentile_microseconds(histogram, 0.99),
           (double)histogram->largest / 1000);
}

static uint64_t UNUSED positive(const char *text, const char *name, const char *usage)
{
    char *end, wrong[100];
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 1 || value > LARGEST_NUMBER) {
        snprintf(wrong, sizeof wrong, "%s must be a positive number", name);
        bad_usage(wrong, usage);
    }
    return (uint64_t)value;
}

static double UNUSED seconds(const char *text, double least, const char *name, const char *usage)
{
    char *end, wrong[100];
    double value = strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= least && value <= 86400)) {
        snprintf(wrong, sizeof wrong, "%s must be a number of seconds, %g or more", name, least);
        bad_usage(wrong, usage);
    }
    return value;
}

static void UNUSED allow_many_descriptors(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static struct addrinfo UNUSED *resolve(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *address;
    int failure = getaddrinfo(host, port, &hints, &address);
    if (failure != 0) {
        fprintf(stderr, "%s: %s:%s: %s\n", program, host, port, gai_strerror(failure));
        exit(1);
    }
    return address;
}

/* A connected socket without Nagle's delay; blocking or not. */
static int UNUSED connect_to(const struct addrinfo *address, bool blocking)
{
    int on = 1, fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (connect(fd, address->ai_addr, address->ai_addrlen) < 0)
        die("connect");
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        die("TCP_NODELAY");
    if (!blocking && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        die("O_NONBLOCK");
    return fd;
}

static void UNUSED watch(int epoll_fd, int operation, int fd, uint32_t events, void *data)
{
    struct epoll_event event = {.events = events, .data.ptr = data};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0)
        die("epoll_ctl");
}

#endif
