# take-in.sh - takes the sources out of a packed submission, in the sandbox, by the program `intake`.
# grading/grade-submission reads this file.
#
#     take_in    makes $work/sources, $work/out/intake.json and $work/refused from $state/packed
#     look       makes $state/look.json, what a dry run lists
#
# Reads: build id labs log state systems work
# shellcheck shell=sh disable=SC2154

take_in() {
    need_room
    mkdir "$work/in" "$work/out"
    cp "$state/packed" "$work/in/archive"
    chmod 644 "$work/in/archive"
    give "$work/out"
    if [ -e "$state/refusal" ]; then
        nothing_taken "$(cat "$state/refusal")"
    else
        run_intake
    fi
    # Do not trust what came out of the sandbox: it is the student's, as what went in.
    rm -rf "$work/sources"
    mkdir "$work/sources"
    if [ -d "$work/out/sources" ]; then
        (cd "$work/out/sources" && find . -type f -size -2049 |
            grep -xE '\./[0-9a-z-]+/(unix|win32)/((server|client)/)?[A-Za-z0-9_][A-Za-z0-9_.-]*' | head -n 300) |
            while read -r file; do
                mkdir -p "$work/sources/${file%/*}"
                cp -P "$work/out/sources/$file" "$work/sources/$file"
            done
    fi
    chmod -R u+w,a+rX "$work/sources"
}

run_intake() {
    code=0
    walled --seconds "$PATIENCE" --read "$build/grading/intake=/intake" --read "$work/in/archive=/archive" \
        --write "$work/out=/out" -- "$(at "$build/grading/intake" /intake)" "$(at "$work/out" /out)" \
        "$(echo "$labs" | tr ' ' ,)" "$(echo "$systems" | tr ' ' ,)" "$(at "$work/in/archive" /archive)" \
        >"$work/intake.log" 2>&1 || code=$?
    clean 4000 <"$work/intake.log" >>"$log"
    if [ "$code" = 125 ]; then fail 'the sandbox could not be made'; fi
    if [ "$code" = 124 ]; then fail "unpacking was stopped after $PATIENCE s, by the clock"; fi
    if [ "$code" != 0 ]; then need_room; fi
    if [ "$code" != 0 ] || ! jq 'if .files and .refused and .notes then .refused[] else error end' \
        "$work/out/intake.json" >"$work/refused" 2>&1; then
        : >"$work/refused"
        rm -rf "$work/out"
        mkdir -p "$work/out/sources"
        nothing_taken 'unpacking the archive was stopped at its limits'
    fi
}

# `nothing_taken WHY`: makes $work/out/intake.json. A student loses all points for it, so it needs a look.
nothing_taken() {
    jq -n --arg why "$1" '{files: [], refused: [], notes: [], look: [$why], newest: 0, error: $why}' >"$work/out/intake.json"
}

look() {
    make_work
    give "$work"
    take_in
    jq --arg id "$id" '. + {$id} | .look = (.look // [.error])' "$work/out/intake.json" >"$state/look.json"
}
