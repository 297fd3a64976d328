# github-classroom.jq - one result.json as a runner's result for GitHub Classroom, as
# classroom-resources/autograding-grading-reporter reads it (in base64). The reporter adds up the
# tests' scores, so a late deduction is a separate test. It has no skipped tests, and would show
# them as failed, so they are left out.

include "common";

def status: {"passed": "pass", "failed": "fail", "blocked": "fail"}[.] // "error";

# One test for each of ours.
def each:
  [ .labs[]? | . as $lab
    | .tests[]? | select(.verdict != "skipped")
    | { name: "\($lab | number) \($lab.system | system_name): \(test_name)", status: (.verdict | status),
        message: (if .verdict == "passed" then null else why | cut(200) end), score: (.points | points) } ];

# One test for each lab and system.
def by_lab:
  [ .labs[]?
    | ((.tests // []) | if count("error") > 0 then "error" elif count("failed") > 0 then "failed" else "passed" end) as $verdict
    | { name: lab_name, status: ($verdict | status), score: (.points | points),
        message: (if $verdict == "passed" then null else
          [ .tests[] | select(is_lost or .verdict == "error") | test_name ] | join("; ") | cut(600) end) } ];

def deduction:
  if (lateness.deduction // 0) <= 0 then []
  else [ {name: "late deduction", status: "fail", message: late_line, score: (-.late.deduction | points)} ] end;

. as $result
# The reporter reads it from one environment variable, which can have 128 KiB, in base64.
| (each | if tojson | utf8bytelength > 90000 then $result | by_lab else . end) + deduction
| { version: 1,
    status: (if any(.[]; .status == "error") then "error" elif any(.[]; .status == "fail") then "fail" else "pass" end),
    max_score: ($result.maximum // 0),
    tests: . }
