# results.sh - writes the verdicts on one submission, and the results of a student.
# grading/grade-submission reads this file.
#
#     list_absent     prints the tests of the labs and systems that were set, as judged without any program
#     write_graded    makes $state/graded.json of what is in $work
#     keep_graded     the last part of that: graded.json and what belongs to it, of $state/graded.new
#     publish         makes the folder $results/ID of it, with the name, the lateness and the report
#     summarise       prints the line for grade; returns 1 if a test could not be judged
#
# Reads: failure grade here host id key labs log new results settings started state systems work
# shellcheck shell=sh disable=SC2154

list_absent() {
    for lab in $labs; do
        for system in $systems; do cat "$grade/absent/$lab-$system.json"; done
    done
}

write_graded() {
    list_absent >"$work/absent.json"
    [ -f "$work/out/intake.json" ] || echo null >"$work/out-intake.json"
    source=$(readlink "$state/submission" || echo nothing)
    jq -cn -f "$here/submission/result.jq" --slurpfile settings "$settings" \
        --slurpfile intake "$(ls "$work/out/intake.json" 2>/dev/null || echo "$work/out-intake.json")" \
        --slurpfile absent "$work/absent.json" --slurpfile runs "$work/runs.json" \
        --slurpfile again "$work/again.json" --slurpfile said "$work/said.json" \
        --rawfile files "$work/files" --arg id "$id" --arg source "${source##*/}" --arg key "$key" \
        --arg graded "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        --arg started "$started" --arg ended "$(date +%s.%N)" --arg failure "$failure" \
        >"$state/graded.new"
    keep_graded
}

# The result is written last: if it exists, everything exists.
keep_graded() {
    rm -rf "$state/sources"
    mkdir "$state/sources"
    if [ -d "$work/sources" ]; then cp -R "$work/sources/." "$state/sources"; fi
    clean 4000000 <"$log" >"$state/log.txt"
    mv "$state/graded.new" "$state/graded.json"
}

# The name and the lateness can change without grading again.
publish() {
    mkdir -p "$results/$id"
    jq --slurpfile settings "$settings" --slurpfile map "$grade/map.json" --slurpfile found "$grade/found.json" \
        --arg submitted "$(cat "$state/submitted" 2>/dev/null)" -f "$here/submission/annotate.jq" \
        "$state/graded.json" >"$state/result.new"
    if ! cmp -s "$state/result.new" "$results/$id/result.json" || [ ! -e "$results/$id/report.md" ]; then
        rm -rf "${results:?}/$id/sources"
        cp -R "$state/sources" "$results/$id/sources"
        cp "$state/log.txt" "$results/$id/log.txt"
        rm -f "$results/$id/report.md" # so that the next start goes on if this one is killed here
        mv "$state/result.new" "$results/$id/result.json"
        "$here/report/student" "$results/$id"
    fi
    rm -f "$state/result.new"
}

# $state/summary contains how many tests could not be judged, the line for grade, and the tests that failed.
summarise() {
    jq -r -L "$here/report" --arg new "$new" --arg host "$host" 'include "common";
        ([.labs[].tests[] | select(.verdict == "error")] | length),
        "\(.id) \(.final) \(.maximum) \(.seconds) \($new) \($host)",
        ([.labs[] | select(is_readable) | . as $lab | .tests[] | select(.verdict == "failed") | "\($lab.lab) \($lab.system) \(.id)"]
         | unique[])' "$results/$id/result.json" >"$state/summary"
    { read -r errors && read -r line; } <"$state/summary"
    echo "$line"
    if [ "$errors" -gt 0 ]; then
        complain "$errors tests could not be judged, by a failure of the kit or of this machine; $results/$id/log.txt may tell why"
        return 1
    fi
}
