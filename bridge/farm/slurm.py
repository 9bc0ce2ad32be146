"""A script for SLURM: submitted by itself as four jobs, two of them arrays, each of which waits for the one before.

https://slurm.schedmd.com/job_array.html
"""

from __future__ import annotations

import shlex
from pathlib import Path

from bridge.exr.landing import landing

from .tasks import Tasks


def write_script(tasks: Tasks, path: Path) -> Path:
    """Write the script of a shot. Raises StorageError."""
    with landing(path) as temporary:
        temporary.write_text(text(tasks), encoding="utf-8")
        temporary.chmod(0o755)
    return path


def text(tasks: Tasks) -> str:
    """Return the script."""
    return SCRIPT.format(
        name=tasks.name,
        quoted=shlex.quote(f"videomatte {tasks.name}"),
        shot=shlex.quote(str(tasks.folder)),
        token=shlex.quote(tasks.token),
        segments=" ".join(map(shlex.quote, tasks.segments)),
        chunks=" ".join(map(shlex.quote, tasks.chunks)),
    )


SCRIPT = """#!/usr/bin/env bash
# Mattes of {name} on SLURM.
#   bash THIS            submits; what stands in SBATCH_OPTIONS is given to sbatch: SBATCH_OPTIONS="--gres=gpu:1 --mem=16G"
#   bash THIS local      runs everything here, one task after the other
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -euo pipefail
shot={shot}
token={token}
videomatte=${{VIDEOMATTE:-videomatte}}
segments=({segments})
chunks=({chunks})

run() {{  # STEP [FRAMES]: TERM reaches the solver, which finishes its frame; after a requeue it goes on
  "$videomatte" task "$1" "$shot" --token "$token" ${{2:+--frames="$2"}} & pid=$!
  trap 'kill -TERM "$pid" 2>/dev/null || true' TERM
  rc=0; wait "$pid" || rc=$?
  if kill -0 "$pid" 2>/dev/null; then rc=0; wait "$pid" || rc=$?; fi
  return "$rc"
}}

submit() {{  # STEP AFTER COUNT: COUNT 0 is no array
  local array=() after=()
  [ "$3" -gt 0 ] && array=(--array="0-$(($3 - 1))")
  [ -n "$2" ] && after=(--dependency="afterok:$2" --kill-on-invalid-dep=yes)
  # shellcheck disable=SC2086
  sbatch --parsable --job-name={quoted}"-$1" ${{array[@]+"${{array[@]}}"}} ${{after[@]+"${{after[@]}}"}} ${{SBATCH_OPTIONS:-}} "$0" "$1"
}}

case "${{1:-submit}}" in
  begin|publish) run "$1" ;;
  propagate) run propagate "${{segments[$SLURM_ARRAY_TASK_ID]}}" ;;
  matte) run matte "${{chunks[$SLURM_ARRAY_TASK_ID]}}" ;;
  local)
    run begin
    for frames in ${{segments[@]+"${{segments[@]}}"}}; do run propagate "$frames"; done
    for frames in "${{chunks[@]}}"; do run matte "$frames"; done
    run publish ;;
  submit)
    last=$(submit begin "" 0)
    [ ${{#segments[@]}} -gt 0 ] && last=$(submit propagate "$last" ${{#segments[@]}})
    last=$(submit matte "$last" ${{#chunks[@]}})
    submit publish "$last" 0 ;;
  *) echo "submit, local, begin, propagate, matte or publish" >&2; exit 2 ;;
esac
"""
