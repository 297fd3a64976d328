/*
 * pipe_peer.c - the checker's own clients of lab 02, to judge a server, and its server, to judge
 * a client.
 *
 * It reads commands from standard input, one a line, and prints the result of each ("test: ...").
 * It knows what both ends of a conversation must do (lab 02's contract), and how to do it wrong.
 * Built for both systems from this one source. On UNIX it uses FIFOs or a SOCK_SEQPACKET socket,
 * depending on ADDRESS.
 *
 * As clients, each with its own number K:
 *
 *     connect K ADDRESS       "K connected", or "K refused: ..."; on UNIX "K names are left"
 *                             if the server has not removed those of the client's FIFOs
 *     eager K ADDRESS         Windows: the same for a pipe that is not there yet: connect as
 *                             soon as it is
 *     send K FILE             send the file's bytes as one message
 *     receive K               wait for a message, put it into the file received.K and print
 *                             "K received N bytes", or "K is at its end"
 *     close K                 leave
 *     many ADDRESS COUNT      COUNT clients, one after the other, one exchange each
 *     crowd ADDRESS COUNT ROUNDS    COUNT clients at once, connected before the first speaks
 *     long-crowd ADDRESS COUNT ROUNDS    the same with long messages
 *     info ADDRESS            Windows: the pipe's instances, type and security descriptor
 *     deny K, permit K        Windows: let CreateNamedPipe fail in the server of client K
 *                             ("denied"), or work again ("permitted"); "not possible: ..."
 *
 * For FIFOs only:
 *
 *     raw K FILE              write the file's bytes as they are, without a length
 *     empty K                 wait until the server has read all that K has sent ("K is empty")
 *     trickle K FILE          send a message one byte at a time, each when the last is read
 *     announce ADDRESS FILE   write bytes to the well-known FIFO
 *
 * As a server of one client at a time, which may connect again for each message:
 *
 *     listen ADDRESS KIND     make the pipe; KIND is fifo, seqpacket or pipe
 *     next                    wait for the next message, put it into the file message and print
 *                             "message of N bytes"; on the way "accepted", "client left"
 *     reply FILE              send the file's bytes to the client as one message
 *     raw-reply FILE          the same without a length (FIFOs)
 *     left                    wait until the client has left
 *     drop                    disconnect the client, when it has read all
 *     unlisten                remove the pipe
 *     occupy, vacate          Windows: let a client of our own take the one instance; leave
 *     rival                   Windows: leave, and take the instance again before any other client,
 *                             which has seen that it is free ("the rival is there")
 *     fill                    FIFOs: leave no room in the well-known FIFO ("filled")
 *     await                   wait until a client has made its pair, and blocks ("blocked")
 *     squeeze                 leave room for its announcement, but for one byte ("squeezed"); it must be
 *                             stopped, or it could write while there is more
 *     refuse                  open and close to_client of the next client, without a greeting ("refused")
 *     spill                   wait until it blocks, print "N bytes came" and what they are, and take
 *                             everything but the announcement out
 *
 * Exit code 99: a command or the probe itself is at fault. It has printed why.
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

static bool eager; /* wait for a pipe that does not exist yet */

