"""The conversation of a client and a daemon as a state table, without a socket.

First hello, then welcome. Then requests, many at a time, each with an id that the client chooses. A plain request ends with its reply or
an error; a job is accepted, tells its progress and ends with its result or an error. Every request has exactly one end. Both sides
keep the same table, so both notice who broke it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Dict, Mapping, Tuple, Type

from .errors import LimitError, LocalProtocolError, NotGreetedError, ProtocolError, RemoteProtocolError
from .limits import OPEN_REQUESTS
from .messages import Error, Hello, Job, JobAccepted, Message, Progress, Request, ShotPreview, Welcome, ends_of, type_name


class Role(Enum):
    """Which side of the conversation this is."""

    CLIENT = "asks"
    DAEMON = "answers"


class Footing(Enum):
    """How the two sides stand to each other."""

    STRANGERS = "nobody said anything"
    GREETING = "hello was said"
    GREETED = "welcome was said"


class Step(Enum):
    """Where a request is."""

    ASKED = "nothing was answered"
    ACCEPTED = "the job is accepted and may tell its progress"
    ENDED = "result or error was said"


class Word(Enum):
    """What a message is to the request it belongs to."""

    ACCEPTANCE = "the job is accepted"
    PROGRESS = "the job went on"
    END = "the reply that ends it"
    ERROR = "the error that ends it"


PLAIN: Mapping[Tuple[Step, Word], Step] = MappingProxyType(
    {
        (Step.ASKED, Word.END): Step.ENDED,
        (Step.ASKED, Word.ERROR): Step.ENDED,
    }
)
JOB: Mapping[Tuple[Step, Word], Step] = MappingProxyType(
    {
        (Step.ASKED, Word.ACCEPTANCE): Step.ACCEPTED,
        (Step.ASKED, Word.ERROR): Step.ENDED,
        (Step.ACCEPTED, Word.PROGRESS): Step.ACCEPTED,
        (Step.ACCEPTED, Word.END): Step.ENDED,
        (Step.ACCEPTED, Word.ERROR): Step.ENDED,
    }
)
GREETINGS: Mapping[Tuple[Footing, Type[Message]], Footing] = MappingProxyType(
    {
        (Footing.STRANGERS, Hello): Footing.GREETING,
        (Footing.GREETING, Welcome): Footing.GREETED,
        (Footing.GREETING, Error): Footing.STRANGERS,
    }
)


@dataclass(frozen=True)
class Asked:
    """A request that has not ended: what was asked and where it is."""

    message: Message
    step: Step = Step.ASKED


class Conversation:
    """One side's account of what was said. Tell it every message that is sent and received; it raises when one is out of place."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.footing = Footing.STRANGERS
        self._open: Dict[int, Asked] = {}

    @property
    def open_requests(self) -> Mapping[int, Message]:
        """The requests that have not ended, oldest first."""
        return MappingProxyType({request: asked.message for request, asked in self._open.items()})

    def send(self, message: Message, *, request: int) -> None:
        """Note a message that this side is about to send. Raises LocalProtocolError when it is out of place."""
        self._note(message, request, asks=self.role is Role.CLIENT, blame=LocalProtocolError)

    def receive(self, message: Message, *, request: int) -> None:
        """Note a message that arrived. Raises RemoteProtocolError when it is out of place, LimitError when too much is open."""
        self._note(message, request, asks=self.role is Role.DAEMON, blame=RemoteProtocolError)

    def ended(self, request: int) -> bool:
        """Return whether a request has ended, or was never asked."""
        return request not in self._open

    def older_previews(self, request: int) -> Tuple[int, ...]:
        """Return the open previews of the same shot that a preview takes the place of, as long as they wait."""
        newer = self._open[request].message if request in self._open else None
        if not isinstance(newer, ShotPreview):
            return ()
        earlier = list(self._open)[: list(self._open).index(request)]
        previews = ((older, self._open[older].message) for older in earlier)
        return tuple(older for older, asked in previews if isinstance(asked, ShotPreview) and asked.shot == newer.shot)

    def _note(self, message: Message, request: int, *, asks: bool, blame: Type[ProtocolError]) -> None:
        if asks:
            self._ask(message, request, blame)
        elif request == 0 and isinstance(message, Error):
            return
        else:
            self._answer(message, request, blame)
        self.footing = GREETINGS.get((self.footing, type(message)), self.footing)

    def _ask(self, message: Message, request: int, blame: Type[ProtocolError]) -> None:
        name = type_name(type(message))
        if not isinstance(message, Request):
            raise blame(f"{name} answers a request and cannot be one.", request=request)
        if request == 0 or request in self._open:
            raise blame(f"{name} needs a request id of its own, not {request}.", request=request)
        if self.footing is not (Footing.STRANGERS if isinstance(message, Hello) else Footing.GREETED):
            greeting = NotGreetedError if blame is RemoteProtocolError else blame
            said = "hello was said before" if isinstance(message, Hello) else "hello comes first, then welcome"
            raise greeting(f"{name} is out of place: {said}.", request=request)
        if len(self._open) >= OPEN_REQUESTS:
            raise LimitError(f"{OPEN_REQUESTS} requests are open.", remedy="Wait for some to end.")
        self._open[request] = Asked(message)

    def _answer(self, message: Message, request: int, blame: Type[ProtocolError]) -> None:
        name = type_name(type(message))
        if request not in self._open:
            raise blame(f"{name} answers request {request}, which is not open.", request=request)
        asked = self._open[request]
        table = JOB if isinstance(asked.message, Job) else PLAIN
        step = next((table[asked.step, word] for word in _words(message, asked.message) if (asked.step, word) in table), None)
        if step is None:
            raise blame(f"{name} does not answer {type_name(type(asked.message))} at this point.", request=request)
        if step is Step.ENDED:
            del self._open[request]
        else:
            self._open[request] = Asked(asked.message, step)


def _words(message: Message, asked: Message) -> Tuple[Word, ...]:
    """Return what a message may be to a request."""
    meanings = ((JobAccepted, Word.ACCEPTANCE), (Progress, Word.PROGRESS), (ends_of(type(asked)), Word.END), (Error, Word.ERROR))
    return tuple(word for kinds, word in meanings if isinstance(message, kinds))
