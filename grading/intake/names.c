/*
 * names.c - see names.h.
 */
#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#include "ipclab.h"
#include "names.h"

const char *program_name = "intake";
struct words set_labs, set_systems;

_Noreturn void give_up(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_name, what, strerror(errno));
    exit(1);
}

void *need(void *memory)
{
    if (memory == NULL)
        give_up("memory");
    return memory;
}

char *text(const char *format, ...)
{
    char *string = NULL;
    va_list values;
    va_start(values, format);
    if (vasprintf(&string, format, values) == -1)
        give_up("memory");
    va_end(values);
    return string;
}

char *shown(const char *name)
{
    size_t length = strlen(name);
    if (length <= 160)
        return quoted(name, length);
    char *head = quoted(name, 80), *tail = quoted(name + length - 60, 60);
    char *both = text("%s ... %s", head, tail);
    free(head);
    free(tail);
    return both;
}

/* ---- Encodings ------------------------------------------------------------------------- */

/* Converts by iconv. Returns NULL if a byte has no meaning in the encoding, or if this machine does not
 * know the encoding: Debian 13 has CP1251 and CP866 in a package of their own. */
static char *convert(const char *bytes, size_t *length, const char *from, const char *to)
{
    iconv_t converter = iconv_open(to, from);
    if (converter == (iconv_t)-1)
        return NULL;
    size_t left = *length, room = *length * 4 + 4;
    char *result = need(malloc(room + 1)), *in = (char *)bytes, *out = result;
    bool failed = iconv(converter, &in, &left, &out, &room) == (size_t)-1;
    iconv_close(converter);
    if (failed) {
        free(result);
        return NULL;
    }
    *out = '\0';
    *length = (size_t)(out - result);
    return result;
}

static bool is_cyrillic(wchar_t c)
{
    return (c >= 0x410 && c <= 0x44F) || c == 0x401 || c == 0x451;
}

/* Returns how likely a text is: a letter beside letters of its own alphabet counts for it, all
 * other characters above ASCII count against it. */
static long likelihood(const char *utf8)
{
    mbstate_t state = {0};
    long points = 0;
    wchar_t before = L' ', c;
    while (*utf8 != '\0') {
        size_t bytes = mbrtowc(&c, utf8, 8, &state);
        if (bytes == 0 || bytes > 8)
            return points - 1000;
        utf8 += bytes;
        bool latin = c < 128 ? isalpha((int)c) != 0 : c >= 0xC0 && c < 0x180;
        bool latin_before = before < 128 ? isalpha((int)before) != 0
                                         : before >= 0xC0 && before < 0x180;
        if (is_cyrillic(c))
            points += latin_before ? -2 : 2;
        else if (latin && is_cyrillic(before))
            points -= 2;
        else if (c >= 128)
            points += latin ? 1 : -3;
        if (is_cyrillic(c) && is_cyrillic(before) && iswlower((wint_t)before) &&
            iswupper((wint_t)c))
            points -= 2; /* a capital after a small letter */
        before = c;
    }
    return points;
}

static bool is_utf8(const char *bytes, size_t length)
{
    size_t same = length;
    char *copy = convert(bytes, &same, "UTF-8", "UTF-8");
    free(copy);
    return copy != NULL;
}

/* Returns the name of UTF-16 if that is what the bytes are: they have its BOM, or nearly every
 * second byte of the beginning is 0. */
static const char *utf16_kind(const char *bytes, size_t length)
{
    if (length >= 2 && memcmp(bytes, "\xFF\xFE", 2) == 0)
        return "UTF-16LE";
    if (length >= 2 && memcmp(bytes, "\xFE\xFF", 2) == 0)
        return "UTF-16BE";
    size_t zeros[2] = {0, 0}, seen = length < 400 ? length : 400;
    for (size_t i = 0; i < seen; i++)
        zeros[i % 2] += bytes[i] == '\0';
    if (seen < 8 || length % 2 != 0)
        return NULL;
    if (zeros[1] * 10 > seen * 3 && zeros[0] == 0)
        return "UTF-16LE";
    return zeros[0] * 10 > seen * 3 && zeros[1] == 0 ? "UTF-16BE" : NULL;
}

