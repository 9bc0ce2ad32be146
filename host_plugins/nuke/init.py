"""What Nuke runs at every start, in batch too: say where the gizmo is. It imports nothing of the plug-in and never stops Nuke."""

try:
    import nuke

    nuke.pluginAddPath("./gizmos")
except Exception as error:
    print("VideoMatte is not available: %s" % error)
