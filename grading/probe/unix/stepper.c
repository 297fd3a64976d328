/*
 * stepper.c - steps through a program, and sends it a signal at a chosen instruction.
 *
 * Usage: stepper each FIRST SECOND PROGRAM [ARGUMENT...]
 *        stepper once SIGNAL STEP LINES PROGRAM [ARGUMENT...]
 *
 * Runs the program with all its threads under ptrace(2), and passes on what it prints. The
 * signals are numbers. "Wakes up" means: a thread returns from a call that blocks.
 *
 *     each    The program prints its first line and waits. Then it gets the signal FIRST. Every
 *             instruction is recorded from its wake-up until it has printed a line and is about to
 *             wait again. Each such instruction is a moment. Then it gets FIRST again and again.
 *             Each time it also gets SECOND just before one of the moments; the value of SECOND is
 *             the number of the moment. This is done for each of the first 900 moments, each of
 *             the last 100, and every 16th between them. Each time the program must print two
 *             lines and wait again. A breakpoint stops it at the moment, so one round takes no
 *             longer than to step through it once. At the end the program gets SIGTERM.
 *     once    When the program has printed LINES lines and waits, stepper prints "test: it
 *             waits". The checker then gives it something to do. The program gets SIGNAL before the
 *             instruction number STEP (from 1) after it has woken up, counted over all threads, or
 *             just before it waits again after it has printed a line. STEP 0 means the latter.
 *
 * It returns the program's exit code, or 128 + the signal that ended it. It prints
 *
 *     test: N of M moments                each: the program passed N of them, and all is well
 *     test: moment N, the program rests   each: it waits, but no line has come for two seconds
 *     test: moment N, the program ended   each; N is 0 where it was before the first
 *     test: sent at step N                once
 *     test: the program never waits       both: it does not wait in a call that stepper knows
 *     test: not possible: REASON          both: no ptrace here, or no x86-64; exit code 0
 *
 * Moments are counted from 1. If the program takes another path the second time, it misses the
 * breakpoint. SECOND then comes when it is about to wait.
 */
#include "ipclab.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#ifdef __x86_64__

#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

/* The largest numbers of threads and moments. */
#define MAX_THREADS 64
#define MAX_MOMENTS 50000

/* The moments that are tried: each of the first, each of the last, some between. */
#define FIRST_MOMENTS 900
#define LAST_MOMENTS 100
#define MIDDLE_STRIDE 16

/* A program rests if nothing has happened and all its threads have slept for so many ticks. A
 * program that uses the processor all the time, or waits for the disk, is watched for longer,
 * because the machine may be busy. */
#define TICK_MICROSECONDS 250000
#define RESTING_TICKS 8
#define RUNNING_TICKS 40

/* The instruction int3, and the beginning of the instruction syscall. */
#define BREAKPOINT 0xCC
#define SYSCALL_BYTES 0x050F

struct thread {
    pid_t number;
    bool waits;     /* it is in a call that blocks */
    bool over;      /* it steps over the breakpoint, which is removed meanwhile */
    uint64_t about; /* the next instruction when it was resumed, or 0 */
};

enum kind {
    ENTERS, /* a thread is about to enter the kernel, */
    LEAVES, /* has come back from there, */
    STEPS,  /* has done one instruction, or has hit a breakpoint */
    GETS,   /* a thread is about to get a signal */
    OTHER,  /* a thread has begun, or anything else that does not matter */
    ENDS,   /* a thread has ended */
    RESTS,  /* nothing happens, all threads sleep in the kernel */
    RUNS    /* nothing happens, and a thread uses the processor or waits for the disk */
};

struct stop {
    enum kind kind;
    struct thread *thread;
    int signal; /* that it gets when it goes on */
};

struct moment {
    uint64_t address;
    unsigned occurrence; /* how often since the program woke up, from 1 */
};

static struct thread threads[MAX_THREADS];
static size_t thread_count;
static struct moment moments[MAX_MOMENTS];
static size_t moment_count;
static size_t passed_count; /* how many breakpoints were hit */
static pid_t program;
static int memory;      /* /proc/PID/mem */
static int output;      /* what the program prints */
static long line_count; /* how many lines it has printed */
static bool ended;
static int end_status;

static void tick(int number)
{
    (void)number; /* it interrupts waitpid() */
}

/* fatal() needs begin_program(), which opens closed standard streams: the program would get them. */
_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    log_event("test: fault: %s: error %d: %s", why, errno, strerror(errno));
    exit(99);
}

_Noreturn static void not_possible(const char *why)
{
    log_event("test: not possible: %s", why);
    exit(0);
}

