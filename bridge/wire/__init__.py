"""What a host and the daemon have in common; relocatable, standard library, pyzmq and msgpack only.

A host copies this folder into its own package and needs six names: `client.Client`, `description.Description`, `messages`, `pixels` (or
`shared.SharedFrame`), and from `errors` VideoMatteError and DaemonUnreachableError. Nothing is imported here, so that whoever needs the
errors alone does not load a socket. `docs/protocol.md` tells the same to other languages.
"""
