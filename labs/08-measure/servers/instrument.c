/*
 * instrument.c - the clock, the latencies, and what the server's processes have used: see
 * instrument.h.
 */
#include "instrument.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/resource.h>
#include <time.h>

#include "ipclab.h"

static uint32_t *latencies; /* in nanoseconds */
static size_t noted, capacity;

double parse_seconds(const char *text)
{
    char *end;
    double seconds = strtod(text, &end);
    if (*text < '0' || *text > '9' || *end != '\0' || !(seconds > 0 && seconds <= 3600))
        usage_exit();
    return seconds;
}

void need_descriptors(size_t needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
        sys_error("getrlimit");
    if (limit.rlim_max < needed && geteuid() == 0)
        limit.rlim_max = needed; /* which root may, in most rooms */
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_max < needed) {
        log_error("needs %zu descriptors, the limit is %ju", needed,
                  (uintmax_t)limit.rlim_max);
        exit(3);
    }
}

uint64_t now(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) == -1)
        sys_error("clock_gettime");
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void note_latency(uint64_t latency)
{
    if (noted == capacity) {
        capacity = capacity == 0 ? 1 << 16 : 2 * capacity;
        latencies = reallocate(latencies, capacity * sizeof *latencies);
    }
    latencies[noted++] = latency > UINT32_MAX ? UINT32_MAX : (uint32_t)latency;
}

static int compare(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Returns the microseconds that so many thousandths of the sorted latencies did not exceed. */
static double microseconds_of(size_t thousandths)
{
    size_t rank = (noted * thousandths + 999) / 1000; /* from 1, rounded up */
    return latencies[rank - 1] / 1e3;
}

void print_latencies(void)
{
    qsort(latencies, noted, sizeof *latencies, compare);
    printf("\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f", microseconds_of(500),
           microseconds_of(990), microseconds_of(999));
}

/* Adds what one process has used, if it belongs to the server. A process that ends while we read
 * does not count. */
static void add_use(struct use *use, const char *pid, pid_t wanted, pid_t other)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    /* The program's name is in brackets, and may itself contain brackets. */
    const char *behind = read ? strrchr(line, ')') : NULL;
    long session, user, system; /* the times are those of children that have ended */
    pid_t process = (pid_t)atol(pid);
    if (behind == NULL ||
        sscanf(behind, ") %*c %*d %*d %ld %*d %*d %*u %*u %*u %*u %*u %*d %*d %ld %ld",
               &session, &user, &system) != 3 ||
        (session != wanted && process != other))
        return;
    use->time += (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
    /* Read its processor time from its clock: /proc has only hundredths of a second, and each of
     * a thousand processes may use less. */
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0)
        use->time += (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
    snprintf(path, sizeof path, "/proc/%.20s/smaps_rollup", pid);
    file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        double kilobytes;
        if (sscanf(line, "Pss: %lf", &kilobytes) == 1)
            use->memory += kilobytes * 1024;
    }
    if (file != NULL)
        fclose(file);
}

struct use use_of(pid_t session, pid_t process)
{
    struct use use = {0};
    DIR *folder = session == 0 ? NULL : opendir("/proc");
    if (session != 0 && folder == NULL)
        sys_error("opendir");
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (isdigit((unsigned char)entry->d_name[0]))
            add_use(&use, entry->d_name, session, process);
    if (folder != NULL)
        closedir(folder);
    return use;
}
