# schedule.sh - grades the submissions, some at once, and shows the progress. grading/grade reads this file.
#
#     forget_some    removes the verdicts that --regrade and --only-failed name
#     publish_others writes the results of the other students again, if names, dates, deductions, weights or
#                    the language have changed
#     note_published notes that all results have been written by these settings
#     grade_all      grades all of .grade/ids by the script grade-submission, here or on the hosts; sets
#                    `status` to 1 if something failed, and `begun` to the time. $GRADE_WORK/done lists the
#                    ids of those that are graded
#
# Reads: build grade here hosts jobs number only_failed regrade results
# Sets: begun running status
# shellcheck shell=sh disable=SC2034,SC2154

forget_some() {
    if [ "$regrade" = ' all' ]; then regrade=$(cat "$grade/ids"); fi
    for id in $regrade; do
        if ! grep -qxF -- "$id" "$grade/ids"; then wrong "there is no submission $id; ids stand in gradebook.csv"; fi
        rm -f "$grade/$id/graded.json"
    done
    if [ -n "$only_failed" ]; then
        while read -r id; do
            if [ -f "$grade/$id/graded.json" ] && jq -e '.points < .maximum' "$grade/$id/graded.json" >/dev/null; then
                rm "$grade/$id/graded.json"
            fi
        done <"$grade/ids"
    fi
}

# These settings count for the whole class, also if only some students are named. The file `published`
# contains them when all results have been written by them, those of this start too.
publish_others() {
    settings=$({ jq -c '{due, late, weights, language}' "$grade/settings.json" && cat "$grade/map.json"; } | sha256sum)
    if [ "$settings" = "$(cat "$grade/published" 2>/dev/null)" ]; then return; fi
    rm -f "$grade/published"
    (cd "$grade" && for file in */graded.json; do if [ -e "$file" ]; then dirname "$file"; fi; done) |
        LC_ALL=C sort | LC_ALL=C comm -23 - "$grade/ids" |
        xargs -r -P "${jobs:-$(nproc)}" -n 1 "$here/grade-submission" --publish "$results" || exit 1
}
note_published() { if [ ! -e "$grade/published" ]; then echo "$settings" >"$grade/published"; fi; }

# Adds the failed tests of a student to the list, with the most frequent one first: "7 LAB SYSTEM TEST".
count_failed() {
    sed 1,2d "$grade/$1/summary" >"$GRADE_WORK/failed.one" 2>/dev/null || return 0
    awk '{ n[$(NF - 2) " " $(NF - 1) " " $NF] += NF > 3 ? $1 : 1 } END { for (test in n) print n[test], test }' \
        "$GRADE_WORK/failed" "$GRADE_WORK/failed.one" | sort -rn >"$GRADE_WORK/failed.new"
    mv "$GRADE_WORK/failed.new" "$GRADE_WORK/failed"
}
# Prints the test that most students failed so far.
worst() {
    if read -r times lab system test <"$GRADE_WORK/failed"; then echo "failed most: $test of lab ${lab%%-*} on $system ($times of $count)"; fi
}

# Draws a bar on a terminal, and below it the students whose programs run now.
draw() {
    done=$((count * 30 / total)) left=
    if [ "$judged" -gt 0 ] && [ "$count" -lt "$total" ]; then
        left=$((($(date +%s) - begun) * (total - count) / judged))
    fi
    below=$(worst)
    if [ -n "$at_work" ]; then below="now:$at_work${below:+; $below}"; fi
    printf '\r\033[K[%s%s] %s/%s%s%s\n\033[K%s\033[A' "$(printf '%*s' "$done" '' | tr ' ' '#')" \
        "$(printf '%*s' $((30 - done)) '' | tr ' ' '.')" "$count" "$total" "$last" \
        "${left:+  about $((left / 60)) min $((left % 60)) s left}" "$(echo "$below" | cut -c "1-$columns")" >&2
}

# Reads the lines of `grade-submission`. Draws on a terminal, else prints a line for each student.
progress() {
    terminal='' columns=''
    if [ -t 2 ]; then terminal=yes columns=$(stty size <&2 2>/dev/null | cut -d ' ' -f 2); fi
    if [ "${columns:-0}" -le 1 ]; then columns=80; fi
    columns=$((columns - 1))
    count=0 judged=0 at_work='' last=''
    : >"$GRADE_WORK/failed"
    while read -r id points maximum seconds new host; do
        if ! grep -qxF -- "$id" "$grade/ids"; then
            echo "grade: $id $points $maximum $seconds $new $host" >&2
            continue
        fi
        others=
        for one in $at_work; do if [ "$one" != "$id" ]; then others="$others $one"; fi; done
        if [ "$points" = begins ]; then
            at_work="$others $id"
            if [ -n "$terminal" ]; then draw; fi
            continue
        fi
        at_work=$others last="  $id: $points of $maximum"
        # If judging failed, another host may have tried again.
        if ! grep -qsxF -- "$id" "$GRADE_WORK/done"; then
            count=$((count + 1))
            count_failed "$id"
        fi
        echo "$id" >>"$GRADE_WORK/done"
        if [ "$new" = new ]; then judged=$((judged + 1)); fi
        if [ -n "$terminal" ]; then
            draw
        else
            echo "$count/$total  $id: $points of $maximum points$(if [ "$new" = new ]; then echo ", in $seconds s${host:+ on $host}"; else echo ', as before'; fi)"
        fi
    done
    if [ -n "$terminal" ]; then printf '\n\033[K' >&2; fi
    worst
}

grade_all() {
    total=$(wc -l <"$grade/ids")
    begun=$(date +%s)
    export RESULTS="$results" GRADE_SUBMISSION="$here/grade-submission" BUILD="$build"
    unset MAKEFLAGS MAKELEVEL MFLAGS
    pipe=$GRADE_WORK/progress
    mkfifo "$pipe"
    progress <"$pipe" 9>&- &
    watcher=$!
    if [ -n "$hosts" ]; then
        # shellcheck disable=SC2016 # for a shell that parallel starts
        # If a submission fails, other hosts try it. The pause is for ssh servers, which refuse the
        # tenth connection at the same time.
        set -- parallel --plain --will-cite --ungroup --tmpdir "$GRADE_WORK/hosts" \
            --sshloginfile "$GRADE_WORK/hosts/all" --jobs "${jobs:-100%}" --retries $((number + 1)) --delay 0.05 \
            --arg-file "$grade/ids" '"$GRADE_SUBMISSION" "$RESULTS" {}'
        export PARALLEL_SHELL=/bin/sh PARALLEL_HOME="$GRADE_WORK/hosts/parallel" PARALLEL_REMOTE_TMPDIR="$GRADE_WORK/hosts"
    else
        set -- make -f "$here/class/class.mk" -k -j "${jobs:-$(nproc)}" --no-print-directory -s
    fi
    running=yes
    "$here/namespace" "$@" >"$pipe" 2>"$grade/errors" </dev/null &
    status=0
    wait "$!" || status=1
    running=
    wait "$watcher" || true
    grep -v '^make: ' "$grade/errors" >&2 || true
    missing=$(touch "$GRADE_WORK/done" && LC_ALL=C sort -u "$GRADE_WORK/done" | LC_ALL=C comm -13 - "$grade/ids")
    if [ -n "$missing" ]; then echo "grade: not graded: $(echo "$missing" | paste -s -d ' ' -)" >&2; else note_published; fi
}
