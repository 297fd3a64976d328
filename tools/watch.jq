# watch.jq - what tools/watch shows of the results of a check: the points, what has changed, what to fix first.
#
#     jq -L tools -r -f watch.jq --slurpfile before F    the results of the check before, or an empty file
#                       --arg bold, plain       what the terminal takes for bold text, or nothing

include "reason";

def some($one; $many): select(. > 0) | "\(.) " + if . == 1 then $one else $many end;
def steps: [.advice // [] | .[] | "STEP \(.step) of \(.program)"] | join(", ");
def cause: [(.reason | lasting), steps];
def ids: map(.id) | unique | if length > 4 then .[:4] + ["..."] else . end | " (" + join(", ") + ")";

($before[0].tests // [] | map({key: "\(.id)/\(.cast)", value: .verdict}) | from_entries) as $old
| [.tests[] | {id, now: .verdict, old: ($old["\(.id)/\(.cast)"] // "new")}] as $all
# A test of the pair runs with several programs: the number is that of the names.
| ([$all[] | select(.old == "passed" and .now == "failed")] | unique_by(.id)) as $lost
| [([$all[] | select(.old != "passed" and .now == "passed")] | length | some("more passes"; "more pass")),
   ($lost | length | some("new failure"; "new failures") + ($lost | ids)),
   ([$all[] | select(.old != "passed" and .old != "failed" and .now == "failed")] | length
    | some("fails that was not run before"; "fail that were not run before")),
   ([$all[] | select(.old == "passed" and .now == "blocked")] | length
    | some("that passed is not run now"; "that passed are not run now"))] as $changes
| ([.tests[] | select(.verdict == "failed")] + [.tests[] | select(.verdict == "error")])[0] as $first
# The same tests may fail for other reasons. What had to be fixed first is then compared.
| ([$before[0].tests // [] | .[] | select(.id == $first.id and .cast == $first.cast)][0]) as $was
| [.tests[] | select(.verdict == "failed") | . as $test
   | select($before[0].tests // [] | any(.id == $test.id and .cast == $test.cast and cause != ($test | cause)))] as $others
| "\($bold)Lab \(.lab[:2]), \(.title), \(if .system == "unix" then "UNIX" else "Win32" end)\($plain): "
  + ([.stages[] | .stage + " " + if .run then "\(.points)/\(.maximum)" else "not run" end] | join("  ")),
  if $before == [] then empty
  else "  since the last check: " + if $changes != [] then $changes | join(", ")
       elif $first != null and ($was | cause) != ($first | cause)
       then "the same tests fail, but the reason has changed: it was " + if ($was.reason | lasting) != ($first.reason | lasting)
            then $was.reason else $was | steps end
       elif $others != [] then "the same tests fail, but the reason has changed" + ($others | ids)
       else "nothing has changed" end end,
  if $first == null then "  nothing to fix: no test has failed"
  else "  \($bold)fix first\($plain)  \($first.id)\(if $first.cast == "" then "" else ", " + $first.cast end): \($first.name)",
       "    reason     \($first.reason)",
       (($first.facts // [])[] | "    " + .) end
