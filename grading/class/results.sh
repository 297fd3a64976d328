# results.sh - the lists and files about the whole class. grading/grade reads this file.
#
#     look_only      prints what a dry run finds; returns 1 if something failed
#     write_class    makes class.json, the gradebook and the page; sets `status` to 1 if something failed
#     name_leftovers prints what earlier starts have left in the gradebook: other ids, other settings
#     print_end      prints who needs a look, and where the results are
#
# Reads: begun canvas forms grade here jobs moodle results status sum told
# Sets: running status
# shellcheck shell=sh disable=SC2034,SC2154

# Lists those whom the instructor must look at, so that nobody loses points silently. The lines of
# standard input are names of result.json, or of what --look found.
list_look() {
    xargs -r -d '\n' cat -- | jq -r -s -L "$here/report" --arg form "$1" --arg command "grading/grade --out $told" -f "$here/report/look.jq"
}

look_only() {
    code=0
    xargs -r -P "${jobs:-$(nproc)}" -n 1 "$here/grade-submission" --look "$results" <"$grade/ids" || code=1
    sed "s|.*|$grade/&/look.json|" "$grade/ids" | list_look all
    return $code
}

write_class() {
    (cd "$results" && for file in */result.json; do if [ -e "$file" ]; then dirname "$file"; fi; done) |
        LC_ALL=C sort | who_is_there >"$grade/students"
    echo '[]' >"$grade/similar.json"
    running=yes
    "$here/namespace" "$here/similar" "$results" >"$grade/similar.new" </dev/null &
    if wait "$!"; then mv "$grade/similar.new" "$grade/similar.json"; else status=1; fi
    running=
    jq --rawfile students "$grade/students" --slurpfile similar "$grade/similar.json" --arg finished "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        '{title, seed, kit, started, $finished, labs, systems, stages, weights, unsafe, due: (if .due then .due | todate else null end),
          students: ($students | split("\n") | map(select(. != ""))), similar: $similar[0]}' \
        "$grade/settings.json" >"$results/class.new"
    mv "$results/class.new" "$results/class.json"

    # shellcheck disable=SC2086 # options are words
    set -- $forms
    if [ -n "$canvas" ]; then set -- "$@" --canvas "$canvas"; fi
    if [ -n "$moodle" ]; then set -- "$@" --moodle "$moodle"; fi
    "$here/report/class" "$results" "$@" || status=1
}

name_leftovers() {
    # An id that changes, by a map for example, leaves the old one. A student in the map is no such rest.
    LC_ALL=C sort -u "$grade/ids" "$GRADE_WORK/known" | LC_ALL=C comm -13 - "$grade/students" >"$GRADE_WORK/others"
    if [ -s "$GRADE_WORK/others" ] && [ "$(wc -l <"$grade/ids")" -gt 1 ]; then
        say "not among these, with results of an earlier start: $(paste -s -d ' ' "$GRADE_WORK/others")"
        echo "  to remove ID from the gradebook: rm -r $told/ID $told/.grade/ID"
    fi
    jq -r -n --rawfile students "$grade/students" --slurpfile map "$grade/map.json" --slurpfile found "$grade/found.json" '
        $students | split("\n") | map(select(. != "") | {id: ., email: ($map[0][.].email // $found[0][.].email // "" | ascii_downcase)})
        | map(select(.email != "")) | group_by(.email)[] | select(length > 1) | "\(map(.id) | join(" and ")) have the same address, \(.[0].email)"' |
        while read -r sentence; do say "$sentence"; done
    # A start for --regrade or --only-failed that was killed leaves results without their graded.json.
    same=$(cd "$grade" && sed 's|$|/graded.json|' students | xargs -r -d '\n' grep -lsF "\"sum\":\"$sum\"" | wc -l)
    others=$(($(wc -l <"$grade/students") - same))
    if [ "$others" -gt 0 ]; then
        say "students still graded by other settings or another kit: $others; to grade them again, start without SUBMISSION"
    fi
}

print_end() {
    while read -r id; do if [ -e "$results/$id/result.json" ]; then echo "$results/$id/result.json"; fi; done <"$grade/ids" | list_look few
    say "$(sort -u "$GRADE_WORK/done" | wc -l) submissions graded in $(($(date +%s) - begun)) s; the results:"
    for file in gradebook.csv index.html; do
        if [ -e "$results/$file" ]; then echo "  $results/$file"; fi
    done
    if [ "$status" -ne 0 ]; then
        echo 'grade: something of ours failed, see above; start it once more, and what is missing is graded' >&2
    fi
}
