"""The command `videomatte`: what was typed, run to an exit status that farms and scripts can rely on.

0 done · 1 internal · 2 usage · 3 input · 4 resources · 5 daemon unreachable · 130 interrupted · 143 terminated
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .interruption import Stop


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status; never raises, never shows a traceback.

    Without `argv` it is the process's own: then warnings of libraries are not shown, and signals are kept away to its very end.
    """
    try:
        from .interruption import heard

        with heard(for_good=argv is None) as stop:
            if argv is None and not sys.warnoptions:
                _ignore_warnings()
            return _run(sys.argv[1:] if argv is None else list(argv), stop)
    except KeyboardInterrupt:
        return 130


def _ignore_warnings() -> None:
    import warnings

    warnings.simplefilter("ignore")


def _run(typed: list[str], stop: Stop) -> int:
    from bridge.failures import explained

    from .arguments import parse
    from .console import Console
    from .interruption import obeyed

    console = Console(as_json="--json" in typed)

    def work() -> int:
        try:
            arguments = parse(typed)
            arguments.run(arguments, console, stop)
        except SystemExit as end:
            return int(end.code or 0)
        except BaseException as error:
            known = explained(error)
            console.fail(known)
            return known.exit_status
        finally:
            console.close()
        return 0

    return obeyed(work, stop=stop, said=console.fail, notice=lambda: console.note("Stopping: what is in work is finished first."))
