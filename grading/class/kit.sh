# kit.sh - builds the kit, and tries what grading takes: programs, the sandbox, the checkers.
# grading/grade reads this file.
#
#     check_tools        ends with 1 if this machine lacks a program that grade itself calls
#     build_kit          builds what the labs and systems need; for a dry run only the intake
#     check_kit          ends with 1 if something was not built, or cannot run
#     check_sandbox      tries the sandbox; ends with 3 if there is none
#     no_sandbox TEXT    ends with 3
#     list_tests         makes .grade/absent: all tests, as judged without any program
#
# Reads: build grade here hosts kit_sum labs look ready stages systems top unsafe
# shellcheck shell=sh disable=SC2034,SC2154

check_tools() {
    for tool in jq make flock setpriv unshare ${hosts:+ssh parallel}; do
        if ! command -v "$tool" >/dev/null 2>&1; then
            echo "grade: this machine lacks $tool; tools/setup ${hosts:+hosts }installs it" >&2
            exit 1
        fi
    done
}

# The user that starts this builds the kit; after that it is only read.
make_kit() {
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make BUILD="$build" "$@" >"$grade/build.log" 2>&1 9>&- || {
        cat "$grade/build.log"
        echo 'grade: the kit cannot be built here; make doctor reports what is missing' >&2
        exit 1
    }
}
build_kit() {
    if [ -n "$look" ]; then
        make_kit -C "$here"
    elif [ -z "${GRADE_BUILT-}" ]; then
        say 'building the kit'
        for lab in $labs; do
            make_kit -C "$top/labs/$lab" SYSTEM="$(echo "$systems" | paste -s -d ' ' -)"
        done
        # The canary always needs this checker, and its programs.
        if [ "$unsafe" != true ]; then make_kit -C "$top/labs/05-sockets" checker programs SYSTEM=unix; fi
    fi
}

# Checks that all that grading takes was built, and can run.
check_kit() {
    for file in "$build/grading/intake" "$build/grading/students" $(for lab in $labs; do echo "$build/labs/$lab/check"; done); do
        if [ ! -x "$file" ]; then
            echo "grade: $file was not built: this machine lacks a package for it; run make setup" >&2
            exit 1
        fi
    done
    for system in $systems; do
        suffix=
        if [ "$system" = win32 ]; then suffix=.exe; fi
        for lab in $labs; do
            if [ ! -f "$build/labs/$lab/$system/server$suffix" ]; then
                echo "grade: programs for $system cannot be built here: make setup, or --systems with the other one" >&2
                exit 1
            fi
        done
        if [ "$system" = win32 ] && [ ! -e /proc/sys/fs/binfmt_misc/WSLInterop ] && [ ! -e /proc/sys/fs/binfmt_misc/WSLInterop-late ]; then
            why=$("$top/grading/harness/wine-template" --state "${WINE_TEMPLATE:-$build/wine-template}")
            if [ -n "$why" ]; then
                echo "grade: programs for win32 do not run here: $why; use --systems unix" >&2
                exit 1
            fi
        fi
    done
    if ! "$here/unprivileged" test -r "$build/labs/$lab/check"; then
        echo "grade: an ordinary user cannot read the kit; move it to a folder that others can read, such as /opt or /srv" >&2
        exit 1
    fi
}

no_sandbox() {
    echo "grade: $1" >&2
    echo 'grade: nothing was graded. make doctor may report what is missing; --unsafe grades without the sandbox' >&2
    exit 3
}
check_sandbox() {
    if [ "$unsafe" = true ]; then
        echo 'grade: WARNING: --unsafe: programs of students run with your rights, and see your files.' >&2
    else
        for wsl in /proc/sys/fs/binfmt_misc/WSLInterop /proc/sys/fs/binfmt_misc/WSLInterop-late; do
            case $systems in
            *win32*) if [ -e $wsl ]; then no_sandbox 'through WSL, Windows programs run outside any sandbox of Linux: give --systems unix'; fi ;;
            esac
        done
        "$here/sandbox/canary" ${ready:+--walls} 9>&- || no_sandbox 'the sandbox does not hold here'
    fi
}

# Judge every test without any program. This gives the names and points of tests for a missing program, and the
# tests that this machine cannot judge at all. These depend on the limits (ulimit), the kernel, whether it allows
# ptrace, and the version of Wine.
list_tests() {
    mkdir -p "$grade/absent" "$GRADE_WORK/nothing"
    echo 'This is no program.' >"$GRADE_WORK/nothing/program"
    chmod -R a+rX "$GRADE_WORK/nothing"
    : >"$GRADE_WORK/nothing/list.json"
    bare=--bare cell=--cell
    if [ "$unsafe" = true ]; then bare='' cell=''; fi
    template=${WINE_TEMPLATE:-$build/wine-template} # which there is not where only UNIX was set
    here_and_now=$({ uname -r && cat /proc/self/limits /proc/sys/kernel/yama/ptrace_scope "$template/.made-by"; } 2>/dev/null | sha256sum | cut -c 1-8)
    for lab in $labs; do
        for system in $systems; do
            cache=$build/grading/absent/$kit_sum-$here_and_now-$lab-$system$cell.json
            if [ ! -s "$cache" ]; then
                mkdir -p "$build/grading/absent"
                # shellcheck disable=SC2086 # words
                NAMESPACE_PATHS="$top $build $template $GRADE_WORK/nothing" WINE_TEMPLATE="$template" \
                    "$here/unprivileged" "$top/grading/harness/private-namespace" $bare "$build/labs/$lab/check" $cell --system "$system" \
                    --server "$GRADE_WORK/nothing/program" --client "$GRADE_WORK/nothing/program" --limit 1 --all \
                    --json /dev/fd/9 >"$GRADE_WORK/nothing/log" 2>&1 9>"$GRADE_WORK/nothing/list.json" || true
                if [ ! -s "$GRADE_WORK/nothing/list.json" ]; then
                    cat "$GRADE_WORK/nothing/log" >&2
                    echo "grade: the checker of lab $lab does not work for $system; make doctor may report why" >&2
                    exit 1
                fi
                jq . "$GRADE_WORK/nothing/list.json" >"$cache.$$"
                mv "$cache.$$" "$cache"
            fi
            # The file of the kit has all stages; this class has only those that were set.
            jq --arg stages "$stages" '($stages | split(",")) as $set
                | .tests |= map(select(.stage == null or (.stage | IN($set[]))))' "$cache" >"$grade/absent/$lab-$system.json"
        done
    done
}
