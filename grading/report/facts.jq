# facts.jq - a result.json in one short line, from which the class's files are made.

include "common";

{
  id, name, email,
  points: (.points | points), maximum: (.maximum // 0), final: (.final // .points | points),
  late: (lateness | if . == null then null else {days, deduction: (.deduction | points)} end),
  unsafe: (.unsafe // false), seconds: (.seconds // 0 | points), kit, notes: ((.notes // []) | length),
  labs: [ (.labs // [])[]
    | (.tests // []) as $tests
    | { lab, title, system, readable: is_readable, points: (.points | points), maximum: (.maximum // 0),
        passed: ($tests | count("passed")), failed: ($tests | count("failed")), blocked: ($tests | count("blocked")),
        skipped: ($tests | count("skipped")), errors: ($tests | count("error")),
        repeated: ($tests | map(select(.repeated)) | length),
        stages: [ ($tests | of_stages[]) as [$stage, $in]
          | {stage: $stage, points: ([$in[].points] | add | points),
             maximum: ([$in[] | select(.verdict != "skipped") | .maximum] | add // 0)} ],
        lacks: [ (.files // [])[] | select(.status != "built") | {name, status} ],
        failing: [ $tests[] | select(.verdict == "failed") | test_name ] } ]
}
