/*
 * scripted_client.c - a client that follows a script.
 *
 * A checker copies it to the place where a server expects its client, and writes the script into the
 * copy (seal.h): one command a line. It prints what it does on standard error ("test: ..."), each
 * line sealed, and writes what it reads to the file NAME.received in the folder of the test. Built
 * for both systems from this one source.
 *
 *     tell WORDS      print the words
 *     arguments       print the arguments that it was started with
 *     send FILE       write the file's bytes to standard output, as few writes as possible
 *     trickle FILE    write them one at a time, each when the one before has been read
 *     empty           write 0 bytes, which Windows delivers as a read of 0 bytes
 *     receive N       read standard input until N more NUL bytes have come
 *     drain           read standard input to its end
 *     close-input     close standard input; close-output: the other
 *     await FILE      UNIX: wait until no process has a lock (flock) on the file
 *     inventory       print every pipe and socket that is open beside the three standard
 *                     streams, whether SIGPIPE arrived ignored or blocked, and under Wine
 *                     whether no handle was inherited
 *     handles         Windows: print how many handles the programs have whose name begins with "server"
 *     wait            do nothing until it is killed
 *     exit N          end with this exit code (the end of the script: 0)
 *
 * FILE is a name in the folder in which the scripted client runs. Exit code 99: the script or the
 * program itself is at fault. It has printed why.
 */
#include "briefed.h"

#ifdef _WIN32
#include "handles.h"
#else
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <linux/sockios.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#endif

static FILE *received;

_Noreturn static void give_up(const char *why)
{
    report("fault: %s", why);
    exit(99);
}

#ifdef _WIN32

static size_t put(const char *bytes, size_t length)
{
    DWORD written = 0;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), bytes, (DWORD)length, &written, NULL);
    return written;
}

static size_t get(char *bytes, size_t room)
{
    DWORD length;
    do { /* a read of 0 bytes is somebody's empty write */
        if (!ReadFile(GetStdHandle(STD_INPUT_HANDLE), bytes, (DWORD)room, &length, NULL))
            return 0;
    } while (length == 0);
    return length;
}

static void wait_until_read(void)
{
    FlushFileBuffers(GetStdHandle(STD_OUTPUT_HANDLE));
}

static void shut(bool input)
{
    CloseHandle(GetStdHandle(input ? STD_INPUT_HANDLE : STD_OUTPUT_HANDLE));
}

static void inventory(void)
{
    int count = 0;
    for (size_t number = 4; number < 0x2000; number += 4) {
        HANDLE handle = (HANDLE)number;
        if (GetFileType(handle) == FILE_TYPE_PIPE &&
            handle != GetStdHandle(STD_INPUT_HANDLE) &&
            handle != GetStdHandle(STD_OUTPUT_HANDLE) &&
            handle != GetStdHandle(STD_ERROR_HANDLE)) {
            report("extra handle 0x%zx, a pipe", number);
            count++;
        }
    }
    /* Wine gives the standard handles also to a client that inherits none: copies, the first three handles of
     * the new process. In a process that starts a client they are in use. */
    if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL &&
        GetStdHandle(STD_INPUT_HANDLE) == (HANDLE)4 &&
        GetStdHandle(STD_OUTPUT_HANDLE) == (HANDLE)8 &&
        GetStdHandle(STD_ERROR_HANDLE) == (HANDLE)12)
        report("nothing was inherited");
    report("%d extra", count);
}

static FILE *open_received(void)
{
    wchar_t path[sizeof brief.received] = L"";
    MultiByteToWideChar(CP_UTF8, 0, brief.received, -1, path, sizeof brief.received);
    return _wfopen(path, L"wb");
}

#else

static bool sigpipe_was_ignored;

static bool sigpipe_is_blocked(void)
{
    sigset_t blocked;
    return sigprocmask(SIG_BLOCK, NULL, &blocked) == 0 && sigismember(&blocked, SIGPIPE);
}

static size_t put(const char *bytes, size_t length)
{
    ssize_t written = write(STDOUT_FILENO, bytes, length);
    return written > 0 ? (size_t)written : 0;
}

static size_t get(char *bytes, size_t room)
{
    ssize_t length = read(STDIN_FILENO, bytes, room);
    return length > 0 ? (size_t)length : 0;
}

static void wait_until_read(void)
{
    /* A pipe has no event for "empty again", so check until it is. For a socket SIOCOUTQ returns
     * what the other end has not read. */
    int unread = 1, type;
    bool socket = getsockopt(STDOUT_FILENO, SOL_SOCKET, SO_TYPE, &type,
                             &(socklen_t){sizeof type}) == 0;
    while (ioctl(STDOUT_FILENO, socket ? SIOCOUTQ : FIONREAD, &unread) == 0 && unread > 0)
        sched_yield();
}

