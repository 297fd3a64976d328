# moodle.jq - an offline grading worksheet that Moodle exported, with grades and comments.
#
# Input: the worksheet as text; $facts every student's line; $classes[0] the class's object. Fills
# in Grade, scaled to "Maximum grade" (Moodle refuses more), and Feedback comments, which are HTML
# in Moodle. Every other cell stays unchanged: Moodle compares them at import.
#
# Output: {"csv": text, "said": [lines for the instructor]}.

include "common";
include "csv";

def comment:
  @html "<p>\(.final) of \(.maximum) points</p>"
  + (if .late != null then @html "<p>\(.late.days | plural("day")) late: \(.late.deduction) points are taken from \(.points).</p>" else "" end)
  + (if .unsafe then "<p>Graded without the sandbox.</p>" else "" end)
  + "<ul>"
  + ([.labs[] | @html "<li>\(lab_name): \(.points) of \(.maximum)"
      + ([.lacks[] | @html "; \(.name | line): \(.status | line)"] | join(""))
      + (if (.lacks | length) == 0 and (.failing | length) > 0 then
           @html "; failed: \(.failing[:10] | join("; "))"
           + (if (.failing | length) > 10 then "; and \((.failing | length) - 10) more" else "" end)
           + (if .blocked > 0 then "; blocked by these: \(.blocked)" else "" end)
         else "" end)
      + "</li>"] | join(""))
  + "</ul>";

table as $rows
| $rows[0] as $head
| ($head | column(["Identifier"])) as $identifier
| ($head | column(["Grade"])) as $grade
| ($head | column(["Maximum grade"])) as $maximum
| ($head | column(["Feedback comments"])) as $feedback
| ($head | column(["Email address"])) as $email
| ($head | column(["Full name"])) as $name
| ([["Username"], ["ID number"]] | map(. as $n | $head | column($n) | select(. != null))) as $ids
| if $identifier == null or $grade == null then
    error("this is no worksheet of Moodle in English: its first line has no Identifier and Grade")
  else . end
| ($facts | [shared[].ids[]]) as $doubtful
| [$facts[] | select(.id | IN($doubtful[]) | not)] as $clear
# The folders of Moodle's "download all submissions" end in the number of Identifier. A number
# that several folders have is not a student's, but a group's.
| ([$clear[] | . as $f | .id | match("(?:^|_)([0-9]+)(?:_assignsubmission.*)?$") | {number: .captures[0].string, $f}]
    | group_by(.number) | map(select(length == 1)[0] | {("participant " + .number): .f}) | add // {}) as $numbered
| (reduce $clear[] as $f ($numbered;
    .[$f.id | small] = $f
    | if ($f.email // "") != "" then .[$f.email | small] = $f else . end)) as $known
| ([$clear[] | select((.name // "") != "")] | group_by(.name | one_line | small) | map(select(length == 1)[0])
    | map({(.name | one_line | small): .}) | add // {}) as $named
| [$email, $ids[], $identifier | select(. != null)] as $columns
| ($rows[1:] | common_ids($columns)) as $common
| def student($row):
    ($row | known_by($columns; $known; $common))
      // (if $name == null then null else $named[$row[$name] | small] end);
  ($rows[1:] | map(student(.) // empty | .id)) as $met
| {
    csv: (
      [ $head,
        ( $rows[1:][]
          | student(.) as $f
          | if $f == null or $f.missing or ($f | judged | not) then .
            else
              (if $maximum == null then 0 else .[$maximum] | gsub(","; ".") | (tonumber? // 0) end) as $most
              | .[$grade] = (if $most > 0 and $f.maximum > 0 then $f.final * $most / $f.maximum else $f.final end | points)
              | if $feedback == null then . else .[$feedback] = ($f | comment) end
            end ) ]
      | map(@csv) | join("\r\n") + "\r\n"),
    said: (
      [ (if $feedback == null then "the worksheet has no Feedback comments: only grades are filled in" else empty end),
        ($facts | left_out),
        ($clear[] | select(.missing | not) | .id | . as $i | select(all($met[]; . != $i))
         | "nobody in this worksheet has the address, the id or the name of \(.)") ])
  }
