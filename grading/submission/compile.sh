# compile.sh - builds the programs of a submission, in the sandbox, by the kit's own rules.
# grading/grade-submission reads this file.
#
#     compile LAB SYSTEM NAME    builds one program; sets `status` to
#         built        $work/built/LAB-SYSTEM-NAME contains it, and nothing else
#         missing      it was not handed in
#         refused      it was not taken in
#         broken       it does not compile
#         slow         the compiler was stopped at its limits
#         late         the clock stopped the compiler: an error of ours
#         lacking      it is C++, and this machine has no compiler for that
#
# The compiler's messages are added to $work/said.json and the log.
#
# Reads: build log top work
# Sets: patience status
# shellcheck shell=sh disable=SC2034,SC2153,SC2154

MOST_BUILT=256 # MB of all programs of a submission

# A compiler that the clock has stopped has not judged the program: it is tried once more, and after
# that all tests of the program are errors of ours.
compile() {
    compile_once "$@" "$PATIENCE"
    if [ "$status" = late ]; then
        echo "--- once more: compiling $1/$2/$3.c, which was stopped after $PATIENCE s, by the clock" >>"$log"
        rm -rf "$work/built/$1-$2-$3"
        compile_once "$@" $((2 * PATIENCE))
    fi
}

compile_once() { # LAB SYSTEM NAME SECONDS
    lab=$1 system=$2 name=$3 patience=$4
    there="$work/sources/$lab/$system"
    if [ -z "$(ls "$there/$name.c" "$there/$name.cpp" "$there/$name/$name.c" "$there/$name/$name.cpp" 2>/dev/null)" ]; then
        status=missing
        if grep -qE "\"path\": \"$lab/$system/($name/)?$name\.c(pp)?\"" "$work/refused"; then status=refused; fi
        return
    fi
    if [ "$(du -sm "$work/built" | cut -f 1)" -ge $MOST_BUILT ]; then
        echo "--- not compiled: $lab/$system/$name.c: the programs before it have more than $MOST_BUILT MB" >>"$log"
        status=slow
        return
    fi
    suffix=
    if [ "$system" = win32 ]; then suffix=.exe; fi
    into=$work/built/$lab-$system-$name
    need_room
    mkdir "$into"
    give "$into"
    said=$work/said/$lab-$system-$name.c
    code=0
    run_make >"$said" 2>&1 </dev/null || code=$?
    # Remove the lines of make and of build-program, and the cell's name of the folder: a student needs neither.
    clean 20000 <"$said" | grep -v '^  cc  \|^make\(\[[0-9]*\]\)\?: \| does not compile, and cannot be judged$' |
        sed "s|$(at "$work/sources/$lab" /submission)/|$lab/|g" | head -c 6000 >"$said.text" || true
    program=$into/$name$suffix
    if [ "$code" = 125 ]; then fail 'the sandbox could not be made'; fi
    if [ "$code" = 0 ] && [ -f "$program" ] && [ ! -L "$program" ]; then
        status=built
    elif grep -q ' is C++, and this machine has no ' "$said"; then
        status=lacking
    elif [ "$code" = 124 ]; then
        status=late
    elif [ "$code" = 137 ] || [ ! -s "$said.text" ]; then
        status=slow
    else
        status=broken
    fi
    if [ "$status" != built ]; then need_room; fi
    if [ "$status" != late ] && [ -s "$said.text" ]; then
        jq -Rs --arg file "$lab-$system-$name.c" '{$file, text: .}' "$said.text" >>"$work/said.json"
        { echo "--- $lab/$system/$name.c" && cat "$said.text"; } >>"$log"
    fi
    rm -rf "$said" "$work/parts"
}

# `with_kit LAB CELL [OPTION...] -- COMMAND...`: calls CELL, with options for what a compiler may see of the kit.
# The library is already compiled, so make has nothing to do there, and its sources are not seen: some of them do
# what labs 05 and 07 ask for.
with_kit() {
    lab=$1 runner=$2
    shift 2
    for file in "$top/tools/side-by-side.mk" "$top/labs/lab.mk" "$top/labs/build-program" "$top/labs/lib/Makefile" "$top/labs/lib"/*.h \
        "$top/labs/$lab/Makefile" "$top/labs/$lab"/*.[ch] "$top/labs/$lab"/*/*.h; do # what the lab gives, and its programs share
        if [ -e "$file" ] && [ "${file##*/}" != check.c ]; then set -- --read "$file=/kit${file#"$top"}" "$@"; fi
    done
    "$runner" --read "$build/labs/lib=/kit/build/labs/lib" "$@"
}

# Runs make for the program of compile_once. Objects stay in the cell's own /tmp, whose size is limited:
# only the program comes out.
run_make() {
    parts=$(at "$work/parts" /tmp/parts)
    # shellcheck disable=SC2016 # the shell in the cell reads it
    with_kit "$lab" walled --seconds "$patience" --read "$work/sources/$lab=/submission" --write "$into=/built" -- \
        sh -c 'made=$1 into=$2 && shift 2 && "$@" && cp "$made" "$into"' make \
        "$parts/$system/$name$suffix" "$(at "$into" /built)" \
        env MAKELEVEL=1 MAKEFLAGS= make --no-print-directory -C "$(at "$top" /kit)/labs/$lab" theirs \
        SYSTEM="$system" WORK="$(at "$work/sources/$lab" /submission)" OUT="$parts" NAMES="$name"
}