/* ---- The program, its threads and its output ---------------------------------------- */

static struct thread *thread_of(pid_t number)
{
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i].number == number)
            return &threads[i];
    if (thread_count == MAX_THREADS)
        not_possible("the program has too many threads");
    threads[thread_count] = (struct thread){.number = number};
    return &threads[thread_count++];
}

/* Starts the program under ptrace. */
static void start(char *const words[])
{
    int ends[2], gate[2];
    if (pipe2(ends, O_CLOEXEC) == -1 || pipe2(gate, O_CLOEXEC) == -1 ||
        fcntl(ends[0], F_SETFL, O_NONBLOCK) == -1)
        give_up("pipe2");
    /* Both on one processor: they take turns, and waking another processor each time is slow. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    /* In a cell our file cannot be read, so a process that runs it cannot be traced. But we must
     * trace our child before it becomes the program. */
    int traceable = prctl(PR_GET_DUMPABLE);
    prctl(PR_SET_DUMPABLE, 1);
    program = fork();
    if (program == -1)
        give_up("fork");
    if (program == 0) {
        char byte;
        close(gate[1]);
        if (read(gate[0], &byte, 1) == 1) { /* now we are traced */
            dup2(ends[1], STDOUT_FILENO);
            execv(words[0], words);
        }
        _exit(97);
    }
    prctl(PR_SET_DUMPABLE, traceable);
    close(ends[1]);
    close(gate[0]);
    output = ends[0];
    if (ptrace(PTRACE_SEIZE, program, NULL,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) == -1) {
        const char *why = strerror(errno);
        close(gate[1]);
        waitpid(program, &end_status, 0);
        not_possible(why);
    }
    if (ptrace(PTRACE_INTERRUPT, program, NULL, NULL) == -1 || write(gate[1], "", 1) != 1)
        give_up("PTRACE_INTERRUPT");
    close(gate[1]);
    thread_of(program); /* it is watched from now on, even before its first stop */
}

static bool all_wait(void)
{
    for (size_t i = 0; i < thread_count; i++)
        if (!threads[i].waits)
            return false;
    return true;
}

/* Returns whether a thread does more than sleep: it uses the processor, or waits for the processor
 * or for the disk. */
static bool one_runs(void)
{
    for (size_t i = 0; i < thread_count; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)program,
                 (int)threads[i].number);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = file == -1 ? -1 : read(file, line, sizeof line - 1);
        if (file != -1)
            close(file);
        line[length < 0 ? 0 : length] = '\0';
        const char *state = strrchr(line, ')');               /* "1234 (name) R ..." */
        if (state != NULL && strchr("SZX", state[2]) == NULL) /* asleep, or has ended */
            return true;
    }
    return false;
}

/* Passes on what the program has printed, and counts the lines. */
static void pass_on(void)
{
    char portion[4096];
    ssize_t length;
    while ((length = read(output, portion, sizeof portion)) > 0) {
        for (ssize_t i = 0; i < length; i++)
            line_count += portion[i] == '\n';
        fwrite(portion, 1, (size_t)length, stdout);
        fflush(stdout);
    }
}

static bool waits_in(uint64_t call)
{
    static const long calls[] = {
        SYS_pause,   SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
        SYS_ppoll,   SYS_poll,          SYS_pselect6,
        SYS_select,  SYS_epoll_wait,    SYS_epoll_pwait,
        SYS_read,    SYS_readv,         SYS_recvfrom,
        SYS_recvmsg, SYS_accept,        SYS_accept4,
        SYS_futex,   SYS_nanosleep,     SYS_clock_nanosleep,
        SYS_wait4,   SYS_waitid,
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (call == (uint64_t)calls[i])
            return true;
    return false;
}

/* Waits for the next event, and passes on what was printed until then. */
static struct stop next_stop(void)
{
    struct stop stop = {.kind = OTHER};
    int status, ticks = 0, asleep = 0;
    pid_t number;
    while ((number = waitpid(-1, &status, __WALL)) == -1 && errno == EINTR) {
        ticks++;
        asleep = one_runs() ? 0 : asleep + 1;
        if (asleep >= RESTING_TICKS || ticks >= RUNNING_TICKS) {
            stop.kind = asleep >= RESTING_TICKS ? RESTS : RUNS;
            return stop;
        }
    }
    if (number == -1)
        give_up("waitpid");
    pass_on();
    stop.thread = thread_of(number);
    if (!WIFSTOPPED(status)) {
        stop.kind = ENDS;
        if (number == program) {
            ended = true;
            end_status = status;
        }
        *stop.thread = threads[--thread_count];
        return stop;
    }
    int cause = WSTOPSIG(status);
    if (status >> 16 != 0)
        return stop;
    if (cause == (SIGTRAP | 0x80)) {
        struct __ptrace_syscall_info call;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, number, sizeof call, &call) <= 0)
            not_possible("PTRACE_GET_SYSCALL_INFO is missing");
        stop.kind = call.op == PTRACE_SYSCALL_INFO_ENTRY ? ENTERS : LEAVES;
        stop.thread->waits = stop.kind == ENTERS && waits_in(call.entry.nr);
        return stop;
    }
    stop.thread->waits = false;
    stop.kind = cause == SIGTRAP ? STEPS : GETS;
    stop.signal = cause == SIGTRAP ? 0 : cause;
    return stop;
}

