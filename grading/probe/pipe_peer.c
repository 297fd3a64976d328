/*
 * pipe_peer.c - plays clients of lab 02 to judge a server, and its server to judge a client.
 *
 * Started by a checker, it obeys commands on standard input, one a line, and tells on standard
 * output what came of each ("test: ..."). It knows what the two ends of a conversation have to
 * do (lab 02's contract), and how to do it wrong. Built for both systems from this one source;
 * on UNIX it speaks through FIFOs or through a SOCK_SEQPACKET socket, as ADDRESS is.
 *
 * As clients, each with a number K of its own:
 *
 *     connect K ADDRESS       "K connected", or "K refused: ..."; on UNIX "K names are left"
 *                             if the server has not removed those of the client's FIFOs
 *     eager K ADDRESS         Windows: the same for a pipe that is not there yet: connect as
 *                             soon as it is
 *     send K FILE             send the file's bytes as one message
 *     receive K               wait for a message, put it into the file received.K and say
 *                             "K received N bytes", or "K is at its end"
 *     close K                 leave
 *     many ADDRESS COUNT      COUNT clients, one after the other, one exchange each
 *     crowd ADDRESS COUNT ROUNDS    COUNT clients at once, connected before the first speaks
 *     info ADDRESS            Windows: the pipe's instances, type and security descriptor
 *
 * Through FIFOs alone:
 *
 *     raw K FILE              write the file's bytes as they are, without a length
 *     trickle K FILE          send a message one byte at a time, each when the last is read
 *     announce ADDRESS FILE   write bytes to the well-known FIFO
 *     absent ADDRESS          make a pair and announce it, but open neither end; its names are
 *                             removed at the end of the commands
 *
 * As a server of one client at a time, who may also come anew for each message:
 *
 *     listen ADDRESS KIND     make the pipe; KIND is fifo, seqpacket or pipe
 *     next                    wait for the next message, put it into the file message and say
 *                             "message of N bytes"; on the way "accepted", "client left"
 *     reply FILE              send the file's bytes to the client as one message
 *     raw-reply FILE          the same without a length (FIFOs)
 *     left                    wait until the client has left
 *     drop                    disconnect the client, once it has read all
 *     unlisten                remove the pipe
 *     occupy, vacate          Windows: let a client of our own take the one instance; leave
 *     rival                   Windows: leave, and take the instance again before any other client,
 *                             which was told that it is free ("the rival is there")
 *     fill, spill             FIFOs: leave 3 bytes of room in the well-known FIFO ("filled"); wait until
 *                             a client has made its pair and sleeps, then say "N bytes more
 *                             came" and take everything but the announcement out
 *
 * Exit code 99: a command or the probe itself is at fault; it has said why.
 */
#include "ipclab.h"

#ifdef _WIN32
#include <aclapi.h>
#include <sddl.h>
#else
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#endif

#define MOST_CLIENTS 256
#define LARGEST 300000 /* messages longer than the contract's limit are sent, too */

_Noreturn static void give_up(const char *why)
{
    log_event("test: fault: %s", why);
    exit(99);
}

