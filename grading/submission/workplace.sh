# workplace.sh - the temporary folder of one submission, the sandbox for its files, and what happens if
# something of ours fails. grading/grade-submission reads this file.
#
#     make_work                     makes the folder, and removes it at the end
#     give FOLDER                   gives it to the user that runs everything with students' files
#     is_full FOLDER                returns whether its file system is nearly full
#     need_room                     fails if the temporary folder is nearly full
#     walled OPTION... -- COMMAND   runs the command in the sandbox
#     at PATH INSIDE                prints the path that this command must use for PATH
#     clean BYTES                   copies standard input, without control characters
#     complain TEXT                 prints a line of ours
#     fail TEXT                     ends with a result that contains this failure of ours
#
# Reads: here id judge_only look_only patience unsafe
# Sets: failure log user work
# shellcheck shell=sh disable=SC2034,SC2154

PATIENCE=${GRADE_PATIENCE:-120} # seconds for taking in, and for compiling a program, however busy the machine is
LEAST_ROOM=64                   # MB that must be free in the temporary folder, and in that of the results

make_work() {
    user=$("$here/unprivileged" --user)
    work=$(mktemp -d "${GRADE_WORK:-${TMPDIR:-/tmp}}/grade-$id.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    log=$work/log.txt
    : >"$log"
}

give() {
    if [ "$(id -u)" -eq 0 ]; then chown "$user:$user" "$1"; fi
}

is_full() { [ $(($(stat -f -c '%a * %S / 1048576' "$1"))) -lt $LEAST_ROOM ]; }
# A full disk must not look like a wrong program.
need_room() {
    if is_full "$work"; then fail "the temporary folder ${work%/*} has less than $LEAST_ROOM MB free"; fi
}

# `walled [--seconds N] [--read PATH=INSIDE] [--write PATH=INSIDE]... -- COMMAND` calls
# grading/sandbox/cell. With --unsafe the command runs without a sandbox, and paths are not changed.
walled() {
    if [ "$unsafe" = true ]; then
        while [ "$1" != -- ]; do shift; done
        shift
        "$here/unprivileged" timeout -k 1 "${patience:-$PATIENCE}" "$@" 9>&-
    else
        "$here/unprivileged" "$here/sandbox/cell" "$@" 9>&-
    fi
}

at() {
    if [ "$unsafe" = true ]; then echo "$1"; else echo "$2"; fi
}

# Also removes the control characters of Unicode, U+0080 to U+009F, and those that change the direction
# of text, such as U+202E.
clean() {
    LC_ALL=C tr -d '\000-\010\013-\037\177' | head -c "$1" |
        LC_ALL=C sed 's/\xC2[\x80-\x9F]//g; s/\xE2\x80[\x8E\x8F\xAA-\xAE]//g; s/\xE2\x81[\xA6-\xA9]//g; s/\xD8\x9C//g'
}

complain() { echo "grade: $id: $1" >&2; }

# An error of ours, not of the student. The result contains that, and no key, so the submission is
# graded again. A dry run has no result. If another machine asked for the judging, it has none either:
# that machine may ask others.
fail() {
    complain "$1"
    if [ -n "$judge_only$look_only" ]; then exit 1; fi
    failure=$1
    write_graded
    publish
    exit 1
}