/* Resumes the thread that stopped, until its next instruction or its next call. */
static void resume(const struct stop *stop, bool one_step)
{
    if (stop->kind >= ENDS)
        return;
    /* ESRCH: another thread has ended the process meanwhile. */
    if (ptrace(one_step ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, stop->thread->number, NULL,
               (void *)(long)stop->signal) == -1 &&
        errno != ESRCH)
        give_up("ptrace");
}

/* Runs the program until it has printed that many lines and all its threads wait. Returns RESTS,
 * or what it does instead. */
static enum kind settle(long lines)
{
    while (line_count < lines || !all_wait()) {
        struct stop stop = next_stop();
        if (stop.kind == RESTS || stop.kind == RUNS)
            return RUNS;
        if (ended)
            return ENDS;
        resume(&stop, false);
    }
    return RESTS;
}

/* Runs the program to its end. Returns its exit code. */
static int finish(void)
{
    while (!ended) {
        struct stop stop = next_stop();
        resume(&stop, false);
    }
    pass_on();
    return WIFSIGNALED(end_status) ? 128 + WTERMSIG(end_status) : WEXITSTATUS(end_status);
}

/* Reports that the program does not wait. */
static int report_busy(void)
{
    log_event(ended ? "test: the program ended" : "test: the program never waits");
    return ended ? finish() : 0;
}

/* ---- Instructions ------------------------------------------------------------------- */

static void open_memory(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)program);
    memory = open(path, O_RDWR | O_CLOEXEC);
    if (memory == -1)
        not_possible("the program's memory cannot be read");
}

static struct user_regs_struct registers_of(const struct thread *thread)
{
    struct user_regs_struct registers = {0};
    if (ptrace(PTRACE_GETREGS, thread->number, NULL, &registers) == -1 && errno != ESRCH)
        give_up("PTRACE_GETREGS");
    return registers;
}

/* Returns whether a thread with these registers is about to enter a call that blocks. */
static bool about_to_wait(const struct user_regs_struct *registers)
{
    uint16_t code = 0;
    return waits_in(registers->rax) &&
           pread(memory, &code, sizeof code, (off_t)registers->rip) == sizeof code &&
           code == SYSCALL_BYTES;
}

/* Runs all threads step by step until `limit` instructions are done. If that is 0, runs them
 * until a line was printed and a thread is about to wait. Calls `note` before each instruction.
 * Returns the number of instructions, or -1 if the program ended. Sets `*last` to the last stop:
 * its thread must be resumed. */
static long step(long limit, struct stop *last, void (*note)(uint64_t address))
{
    long before = line_count, count = 0;
    for (;;) {
        struct stop stop = next_stop();
        if (ended)
            return -1;
        if (stop.kind >= ENDS)
            continue;
        struct user_regs_struct registers = registers_of(stop.thread);
        if (stop.kind == STEPS && stop.thread->about != 0) {
            note(stop.thread->about);
            count++;
        }
        stop.thread->about = stop.kind == GETS ? 0 : registers.rip;
        bool waits = stop.kind != GETS && about_to_wait(&registers);
        if (waits && line_count > before) {
            note(registers.rip); /* the last moment is the one before this instruction */
            count++;
        }
        if ((waits && line_count > before) ||
            (limit > 0 && count >= limit - 1 && stop.kind != OTHER)) {
            *last = stop;
            for (size_t i = 0; i < thread_count; i++)
                threads[i].about = 0;
            return count;
        }
        stop.thread->waits = waits;
        resume(&stop, true);
    }
}

/* ---- each --------------------------------------------------------------------------- */

static void record(uint64_t address)
{
    if (moment_count == MAX_MOMENTS)
        return;
    unsigned occurrence = 1;
    for (size_t i = moment_count; i-- > 0;)
        if (moments[i].address == address) {
            occurrence = moments[i].occurrence + 1;
            break;
        }
    moments[moment_count++] = (struct moment){address, occurrence};
}

