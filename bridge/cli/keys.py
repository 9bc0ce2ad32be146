"""`videomatte keys`: the keys by which clients on other machines and the daemon know each other."""

from __future__ import annotations

import argparse

from . import arguments as read
from .console import Console
from .interruption import Stop

SERVER = "server"  # the name of the daemon's own key
SERVED = "Clients read this half in network.json, which `videomatte serve --tcp` writes."
WORDS = {
    "NAME": "letters, digits, dot, dash and underscore",
    "PUBLIC": "the 40 characters that `videomatte keys show` prints there, in quotes",
}


def add_to(commands: argparse._SubParsersAction[read.Parser]) -> None:
    """Add the subcommand and what may be typed after it."""
    parser = commands.add_parser("keys", help="make, list and allow keys for other machines", description=__doc__)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=read.Parser)
    for name, run, names, what in (
        ("make", make, ("NAME",), "make a key: `server` for a daemon, `client` for who asks it"),
        ("list", show_all, (), "list the keys of this user, and the clients that are let in"),
        ("show", show, ("NAME",), "show the public half of a key"),
        ("allow", allow, ("NAME", "PUBLIC"), "let the client with this public key in"),
        ("revoke", revoke, ("NAME",), "let a client in no more"),
    ):
        verb = verbs.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
        verb.set_defaults(run=run)
        for word in names:
            verb.add_argument(word.lower(), metavar=word, help=WORDS[word])
        verb.add_json()


def make(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Make a key and show its public half. Raises UsageError, StorageError."""
    from bridge.wire.curve import make_key

    key = make_key(typed.name)
    console.event("key", client=typed.name, public=key.public)
    console.say(key.public)
    told = SERVED if typed.name == SERVER else f"Where the daemon runs: videomatte keys allow NAME '{key.public}'"
    console.note(f"The secret half stays here. {told}")


def show(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Show the public half of a key. Raises UsageError, NotAllowedError."""
    from bridge.wire.curve import load_key

    public = load_key(typed.name).public
    console.event("key", client=typed.name, public=public)
    console.say(public)


def show_all(_typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """List one's own keys and the clients that are let in. Raises NotAllowedError."""
    from bridge.wire.curve import allowed_clients, key_names, load_key

    own = [(name, load_key(name).public, "own") for name in key_names()]
    allowed = sorted((name, public, "let in") for public, name in allowed_clients().items())
    for name, public, what in (*own, *allowed):
        console.event("key" if what == "own" else "allowed", client=name, public=public)
    if console.as_json:
        return
    from .tables import rendered

    console.say(rendered(("name", "public key", "whose"), [*own, *allowed], title="Keys", left=3) if own or allowed else "No keys")


def allow(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Let a client in, at once. Raises UsageError, StorageError."""
    from bridge.wire import curve

    path = curve.allow(typed.name, typed.public)
    console.event("allowed", client=typed.name, public=typed.public, file=str(path))
    console.say(f"{typed.name} is let in")


def revoke(typed: argparse.Namespace, console: Console, _stop: Stop) -> None:
    """Let a client in no more, from its next connection on. Raises UsageError, StorageError."""
    from bridge.wire import curve

    curve.revoke(typed.name)
    console.event("revoked", client=typed.name)
    console.say(f"{typed.name} is let in no more")
