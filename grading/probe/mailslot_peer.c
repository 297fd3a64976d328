/*
 * mailslot_peer.c - the checker's own writer, to judge a server, or owner of a slot, to judge a
 * client.
 *
 * Usage: mailslot_peer WIRE
 *
 * WIRE is the protocol of the programs under test: "slot" (mailslots, on UNIX datagram sockets)
 * or "echo" (the same, with an address for replies). On UNIX it is also "mqueue" (message queues,
 * whose names begin with a slash), "broadcast" or "multicast" (UDP, where a port is the name).
 * Reads one command a line from standard input, and prints what it did:
 *
 *     own NAME               make the slot          "owns NAME", or "cannot own: error N"
 *     open NAME              open it for writing    "open", or "cannot open: error N"
 *     priority N             of what it sends from now on, in a message queue
 *     text TEXT              send TEXT as the contract has it on the wire: "sent N bytes"
 *     file NAME              send the file's bytes as one message, as they are
 *     burst WRITERS COUNT TEXT    by so many writers, opened for it, in turn, COUNT messages
 *                            each: "TEXT-WRITER-NUMBER", from 1: "burst begins", "burst done"
 *     receive N              read so many messages: "received N bytes: BYTES", quoted as quoted()
 *                            does, without the address for a reply that Windows has in them
 *     answer N               the same, and send each back to its sender, on the wire "echo"
 *     collect N              "echo": read so many replies: "reply BYTES", quoted
 *     reply FILE             "echo": read one message, and send the file's bytes to its sender
 *     disown                 close the slot and remove its name: "disowned"
 *     vanish                 "echo": remove its name, so that no reply arrives there: "vanished"
 *     visitors N             "echo": so many clients, one after the other, each with an address
 *                            of its own, to the server opened last: "visitors done"
 *     crowd N                the same, all at once: each sends before the first one reads
 *     handles                Windows: how many handles the programs have whose name begins with
 *                            "server": "N handles"
 *
 * A failure in the last two commands is a line that begins with "astray". At the end of its input
 * it disowns. Exit code 99: a fault of the probe or of its commands.
 */
#include "ipclab.h"

#ifdef _WIN32
#include "handles.h"
#else
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif

#define ROOM (256 * 1024)
#define NAME_ROOM 256
#define MOST_HANDS 64

static const char *wire;
static unsigned priority;

_Noreturn static void give_up(const char *why)
{
    log_to_stderr();
    log_event("test: fault: %s", why);
    exit(99);
}

#ifdef _WIN32

/* One participant: a slot that it owns, one that it writes to, or both. */
struct hand {
    HANDLE reader, writer;
    char name[NAME_ROOM]; /* of the slot that it owns */
};

static const struct hand no_hand = {INVALID_HANDLE_VALUE, INVALID_HANDLE_VALUE, ""};

static unsigned long last_error(void)
{
    return GetLastError();
}

static void to_wide(const char *text, wchar_t *wide, size_t room)
{
    if (MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, (int)room) ==
        0)
        give_up("a name or a text is no UTF-8, or too long");
}

static bool make_slot(struct hand *hand, const char *name)
{
    wchar_t wide[NAME_ROOM];
    to_wide(name, wide, NAME_ROOM);
    hand->reader = CreateMailslotW(wide, 0, MAILSLOT_WAIT_FOREVER, NULL);
    snprintf(hand->name, sizeof hand->name, "%s", name);
    return hand->reader != INVALID_HANDLE_VALUE;
}

