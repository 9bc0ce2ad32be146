"""Sessions of the front by themselves: what clients are owed, who makes room, and the pixels that are held for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import zmq

from bridge.daemon import sessions
from bridge.daemon.doors import Door
from bridge.daemon.held import Held
from bridge.daemon.sessions import OUTBOX, Peer, Sessions
from bridge.wire.codec import decode
from bridge.wire.errors import LimitError, NotGreetedError
from bridge.wire.mapping import PathMap
from bridge.wire.messages import Error, Hello, JobAccepted, JobFollow, JobList, Jobs, Message, Ping, Pong, Progress
from bridge.wire.values import JobState


class Line:
    """A daemon's socket and a client's in one process, and the peer between them."""

    def __init__(self, *, waiting: int = 1000) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        router = self.context.socket(zmq.ROUTER)
        for option, value in {zmq.ROUTER_MANDATORY: 1, zmq.SNDHWM: waiting, zmq.LINGER: 0}.items():
            router.setsockopt(option, value)
        router.bind("inproc://door")
        self.door = Door("control", False, "inproc://door", router)
        self.dealer = self.context.socket(zmq.DEALER)
        self.dealer.setsockopt(zmq.RCVHWM, 1)
        self.dealer.setsockopt(zmq.LINGER, 0)
        self.dealer.setsockopt(zmq.IDENTITY, b"me")
        self.dealer.connect("inproc://door")
        self.dealer.send(b"")
        router.recv_multipart()
        self.peer = Peer(self.door, b"me")
        self.peer.conversation.receive(Hello("c"), request=1)

    def greet(self, sessions: Sessions) -> None:
        from bridge.wire.limits import Limits
        from bridge.wire.messages import Welcome

        session = sessions.begin(self.peer, client="c", path_map=PathMap(()), key=None)
        self.peer.say(Welcome((1, 0), "0", session.token, Limits()), request=1)
        self.heard()

    def ask(self, message: Message, request: int) -> None:
        self.peer.conversation.receive(message, request=request)

    def heard(self) -> Message:
        assert self.dealer.poll(1000)
        return decode(self.dealer.recv_multipart()).message

    def close(self) -> None:
        self.dealer.close()
        self.door.socket.close()
        self.context.term()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line(waiting=2)
    yield made
    made.close()


def test_an_answer_that_cannot_be_sent_ends_the_request_with_the_reason(line: Line) -> None:
    line.greet(Sessions(most=4))
    line.ask(Jobs(), 2)
    jobs = tuple(JobState(str(n), "s", "solve", "done", label="x" * 1000) for n in range(2000))
    line.peer.say(JobList(jobs), request=2)
    answer = line.heard()
    assert isinstance(answer, Error)
    assert answer.code == "protocol"
    assert line.peer.conversation.ended(2)


def test_progress_is_left_out_for_a_client_that_does_not_read_but_no_answer_is(line: Line) -> None:
    line.greet(Sessions(most=4))
    line.ask(JobFollow("j"), 2)
    line.peer.say(JobAccepted("j"), request=2)
    for n in range(50):
        line.peer.say(Progress("j", "matte", n, n, 50), request=2)
    for n in range(3, 60):
        line.ask(Ping(), n)
        line.peer.say(Pong(), request=n)
    assert not line.peer.gone
    heard: list[Message] = []
    while line.peer.outbox or line.dealer.poll(50):
        line.peer.flush()
        if line.dealer.poll(10):
            heard.append(line.heard())
    assert sum(isinstance(m, Pong) for m in heard) == 57
    assert sum(isinstance(m, Progress) for m in heard) < 10


def test_a_client_that_reads_nothing_at_all_is_given_up(line: Line) -> None:
    known = Sessions(most=4)
    line.greet(known)
    assert len(known) == 1
    for n in range(2, OUTBOX + 12):
        line.ask(Ping(), n)
        line.peer.say(Pong(), request=n)
    known.keep()
    assert line.peer.gone
    assert len(known) == 0


def test_large_answers_that_nobody_reads_do_not_pile_up(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "OUTBOX_BYTES", 20_000)
    line.greet(Sessions(most=4))
    for n in range(2, 40):
        line.ask(Jobs(), n)
        line.peer.say(JobList((JobState("j", "s", "solve", "done", label="x" * 4000),)), request=n)
    assert line.peer.gone
    assert len(line.peer.outbox) < 8


def test_a_peer_that_hung_up_is_forgotten_when_it_is_next_spoken_to(line: Line) -> None:
    known = Sessions(most=4)
    line.greet(known)
    line.ask(Ping(), 2)
    line.dealer.close()
    for n in range(3, 6):
        line.ask(Ping(), n)
        line.peer.say(Pong(), request=n)
        line.door.socket.poll(20)
    known.keep()
    assert len(known) == 0


def strangers(door: Door, count: int) -> list[Peer]:
    return [Peer(door, b"%d" % n) for n in range(count)]


def test_the_session_that_was_silent_longest_makes_room_unless_it_is_owed_an_answer(line: Line) -> None:
    known = Sessions(most=3)
    peers = strangers(line.door, 5)
    tokens = []
    for n, peer in enumerate(peers[:3]):
        tokens.append(known.begin(peer, client=str(n), path_map=PathMap(()), key=None).token)
        peer.seen = float(n)
    peers[0].conversation.receive(Hello("0"), request=1)
    known.begin(peers[3], client="3", path_map=PathMap(()), key=None)
    assert [peer.gone for peer in peers[:4]] == [False, True, False, False]
    for peer in (peers[2], peers[3]):
        peer.conversation.receive(Hello("x"), request=1)
    with pytest.raises(LimitError, match="3 clients"):
        known.begin(peers[4], client="4", path_map=PathMap(()), key=None)
    assert len(known) == 3


def test_the_pixel_endpoint_is_joined_with_the_same_token_and_the_same_key_alone(line: Line) -> None:
    known = Sessions(most=3)
    own, other = strangers(line.door, 2)
    session = known.begin(own, client="c", path_map=PathMap(()), key="one")
    for token, key in (("guessed", "one"), (None, "one"), (session.token, "two"), (session.token, None)):
        with pytest.raises(NotGreetedError):
            known.join(other, token, key=key)
    assert known.join(other, session.token, key="one") is session


def test_a_line_that_is_lost_does_not_take_the_one_that_came_in_its_place_along(line: Line) -> None:
    known = Sessions(most=3)
    own, first, second = strangers(line.door, 3)
    pixels = replace(line.door, kind="pixels", endpoint="inproc://pixels")
    first.door = second.door = pixels
    session = known.begin(own, client="c", path_map=PathMap(()), key=None)
    known.join(first, session.token, key=None)
    known.join(second, session.token, key=None)
    own.gone = first.gone = True
    known.keep()
    assert list(session.peers.values()) == [second]
    assert len(known) == 1


def test_no_more_pixels_come_in_while_too_many_are_not_written(line: Line) -> None:
    line.greet(Sessions(most=4))
    held = Held(most=100)
    line.ask(Ping(), 2)
    held.take(line.peer, 2, 60)
    assert held.room()
    line.ask(Ping(), 3)
    held.take(line.peer, 3, 60)
    assert not held.room()
    line.peer.say(Pong(), request=2)
    assert held.room()
    line.ask(Ping(), 4)
    held.take(line.peer, 4, 100)
    assert not held.room()
    line.peer.gone = True
    assert held.room()
