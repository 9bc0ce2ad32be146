"""The conversation as a table: a client and a daemon in memory, every message through the codec."""

from __future__ import annotations

import pytest

from bridge.wire.codec import decode, encode
from bridge.wire.conversation import JOB, PLAIN, Conversation, Footing, Role, Step, Word
from bridge.wire.errors import LimitError, LocalProtocolError, NotGreetedError, RemoteProtocolError
from bridge.wire.limits import OPEN_REQUESTS, Limits
from bridge.wire.messages import (
    PROTOCOL,
    Done,
    Error,
    FrameResult,
    Hello,
    Job,
    JobAccepted,
    JobFollow,
    JobResult,
    Message,
    Ping,
    Pong,
    Progress,
    Request,
    ShotPreview,
    ShotSolve,
    Welcome,
    ends_of,
    message_types,
)
from bridge.wire.values import JobFiles

WELCOME = Welcome(PROTOCOL, "0", "s", Limits())
RESULT = JobResult("j", "1", "", "", 0.5, JobFiles())
PROGRESS = Progress("j", "matte", 1, 1, 2)
REPLACED = Error("job.replaced", "A newer preview came.")


class Pair:
    """A client and a daemon that hear each other at once."""

    def __init__(self, *, greeted: bool = True) -> None:
        self.client, self.daemon = Conversation(Role.CLIENT), Conversation(Role.DAEMON)
        if greeted:
            self.ask(Hello("test"), 1)
            self.answer(WELCOME, 1)

    def ask(self, message: Message, request: int) -> None:
        self._carry(self.client, self.daemon, message, request)

    def answer(self, message: Message, request: int) -> None:
        self._carry(self.daemon, self.client, message, request)

    @staticmethod
    def _carry(speaker: Conversation, listener: Conversation, message: Message, request: int) -> None:
        speaker.send(message, request=request)
        heard = decode(encode(message, request=request))
        listener.receive(heard.message, request=heard.request)

    @property
    def open(self) -> list[int]:
        assert list(self.client.open_requests) == list(self.daemon.open_requests)
        return list(self.client.open_requests)


def test_hello_and_welcome_come_first() -> None:
    pair = Pair(greeted=False)
    assert pair.client.footing is pair.daemon.footing is Footing.STRANGERS
    pair.ask(Hello("test"), 1)
    assert pair.client.footing is pair.daemon.footing is Footing.GREETING
    pair.answer(WELCOME, 1)
    assert pair.client.footing is pair.daemon.footing is Footing.GREETED
    assert pair.open == []


@pytest.mark.parametrize("greeting", [False, True])
def test_a_request_before_the_welcome_is_out_of_place_on_both_sides(greeting: bool) -> None:
    pair = Pair(greeted=False)
    if greeting:
        pair.ask(Hello("test"), 1)
    with pytest.raises(LocalProtocolError, match="hello comes first"):
        pair.client.send(Ping(), request=2)
    with pytest.raises(NotGreetedError, match="hello comes first"):
        pair.daemon.receive(Ping(), request=2)


def test_hello_is_said_once() -> None:
    pair = Pair()
    with pytest.raises(LocalProtocolError, match="hello was said before"):
        pair.client.send(Hello("again"), request=2)


def test_a_refused_hello_may_be_said_again() -> None:
    pair = Pair(greeted=False)
    pair.ask(Hello("test"), 1)
    pair.answer(Error("limit", "64 sessions are open."), 1)
    pair.ask(Hello("test"), 2)
    pair.answer(WELCOME, 2)
    assert pair.client.footing is Footing.GREETED


def test_a_job_is_accepted_then_goes_on_then_ends_once() -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    pair.answer(JobAccepted("j"), 2)
    pair.answer(PROGRESS, 2)
    pair.answer(PROGRESS, 2)
    assert pair.open == [2]
    pair.answer(RESULT, 2)
    assert pair.open == []
    with pytest.raises(LocalProtocolError, match="request 2, which is not open"):
        pair.daemon.send(RESULT, request=2)
    with pytest.raises(RemoteProtocolError, match="request 2, which is not open"):
        pair.client.receive(RESULT, request=2)


@pytest.mark.parametrize("early", [PROGRESS, RESULT])
def test_a_job_tells_nothing_before_it_is_accepted(early: Message) -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    with pytest.raises(LocalProtocolError):
        pair.daemon.send(early, request=2)
    with pytest.raises(RemoteProtocolError):
        pair.client.receive(early, request=2)


