"""What a host and the daemon have in common; relocatable, standard library, pyzmq and msgpack only."""
