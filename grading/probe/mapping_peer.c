/*
 * mapping_peer.c - a server or client of shared memory that makes one move at a time.
 *
 * Usage: mapping_peer ROLE NAME KEY=VALUE...
 *
 * ROLE   server     create the shared memory NAME, and be its server
 *        client     open it, and be its client
 *        looker     open it, and be neither: for programs that use only the mutex
 *        unready    create what a server has created that is not ready yet
 *        empty      create an object of 0 bytes, as a server has it at first (UNIX)
 *
 * The checker passes the layout of the memory. The text begins at offset 0.
 *
 *        size=N             how many bytes the memory has
 *        unread=OFFSET      where `unread` is, a uint32_t: the text ends before it
 *  UNIX: state=, mutex=, value=, room=    the offsets of a uint32_t, a mutex, two semaphores
 *        ready=N, ended=N   the values of `state` of a server that runs, and has ended
 *        server=, alive=, client=         the bytes to lock
 *  Win32: mutex=, value=, room=, alive=, server=, client=   the names of the objects
 *
 * It obeys the contract of the memory, and on standard input one command a line. So it can
 * make the moves of a program, and stop or be killed between any two of them. It prints
 * "test: did COMMAND" after each.
 *
 *     lock, unlock    lock the mutex ("test: mutex abandoned" if its owner was killed); unlock it
 *     try             print whether it is free: "test: mutex is free", "test: mutex is taken"
 *     attributes      print what it is: "test: mutex is process-shared, robust" (UNIX)
 *     put TEXT        write the text and its NUL; half TEXT: its first half, and no NUL
 *     alternate N     N times: lock the mutex, fill the text with one letter, a or b in turn,
 *                     unlock the mutex
 *     mark            set `unread`, and wake the client; clear: reset it, and wake the server
 *     wake_both       wake both without a reason
 *     wake_killed     be killed while it wakes the other program, when that sleeps: the
 *                     semaphore is raised, and the sleeper not woken (UNIX; SetEvent is one step)
 *     try_alive       try to get the mutex `alive`: "test: alive is owned", "was abandoned",
 *                     "is free" or "does not exist" (Windows; UNIX has a lock instead)
 *     watch_wakes N   N times: change `unread` (a server writes a number), and look as soon as the other program
 *                     has changed it back and released the mutex: has it set the event before?
 *                     If not: "test: woken too late" (Windows)
 *     show            print the text and `unread`: test: "41" 1
 *     send TEXT       as a server: all moves in the right order, when there is room
 *     receive N       as a client: N numbers, each printed: test: received "41"
 *     end             end as a server or client does; so does end of file
 *
 * Exit code 99: the probe itself is wrong, or finds nothing under the name; it prints why.
 */
#include "ipclab.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#include <wchar.h>
#else
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

enum { LONGEST_TEXT = 1024 };

static bool server;  /* else a client, or a looker */
static char *memory; /* it begins with the text */
static size_t text_size;
static _Atomic uint32_t *unread;
static char **layout; /* the KEY=VALUE words */

_Noreturn static void give_up(const char *why)
{
    log_event("test: fault: %s", why);
    exit(99);
}

/* Returns the VALUE of `key`. */
static const char *value_of(const char *key)
{
    size_t length = strlen(key);
    for (char **word = layout; *word != NULL; word++)
        if (strncmp(*word, key, length) == 0 && (*word)[length] == '=')
            return *word + length + 1;
    give_up(key);
}

static size_t number_of(const char *key)
{
    return strtoul(value_of(key), NULL, 10);
}

#ifdef _WIN32

static HANDLE mutex, value, room, alive, part;

/* Returns `text` as UTF-16, until the next call. */
static const wchar_t *wide(const char *text)
{
    static wchar_t units[MAX_PATH];
    if (MultiByteToWideChar(CP_UTF8, 0, text, -1, units, MAX_PATH) == 0)
        give_up("MultiByteToWideChar");
    return units;
}