static char *load(const char *name, size_t *length)
{
    FILE *file = name == NULL ? NULL : fopen(name, "rb");
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

static void store(const char *name, const char *bytes, size_t length)
{
    FILE *file = fopen(name, "wb");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        give_up("no file for what is received");
}

/* What came last. */
static char received[LARGEST];
static size_t received_length;

/* One end of a conversation, and the calls that differ between the systems:
 *
 *     call       as a client; returns NULL, or why it was refused
 *     put        sends a message; returns false when nobody is there
 *     get        waits for a message, into `received`; returns false at the end
 *     hang_up    leaves
 *     offer      as a server: makes the pipe; take_back removes it
 *     answer     waits for a client
 *     dismiss    disconnects it, once it has read all */
struct end;

#ifdef _WIN32

struct end {
    bool open;
    HANDLE pipe;
};

static HANDLE instance = INVALID_HANDLE_VALUE, occupant = INVALID_HANDLE_VALUE;

static const wchar_t *wide(const char *text)
{
    static wchar_t buffer[1024];
    if (MultiByteToWideChar(CP_UTF8, 0, text, -1, buffer, 1024) == 0)
        give_up("an address that is too long");
    return buffer;
}

static bool eager; /* do not mind that the pipe is not there yet */

static const char *call(struct end *end, const char *address, bool patient)
{
    static char why[64];
    for (;;) {
        end->pipe = CreateFileW(wide(address), GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
        if (end->pipe != INVALID_HANDLE_VALUE)
            break;
        /* No call waits for a name, so this looks until it is there. */
        if (eager && GetLastError() == ERROR_FILE_NOT_FOUND)
            continue;
        if (!patient || GetLastError() != ERROR_PIPE_BUSY ||
            !WaitNamedPipeW(wide(address), 20000)) {
            snprintf(why, sizeof why, "error %lu", GetLastError());
            return why;
        }
    }
    DWORD mode = PIPE_READMODE_MESSAGE | PIPE_WAIT;
    if (!SetNamedPipeHandleState(end->pipe, &mode, NULL, NULL)) {
        CloseHandle(end->pipe);
        return "it carries no messages";
    }
    end->open = true;
    return NULL;
}

static bool put(struct end *end, const char *bytes, size_t length)
{
    DWORD written;
    return WriteFile(end->pipe, bytes, (DWORD)length, &written, NULL);
}

static bool get(struct end *end)
{
    DWORD length;
    if (!ReadFile(end->pipe, received, LARGEST, &length, NULL))
        return false;
    received_length = length;
    return true;
}

static void hang_up(struct end *end)
{
    CloseHandle(end->pipe);
    end->open = false;
}

static void offer(const char *address, const char *kind)
{
    (void)kind;
    instance = CreateNamedPipeW(wide(address), PIPE_ACCESS_DUPLEX,
                                PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT, 1,
                                512, 512, 5000, NULL);
    if (instance == INVALID_HANDLE_VALUE)
        give_up("CreateNamedPipe");
}

static void answer(struct end *end)
{
    if (!ConnectNamedPipe(instance, NULL) && GetLastError() != ERROR_PIPE_CONNECTED &&
        GetLastError() != ERROR_NO_DATA)
        give_up("ConnectNamedPipe");
    end->pipe = instance;
    end->open = true;
}

static void dismiss(struct end *end)
{
    FlushFileBuffers(end->pipe);
    DisconnectNamedPipe(end->pipe);
    end->open = false;
}

static void take_back(void)
{
    CloseHandle(instance);
}

static void occupy(const char *address)
{
    occupant = CreateFileW(wide(address), GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (occupant == INVALID_HANDLE_VALUE)
        give_up("occupy");
}

static void vacate(void)
{
    CloseHandle(occupant);
    DisconnectNamedPipe(instance);
}

static DWORD WINAPI let_in(void *unused)
{
    (void)unused;
    return ConnectNamedPipe(instance, NULL);
}

static void rival(const char *address)
{
    vacate();
    HANDLE thread = CreateThread(NULL, 0, let_in, NULL, 0, NULL);
    while (WaitNamedPipeW(wide(address), 20000) == 0 &&
           GetLastError() == ERROR_FILE_NOT_FOUND)
        continue;
    occupy(address);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    log_event("test: the rival is there");
}

static void tell_info(const char *address)
{
    struct end end;
    const char *why = call(&end, address, true);
    if (why != NULL)
        give_up(why);
    DWORD flags, most, now;
    PSECURITY_DESCRIPTOR descriptor;
    char *text = "?";
    if (!GetNamedPipeInfo(end.pipe, &flags, NULL, NULL, &most) ||
        !GetNamedPipeHandleStateW(end.pipe, NULL, &now, NULL, NULL, NULL, 0) ||
        GetSecurityInfo(end.pipe, SE_KERNEL_OBJECT,
                        OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, NULL,
                        NULL, NULL, NULL, &descriptor) != ERROR_SUCCESS ||
        !ConvertSecurityDescriptorToStringSecurityDescriptorA(
            descriptor, SDDL_REVISION_1,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &text, NULL))
        give_up("the pipe tells nothing");
    log_event("test: instances %lu", now);
    log_event("test: type %s", flags & PIPE_TYPE_MESSAGE ? "message" : "byte");
    log_event("test: security %s", text);
    hang_up(&end);
}

#else

struct end {
    bool open, framed;
    int from, to; /* the same for a socket */
};

static char served[PATH_MAX]; /* the address that we serve */
static bool serves_fifo;
static int listener = -1, keeper = -1;

static bool put_raw(struct end *end, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(end->to, bytes + done, length - done);
        if (written <= 0)
            return false;
        done += (size_t)written;
    }
    return true;
}

static bool get_raw(struct end *end, char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = read(end->from, bytes + done, length - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static char *frame(const char *bytes, size_t length)
{
    char *whole = malloc(4 + length);
    if (whole == NULL)
        give_up("no memory");
    for (int i = 0; i < 4; i++)
        whole[i] = (char)(length >> 8 * (3 - i));
    memcpy(whole + 4, bytes, length);
    return whole;
}

static bool put(struct end *end, const char *bytes, size_t length)
{
    if (!end->framed)
        return send(end->to, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
    char *whole = frame(bytes, length);
    bool done = put_raw(end, whole, 4 + length);
    free(whole);
    return done;
}

static bool get(struct end *end)
{
    if (!end->framed) {
        ssize_t got = recv(end->from, received, LARGEST, 0);
        received_length = got > 0 ? (size_t)got : 0;
        return got > 0;
    }
    unsigned char head[4];
    if (!get_raw(end, (char *)head, 4))
        return false;
    received_length = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
                      (size_t)head[2] << 8 | head[3];
    if (received_length > LARGEST)
        give_up("a length that cannot be");
    return get_raw(end, received, received_length);
}

static void hang_up(struct end *end)
{
    close(end->from);
    if (end->framed)
        close(end->to);
    end->open = false;
}

static void name_pair(const char *address, long pid, char to_server[], char to_client[])
{
    if (snprintf(to_server, PATH_MAX, "%s.%ld.to_server", address, pid) >= PATH_MAX ||
        snprintf(to_client, PATH_MAX, "%s.%ld.to_client", address, pid) >= PATH_MAX)
        give_up("an address that is too long");
}

static void announce(const char *address, const char *bytes, size_t length)
{
    int fifo = open(address, O_WRONLY | O_NONBLOCK);
    if (fifo == -1 || fcntl(fifo, F_SETFL, 0) == -1 ||
        write(fifo, bytes, length) != (ssize_t)length)
        give_up("the well-known FIFO takes nothing");
    close(fifo);
}

static void announce_self(const char *address)
{
    char line[32];
    announce(address, line,
             (size_t)snprintf(line, sizeof line, "\n%ld\n", (long)getpid()));
}

static const char *call_by_fifo(struct end *end, const char *address)
{
    char to_server[PATH_MAX], to_client[PATH_MAX];
    name_pair(address, (long)getpid(), to_server, to_client);
    if (mkfifo(to_server, 0600) == -1 || mkfifo(to_client, 0600) == -1)
        give_up("mkfifo");
    end->from = open(to_client, O_RDONLY | O_NONBLOCK);
    int spare = open(to_server, O_RDONLY | O_NONBLOCK);
    end->to = open(to_server, O_WRONLY);
    if (end->from == -1 || spare == -1 || end->to == -1)
        give_up("open");
    announce_self(address);
    end->framed = end->open = true;
    struct pollfd greeting = {.fd = end->from, .events = POLLIN};
    poll(&greeting, 1, -1);
    fcntl(end->from, F_SETFL, 0);
    close(spare);
    bool greeted = get(end);
    if (access(to_server, F_OK) == 0 || access(to_client, F_OK) == 0)
        log_event("test: names are left");
    unlink(to_server);
    unlink(to_client);
    if (greeted && received_length == 0)
        return NULL;
    hang_up(end);
    return greeted ? "the first message is not empty" : "the server closed";
}

static struct sockaddr_un path_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        give_up("an address that is too long");
    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

static const char *call(struct end *end, const char *address, bool patient)
{
    (void)patient;
    struct stat facts;
    if (stat(address, &facts) == -1)
        return strerror(errno);
    if (S_ISFIFO(facts.st_mode))
        return call_by_fifo(end, address);
    struct sockaddr_un to = path_address(address);
    end->from = end->to = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(end->to, (struct sockaddr *)&to, sizeof to) == -1)
        return strerror(errno);
    end->open = true;
    end->framed = false;
    return NULL;
}

static void offer(const char *address, const char *kind)
{
    snprintf(served, sizeof served, "%s", address);
    serves_fifo = strcmp(kind, "fifo") == 0;
    if (serves_fifo) {
        if (mkfifo(served, 0600) == -1 ||
            (listener = open(served, O_RDONLY | O_NONBLOCK)) == -1 ||
            (keeper = open(served, O_WRONLY)) == -1 || fcntl(listener, F_SETFL, 0) == -1)
            give_up("the FIFO cannot be made");
    } else {
        struct sockaddr_un at = path_address(served);
        listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
        if (bind(listener, (struct sockaddr *)&at, sizeof at) == -1 ||
            listen(listener, 50) == -1)
            give_up("the socket cannot be made");
    }
}

static void take_back(void)
{
    unlink(served);
    close(listener);
    close(keeper);
}

static void answer(struct end *end)
{
    end->open = true;
    end->framed = serves_fifo;
    if (!serves_fifo) {
        end->from = end->to = accept(listener, NULL, NULL);
        return;
    }
    char line[64] = "", byte;
    for (size_t length = 0; length == 0 || line[length - 1] != '\n';) {
        if (read(listener, &byte, 1) != 1 || length == sizeof line - 1)
            give_up("no announcement");
        if (length > 0 || byte != '\n')
            line[length++] = byte;
    }
    char to_server[PATH_MAX], to_client[PATH_MAX], *rest;
    name_pair(served, strtol(line, &rest, 10), to_server, to_client);
    if (*rest != '\n')
        log_event("test: no announcement: %s", line);
    struct stat facts;
    if (stat(to_server, &facts) == 0 && (facts.st_mode & 077) != 0)
        log_event("test: others may open the FIFOs");
    end->to = open(to_client, O_WRONLY | O_NONBLOCK);
    end->from = open(to_server, O_RDONLY | O_NONBLOCK);
    if (end->from == -1 || end->to == -1) {
        log_event("test: the client has not opened its FIFOs before it announced them");
        end->open = false;
        return;
    }
    fcntl(end->from, F_SETFL, 0);
    fcntl(end->to, F_SETFL, 0);
    unlink(to_server);
    unlink(to_client);
    put(end, "", 0);
}

static void dismiss(struct end *end)
{
    hang_up(end);
}

static void occupy(const char *address)
{
    (void)address;
}

static void vacate(void)
{
}

static void rival(const char *address)
{
    give_up(address);
}

static void tell_info(const char *address)
{
    give_up(address);
}

/* ---- Through FIFOs alone ------------------------------------------------------------ */

static void trickle(struct end *end, const char *bytes, size_t length)
{
    char *whole = frame(bytes, length);
    for (size_t i = 0; i < 4 + length; i++) {
        put_raw(end, whole + i, 1);
        /* A pipe has no event for "empty again", so this looks until it is. */
        for (int unread = 1; ioctl(end->to, FIONREAD, &unread) == 0 && unread > 0;)
            sched_yield();
    }
    free(whole);
}

/* The names of a client that is not there, who would have to remove them. */
static char absent_to_server[PATH_MAX], absent_to_client[PATH_MAX];

static void stay_absent(const char *address)
{
    char *to_server = absent_to_server, *to_client = absent_to_client;
    name_pair(address, (long)getpid(), to_server, to_client);
    if (mkfifo(to_server, 0600) == -1 || mkfifo(to_client, 0600) == -1)
        give_up("mkfifo");
    announce_self(address);
}

static int filled;

/* Writes until a whole announcement has no room, but a byte or two have. */
static void fill(void)
{
    char page[4096];
    memset(page, '\n', sizeof page);
    int capacity = fcntl(keeper, F_GETPIPE_SZ);
    for (filled = 0; filled < capacity - 3;) {
        size_t portion = (size_t)(capacity - 3 - filled) < sizeof page
                             ? (size_t)(capacity - 3 - filled)
                             : sizeof page;
        if (write(keeper, page, portion) != (ssize_t)portion)
            give_up("fill");
        filled += (int)portion;
    }
}

/* Whether the process whose FIFO `name` is waits in some call. */
static bool sleeps(const char *name)
{
    char path[64], state = 'R';
    snprintf(path, sizeof path, "/proc/%ld/stat",
             strtol(name + strlen(served) + 1, NULL, 10));
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            state = 'R';
        fclose(file);
    }
    return state == 'S';
}

static void spill(void)
{
    char pattern[PATH_MAX + 16];
    snprintf(pattern, sizeof pattern, "%s.*.to_[sc]*", served);
    for (bool asleep = false; !asleep;) {
        glob_t found = {0};
        asleep = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 2 &&
                 sleeps(found.gl_pathv[0]);
        globfree(&found);
        sched_yield();
    }
    int there;
    if (ioctl(listener, FIONREAD, &there) == -1)
        give_up("FIONREAD");
    log_event("test: %d bytes more came", there - filled);
    char page[4096];
    for (ssize_t got; filled > 0; filled -= (int)got) {
        size_t portion = (size_t)filled < sizeof page ? (size_t)filled : sizeof page;
        if ((got = read(listener, page, portion)) <= 0)
            give_up("read");
    }
}

#endif

/* ---- Many clients ------------------------------------------------------------------- */

static bool exchange_token(struct end *end, int client, int round)
{
    /* Long enough for 4 bytes a unit, and a NUL that fits either system. */
    char words[64] = "", message[128] = "";
    int length = snprintf(words, sizeof words, "client %d round %d", client, round) + 1;
    size_t width = sizeof(wchar_t) == 2 ? 2 : 1;
    for (int i = 0; i < length; i++)
        message[(size_t)i * width] = words[i];
    return put(end, message, (size_t)length * width) && get(end) &&
           received_length == (size_t)length * width &&
           memcmp(received, message, received_length) == 0;
}

static void play_many(const char *address, int count)
{
    for (int i = 1; i <= count; i++) {
        struct end end;
        const char *why = call(&end, address, true);
        if (why == NULL && !exchange_token(&end, i, 1))
            why = "a wrong reply, or none";
        if (why != NULL) {
            log_event("test: client %d of %d: %s", i, count, why);
            return;
        }
        hang_up(&end);
    }
    log_event("test: all %d were served", count);
}

#ifdef _WIN32

static void play_crowd(const char *address, int count, int rounds)
{
    static struct end ends[MOST_CLIENTS];
    for (int i = 0; i < count; i++) {
        const char *why = call(&ends[i], address, false);
        if (why != NULL) {
            log_event("test: client %d of %d at once: %s", i + 1, count, why);
            return;
        }
    }
    for (int round = 1; round <= rounds; round++)
        for (int i = count - 1; i >= 0; i--) /* not in the order in which they came */
            if (!exchange_token(&ends[i], i + 1, round)) {
                log_event("test: client %d of %d: a wrong reply, or none", i + 1, count);
                return;
            }
    for (int i = 0; i < count; i++)
        hang_up(&ends[i]);
    log_event("test: all %d were served at once", count);
}

#else

/* A process each, as the names of their FIFOs want it. */
static void play_crowd(const char *address, int count, int rounds)
{
    int connected[2], go[2];
    char byte = 0;
    if (pipe(connected) == -1 || pipe(go) == -1)
        give_up("pipe");
    for (int i = 1; i <= count; i++) {
        pid_t pid = fork();
        if (pid == -1)
            give_up("fork");
        if (pid > 0)
            continue;
        struct end end;
        close(go[1]);
        close(connected[0]);
        if (call(&end, address, false) != NULL)
            _exit(1);
        close(connected[1]);
        if (read(go[0], &byte, 1) != 0)
            _exit(1);
        for (int round = 1; round <= rounds; round++)
            if (!exchange_token(&end, i, round))
                _exit(1);
        _exit(0);
    }
    close(connected[1]);
    close(go[0]);
    if (read(connected[0], &byte, 1) != 0)
        give_up("read");
    close(connected[0]);
    close(go[1]);
    int served_count = 0, status;
    while (wait(&status) > 0)
        served_count += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (served_count == count)
        log_event("test: all %d were served at once", count);
    else
        log_event("test: %d of %d at once got a wrong reply, or none",
                  count - served_count, count);
}

#endif

/* ---- Commands ----------------------------------------------------------------------- */

static struct end clients[MOST_CLIENTS], guest;
static char home[1024]; /* the address that we serve */

static void client_command(const char *verb, int number, const char *rest)
{
    struct end *end = &clients[number];
    size_t length;
    if (strcmp(verb, "connect") == 0 || strcmp(verb, "eager") == 0) {
#ifdef _WIN32
        eager = strcmp(verb, "eager") == 0;
#endif
        const char *why = call(end, rest, true);
        if (why != NULL)
            log_event("test: %d refused: %s", number, why);
        else
            log_event("test: %d connected", number);
    } else if (!end->open) {
        give_up("a client that is not connected");
    } else if (strcmp(verb, "receive") == 0) {
        if (!get(end)) {
            log_event("test: %d is at its end", number);
            return;
        }
        char name[32];
        snprintf(name, sizeof name, "received.%d", number);
        store(name, received, received_length);
        log_event("test: %d received %zu bytes", number, received_length);
    } else if (strcmp(verb, "close") == 0) {
        hang_up(end);
        log_event("test: %d closed", number);
    } else {
        char *bytes = load(rest, &length);
        bool done = true;
        if (strcmp(verb, "send") == 0)
            done = put(end, bytes, length);
#ifndef _WIN32
        else if (strcmp(verb, "raw") == 0)
            done = put_raw(end, bytes, length);
        else if (strcmp(verb, "trickle") == 0)
            trickle(end, bytes, length);
#endif
        else
            give_up(verb);
        log_event("test: %d %s", number, done ? "sent" : "could not send");
        free(bytes);
    }
}

static bool server_command(const char *verb, const char *rest)
{
    if (strcmp(verb, "next") == 0) {
        for (;;) {
            if (!guest.open) {
                answer(&guest);
                log_event("test: accepted");
            } else if (get(&guest)) {
                break;
            } else {
                log_event("test: client left");
                dismiss(&guest);
            }
        }
        store("message", received, received_length);
        log_event("test: message of %zu bytes", received_length);
    } else if (strcmp(verb, "left") == 0) {
        if (!guest.open)
            answer(&guest);
        while (get(&guest))
            ;
        dismiss(&guest);
        log_event("test: client left");
    } else if (strcmp(verb, "reply") == 0) {
        size_t length;
        char *bytes = load(rest, &length);
        bool done = put(&guest, bytes, length);
        log_event("test: %s", done ? "replied" : "could not reply");
        free(bytes);
#ifndef _WIN32
    } else if (strcmp(verb, "raw-reply") == 0) {
        size_t length;
        char *bytes = load(rest, &length);
        log_event("test: %s",
                  put_raw(&guest, bytes, length) ? "replied" : "could not reply");
        free(bytes);
    } else if (strcmp(verb, "fill") == 0) {
        fill();
        log_event("test: filled");
    } else if (strcmp(verb, "spill") == 0) {
        spill();
#endif
    } else if (strcmp(verb, "drop") == 0) {
        dismiss(&guest);
        log_event("test: dropped");
    } else if (strcmp(verb, "unlisten") == 0) {
        take_back();
        log_event("test: gone");
    } else if (strcmp(verb, "occupy") == 0) {
        occupy(home);
    } else if (strcmp(verb, "vacate") == 0) {
        vacate();
    } else if (strcmp(verb, "rival") == 0) {
        rival(home);
    } else {
        return false;
    }
    return true;
}

/* Cuts the next word off `*line`; NULL at its end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    *line = word + strcspn(word, " ");
    if (**line != '\0')
        *(*line)++ = '\0';
    return *word == '\0' ? NULL : word;
}

static void obey(char *line)
{
    /* The last word is an address or a file, the one before may be a number. */
    char *verb = next_word(&line), *first = next_word(&line), *second = next_word(&line),
         *third = next_word(&line);
    if (verb == NULL)
        return;
    if (server_command(verb, first))
        return;
    if (first == NULL) {
        give_up(verb);
    } else if (strcmp(verb, "many") == 0 && second != NULL) {
        play_many(first, atoi(second));
    } else if (strcmp(verb, "crowd") == 0 && second != NULL && third != NULL) {
        play_crowd(first, atoi(second), atoi(third));
    } else if (strcmp(verb, "info") == 0) {
        tell_info(first);
    } else if (strcmp(verb, "listen") == 0 && second != NULL) {
        snprintf(home, sizeof home, "%s", first);
        offer(home, second);
        log_event("test: listening");
#ifndef _WIN32
    } else if (strcmp(verb, "announce") == 0 && second != NULL) {
        size_t length;
        char *bytes = load(second, &length);
        announce(first, bytes, length);
        log_event("test: announced");
        free(bytes);
    } else if (strcmp(verb, "absent") == 0) {
        stay_absent(first);
        log_event("test: announced");
#endif
    } else if (atoi(first) >= 0 && atoi(first) < MOST_CLIENTS) {
        client_command(verb, atoi(first), second);
    } else {
        give_up(verb);
    }
}

int main(void)
{
#ifndef _WIN32
    signal(SIGPIPE, SIG_IGN);
#endif
    static char line[4096];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        obey(line);
    }
#ifndef _WIN32
    if (*absent_to_server != '\0') {
        unlink(absent_to_server);
        unlink(absent_to_client);
    }
#endif
    return 0;
}
