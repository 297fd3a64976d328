# canvas.jq - fills the class's points into a gradebook that Canvas exported.
#
# Input: the exported file as text; $facts every student's line; $classes[0] the class's object.
# The sum goes into the column with the class's title, a lab's points into the column with the
# name of the lab (01-anon-pipes). Canvas writes an assignment's number after its name: "IPC
# (4711)". If there is no such column, one is added, and Canvas makes a new assignment of it. A
# lab's points include their part of a deduction. If the maximum of Canvas ("Points Possible") is
# not the kit's, points are scaled to it.
#
# Output: {"csv": text, "said": [lines for the instructor]}.

include "common";
include "csv";

def title: gsub("\\s*\\([0-9]+\\)\\s*$"; "") | small;

$classes[0] as $class
| table as $rows
| $rows[0] as $head
| ($head | column(["ID"])) as $id
| ($head | column(["SIS Login ID"])) as $login
| ($head | column(["SIS User ID"])) as $sis
| if $id == null or ($head | column(["Student", "LastName"])) == null then
    error("this is no gradebook of Canvas: its first line has no Student and ID")
  else . end

# The content of each column: null is the sum of all.
| ($class.title // "IPC" | line) as $title
| ([$head | to_entries[] | .key as $c | .value | title | . as $t
    | if $t == ($title | small) then {column: $c, lab: null}
      elif any($class.labs[]?; small == $t) then {column: $c, lab: $t}
      else empty end]) as $found
| (if ($found | length) > 0 then $found else [{column: ($head | length), lab: null}] end) as $fill
| (($found | length) == 0) as $new

# A student, by any of the names in Canvas.
| ($facts | [shared[].ids[]]) as $doubtful
| [$facts[] | select(.id | IN($doubtful[]) | not)] as $clear
# Ids from Canvas's own archive end in the number of its column ID.
| ([$clear[] | . as $f | .id | match("_([0-9]+)$") | {number: .captures[0].string, $f}]
    | group_by(.number) | map(select(length == 1)[0] | {(.number): .f}) | add // {}) as $numbered
| (reduce $clear[] as $f ({};
    .[$f.id | small] = $f | if ($f.email // "") != "" then .[$f.email | small] = $f else . end)) as $known
| [$login, $sis, $id | select(. != null)] as $columns
| ($rows[1:] | common_ids($columns)) as $common
| def student($row): ($row | known_by($columns; $known; $common)) // $numbered[$row[$id] // ""];

# The points of a student in one lab, or in all, and the maximum.
  def gained($f; $lab):
    if $lab == null then {points: $f.final, maximum: $f.maximum}
    else
      [$f.labs[]? | select(.lab | small == $lab)]
      | {points: (([.[].points] | add // 0) * (if $f.points > 0 then $f.final / $f.points else 1 end)),
         maximum: ([.[].maximum] | add // 0)}
    end;

  ([$facts[] | select(.missing | not)][0]) as $any
| ($rows | map(select((.[0] // "") | test("Points Possible")))[0]) as $possible
| def possible($f): $possible[$f.column] // "" | (tonumber? // 0);
  def scaled($f; $fill):
    gained($f; $fill.lab)
    | possible($fill) as $most
    | if $most > 0 and .maximum > 0 then .points * $most / .maximum else .points end | points;

  ($rows[1:] | map(student(.) // empty | .id)) as $met
| {
    csv: (
      [ ($head + (if $new then [$title] else [] end)),
        ( $rows[1:][]
          | . as $row | student($row) as $f
          | if (.[0] // "" | test("Points Possible")) then
              if $new then . + [$any.maximum // ""] else . end
            elif $f == null or $f.missing or ($f | judged | not) then . + (if $new then [""] else [] end)
            else reduce $fill[] as $c (.; .[$c.column] = scaled($f; $c))
            end ) ]
      | map(@csv) | join("\n") + "\n"),
    said: (
      [ (if $new then "no column is named \"\($title)\": added it; Canvas will ask which assignment it is" else empty end),
        ($facts | left_out),
        ($clear[] | select(.missing | not) | .id | . as $i | select(all($met[]; . != $i))
         | "nobody in this gradebook has the login, the id or the address of \(.)") ])
  }
