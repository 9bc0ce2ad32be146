"""Run by a real Nuke in terminal mode: make the node, solve, read back, and print one JSON object after `RESULT`.

Arguments: the plug-in's folder, the connection file, the plate's pattern, a key file, first frame, last frame, where to save the script.
"""

import json
import os
import sys

import nuke


def main(plugin, connection, plate, key, first, last, script):
    """Solve a shot in a fresh script and look at what the node then holds."""
    nuke.pluginAddPath(plugin)
    nuke.pluginAddPath(plugin + "/gizmos")
    sys.path.append(plugin)
    nuke.scriptSaveAs(script, 1)
    source = nuke.nodes.Read(file=plate, first=int(first), last=int(last), raw=True)
    trimap = nuke.nodes.Read(file=key, raw=True)
    node = nuke.createNode("VideoMatte", "", False)
    for index, above in enumerate((source, trimap)):
        node.setInput(index, above)
    for name, value in (("first", int(first)), ("last", int(last)), ("connection", connection)):
        node[name].setValue(value)
    import videomatte_nuke

    videomatte_nuke.press("solve", node)
    read = node.node("ReadMatte")
    return {
        "version": nuke.NUKE_VERSION_STRING,
        "python": list(sys.version_info[:2]),
        "file": read["file"].value(),
        "range": [int(read["first"].value()), int(read["last"].value())],
        "centre": node.sample("rgba.alpha", 0.4 * node.width(), 0.5 * node.height(), frame=int(first)),
        "writes": len([inner for inner in node.nodes() if inner.Class() == "Write"]),
        "size": [node.width(), node.height()],
        "files": sorted(os.listdir(os.path.dirname(read["file"].value()))),
    }


if __name__ == "__main__":
    print("RESULT " + json.dumps(main(*sys.argv[1:8])))
