/*
 * mapping_peer.c - the checker's own server or client of lab 04, one move at a time.
 *
 * Usage: mapping_peer server NAME     make the shared memory NAME and be its server
 *        mapping_peer client NAME     open it and be its client
 *        mapping_peer looker NAME     open it and be nobody: for a lab with the mutex alone
 *        mapping_peer unready NAME    make what a server has made that is not ready yet
 *        mapping_peer empty NAME      make an object of 0 bytes, as a server has it at first (UNIX)
 *
 * It obeys lab 04's contract.h, and on standard input one command a line, so that it can do
 * right what a program does in one go, and stop, or be killed, at any place in between. It tells
 * "test: did COMMAND" after each. Built for both systems from this one source.
 *
 *     lock, unlock    take the mutex ("test: mutex abandoned" where its owner died), release it
 *     try             look whether it is free: "test: mutex is free", "test: mutex is taken"
 *     attributes      tell what the mutex is: "test: mutex is process-shared, robust" (UNIX)
 *     put TEXT        write the text and its NUL; half TEXT: its first half, and no NUL
 *     flicker N       N times: take the mutex, fill the text with one letter, now a, now b, and
 *                     release it
 *     mark            set `unread` and wake the client; clear: reset it and wake the server
 *     nudge           wake both for nothing
 *     perish          die in the middle of waking the other, once that sleeps: its semaphore is
 *                     raised, and nobody has called the sleeper (UNIX; SetEvent is one step)
 *     seize           try for the mutex `alive`, and tell: test: alive is owned, or was
 *                     abandoned, or is free (Windows; there are no locks to try for on UNIX)
 *     show            print the text and `unread`: test: "41" 1
 *     send TEXT       as a server: all of that in its right order, when there is room
 *     receive N       as a client: N numbers, each printed: test: received "41"
 *     sequence N      send or receive the next N numbers of the contract, telling of a wrong one
 *     end             leave as a server or client does; so does the end of input
 *
 * Exit code 99: the probe itself is at fault, or finds nothing by the name; it has said why.
 */
#include "ipclab.h"

#include <stddef.h>

#ifdef _WIN32
#include <wchar.h>
#else
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "../../labs/04-shared-memory/contract.h"

static bool server; /* else a client, or nobody */
static struct slot *slot;
static uint32_t state = FIRST_STATE;

_Noreturn static void give_up(const char *why)
{
    log_event("test: fault: %s", why);
    exit(99);
}

#ifdef _WIN32

static HANDLE mutex, value, room, alive, part;

static const wchar_t *name_of(const wchar_t *format, const char *name)
{
    static wchar_t full[NAME_ROOM], wide[NAME_ROOM];
    MultiByteToWideChar(CP_ACP, 0, name, -1, wide, NAME_ROOM);
    swprintf(full, NAME_ROOM, format, wide);
    return full;
}

static void attach(const char *role, const char *name)
{
    const wchar_t *mutex_name = strcmp(name, DEFAULT_NAME) == 0 ? DEFAULT_MUTEX_NAME
                                                                : MUTEX_NAME;
    HANDLE mapping;
    if (strcmp(role, "empty") == 0)
        give_up("a section of Windows has its size from the start");
    if (server) {
        mapping = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                     sizeof *slot, name_of(L"%ls", name));
        if (mapping == NULL || GetLastError() == ERROR_ALREADY_EXISTS)
            give_up("the mapping cannot be made, or is there");
    } else {
        mapping = OpenFileMappingW(FILE_MAP_ALL_ACCESS, FALSE, name_of(L"%ls", name));
        if (mapping == NULL)
            give_up("there is no such mapping");
    }
    slot = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, sizeof *slot);
    if (slot == NULL)
        give_up("MapViewOfFile");
    if (strcmp(role, "unready") == 0)
        return;

    bool looker = strcmp(role, "looker") == 0;
    if (server) {
        mutex = CreateMutexW(NULL, FALSE, name_of(mutex_name, name));
        value = CreateEventW(NULL, FALSE, FALSE, name_of(VALUE_NAME, name));
        room = CreateEventW(NULL, FALSE, FALSE, name_of(ROOM_NAME, name));
        alive = CreateMutexW(NULL, TRUE, name_of(ALIVE_NAME, name));
        part = CreateMutexW(NULL, FALSE, name_of(SERVER_NAME, name));
    } else {
        mutex = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                           name_of(mutex_name, name));
        alive = OpenMutexW(SYNCHRONIZE | MUTEX_MODIFY_STATE, FALSE,
                           name_of(ALIVE_NAME, name));
        if (!looker) {
            value = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE,
                               name_of(VALUE_NAME, name));
            room = OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE,
                              name_of(ROOM_NAME, name));
            part = CreateMutexW(NULL, FALSE, name_of(CLIENT_NAME, name));
        }
    }
    if (GetLastError() == ERROR_ALREADY_EXISTS)
        give_up("somebody plays this part already");
    if (mutex == NULL || (!looker && (value == NULL || room == NULL)))
        give_up("there is a mapping, but not all that belongs to it");
}

