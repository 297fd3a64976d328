/*
 * win32.c - hostile Windows programs; unix.c contains those for UNIX. Under Wine each of them is
 * also a Linux process, and can call Linux directly.
 */
#include <winsock2.h>

#include <windows.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tlhelp32.h>

#ifndef KIT
#define KIT "/kit"
#define KIT_WIDE L"/kit"
#define SECRET "/secret"
#endif
#define MB (1 << 20)

static wchar_t self[MAX_PATH * 4];
static wchar_t *argument;

static void harm(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void harm(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("HARM: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    fflush(stderr);
    va_end(values);
}

static void start_another(const wchar_t *program, DWORD flags)
{
    wchar_t line[2048];
    STARTUPINFOW how = {.cb = sizeof how};
    PROCESS_INFORMATION what;
    _snwprintf(line, 2048, L"\"%ls\" %ls", program, argument);
    if (CreateProcessW(program, line, NULL, NULL, TRUE, flags, NULL, NULL, &how, &what)) {
        CloseHandle(what.hThread);
        CloseHandle(what.hProcess);
    }
}

/* ---- Taking everything -------------------------------------------------------------- */

static void process_bomb(void)
{
    for (;;)
        start_another(self, 0);
}

static DWORD WINAPI idle(void *nothing)
{
    (void)nothing;
    Sleep(INFINITE);
    return 0;
}

static void thread_bomb(void)
{
    for (;;)
        CloseHandle(CreateThread(NULL, 65536, idle, NULL, 0, NULL));
}

static void memory_hog(void)
{
    for (;;) {
        void *memory = VirtualAlloc(NULL, 16 * MB, MEM_COMMIT | MEM_RESERVE,
                                    PAGE_READWRITE);
        if (memory != NULL)
            memset(memory, 1, 16 * MB);
    }
}

static void section_hog(void)
{
    for (;;) {
        HANDLE section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
                                            16 * MB, NULL);
        void *memory = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
        if (memory == NULL)
            break;
        memset(memory, 1, 16 * MB);
    }
    Sleep(INFINITE);
}

static void file_filler(void)
{
    static char zeros[MB];
    long written = 0;
    for (int i = 0; i < 64 && written < 600; i++) {
        wchar_t name[64];
        _snwprintf(name, 64, L"fill.%d", i);
        HANDLE file = CreateFileW(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
        DWORD part = MB;
        for (int m = 0; m < 50 && part == MB; m++)
            if (WriteFile(file, zeros, MB, &part, NULL) && part == MB)
                written++;
            else
                part = 0;
        CloseHandle(file);
    }
    if (written >= 600)
        harm("600 MB written");
    Sleep(INFINITE);
}

static void output_flood(void)
{
    static char noise[65536];
    DWORD written;
    memset(noise, '\n', sizeof noise);
    for (;;)
        WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), noise, sizeof noise, &written, NULL);
}

static void endless_loop(void)
{
    for (volatile int i = 0;; i++)
        ;
}

static void sleeper(void)
{
    Sleep(INFINITE);
}

static void message_box(void)
{
    MessageBoxW(NULL, L"Press a key to be judged", L"Hello", MB_OK | MB_SYSTEMMODAL);
}

static void crashes(void)
{
    RaiseException(EXCEPTION_ACCESS_VIOLATION, 0, 0, NULL);
}

/* ---- Staying ------------------------------------------------------------------------ */

