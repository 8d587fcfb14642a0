# Ends a node in order, as an init system does: everything is asked to end, then killed; then the power goes off.
# Of all processes only process 1 and this one stay.
kill -s TERM -1
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ "$(ps -e -o pid= --ppid 2 --deselect | wc -l)" -gt 5 ] || break
  sleep 0.1
done
kill -s KILL -1
sync
echo u > /proc/sysrq-trigger
echo o > /proc/sysrq-trigger
sleep 10