def test_a_job_is_accepted_once() -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    pair.answer(JobAccepted("j"), 2)
    with pytest.raises(RemoteProtocolError):
        pair.client.receive(JobAccepted("j"), request=2)


@pytest.mark.parametrize("accepted", [False, True])
def test_an_error_ends_a_job_at_any_point(accepted: bool) -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    if accepted:
        pair.answer(JobAccepted("j"), 2)
    pair.answer(Error("job.cancelled", "Cancelled."), 2)
    assert pair.open == []


@pytest.mark.parametrize("name", sorted(name for name, cls in message_types().items() if issubclass(cls, Request)))
def test_a_request_ends_with_its_own_reply_and_no_other(name: str) -> None:
    request = message_types()[name]
    replies = [cls for cls in message_types().values() if not issubclass(cls, Request) and cls not in (Error, JobAccepted, Progress)]
    conversation = Conversation(Role.CLIENT)
    step = Step.ACCEPTED if issubclass(request, Job) else Step.ASKED
    for cls in replies:
        reply = object.__new__(cls)
        conversation._open[9] = _asked(request, step)
        if cls in ends_of(request):
            conversation.receive(reply, request=9)
            assert conversation.ended(9)
        else:
            with pytest.raises(RemoteProtocolError):
                conversation.receive(reply, request=9)


def _asked(request: type[Message], step: Step) -> object:
    from bridge.wire.conversation import Asked

    return Asked(object.__new__(request), step)


def test_jobs_may_be_followed_to_either_result() -> None:
    assert ends_of(JobFollow) == (JobResult, FrameResult)
    assert ends_of(Ping) == (Pong,)


def test_requests_run_side_by_side() -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    pair.ask(Ping(), 3)
    pair.answer(JobAccepted("j"), 2)
    pair.answer(Pong(), 3)
    pair.answer(RESULT, 2)
    assert pair.open == []


def test_a_newer_preview_of_the_same_shot_takes_the_place_of_the_older_ones() -> None:
    pair = Pair()
    for request, (shot, frame) in enumerate([("a", 1), ("b", 1), ("a", 2), ("a", 3)], start=2):
        pair.ask(ShotPreview(shot, frame), request)
    assert pair.daemon.older_previews(5) == (2, 4)
    assert pair.daemon.older_previews(3) == ()
    pair.answer(REPLACED, 2)
    pair.answer(REPLACED, 4)
    assert pair.daemon.older_previews(5) == ()
    assert pair.open == [3, 5]


@pytest.mark.parametrize("request_id", [0, 2])
def test_a_request_has_an_id_of_its_own(request_id: int) -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    with pytest.raises(RemoteProtocolError, match="id of its own"):
        pair.daemon.receive(Ping(), request=request_id)
    with pytest.raises(LocalProtocolError, match="id of its own"):
        pair.client.send(Ping(), request=request_id)


def test_a_daemon_does_not_ask_and_a_client_does_not_answer() -> None:
    pair = Pair()
    pair.ask(ShotSolve("s"), 2)
    with pytest.raises(LocalProtocolError):
        pair.client.send(Done(), request=2)
    with pytest.raises(LocalProtocolError):
        pair.daemon.send(Ping(), request=2)
    with pytest.raises(RemoteProtocolError):
        pair.client.receive(Ping(), request=3)


def test_an_error_about_no_request_is_no_end_of_one() -> None:
    pair = Pair()
    pair.ask(Ping(), 2)
    pair.answer(Error("protocol", "What?"), 0)
    assert pair.open == [2]


def test_too_many_open_requests_are_refused_one_by_one() -> None:
    pair = Pair()
    for request in range(2, 2 + OPEN_REQUESTS):
        pair.ask(ShotSolve("s"), request)
    with pytest.raises(LimitError, match="256 requests are open"):
        pair.daemon.receive(Ping(), request=999)
    pair.answer(Error("job.cancelled", "Cancelled."), 2)
    pair.ask(Ping(), 999)
    assert len(pair.open) == OPEN_REQUESTS


def test_nothing_follows_an_end_in_the_tables() -> None:
    for table in (PLAIN, JOB):
        assert all(step is not Step.ENDED for step, _ in table)
        assert {word for (_, word), after in table.items() if after is Step.ENDED} == {Word.END, Word.ERROR}
