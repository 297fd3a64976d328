# bwrap-args.sh - the arguments of bubblewrap for every sandbox of the kit. They bind this machine's
# programs and libraries, read-only. Scripts add four files for /etc. A script sets `top` to the
# kit's folder, reads this file (.), and uses $bwrap_args without quotes.
#
# In the sandbox the user is always "student", number 1000. If root starts a script, it must give
# up root first: `exec $drop "$0" "$@"` if the variable is not empty. It becomes a user without
# files, number 65533 or UNPRIVILEGED_USER. So everybody must be able to read what a sandbox reads.
# shellcheck shell=sh disable=SC2034 # used by those who read this file

nobody=${UNPRIVILEGED_USER-65533}
bwrap_args='' drop=''
if [ "$(id -u)" = 0 ]; then
    drop="setpriv --reuid $nobody --regid $nobody --clear-groups --inh-caps=-all --no-new-privs"
else
    bwrap_args='--unshare-user --uid 1000 --gid 1000 --ro-bind /usr /usr'
    bwrap_args="$bwrap_args $(find /bin /sbin /lib /lib32 /lib64 /libx32 -maxdepth 0 \
        \( -type l -printf '--symlink %l %p ' -o -type d -printf '--ro-bind %p %p ' \) 2>/dev/null || true)"
    for file in /etc/ld.so.cache /etc/alternatives /etc/fonts; do
        if [ -e $file ]; then bwrap_args="$bwrap_args --ro-bind $file $file"; fi
    done
fi
