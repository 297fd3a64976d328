# result.jq - makes the result of one submission from the findings of grading/grade-submission.
#
#     jq -n -f result.jq --slurpfile settings F   the run's settings, from grade
#                        --slurpfile intake F     the output of intake.c
#                        --slurpfile absent F...  per lab and system: every test there is, as
#                                                 judged with no program at all
#                        --slurpfile runs F       the results of the checkers, one object each
#                        --slurpfile again F      the same for failed tests that ran once more
#                        --slurpfile said F       {"file", "text"}: the compiler's messages
#                        --rawfile files F        "LAB SYSTEM NAME STATUS", a line for each
#                        --arg id, source, key, graded, started, ended (seconds since 1970), failure
#
# A test that the checkers did not run, because a program is missing or broken, fails. So the maximum is
# the same for everybody. Only tests that this machine cannot judge are not in it: those that are skipped
# without any program.

def role_of($test):
    if $test.judges != "pair" then [$test.judges]
    else [if $test.cast | test("our server") then empty else "server" end,
          if $test.cast | test("our client") then empty else "client" end]
    end;

($files | split("\n") | map(split(" ") | select(length == 4)
    | {lab: .[0], system: .[1], name: .[2], status: .[3]})) as $files
| ($intake[0] // {files: [], refused: [], notes: [], newest: 0, error: null}) as $intake
| $settings[0] as $settings

| def why_of($file):
      if $file.status == "missing" then
          "\($file.name) is missing" + (if $intake.error then ": \($intake.error)" else "" end)
      elif $file.status == "refused" then
          "\($file.name) was not taken: it "
          + ([$intake.refused[] | select(.path | rtrimstr("pp") == "\($file.lab)/\($file.system)/\($file.name)") | .why] | first)
      elif $file.status == "late" then "\($file.name) was not compiled: the clock stopped the compiler"
      elif $file.status == "slow" then "\($file.name) does not compile: the compiler was stopped at its limits"
      elif $file.status == "lacking" then "\($file.name) is C++, and this machine has no compiler for that; tools/setup installs it"
      elif $file.status == "broken" then "\($file.name) does not compile"
      else null end;

[$absent[] | . as $all
 | [$files[] | select(.lab == $all.lab and .system == $all.system)
    | . + {why: why_of(.)}] as $mine
 | ([$runs[] | select(.lab == $all.lab and .system == $all.system) | .tests[]
     | {key: "\(.id)/\(.cast)", value: .}] | from_entries) as $run
 | ([$again[] | select(.lab == $all.lab and .system == $all.system) | .tests[]
     | {key: "\(.id)/\(.cast)", value: .}] | from_entries) as $second
 | ([$runs[] | select(.lab == $all.lab and .system == $all.system) | .stopped] | first) as $stopped
 | ([$all.tests[] | . as $test | "\(.id)/\(.cast)" as $key
    | [role_of($test)[] as $role | $mine[] | select(.name == "\($role).c" and .why)] as $bad
    | [$bad[].why] as $why
    # A test that this machine cannot judge is not judged for anybody: the maximum is the same.
    | if $test.verdict == "skipped" then $test
      elif $run[$key] then
          $run[$key]
          | if (.verdict == "failed" or .verdict == "blocked" or .verdict == "error" or .verdict == "skipped")
               and $second[$key] then
                $second[$key] + {repeated: true, first: {verdict, reason}}
            else . end
          # A program must not reduce its maximum by causing a skip.
          | if .verdict == "skipped" then
                . + {verdict: "failed", points: 0, reason: "not judged, for a reason that only the program gave: \(.reason)"}
            else . end
      else {id, name, stage, judges, points: 0, maximum, step, hint, advice, cast, seconds: 0}
          | if $failure != "" then . + {verdict: "error", reason: $failure}
            elif $stopped then . + {verdict: "error", reason: "the programs kept the checker until it was stopped, after \($stopped) s"}
            elif any($bad[]; .status | IN("lacking", "late")) then . + {verdict: "error", reason: ($why | join("; "))}
            elif $why != [] then . + {verdict: "failed", reason: ($why | join("; "))}
            else . + {verdict: "error", reason: "the checker gave no verdict; the log may tell why"} end
      end]
   # Without any conversation there is nothing that could be left: no points for that.
   | if any(.[]; .verdict == "passed" and .id != "leaves_nothing_behind") then .
     else map(if .verdict == "passed" then . + {verdict: "failed", points: 0, reason: "no other test has passed: there was no conversation to be over"} else . end)
     end) as $tests
 | {lab, title, system,
    files: [$mine[] | . as $file
        | {name, status: (if .status == "broken" or .status == "slow" or .status == "lacking" then "does not compile" else .status end),
           why, compiler: ([$said[] | select(.file == "\($file.lab)-\($file.system)-\($file.name)") | .text] | first)}],
    points: ([$tests[].points] | add // 0),
    maximum: ([$tests[] | select(.verdict != "skipped") | .maximum] | add // 0),
    tests: $tests}] as $labs

| ([$labs[].tests[] | select(.verdict == "error")] | length) as $errors
| {key: (if $errors > 0 then "" else $key end), sum: $settings.sum, id: $id, source: $source, seed: $settings.seed,
   kit: $settings.kit, graded: $graded, seconds: (($ended | tonumber) - ($started | tonumber) | . * 10 | round / 10), unsafe: $settings.unsafe,
   notes: (
       [if $settings.unsafe then "graded with --unsafe, without the sandbox" else empty end,
        if ($settings.stages // []) | IN(["basic"], ["basic", "complete"]) then
            "graded up to the stage \($settings.stages[-1]); the maximum counts only its tests" else empty end,
        if $failure != "" then $failure else empty end,
        if $errors > 0 and $failure == "" then
            "\($errors) tests could not be judged, by a failure of the kit or of this machine; grade once more" else empty end,
        $intake.error // empty]
       + $intake.notes
       + [$files[] | why_of(.) as $why | select($why and $intake.error != "nothing was handed in" and .status != "broken") | "\(.lab)/\(.system): \($why)"]
       + [$intake.refused[] | select(.path | test("/(server|client)\\.c(pp)?$") | not) | "\(.path) was not taken: it \(.why)"]
   ),
   look: ($intake.look // [] | if $intake.error == "nothing was handed in" then [] else . end),
   newest: $intake.newest, labs: $labs,
   points: ([$labs[].points] | add // 0), maximum: ([$labs[].maximum] | add // 0)}
