# gradescope.jq - one result.json as the results.json that Gradescope takes from an autograder.
# All its fields: https://gradescope-autograders.readthedocs.io/en/latest/specs/
#
# Every format is "text": nothing that a program printed is ever taken for HTML or Markdown.
# A skipped test has neither score nor status, and so counts for nothing.

include "common";

. as $result
| {
    score: (.final // .points | points),
    execution_time: (.seconds // 0 | points),
    output: (
      [ "\(.final // .points | points) of \(.maximum // 0) points",
        (if .unsafe then "Graded without the kit's sandbox." else empty end),
        (if lateness != null then "\(late_line)." else empty end),
        (.labs[]? | . as $lab | .files[]? | select(.status != "built")
          | "\($lab | lab_name): \(file_line)"
            + (if (.compiler // "") != "" then "\n" + (.compiler | visible | lines(200)) else "" end)),
        (.notes[]? | line) ]
      | join("\n")),
    output_format: "text",
    test_output_format: "text",
    test_name_format: "text",
    visibility: "visible",
    stdout_visibility: "hidden",
    extra_data: {id, kit, seed, graded, unsafe: (.unsafe // false), points: (.points | points), maximum: (.maximum // 0), late},
    tests: [
      .labs[]? | . as $lab
      | (.tests // []) | to_entries[] | .key as $n | .value
      | { name: "\($lab | number) \($lab.system | system_name): \(test_name)",
          name_format: "text",
          number: "\($lab | number | ltrimstr("0")).\(if $lab.system == "win32" then 2 else 1 end).\($n + 1)",
          output: (if .verdict == "passed" then "passed" else "\(verdict_name)\n\(evidence($lab; $result.seed))" end),
          output_format: "text",
          tags: [$lab.lab, $lab.system, .judges // "pair"],
          visibility: "visible",
          extra_data: {id, lab: $lab.lab, system: $lab.system, verdict, step, seconds, repeated: (.repeated // false)} }
        + if .verdict == "passed" or is_lost then
            {score: (.points | points), max_score: .maximum, status: (if is_lost then "failed" else "passed" end)}
          else {} end ],
    leaderboard: [
      {name: "Points", value: (.final // .points | points)},
      {name: "Tests passed", value: ([.labs[]?.tests[]?] | count("passed"))},
      {name: "Seconds", value: (.seconds // 0 | points), order: "asc"} ]
  }
