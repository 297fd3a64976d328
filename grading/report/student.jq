# student.jq - a student's report, in Markdown that reads well as plain text, too.
#
# Input: one result.json. It tells of this student alone.

include "common";

def files:
  (.files // [])
  | map(
      "- \(file_line | md)"
      + (if (.compiler // "") != "" then "\n\n\(.compiler | visible | lines(200) | fence)" else "" end))
  | if length > 0 then join("\n") + "\n\n" else "" end;

def results:
  if length == 0 then ""
  else
    "| test | verdict | points |\n|---|---|--:|\n"
    + (map("| \(test_name | md) | \(verdict_name)\(if .repeated then ", repeated" else "" end) | "
        + (if .verdict == "passed" or is_lost then "\(.points | points) of \(.maximum)" else "-" end)
        + " |") | join("\n"))
    + "\n\n"
  end;

def failure($lab; $seed):
  .tests as $tests
  | if .alone then
      $tests[0]
      | "### \(verdict_name | ascii_upcase): \(test_name | md)\n\n\(evidence($lab; $seed) | fence)\n\n"
    else
      "### \($tests[0] | verdict_name | ascii_upcase): \($tests | length | plural("test")) for one reason\n\n"
      + ($tests | evidence_of_all($lab; $seed) | fence) + "\n\n"
    end;

def skipped:
  map(select(.verdict == "skipped"))
  | if length == 0 then ""
    else "Skipped, and left out of the maximum:\n\n"
      + (map("- \(test_name | md): \(why | md)") | join("\n")) + "\n\n"
    end;

# A test that failed when many ran at once may have had too little time.
def repeated:
  map(select(.repeated and .verdict == "passed"))
  | if length == 0 then ""
    else "Passed when repeated, once, alone; before:\n\n"
      + (map("- \(test_name | md): \(.first // {} | why | md)") | join("\n")) + "\n\n"
    end;

def lab($seed):
  . as $lab
  | (.tests // []) as $tests
  | "## \(lab_name | md): \(.points | points) of \(.maximum // 0) points\n\n"
    + files
    + ($tests | results)
    + ($tests | failures | map(failure($lab; $seed)) | join(""))
    + ($tests | repeated)
    + ($tests | skipped);

def late:
  if lateness == null then ""
  else
    "Handed in \(late_line | md)"
    + (if .points != .final then ": \(.points | points) points become \(.final | points)" else "" end) + ".\n\n"
  end;

def ended: if endswith("\n") then .[:-1] | ended else . end;

. as $result
| "# \(who | md): \(.final // .points | points) of \(.maximum // 0) points\n\n"
  + (if .unsafe then
       "**This was graded without the sandbox. Programs could see and change this machine, "
       + "each other and these results.**\n\n"
     else "" end)
  + "Student `\(.id | line)`, handed in as \(.source // "unknown" | md). Graded \(.graded // "" | md)"
  + " with the kit \(.kit // "" | md), seed \(.seed // "" | md), in \(.seconds // 0 | points) s.\n\n"
  + late
  + ((.notes // []) | if length > 0 then "Remarks:\n\n" + (map("- \(md)") | join("\n")) + "\n\n" else "" end)
  + "| lab | points | of | passed | failed | skipped |\n|---|--:|--:|--:|--:|--:|\n"
  + ((.labs // []) | map("| \(lab_name | md) | \(.points | points) | \(.maximum // 0) | "
      + ((.tests // []) | "\(count("passed")) | \(count("failed")) | \(count("skipped")) |\n")) | join(""))
  + "\n"
  + ((.labs // []) | map(lab($result.seed)) | join(""))
| ended
