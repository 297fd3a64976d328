# tests.jq - how each test fared in the class. Input: every result.json, one after the other.

include "common";

reduce (inputs | .labs[]? | {lab, title, system} as $lab | .tests[]? | {lab: $lab, test: .}) as $r ({};
  $r.test as $t
  | "\($r.lab.lab) \($r.lab.system) \($t.id) \($t.cast // "")" as $key
  | (if .[$key] == null then
       .[$key] = ($r.lab + {name: ($t | test_name), judges: ($t.judges // "pair"), passed: 0, failed: 0, skipped: 0, error: 0})
     else . end)
  | .[$key][{"passed": "passed", "failed": "failed", "blocked": "failed", "skipped": "skipped"}[$t.verdict] // "error"] += 1)
| [.[]]
| sort_by([(if .passed + .failed > 0 then .passed / (.passed + .failed) else 2 end), .lab, .system])[]
