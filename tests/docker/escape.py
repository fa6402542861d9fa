"""A hostile submission in the formgrader's real container: what its code reaches."""

import json
from typing import Any

from tests.docker.engine import CommandError, Engine, until

PAGE = "/services/formgrader/{course}/formgrader/"

#: Executed by the submission. Prints the outcome of each attempt as JSON.
ATTACK = """
import json, os, socket
found = {}

def attempt(name, action):
    try:
        found[name] = "done: " + repr(action())[:80]
    except BaseException as error:
        found[name] = type(error).__name__

def lines(path):
    with open(path, "rb") as file:
        return file.read(16)

def connect(host, port):
    socket.create_connection((host, port), 2).close()

def signalled():
    own = os.getpid()
    for pid in range(1, 300):
        try:
            if pid != own and b"upstream.server" in open(f"/proc/{pid}/cmdline", "rb").read():
                os.kill(pid, 0)
                return pid
        except OSError:
            pass
    os.kill(1, 0)

attempt("write here", lambda: open("own.txt", "w").close())
attempt("read the gradebook", lambda: lines("/srv/course/gradebook.db"))
attempt("read the gradebook through /proc", lambda: lines("/proc/1/root/srv/course/gradebook.db"))
attempt("change the gradebook", lambda: open("/srv/course/gradebook.db", "r+b").close())
attempt("read another submission", lambda: os.listdir("/srv/course/submitted"))
attempt("write to the course", lambda: open("/srv/course/left.txt", "w").close())
attempt("read the exchange", lambda: os.listdir("/srv/nbgrader/exchange"))
attempt("read the token", lambda: lines(TOKEN))
attempt("read the start's environment", lambda: lines("/proc/1/environ"))
attempt("connect to the formgrader", lambda: connect("127.0.0.1", 8000))
attempt("connect elsewhere", lambda: connect(*PLACE))
attempt("signal the formgrader", signalled)
print("FOUND " + json.dumps(found))
"""
#: What every mechanism must refuse.
REFUSED = (
    "read the gradebook",
    "read the gradebook through /proc",
    "change the gradebook",
    "read another submission",
    "write to the course",
    "read the exchange",
    "read the token",
    "read the start's environment",
    "connect to the formgrader",
    "connect elsewhere",
    "signal the formgrader",
)
#: Creates the assignment ps1 and eve's submission with the attack; runs in the container.
PREPARE = """
import shutil, sys
from pathlib import Path
import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

grading = {{"schema_version": 3, "grade": True, "points": 1, "grade_id": "works",
           "locked": True, "solution": False, "task": False, "cell_type": "code"}}
tests = new_code_cell("assert 1 + 1 == 2")
tests.metadata["nbgrader"] = grading
source = Path("/srv/course/source/ps1")
source.mkdir(parents=True, exist_ok=True)
spec = {{"name": "python3", "display_name": "Python 3", "language": "python"}}
notebook = new_notebook(cells=[tests], metadata={{"kernelspec": spec}})
nbformat.write(notebook, source / "problem.ipynb")
config = Config()
config.CourseDirectory.root = "/srv/course"
config.CourseDirectory.course_id = {course!r}
made = NbGraderAPI(config=config).generate_assignment("ps1", force=True)
assert made["success"], made
submitted = Path("/srv/course/submitted/eve/ps1")
shutil.rmtree(submitted, ignore_errors=True)
shutil.copytree("/srv/course/release/ps1", submitted)
notebook = nbformat.read(submitted / "problem.ipynb", 4)
notebook.cells.insert(0, new_code_cell({attack!r}))
nbformat.write(notebook, submitted / "problem.ipynb")
"""
#: Sends a request to the formgrader; prints the response.
REQUEST = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=300)
headers = {"Authorization": "token " + sys.argv[3]}
connection.request(sys.argv[1], sys.argv[2], headers=headers)
response = connection.getresponse()
sys.stdout.write(str(response.status) + " " + response.read().decode())
"""
OUTPUTS = """
import nbformat
notebook = nbformat.read("/srv/course/autograded/eve/ps1/problem.ipynb", 4)
print("".join(each.get("text", "") for each in notebook.cells[0].outputs))
"""
MECHANISM = """
from services.formgrader_proxy.sandbox.mechanisms import available
print(available().best)
"""


class Course:
    """A course's container; ``secret`` is the path of its token in the container.

    The account of the container's first process also executes submissions.
    """

    def __init__(self, engine: Engine, container: str, course_id: str, secret: str) -> None:
        words = ("exec", container, "sh", "-c", "grep ^Uid: /proc/1/status")
        self._account = engine.docker(*words).split()[1]
        self._engine = engine
        self._container = container
        self._course_id = course_id
        self._secret = secret

    def python(self, program: str, *words: str) -> str:
        """Run a program as the course's account and return its output."""
        account = ("exec", "-u", f"{self._account}:{self._account}", "-e", "HOME=/tmp/course")
        words = (*account, self._container, "python", "-c", program, *words)
        return self._engine.docker(*words, timeout=400).strip()

    def mechanism(self) -> str:
        """The best mechanism in this container; "None" if there is none."""
        return self.python(MECHANISM)

    def request(self, method: str, path: str, token: str) -> tuple[int, Any]:
        """Send a request to the formgrader's API; return the status and the JSON response."""
        path = PAGE.format(course=self._course_id) + path
        status, _, text = self.python(REQUEST, method, path, token).partition(" ")
        return int(status), json.loads(text)

    def until_served(self, token: str) -> None:
        """Wait until the formgrader responds."""

        def served() -> bool:
            try:
                return self.request("GET", "api/assignments", token)[0] == 200
            except CommandError:
                return False

        until(self._container, served, seconds=120)

    def attack(self, token: str, place: tuple[str, int]) -> tuple[Any, dict[str, str]]:
        """Autograde the submission: the response, and the outcome of each attempt."""
        attack = f"TOKEN, PLACE = {self._secret!r}, {place!r}\n{ATTACK}"
        self.python(PREPARE.format(course=self._course_id, attack=attack))
        status, result = self.request("POST", "api/submission/ps1/eve/autograde", token)
        assert status == 200, result
        if not result["success"]:
            return result, {}
        (line,) = (x for x in self.python(OUTPUTS).splitlines() if x.startswith("FOUND "))
        found: dict[str, str] = json.loads(line.removeprefix("FOUND "))
        return result, found

    def score(self, token: str) -> float:
        """The score of eve's submission, of at most 1."""
        _, found = self.request("GET", "api/submission/ps1/eve", token)
        return float(found["score"])