static void lock(void)
{
    DWORD result = WaitForSingleObject(mutex, INFINITE);
    if (result == WAIT_ABANDONED)
        log_event("test: mutex abandoned");
    else if (result != WAIT_OBJECT_0)
        give_up("WaitForSingleObject");
}

static void snatch(void)
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

static void tell_attributes(void)
{
    give_up("a mutex of Windows has no such attributes");
}

static void wake(bool reader)
{
    SetEvent(reader ? value : room);
}

static void wait_for(bool number)
{
    WaitForSingleObject(number ? value : room, INFINITE);
}

static void perish(void)
{
    give_up("nobody can die inside SetEvent");
}

static void seize(void)
{
    switch (WaitForSingleObject(alive, 0)) {
    case WAIT_TIMEOUT: log_event("test: alive is owned"); break;
    case WAIT_ABANDONED: log_event("test: alive was abandoned"); break;
    case WAIT_OBJECT_0: log_event("test: alive is free"); break;
    default: give_up("WaitForSingleObject");
    }
}

static void leave(void)
{
    if (server)
        ReleaseMutex(alive); /* the handles go with the process */
}

#else

static struct shared *shared;
static char path[NAME_ROOM];

static void seat(int object, off_t byte)
{
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(object, F_SETLK, &lock) == -1)
        give_up("somebody plays this part already");
}

static void attach(const char *role, const char *name)
{
    snprintf(path, sizeof path, "/%s", name);
    int object = shm_open(path, O_RDWR | (server ? O_CREAT | O_EXCL : 0), 0600);
    if (object == -1)
        give_up("shm_open");
    if (server) {
        seat(object, LOCK_SERVER);
        seat(object, LOCK_ALIVE);
        if (strcmp(role, "empty") == 0)
            return;
        if (ftruncate(object, sizeof *shared) == -1)
            give_up("ftruncate");
    } else if (lseek(object, 0, SEEK_END) < (off_t)sizeof *shared) {
        give_up("the shared memory is too short");
    } else if (strcmp(role, "client") == 0) {
        seat(object, LOCK_CLIENT);
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    if (shared == MAP_FAILED)
        give_up("mmap");
    slot = &shared->slot;
    if (server && strcmp(role, "unready") != 0) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&shared->mutex, &attributes);
        sem_init(&shared->value, 1, 0);
        sem_init(&shared->room, 1, 0);
        atomic_store(&shared->state, READY);
    }
}

static void lock(void)
{
    int error = pthread_mutex_lock(&shared->mutex);
    if (error == EOWNERDEAD) {
        log_event("test: mutex abandoned");
        error = pthread_mutex_consistent(&shared->mutex);
    }
    if (error != 0)
        give_up(error == ENOTRECOVERABLE ? "the mutex is not recoverable"
                                         : "pthread_mutex_lock");
}

static void unlock(void)
{
    if (pthread_mutex_unlock(&shared->mutex) != 0)
        give_up("pthread_mutex_unlock");
}

/* As lock(), without a sleep: whoever sleeps comes too late to meet somebody at work. */
static void snatch(void)
{
    int error;
    while ((error = pthread_mutex_trylock(&shared->mutex)) == EBUSY)
        ;
    if (error != 0)
        give_up("pthread_mutex_trylock");
}

static bool is_free(void)
{
    int error = pthread_mutex_trylock(&shared->mutex);
    if (error == EBUSY)
        return false;
    if (error != 0)
        give_up("pthread_mutex_trylock");
    unlock();
    return true;
}

/* No call tells them. They are bits of a word that glibc keeps in the mutex; where a mutex is
 * robust, glibc makes it process-shared, too. */
static void tell_attributes(void)
{
    enum { ROBUST = 16, PROCESS_SHARED = 128 };
    int kind = shared->mutex.__data.__kind;
    log_event("test: mutex is %s, %s",
              kind & PROCESS_SHARED ? "process-shared" : "private",
              kind & ROBUST ? "robust" : "stalled");
}

static void wake(bool reader)
{
    sem_post(reader ? &shared->value : &shared->room);
}

static void wait_for(bool number)
{
    while (sem_wait(number ? &shared->value : &shared->room) == -1)
        if (errno != EINTR)
            give_up("sem_wait");
}