static void detached_stays(void)
{
    if (argument[0] == L'S')
        Sleep(INFINITE);
    argument = L"S";
    start_another(self, DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

static void registry_writes(void)
{
    HKEY key;
    DWORD number = 1;
    if (RegCreateKeyW(HKEY_CURRENT_USER, L"Software\\Hostile", &key) != ERROR_SUCCESS)
        return;
    if (RegSetValueExW(key, L"left", 0, REG_DWORD, (BYTE *)&number, sizeof number) == 0)
        RegFlushKey(key);
    RegCloseKey(key);
}

/* Judged by two tests: the second test must have another registry. */
static void registry_stays(void)
{
    HKEY key;
    if (RegOpenKeyW(HKEY_CURRENT_USER, L"Software\\Hostile", &key) == ERROR_SUCCESS)
        harm("what one test has written into the registry, another finds");
    registry_writes();
}

/* ---- Against the judge, and the others ---------------------------------------------- */

static void terminates(void)
{
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32W entry = {.dwSize = sizeof entry};
    for (BOOL more = Process32FirstW(all, &entry); more;
         more = Process32NextW(all, &entry)) {
        HANDLE process = entry.th32ProcessID == GetCurrentProcessId()
                             ? NULL
                             : OpenProcess(PROCESS_ALL_ACCESS, FALSE,
                                           entry.th32ProcessID);
        if (process != NULL)
            TerminateProcess(process, 0);
    }
}

static void quits_in_message(void)
{
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "server: ready 127.0", 19, &written, NULL);
    ExitProcess(0);
}

static void quits(void)
{
}

static void forges_verdict(void)
{
    puts("  passed  2/2  every byte comes back as it was sent, 0x00 to 0xFF\r");
    puts("  2 of 2 points: 1 passed, 0 failed, 0 skipped");
    puts("ok 1 - any_bytes: Passed\n{\"verdict\": \"passed\", \"points\": 100}");
    puts("<testsuite failures=\"0\"><testcase name=\"any_bytes\"/></testsuite>");
}

static void terminal_and_html(void)
{
    puts("\033[2J\033]0;owned\a<script>alert(1)</script>");
    fputs("=cmd|' /C calc'!A0 \x9B\x31m \xFF\xFE\n", stderr);
}

static void hard_coded(void)
{
    puts("server: ready 127.0.0.1:5050\nserver: client 1 connected");
    puts("server: received \"a\\0b\\x1A\\xFF\\x0D\\n\"");
    puts("server: received \"longer text\"\nserver: received \"short\"");
    puts("server: client 1 left\nserver: done");
}

static void ends_windows(void)
{
    ExitWindowsEx(EWX_POWEROFF | EWX_FORCE, 0);
    SYSTEMTIME epoch = {.wYear = 1980, .wMonth = 1, .wDay = 1};
    if (SetSystemTime(&epoch)) {
        SYSTEMTIME now;
        GetSystemTime(&now);
        if (now.wYear == 1980)
            harm("the clock");
    }
}

/* ---- Looking around, and breaking out ----------------------------------------------- */

static void try_file(const char *path, DWORD how, DWORD which)
{
    char windows[1024] = "Z:";
    strncat(windows, path, 1000);
    for (char *c = windows; *c != '\0'; c++)
        if (*c == '/')
            *c = '\\';
    HANDLE file = CreateFileA(windows, how, FILE_SHARE_READ, NULL, which, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return;
    harm("%s can be %s", windows, how == GENERIC_READ ? "read" : "written");
    CloseHandle(file);
}

static void reads_outside(void)
{
    try_file(KIT "/labs/05-sockets/check.c", GENERIC_READ, OPEN_EXISTING);
    try_file(KIT "/labs/05-sockets/win32/server.c", GENERIC_READ, OPEN_EXISTING);
    try_file(KIT "/build/labs/05-sockets/win32/server.exe", GENERIC_READ, OPEN_EXISTING);
    try_file(SECRET, GENERIC_READ, OPEN_EXISTING);
    try_file("/etc/shadow", GENERIC_READ, OPEN_EXISTING);
    try_file("/var/log/dpkg.log", GENERIC_READ, OPEN_EXISTING);
}

static void writes_outside(void)
{
    try_file(SECRET ".new", GENERIC_WRITE, CREATE_ALWAYS);
    try_file(KIT "/build/results.hostile", GENERIC_WRITE, CREATE_ALWAYS);
    try_file("/usr/hostile", GENERIC_WRITE, CREATE_ALWAYS);
    try_file("/hostile", GENERIC_WRITE, CREATE_ALWAYS);
    char own[MAX_PATH * 4];
    WideCharToMultiByte(CP_UTF8, 0, self, -1, own, sizeof own, NULL, NULL);
    HANDLE file = CreateFileA(own, GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0,
                              NULL);
    if (file != INVALID_HANDLE_VALUE && CloseHandle(file))
        harm("its own program can be written");
}

static void reads_environment(void)
{
    wchar_t value[64];
    if (GetEnvironmentVariableW(L"INSTRUCTOR", value, 64) > 0)
        harm("the environment has INSTRUCTOR");
}

static void runs_reference(void)
{
    wchar_t path[1024] = L"Z:" KIT_WIDE L"/build/labs/05-sockets/win32/server.exe";
    for (wchar_t *c = path; *c != L'\0'; c++)
        if (*c == L'/')
            *c = L'\\';
    start_another(path, 0);
    Sleep(2000);
}

static void network_outside(void)
{
    WSADATA facts;
    WSAStartup(MAKEWORD(2, 2), &facts);
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(53)};
    there.sin_addr.s_addr = inet_addr("1.1.1.1");
    SOCKET any = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(any, (struct sockaddr *)&there, sizeof there) == 0)
        harm("there is a way to 1.1.1.1");
}

