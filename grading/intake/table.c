/*
 * table.c - see table.h.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#ifdef WITH_YAML
#include <yaml.h>
#endif

#include "names.h"
#include "table.h"

#define MOST_BYTES (16 * 1024 * 1024)

static char *read_text(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        give_up(path);
    char *bytes = need(malloc(MOST_BYTES));
    *length = fread(bytes, 1, MOST_BYTES, file);
    if (ferror(file))
        give_up(path);
    fclose(file);
    const char *encoding;
    char *result = decoded(bytes, length, &encoding);
    free(bytes);
    return result;
}

/* ---- CSV ------------------------------------------------------------------------------- */

struct cells {
    char **cell;
    size_t count;
};

static char *trimmed(char *cell)
{
    while (isspace((unsigned char)*cell))
        cell++;
    size_t length = strlen(cell);
    while (length > 0 && isspace((unsigned char)cell[length - 1]))
        length--;
    cell[length] = '\0';
    for (char *c = cell; *c != '\0'; c++)
        if ((unsigned char)*c < 32)
            *c = ' ';
    return cell;
}

/* Reads one line into cells, in place. Returns where the next one begins. */
static char *read_cells(char *at, char separator, struct cells *line)
{
    line->count = 0;
    for (;;) {
        char *begin = at, *to = at, *end;
        bool quoted_cell = *at == '"';
        at += quoted_cell;
        while (*at != '\0') {
            if (quoted_cell && *at == '"' && at[1] == '"')
                at++; /* two quotes are one */
            else if (quoted_cell && *at == '"') {
                quoted_cell = false;
                at++;
                continue;
            } else if (!quoted_cell && (*at == separator || *at == '\n' || *at == '\r'))
                break;
            *to++ = *at++;
        }
        end = at;
        char stop = *end;
        *to = '\0';
        line->cell = need(realloc(line->cell, (line->count + 1) * sizeof *line->cell));
        line->cell[line->count++] = trimmed(begin);
        if (stop == '\0')
            return end;
        at = end + 1;
        if (stop == '\r' && *at == '\n')
            at++;
        if (stop != separator)
            return at;
    }
}

static char separator_of(const char *line)
{
    static const char separators[] = ",;\t";
    char best = ',';
    size_t most = 0;
    for (size_t i = 0; separators[i] != '\0'; i++) {
        size_t count = 0;
        for (const char *c = line; *c != '\0' && *c != '\n'; c++)
            count += *c == separators[i];
        if (count > most) {
            most = count;
            best = separators[i];
        }
    }
    return best;
}

/* The columns, by their names in the lists of several systems. Of those with one meaning the first that
 * is filled in counts. */
enum meaning { ID, NAME, FIRST, LAST, EMAIL, SUBMITTED, NUMBER, LOGIN, NONE };
static const struct {
    const char *name;
    enum meaning meaning;
} columns[] = {{"sis login id", ID},
               {"sis user id", ID},
               {"username", ID},
               {"id number", ID},
               {"github_username", LOGIN},
               {"id", ID},
               {"sid", ID},
               {"identifier", NUMBER},
               {"name", NAME},
               {"full name", NAME},
               {"student", NAME},
               {"фио", NAME},
               {"полное имя", NAME},
               {"vollständiger name", NAME},
               {"first name", FIRST},
               {"last name", LAST},
               {"surname", LAST},
               {"email", EMAIL},
               {"email address", EMAIL},
               {"адрес электронной почты", EMAIL},
               {"e-mail-adresse", EMAIL},
               {"submitted", SUBMITTED},
               {"идентификатор", NUMBER}};
#define COLUMNS (sizeof columns / sizeof *columns)

static int column_of(const char *name)
{
    char *one = squashed(name);
    int found = -1;
    for (size_t i = 0; found < 0 && i < COLUMNS; i++) {
        char *other = squashed(columns[i].name);
        if (strcmp(one, other) == 0)
            found = (int)i;
        free(other);
    }
    free(one);
    return found;
}

static char *copy_of(const char *cell)
{
    return cell != NULL && *cell != '\0' ? need(strdup(cell)) : NULL;
}

/* Canvas: "Last, First". */
static char *turned(char *name)
{
    char *comma = name != NULL ? strstr(name, ", ") : NULL;
    if (comma == NULL)
        return name;
    char *result = text("%s %.*s", comma + 2, (int)(comma - name), name);
    free(name);
    return result;
}

static bool has_letter(const char *cell)
{
    char *letters = cell != NULL ? squashed(cell) : NULL;
    bool any = letters != NULL && *letters != '\0';
    free(letters);
    return any;
}

