# reason.jq - for tools/hint and tools/watch.jq: whether a test has failed for the same reason as before.

# The reason without what is another one in each run: numbers, and texts that are drawn by lot.
def lasting: (. // "") | gsub("\"([^\"\\\\]|\\\\.)+?(\"|[.]{3}'|$)"; "\"*\"") | gsub("[a-z0-9]{12,}"; "*") | gsub("[0-9]+"; "*");