static const wchar_t *name_of(const char *key)
{
    return wide(value_of(key));
}

static void attach(const char *role, const char *name)
{
    HANDLE mapping;
    DWORD size = (DWORD)number_of("size");
    if (strcmp(role, "empty") == 0)
        give_up("a section of Windows always has a size");
    if (server) {
        mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, size,
                                     wide(name));
        if (mapping == NULL || GetLastError() == ERROR_ALREADY_EXISTS)
            give_up("the mapping cannot be created, or exists already");
    } else {
        mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, wide(name));
        if (mapping == NULL)
            give_up("there is no such mapping");
    }
    memory = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, size);
    if (memory == NULL)
        give_up("MapViewOfFile");
    if (strcmp(role, "unready") == 0)
        return;

    bool looker = strcmp(role, "looker") == 0;
    if (server) {
        mutex = CreateMutexW(NULL, FALSE, name_of("mutex"));
        value = CreateEventW(NULL, FALSE, FALSE, name_of("value"));
        room = CreateEventW(NULL, FALSE, FALSE, name_of("room"));
        alive = CreateMutexW(NULL, TRUE, name_of("alive"));
        part = CreateMutexW(NULL, FALSE, name_of("server"));
    } else {
        mutex = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE, name_of("mutex"));
        alive = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE, name_of("alive"));
        if (!looker) {
            value = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name_of("value"));
            room = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name_of("room"));
            part = CreateMutexW(NULL, FALSE, name_of("client"));
        }
    }
    if (GetLastError() == ERROR_ALREADY_EXISTS)
        give_up("another process has this role already");
    if (mutex == NULL || (!looker && (value == NULL || room == NULL)))
        give_up("the mapping exists, but not all of the other objects");
}

static void lock(void)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_ABANDONED)
        log_event("test: mutex abandoned");
    else if (result != WAIT_OBJECT_0)
        give_up("WaitForSingleObject");
}

static void lock_spinning(void)
{
    lock();
}

static void unlock(void)
{
    if (!ReleaseMutex(mutex))
        give_up("ReleaseMutex");
}

static bool is_free(void)
{
    if (WaitForSingleObject(mutex, 0) == WAIT_TIMEOUT)
        return false;
    unlock();
    return true;
}

static void print_attributes(void)
{
    give_up("a mutex of Windows does not have them");
}

static void wake(bool reader)
{
    SetEvent(reader ? value : room);
}

static void wait_for(bool number)
{
    WaitForSingleObject(number ? value : room, INFINITE);
}

static void wake_killed(void)
{
    give_up("SetEvent is one step");
}

static void try_alive(void)
{
    if (alive == NULL) {
        log_event("test: alive does not exist");
        return;
    }
    switch (WaitForSingleObject(alive, 0)) {
    case WAIT_TIMEOUT: log_event("test: alive is owned"); break;
    case WAIT_ABANDONED: log_event("test: alive was abandoned"); break;
    case WAIT_OBJECT_0: log_event("test: alive is free"); break;
    default: give_up("WaitForSingleObject");
    }
}

/* A wait for a mutex often gets it before the program that has released it makes another call. So a
 * wake-up that comes too late is seen in some of many rounds. */
static void watch_wakes(long count)
{
    HANDLE event = server ? room : value;
    for (long i = 0; i < count; i++) {
        lock();
        WaitForSingleObject(event, 0); /* resets it */
        if (server)
            snprintf(memory, text_size, "%ld", i);
        wake(server);
        atomic_store(unread, server);
        do { /* so that it waits when the other program releases the mutex */
            unlock();
            lock();
        } while ((atomic_load(unread) != 0) == server);
        if (WaitForSingleObject(event, 0) == WAIT_TIMEOUT)
            log_event("test: woken too late");
        else
            SetEvent(event); /* as it was */
        unlock();
    }
}

static void end_role(void)
{
    if (server)
        ReleaseMutex(alive); /* the handles go with the process */
}

#else