static char *by_code_page(const char *bytes, size_t *length, const char **encoding)
{
    static const char *const pages[] = {"CP1251", "CP866", "CP1252", "CP850"};
    char *best = NULL;
    size_t best_length = 0;
    long most = 0;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        size_t converted = *length;
        char *candidate = convert(bytes, &converted, pages[i], "UTF-8");
        long points = candidate != NULL ? likelihood(candidate) : 0;
        if (candidate != NULL && (best == NULL || points > most)) {
            free(best);
            best = candidate;
            best_length = converted;
            most = points;
            *encoding = pages[i];
        } else {
            free(candidate);
        }
    }
    if (best == NULL) { /* it must become UTF-8 */
        best = need(strndup(bytes, *length));
        best_length = strlen(best);
        for (size_t i = 0; i < best_length; i++)
            if ((unsigned char)best[i] >= 128)
                best[i] = '_';
        *encoding = "an unknown encoding";
    }
    *length = best_length;
    return best;
}

char *decoded(const char *bytes, size_t *length, const char **encoding)
{
    char *result = NULL;
    *encoding = utf16_kind(bytes, *length);
    if (*encoding != NULL) {
        size_t whole = *length - *length % 2;
        result = convert(bytes, &whole, *encoding, "UTF-8");
        if (result != NULL)
            *length = whole;
    }
    if (result == NULL) {
        *encoding = NULL;
        if (!is_utf8(bytes, *length))
            result = by_code_page(bytes, length, encoding);
    }
    if (result == NULL) {
        result = need(malloc(*length + 1));
        memcpy(result, bytes, *length);
    }
    if (*length >= 3 && memcmp(result, "\xEF\xBB\xBF", 3) == 0) {
        *length -= 3;
        memmove(result, result + 3, *length);
    }
    result[*length] = '\0';
    return result;
}

char *decoded_name(const char *name)
{
    size_t length = strlen(name);
    const char *encoding = NULL;
    char *result = is_utf8(name, length) ? NULL : by_code_page(name, &length, &encoding);
    return result != NULL ? result : need(strdup(name));
}

/* ---- Letters --------------------------------------------------------------------------- */

static wchar_t *widened(const char *utf8)
{
    size_t most = strlen(utf8) + 1;
    wchar_t *wide = need(calloc(most, sizeof *wide));
    if (mbstowcs(wide, utf8, most) == (size_t)-1)
        for (size_t i = 0; i < most; i++)
            wide[i] = (unsigned char)utf8[i] < 128 ? (wchar_t)utf8[i] : L'_';
    return wide;
}

static char *narrowed(const wchar_t *wide)
{
    size_t most = wcslen(wide) * 6 + 1;
    char *utf8 = need(malloc(most));
    if (wcstombs(utf8, wide, most) == (size_t)-1)
        *utf8 = '\0';
    return utf8;
}

char *squashed(const char *name)
{
    wchar_t *wide = widened(name), *out = wide;
    for (const wchar_t *in = wide; *in != L'\0'; in++)
        if (iswalnum((wint_t)*in))
            *out++ = (wchar_t)towlower((wint_t)*in);
    *out = L'\0';
    char *result = narrowed(wide);
    free(wide);
    return result;
}

/* Cyrillic letters from U+0410, as in passports. */
static const char *const capitals[] = {"A",  "B",    "V", "G", "D", "E",  "Zh", "Z",
                                       "I",  "Y",    "K", "L", "M", "N",  "O",  "P",
                                       "R",  "S",    "T", "U", "F", "Kh", "Ts", "Ch",
                                       "Sh", "Shch", "",  "Y", "",  "E",  "Yu", "Ya"};
static const struct {
    wchar_t letter;
    const char *latin;
} others[] = {{0x401, "E"}, {0x451, "e"},  {0x404, "Ye"}, {0x454, "e"}, {0x406, "I"},
              {0x456, "i"}, {0x407, "Yi"}, {0x457, "i"},  {0x490, "G"}, {0x491, "g"}};

/* Writes a character above ASCII in Latin letters; `out` has room for 8 bytes. Returns their number. */
static size_t latin_of(wchar_t c, char *out)
{
    const char *latin = NULL;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i].letter == c)
            latin = others[i].latin;
    if (c >= 0x410 && c <= 0x44F)
        latin = capitals[(c - 0x410) % 32];
    wchar_t one[2] = {c, L'\0'};
    char *utf8 = narrowed(one), *ascii = NULL;
    size_t length = strlen(utf8);
    if (latin == NULL) {
        ascii = convert(utf8, &length, "UTF-8", "ASCII//TRANSLIT");
        latin = ascii != NULL && isalnum((unsigned char)*ascii) && length < 8 ? ascii
                                                                              : "_";
    }
    length = strlen(latin);
    memcpy(out, latin, length);
    if (c >= 0x430 && c <= 0x44F && length > 0)
        *out = (char)tolower((unsigned char)*out);
    free(utf8);
    free(ascii);
    return length;
}

