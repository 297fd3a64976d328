# github-classroom.jq - one result.json as a runner's result for GitHub Classroom, as
# classroom-resources/autograding-grading-reporter reads it (there in base64). The reporter
# adds up the tests' scores, so what a late day costs is a test of its own. Skipped tests are
# left out: it knows no such thing, and would show them as failed.

include "common";

. as $result
| [ .labs[]? | . as $lab
    | .tests[]? | select(.verdict != "skipped")
    | { name: "\($lab | number) \($lab.system | system_name): \(test_name)",
        status: ({"passed": "pass", "failed": "fail"}[.verdict] // "error"),
        message: (if .verdict == "passed" then null else evidence($lab; $result.seed) end),
        test_code: "make check LAB=\($lab | number) SYSTEM=\($lab.system | line) WORK=your-folder TEST=\(.id | line) SEED=\($result.seed // "" | line)",
        filename: "", line_no: 0, duration: ((.seconds // 0) * 1000 | round),
        score: (.points | points) } ]
  + (if lateness == null then [] else
      [ { name: "late deduction", status: "fail", message: late_line,
          test_code: "", filename: "", line_no: 0, duration: 0, score: (-.late.deduction | points) } ] end)
| { version: 1,
    status: (if any(.[]; .status == "error") then "error" elif any(.[]; .status == "fail") then "fail" else "pass" end),
    max_score: ($result.maximum // 0),
    tests: . }
