# goals.jq - which ratios the mechanisms must reach, from the lines of collect (an array).
#
# A ratio is computed within a round, in which both figures are measured within seconds. The
# median of these ratios counts. If the quartiles are on both sides of the goal there is no
# verdict.
include "statistics";

def left($width): . + " " * ([$width - length, 1] | max);
def right($width): " " * ([$width - length, 0] | max) + .;

# The figure of one cell by round: {"1": 9.1, "2": 9.3, ...}. A round that failed has none.
def rounds($what; $size; $cores; $measure):
    map(select(.system == "unix" and .what == $what and .size == $size and .cores == $cores
               and (.[$measure] | type) == "number")
        | {key: (.round | tostring), value: .[$measure]}) | from_entries;

def ratios($a; $b): [$a | to_entries[] | select($b[.key] != null) | .value / $b[.key]];

# One goal: $ratios must be at most (or, if $least, at least) $goal.
def verdict($what; $ratios; $sense; $goal):
    if $ratios == [] then {what: $what, sense: $sense, goal: $goal, verdict: "not measured"}
    else ($ratios | {median: median, low: low, high: high}) as $r
        | {what: $what, sense: $sense, goal: $goal, measured: $r.median, low: $r.low, high: $r.high,
           verdict: (if $sense == "<=" then
                (if $r.high <= $goal then "reached" elif $r.low > $goal then "missed"
                 else "no verdict: the rounds differ" end)
             else
                (if $r.low >= $goal then "reached" elif $r.high < $goal then "missed"
                 else "no verdict: the rounds differ" end) end)}
    end;

def all_goals:
    . as $all
    | def turn($what; $cores): $all | rounds($what; 64; $cores; "round_trip");
      def way($what; $size; $cores): $all | rounds($what; $size; $cores; "one_way");
      turn("pipe"; 1) as $pipe
    | verdict("round trip, 64 B: pipe, of perf bench sched pipe"; ratios($pipe; turn("perf-pipe"; 1)); "<="; 1.05),
      (["FIFO", "fifo", 1.10], ["POSIX queue", "posix-queue", 1.20], ["System V queue", "sysv-queue", 1.30],
       ["UNIX datagram", "unix-datagram", 1.65], ["UNIX stream", "unix-stream", 1.80], ["TCP", "tcp", 2.8]
       | . as [$name, $what, $goal]
       | verdict("round trip, 64 B: \($name), of the pipe"; ratios(turn($what; 1); $pipe); "<="; $goal)),
      verdict("round trip, 64 B: memory that waits wisely, of the pipe"; ratios(turn("memory-wise"; 1); $pipe); "<="; 1.1),
      verdict("the same across two cores"; ratios(turn("memory-wise"; 2); turn("pipe"; 2)); "<="; 0.01),
      verdict("bandwidth, 64 KB: ring in memory, of the pipe"; ratios(way("pipe"; 65536; 1); way("memory-wise"; 65536; 1)); ">="; 2.5),
      verdict("bandwidth, 64 KB: ring in memory, of memcpy"; ratios(way("memcpy"; 65536; 1); way("memory-wise"; 65536; 1)); ">="; 0.35),
      verdict("bandwidth, 64 B, two cores: ring, of the pipe"; ratios(way("pipe"; 64; 2); way("memory-wise"; 64; 2)); ">="; 10),
      verdict("bandwidth, 64 KB, two cores: 1 MB pipe, of the usual"; ratios(way("pipe"; 65536; 2); way("pipe-1m"; 65536; 2)); ">="; 2.5),
      verdict("bandwidth, 64 KB: vmsplice, of write"; ratios(way("pipe"; 65536; 1); way("vmsplice"; 65536; 1)); ">="; 2);

def line:
    (.what | left(56)) + ("\(.sense) \(.goal)" | right(8))
    + (if .measured == null then "" | right(26)
       else (.measured | short | right(8)) + ("\(.low | short) to \(.high | short)" | right(18)) end)
    + "  " + .verdict;

def goal_heads:
    ["goal", "", "median", "quartiles", "verdict"] as $heads
    | ($heads[0] | left(56)) + ($heads[1] | right(8)) + ($heads[2] | right(8))
      + ($heads[3] | right(18)) + "  " + $heads[4];

def goal_table: goal_heads, (all_goals | line);
