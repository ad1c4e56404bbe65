#!/usr/bin/env bash
# The benchmark of README and docs: ours and the Python peer in turns, in processes of their own, on a quiet machine.
#   bench/run.sh DATA_DIR PEER_SCRIPT     (FEWLABELS_PYTHON: a Python with torch)
set -euo pipefail
cd "$(dirname "$0")/.."
data=$1 peer=$2
common=(--dataset cifar10 --data "$data" --labels 1000 --method mean-teacher --model cnn-13 --peer "$peer")
run() { local name=$1; shift; node bin/fewlabels.js bench "${common[@]}" "$@" --save "bench/results/$name.json"; }
mkdir -p bench/results
run width-0.25-bf16 --model.width 0.25 --precision bf16 --steps 60 --warmup 10 --rounds 3
run width-1.0-bf16 --model.width 1 --precision bf16 --steps 14 --warmup 3 --rounds 3
run width-1.0-bf16-vs-fp32-default-layout --model.width 1 --precision bf16 --steps 10 --warmup 3 --rounds 2 --peer-precision fp32 --peer-layout nchw
run width-0.25-fp32 --model.width 0.25 --precision fp32 --steps 20 --warmup 3 --rounds 3
run width-1.0-fp32 --model.width 1 --precision fp32 --steps 5 --warmup 1 --rounds 2