/* Adds a line of the file, whose columns are `column`. Returns an error, in new memory, or NULL. */
static char *add_row(struct table *table, struct cells *line, const int *column,
                     size_t known, bool of_canvas)
{
    const char *value[COLUMNS] = {NULL}, *of[NONE] = {NULL};
    for (size_t i = 0; i < line->count && i < known; i++)
        if (column[i] >= 0)
            value[column[i]] = line->cell[i];
    for (size_t i = 0; i < COLUMNS; i++)
        if (of[columns[i].meaning] == NULL && value[i] != NULL && *value[i] != '\0')
            of[columns[i].meaning] = value[i];
    struct row row = {.name = copy_of(of[NAME]),
                      .email = copy_of(of[EMAIL]),
                      .submitted = copy_of(of[SUBMITTED]),
                      .login = copy_of(of[LOGIN])};
    if (row.name == NULL && of[FIRST] != NULL && of[LAST] != NULL)
        row.name = text("%s %s", of[FIRST], of[LAST]);
    const char *raw = of[ID] != NULL ? of[ID] : of[LOGIN];
    for (size_t i = 0; of_canvas && i < COLUMNS; i++)
        if (strcmp(columns[i].name, "id") == 0)
            row.number = copy_of(value[i]);
    if (!of_canvas && !table->of_github &&
        of[NUMBER] != NULL) { /* Moodle: "Participant 123" */
        const char *digits = of[NUMBER] + strcspn(of[NUMBER], "0123456789");
        row.number = copy_of(digits);
        if (raw == NULL && row.name != NULL)
            raw = row.raw = text("%s_%s", row.name, digits);
    }
    if (raw == NULL && table->of_github) /* a student without an account */
        raw = of[NUMBER];
    if (of_canvas) {
        row.name = turned(row.name);
        if (row.number == NULL || strspn(row.number, "0123456789") != strlen(row.number))
            raw = NULL; /* "Points Possible" */
    }
    if (!has_letter(raw)) /* a row of a spreadsheet may consist of empty cells */
        return NULL;
    if (row.raw == NULL)
        row.raw = need(strdup(raw));
    row.id = id_of(raw);
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->row[i].id, row.id) == 0)
            return text("it has two rows for %s: %s and %s", row.id,
                        table->row[i].name != NULL ? table->row[i].name
                                                   : table->row[i].raw,
                        row.name != NULL ? row.name : row.raw);
    table->row = need(realloc(table->row, (table->count + 1) * sizeof row));
    table->row[table->count++] = row;
    return NULL;
}

struct table *read_table(const char *path, char **error)
{
    static const enum meaning plain[] = {ID, NAME, EMAIL, SUBMITTED};
    size_t length, known = 0;
    char *whole = read_text(path, &length), *at = whole;
    struct table *table = need(calloc(1, sizeof *table));
    struct cells line = {NULL, 0};
    int *column = NULL;
    if (strlen(whole) != length) {
        *error = text("%s is no text", path);
        return table;
    }
    char separator = '\0';
    if (strncasecmp(at, "sep=", 4) == 0) { /* as Excel writes it */
        separator = at[4];
        at += strcspn(at, "\n");
        at += *at == '\n';
    }
    if (separator == '\0')
        separator = separator_of(at);
    bool of_canvas = false;
    while (*at != '\0' && *error == NULL) {
        at = read_cells(at, separator, &line);
        if (line.count == 1 && *line.cell[0] == '\0')
            continue;
        if (column == NULL) {
            bool head = false;
            known = line.count;
            column = need(calloc(known + 4, sizeof *column));
            for (size_t i = 0; i < known; i++) {
                column[i] = column_of(line.cell[i]);
                head = head || (column[i] >= 0 && columns[column[i]].meaning != NAME);
                table->of_github = table->of_github ||
                                   same_name(line.cell[i], "github_username");
                of_canvas = of_canvas || same_name(line.cell[i], "SIS Login ID") ||
                            same_name(line.cell[i], "SIS User ID");
            }
            if (head)
                continue;
            for (size_t i = 0; i < 4; i++)
                for (int c = (int)COLUMNS - 1; c >= 0; c--)
                    if (columns[c].meaning == plain[i])
                        column[i] = c;
            known = 4;
        }
        *error = add_row(table, &line, column, known, of_canvas);
    }
    free(line.cell);
    free(column);
    free(whole);
    return table;
}

/* ---- YAML ------------------------------------------------------------------------------ */

#ifdef WITH_YAML
static json_t *value_of(yaml_document_t *document, int index, int depth)
{
    yaml_node_t *node = yaml_document_get_node(document, index);
    if (node == NULL || depth == 0)
        return json_null();
    if (node->type == YAML_SCALAR_NODE)
        return json_stringn((const char *)node->data.scalar.value,
                            node->data.scalar.length);
    json_t *result;
    if (node->type == YAML_SEQUENCE_NODE) {
        result = need(json_array());
        for (yaml_node_item_t *item = node->data.sequence.items.start;
             item < node->data.sequence.items.top; item++)
            json_array_append_new(result, value_of(document, *item, depth - 1));
        return result;
    }
    result = need(json_object());
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        yaml_node_t *key = yaml_document_get_node(document, pair->key);
        if (key == NULL || key->type != YAML_SCALAR_NODE)
            continue;
        const char *name = (const char *)key->data.scalar.value;
        name += *name == ':'; /* a symbol of Ruby */
        if (strcmp(name, "history") != 0)
            json_object_set_new(result, name, value_of(document, pair->value, depth - 1));
    }
    return result;
}

json_t *read_metadata(const char *path)
{
    size_t length;
    char *whole = read_text(path, &length);
    yaml_parser_t parser;
    yaml_document_t document;
    json_t *result = NULL;
    if (yaml_parser_initialize(&parser) == 0)
        give_up("memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)whole, length);
    if (yaml_parser_load(&parser, &document) != 0) {
        yaml_node_t *root = yaml_document_get_root_node(&document);
        if (root != NULL && root->type == YAML_MAPPING_NODE)
            result = value_of(&document, 1, 6);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    free(whole);
    return result;
}
#else
json_t *read_metadata(const char *path)
{
    (void)path;
    return NULL;
}
#endif
