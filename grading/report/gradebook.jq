# gradebook.jq - the plain gradebook. Input: every line of facts.
#
# With --arg excel yes it has semicolons and decimal commas, as Excel reads them where a comma is in a
# number: in Russian, German, French. There "56.2" would become a date.

include "common";

def excel_row:
  map(tostring as $text | if type == "number" then $text | split(".") | join(",")
      else "\"" + ($text | split("\"") | join("\"\"")) + "\"" end) | join(";");

# The columns: every lab and system of any student.
([.[].labs[]? | [.lab, .system]] | unique) as $columns
| ([.[].labs[]?.stages[].stage] as $there | stages | map(select(IN($there[])))) as $stages
| ["id", "name", "email"] + ($columns | map(join(" "))) + $stages + ["points", "maximum", "late_days", "deduction", "final", "percent", "graded"],
  ( .[]
    | . as $student
    | [(.id, .name, .email) | cell]
      + ($columns | map(. as [$lab, $system]
          | [$student.labs[]? | select(.lab == $lab and .system == $system) | .points][0] // ""))
      + ($stages | map(. as $stage
          | if $student.missing then "" else [$student.labs[].stages[] | select(.stage == $stage) | .points] | add | points end))
      + if .missing then ["", "", "", "", "", "", "no"]
        else [.points, .maximum, (.late.days // 0), (.late.deduction // 0), .final, (.final | percent($student.maximum) // ""),
              (if any(.labs[]; .errors > 0) then "not judged" elif .unsafe then "without the sandbox" else "yes" end)]
        end )
| if $ARGS.named.excel then excel_row else @csv end
