#!/bin/sh
# The guest's init process: tests NFS volumes and virtual addresses, and writes results to $OUT.
# The root is a folder on the host, so all changes go to file systems in the guest's memory.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t devtmpfs dev /dev; mkdir -p /dev/pts; mount -t devpts pts /dev/pts
for each in /tmp /run /srv /var/lib /etc/docker; do mkdir -p $each; mount -t tmpfs -o mode=755 tmpfs $each; done
chmod 1777 /tmp
ln -s /proc/self/fd /dev/fd; ln -s /proc/self/fd/1 /dev/stdout; ln -s /proc/self/fd/2 /dev/stderr
# nfs-ganesha reads the list of mounts from this file.
ln -sf /proc/self/mounts /etc/mtab
. /guest/settings
OUT=/guest/out
exec >"$OUT/log" 2>&1
# Run a command and save its output, with the exit code as the last line.
say() { name=$1; shift; timeout 120 "$@" >"$OUT/$name" 2>&1; echo "exit $?" >>"$OUT/$name"; }
# Retry a command until it succeeds, for up to 120 s.
wait_for() {
  n=0; until "$@" >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 240 ] || return 1; sleep 0.5; done
}
end() { echo "$1" >"$OUT/ended"; sync; echo o >/proc/sysrq-trigger; poweroff -f; sleep 600; }

for each in overlay bridge br_netfilter veth vxlan nfsv4 ip_vs ip_vs_rr xt_ipvs dummy \
  ip_tables iptable_nat iptable_filter iptable_mangle xt_MASQUERADE xt_conntrack xt_addrtype; do
  modprobe $each
done
mkdir -p /tmp/bin; for each in iptables ip6tables; do
  ln -s /usr/sbin/$each-legacy /tmp/bin/$each; done
PATH=/tmp/bin:$PATH
ip link set lo up
ip link add eth0 type dummy; ip addr add 192.0.2.20/24 dev eth0; ip link set eth0 up
ip route add default dev eth0
echo 1 >/proc/sys/net/ipv4/ip_forward

# Like a real server's file system, ext4 supports file handles, which NFS needs.
mkfs.ext4 -q /dev/ubda && mount /dev/ubda /srv
mkdir -p /srv/classroom/homes /srv/classroom/exchange /var/lib/nfs/ganesha /var/lib/docker
chmod 1777 /srv/classroom/exchange
for each in ada:1000000 bob:1000001; do
  home=/srv/classroom/homes/${each%:*}; mkdir -m 700 $home
  echo "of ${each%:*}" >$home/notes; chown -R ${each#*:}:${each#*:} $home
done
TEMPLATE=/guest/ganesha.conf MANAGERS=192.0.2.10 WORKERS=192.0.2.20 LEASE_SECONDS=2 \
  sh /guest/serve >"$OUT/ganesha" 2>&1 &
dockerd >"$OUT/dockerd" 2>&1 &
wait_for docker version || end "dockerd does not answer"
mkdir -p /tmp/image/bin /tmp/image/srv; cp /bin/busybox /tmp/image/bin/
for each in sh cat ls id touch wget httpd nslookup stat; do ln -s busybox /tmp/image/bin/$each; done
echo served >/tmp/image/srv/index.html
tar -C /tmp/image -c . | docker import - tiny >/dev/null

for each in homes exchange; do
  docker volume create --opt type=nfs --opt o="$FILES_OPTIONS" \
    --opt device=":/srv/classroom/$each" $each
done
wait_for docker run --rm --user 1000000:1000000 -v homes:/homes tiny ls /homes/ada \
  || end "no mount of a volume"
in_container() { n=$1; user=$2; shift 2
  say "$n" docker run --rm --user "$user:$user" -v homes:/homes -v exchange:/exchange tiny "$@"; }
in_container own 1000000 sh -c 'echo kept >/homes/ada/work && cat /homes/ada/notes'
in_container mounts 1000000 cat /proc/mounts
in_container other 1000001 cat /homes/ada/notes
in_container root 0 cat /homes/ada/notes
in_container root_makes 0 touch /homes/mine
in_container root_shares 0 sh -c 'echo x >/exchange/r; stat -c %u /exchange/r'
docker volume rm homes
docker volume create --opt type=nfs --opt o="$FILES_OPTIONS" --opt device=:/srv/classroom/homes homes
in_container again 1000000 cat /homes/ada/work
say server stat -c %u:%a /srv/classroom/homes/ada/work

docker swarm init --advertise-addr 192.0.2.20
ENDPOINT_MODE=vip docker stack deploy --resolve-image=never -c /guest/stack.yaml uml
say mode docker service inspect --format '{{.Spec.EndpointSpec.Mode}}' uml_web
address() { docker service inspect --format '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}' uml_web; }
address >"$OUT/vips"
asker() { docker ps -q --filter label=com.docker.swarm.service.name=uml_asker | grep .; }
wait_for asker
inside() { docker exec "$(asker)" "$@"; }
wait_for inside wget -qO- http://web/
inside wget -qO- http://web/ >"$OUT/by_name" 2>&1
inside nslookup web >"$OUT/name" 2>&1
inside nslookup tasks.web >"$OUT/tasks" 2>&1
wait_for busybox wget -qO- http://192.0.2.20:8080/
busybox wget -qO- http://192.0.2.20:8080/ >"$OUT/ingress" 2>&1
docker service ps uml_web >"$OUT/ps" 2>&1
end well
