# walls.sh - what every sandbox of the kit sees of this machine, as arguments for bubblewrap: its
# programs and libraries, read-only, and four files of /etc that are the kit's own. A script sets
# `top` to the kit's folder, reads this file (.), and uses $walls without quotes.
#
# Inside, everybody is the user "student", number 1000. What root starts gives root up before
# there is a wall: `exec $drop "$0" "$@"` if the variable is not empty. To the number that it
# takes then no file belongs; so what a sandbox is to read must be readable for everybody.
# shellcheck shell=sh disable=SC2034 # used by those who read this file

nobody=65533
walls='' drop=''
if [ "$(id -u)" = 0 ]; then
    drop="setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps=-all --no-new-privs"
else
    walls='--unshare-user --uid 1000 --gid 1000 --ro-bind /usr /usr'
    walls="$walls $(find /bin /sbin /lib /lib32 /lib64 /libx32 -maxdepth 0 \
        \( -type l -printf '--symlink %l %p ' -o -type d -printf '--ro-bind %p %p ' \) 2>/dev/null || true)"
    for file in /etc/ld.so.cache /etc/alternatives /etc/fonts; do
        if [ -e $file ]; then walls="$walls --ro-bind $file $file"; fi
    done
fi
