# judge.sh - judges the programs of one submission by the labs' checkers, and repeats tests.
# grading/grade-submission reads this file.
#
#     judge             makes $state/graded.json from $state/packed
#     judge_remotely    the same on another machine, by grading/remote-judge
#
# In $GRADE_WORK are the folders of all who are judged at once. On another machine each has its own
# $GRADE_WORK, and they share $GRADE_TURNS (grading/remote-judge).
#
# Reads: build grade here host id key labs last_stage log seed state status systems time top unsafe work
# Sets: failure started
# shellcheck shell=sh disable=SC2034,SC2154

QUICK_LIMIT=3   # seconds for a wait, the first time
FULL_LIMIT=10   # when a test is repeated
MOST_REPEATED=6 # tests of a lab on one system

judge() {
    started=$(date +%s.%N)
    failure=
    make_work
    mkdir "$work/built" "$work/said" "$work/judged"
    touch "$work/files" "$work/refused" "$work/runs.json" "$work/again.json" "$work/said.json"
    give "$work"
    take_in
    for lab in $labs; do
        for system in $systems; do
            for name in server client; do
                compile "$lab" "$system" "$name"
                echo "$lab $system $name.c $status" >>"$work/files"
            done
        done
    done
    judge_all
    repeat_all
    need_room
    write_graded
}

# `run_checker LAB SYSTEM JSON LIMIT OPTION...`: judges the programs of the lab that were built.
# The file JSON is empty if the checker did not reach its end.
run_checker() {
    lab=$1 system=$2 json=$3 limit=$4
    shift 4
    suffix=
    if [ "$system" = win32 ]; then suffix=.exe; fi
    for name in server client; do
        program=$work/built/$lab-$system-$name/$name$suffix
        if grep -qx "$lab $system $name.c built" "$work/files"; then set -- "$@" "--$name" "$program"; fi
    done
    namespace="$top/grading/harness/private-namespace"
    if [ "$unsafe" != true ]; then
        set -- --cell "$@"
        namespace="$namespace --bare"
    fi
    template=${WINE_TEMPLATE:-$build/wine-template} # which there is not where only UNIX was set
    # shellcheck disable=SC2086 # $namespace is two words
    NAMESPACE_PATHS="$top $build $template $work/built" WINE_TEMPLATE="$template" \
        timeout -k 10 $((time + 400)) "$here/unprivileged" $namespace "$build/labs/$lab/check" \
        --system "$system" --labs "$top/labs" \
        --command "make check LAB=${lab%%-*} SYSTEM=$system WORK=~/mywork" \
        --stage "$last_stage" --seed "$seed" --limit "$limit" --time "$time" --json /dev/fd/9 "$@" 9>"$json" </dev/null
}

# `in_turn HOW COMMAND...`: several students are judged at once (HOW is --shared), or nobody else is
# (--exclusive). A process that waits for the latter holds the door, so that nobody comes in before it.
in_turn() {
    how=$1
    shift
    turns=${GRADE_TURNS:-${GRADE_WORK:-$work}}
    (flock 7 && flock "$how" 8 && flock --unlock 7 && "$@" 7>&- 8>&-) 7>>"$turns/door" 8>>"$turns/room"
}

# Returns whether another student's programs were ended at a limit since the judging of these began. The
# checker prints that to their log, which is in a temporary folder at first, and is kept at the end.
others_at_limit() {
    find "${GRADE_WORK:-$work}" ${GRADE_TURNS:+"$GRADE_TURNS" "${GRADE_TURNS%/*}"/grade.*} "$grade" \
        -mindepth 2 -maxdepth 2 -name log.txt -newermt "@$started" ! -path "$log" ! -path "$state/log.txt" -exec cat -- {} + 2>/dev/null | grep -q '^ *reason .*, and were ended$'
}

judge_all() {
    for lab in $labs; do
        for system in $systems; do
            if ! grep -q "^$lab $system .* built$" "$work/files"; then continue; fi
            code=0
            in_turn --shared run_checker "$lab" "$system" "$work/judged/$lab-$system.json" $QUICK_LIMIT >>"$log" 2>&1 || code=$?
            if [ "$code" = 124 ] || [ "$code" = 137 ]; then
                rm -f "$work/judged/$lab-$system.json"
                echo "{\"lab\":\"$lab\",\"system\":\"$system\",\"stopped\":$((time + 400)),\"tests\":[]}" \
                    >>"$work/runs.json"
            elif [ -s "$work/judged/$lab-$system.json" ]; then
                cat "$work/judged/$lab-$system.json" >>"$work/runs.json"
            fi
        done
    done
}

# Tests run once more if the machine may be the reason of their verdict. A neighbour may have taken what these
# programs needed: then nobody else is judged meanwhile.
repeat_all() {
    if ! grep -qE '"verdict": "(failed|error|skipped)"' "$work/runs.json"; then return; fi
    if others_at_limit; then
        alone='the programs of another student were ended at a limit'
    elif grep -q '"reason": "other programs have taken ' "$work/runs.json"; then
        alone='other programs had taken what these needed'
    else
        in_turn --shared repeat_each
        return
    fi
    echo "--- repeats run alone: $alone" >>"$log"
    in_turn --exclusive repeat_each
}
repeat_each() {
    repeating=$(date +%s%3N) # milliseconds
    list_absent >"$work/absent.json"
    repeat 'not_begun'
    repeat "failed(\$absent; $MOST_REPEATED)"
    repeat "blocked(\$again)"
}

# `repeat FUNCTION`: runs the tests that this function of repeat.jq lists, each alone.
repeat() {
    jq -r -L "$here/submission" --slurpfile absent "$work/absent.json" --slurpfile again "$work/again.json" \
        "include \"repeat\"; $1" "$work/runs.json" >"$work/repeat"
    while read -r lab system test; do
        if ! has_time; then
            echo "--- not once more, for lack of time: $lab on $system, $test" >>"$log"
            continue
        fi
        echo "--- once more: $lab on $system, $test" >>"$log"
        run_checker "$lab" "$system" "$work/judged/again.json" $FULL_LIMIT --test "$test" >>"$log" 2>&1 || true
        if [ -s "$work/judged/again.json" ]; then
            cat "$work/judged/again.json" >>"$work/again.json"
            rm -f "$work/judged/again.json"
        fi
    done <"$work/repeat"
}

# Returns whether the repeats of this submission may go on: together they may take as long as the
# tests of a lab.
has_time() { [ $(($(date +%s%3N) - repeating)) -lt $((time * 1000)) ]; }

judge_remotely() {
    make_work
    set -- settings.json absent "$id/submission" "$id/packed"
    if [ -e "$state/refusal" ]; then set -- "$@" "$id/refusal"; fi
    tar -C "$grade" -cf "$work/there" "$@"
    # shellcheck disable=SC2086 # REMOTE_JUDGE is ssh, its options, the host
    if ! $REMOTE_JUDGE "exec env BUILD='$build' TZ='${TZ-}' setpriv --pdeathsig TERM '$here/remote-judge' --judge '$id'" \
        <"$work/there" >"$work/back" 2>"$work/said" 9>&-; then
        complain "not judged on $host: $(clean 1000 <"$work/said" | tail -n 1)"
        exit 1
    fi
    if ! tar -C "$work" --no-same-owner -xf "$work/back" 2>"$work/said" ||
        ! jq -e --arg id "$id" --arg key "$key" '.id == $id and (.key == $key or .key == "")' "$work/graded.json" >"$work/null"; then
        complain "what came back from $host is not what was asked for"
        exit 1
    fi
    cp "$work/graded.json" "$state/graded.new"
    keep_graded
}
