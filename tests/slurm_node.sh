#!/usr/bin/env bash
# A single-node SLURM from Debian's packages (apt install slurm-wlm munge), as root, in a folder of its own: solves a small shot by the script of
# `videomatte farm slurm` and compares it with one solve. Everything it starts ends with it.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
python=$(realpath -s "${PYTHON:-$here/.venv/bin/python}")
work=$(mktemp -d)
export SLURM_CONF=$work/slurm.conf OMP_NUM_THREADS=1
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done; sleep 1; rm -rf "$work"' EXIT

dd if=/dev/urandom of="$work/munge.key" bs=1 count=1024 status=none && chmod 400 "$work/munge.key"
munged --force --foreground --key-file="$work/munge.key" --socket="$work/munge.socket" --pid-file="$work/munge.pid" \
  --log-file="$work/munge.log" --seed-file="$work/munge.seed" & started+=($!)
cat > "$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
AuthInfo=socket=$work/munge.socket
SlurmUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/d.pid
SlurmctldLogFile=$work/ctld.log
SlurmdLogFile=$work/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
MinJobAge=3600
NodeName=$(hostname -s) CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
CONF
echo "CgroupPlugin=cgroup/v1" > "$work/cgroup.conf"
mkdir -p "$work/state" "$work/spool"
sleep 1
slurmctld -D & started+=($!)
slurmd -D & started+=($!)
for _ in $(seq 60); do sinfo -h -o %t 2>/dev/null | grep -q idle && break; sleep 0.5; done
sinfo && sinfo -h -o %t | grep -q idle

cat > "$work/videomatte" <<SH
#!/bin/sh
cd "$here" && exec "$python" -m bridge.cli "\$@"
SH
chmod +x "$work/videomatte"
(cd "$here" && PYTHONPATH=tests "$python" - "$work") <<'PY'
import sys
from pathlib import Path

from bridge.shot.folder import Shot
from bridge.wire.description import Description
from shots import make_shot

work = Path(sys.argv[1])
painted = make_shot(work / "plates", frames=9, keys=(1003, 1007), width=48, height=32)
for name in ("one", "farm"):
    Shot.create(work / f"{name}.vmatte", Description(plate=painted.plate, trimap=painted.keys))
PY
"$work/videomatte" solve --shot "$work/one.vmatte" --device cpu
script=$("$work/videomatte" farm slurm "$work/farm.vmatte" --out "$work/jobs" --chunk 3)
last=$(cd "$work" && VIDEOMATTE="$work/videomatte" SBATCH_OPTIONS="--output=$work/%x_%A_%a.log" bash "$script")
for _ in $(seq 120); do
  state=$(scontrol show job "$last" | grep -o 'JobState=[A-Z]*' | head -1)
  case "$state" in *COMPLETED|*FAILED|*CANCELLED|*NODE_FAIL) break ;; esac
  sleep 1
done
squeue
echo "$state"
cat "$work"/videomatte*.log
diff -r "$work/one.vmatte/alpha" "$work/farm.vmatte/alpha"
diff -r "$work/one.vmatte/trimap" "$work/farm.vmatte/trimap"
echo "SLURM $(sinfo --version | cut -d' ' -f2): byte-identical to one solve"