static bool open_slot(struct hand *hand, const char *name)
{
    wchar_t wide[NAME_ROOM];
    to_wide(name, wide, NAME_ROOM);
    hand->writer = CreateFileW(wide, GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                               NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    return hand->writer != INVALID_HANDLE_VALUE;
}

static bool put(struct hand *hand, const char *bytes, size_t length)
{
    DWORD written;
    return WriteFile(hand->writer, bytes, (DWORD)length, &written, NULL) &&
           written == length;
}

static bool get(struct hand *hand, char *bytes, size_t *length)
{
    DWORD read;
    bool done = ReadFile(hand->reader, bytes, ROOM, &read, NULL);
    *length = read;
    return done;
}

/* Returns how many bytes at the beginning of a message are the address for the reply. */
static size_t address_size(const char *bytes, size_t length)
{
    if (strcmp(wire, "echo") != 0)
        return 0;
    const wchar_t *name = (const wchar_t *)(const void *)bytes;
    size_t units = length / sizeof *name, name_units = wcsnlen(name, units) + 1;
    return name_units > units ? 0 : name_units * sizeof *name;
}

/* Sends a message of get() back to the sender that it names. */
static void send_back(struct hand *hand, const char *bytes, size_t length)
{
    (void)hand;
    size_t skip = address_size(bytes, length);
    HANDLE slot = skip == 0
                      ? INVALID_HANDLE_VALUE
                      : CreateFileW((const wchar_t *)(const void *)bytes, GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                    OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD written;
    if (slot == INVALID_HANDLE_VALUE ||
        !WriteFile(slot, bytes + skip, (DWORD)(length - skip), &written, NULL))
        log_event("test: cannot answer: error %lu", last_error());
    CloseHandle(slot);
}

/* Returns `text` as it is on the wire, after the address for the reply if there is one. */
static size_t encode(const struct hand *hand, const char *text, char *bytes)
{
    static wchar_t wide[ROOM / sizeof(wchar_t)];
    size_t units = 0;
    if (strcmp(wire, "echo") == 0) {
        to_wide(hand->name, wide, NAME_ROOM);
        units = wcslen(wide) + 1;
    }
    to_wide(text, wide + units, ROOM / sizeof *wide - units);
    units += wcslen(wide + units) + 1;
    memcpy(bytes, wide, units * sizeof *wide);
    return units * sizeof *wide;
}

/* The same for a reply, which has no address. */
static size_t encode_reply(const char *text, char *bytes)
{
    static wchar_t wide[ROOM / sizeof(wchar_t)];
    to_wide(text, wide, ROOM / sizeof *wide);
    size_t size = (wcslen(wide) + 1) * sizeof *wide;
    memcpy(bytes, wide, size);
    return size;
}

static void drop_reader(struct hand *hand)
{
    if (hand->reader != INVALID_HANDLE_VALUE)
        CloseHandle(hand->reader);
    hand->reader = INVALID_HANDLE_VALUE;
}

static void drop_writer(struct hand *hand)
{
    if (hand->writer != INVALID_HANDLE_VALUE)
        CloseHandle(hand->writer);
    hand->writer = INVALID_HANDLE_VALUE;
}

/* Takes the name away, and keeps it as the address for replies. */
static void vanish(struct hand *hand)
{
    drop_reader(hand);
}

/* A name for the reply slot of visitor `number` to `server`. */
static void name_visitor(char *name, const char *server, int number)
{
    snprintf(name, NAME_ROOM, "%s-%lu-%d", server, GetCurrentProcessId(), number);
}

#else

struct hand {
    int reader, writer;        /* on the wire "echo" the writer is the reader */
    struct sockaddr_un server; /* to which that one writes */
    char name[NAME_ROOM];
};

static const struct hand no_hand = {.reader = -1, .writer = -1};
static struct sockaddr_un sender; /* of the message that came last */
static socklen_t sender_size;

static bool is_wire(const char *name)
{
    return strcmp(wire, name) == 0;
}

static bool is_network(void)
{
    return is_wire("broadcast") || is_wire("multicast");
}

static unsigned long last_error(void)
{
    return (unsigned long)errno;
}

static struct sockaddr_un path_address(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return address;
}

static struct sockaddr_in network_address(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = inet_addr(is_wire("multicast")
                                                                 ? "239.255.3.3"
                                                                 : "127.255.255.255")};
}

static bool make_slot(struct hand *hand, const char *name)
{
    snprintf(hand->name, sizeof hand->name, "%s", name);
    if (is_wire("mqueue")) {
        hand->reader = mq_open(name, O_RDONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR,
                               NULL);
        return hand->reader != -1;
    }
    if (is_network()) {
        struct sockaddr_in address = network_address(name);
        struct ip_mreq group = {.imr_multiaddr = address.sin_addr,
                                .imr_interface.s_addr = inet_addr("127.0.0.1")};
        hand->reader = socket(AF_INET, SOCK_DGRAM, 0);
        return setsockopt(hand->reader, SOL_SOCKET, SO_REUSEADDR, &(int){1},
                          sizeof(int)) == 0 &&
               bind(hand->reader, (struct sockaddr *)&address, sizeof address) == 0 &&
               (!is_wire("multicast") ||
                setsockopt(hand->reader, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group,
                           sizeof group) == 0);
    }
    struct sockaddr_un address = path_address(name);
    hand->reader = socket(AF_UNIX, SOCK_DGRAM, 0);
    return bind(hand->reader, (struct sockaddr *)&address,
                *name == '\0' ? sizeof address.sun_family : sizeof address) == 0;
}

static bool open_slot(struct hand *hand, const char *name)
{
    if (is_wire("mqueue")) {
        hand->writer = mq_open(name, O_WRONLY);
        return hand->writer != -1;
    }
    if (is_network()) {
        struct sockaddr_in address = network_address(name);
        struct in_addr interface = {.s_addr = inet_addr("127.0.0.1")};
        hand->writer = socket(AF_INET, SOCK_DGRAM, 0);
        return setsockopt(hand->writer, SOL_SOCKET, SO_BROADCAST, &(int){1},
                          sizeof(int)) == 0 &&
               setsockopt(hand->writer, IPPROTO_IP, IP_MULTICAST_IF, &interface,
                          sizeof interface) == 0 &&
               connect(hand->writer, (struct sockaddr *)&address, sizeof address) == 0;
    }
    struct sockaddr_un address = path_address(name);
    /* With an address for replies, the socket is not connected. The queue of a connected socket
     * has no limit for its peer's messages, so a client that does not read would never block
     * it. */
    hand->server = address;
    if (is_wire("echo") && hand->reader != -1) {
        hand->writer = hand->reader;
        return true;
    }
    hand->writer = socket(AF_UNIX, SOCK_DGRAM, 0);
    return connect(hand->writer, (struct sockaddr *)&address, sizeof address) == 0;
}

static bool put(struct hand *hand, const char *bytes, size_t length)
{
    if (is_wire("mqueue"))
        return mq_send(hand->writer, bytes, length, priority) == 0;
    if (hand->writer == hand->reader)
        return sendto(hand->writer, bytes, length, MSG_NOSIGNAL,
                      (struct sockaddr *)&hand->server,
                      sizeof hand->server) == (ssize_t)length;
    return send(hand->writer, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool get(struct hand *hand, char *bytes, size_t *length)
{
    sender_size = sizeof sender;
    ssize_t read = is_wire("mqueue") ? mq_receive(hand->reader, bytes, ROOM, NULL)
                                     : recvfrom(hand->reader, bytes, ROOM, 0,
                                                (struct sockaddr *)&sender, &sender_size);
    *length = read == -1 ? 0 : (size_t)read;
    return read != -1;
}

static size_t address_size(const char *bytes, size_t length)
{
    (void)bytes, (void)length;
    return 0;
}

static void send_back(struct hand *hand, const char *bytes, size_t length)
{
    if (sender_size <= sizeof sender.sun_family ||
        sendto(hand->reader, bytes, length, MSG_NOSIGNAL, (struct sockaddr *)&sender,
               sender_size) == -1)
        log_event("test: cannot answer: error %lu", last_error());
}

static size_t encode_reply(const char *text, char *bytes)
{
    size_t length = 0;
    for (; text[length] != '\0'; length++) /* on this wire no NUL is part of a message */
        bytes[length] = text[length];
    return length;
}

static size_t encode(const struct hand *hand, const char *text, char *bytes)
{
    (void)hand;
    return encode_reply(text, bytes);
}

static void drop_reader(struct hand *hand)
{
    if (hand->reader == -1)
        return;
    if (*hand->name != '\0' && is_wire("mqueue"))
        mq_unlink(hand->name);
    else if (*hand->name != '\0' && !is_network())
        unlink(hand->name);
    close(hand->reader);
    if (hand->writer == hand->reader)
        hand->writer = -1;
    hand->reader = -1;
}

static void drop_writer(struct hand *hand)
{
    if (hand->writer != -1 && hand->writer != hand->reader)
        close(hand->writer);
    hand->writer = -1;
}

/* The socket stays, and sends under its old address. */
static void vanish(struct hand *hand)
{
    unlink(hand->name);
}

/* With an empty name Linux chooses one. */
static void name_visitor(char *name, const char *server, int number)
{
    (void)server, (void)number;
    *name = '\0';
}

#endif

static char message[ROOM];
static struct hand self; /* what own and open made */
static char server[NAME_ROOM];

/* Sends `length` bytes of `message`. */
static void send_message(struct hand *hand, size_t length, bool tell)
{
    if (!put(hand, message, length))
        log_event("test: cannot send: error %lu", last_error());
    else if (tell)
        log_event("test: sent %zu bytes", length);
}

static size_t read_file(const char *name, char *bytes)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        give_up("a file to send is not there");
    size_t length = fread(bytes, 1, ROOM, file);
    fclose(file);
    return length;
}

static void send_file(const char *name)
{
    send_message(&self, read_file(name, message), true);
}

static void burst(char *arguments)
{
    char *rest = arguments;
    long writers = strtol(rest, &rest, 10), count = strtol(rest, &rest, 10);
    struct hand hands[MOST_HANDS];
    if (writers < 1 || writers > MOST_HANDS || *rest != ' ')
        give_up("burst WRITERS COUNT TEXT");
    for (long w = 0; w < writers; w++) {
        hands[w] = no_hand;
        if (!open_slot(&hands[w], server))
            log_event("test: cannot open: error %lu", last_error());
    }
    log_event("test: burst begins");
    for (long n = 1; n <= count; n++)
        for (long w = 0; w < writers; w++) {
            char text[NAME_ROOM];
            snprintf(text, sizeof text, "%s-%ld-%ld", rest + 1, w + 1, n);
            send_message(&hands[w], encode(&self, text, message), false);
        }
    for (long w = 0; w < writers; w++)
        drop_writer(&hands[w]);
    log_event("test: burst done");
}

static void receive(long count, bool answering)
{
    for (; count > 0; count--) {
        size_t length;
        if (!get(&self, message, &length)) {
            log_event("test: cannot receive: error %lu", last_error());
            return;
        }
        size_t skip = address_size(message, length);
        char *text = quoted(message + skip, length - skip);
        log_event("test: received %zu bytes: %s", length - skip, text);
        free(text);
        if (answering)
            send_back(&self, message, length);
    }
}

static void collect_replies(long count)
{
    for (; count > 0; count--) {
        size_t length;
        if (!get(&self, message, &length)) {
            log_event("test: cannot receive: error %lu", last_error());
            return;
        }
        char *text = quoted(message, length);
        log_event("test: reply %s", text);
        free(text);
    }
}

/* Answers the next message with the bytes of a file. */
static void reply(const char *name)
{
    static char bytes[ROOM];
    size_t length;
    if (!get(&self, message, &length)) {
        log_event("test: cannot receive: error %lu", last_error());
        return;
    }
    size_t skip = address_size(message, length), size = read_file(name, bytes);
    memcpy(message + skip, bytes, size);
    send_back(&self, message, skip + size);
    log_event("test: replied with %zu bytes", size);
}

/* One client with an address of its own. */
static void arrive(struct hand *hand, int number)
{
    static int unique;
    char name[NAME_ROOM], text[NAME_ROOM];
    *hand = no_hand;
    name_visitor(name, server, unique++);
    snprintf(text, sizeof text, "visitor %d", number);
    if (!make_slot(hand, name) || !open_slot(hand, server))
        log_event("test: astray: a visitor cannot come in: error %lu", last_error());
    else if (!put(hand, message, encode(hand, text, message)))
        log_event("test: astray: a visitor cannot send: error %lu", last_error());
}

static void collect(struct hand *hand, int number)
{
    char text[NAME_ROOM], expected[2 * NAME_ROOM];
    snprintf(text, sizeof text, "visitor %d", number);
    size_t expected_length = encode_reply(text, expected), length;
    if (!get(hand, message, &length))
        log_event("test: astray: a visitor cannot read: error %lu", last_error());
    else if (length != expected_length || memcmp(message, expected, length) != 0) {
        char *got = quoted(message, length);
        log_event("test: astray: visitor %d got %s", number, got);
        free(got);
    }
    drop_writer(hand);
    drop_reader(hand);
}

static void visitors(int count, bool at_once)
{
    static struct hand hands[MOST_HANDS];
    if (at_once && count > MOST_HANDS)
        give_up("the crowd is too large");
    for (int i = 0; i < count; i++) {
        arrive(&hands[at_once ? i : 0], i);
        if (!at_once)
            collect(&hands[0], i);
    }
    for (int i = count - 1; at_once && i >= 0; i--)
        collect(&hands[i], i);
    log_event("test: visitors done");
}

static void obey(char *line)
{
    char *rest = strchr(line, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    else
        rest = line + strlen(line);

    if (strcmp(line, "own") == 0) {
        if (make_slot(&self, rest))
            log_event("test: owns %s", rest);
        else
            log_event("test: cannot own: error %lu", last_error());
    } else if (strcmp(line, "open") == 0) {
        snprintf(server, sizeof server, "%s", rest);
        if (open_slot(&self, rest))
            log_event("test: open");
        else
            log_event("test: cannot open: error %lu", last_error());
    } else if (strcmp(line, "priority") == 0) {
        priority = (unsigned)atoi(rest);
    } else if (strcmp(line, "text") == 0) {
        send_message(&self, encode(&self, rest, message), true);
    } else if (strcmp(line, "file") == 0) {
        send_file(rest);
    } else if (strcmp(line, "burst") == 0) {
        burst(rest);
    } else if (strcmp(line, "receive") == 0 || strcmp(line, "answer") == 0) {
        receive(atol(rest), *line == 'a');
    } else if (strcmp(line, "collect") == 0) {
        collect_replies(atol(rest));
    } else if (strcmp(line, "reply") == 0) {
        reply(rest);
    } else if (strcmp(line, "vanish") == 0) {
        vanish(&self);
        log_event("test: vanished");
    } else if (strcmp(line, "disown") == 0) {
        drop_reader(&self);
        log_event("test: disowned");
    } else if (strcmp(line, "visitors") == 0 || strcmp(line, "crowd") == 0) {
        visitors(atoi(rest), *line == 'c');
#ifdef _WIN32
    } else if (strcmp(line, "handles") == 0) {
        log_event("test: %lu handles", count_handles(L"server"));
#endif
    } else {
        give_up(line);
    }
}

int main(int argc, char *argv[])
{
    if (argc != 2)
        give_up("usage: mailslot_peer WIRE");
    wire = argv[1];
    self = no_hand;
    static char line[ROOM];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        obey(line);
    }
    drop_writer(&self);
    drop_reader(&self);
    (void)priority;
    return 0;
}
