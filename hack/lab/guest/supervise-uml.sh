# Process 1 of a User Mode Linux guest once the file system stands: runs start.sh in a process namespace of its own, as
# boot-direct.sh does, and carries its output over the serial lines: 0 is standard output (with a terminal also its
# input), 1 standard error, 2 the launcher's orders inward and the exit code outward.
set -u
umount -l /mnt
# What a run leaves in its output folder must be on the host soon, also when the guest is killed.
echo 50 > /proc/sys/vm/dirty_writeback_centisecs
echo 100 > /proc/sys/vm/dirty_expire_centisecs
start='unshare --pid --fork --mount-proc --kill-child /bin/sh /run/lab/start.sh'
stty raw -echo < /dev/ttyS2
if [ "${LAB_TERMINAL:-}" = yes ]; then
  stty rows "$LAB_ROWS" cols "$LAB_COLUMNS" < /dev/ttyS0
  $start < /dev/ttyS0 > /dev/ttyS0 2>&1 3<> /dev/ttyS2
  code=$?
else
  stty raw -echo < /dev/ttyS0
  stty raw -echo < /dev/ttyS1
  # The command writes to pipes, as it does without a guest; they end when the last process of its namespace has ended.
  mkfifo -m 600 /run/stdout /run/stderr
  cat < /run/stdout > /dev/ttyS0 &
  cat < /run/stderr > /dev/ttyS1 &
  $start < /dev/null > /run/stdout 2> /run/stderr 3<> /dev/ttyS2
  code=$?
  wait
  cat /run/lab/end-mark > /dev/ttyS0
  cat /run/lab/end-mark > /dev/ttyS1
fi
sync
echo "exit $code" > /dev/ttyS2
# The launcher ends the guest when it has read this.
sleep 30
echo o > /proc/sysrq-trigger
