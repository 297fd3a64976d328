/*
 * library_subject.c - calls the functions of labs/lib that its first argument names, and prints
 * the results. Built for both systems; grading/tests/library.c starts it as a "server".
 */
#include "ipclab.h"

#ifndef _WIN32
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#endif

#define THREADS 8
#define LINES 100

static void require(bool holds, const char *what)
{
    if (!holds)
        fatal("this does not hold: %s", what);
}
#define REQUIRE(condition) require(condition, #condition)

/* ---- Values ------------------------------------------------------------------------------ */

static void test_buffers(void)
{
    struct buffer buffer = {0};
    REQUIRE(buffer_find(&buffer, 'x') == 0);
    buffer_remove(&buffer, 0);
    buffer_append(&buffer, NULL, 0);
    REQUIRE(buffer.length == 0);
    for (int i = 0; i < 100000; i++)
        buffer_append(&buffer, i % 1000 == 999 ? "\n" : "a", 1);
    REQUIRE(buffer.length == 100000 && buffer.capacity >= buffer.length);
    REQUIRE(buffer_find(&buffer, '\n') == 1000 && buffer_find(&buffer, 'b') == 0);
    buffer_remove(&buffer, 999);
    REQUIRE(buffer.length == 99001 && buffer_find(&buffer, '\n') == 1);
    buffer_remove(&buffer, buffer.length);
    REQUIRE(buffer.length == 0 && buffer_find(&buffer, 'a') == 0);
    free(buffer.bytes);

    char *memory = allocate(0);
    memory = reallocate(memory, 5);
    memcpy(memory, "four", 5);
    memory = reallocate(memory, 100000);
    REQUIRE(strcmp(memory, "four") == 0);
    free(memory);
}