static void shut(bool input)
{
    /* Both streams may be one socket. Closing one of its descriptors ends nothing. */
    shutdown(input ? STDIN_FILENO : STDOUT_FILENO, input ? SHUT_RD : SHUT_WR);
    close(input ? STDIN_FILENO : STDOUT_FILENO);
}

static void inventory(void)
{
    int count = 0;
    if (sigpipe_was_ignored) {
        report("extra: the signal SIGPIPE arrived ignored");
        count++;
    }
    if (sigpipe_is_blocked()) {
        report("extra: the signal SIGPIPE arrived blocked");
        count++;
    }
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        give_up("/proc/self/fd cannot be read");
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int number = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || number <= 2 || number == dirfd(folder) ||
            number == fileno(received))
            continue;
        char target[256] = "";
        readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        if (strncmp(target, "pipe:", 5) != 0 && strncmp(target, "socket:", 7) != 0)
            continue;
        report("extra descriptor %d, %s", number, target);
        count++;
    }
    closedir(folder);
    report("%d extra", count);
}

static FILE *open_received(void)
{
    return fopen(brief.received, "wb");
}

#endif

static char *load(const char *name, size_t *length)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        give_up("a file to send is not there");
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    if (bytes == NULL || fread(bytes, 1, *length, file) != *length)
        give_up("a file to send cannot be read");
    fclose(file);
    return bytes;
}

/* Writes the file, `portion` bytes at a time. Returns false when the reader has gone. */
static bool send_file(const char *name, bool single)
{
    size_t length, done = 0;
    char *bytes = load(name, &length);
    while (done < length) {
        size_t written = put(bytes + done, single ? 1 : length - done);
        if (written == 0)
            break;
        done += written;
        if (single)
            wait_until_read();
    }
    free(bytes);
    if (done < length)
        report("could not send byte %zu of %zu", done + 1, length);
    return done == length;
}

/* Reads until `wanted` NUL bytes have come, or to the end with -1. */
static void receive(long wanted)
{
    static char portion[65536];
    while (wanted != 0) {
        size_t length = get(portion, sizeof portion);
        if (length == 0) {
            report("end of input");
            return;
        }
        fwrite(portion, 1, length, received);
        fflush(received);
        seal_add(&received_seal, portion, length);
        for (size_t i = 0; i < length && wanted > 0; i++)
            wanted -= portion[i] == '\0';
    }
    report("received");
}

static void obey(char *line, int argc, char *argv[])
{
    char *rest = strchr(line, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = line + strlen(line);

    if (strcmp(line, "tell") == 0) {
        report("%s", rest);
    } else if (strcmp(line, "arguments") == 0) {
        for (int i = 1; i < argc; i++)
            report("argument %d is %s", i, argv[i]);
        report("%d arguments", argc - 1);
    } else if (strcmp(line, "send") == 0) {
        send_file(rest, false);
    } else if (strcmp(line, "trickle") == 0) {
        send_file(rest, true);
    } else if (strcmp(line, "empty") == 0) {
        put("", 0);
    } else if (strcmp(line, "receive") == 0) {
        receive(atol(rest));
    } else if (strcmp(line, "drain") == 0) {
        receive(-1);
    } else if (strcmp(line, "close-input") == 0) {
        shut(true);
    } else if (strcmp(line, "close-output") == 0) {
        shut(false);
    } else if (strcmp(line, "inventory") == 0) {
        inventory();
#ifdef _WIN32
    } else if (strcmp(line, "handles") == 0) {
        report("%lu handles", count_handles(L"server"));
#else
    } else if (strcmp(line, "await") == 0) {
        int file = open(rest, O_RDONLY);
        if (file == -1 || flock(file, LOCK_SH) == -1)
            give_up(rest);
        close(file);
#endif
    } else if (strcmp(line, "wait") == 0) {
#ifdef _WIN32
        Sleep(INFINITE);
#else
        pause();
#endif
    } else if (strcmp(line, "exit") == 0) {
        exit(atoi(rest));
    } else if (*line != '\0') {
        give_up(line);
    }
}

int main(int argc, char *argv[])
{
    log_to_stderr();
#ifndef _WIN32
    sigpipe_was_ignored = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
#endif
    if (!brief.given)
        return 0; /* nothing to do: a checker measures a start and an end with it */
    seal_begin(&received_seal, brief.key);
    received = open_received();
    if (received == NULL)
        give_up("no file for what is received");
    for (char *line = brief.script, *end; (end = strchr(line, '\n')) != NULL;
         line = end + 1) {
        *end = '\0';
        obey(line, argc, argv);
    }
    return 0;
}
