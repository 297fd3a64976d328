# csv.jq - reads tables as spreadsheets and learning platforms export them.

include "common";

# The delimiter, by the first line: what stands in it most often.
def delimiter:
  split("\n")[0] as $head
  | [",", ";", "\t"] | max_by(. as $d | $head | split($d) | length);

# The rows of a table, as arrays of strings. A quote opens and closes; within, two are one.
# Cut at the quotes, every other piece lies outside of them, and only there do delimiters and
# ends of lines count; an empty piece between two quoted ones was a doubled quote.
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

# Where the column of one of these names is; null if there is none.
def column($names): map(small) as $head | [$names[] | small | . as $n | $head | index([$n])] | map(select(. != null))[0];

# ---- Whom a table can be filled in for ---------------------------------------------------------

# The addresses that two students have: nobody can know whose points belong to such a one. Input:
# every student's line of facts.
def shared:
  map(select((.email // "") != "")) | group_by(.email | small)
  | map(select(length > 1) | {address: (.[0].email | line), ids: map(.id)});

# Whether every test of a student's was judged: points that lack for our own failure are none to
# tell anybody.
def judged: all(.labs[]?; .errors == 0);

# What the instructor is told of those who are left out. Input: every student's line of facts.
def left_out:
  (shared[] | "\(.ids | join(" and ")) have one address, \(.address): none of them is filled in"),
  (.[] | select(.missing | not) | select(judged | not) | "\(.id) could not be judged, by a failure of ours: not filled in");