static void test_utf8(void)
{
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {{"a", 0},
                 {"\xC3\xA9", 2},
                 {"\xE2\x82\xAC", 3},
                 {"\xF0\x9F\x98\x80", 4},
                 {"\x80", 0},
                 {"\xC0\x80", 0},
                 {"\xC1\xBF", 0},
                 {"\xE0\x9F\xBF", 0},
                 {"\xC2\x9F", 0},
                 {"\xC2\xA0", 2},
                 {"\xED\xA0\x80", 0},
                 {"\xED\x9F\xBF", 3},
                 {"\xC3", 0},
                 {"\xF4\x90\x80\x80", 0},
                 {"\xF4\x8F\xBF\xBF", 4},
                 {"\xF0\x8F\xBF\xBF", 0},
                 {"\xE2\x82", 0},
                 {"\xE2\x28\xAC", 0},
                 {"\xE2\x82\x28", 0},
                 {"\xF5\x80\x80\x80", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bytes = cases[i].bytes;
        size_t length = utf8_length((const unsigned char *)bytes, strlen(bytes));
        if (length != cases[i].length)
            fatal("case %zu has %zu bytes", i, length);
    }
#ifdef _WIN32
    wchar_t *wide = to_utf16("\xD0\xB9\xF0\x9F\x98\x80");
    REQUIRE(wcscmp(wide, L"\x0439\xD83D\xDE00") == 0);
    char *text = to_utf8(wide, 3);
    REQUIRE(strcmp(text, "\xD0\xB9\xF0\x9F\x98\x80") == 0);
    REQUIRE(strcmp(to_utf8(wide, 0), "") == 0 && wcscmp(to_utf16(""), L"") == 0);
    REQUIRE(strcmp(to_utf8(L"\xD83D", 1), "\xEF\xBF\xBD") == 0);
    free(wide);
    free(text);
    log_utf16("subject:", L"\x0439\n", 2);
#else
    log_text("subject:", "\xD0\xB9\n", 3);
#endif
}

/* ---- Input and output ----------------------------------------------------------------------- */

static ipc_file standard(bool input)
{
#ifdef _WIN32
    return GetStdHandle(input ? STD_INPUT_HANDLE : STD_OUTPUT_HANDLE);
#else
    return input ? STDIN_FILENO : STDOUT_FILENO;
#endif
}

static void print_lines(void)
{
    char *line;
    size_t length;
    while ((line = read_line(&length)) != NULL) {
        REQUIRE(line[length] == '\0');
        log_text("subject: line", line, length);
    }
    REQUIRE(read_line(&length) == NULL);
    log_event("subject: end of input");
}

static void print_lines_utf16(void)
{
#ifdef _WIN32
    wchar_t *line;
    size_t units;
    while ((line = read_line_utf16(&units)) != NULL) {
        REQUIRE(line[units] == L'\0');
        log_utf16("subject: line", line, units);
    }
    log_event("subject: end of input");
#endif
}

/* Sends back its input in portions of `size` bytes, and prints at the end how long the last one
 * was. */
static void copy(long size)
{
    char *bytes = allocate((size_t)size);
    long got;
    log_to_stderr();
    while ((got = read_full(standard(true), bytes, (size_t)size)) == size)
        if (!write_all(standard(false), bytes, (size_t)got))
            sys_error("write");
    if (got == -1)
        sys_error("read");
    if (!write_all(standard(false), bytes, (size_t)got))
        sys_error("write");
    log_event("subject: %ld at the end", got);
}

/* ---- TCP -------------------------------------------------------------------------------------- */

/* Connects two sockets of this process, and sends a megabyte from one to the other. */
static void talk(void *listener)
{
    char *bytes = allocate(1 << 20);
    memset(bytes, 'x', 1 << 20);
    ipc_socket connection = accept(*(ipc_socket *)listener, NULL, NULL);
    REQUIRE(send_all(connection, bytes, 1 << 20));
    free(bytes);
#ifdef _WIN32
    closesocket(connection);
#else
    close(connection);
#endif
}

static void test_tcp(const char *host)
{
    static ipc_socket listener;
    listener = tcp_listen(host, "0");
    char *port = strrchr(socket_address(listener), ':') + 1;
    log_event("subject: listening at %s", socket_address(listener));
    REQUIRE(start_thread(talk, &listener));
    ipc_socket connection = tcp_connect(host, port);
    char bytes[4096];
    long total = 0, got;
    while ((got = recv(connection, bytes, sizeof bytes, 0)) > 0)
        total += got;
    log_event("subject: %ld bytes received", total);
}

/* ---- Threads and the end ---------------------------------------------------------------------- */

static void print_many(void *letter)
{
    char line[2001];
    memset(line, *(char *)letter, 2000);
    line[2000] = '\0';
    for (int i = 0; i < LINES; i++)
        log_event("%s", line);
    log_event("subject: thread %c has ended", *(char *)letter);
}

static void print_for_ever(void *unused)
{
    for (;;)
        log_event("%s", unused == NULL ? "busy" : "");
}

static void clean_up(void)
{
    log_event("subject: cleaned up");
}

/* Makes standard output a pipe that nobody reads, and fills it. */
static void fill_output(void)
{
    static const char bytes[512];
#ifdef _WIN32
    HANDLE unread, output;
    DWORD mode = PIPE_NOWAIT, written;
    REQUIRE(CreatePipe(&unread, &output, NULL, 0));
    REQUIRE(SetNamedPipeHandleState(output, &mode, NULL, NULL));
    for (DWORD size = sizeof bytes; size > 0; size /= 2)
        while (WriteFile(output, bytes, size, &written, NULL) && written > 0)
            ;
    mode = PIPE_WAIT;
    REQUIRE(SetNamedPipeHandleState(output, &mode, NULL, NULL));
    REQUIRE(SetStdHandle(STD_OUTPUT_HANDLE, output));
#else
    int ends[2];
    REQUIRE(pipe2(ends, O_NONBLOCK) == 0);
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0);
    REQUIRE(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
#endif
}

static void fail(void *unused)
{
    (void)unused;
    log_event("subject: fails");
    fatal("in a thread");
}

static void wait_for(ipc_file event)
{
#ifdef _WIN32
    REQUIRE(WaitForSingleObject(event, INFINITE) == WAIT_OBJECT_0);
#else
    struct pollfd poll_set = {.fd = event, .events = POLLIN};
    REQUIRE(poll(&poll_set, 1, -1) == 1);
#endif
}

#ifdef _WIN32

/* Does what Windows does when the console is closed, and Wine never does: calls the handlers in a
 * thread of their own, by the same function, and ends the program as soon as that returns. */
static void close_console(void *unused)
{
    (void)unused;
    FARPROC function = GetProcAddress(GetModuleHandleW(L"kernelbase"), "CtrlRoutine");
    LPTHREAD_START_ROUTINE call_handlers;
    memcpy(&call_handlers, &function, sizeof call_handlers);
    HANDLE thread = CreateThread(NULL, 0, call_handlers,
                                 (void *)(ULONG_PTR)CTRL_CLOSE_EVENT, 0, NULL);
    REQUIRE(thread != NULL && WaitForSingleObject(thread, INFINITE) == WAIT_OBJECT_0);
    TerminateProcess(GetCurrentProcess(), 99);
}

#endif

_Noreturn static void wait_for_end(void)
{
    for (;;)
#ifdef _WIN32
        Sleep(INFINITE);
#else
        pause();
#endif
}

static void set_error(void)
{
#ifdef _WIN32
    SetLastError(ERROR_FILE_NOT_FOUND);
#else
    errno = ENOENT;
#endif
}

int main(int argc, char *argv[])
{
    begin_program("subject", "WHAT [VALUE...]", &argv);
    if (argc < 2)
        usage_exit();
    const char *what = argv[1], *value = argc > 2 ? argv[2] : "";
    static char letters[THREADS];

    if (strcmp(what, "number") == 0) {
        log_event("subject: %ld", parse_long("VALUE", value, -0, 1000));
    } else if (strcmp(what, "text") == 0) {
        log_text("subject:", value, strlen(value));
        log_text("subject:", "\0\n\"\\\t\x7F\xC2\x9F\xFF", 9);
    } else if (strcmp(what, "values") == 0) {
        test_buffers();
        test_utf8();
    } else if (strcmp(what, "errors") == 0) {
        set_error();
        log_error("the number of the error stays");
        log_sys_error("first");
        log_to_stderr();
        log_event("subject: on standard error");
        set_error();
        sys_error("second");
    } else if (strcmp(what, "fatal") == 0) {
        fatal("for %d reasons", 2);
    } else if (strcmp(what, "returned") == 0) {
        sys_error_number("call", (int)parse_long("VALUE", value, 0, 20000));
    } else if (strcmp(what, "lines") == 0) {
        print_lines();
    } else if (strcmp(what, "lines-utf16") == 0) {
        print_lines_utf16();
    } else if (strcmp(what, "copy") == 0) {
        copy(parse_long("VALUE", value, 1, 1 << 20));
    } else if (strcmp(what, "mixed") == 0) {
        printf("subject: by printf\n");
        log_event("subject: by log_event");
    } else if (strcmp(what, "tcp") == 0) {
        test_tcp(value);
    } else if (strcmp(what, "connect") == 0) {
        tcp_connect(value, argv[3]);
    } else if (strcmp(what, "listen") == 0) {
        tcp_listen(value, argv[3]);
    } else if (strcmp(what, "threads") == 0) {
        for (int i = 0; i < THREADS; i++) {
            letters[i] = (char)('A' + i);
            REQUIRE(start_thread(print_many, &letters[i]));
        }
        wait_for_end();
    } else if (strcmp(what, "last") == 0) {
        for (int i = 0; i < THREADS; i++)
            REQUIRE(start_thread(print_for_ever, NULL));
        log_last("subject: the last line");
        while (getchar() != EOF) /* meanwhile the other threads would go on printing */
            ;
    } else if (strcmp(what, "interrupt") == 0) {
        end_on_interrupt(*value != '\0' ? clean_up : NULL);
        for (int i = 0; *value != '\0' && i < THREADS; i++)
            REQUIRE(start_thread(print_for_ever, NULL));
        log_event("subject: ready");
        wait_for_end();
    } else if (strcmp(what, "claim") == 0) {
        end_on_interrupt(clean_up);
        claim_end();
        log_event("subject: ready");
        print_lines();
    } else if (strcmp(what, "full") == 0) {
        end_on_interrupt(NULL);
        fill_output();
        log_error("ready"); /* before the thread: that has the lock when it blocks */
        if (*value != '\0')
            REQUIRE(start_thread(print_for_ever, NULL));
        wait_for_end();
    } else if (strcmp(what, "reading") ==
               0) { /* the main thread holds the lock of stdin */
        if (*value != '\0')
            REQUIRE(start_thread(fail, NULL));
        else
            end_on_interrupt(NULL);
        log_event("subject: ready");
        getchar();
    } else if (strcmp(what, "event") == 0) {
        ipc_file event = interrupt_event();
        log_event("subject: ready");
        wait_for(event);
        log_event("subject: interrupted");
#ifdef _WIN32
    } else if (strcmp(what, "closed") == 0) {
        ipc_file event = NULL;
        if (*value != '\0')
            event = interrupt_event();
        else
            end_on_interrupt(clean_up);
        log_event("subject: ready");
        REQUIRE(start_thread(close_console, NULL));
        if (event == NULL)
            wait_for_end();
        wait_for(event);
        Sleep(300); /* so long it takes to end in order */
        log_event("subject: done");
#endif
    } else if (strcmp(what, "beside") == 0) {
        log_event("subject: %s", program_beside(value));
    } else if (strcmp(what, "runtime") == 0) {
#ifndef _WIN32
        log_event("subject: %s", runtime_path(value));
#endif
    } else {
        usage_exit();
    }
    return EXIT_SUCCESS;
}
