# csv.jq - reads tables as spreadsheets and learning platforms export them.

include "common";

# The delimiter: the one that is most frequent in the first line.
def delimiter:
  split("\n")[0] as $head
  | [",", ";", "\t"] | max_by(. as $d | $head | split($d) | length);

# The rows of a table, as arrays of strings. A quote opens and closes; within, two are one. The
# text is cut at the quotes, so every other piece is outside of them. Delimiters and line ends
# count only there. An empty piece between two quoted ones was a doubled quote.
def table:
  ltrimstr("\ufeff") | split("\r\n") | join("\n") | split("\r") | join("\n") | rtrimstr("\n")
  | delimiter as $d
  | split("\"") as $pieces
  | reduce range($pieces | length) as $i ({rows: [], row: [], field: ""};
      $pieces[$i] as $piece
      | if $i % 2 == 1 then .field += $piece
        elif $piece == "" and $i > 0 and $i < ($pieces | length) - 1 then .field += "\""
        else
          reduce ($piece | split("\n") | to_entries[]) as $line (.;
            (if $line.key > 0 then .rows += [.row + [.field]] | .row = [] | .field = "" else . end)
            | ($line.value | split($d)) as $cells
            | .field += ($cells[0] // "")
            | reduce $cells[1:][] as $cell (.; .row += [.field] | .field = $cell))
        end)
  | .rows + [.row + [.field]];

def small: (. // "") | ascii_downcase | gsub("^\\s+|\\s+$"; "");

# The index of the column with one of these names, or null.
def column($names): map(small) as $head | [$names[] | small | . as $n | $head | index([$n])] | map(select(. != null))[0];

# ---- Students for whom a table can be filled in ------------------------------------------------

# The addresses that two students share: their points cannot be assigned. Input: every student's
# line of facts.
def shared:
  map(select((.email // "") != "")) | group_by(.email | small)
  | map(select(length > 1) | {address: (.[0].email | line), ids: map(.id)});

# A name as our ids are written: anna@x.org has the id anna_x.org.
def as_id: small | gsub("[^a-z0-9.-]"; "_");

# What several of these rows have in common, written as ids. Input: the rows; $columns: those with names.
def common_ids($columns): [.[] | [.[$columns[]] | as_id] | unique[]] | group_by(.) | map(select(length > 1)[0]);

# The student of a row in $known, {name: student}. Input: the row; $common: ids that are of several rows.
def known_by($columns; $known; $common):
  [.[$columns[]] | small | select(. != "")]
  | [.[], (.[] | as_id | select(IN($common[]) | not)) | $known[.] | select(. != null)][0];

# Whether every test of a student was judged. If not, because of an error of ours, no points are
# reported.
def judged: all(.labs[]?; .errors == 0);

# The messages about students who are left out. Input: every student's line of facts.
def left_out:
  (shared[] | "\(.ids | join(" and ")) have one address, \(.address): none of them is filled in"),
  (.[] | select(.missing | not) | select(judged | not) | "\(.id) could not be judged, by a failure of ours: not filled in");
