# tests.jq - how each test fared in the class. Input: every result.json, one after the other.
#
# A lab of which a student has handed in nothing readable is left out: its tests only show that. The
# students who failed a test are grouped by cause, with the most frequent one first. Each cause
# contains the first 30 of them.

include "common";

reduce (inputs | {id, who: who} as $who | .labs[]? | select(is_readable) | {lab, title, system} as $lab
        | .tests[]? | {lab: $lab, test: ., who: $who}) as $r ({};
  $r.test as $t
  | "\($r.lab.lab) \($r.lab.system) \($t.id) \($t.cast // "")" as $key
  | (if .[$key] == null then
       .[$key] = ($r.lab + {name: ($t | test_name), judges: ($t.judges // "pair"), stage: $t.stage,
                            passed: 0, failed: 0, blocked: 0, skipped: 0, error: 0, causes: {}})
     else . end)
  | .[$key][$t.verdict | if IN("passed", "failed", "blocked", "skipped") then . else "error" end] += 1
  | if $t.verdict == "failed" then
      ($t | cause) as $why
      | .[$key].causes[$why] |= (.count += 1 | if .count <= 30 then .students += [$r.who] else . end)
    else . end)
| [.[] | .causes |= (to_entries | map({why: .key} + .value) | sort_by(-.count))]
| sort_by([(if .passed + .failed + .blocked > 0 then .passed / (.passed + .failed + .blocked) else 2 end), .lab, .system])[]