static _Atomic uint32_t *state;
static pthread_mutex_t *mutex;
static sem_t *value, *room;
static char path[NAME_MAX];

static void lock_byte(int object, const char *key)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)number_of(key),
                         .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == -1)
        give_up("another process has this role already");
}

static void attach(const char *role, const char *name)
{
    size_t size = number_of("size");
    snprintf(path, sizeof path, "/%s", name);
    int object = shm_open(path, O_RDWR | (server ? O_CREAT | O_EXCL : 0), 0600);
    if (object == -1)
        give_up("shm_open");
    if (server) {
        lock_byte(object, "server");
        lock_byte(object, "alive");
        if (strcmp(role, "empty") == 0)
            return;
        if (ftruncate(object, (off_t)size) == -1)
            give_up("ftruncate");
    } else if (lseek(object, 0, SEEK_END) < (off_t)size) {
        give_up("the shared memory is too short");
    } else if (strcmp(role, "client") == 0) {
        lock_byte(object, "client");
    }
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (memory == MAP_FAILED)
        give_up("mmap");
    state = (void *)(memory + number_of("state"));
    mutex = (void *)(memory + number_of("mutex"));
    value = (void *)(memory + number_of("value"));
    room = (void *)(memory + number_of("room"));
    if (server && strcmp(role, "unready") != 0) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(mutex, &attributes);
        sem_init(value, 1, 0);
        sem_init(room, 1, 0);
        atomic_store(state, (uint32_t)number_of("ready"));
    }
}

static void lock(void)
{
    int error = pthread_mutex_lock(mutex);
    if (error == EOWNERDEAD) {
        log_event("test: mutex abandoned");
        error = pthread_mutex_consistent(mutex);
    }
    if (error != 0)
        give_up(error == ENOTRECOVERABLE ? "the mutex is not recoverable"
                                         : "pthread_mutex_lock");
}

static void unlock(void)
{
    if (pthread_mutex_unlock(mutex) != 0)
        give_up("pthread_mutex_unlock");
}

/* As lock(), but it does not sleep: a program that sleeps comes too late for the race. */
static void lock_spinning(void)
{
    int error;
    while ((error = pthread_mutex_trylock(mutex)) == EBUSY)
        ;
    if (error != 0)
        give_up("pthread_mutex_trylock");
}

static bool is_free(void)
{
    int error = pthread_mutex_trylock(mutex);
    if (error == EBUSY)
        return false;
    if (error != 0)
        give_up("pthread_mutex_trylock");
    unlock();
    return true;
}

/* No call returns them. They are bits of a word that glibc keeps in the mutex. glibc makes a
 * robust mutex process-shared, too. */
static void print_attributes(void)
{
    enum { ROBUST = 16, PROCESS_SHARED = 128 };
    int kind = mutex->__data.__kind;
    log_event("test: mutex is %s, %s",
              kind & PROCESS_SHARED ? "process-shared" : "private",
              kind & ROBUST ? "robust" : "stalled");
}

static void wake(bool reader)
{
    sem_post(reader ? value : room);
}

static void wait_for(bool number)
{
    while (sem_wait(number ? value : room) == -1)
        if (errno != EINTR)
            give_up("sem_wait");
}

/* sem_post() raises the semaphore, and then, if a thread sleeps there, asks the kernel to wake
 * it. From here on the kernel kills this process for that. While no thread sleeps there, the
 * kernel is not asked, and the program that takes the post goes to sleep again: so repeat. */
static void wake_killed(void)
{
    static struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 || /* no core file of it */
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
        give_up("prctl");
    sem_t *event = server ? value : room;
    for (;;) {
        sem_post(event);
        for (int count = 1; count > 0; usleep(1000))
            sem_getvalue(event, &count);
    }
}

static void try_alive(void)
{
    give_up("UNIX has a lock instead");
}

static void watch_wakes(long count)
{
    (void)count;
    give_up("a semaphore is raised within a moment of the unlocking");
}

