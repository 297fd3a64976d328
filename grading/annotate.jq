# annotate.jq - adds to what was judged (graded.json) who it is and how late: the student's name
# from the map, the deduction, the final points. grading/one calls it.
#
#     jq -f annotate.jq --slurpfile settings F --slurpfile map F --arg submitted SECONDS graded.json

def iso: if . == null then null else todate end;
def cents: . * 100 | round / 100;

$settings[0] as $settings
| ($map[0][.id] // {}) as $who
# The map's column first, then the archive's time, then the newest file of a folder.
| ($who.submitted // ($submitted | if . == "" then null else tonumber end)
   // (if .newest > 0 then .newest else null end)) as $at
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
| del(.key, .newest)
| {id, name: $who.name, email: $who.email} + . + {late: $late, final: ([0, $points - ($late.deduction // 0)] | max | cents)}