/* sem_post raises the semaphore, and then, where somebody sleeps there, asks the kernel to wake
 * him. From here on the kernel answers that with our death. While nobody sleeps there it is not
 * asked, and whoever takes the wake-up goes to sleep again: so again. */
static void perish(void)
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
    sem_t *event = server ? &shared->value : &shared->room;
    for (;;) {
        sem_post(event);
        for (int count = 1; count > 0; usleep(1000))
            sem_getvalue(event, &count);
    }
}

static void seize(void)
{
    give_up("there is no mutex of that name");
}

static void leave(void)
{
    if (server) {
        shm_unlink(path);
        if (shared != NULL)
            atomic_store(&shared->state, ENDED);
    }
}

#endif

/* Waits for a number (or for room) and returns with the mutex taken. */
static void await_turn(bool number)
{
    for (;;) {
        lock();
        if ((slot->unread != 0) == number)
            return;
        unlock();
        wait_for(number);
    }
}

static void send_text(const char *text)
{
    await_turn(false);
    snprintf(slot->text, TEXT_SIZE, "%s", text);
    wake(true);
    slot->unread = 1;
    unlock();
}

static void receive_text(char *text)
{
    await_turn(true);
    memcpy(text, slot->text, TEXT_SIZE);
    wake(false);
    slot->unread = 0;
    unlock();
}

static void sequence(long count)
{
    for (long i = 0; i < count; i++) {
        char text[TEXT_SIZE], expected[TEXT_SIZE];
        snprintf(expected, sizeof expected, "%u", next_number(&state));
        if (server) {
            send_text(expected);
            continue;
        }
        receive_text(text);
        if (strncmp(text, expected, TEXT_SIZE) != 0) {
            char *got = quoted(text, strnlen(text, TEXT_SIZE));
            log_event("test: wrong: number %ld is %s, not \"%s\"", i + 1, got, expected);
            free(got);
            return;
        }
    }
    log_event("test: %ld numbers in order", count);
}

/* Texts of which a mixture can be told, as fast as they can be written. */
static void flicker(long count)
{
    for (long i = 0; i < count; i++) {
        snatch();
        memset(slot->text, i % 2 == 0 ? 'a' : 'b', TEXT_SIZE - 1);
        slot->text[TEXT_SIZE - 1] = '\0';
        unlock();
    }
}

static void obey(const char *command, const char *rest)
{
    char text[TEXT_SIZE];
    if (strcmp(command, "lock") == 0) {
        lock();
    } else if (strcmp(command, "unlock") == 0) {
        unlock();
    } else if (strcmp(command, "try") == 0) {
        log_event("test: mutex is %s", is_free() ? "free" : "taken");
    } else if (strcmp(command, "attributes") == 0) {
        tell_attributes();
    } else if (strcmp(command, "put") == 0) {
        snprintf(slot->text, TEXT_SIZE, "%s", rest);
    } else if (strcmp(command, "half") == 0) {
        memcpy(slot->text, rest, strlen(rest) / 2);
    } else if (strcmp(command, "flicker") == 0) {
        flicker(atol(rest));
    } else if (strcmp(command, "mark") == 0) {
        slot->unread = 1;
        wake(true);
    } else if (strcmp(command, "clear") == 0) {
        slot->unread = 0;
        wake(false);
    } else if (strcmp(command, "nudge") == 0) {
        wake(true);
        wake(false);
    } else if (strcmp(command, "perish") == 0) {
        perish();
    } else if (strcmp(command, "seize") == 0) {
        seize();
    } else if (strcmp(command, "show") == 0) {
        char *line = quoted(slot->text, strnlen(slot->text, TEXT_SIZE));
        log_event("test: %s %u", line, (unsigned)slot->unread);
        free(line);
    } else if (strcmp(command, "send") == 0) {
        send_text(rest);
    } else if (strcmp(command, "receive") == 0) {
        for (long left = atol(rest); left > 0; left--) {
            receive_text(text);
            char *line = quoted(text, strnlen(text, TEXT_SIZE));
            log_event("test: received %s", line);
            free(line);
        }
    } else if (strcmp(command, "sequence") == 0) {
        sequence(atol(rest));
    } else {
        give_up("there is no such command");
    }
}

int main(int argc, char *argv[])
{
    if (argc != 3)
        give_up("usage: mapping_peer server|client|looker|unready|empty NAME");
    server = strcmp(argv[1], "client") != 0 && strcmp(argv[1], "looker") != 0;
    attach(argv[1], argv[2]);
    log_event("test: attached");
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "end", 3) != 0) {
        line[strcspn(line, "\r\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (rest != NULL)
            *rest++ = '\0';
        obey(line, rest != NULL ? rest : "");
        log_event("test: did %s", line);
    }
    leave();
    return 0;
}
