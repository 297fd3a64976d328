# table.jq - makes series and tables for a terminal from the lines of servers/run.
include "statistics";
include "table";

# One series for each figure, as statistics.jq makes them for mechanisms.
def server_series:
    [.[] | select(.table == "servers")] | to_entries | map(.value + {at: .key})
    | group_by([.system, .cores, .what, .connections, .idle, .measure]) | sort_by(.[0].at)
    | map((map(.value) | map(numbers)) as $values
        | {table: "servers", system: .[0].system,
           runner: (if .[0].system == "win32" then "wine" else "native" end),
           what: .[0].what, size: .[0].size, measure: .[0].measure, unit: .[0].unit, cores: .[0].cores,
           connections: .[0].connections, idle: .[0].idle, values: $values}
        + if $values == [] then {median: null, spread: null, why: (map(.why | strings) | .[0])}
          else {median: ($values | median), spread: ($values | spread), why: null} end);

def clients: if .idle == 0 then "\(.connections)" else "\(.connections)+\(.idle) idle" end;

def server_cell: if . == null then "-" elif .median == null then "no figure"
    else (.median | short) + (if .spread > 0.2 then "?" else " " end) end;

# $part are the series of one system, one number of cores and one question.
def server_table($title; $measure; $part):
    ($part | map(select(.measure == $measure))) as $all
    | if $all == [] then empty else
      ($all | map({connections, idle}) | unique_by([.idle, .connections])) as $columns
      | "\n\($title), \($all[0].system | name_of_system), \(if $all[0].cores == 1 then "server and clients on one core"
          else "server and clients each on its own core" end)\($all[0].system | warning)\n",
        (["" | left(22)] + ($columns | map(clients | right(14))) | join("")),
        ((reduce $all[] as $s ([]; if index($s.what) then . else . + [$s.what] end))[] as $what
          | ($what | left(22)) + ([$columns[] as $column
              | [$all[] | select(.what == $what and .connections == $column.connections and .idle == $column.idle)][0]
              | server_cell | right(14)] | join("")))
      end;

def server_tables:
    server_series | . as $all
    | group_by([.system, .cores])[] as $part
    | server_table("Echoes a second by clients"; "rate"; $part),
      server_table("Latency in microseconds that 99 of 100 echoes do not exceed"; "p99"; $part),
      server_table("Seconds to connect all and serve each once"; "setup"; $part),
      server_table("Bytes of memory for a client"; "memory_per_client"; $part),
      server_table("Microseconds of processor time for a message, in the server"; "cpu_per_message"; $part);

# Why figures are missing, each reason once.
def server_reasons:
    server_series | map(select(.median == null and .measure == "rate")) | group_by([.system, .what, .why])
    | if . == [] then empty else "\nNo figure:",
      (.[] | "    \(.[0].system | name_of_system), \(.[0].what), \(map(clients) | unique | join(", ")) clients: \(.[0].why)") end;

# For plots: name, connections, rate, p99; and name, idle, rate.
def server_rates($system): server_series | map(select(.system == $system and .cores == 1 and .idle == 0 and .median != null)) as $all
    | $all | map(.what) | unique[] as $what
    | $all | map(select(.what == $what)) | group_by(.connections) | map({n: .[0].connections,
        rate: (map(select(.measure == "rate"))[0].median), p99: (map(select(.measure == "p99"))[0].median)})[]
    | [$what, .n, .rate, .p99] | @tsv;
def server_idle($system): server_series | map(select(.system == $system and .cores == 1 and .connections == 10
                                              and .measure == "rate" and .median != null))
    | group_by(.what)[] | sort_by(.idle)[] | [.what, .idle, .median] | @tsv;
