"""Installs and checks the backend step by step in a thread. It knows nothing of Blender."""

from __future__ import annotations

import contextlib
import threading

from ...backend.job import Action, UserError, cannot_write
from . import steps
from .calls import Calls, Cancelled, State
from .packages import Plan
from .pip import Pip
from .verdict import Verdict

STOP_SECONDS = 1.0


class Installation:
    """A running installation: a session.Task. If it is stopped, the next one resumes it."""

    def __init__(self, plan: Plan) -> None:
        self.state = State()
        self.works = False
        self.message = "The installation ended unexpectedly: see the log, then press Install again"
        self.action: str = Action.SHOW_LOG
        self._plan = plan
        self._calls = Calls(plan.log, self.state)
        self._pip = Pip(plan, self._calls)
        self._seen: tuple[str, float, list[str]] = ("", 0.0, [])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def active(self) -> bool:
        return self._thread.is_alive()

    def update(self) -> bool:
        """Returns whether there is something new to show."""
        self._pip.update()
        seen = (self.state.text, self.state.fraction, self.state.tail)
        changed, self._seen = seen != self._seen, seen
        return changed or not self.active

    def cancel(self) -> None:
        """Ends the running command at once; the thread follows soon."""
        self._calls.cancel()

    def stop(self) -> None:
        self.cancel()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        try:
            self._calls.clear_log()
            verdict = self._install()
            self.works, self.message = verdict.works, verdict.sentence
            self.action = "" if self.works else Action.SHOW_LOG
        except Cancelled:
            self.message, self.action = "Cancelled: press Install to resume", Action.INSTALL
        except UserError as error:
            self.message, self.action = error.message, error.action or Action.SHOW_LOG
        except OSError as error:
            self.message = cannot_write(error.filename or self._plan.folder.path, error).message
            self.action = Action.SHOW_LOG
        if not self.works:
            with contextlib.suppress(OSError):  # the message already says that the disk is full
                self._calls.note(self.message)

    def _install(self) -> Verdict:
        plan, calls, pip = self._plan, self._calls, self._pip
        plan.folder.check_usable()
        build = steps.find_build(plan, calls)
        python = steps.choose_python(plan, calls)
        steps.check_space(plan, build, self.state)
        with steps.whole_stays_whole(plan.folder, self.state):
            steps.make_environment(plan.folder, calls, pip, python)
            requirements = steps.install_packages(plan, calls, pip, build, python.version)
        verdict = steps.check_backend(plan, calls)
        if verdict.complete:
            steps.tidy_up(plan, calls, python, requirements)
        return verdict