static void end_role(void)
{
    if (server) {
        shm_unlink(path);
        if (memory != NULL) {
            int count;
            atomic_store(state, (uint32_t)number_of("ended"));
            sem_post(value);
            if (sem_getvalue(value, &count) == 0 && count > 1)
                sem_trywait(value); /* the other post was for an unread number */
        }
    }
}

#endif

/* Waits for a number, or for room, and returns with the mutex locked. */
static void await_turn(bool number)
{
    for (;;) {
        lock();
        if ((atomic_load(unread) != 0) == number)
            return;
        unlock();
        wait_for(number);
    }
}

static void send_text(const char *text)
{
    await_turn(false);
    snprintf(memory, text_size, "%s", text);
    wake(true);
    atomic_store(unread, 1);
    unlock();
}

static void receive_text(char *text)
{
    await_turn(true);
    memcpy(text, memory, text_size);
    wake(false);
    atomic_store(unread, 0);
    unlock();
}

/* Writes texts as fast as it can. A mixture of two of them can be recognised. */
static void alternate(long count)
{
    for (long i = 0; i < count; i++) {
        lock_spinning();
        memset(memory, i % 2 == 0 ? 'a' : 'b', text_size - 1);
        memory[text_size - 1] = '\0';
        unlock();
    }
}

static void run_command(const char *command, const char *rest)
{
    if (strcmp(command, "lock") == 0) {
        lock();
    } else if (strcmp(command, "unlock") == 0) {
        unlock();
    } else if (strcmp(command, "try") == 0) {
        log_event("test: mutex is %s", is_free() ? "free" : "taken");
    } else if (strcmp(command, "attributes") == 0) {
        print_attributes();
    } else if (strcmp(command, "put") == 0) {
        snprintf(memory, text_size, "%s", rest);
    } else if (strcmp(command, "half") == 0) {
        for (size_t i = 0; i < strlen(rest) / 2; i++)
            memory[i] = rest[i];
    } else if (strcmp(command, "alternate") == 0) {
        alternate(atol(rest));
    } else if (strcmp(command, "mark") == 0) {
        atomic_store(unread, 1);
        wake(true);
    } else if (strcmp(command, "clear") == 0) {
        atomic_store(unread, 0);
        wake(false);
    } else if (strcmp(command, "wake_both") == 0) {
        wake(true);
        wake(false);
    } else if (strcmp(command, "wake_killed") == 0) {
        wake_killed();
    } else if (strcmp(command, "try_alive") == 0) {
        try_alive();
    } else if (strcmp(command, "watch_wakes") == 0) {
        watch_wakes(atol(rest));
    } else if (strcmp(command, "show") == 0) {
        char *line = quoted(memory, strnlen(memory, text_size));
        log_event("test: %s %u", line, (unsigned)atomic_load(unread));
        free(line);
    } else if (strcmp(command, "send") == 0) {
        send_text(rest);
    } else if (strcmp(command, "receive") == 0) {
        for (long left = atol(rest); left > 0; left--) {
            char text[LONGEST_TEXT];
            receive_text(text);
            char *line = quoted(text, strnlen(text, text_size));
            log_event("test: received %s", line);
            free(line);
        }
    } else {
        give_up("there is no such command");
    }
}

int main(int argc, char *argv[])
{
    if (argc < 3)
        give_up(
            "usage: mapping_peer server|client|looker|unready|empty NAME KEY=VALUE...");
    layout = argv + 3;
    text_size = number_of("unread");
    if (text_size > LONGEST_TEXT)
        give_up("the text is too long");
    server = strcmp(argv[1], "client") != 0 && strcmp(argv[1], "looker") != 0;
    attach(argv[1], argv[2]);
    if (memory != NULL)
        unread = (void *)(memory + text_size);
    log_event("test: attached");
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "end", 3) != 0) {
        line[strcspn(line, "\r\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (rest != NULL)
            *rest++ = '\0';
        run_command(line, rest != NULL ? rest : "");
        log_event("test: did %s", line);
    }
    end_role();
    return 0;
}
