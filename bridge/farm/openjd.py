"""A job bundle after Open Job Description, for `openjd run` and AWS Deadline Cloud.

https://github.com/OpenJobDescription/openjd-specifications/wiki/2023-09-Template-Schemas
"""

from __future__ import annotations

import json
from pathlib import Path

from bridge.exr.landing import landing

from .tasks import Tasks


def write_bundle(tasks: Tasks, folder: Path) -> Path:
    """Write the bundle of a shot into a folder and return its template. Raises StorageError."""
    template = folder / "template.yaml"
    with landing(template) as temporary:
        temporary.write_text(text(tasks), encoding="utf-8")
    return template


def text(tasks: Tasks) -> str:
    """Return the template as YAML; texts are written as JSON, which YAML reads."""
    words = {
        "name": json.dumps(f"Matte {tasks.name}"[:128]),
        "shot": json.dumps(str(tasks.folder)),
        "token": json.dumps(tasks.token),
        "chunk": tasks.chunk,
        "frames": json.dumps(spans(tasks.frames)),
    }
    propagate = PROPAGATE.format(segments=json.dumps(list(tasks.segments))) if tasks.segments else ""
    before = "Propagate" if tasks.segments else "Begin"
    return HEAD.format(**words) + propagate + TAIL.format(before=before, **words)


def spans(frames: tuple[int, ...]) -> str:
    """Return frames as the specification writes them: `1001-1010,1015`."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


HEAD = """specificationVersion: jobtemplate-2023-09
extensions: [TASK_CHUNKING]
name: {name}
parameterDefinitions:
- name: Shot
  type: STRING
  description: The shot folder, where every machine of the farm sees it.
  default: {shot}
- name: Token
  type: STRING
  description: By which the shot folder knows the tasks of this job as one.
  default: {token}
- name: Videomatte
  type: STRING
  description: The command videomatte.
  default: videomatte
- name: Device
  type: STRING
  default: auto
- name: Chunk
  type: INT
  description: Frames of one matte task.
  minValue: 1
  default: {chunk}
steps:
- name: Begin
  script:
    actions:
      onRun:
        command: "{{{{Param.Videomatte}}}}"
        args: [task, begin, "{{{{Param.Shot}}}}", --token, "{{{{Param.Token}}}}", --openjd]
"""
PROPAGATE = """- name: Propagate
  dependencies: [{{ dependsOn: Begin }}]
  parameterSpace:
    taskParameterDefinitions:
    - {{ name: Segment, type: STRING, range: {segments} }}
  script:
    actions:
      onRun:
        command: "{{{{Param.Videomatte}}}}"
        args: [task, propagate, "{{{{Param.Shot}}}}", --token, "{{{{Param.Token}}}}", --device, "{{{{Param.Device}}}}",
               "--frames={{{{Task.Param.Segment}}}}", --openjd]
"""
TAIL = """- name: Matte
  dependencies: [{{ dependsOn: {before} }}]
  parameterSpace:
    taskParameterDefinitions:
    - name: Frames
      type: CHUNK[INT]
      range: {frames}
      chunks: {{ defaultTaskCount: "{{{{Param.Chunk}}}}", rangeConstraint: CONTIGUOUS }}
  script:
    actions:
      onRun:
        command: "{{{{Param.Videomatte}}}}"
        args: [task, matte, "{{{{Param.Shot}}}}", --token, "{{{{Param.Token}}}}", --device, "{{{{Param.Device}}}}",
               "--frames={{{{Task.Param.Frames}}}}", --openjd]
- name: Publish
  dependencies: [{{ dependsOn: Matte }}]
  script:
    actions:
      onRun:
        command: "{{{{Param.Videomatte}}}}"
        args: [task, publish, "{{{{Param.Shot}}}}", --token, "{{{{Param.Token}}}}", --openjd]
"""
