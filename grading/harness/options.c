/*
 * options.c - the command line of a checker.
 */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "run.h"

#define LONGEST_LIMIT 3600

static void usage(FILE *stream)
{
    fputs(
        "usage: check [OPTION...]\n"
        "  --system unix|win32   whose programs (unix)\n"
        "  --server PATH         judge this server, a program or a folder with one\n"
        "  --client PATH         judge this client\n"
        "  --unbuilt ROLE=FILE   the server or the client does not compile: FILE has in its first line what\n"
        "                        to report, and then what the compiler prints\n"
        "  --program PATH        judge this program, by the tests of its name only\n"
        "  --pair NAME           judge server_NAME and client_NAME, or a submission in their place\n"
        "  --plain               our own pair is server and client, not the robust ones\n"
        "  --stage STAGE         only tests up to this stage: basic, complete, robust\n"
        "  --all                 block no test, even if one that it needs has failed\n"
        "  --stop                run no further stage after one with failures\n"
        "  --test PATTERN,...    only tests whose id matches (patterns of fnmatch)\n"
        "  --seed NUMBER         use the random texts of the run with this seed\n"
        "  --json FILE           also write the results as JSON\n"
        "  --must-fail ID,...    succeed if exactly these tests fail (ID?: may fail)\n"
        "  --limit SECONDS       how long one wait may last (10)\n"
        "  --first-limit SECONDS the same in the first run of a test; --limit is for its repetition\n"
        "  --time SECONDS        how long all tests may last; later ones are not judged\n"
        "  --labs FOLDER         where the labs' sources are, to quote a STEP from\n"
        "  --command TEXT        the command that repeats this run, for the report\n"
        "  --cell                run all programs in a sandbox, within grading/harness/private-namespace --bare\n"
        "  --transcript          show the transcript of tests that pass, too\n"
        "  --run                 show the conversation instead of checking\n"
        "  --run-pair            the same, without the other programs of the lab\n"
        "  --list                list the tests, with --system or --test only some\n"
        "  --list-pair           the same, without those of the other programs of the lab\n"
        "  --lint                check the steps and hints of the tests\n",
        stream);
}

static enum stage stage_of(const char *name)
{
    for (enum stage stage = BASIC; stage <= ROBUST; stage++)
        if (strcmp(name, stage_name(stage)) == 0)
            return stage;
    fprintf(stderr, "check: the stages are basic, complete and robust, not %s\n", name);
    exit(2);
}

/* A number of seconds, from the option's value. */
static double seconds_of(const char *option, const char *value)
{
    char *end;
    double seconds = strtod(value, &end);
    if (*end == '\0' && seconds > 0 && seconds <= LONGEST_LIMIT)
        return seconds;
    fprintf(stderr, "check: --%s takes a number of seconds, at most %d, not '%s'\n",
            option, LONGEST_LIMIT, value);
    exit(2);
}

/* Reads --unbuilt: "client=FILE". */
static void read_unbuilt(const char *value)
{
    static const char *const roles[] = {[SERVER] = "server=", [CLIENT] = "client="};
    for (enum role role = SERVER; role <= CLIENT; role++) {
        size_t length = strlen(roles[role]), size = 0;
        if (strncmp(value, roles[role], length) != 0)
            continue;
        FILE *file = fopen(value + length, "re");
        if (file == NULL || getdelim(&run.unbuilt[role], &size, '\0', file) == -1) {
            fprintf(stderr, "check: %s cannot be read\n", value + length);
            exit(2);
        }
        fclose(file);
        char *rest = run.unbuilt[role] + strcspn(run.unbuilt[role], "\n");
        run.compiler[role] = *rest != '\0' ? rest + 1 : rest;
        *rest = '\0';
        return;
    }
    fprintf(stderr, "check: --unbuilt takes server=FILE or client=FILE, not '%s'\n",
            value);
    exit(2);
}

void read_options(int argc, char *argv[], struct choices *choices)
{
    static const struct option options[] = {
        {"system", required_argument, NULL, 's'},
        {"server", required_argument, NULL, 'S'},
        {"client", required_argument, NULL, 'C'},
        {"program", required_argument, NULL, 'P'},
        {"pair", required_argument, NULL, 'p'},
        {"plain", no_argument, NULL, 'O'},
        {"stage", required_argument, NULL, 'g'},
        {"all", no_argument, NULL, 'a'},
        {"stop", no_argument, NULL, 'o'},
        {"test", required_argument, NULL, 't'},
        {"seed", required_argument, NULL, 'e'},
        {"json", required_argument, NULL, 'j'},
        {"must-fail", required_argument, NULL, 'm'},
        {"limit", required_argument, NULL, 'l'},
        {"first-limit", required_argument, NULL, 'f'},
        {"time", required_argument, NULL, 'T'},
        {"labs", required_argument, NULL, 'b'},
        {"command", required_argument, NULL, 'c'},
        {"cell", no_argument, NULL, 'E'},
        {"transcript", no_argument, NULL, 'q'},
        {"run", no_argument, NULL, 'r'},
        {"run-pair", no_argument, NULL, 'R'},
        {"list", no_argument, NULL, 'L'},
        {"list-pair", no_argument, NULL, 'l' + 256},
        {"unbuilt", required_argument, NULL, 'u'},
        {"lint", no_argument, NULL, 'A'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            if (strcmp(optarg, "unix") != 0 && strcmp(optarg, "win32") != 0) {
                fprintf(stderr, "check: the systems are unix and win32, not %s\n",
                        optarg);
                exit(2);
            }
            choices->named = true;
            run.system = strcmp(optarg, "win32") == 0 ? WIN32 : UNIX;
            break;
        case 'S': choices->server = optarg; break;
        case 'C': choices->client = optarg; break;
        case 'P': choices->program = optarg; break;
        case 'p': run.pair = optarg; break;
        case 'O': choices->plain = true; break;
        case 'g': choices->last_stage = stage_of(optarg); break;
        case 'a': choices->all = true; break;
        case 'o': choices->stop = true; break;
        case 't': choices->only = optarg; break;
        case 'e':
            run.seed = strtoull(optarg, &end, 0);
            if (*end != '\0' || end == optarg) {
                fprintf(stderr, "check: %s is no seed\n", optarg);
                exit(2);
            }
            break;
        case 'j': choices->json = optarg; break;
        case 'm': choices->must_fail = optarg; break;
        case 'l': choices->limit = seconds_of("limit", optarg); break;
        case 'f': choices->first_limit = seconds_of("first-limit", optarg); break;
        case 'T': choices->time = strtod(optarg, NULL); break;
        case 'b': run.labs = optarg; break;
        case 'c': run.command = optarg; break;
        case 'E': run.cell = true; break;
        case 'q': run.transcript = true; break;
        case 'r': choices->conversation = true; break;
        case 'R': choices->conversation = run.pair_only = true; break;
        case 'L': choices->list = true; break;
        case 'l' + 256: choices->list = choices->list_pair = true; break;
        case 'u': read_unbuilt(optarg); break;
        case 'A': choices->lint = true; break;
        case 'h': usage(stdout); exit(0);
        default: usage(stderr); exit(2);
        }
    }
    if (optind != argc) {
        usage(stderr);
        exit(2);
    }
}
