"""The plug-ins of the hosts, put where a host finds them, and taken away again. One host, one file."""