/* ---- Linux itself ------------------------------------------------------------------- */

#define LINUX_OPEN 2
#define LINUX_SOCKET 41
#define LINUX_FORK 57
#define LINUX_EXECVE 59
#define LINUX_KILL 62
#define LINUX_PTRACE 101
#define LINUX_GETUID 102
#define LINUX_UNSHARE 272
#define LINUX_BPF 321

static long call_linux(long number, long first, long second, long third)
{
    long long answer;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"((long long)number), "D"((long long)first),
                       "S"((long long)second), "d"((long long)third)
                     : "rcx", "r11", "memory");
    return (long)answer;
}

/* A pointer must fit into a long: use addresses below 4 GB, in a part of the stack that Wine does
 * not use. */
static long long call_linux_path(long number, const char *path, long long second,
                                 long long third)
{
    long long answer;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"((long long)number), "D"(path), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return answer;
}

static void linux_reads(void)
{
    static const char *const paths[] = {SECRET,
                                        KIT "/labs/05-sockets/check.c",
                                        KIT "/build/labs/05-sockets/unix/server",
                                        "/etc/shadow",
                                        "/proc/1/environ",
                                        "/proc/1/mem"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (call_linux_path(LINUX_OPEN, paths[i], 0, 0) >= 0)
            harm("Linux lets it read %s", paths[i]);
    if (call_linux_path(LINUX_OPEN, "/usr/hostile", 0101, 0600) >= 0)
        harm("Linux lets it write into /usr");
}

static void linux_escapes(void)
{
    if (call_linux(LINUX_UNSHARE, 0x10000000, 0, 0) >= 0)
        harm("a user name space");
    if (call_linux(LINUX_PTRACE, 0, 0, 0) >= 0)
        harm("ptrace");
    if (call_linux(LINUX_BPF, 0, 0, 0) != -1)
        harm("bpf");
    if (call_linux(LINUX_SOCKET, 40, 1, 0) >= 0)
        harm("a way to the host of this virtual machine");
    if (call_linux(LINUX_GETUID, 0, 0, 0) == 0)
        harm("it is root");
}

static void linux_runs_reference(void)
{
    static const char path[] = KIT "/build/labs/05-sockets/unix/server";
    static const char *const list[] = {"server", "0", NULL}, *const empty[] = {NULL};
    call_linux_path(LINUX_EXECVE, path, (long long)(size_t)list,
                    (long long)(size_t)empty);
}

static void linux_kills(void)
{
    call_linux(LINUX_KILL, -1, 9, 0); /* wineserver is among them */
    Sleep(1000);
}

static void linux_forks(void)
{
    for (;;)
        call_linux(LINUX_FORK, 0, 0, 0);
}

/* ---- The table ---------------------------------------------------------------------- */

#define KIND(name)              \
    {                           \
        L"" #name L".exe", name \
    }

static const struct {
    const wchar_t *name;
    void (*run)(void);
} kinds[] = {
    KIND(process_bomb),      KIND(thread_bomb),       KIND(memory_hog),
    KIND(section_hog),       KIND(file_filler),       KIND(output_flood),
    KIND(endless_loop),      KIND(sleeper),           KIND(message_box),
    KIND(crashes),           KIND(detached_stays),    KIND(registry_stays),
    KIND(terminates),        KIND(quits_in_message),  KIND(quits),
    KIND(forges_verdict),    KIND(terminal_and_html), KIND(hard_coded),
    KIND(ends_windows),      KIND(reads_outside),     KIND(writes_outside),
    KIND(reads_environment), KIND(runs_reference),    KIND(network_outside),
    KIND(linux_reads),       KIND(linux_escapes),     KIND(linux_runs_reference),
    KIND(linux_kills),       KIND(linux_forks),
};

int wmain(int argc, wchar_t *argv[])
{
    argument = argc > 1 ? argv[1] : L"";
    GetModuleFileNameW(NULL, self, MAX_PATH * 4);
    const wchar_t *name = wcsrchr(self, L'\\');
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; name != NULL && i < sizeof kinds / sizeof *kinds; i++)
        if (_wcsicmp(kinds[i].name, name + 1) == 0) {
            kinds[i].run();
            return 0;
        }
    fputs("no such kind\n", stderr);
    return 99;
}
