# gradebook.jq - the plain gradebook. Input: every line of facts; $class the class's object.

include "common";

# The columns: every lab and system that anybody was graded by.
([.[].labs[]? | [.lab, .system]] | unique) as $columns
| ["id", "name", "email"] + ($columns | map(join(" "))) + ["points", "maximum", "late_days", "deduction", "final", "percent", "graded"],
  ( .[]
    | . as $student
    | [(.id, .name, .email) | cell]
      + ($columns | map(. as [$lab, $system]
          | [$student.labs[]? | select(.lab == $lab and .system == $system) | .points][0] // ""))
      + if .missing then ["", "", "", "", "", "", "no"]
        else [.points, .maximum, (.late.days // 0), (.late.deduction // 0), .final, (.final | percent($student.maximum) // ""),
              (if any(.labs[]; .errors > 0) then "not judged" elif .unsafe then "without the sandbox" else "yes" end)]
        end )
| @csv
