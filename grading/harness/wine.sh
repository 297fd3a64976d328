# wine.sh - finds the Wine of this machine, and starts and ends a prefix. A script in this folder
# reads this file: `. "$(dirname "$0")/wine.sh"`.
#
#     $wine, $wineserver     the loader and the server, each "" if it is missing
#     use_prefix PREFIX      sets the environment for programs in this prefix
#     await_server PREFIX PROCESS   waits until this server of the prefix is ready, or has ended: a program
#                            that finds no server starts one of its own
#     end_prefix PREFIX      ends its server, removes what the server keeps outside of PREFIX;
#                            returns 1 if the server does not end
#
# The variable WINE names another loader than the one that this file finds.
# shellcheck shell=sh disable=SC2034 # used by those who read this file

# Debian's `wine` is a script around this loader, and warns of a missing wine32.
if [ -n "${WINE-}" ]; then
    wine=$(command -v "$WINE" || true)
else
    wine=$(command -v /usr/lib/wine/wine64 || command -v wine64 || command -v wine || true)
fi
wineserver=$(command -v wineserver || command -v /usr/lib/wine/wineserver || true)

# TMPDIR must not be set: with it, the Wine of Debian 13 crashes at its start. So a server has its
# socket in /tmp, where each prefix has a folder of its own.
use_prefix() {
    unset TMPDIR DISPLAY WAYLAND_DISPLAY WINEARCH WINESERVER
    export WINEPREFIX="$1" WINELOADER="$wine" WINEDEBUG=-all LC_ALL=C.UTF-8
    # No debugger that prints a crash on standard output, no offers to install things.
    export WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe=d;winedbg.exe=d'
}

# Prints the folder of the prefix's server. Debian's Wine writes a name in it into PREFIX/wineserver, other builds
# of Wine derive it all from the prefix.
server_folder() {
    name=$(cat "$1/wineserver" 2>/dev/null || true) numbers=$(printf '%x-%x' "$(stat -c %d "$1")" "$(stat -c %i "$1")")
    case $name in
    wine-*/*) ;; # no name that Wine has written
    wine-*) echo "/tmp/$name/server-$numbers" ;;
    *) echo "/tmp/.wine-$(id -u)/server-$numbers" ;;
    esac
}

await_server() {
    tries=600
    until [ -S "$(server_folder "$1")/socket" ] || ! kill -0 "$2" 2>/dev/null || [ $((tries -= 1)) -eq 0 ]; do sleep 0.1; done
}

# `wineserver -k` fails if there is no server to end.
end_prefix() {
    if [ ! -d "$1" ]; then return 0; fi
    ended=0
    (use_prefix "$1" && timeout 20 "$wineserver" -k >/dev/null 2>&1) || true
    (use_prefix "$1" && timeout 20 "$wineserver" -w >/dev/null 2>&1) || ended=1
    folder_of_server=$(server_folder "$1")
    case $folder_of_server in
    /tmp/wine-*) rm -rf "${folder_of_server%/*}" "$1/wineserver" ;;
    ?*) rm -rf "$folder_of_server" ;;
    esac
    return $ended
}
