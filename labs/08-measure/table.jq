# table.jq - the series of a run (an array), as tables for a terminal.
include "statistics";

def left($width): . + " " * ([$width - length, 1] | max);
def right($width): " " * ([$width - length, 0] | max) + .;
def name_of_system: if . == "unix" then "UNIX" else "Win32 under Wine" end;
def name_of_size: if . == null then "" elif . >= 1048576 then "\(. / 1048576) MB"
    elif . >= 1024 then "\(. / 1024) KB" else "\(.) B" end;
def warning: if . == "win32" then ", which says nothing about Windows" else "" end;

# A figure, marked if the rounds differ by more than a fifth.
def cell: if . == null then "-" elif .median == null
    then (.why | if startswith("limit") then . elif startswith("no flow") then "no flow control" else "failed" end)
    else (.median | short) + (if .spread > 0.2 then "?" else " " end) end;

def one_table($title; $measure):
    map(select(.table == "mechanisms" and .measure == $measure)) as $all
    | ($all | group_by([.system, .cores])[])
    | . as $part | (map(.size) | unique) as $sizes
    | "\n\($title), \(.[0].system | name_of_system), \(if .[0].cores == 1 then "both processes on one core"
        elif .[0].cores == 2 then "each process on its own core" else "not pinned" end)\(.[0].system | warning)\n",
      (["" | left(24)] + ($sizes | map(name_of_size | right(16))) | join("")),
      ((reduce $part[] as $s ([]; if index($s.what) then . else . + [$s.what] end))[] as $what
        | ($what | left(24)) + ([$sizes[] as $size
            | [$part[] | select(.what == $what and .size == $size)][0] | cell | right(16)] | join("")));

def price_table:
    map(select(.table == "prices")) | if . == [] then empty else
        group_by(.system)[]
        | "\nPrices in microseconds, \(.[0].system | name_of_system)\(.[0].system | warning)\n",
          (sort_by(.median)[] | (.what | left(48)) + (cell | right(12)))
    end;

def tables:
    one_table("Round trip in microseconds"; "round_trip"),
    one_table("Bandwidth one way in MB/s"; "bandwidth"),
    price_table,
    "\nMedians; a \"?\" means that the rounds differ by more than a fifth of the median.";