bool is_ours(const char *id)
{
    static const char *const names[] = {
        "absent", "build.log",  "errors",           "ids",
        "lock",   "pid",        "published",        "students",
        "work",   "gradescope", "github-classroom", "junit"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(id, names[i]) == 0)
            return true;
    return ends_with(id, ".json") || ends_with(id, ".new") || ends_with(id, ".csv") ||
           ends_with(id, ".html");
}

char *id_of(const char *name)
{
    wchar_t *wide = widened(name);
    char *id = need(malloc(wcslen(wide) * 8 + 3)), *out = id;
    for (const wchar_t *c = wide; *c != L'\0'; c++) {
        if (*c >= 128)
            out += latin_of(*c, out);
        else
            *out++ = isalnum((int)*c) || *c == L'.' || *c == L'-' ? (char)*c : '_';
    }
    *out = '\0';
    free(wide);
    if (*id == '.' || *id == '-')
        *id = '_';
    if (strlen(id) > 64)
        id[64] = '\0';
    if (*id != '\0' && !is_ours(id))
        return id;
    char *longer = text("%s_", id);
    free(id);
    return longer;
}

/* ---- What a name means ------------------------------------------------------------------- */

bool same_name(const char *one, const char *other)
{
    return strcasecmp(one, other) == 0;
}

bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcasecmp(name + length - tail, end) == 0;
}

