/* SPDX-License-Identifier: PostgreSQL */
/* What others write: rows of a watched table, say. All clients join, "joined" is printed, and then
 * every client must get `expect` messages of each producer, in each producer's order.
 *
 * Two latencies: from the stamp, which the writer made when it sent (or when the row was due), and
 * from the moment the writer had the commit's answer, which it leaves in a file that both have
 * mapped (8 bytes per message: producer * expect + number). The second can be nothing at all: the
 * server may well be quicker than the writer's own road back. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;

struct listening {
    struct pool pool;
    const uint64_t *commits; /* NULL: not asked for */
    uint64_t n_expected, n_got, bytes;
    uint64_t first_ns, last_ns;
    struct verdict verdict;
    struct histogram latency;      /* from the stamp */
    struct histogram after_commit; /* from the commit's answer; what came before it is 0 */
};

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    struct listening *listening = arg;
    const struct options *options = listening->pool.options;
    uint64_t now = listening->pool.now_ns;
    struct stamp stamp;
    if (!stamp_find(text, len, &client->hint, &stamp)) {
        return;
    }
    if (stamp.producer >= options->producers || stamp.number >= options->expect) {
        listening->verdict.duplicated++;
        return;
    }
    sequence_check(&client->sequences[stamp.producer], stamp.number, &listening->verdict);
    histogram_add(&listening->latency, now > stamp.at_ns ? now - stamp.at_ns : 0);
    if (listening->commits) {
        const uint64_t *at = &listening->commits[stamp.producer * options->expect + stamp.number];
        uint64_t committed_ns = __atomic_load_n(at, __ATOMIC_ACQUIRE);
        histogram_add(&listening->after_commit,
                      committed_ns > 0 && now > committed_ns ? now - committed_ns : 0);
    }
    if (listening->n_got++ == 0) {
        listening->first_ns = now;
    }
    listening->bytes += len;
    listening->last_ns = now;
}

static bool map_commits(struct listening *listening)
{
    const struct options *options = listening->pool.options;
    if (!options->commits) {
        return true;
    }
    size_t size = (size_t)options->producers * options->expect * sizeof(uint64_t);
    int fd = open(options->commits, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        perror(options->commits);
        return false;
    }
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    listening->commits = map == MAP_FAILED ? NULL : map;
    return map != MAP_FAILED;
}

/* Until all is there, or nothing has come for `seconds`. */
static void receive(struct listening *listening)
{
    const struct options *options = listening->pool.options;
    uint64_t quiet_since = now_ns(), seen = 0;
    while (listening->n_got < listening->n_expected && listening->pool.n_failed == 0 &&
           now_ns() - quiet_since < options->seconds * SECOND) {
        pool_poll(&listening->pool, SECOND / 10);
        if (listening->n_got != seen) {
            seen = listening->n_got;
            quiet_since = now_ns();
        }
    }
}

static void print(const struct listening *listening, const struct usage *server,
                  const struct usage *database, uint64_t own_cpu_ns)
{
    const struct options *options = listening->pool.options;
    double n = (double)listening->n_got, rows = (double)options->expect * options->producers;
    double seconds = (double)(listening->last_ns - listening->first_ns) / (double)SECOND;
    result_open();
    result_number("seconds", seconds);
    result_number("rows_per_s", rows / seconds);
    result_number("deliveries_per_s", n / seconds);
    result_number("cpu_us", (double)server->cpu_ns / 1000 / n);
    result_number("cpu_us_per_row", (double)server->cpu_ns / 1000 / rows);
    result_number("db_cpu_us_per_row", (double)database->cpu_ns / 1000 / rows);
    result_number("load_cpu_us", (double)own_cpu_ns / 1000 / n);
    result_number("frame_bytes", (double)listening->bytes / n);
    result_count("rss_bytes", server->rss_bytes);
    result_count("peak_bytes", server->peak_bytes);
    result_latency(&listening->latency);
    result_number("commit_p50_us", (double)histogram_quantile(&listening->after_commit, 0.5) / 1e3);
    result_number("commit_p99_us",
                  (double)histogram_quantile(&listening->after_commit, 0.99) / 1e3);
    result_number("commit_max_us", (double)listening->after_commit.max / 1e3);
    result_verdict(&listening->verdict);
    result_count("failed", listening->pool.n_failed);
    result_close();
}

static struct usage since(struct usage before, struct usage now)
{
    now.cpu_ns -= before.cpu_ns;
    return now;
}

int listen_run(const struct options *options)
{
    static struct listening listening;
    uint32_t n = options->channels * options->members;
    pool_init(&listening.pool, options, n, options->producers);
    listening.pool.on_text = on_text;
    listening.pool.arg = &listening;
    listening.n_expected = (uint64_t)n * options->producers * options->expect;
    if (!map_commits(&listening) || !pool_connect(&listening.pool)) {
        return 1;
    }
    struct usage server = usage_of((pid_t)options->pid);
    struct usage database = usage_of((pid_t)options->db_pid);
    uint64_t own_cpu_ns = usage_own_cpu_ns();
    printf("joined\n");
    fflush(stdout);
    receive(&listening);
    own_cpu_ns = usage_own_cpu_ns() - own_cpu_ns;
    server = since(server, usage_of((pid_t)options->pid));
    database = since(database, usage_of((pid_t)options->db_pid));
    pool_run(&listening.pool, SECOND / 5); /* duplicates would come now */
    for (uint32_t i = 0; i < n * options->producers; i++) {
        sequence_end(&listening.pool.sequences[i], options->expect, &listening.verdict);
    }
    print(&listening, &server, &database, own_cpu_ns);
    pool_release(&listening.pool);
    return listening.pool.n_failed == 0 ? 0 : 1;
}