/* Writes a byte over an instruction of the program. Returns the byte that was there. If that
 * fails, the breakpoint is missed, and does not count. */
static unsigned char put(uint64_t address, unsigned char byte)
{
    unsigned char old = byte;
    if (pread(memory, &old, 1, (off_t)address) != 1 ||
        pwrite(memory, &byte, 1, (off_t)address) != 1)
        return byte;
    return old;
}

/* One round: sends `first`, and at the moment `which` sends `second`. Returns RESTS if both lines
 * came and the program waits again; else what it does instead. */
static enum kind disturb(size_t which, int first, int second)
{
    struct moment moment = moments[which];
    long before = line_count;
    bool sent = false;
    unsigned char instruction = put(moment.address, BREAKPOINT);
    kill(program, first);
    while (!sent || line_count < before + 2 || !all_wait()) {
        struct stop stop = next_stop();
        if (stop.kind == RESTS || stop.kind == RUNS)
            return RUNS;
        if (ended)
            return ENDS;
        bool now = !sent && stop.kind == ENTERS && stop.thread->waits &&
                   line_count > before; /* the breakpoint was missed */
        if (stop.kind == STEPS && stop.thread->over) {
            stop.thread->over = false;
            if (!sent)
                put(moment.address, BREAKPOINT);
        } else if (stop.kind == STEPS) {
            struct user_regs_struct registers = registers_of(stop.thread);
            if (registers.rip == moment.address + 1) {
                registers.rip = moment.address;
                if (ptrace(PTRACE_SETREGS, stop.thread->number, NULL, &registers) == -1)
                    give_up("PTRACE_SETREGS");
                now = !sent && --moment.occurrence == 0;
                passed_count += now;
                if (!sent && !now) {
                    put(moment.address, instruction);
                    stop.thread->over = true;
                }
            }
        }
        if (now) {
            put(moment.address, instruction);
            if (sigqueue(program, second, (union sigval){.sival_int = (int)which + 1}) ==
                -1)
                give_up("sigqueue");
            sent = true;
        }
        resume(&stop, stop.kind < ENDS && stop.thread->over);
    }
    return RESTS;
}

/* Reports the moment at which the program failed, and how; 0 is before the first. */
static int report_loss(size_t moment)
{
    log_event("test: moment %zu, the program %s", moment, ended ? "ended" : "rests");
    return ended ? finish() : 0;
}

static int run_each(int first, int second)
{
    if (settle(1) != RESTS)
        return report_busy();
    open_memory();
    /* Do not record what happens only once: functions are resolved, memory is allocated. */
    for (int i = 0; i < 2; i++) {
        kill(program, i == 0 ? second : first);
        if (settle(line_count + 1) != RESTS)
            return report_loss(0);
    }
    struct stop last;
    kill(program, first);
    if (step(0, &last, record) == -1)
        return report_loss(0);
    resume(&last, false);
    if (settle(line_count) != RESTS)
        return report_loss(0);
    for (size_t i = 0; i < moment_count; i++) {
        if (i >= FIRST_MOMENTS && i + LAST_MOMENTS < moment_count &&
            i % MIDDLE_STRIDE != 0)
            continue;
        if (disturb(i, first, second) != RESTS)
            return report_loss(i + 1);
    }
    log_event("test: %zu of %zu moments", passed_count, moment_count);
    kill(program, SIGTERM);
    return finish();
}

/* ---- once --------------------------------------------------------------------------- */

static void ignore(uint64_t address)
{
    (void)address;
}

static int run_once(int number, long at, long lines)
{
    struct stop last;
    if (settle(lines) != RESTS)
        return report_busy();
    open_memory();
    log_event("test: it waits");
    long count = step(at, &last, ignore);
    if (count != -1) {
        kill(program, number);
        log_event("test: sent at step %ld", count + 1);
        resume(&last, false);
    }
    return finish();
}

int main(int argc, char *argv[])
{
    bool each = argc >= 5 && strcmp(argv[1], "each") == 0;
    bool once = argc >= 6 && strcmp(argv[1], "once") == 0;
    if (!each && !once)
        give_up("usage");
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGCHLD, SIG_DFL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = tick}, NULL);
    start(argv + (each ? 4 : 5));
    struct timeval time = {0, TICK_MICROSECONDS};
    setitimer(ITIMER_REAL, &(struct itimerval){time, time}, NULL);
    return each ? run_each(atoi(argv[2]), atoi(argv[3]))
                : run_once(atoi(argv[2]), atol(argv[3]), atol(argv[4]));
}

#else

int main(void)
{
    log_event("test: not possible: it works on x86-64 only");
    return 0;
}

#endif
