# student.jq - a student's report, in Markdown that reads well as plain text, too.
#
# Input: one result.json. The report contains only this student. It begins with what to fix first; each
# lab begins with what failed.
#
# Its own sentences are in the language of the result. ru.json has a translation for each; what is not there,
# the messages of checkers and compilers, and hints stay English.

include "common";
import "ru" as $ru;

. as $result
| ({"ru": $ru::ru[0]}[.language // "en"] // {}) as $table

# `say(TEXT)`, `say(TEXT; VALUES)`: the text in that language. Each {NAME} becomes the value of this name.
| def say($text; $values):
      $table[$text] // $text
      | split("{")
      | .[0] + (.[1:] | map(split("}") as [$name, $rest] | "\($values[$name])\($rest)") | join(""));
  def say($text): $table[$text] // $text;

  def lab_text: say("Lab {number}, {title}, {system}"; {number: number, title: (.title // .lab | line), system: (.system | system_name)});

  # What is wrong with a file. The English sentence follows if it contains more than the translation.
  def file_text:
      if $table == {} then file_line
      else
          (.name | line) as $name | (.why // "" | line) as $why
          | say("{file}: {status}"; {file: $name, status: say(.status | line)})
            + (if $why | IN("", "\($name) is missing", "\($name) does not compile") then "" else " (\($why))" end)
      end;

  def files:
      (.files // [])
      | map(
          "- \(file_text | md)"
          + (if (.compiler // "") != "" then "\n\n\(.compiler | visible | lines(200) | fence)" else "" end))
      | if length > 0 then join("\n") + "\n\n" else "" end;

  def verdict_text:
      say(verdict_name) as $verdict
      | if .repeated then say("{verdict}, repeated"; {$verdict}) else $verdict end;

  def results:
      if length == 0 then ""
      else
          say("| test | verdict | points |") + "\n|---|---|--:|\n"
          + (map("| \(test_name | md) | \(verdict_text) | "
              + (if .verdict == "passed" or is_lost then say("{points} of {maximum}"; {points: (.points | points), maximum}) else "-" end)
              + " |") | join("\n"))
          + "\n\n"
      end;

  def failure($lab; $seed):
      .tests as $tests
      | "### \(say($tests[0] | verdict_name | ascii_upcase)): "
        + if .alone then
              $tests[0] | "\(test_name | md)\n\n\(evidence($lab; $seed) | fence)\n\n"
          else
              say("{tests} for one reason"; {tests: ($tests | length | plural("test")), n: ($tests | length)}) + "\n\n"
              + ($tests | evidence_of_all($lab; $seed) | fence) + "\n\n"
          end;

  def skipped:
      map(select(.verdict == "skipped"))
      | if length == 0 then ""
        else say("Skipped, and left out of the maximum:") + "\n\n"
          + (map("- \(test_name | md): \(why | md)") | join("\n")) + "\n\n"
        end;

  # A test that failed while many ran at once may have had too little time.
  def repeated:
      map(select(.repeated and .verdict == "passed"))
      | if length == 0 then ""
        else say("Passed when repeated, once, alone; before:") + "\n\n"
          + (map("- \(test_name | md): \(.first // {} | why | md)") | join("\n")) + "\n\n"
        end;

  def heading($name): say("{name}: {points} of {maximum} points"; {$name, points: (.final // .points | points), maximum: (.maximum // 0)});

  def lab($seed):
      . as $lab
      | (.tests // []) as $tests
      | "## \(heading(lab_text | md))\n\n"
        + files
        + ($tests | failures | map(failure($lab; $seed)) | join(""))
        + ($tests | repeated)
        + ($tests | skipped)
        + (if $tests == [] then "" else "### \(say("All tests"))\n\n" end)
        + ($tests | results);

  # How to fix a failed test, in one sentence or two: what the checker noted, or else the hint.
  def how:
      ((.notes // [])[0]
       // (advice_list | map(select((.hint // "") != ""))[0]
           | if . == null then null
             elif (.step // 0) > 0 then say("STEP {step} of the {program}: {hint}"; {step, program: (.program // "program"), hint})
             else .hint end)
       // say("Read the evidence below.")) | md;

  # What to fix first in a lab, and how: a program that is not there, or else the test that failed first, as
  # the checker prints it. Null if nothing failed.
  def first_of_lab:
      . as $lab
      | ((.files // []) | map(select(.status != "built"))[0]) as $file
      | ([.tests[]? | select(.verdict == "failed")] | min_by(.stage as $s | stages | index([$s]) // 0)) as $test
      | if $file != null then
          {what: ($file | file_text | md),
           how: ([$file.compiler // "" | visible | split("\n")[] | select(test("error:"))][0]
                 // say("Hand in this file: {file}"; {file: "\($lab.lab)/\($lab.system)/\($file.name)"}) | md)}
        elif $test != null then {what: "\($test | test_name | md): \($test | why | md)", how: ($test | how)}
        else null end;

  # The same of all labs: of the lab that costs most points. A lab of which nothing was handed in comes last.
  def first:
      [ .labs[]? | . as $lab | first_of_lab | select(. != null)
        | . + {lab: ($lab | lab_text | md), order: [($lab | is_readable), (($lab.maximum // 0) - ($lab.points // 0))]} ]
      | if length == 0 then ""
        else max_by(.order) | "- \(say("**Fix first**, {lab}: {what}"; {lab, what}))\n- \(say("**How:** {how}"; {how}))\n\n" end;

  def late:
      (.final != .points) as $less
      | {points: (.points | points), final: (.final | points)} as $sum
      | lateness
      | if . == null then ""
        else
          {n: .days, days: (.days | plural("day")), due: (.due // "?" | md), submitted: (.submitted // "?" | md),
           deduction: (.deduction | points)} + $sum
          | if .deduction == 0 then say("Handed in late by {days} (due {due}, handed in {submitted}): no points are taken off."; .)
            elif $less then say("Handed in late by {days} (due {due}, handed in {submitted}): {deduction} points are taken off: {points} points become {final}."; .)
            else say("Handed in late by {days} (due {due}, handed in {submitted}): {deduction} points are taken off."; .) end
          | . + "\n\n"
        end;

  def ended: if endswith("\n") then .[:-1] | ended else . end;

"# \(heading(who | md))\n\n"
  + first
  + (if .unsafe then
       say("**This was graded without the sandbox. Programs could see and change this machine, each other and these results.**") + "\n\n"
     else "" end)
  + say("Student `{id}`, handed in as {source}. Graded {graded} with the kit {kit}, seed {seed}, in {seconds} s.";
      {id: (.id | line), source: (.source // say("unknown") | md), graded: (.graded // "" | md), kit: (.kit // "" | md),
       seed: (.seed // "" | md), seconds: (.seconds // 0 | points)}) + "\n\n"
  + (if .weighted then say("The points are weighted. `make check` counts without weights.") + "\n\n" else "" end)
  + late
  + ((.notes // []) | if length > 0 then say("Remarks:") + "\n\n" + (map("- \(md)") | join("\n")) + "\n\n" else "" end)
  + say("| lab | points | of | stages | passed | failed | blocked | skipped |") + "\n|---|--:|--:|---|--:|--:|--:|--:|\n"
  + ((.labs // []) | map("| \(lab_text | md) | \(.points | points) | \(.maximum // 0) | "
      + ((.tests // []) | "\(stage_points) | \(count("passed")) | \(count("failed")) | \(count("blocked")) | \(count("skipped")) |\n")) | join(""))
  + "\n"
  + ((.labs // []) | map(lab($result.seed)) | join(""))
| ended
