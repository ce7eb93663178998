#!/bin/sh
# PID 1 of the test VM: devices, the loopback network, then the script `run` from the host, and its status to the host.
# A step that fails ends this, and with it the machine: the last words are on its console.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root

mountpoint -q /dev/pts || { mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; }
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
ip link set lo up

/lib/systemd/systemd-udevd --daemon
# Only what qemu gave us; udev hears of the cameras when their drivers are loaded.
udevadm trigger --action=add --subsystem-match=virtio
udevadm settle

mkdir -p /run/host
mount -t 9p -o trans=virtio,version=9p2000.L,ro host /run/host
exec 3>/dev/virtio-ports/status
echo up >&3
status=0
setsid sh /run/host/run </dev/null >/dev/virtio-ports/output 2>&1 3>&- || status=$?
echo "ended $status" >&3

sync
echo o >/proc/sysrq-trigger
sleep 60
