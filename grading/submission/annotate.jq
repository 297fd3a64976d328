# annotate.jq - adds to the verdicts (graded.json) what can change without grading again: the student's name
# from the map, the weights, the deduction, the final points, the language of the report. grading/grade-submission calls it.
#
#     jq -f annotate.jq --slurpfile settings F --slurpfile map F --slurpfile found F --arg submitted SECONDS
#        graded.json
#
# found.json contains what the export of another system tells of the student. Canvas marks late
# submissions, without a time. A note then says so. Of a clone (GitHub Classroom) no time is known.

def iso: if . == null then null else todate end;
def cents: . * 100 | round / 100;

$settings[0] as $settings

# The last weight that fits a test counts.
| def weight($lab; $test):
      [$settings.weights // [] | .[]
       | select((.lab | IN("all", $lab)) and (.what | IN("all", $test.stage, $test.id))) | .weight] | last // 1;
  def weighted:
      .labs |= map(.lab as $lab
          | .tests |= map(weight($lab; .) as $weight | .points |= (. * $weight | cents) | .maximum |= (. * $weight | cents))
          | .points = ([.tests[].points] | add // 0 | cents)
          | .maximum = ([.tests[] | select(.verdict != "skipped") | .maximum] | add // 0 | cents))
      | .points = ([.labs[].points] | add // 0 | cents) | .maximum = ([.labs[].maximum] | add // 0 | cents)
      | .weighted = true;

if ($settings.weights // []) == [] then . else weighted end
| if ($settings.language // "en") == "en" then . else .language = $settings.language end
| (($found[0][.id] // {}) + ($map[0][.id] // {} | map_values(values))) as $who
# The map's column first, then the export, then the archive's time, then the newest file of a folder.
# The files of Canvas, and those of a clone, have the time of the download.
| ($who.submitted
   // (if $who.from == "Canvas" then (if $who.late then null else ($settings.due // 0) end)
       elif $who.from == "git" then null
       else
       ($submitted | if . == "" then null else tonumber end)
       // (if .newest > 0 then .newest else null end) end)) as $at
| (if $who.late and $who.submitted == null then
     ["Canvas marks it as late, but not by how much: write the time into the map's column submitted"] else [] end) as $late_look
| .look += $late_look | .notes = $late_look + .notes
| .points as $points
| (if $settings.due == null or $at == null then null
   else ([0, $at - $settings.due] | max / 86400 | ceil) as $days
   | (if $days == 0 then null
      else ([$settings.late[] | select(.days >= $days)] | sort_by(.days) | first)
           // ($settings.late | sort_by(.days) | last) end) as $row
   | (if $row == null then 0
      elif $row.percent then $points * $row.percent / 100
      else [$row.points, $points] | min end | cents) as $deduction
   | {due: ($settings.due | iso), submitted: ($at | iso), days: $days, deduction: $deduction} end) as $late
| del(.key, .sum, .newest)
| {id, name: $who.name, email: $who.email} + . + {late: $late, final: ([0, $points - ($late.deduction // 0)] | max | cents)}
