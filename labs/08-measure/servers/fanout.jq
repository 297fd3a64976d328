# fanout.jq - tables and goals of one user that writes to all others, from the lines of `servers/run
# fanout` (an array). They have the fields of other servers' lines: so tables and ratios are made alike.
include "statistics";
include "goals";
include "servers/table";
include "servers/goals";

def fanout: map(select(.table == "fanout") | .table = "servers");

def fanout_tables:
    fanout | (server_series | group_by(.system)[] as $part
    | server_table("Deliveries a second by receivers"; "rate"; $part),
      server_table("Delay in microseconds that half of the deliveries do not exceed"; "p50"; $part),
      server_table("Delay in microseconds that 99 of 100 deliveries do not exceed"; "p99"; $part),
      # Wine's own server gives memory back meanwhile: the difference says nothing.
      server_table("Bytes of memory for a user that is silent"; "memory_per_client"; $part | map(select(.system == "unix"))),
      server_table("Microseconds of processor time for a user that comes, in the server"; "cpu_per_client"; $part),
      server_table("Microseconds of processor time for a delivery, in the server"; "cpu_per_message"; $part)),
    server_reasons;

def fanout_goals:
    fanout as $all
    | def beside_ngircd($n; $measure): ratios($all | server_rounds("unix"; "09-room"; $n; 0; $measure);
                                              $all | server_rounds("unix"; "ngircd"; $n; 0; $measure));
      ((10, 100, 1000) as $n
       | verdict("rate, \($n) receivers: lab 09's server, of ngircd"; beside_ngircd($n; "rate"); ">="; 1),
         verdict("p99, \($n) receivers: lab 09's server, of ngircd"; beside_ngircd($n; "p99"); "<="; 1),
         verdict("the server's processor time for it, of ngircd's"; beside_ngircd($n; "cpu_per_message"); "<="; 1)),
      verdict("users of lab 09's server that one message reaches";
              [$all[] | select(.what == "09-room" and .connections == 10000 and .measure == "rate" and .value != null)
               | .connections]; ">="; 10000);

def fanout_report: fanout_tables, "", goal_heads, (fanout_goals | line);
