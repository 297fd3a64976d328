# workplace.sh - the temporary folder of a start of grade, and the folder of the results. grading/grade
# reads this file.
#
#     make_workplace    makes $GRADE_WORK, the temporary folder, and removes it at the end
#     open_results      makes the folder of the results, and locks it
#
# While a command runs in the background, `running` is not empty: an end then kills the last one.
#
# Reads: look out ready
# Sets: grade results running told
# shellcheck shell=sh disable=SC2034,SC2154

make_workplace() {
    # The folder in which students' files are unpacked and built.
    GRADE_WORK=$(mktemp -d "${TMPDIR:-/tmp}/grade.XXXXXX")
    export GRADE_WORK
    chmod 711 "$GRADE_WORK"
    running='' grade=
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM

    # A zip has local times. The sandboxes that unpack it, and the hosts, take this machine's time zone.
    zone=$(realpath -m /etc/localtime)
    case $zone in /usr/share/zoneinfo/*) export TZ="${TZ-$zone}" ;; esac

    # A full disk must not look like wrong programs.
    room=$(($(stat -f -c '%a * %S / 1048576' "$GRADE_WORK")))
    if [ $room -lt 64 ]; then
        echo "grade: the temporary folder ${GRADE_WORK%/*} has $room MB free, and 64 MB are needed; set TMPDIR to a larger one" >&2
        exit 1
    fi
}

# shellcheck disable=SC2317 # the traps call it
clean_up() {
    # Do not use a variable that is set after "&": a signal may come before that.
    if [ -n "$running" ]; then
        kill -KILL "${!-}" 2>/dev/null || true
        wait "${!-}" 2>/dev/null || true
    fi
    # Its processes are killed with it, but may still write for a moment: rm then finds a folder
    # that is not empty.
    tries=50
    until rm -rf "$GRADE_WORK" 2>/dev/null || [ "$tries" = 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
    if [ "$(cat "${grade:-.}/work" 2>/dev/null)" = "$GRADE_WORK" ]; then rm -f "$grade/work" "$grade/pid"; fi
}

# Results may be in any folder, even one that no other user can enter.
open_results() {
    told=$out
    if [ -n "$ready$look" ]; then out=$GRADE_WORK/results; fi
    mkdir -p "$out" || wrong "$out cannot be made"
    results=$(realpath "$out")
    grade=$results/.grade
    mkdir -p "$grade"
    if [ -n "$look" ]; then cp "$told/.grade/map.csv" "$told/.grade/map.json" "$told/.grade/found.json" "$grade" 2>/dev/null || true; fi

    # All processes that grade hold the lock. It is released when the last one ends.
    exec 9>>"$grade/lock"
    if ! flock -w 2 9; then
        echo "grade: another grade is at work in $results (process $(cat "$grade/pid" 2>/dev/null || echo unknown))" >&2
        exit 1
    fi
    echo $$ >"$grade/pid"

    # Remove what a killed run has left.
    if [ -f "$grade/work" ]; then
        old=$(cat "$grade/work")
        case $old in
        */grade.??????) if [ -O "$old" ]; then rm -rf "$old"; fi ;;
        esac
    fi
    echo "$GRADE_WORK" >"$grade/work"
}
