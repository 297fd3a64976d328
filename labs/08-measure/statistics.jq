# statistics.jq - computes medians and spreads from the figures of all rounds.
#
# The spread is the distance between the quartiles, divided by the median. With fewer than five values
# it is the distance between the smallest and the largest.

def quantile($q): sort | .[((length - 1) * $q) | round];
def median: sort | if length % 2 == 1 then .[(length - 1) / 2]
    else (.[length / 2 - 1] + .[length / 2]) / 2 end;
def low: if length < 5 then min else quantile(0.25) end;
def high: if length < 5 then max else quantile(0.75) end;
def spread: if median == 0 then 0 else (high - low) / median end;

# Three significant digits: 1234, 12.3, 0.123.
def short: if . >= 100 then round | tostring
    elif . >= 10 then (. * 10 | round) / 10 | tostring
    elif . >= 1 then (. * 100 | round) / 100 | tostring
    else (. * 1000 | round) / 1000 | tostring end;

# One series for each figure: its values in all rounds, their median and spread, or the reason why there
# are none.
def series($table; $unit):
    to_entries | map(.value + {at: .key}) # group_by sorts; the order of measuring is the table's
    | group_by([.system, .cores, .what, .size, .measure]) | sort_by(.[0].at)
    | map((map(.value) | map(numbers)) as $values
        | {table: $table, system: .[0].system,
           runner: (if .[0].system == "win32" then "wine" else "native" end),
           what: .[0].what, size: .[0].size, measure: .[0].measure, unit: $unit,
           cores: .[0].cores, values: $values}
        + if $values == [] then {median: null, spread: null, why: (map(.value | strings) | .[0])}
          else {median: ($values | median), spread: ($values | spread), why: null} end);

# All series of a run, from the lines of collect (an array).
def all_series:
    [.[] | select(.round_trip != null) | {system, cores, what, size, measure: "round_trip", value: .round_trip}]
        as $turns
    | [.[] | select(.one_way != null) | {system, cores, what, size, measure: "one_way", value: .one_way}]
        as $ways
    | [$ways[] | .measure = "bandwidth" | .value = if (.value | type) == "number"
        then .size / .value else .value end] as $widths
    | [.[] | select(.price != null) | {system, cores: 1, what, size: null, measure: "price", value: .price}]
        as $prices
    | ($turns + $ways | series("mechanisms"; "us")) + ($widths | series("mechanisms"; "MB/s"))
        + ($prices | series("prices"; "us"));
