"""The daemon: a front that answers everybody at once, and one worker process for each device."""
