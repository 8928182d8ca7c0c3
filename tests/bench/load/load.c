/* SPDX-License-Identifier: PostgreSQL */
/* The load generator: it plays thousands of browsers on one thread, checks everything they receive,
 * and measures what that costs the server (its pid is an option). It is cheap enough that the
 * server is what limits a run; its own CPU is printed too, so that one can see that.
 *
 *   fanout   clients send, all members of their channel receive: saturated by a window of messages
 *            under way, or paced
 *   connect  n sessions come at once, then stay idle for a while
 *   listen   others write (rows, publishes); all clients receive all of it
 *   presence members of one channel come and go, and each must have the right list
 *   resume   sessions come back with a position and must get exactly what they missed
 *
 * The figures are one JSON object on stdout; tests/bench/run.js makes tables of them. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pool.h"

/* ---- results ---- */

static bool is_first_result;

static void result_name(const char *name)
{
    printf("%s\"%s\":", is_first_result ? "{" : ",", name);
    is_first_result = false;
}

void result_open(void)
{
    is_first_result = true;
}

void result_number(const char *name, double value)
{
    result_name(name);
    printf("%.4f", value);
}

void result_count(const char *name, uint64_t value)
{
    result_name(name);
    printf("%llu", (unsigned long long)value);
}

void result_latency(const struct histogram *latency)
{
    result_number("p50_us", (double)histogram_quantile(latency, 0.5) / 1000);
    result_number("p99_us", (double)histogram_quantile(latency, 0.99) / 1000);
    result_number("max_us", (double)latency->max / 1000);
}

void result_verdict(const struct verdict *verdict)
{
    result_count("lost", verdict->lost);
    result_count("duplicated", verdict->duplicated);
    result_count("reordered", verdict->reordered);
}

void result_close(void)
{
    printf("}\n");
    fflush(stdout);
}

/* ---- options ---- */

static const struct flag {
    const char *name;
    size_t offset;
    bool is_text;
} flags[] = {
    {"dialect", offsetof(struct options, dialect), true},
    {"canonical", offsetof(struct options, canonical), true},
    {"prefix", offsetof(struct options, prefix), true},
    {"commits", offsetof(struct options, commits), true},
    {"port", offsetof(struct options, port), false},
    {"pid", offsetof(struct options, pid), false},
    {"db-pid", offsetof(struct options, db_pid), false},
    {"channels", offsetof(struct options, channels), false},
    {"members", offsetof(struct options, members), false},
    {"producers", offsetof(struct options, producers), false},
    {"rate", offsetof(struct options, rate), false},
    {"window", offsetof(struct options, window), false},
    {"seconds", offsetof(struct options, seconds), false},
    {"expect", offsetof(struct options, expect), false},
    {"concurrency", offsetof(struct options, concurrency), false},
    {"bare-name", offsetof(struct options, bare_name), false},
    {"no-join", offsetof(struct options, no_join), false},
    {"also", offsetof(struct options, also), false},
};

enum { N_FLAGS = sizeof(flags) / sizeof(flags[0]) };

static bool set_flag(struct options *options, const struct flag *flag, const char *value)
{
    char *field = (char *)options + flag->offset;
    if (flag->is_text) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    uint32_t word = (uint32_t)number;
    memcpy(field, &word, sizeof(word));
    return errno == 0 && end != value && *end == '\0' && number <= UINT32_MAX;
}

static bool read_flags(int argc, char **argv, struct options *options)
{
    struct option longs[N_FLAGS + 1] = {{0}};
    for (int i = 0; i < N_FLAGS; i++) {
        longs[i] = (struct option){.name = flags[i].name, .has_arg = required_argument};
    }
    int which = 0, c;
    while ((c = getopt_long(argc, argv, "", longs, &which)) != -1) {
        if (c != 0 || !set_flag(options, &flags[which], optarg)) {
            return false;
        }
    }
    options->scenario = optind == argc - 1 ? argv[optind] : "";
    return options->channels > 0 && options->members > 0 && dialect_find(options->dialect);
}

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *options);
    } scenarios[] = {{"fanout", fanout_run},
                     {"connect", connect_run},
                     {"listen", listen_run},
                     {"presence", presence_run},
                     {"resume", resume_run}};
    struct options options = {
        .dialect = "herald",
        .canonical = "",
        .prefix = "bench",
        .channels = 1,
        .members = 1,
        .producers = 1,
        .window = 64,
        .seconds = 3,
        .concurrency = 128,
    };
    bool is_good = read_flags(argc, argv, &options);
    raise_fd_limit();
    for (size_t i = 0; is_good && i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(options.scenario, scenarios[i].name) == 0) {
            return scenarios[i].run(&options);
        }
    }
    fprintf(
        stderr,
        "usage: load fanout|connect|listen|presence|resume --port N [--OPTION VALUE]...\noptions:");
    for (int i = 0; i < N_FLAGS; i++) {
        fprintf(stderr, " --%s", flags[i].name);
    }
    fprintf(stderr, "\n");
    return 64;
}