static const char *call(struct end *end, const char *address, bool patient)
{
    static char why[64];
    for (;;) {
        end->pipe = CreateFileW(wide(address), GENERIC_READ | GENERIC_WRITE, 0, NULL,
                                OPEN_EXISTING, 0, NULL);
        if (end->pipe != INVALID_HANDLE_VALUE)
            break;
        /* No call waits for a name, so check until it is there. */
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

/* What CreateNamedPipe becomes in the server: SetLastError(ERROR_NO_SYSTEM_RESOURCES), and it
 * returns INVALID_HANDLE_VALUE. A library of the system is at the same address in each process. */
static unsigned char failing[] =
    "\x48\x83\xEC\x28"      /* sub rsp, 40 */
    "\xB9\xAA\x05\x00\x00"  /* mov ecx, 1450 */
    "\x48\xB8........"      /* mov rax, the address of SetLastError */
    "\xFF\xD0"              /* call rax */
    "\x48\x83\xC8\xFF"      /* or rax, -1 */
    "\x48\x83\xC4\x28\xC3"; /* add rsp, 40; ret */
#define ADDRESS_AT 11

static void deny(HANDLE pipe, bool denied)
{
    static unsigned char usual[sizeof failing];
    HMODULE library = GetModuleHandleW(L"kernelbase");
    FARPROC create = GetProcAddress(library, "CreateNamedPipeW"),
            set = GetProcAddress(library, "SetLastError");
    if (set == NULL)
        set = GetProcAddress(GetModuleHandleW(L"kernel32"), "SetLastError");
    void *code;
    memcpy(&code, &create, sizeof code);
    memcpy(failing + ADDRESS_AT, &set, sizeof set);
    ULONG number;
    DWORD protection;
    HANDLE server = GetNamedPipeServerProcessId(pipe, &number)
                        ? OpenProcess(PROCESS_VM_OPERATION | PROCESS_VM_READ |
                                          PROCESS_VM_WRITE,
                                      FALSE, number)
                        : NULL;
    if (server != NULL && create != NULL &&
        VirtualProtectEx(server, code, sizeof usual, PAGE_EXECUTE_READWRITE,
                         &protection) &&
        (!denied || ReadProcessMemory(server, code, usual, sizeof usual, NULL)) &&
        WriteProcessMemory(server, code, denied ? failing : usual, sizeof usual, NULL))
        log_event("test: %s", denied ? "denied" : "permitted");
    else
        log_event("test: not possible: error %lu", GetLastError());
    CloseHandle(server);
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

static int together[2] = {-1, -1}; /* a crowd's announcements, until all are there */

static void announce_self(const char *address)
{
    char line[32];
    int length = snprintf(line, sizeof line, "\n%ld\n", (long)getpid());
    if (together[1] == -1)
        announce(address, line, (size_t)length);
    else if (write(together[1], line, (size_t)length) != length ||
             close(together[1]) == -1)
        give_up("a crowd's pipe");
}

/* Writes the announcements of a crowd into the FIFO at once. The end of `together` comes when
 * all have announced themselves. */
static void announce_together(const char *address)
{
    char lines[PIPE_BUF];
    size_t length = 0;
    close(together[1]);
    for (ssize_t more;
         (more = read(together[0], lines + length, sizeof lines - length)) > 0;)
        length += (size_t)more;
    close(together[0]);
    together[0] = together[1] = -1;
    announce(address, lines, length);
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

static bool is_fifo(const char *address)
{
    struct stat facts;
    return stat(address, &facts) == 0 && S_ISFIFO(facts.st_mode);
}

static const char *call(struct end *end, const char *address, bool patient)
{
    (void)patient;
    if (is_fifo(address))
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

/* Waits for the next announcement, and names that client's FIFOs. */
static void await_announcement(char to_server[], char to_client[])
{
    char line[64] = "", byte, *rest;
    for (size_t length = 0; length == 0 || line[length - 1] != '\n';) {
        if (read(listener, &byte, 1) != 1 || length == sizeof line - 1)
            give_up("no announcement");
        if (length > 0 || byte != '\n')
            line[length++] = byte;
    }
    name_pair(served, strtol(line, &rest, 10), to_server, to_client);
    if (*rest != '\n')
        log_event("test: no announcement: %s", line);
}

static void answer(struct end *end)
{
    end->open = true;
    end->framed = serves_fifo;
    if (!serves_fifo) {
        end->from = end->to = accept(listener, NULL, NULL);
        return;
    }
    char to_server[PATH_MAX], to_client[PATH_MAX];
    await_announcement(to_server, to_client);
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

/* ---- For FIFOs only ----------------------------------------------------------------- */

/* A pipe has no event for "empty again", so checks until it is. */
static void await_empty(int fifo)
{
    for (int unread = 1; ioctl(fifo, FIONREAD, &unread) == 0 && unread > 0;)
        sched_yield();
}

static void refuse(void)
{
    char to_server[PATH_MAX], to_client[PATH_MAX];
    await_announcement(to_server, to_client);
    int to = open(to_client, O_WRONLY | O_NONBLOCK);
    if (to == -1)
        give_up("a client that has not opened its FIFOs");
    close(to);
}

static void trickle(struct end *end, const char *bytes, size_t length)
{
    char *whole = frame(bytes, length);
    for (size_t i = 0; i < 4 + length; i++) {
        put_raw(end, whole + i, 1);
        await_empty(end->to);
    }
    free(whole);
}

#define PAGE 4096 /* of a pipe's memory */

static int filled;
static long blocked; /* the client that await_blocked() has found */

/* Writes until there is no room. */
static void fill(void)
{
    char page[PAGE];
    memset(page, '\n', sizeof page);
    int capacity = fcntl(keeper, F_GETPIPE_SZ);
    for (filled = 0; filled < capacity; filled += PAGE)
        if (write(keeper, page, PAGE) != PAGE)
            give_up("fill");
}

/* Returns whether the process blocks in a call. */
static bool blocks(long pid)
{
    char path[64], state = 'R';
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            state = 'R';
        fclose(file);
    }
    return state == 'S';
}

/* Waits until a client has made its pair and blocks in a call. */
static void await_blocked(void)
{
    char pattern[PATH_MAX + 16];
    snprintf(pattern, sizeof pattern, "%s.*.to_[sc]*", served);
    for (bool found = false; !found; sched_yield()) {
        glob_t pair = {0};
        found = glob(pattern, 0, NULL, &pair) == 0 && pair.gl_pathc == 2;
        if (found) {
            blocked = strtol(pair.gl_pathv[0] + strlen(served) + 1, NULL, 10);
            found = blocks(blocked);
        }
        globfree(&pair);
    }
}

/* Takes one page out, and puts back so much that all but the last byte of the announcement has room. A
 * pipe has room only in a page of its own, or at the end of the last one. */
static void squeeze(void)
{
    char page[PAGE];
    int room = snprintf(page, sizeof page, "\n%ld\n", blocked) - 1;
    if (read(listener, page, PAGE) != PAGE ||
        write(keeper, page, (size_t)(PAGE - room)) != PAGE - room)
        give_up("squeeze");
    filled -= room;
}

static void spill(void)
{
    await_blocked();
    int there;
    if (ioctl(listener, FIONREAD, &there) == -1)
        give_up("FIONREAD");
    size_t came = (size_t)(there - filled);
    char page[PAGE];
    for (ssize_t got; filled > 0; filled -= (int)got) {
        size_t portion = (size_t)filled < sizeof page ? (size_t)filled : sizeof page;
        if ((got = read(listener, page, portion)) <= 0)
            give_up("read");
    }
    if (came > 0 && read(listener, page, came) != (ssize_t)came)
        give_up("read");
    log_event("test: %zu bytes came %s", came, quoted(page, came));
}

#endif

/* ---- Many clients ------------------------------------------------------------------- */

/* With so many digits a server's lines fill the pipe to which it prints: its threads then wait for each other,
 * and a variable that they share is overwritten meanwhile. */
#define LONG 8000

/* Sends "client N round M", where M has at least so many digits, and waits for the echo. */
static bool exchange_token(struct end *end, int client, int round, int digits)
{
    static char words[64 + LONG];
    static char message[2 * sizeof words]; /* 2 bytes a unit on Windows */
    int length =
        snprintf(words, sizeof words, "client %d round %0*d", client, digits, round) + 1;
    size_t width = sizeof(wchar_t) == 2 ? 2 : 1, size = (size_t)length * width;
    for (int i = 0; i < length; i++)
        message[(size_t)i * width] = words[i];
    return put(end, message, size) && get(end) && received_length == size &&
           memcmp(received, message, size) == 0;
}

static void play_many(const char *address, int count)
{
    for (int i = 1; i <= count; i++) {
        struct end end;
        const char *why = call(&end, address, true);
        if (why == NULL && !exchange_token(&end, i, 1, 1))
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

static void play_crowd(const char *address, int count, int rounds, int digits)
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
            if (!exchange_token(&ends[i], i + 1, round, digits)) {
                log_event("test: client %d of %d: a wrong reply, or none", i + 1, count);
                return;
            }
    for (int i = 0; i < count; i++)
        hang_up(&ends[i]);
    log_event("test: all %d were served at once", count);
}

#else

/* One process for each client, because the names of the FIFOs contain the process number. All
 * announce themselves in one write: the server reads several announcements at once. */
static void play_crowd(const char *address, int count, int rounds, int digits)
{
    int connected[2], go[2];
    char byte = 0;
    bool by_fifo = is_fifo(address);
    if (pipe(connected) == -1 || pipe(go) == -1 || (by_fifo && pipe(together) == -1))
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
            if (!exchange_token(&end, i, round, digits))
                _exit(1);
        _exit(0);
    }
    close(connected[1]);
    close(go[0]);
    if (by_fifo)
        announce_together(address);
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
#ifndef _WIN32
    } else if (strcmp(verb, "empty") == 0) {
        await_empty(end->to);
        log_event("test: %d is empty", number);
#else
    } else if (strcmp(verb, "deny") == 0 || strcmp(verb, "permit") == 0) {
        deny(end->pipe, strcmp(verb, "deny") == 0);
#endif
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
    } else if (strcmp(verb, "refuse") == 0) {
        refuse();
        log_event("test: refused");
    } else if (strcmp(verb, "fill") == 0) {
        fill();
        log_event("test: filled");
    } else if (strcmp(verb, "await") == 0) {
        await_blocked();
        log_event("test: blocked");
    } else if (strcmp(verb, "squeeze") == 0) {
        squeeze();
        log_event("test: squeezed");
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
        play_crowd(first, atoi(second), atoi(third), 1);
    } else if (strcmp(verb, "long-crowd") == 0 && second != NULL && third != NULL) {
        play_crowd(first, atoi(second), atoi(third), LONG);
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
    return 0;
}
