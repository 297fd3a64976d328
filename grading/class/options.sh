# options.sh - reads the options of grade, and checks them. grading/grade reads this file.
#
#     read_options "$@"     sets a variable for each option, and `words`, the number of words read
#     check_options "$@"    ends with 2 if a value is wrong, or a SUBMISSION does not exist
#     choose_stages         completes `stages`: "basic", "basic,complete" or all three
#     check_forms           ends with 2 if a file of Canvas or Moodle cannot be filled in
#     choose_labs           makes names of folders of the labs, and a line for each
#     choose_systems        makes a line for each system
#     is_number TEXT        returns whether it is a number above 0
#     every_lab             prints all labs that can be judged
#     recall                takes from the last start what no option has set; for keep_settings it sets was_DUE and so on
#     wrong TEXT            prints what is wrong, and ends with 2
#     say TEXT              prints a line of ours
#
# Reads: here top
# Sets: as canvas due forms hosts jobs labs language late look map moodle only_failed out ready regrade seed stages systems time title unsafe was_due was_language was_late was_seed was_title was_weights weights words
# shellcheck shell=sh disable=SC2034,SC2154

say() { echo "grade: $1"; }
wrong() {
    echo "grade: $1" >&2
    exit 2
}
# The script's header is the help.
usage() {
    sed -n 's/^#: \{0,1\}//p' "$0"
    exit "$1"
}

read_options() {
    out=results labs='' systems='' stages='' title='' language='' seed='' jobs='' regrade='' only_failed=
    as='' map='' due='' late='' unsafe=false forms='' canvas='' moodle='' time='' weights='' hosts='' ready='' look=
    words=$#
    while [ $# -gt 0 ]; do
        case $1 in
        --out | --labs | --systems | --stages | --title | --language | --seed | --regrade | --as | --map | --due | --late | --weights | --time | --canvas | --moodle | --hosts | -j)
            if [ $# -lt 2 ]; then wrong "$1 needs a value; see --help"; fi
            ;;
        esac
        case $1 in
        --out) out=$2 && shift ;;
        --labs) labs=$2 && shift ;;
        --systems) systems=$2 && shift ;;
        --stages) stages=$2 && shift ;;
        --title) title=$2 && shift ;;
        --language) language=$2 && shift ;;
        --seed) seed=$2 && shift ;;
        --regrade) regrade="$regrade $2" && shift ;;
        --as) as=$2 && shift ;;
        --map) map=$2 && shift ;;
        --due) due=$2 && shift ;;
        --late) late=$2 && shift ;;
        --weights) weights=$2 && shift ;;
        --time) time=$2 && shift ;;
        --canvas) canvas=$2 && shift ;;
        --moodle) moodle=$2 && shift ;;
        --hosts) hosts=$2 && shift ;;
        --ready) ready=yes ;;
        --look) look=yes ;;
        -j) jobs=$2 && shift ;;
        -j*) jobs=${1#-j} ;;
        --excel | --gradescope | --github-classroom | --junit) forms="$forms $1" ;;
        --only-failed) only_failed=yes ;;
        --unsafe) unsafe=true ;;
        --help) usage 0 ;;
        --) shift && break ;;
        -*) wrong "there is no option $1; --help lists them" ;;
        *) break ;;
        esac
        shift
    done
    words=$((words - $#))
}

check_options() {
    # The rest are submissions. Options after them are not accepted.
    for path; do
        case $path in
        -*) wrong "$path stands after a submission: options must come first" ;;
        esac
        if [ ! -e "$path" ]; then wrong "there is no $path"; fi
    done
    case $as in
    '') ;;
    .* | -* | *[!A-Za-z0-9_.-]*) wrong "an id consists of letters, digits, _, . and -: not $as" ;;
    *) if [ $# -ne 1 ]; then wrong '--as is for one submission'; fi ;;
    esac
    is_number "${jobs:-1}" || wrong "-j needs a number, not $jobs"
    is_number "${time:-300}" || wrong "--time needs a number of seconds, not $time"
    for file in "$map" "$late" "${weights#none}" "$canvas" "$moodle"; do # more than once, so no pipe will do
        if [ -n "$file" ] && { [ ! -f "$file" ] || [ ! -r "$file" ]; }; then wrong "$file is not a readable file"; fi
    done
    if [ -n "$hosts" ] && { [ -d "$hosts" ] || [ ! -r "$hosts" ]; }; then wrong "$hosts is not a readable file"; fi
    case $language in
    '' | en | ru) ;;
    *) wrong "the languages are en and ru, not $language" ;;
    esac
    if [ -n "$late" ] && [ -z "$due" ]; then wrong '--late also takes --due'; fi
    case $due in
    '' | none | *:*) ;;
    *) if date -d "$due 23:59:59" >/dev/null 2>&1; then due="$due 23:59:59"; fi ;; # a day without a time ends then
    esac
    if [ -n "$due" ] && [ "$due" != none ]; then
        due=$(date -d "$due" +%s 2>/dev/null) || wrong 'date -d does not know the time after --due'
    fi
    # The checkers read a seed like C: a number that begins with 0 would be octal. 0 is no seed.
    case $seed in
    0x | 0x*[!0-9A-Fa-f]*) bad=yes ;;
    0x*) bad= ;;
    0* | *[!0-9]*) bad=yes ;;
    *) bad= ;;
    esac
    if [ -n "$seed" ] && { [ -n "$bad" ] || [ $((seed)) -eq 0 ]; }; then
        wrong "$seed is no seed: that is a number above 0, as 0x1a2b or 6699"
    fi
}

