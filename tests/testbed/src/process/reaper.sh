# Ends everything that the testbed started, once the testbed itself is gone.
#
# Reads one order a line on stdin: "watch PGID", "forget PGID", "remove DIR", "keep DIR". The
# other end of stdin is held by the test process alone, so end of file means that it has ended,
# be it by SIGKILL. Then every watched process group gets SIGTERM, a moment, SIGKILL, and the
# directories named by "remove" go. (No "--" before the groups: dash has none in kill.)
trap '' INT TERM HUP
groups=' '
dirs=''
while read -r verb arg; do
    case $verb in
    watch) groups="$groups$arg " ;;
    forget) groups="${groups%% "$arg" *} ${groups#* "$arg" }" ;;
    remove) dirs="$dirs$arg
" ;;
    keep) dirs=$(printf '%s' "$dirs" | grep -vxF -- "$arg")
        [ -z "$dirs" ] || dirs="$dirs
" ;;
    esac
done
for group in $groups; do kill -TERM "-$group" 2>/dev/null; done
tries=0
while [ "$tries" -lt 10 ]; do
    alive=''
    for group in $groups; do kill -0 "-$group" 2>/dev/null && alive=yes; done
    [ -n "$alive" ] || break
    tries=$((tries + 1))
    sleep 0.1
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
printf '%s' "$dirs" | while read -r dir; do rm -rf -- "$dir"; done
