# facts.jq - a result.json in one short line: what the class's forms are made of.

include "common";

{
  id, name, email,
  points: (.points | points), maximum: (.maximum // 0), final: (.final // .points | points),
  late: (lateness | if . == null then null else {days, deduction: (.deduction | points)} end),
  unsafe: (.unsafe // false), seconds: (.seconds // 0 | points), kit, notes: ((.notes // []) | length),
  labs: [ (.labs // [])[]
    | (.tests // []) as $tests
    | { lab, title, system, points: (.points | points), maximum: (.maximum // 0),
        passed: ($tests | count("passed")), failed: ($tests | map(select(is_lost)) | length),
        skipped: ($tests | count("skipped")), errors: ($tests | count("error")),
        repeated: ($tests | map(select(.repeated)) | length),
        lacks: [ (.files // [])[] | select(.status != "built") | {name, status} ],
        failing: [ $tests[] | select(is_lost) | test_name ] } ]
}
