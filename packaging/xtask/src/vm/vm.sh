#!/bin/sh
# Runs the script `run` from the host in the test VM, and tells the host its status.
# A step that fails ends this, and with it the machine: the last words are on its console.
set -eu

mount -t tmpfs tmpfs /tmp
# Only what qemu gave us; udev hears of the cameras when their drivers are loaded.
udevadm trigger --action=add --subsystem-match=virtio
udevadm settle

mkdir -p /run/host
mount -t 9p -o trans=virtio,version=9p2000.L,ro host /run/host
exec 3>/dev/virtio-ports/status
echo up >&3
status=0
setsid --wait sh /run/host/run </dev/null >/dev/virtio-ports/output 2>&1 3>&- || status=$?
echo "ended $status" >&3
