# goals.jq - which ratios the servers must reach, from the lines of servers/run (an array).
#
# As in ../goals.jq, ratios are computed within a round, and their median counts.
include "statistics";
include "goals";

# One figure by round: {"1": 9.1, "2": 9.3, ...}.
def server_rounds($system; $what; $connections; $idle; $measure):
    map(select(.table == "servers" and .system == $system and .what == $what and .cores == 1
               and .connections == $connections and .idle == $idle and .measure == $measure
               and (.value | type) == "number")
        | {key: (.round | tostring), value}) | from_entries;

def server_goals:
    . as $all
    | def rate($what; $n): $all | server_rounds("unix"; $what; $n; 0; "rate");
      def cpu($what; $n): $all | server_rounds("unix"; $what; $n; 0; "cpu_per_message");
      def beside($what; $idle): $all | server_rounds("unix"; $what; 10; $idle; "rate");
      ((100, 1000) as $n
       | verdict("rate, \($n) clients: lab 06's epoll, of libuv"; ratios(rate("06-epoll"; $n); rate("libuv"; $n)); ">="; 1),
         verdict("rate, \($n) clients: lab 06's epoll, of libevent"; ratios(rate("06-epoll"; $n); rate("libevent"; $n)); ">="; 1.2),
         verdict("the server's processor time for it, of libevent's"; ratios(cpu("06-epoll"; $n); cpu("libevent"; $n)); "<="; 0.83),
         verdict("rate, \($n) clients: io_uring, of epoll"; ratios(rate("06-io_uring"; $n); rate("06-epoll"; $n)); ">="; 1)),
      verdict("rate, 1000 clients: epoll, of a thread for each"; ratios(rate("06-epoll"; 1000); rate("05-thread"; 1000)); ">="; 1.5),
      verdict("the same, of one without a line for each message"; ratios(rate("06-epoll"; 1000); rate("05-thread-silent"; 1000)); ">="; 1.5),
      verdict("10 clients, 5000 idle: epoll, of itself without them"; ratios(beside("06-epoll"; 5000); beside("06-epoll"; 0)); ">="; 0.9),
      verdict("10 clients, 5000 idle: epoll, of poll"; ratios(beside("06-epoll"; 5000); beside("05-poll"; 5000)); ">="; 10),
      verdict("the same, of one without a line for each message"; ratios(beside("06-epoll"; 5000); beside("05-poll-silent"; 5000)); ">="; 10);

def wine_goals:
    . as $all
    | def wine($what; $n; $measure): $all | server_rounds("win32"; $what; $n; 0; $measure);
      ((100, 1000) as $n
       | verdict("rate, \($n) clients: port, of a thread for each"; ratios(wine("06-port"; $n; "rate"); wine("05-thread"; $n; "rate")); ">="; (if $n == 100 then 1 else 1.1 end)),
         verdict("p99, \($n) clients: port, of a thread for each"; ratios(wine("06-port"; $n; "p99"); wine("05-thread"; $n; "p99")); "<="; 0.6),
         verdict("p99 of p50, \($n) clients: port"; ratios(wine("06-port"; $n; "p99"); wine("06-port"; $n; "p50")); "<="; 10)),
      verdict("setting up 1000: port, of a thread for each"; ratios(wine("06-port"; 1000; "setup"); wine("05-thread"; 1000; "setup")); "<="; 0.2);

def server_goal_table:
    if any(.[]; .table == "servers") then (server_goals | line),
        "Measured under Wine, which says nothing about Windows:", (wine_goals | line)
    else empty end;
