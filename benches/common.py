"""Shared by the benches: a daemon, clips that are encoded once, and readings of /proc."""

import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
MEDIA = ROOT / "target" / "bench-media"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
READY_S_MAX = 30
FPS = 30
# The default ladder at 16:9.
RUNGS = [(1920, 1080, "5M"), (1280, 720, "2800k"), (854, 480, "1400k"), (640, 360, "800k")]


def release_binary():
    """Builds this tree in release mode and returns the binary."""
    build = ["cargo", "build", "--release", "--locked", "--bin", "weir", "--target-dir", ROOT / "target"]
    subprocess.run(build, cwd=ROOT, check=True)
    return ROOT / "target" / "release" / "weir"


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, limit_s, condition):
    """Waits until `condition` is true and returns its value; raises TimeoutError after `limit_s`."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit_s} s for {what}")
        time.sleep(0.05)
    return value


def get(url, timeout_s=20):
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


class Daemon:
    """weir with ports and a folder of its own; stops at the end of the `with` block."""

    def __init__(self, config, binary=None, tls=False):
        self._dir = tempfile.TemporaryDirectory(prefix="weir-bench-")
        self.dir = pathlib.Path(self._dir.name)
        self.http, self.rtmp, self.admin = free_port(), free_port(), free_port()
        self.https = free_port() if tls else None
        listeners = {"http": self.http, "rtmp": self.rtmp, "admin": self.admin}
        if tls:
            listeners["https"] = self.https
        keys = [f'{key} = "127.0.0.1:{port}"\n' for key, port in listeners.items()]
        server = "[server]\n" + "".join(keys) + "\n"
        (self.dir / "config.toml").write_text(server + config)
        self._log = open(self.dir / "weir.log", "wb")
        self.process = subprocess.Popen(
            [binary or release_binary(), "run", "--config", self.dir / "config.toml"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )
        wait_for("weir to be ready", READY_S_MAX, self._is_ready)

    def _is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError("weir ended:\n" + self.log())
        try:
            return get(self.admin_url("/readyz"))[0] == 200
        except OSError:
            return False

    def log(self):
        """The whole log so far."""
        return (self.dir / "weir.log").read_text(errors="replace")

    def url(self, path):
        """Address of `path` on this daemon, over TLS if it has that."""
        if self.https:
            return f"https://127.0.0.1:{self.https}{path}"
        return f"http://127.0.0.1:{self.http}{path}"

    def admin_url(self, path):
        """Address of `path` on this daemon's admin port: metrics, readiness, the full API."""
        return f"http://127.0.0.1:{self.admin}{path}"

    def publish_url(self, stream, key):
        """Address to publish `stream` to."""
        return f"rtmp://127.0.0.1:{self.rtmp}/live/{stream}?key={key}"

    def is_running(self):
        """Whether the daemon still runs."""
        return self.process.poll() is None

    def processes(self):
        """Process ids of the daemon and of all its descendants."""
        return tree(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_running():
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        self._dir.cleanup()


class Publisher:
    """ffmpeg, which publishes a file in real time."""

    def __init__(self, clip, url, loop=True):
        repeat = ["-stream_loop", "-1"] if loop else []
        self.process = subprocess.Popen(
            ["ffmpeg", "-nostdin", "-loglevel", "error", "-re", *repeat, "-i", clip,
             "-c", "copy", "-f", "flv", url],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def kill(self):
        """Kills ffmpeg without a farewell to the server, as a lost network does."""
        self.process.kill()
        self.process.wait()


def stat(pid):
    """Fields of /proc/PID/stat from the third on (proc(5)); None when the process has gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rsplit(")", 1)[1].split()


def tree(root):
    """Process `root` and all its descendants."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := stat(entry.name)):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found


def cpu_s(pid):
    """User and system time of a process and of its reaped children, in seconds."""
    fields = stat(pid)
    return sum(int(ticks) for ticks in fields[11:15]) / TICKS_PER_S if fields else 0.0


def clip(name, *arguments):
    """A file in target/bench-media; ffmpeg makes it with `arguments` if it does not exist."""
    MEDIA.mkdir(parents=True, exist_ok=True)
    path = MEDIA / name
    if not path.exists():
        partial = MEDIA / f"partial-{os.getpid()}-{name}"
        command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *arguments, partial]
        subprocess.run([str(part) for part in command], check=True)
        partial.rename(path)
    return path


def run(*command):
    """Runs a command and returns its standard output."""
    return subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout


def film(seconds, bitrate="6M"):
    """The cut of Big Buck Bunny, repeated and enlarged. With 6M it has more than the top rung takes."""
    return clip(
        f"film-1080p30-{bitrate}-{seconds}s.mp4", "-stream_loop", "-1", "-i", ROOT / "tests/data/bbb-720p.mp4",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
        "-map", "0:v", "-map", "1:a", "-t", seconds,
        "-vf", f"setpts=N/{FPS}/TB,fps={FPS},scale=1920:1080:flags=lanczos",
        "-c:v", "libx264", "-preset", "fast", "-b:v", bitrate, "-maxrate", bitrate, "-bufsize", bitrate,
        "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "2", "-flags", "+cgop",
        "-c:a", "aac", "-b:a", "128k", "-ac", "2",
    )


def ffmpeg_job(source, to, *only):
    """Makes ffmpeg's ladder of `source` in folder `to`, of a part if `only` has arguments for that;
    returns the CPU seconds it took."""
    split = "[0:v]split=4[v0][i1][i2][i3]"
    scales = [f"[i{n}]scale={w}:{h}:flags=bicubic[v{n}]" for n, (w, h, _) in enumerate(RUNGS) if n]
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *only, "-i", source,
               "-filter_complex", ";".join([split, *scales])]
    for n, (_, _, rate) in enumerate(RUNGS):
        command += ["-map", f"[v{n}]", "-map", "0:a", "-c:v", "libx264", "-preset", "veryfast",
                    "-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-g", "60",
                    "-sc_threshold", "0", "-c:a", "aac", "-b:a", "128k", to / f"ffmpeg{n}.mp4"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def vmaf_binary():
    """An ffmpeg with libvmaf: the one in WEIR_BENCH_FFMPEG, or that of the PyPI package
    imageio-ffmpeg, which is installed into target/bench-venv."""
    if named := os.environ.get("WEIR_BENCH_FFMPEG"):
        return named
    folder = ROOT / "target" / "bench-venv"
    if not folder.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "imageio-ffmpeg"], check=True)
    ask = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
    found = subprocess.run([folder / "bin" / "python", "-c", ask], check=True, capture_output=True)
    return found.stdout.decode().strip()