is_number() {
    case $1 in '' | *[!0-9]*) return 1 ;; esac
    [ "$1" -gt 0 ]
}

# The settings are remembered: --only-failed must not grade labs that were not set.
recall() {
    remembered=$out/.grade/settings.json
    was_labs='' was_systems='' was_stages='' was_time='' was_due='' was_late='' was_weights='' was_seed='' was_title='' was_language=''
    if [ -z "$ready" ] && [ -e "$remembered" ]; then
        # One jq for all: each start of jq takes as long as a sandbox.
        eval "$(jq -r '@sh "was_labs=\(.labs | join(",")) was_systems=\(.systems | join(",")) was_stages=\(.stages // [] | join(","))
            was_time=\(.time) was_due=\(.due // "") was_late=\(.late // [] | tojson) was_weights=\(.weights // [] | tojson)
            was_seed=\(.seed) was_title=\(.title) was_language=\(.language // "")"' "$remembered")"
    fi
    : "${labs:=${was_labs:-all}}" "${systems:=${was_systems:-unix,win32}}" "${stages:=${was_stages:-all}}" "${time:=${was_time:-300}}"
}

# Tests of a later stage need those of the stages before: without them nothing would block them.
choose_stages() {
    case $(echo "$stages" | tr ',' '\n' | grep . | sort -u | paste -s -d , -) in
    all | basic,complete,robust) stages=basic,complete,robust ;;
    basic,complete) stages=basic,complete ;;
    basic) stages=basic ;;
    *) wrong "the stages are basic; basic,complete; or basic,complete,robust: not $stages" ;;
    esac
}

# Tries the files of Canvas and Moodle now, not after a class has been graded: with no students.
check_forms() {
    for form in canvas moodle; do
        file=$canvas
        if [ $form = moodle ]; then file=$moodle; fi
        if [ -n "$file" ] && ! said=$(jq -R -s -L "$here/report" -f "$here/report/$form.jq" --argjson facts '[]' \
            --argjson classes '[{}]' <"$file" 2>&1 >/dev/null); then
            wrong "$file: $(echo "$said" | sed 's/^jq: error ([^)]*): //')"
        fi
    done
}

# Lab 08 measures; it has no programs of students to judge.
every_lab() { (cd "$top/labs" && for checker in [0-9][0-9]-*/check.c; do echo "${checker%/*}"; done); }

# `--labs 01,05` becomes the names of folders.
choose_labs() {
    if [ "$labs" = all ]; then
        labs=$(every_lab)
    else
        chosen=
        for lab in $(echo "$labs" | tr ',' ' '); do
            name=$(every_lab | grep -E "^($lab|$lab-.*)\$" || true)
            if [ -z "$name" ]; then wrong "there is no lab $lab; the labs are $(every_lab | paste -s -d ' ' -)"; fi
            chosen="$chosen $name"
        done
        if [ -z "$chosen" ]; then wrong '--labs names no lab'; fi
        labs=$(echo "$chosen" | tr ' ' '\n' | grep . | sort -u)
    fi
}

choose_systems() {
    systems=$(echo "$systems" | tr ',' '\n' | grep . | sort -u)
    if [ -z "$systems" ]; then wrong '--systems names no system'; fi
    for system in $systems; do
        case $system in
        unix | win32) ;;
        *) wrong "the systems are unix and win32, not $system" ;;
        esac
    done
}
