#!/usr/bin/env bash
# Two hosts with addresses of their own (network namespaces; root, Linux, iproute2) train one network; then the cable between them is
# cut. Both must end with exit code 1 within the timeout, and leave a checkpoint to go on from.
#   scripts/two-hosts.sh [SECONDS BEFORE THE CUT, default 25]
set -euo pipefail
cli="$(cd "$(dirname "$0")/.." && pwd)/bin/fewlabels.js"
work="$(mktemp -d)"
timeout=10
tidy() { ip netns del fewlabels-0 2>/dev/null || true; ip netns del fewlabels-1 2>/dev/null || true; rm -rf "$work"; }
trap tidy EXIT

ip netns add fewlabels-0
ip netns add fewlabels-1
ip link add fewlabels0 type veth peer name fewlabels1
for rank in 0 1; do
  ip link set "fewlabels$rank" netns "fewlabels-$rank"
  ip -n "fewlabels-$rank" link set lo up
  ip -n "fewlabels-$rank" addr add "10.77.0.$((rank + 1))/24" dev "fewlabels$rank"
  ip -n "fewlabels-$rank" link set "fewlabels$rank" up
done

options=(--dataset digits --labels 100 --model mlp --model.hidden 16 --precision fp32 --batch 16 --labeled-batch 4
  --steps 1000000 --checkpoint-every 200 --eval-every 0 --world-timeout "$timeout" --threads 1 --out "$work/run")
pids=()
for rank in 0 1; do
  RANK=$rank WORLD_SIZE=2 LOCAL_WORLD_SIZE=1 MASTER_ADDR=10.77.0.1 MASTER_PORT=29512 GLOO_SOCKET_IFNAME="fewlabels$rank" \
    ip netns exec "fewlabels-$rank" node "$cli" train "${options[@]}" >"$work/$rank.log" 2>&1 &
  pids+=($!)
done
sleep "${1:-25}"
[ -d "$work/run/checkpoints" ] || { cat "$work"/*.log; echo "no step was made before the cut"; exit 1; }
ip -n fewlabels-1 link set fewlabels1 down
cut=$SECONDS
failed=0
for rank in 0 1; do
  code=0
  wait "${pids[$rank]}" || code=$?
  echo "process $rank: exit code $code, $((SECONDS - cut)) s after the cut: $(grep . "$work/$rank.log" | tail -n 1)"
  [ "$code" -eq 1 ] && [ $((SECONDS - cut)) -le $((timeout + 5)) ] || failed=1
done
ls "$work/run/checkpoints"
exit "$failed"
