"""What the scripts here share: programs, packages, a LocalStack of their own, figures, pictures.

Nothing outside the standard library is needed to import this. Everything it makes lies in
`target/benches`.
"""

import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
MADE = TARGET / "benches"
# Where LocalStack's packages lie and which image it is may stay as the shell has them.
KEPT = ("RYDES_CACHE_DIR", "RYDES_LOCALSTACK_IMAGE")

# The colours of `rydes trace --svg`.
INK, FAINT, BLUE, RED, GREEN = "#1F2328", "#D8DEE4", "#0969DA", "#CF222E", "#1A7F37"


def say(text):
    print(text, file=sys.stderr, flush=True)


def python():
    """The Python that has the pinned packages; made where it is missing or of other pins."""
    wanted = HERE / "requirements.txt"
    made = MADE / "venv"
    note = made / "requirements.txt"
    interpreter = made / "bin" / "python"
    if not note.exists() or note.read_text() != wanted.read_text():
        say(f"installing the packages of {wanted.relative_to(ROOT)}")
        venv.create(made, clear=True, with_pip=True)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--requirement", wanted]
        subprocess.run(install, check=True, stdout=sys.stderr)
        # Written last, so that an installation that was broken off is done again.
        note.write_text(wanted.read_text())
    return interpreter


def in_venv():
    """Starts the running script again in the Python that has the packages, unless it is that."""
    interpreter = str(python())
    if Path(sys.prefix).resolve() != (MADE / "venv").resolve():
        os.execv(interpreter, [interpreter, *sys.argv])


def build():
    """The program as it is shipped."""
    line = ["cargo", "build", "--locked", "--profile", "dist", "--features", "jemalloc"]
    say(" ".join(line))
    subprocess.run(line, cwd=ROOT, check=True)
    return TARGET / "dist" / "rydes"


def build_bench(name):
    """A program of this directory, built as `rydes` is shipped."""
    line = ["cargo", "bench", "--locked", "--profile", "dist", "--features", "jemalloc"]
    line += ["--bench", name, "--no-run", "--message-format", "json"]
    say(" ".join(line))
    built = subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    # Cargo builds `rydes` as well.
    lines = [json.loads(one) for one in built.splitlines()]
    made = (one for one in lines if one.get("executable") and one["target"]["name"] == name)
    return Path(next(made)["executable"])


def environment():
    """The shell's own, less what would lead `rydes` to another stack, endpoint or account."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(("AWS_", "RYDES_"))
    }
    # The RFQs of a benchmark need not be remembered beside those of its user.
    return kept | {"XDG_STATE_HOME": str(MADE / "state")}


@dataclass
class Place:
    """A LocalStack that is up, and the binary that is measured there."""

    rydes: Path
    port: int

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments):
        return [str(self.rydes), "--endpoint-url", self.endpoint, *map(str, arguments)]

    def run(self, *arguments):
        """Runs a command of `rydes` at this LocalStack; what it prints on stderr is shown."""
        subprocess.run(
            self.command(*arguments), env=environment(), check=True, stdout=subprocess.DEVNULL
        )

    def bench(self, *arguments):
        """The document that `rydes bench` prints."""
        return document(self.command("bench", *arguments, "--output", "json"))

    def yardstick(self, script, *arguments):
        """The document that a yardstick prints."""
        options = ["--endpoint", self.endpoint, *map(str, arguments)]
        return document([str(python()), str(HERE / script), *options])


def document(command):
    done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE)
    # `rydes bench` prints its document and fails if an answer never came; that is a figure as well.
    if not done.stdout:
        done.check_returncode()
    return json.loads(done.stdout)


@contextlib.contextmanager
def localstack(rydes):
    """A LocalStack on a free port, down again at the end, however that comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    place = Place(rydes, free_port())

    def command(action):
        line = [str(rydes), "localstack", action, "--port", str(place.port)]
        return subprocess.run(line, env=environment(), check=True, stdout=sys.stderr)

    try:
        command("up")
        yield place
    finally:
        command("down")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def await_port(process, port):
    """Returns once the process accepts connections there."""
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise subprocess.CalledProcessError(process.returncode, process.args)


def cpu_seconds(pid):
    """User and system time so far (proc(5), fields 14 and 15); `None` where there is no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    # The second field, the name in brackets, may hold spaces.
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mib(pid):
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def machine(rydes):
    printed = subprocess.run([rydes, "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "rydes": printed.stdout.strip(),
    }


def median(documents, path):
    """The median over the rounds of what lies at the path."""
    if not documents:
        return None
    found = []
    for value in documents:
        for key in path:
            value = value[key]
        found.append(value)
    return statistics.median(found) if None not in found else None


def pyplot_for(name):
    """Matplotlib in the style of all pictures. It is there only in the Python of `in_venv`."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Text stays text, in the font of whoever reads; the ids do not change from run to run.
    style = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}
    colours = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    pyplot.rcParams.update(style | dict.fromkeys(colours, INK) | {"font.size": 11})
    return pyplot


def finish(axes):
    """The grid, the frame and the legend of all pictures."""
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def save(figure, svg, title):
    svg.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(svg, metadata={"Date": None, "Creator": None, "Title": title})
    say(f"drawn: {svg}")


@contextlib.contextmanager
def ending_plainly():
    """Says which command failed and ends, without the trace of this script."""
    try:
        yield
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(map(str, error.cmd))}: exit {error.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