size_t stem_length(const char *name)
{
    static const char *const ends[] = {".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst",
                                       ".zip",    ".tar",    ".tgz",     ".txz",
                                       ".tbz2",   ".tbz",    ".tzst",    ".7z",
                                       ".rar",    ".cab"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return strlen(name) - strlen(ends[i]);
    return strlen(name);
}

bool is_archive(const char *name)
{
    return name[stem_length(name)] != '\0';
}

void split_list(char *list, struct words *words)
{
    for (char *word; (word = strsep(&list, ",")) != NULL;)
        if (*word != '\0' && words->count < MOST_WORDS)
            words->word[words->count++] = word;
}

/* Returns whether two names differ only in case, or in '_' and ' ' for '-'. */
static bool alike(const char *one, const char *other)
{
    for (; *one != '\0' && *other != '\0'; one++, other++) {
        char a = *one == '_' || *one == ' ' ? '-' : *one;
        char b = *other == '_' || *other == ' ' ? '-' : *other;
        if (tolower((unsigned char)a) != tolower((unsigned char)b))
            return false;
    }
    return *one == *other;
}

/* Returns the number of a lab in a name such as "Lab 01", "lab1_final" or "Лабораторная работа 1", or in one
 * that begins with two digits and a separator. Returns -1 if there is none.
 * Sets `*whole` if the name has nothing after the number. */
static long lab_number(const char *name, bool *whole)
{
    static const wchar_t *const words[] = {L"lab", L"лаб", L"лр", L"lr"};
    wchar_t *wide = widened(name);
    const wchar_t *digits = NULL, *at = wide;
    for (wchar_t *c = wide; *c != L'\0'; c++)
        *c = (wchar_t)towlower((wint_t)*c);
    if (iswdigit((wint_t)at[0]) && iswdigit((wint_t)at[1]) &&
        (at[2] == L'\0' || wcschr(L"-_ ", at[2]) != NULL))
        digits = at;
    for (size_t i = 0; digits == NULL && i < sizeof words / sizeof *words; i++) {
        if (wcsncmp(at, words[i], wcslen(words[i])) != 0)
            continue;
        at += wcslen(words[i]);
        if (i == 1) /* "лаба", "лабораторная работа" */
            while (is_cyrillic(*at) || *at == L' ' || *at == L'_')
                at++;
        else if (wcsncmp(at, L"work", 4) == 0)
            at += 4;
        at += wcsspn(at, L"-_ #№");
        digits = iswdigit((wint_t)*at) ? at : NULL;
        break;
    }
    wchar_t *end = NULL;
    long number = digits != NULL ? wcstol(digits, &end, 10) : -1;
    *whole = digits != NULL && *end == L'\0';
    free(wide);
    return number;
}

const char *lab_named(const char *name)
{
    bool whole;
    long number = lab_number(name, &whole);
    for (size_t i = 0; i < set_labs.count; i++) {
        const char *lab = set_labs.word[i];
        size_t digits = strspn(lab, "0123456789");
        if (alike(name, lab) || (lab[digits] == '-' && alike(name, lab + digits + 1)) ||
            number == strtol(lab, NULL, 10))
            return lab;
    }
    return number >= 0 ? "" : NULL;
}

bool is_lab(const char *name)
{
    bool whole;
    long number = lab_number(name, &whole);
    for (size_t i = 0; i < set_labs.count; i++) {
        const char *lab = set_labs.word[i];
        size_t digits = strspn(lab, "0123456789");
        if (alike(name, lab) || (lab[digits] == '-' && alike(name, lab + digits + 1)))
            return true;
    }
    return number >= 0 && whole;
}

/* ---- Names of exports ------------------------------------------------------------------ */

static char *piece(const char *begin, const char *end)
{
    return need(strndup(begin, (size_t)(end - begin)));
}

void free_export_name(struct export_name *parts)
{
    free(parts->name);
    free(parts->number);
    free(parts->rest);
}

/* Canvas: NAME[_LATE]_USER_FILE_REST, in anonymous courses [LATE_]anon_CODE_FILE_REST. A text that
 * was typed in has NAME[_LATE]_USER_text.html. */
bool canvas_name(const char *name, struct export_name *parts, long long *file)
{
    for (const char *at = name; at != NULL; at = strchr(at, '_')) {
        at += *at == '_';
        size_t user = strspn(at, "0123456789");
        const char *second = at + user + 1;
        size_t digits = user > 0 && at[user] == '_' ? strspn(second, "0123456789") : 0;
        bool typed = user > 0 && strcmp(at + user, "_text.html") == 0;
        bool known = at > name && ((digits > 0 && second[digits] == '_') || typed);
        if (strncmp(at, "anon_", 5) == 0) {
            user = 5 + strcspn(at + 5, "_");
            second = at + user + (at[user] == '_');
            digits = strspn(second, "0123456789");
            known = user > 5 && digits > 0 && second[digits] == '_';
        }
        if (!known)
            continue;
        const char *end = at > name ? at - 1 : at;
        *parts = (struct export_name){.number = piece(at, at + user)};
        parts->late = (end - name == 4 && strncmp(name, "LATE", 4) == 0) ||
                      (end - name > 5 && strncmp(end - 5, "_LATE", 5) == 0);
        if (parts->late)
            end -= end - name == 4 ? 4 : 5;
        parts->name = piece(name, end);
        parts->rest = need(strdup(typed ? "text.html" : second + digits + 1));
        *file = typed ? 0 : strtoll(second, NULL, 10);
        return true;
    }
    return false;
}

bool moodle_name(const char *name, struct export_name *parts)
{
    static const char mark[] = "_assignsubmission_";
    const char *at = strstr(name, mark);
    if (at == NULL || at == name)
        return false;
    const char *begin = at;
    while (begin > name && isdigit((unsigned char)begin[-1]))
        begin--;
    bool numbered = begin < at && begin > name && begin[-1] == '_';
    const char *rest = at + strlen(mark);
    rest += strcspn(rest, "_"); /* the kind: file, onlinetext */
    rest += *rest == '_';
    *parts = (struct export_name){.name = piece(name, numbered ? begin - 1 : at),
                                  .number = numbered ? piece(begin, at)
                                                     : need(strdup("")),
                                  .rest = need(strdup(rest))};
    return true;
}

/* ---- Systems, programs, litter --------------------------------------------------------- */

const char *system_named(const char *name)
{
    static const struct {
        const char *name, *system;
    } names[] = {{"unix", "unix"},    {"linux", "unix"},    {"posix", "unix"},
                 {"win32", "win32"},  {"windows", "win32"}, {"win", "win32"},
                 {"winapi", "win32"}, {"win64", "win32"},   {"winnt", "win32"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same_name(name, names[i].name))
            return names[i].system;
    return NULL;
}

const char *role_named(const char *name)
{
    bool server = strcasestr(name, "server") != NULL;
    bool client = strcasestr(name, "client") != NULL;
    if (server == client)
        return NULL;
    return server ? "server" : "client";
}

bool is_left_out(const char *name)
{
    static const char *const folders[] = {
        "__MACOSX",  ".vs",         ".git",       ".svn",         ".idea",
        ".vscode",   "ipch",        "x64",        "x86",          "ARM64",
        "Debug",     "Release",     "CMakeFiles", "node_modules", ".DS_Store",
        "Thumbs.db", "desktop.ini", ".starters"}; /* of the kit for students */
    static const char *const ends[] = {".obj",  ".o",      ".pdb",  ".ilk",  ".exe",
                                       ".tlog", ".pch",    ".sdf",  ".ipch", ".suo",
                                       ".idb",  ".lib",    ".dll",  ".a",    ".iobj",
                                       ".ipdb", ".opendb", ".VC.db"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (same_name(name, folders[i]))
            return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i]))
            return true;
    return strncmp(name, "._", 2) == 0;
}
