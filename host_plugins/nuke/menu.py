"""What Nuke runs when it has a window: put the node into the menu of nodes. It never stops Nuke."""

try:
    import nuke

    nuke.menu("Nodes").addMenu("VideoMatte").addCommand("VideoMatte", "nuke.createNode('VideoMatte')")
except Exception as error:
    print("VideoMatte has no menu: %s" % error)
