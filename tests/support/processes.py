"""Commands in processes of their own, which can be killed or train together."""

import json
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class DisturbedRun:
    """A command of bert-keras that trains, started again and again in its own process.

    Args:
        command: What follows ``bert-keras``.
        workdir: Its ``--workdir``.
    """

    def __init__(self, command: list[str], workdir: Path) -> None:
        self.command = [sys.executable, "-m", "bert_keras", *command, "--workdir", str(workdir)]
        self.workdir = workdir

    def steps(self) -> int:
        """The step of the newest checkpoint."""
        names = (path.stem for path in self.workdir.glob("checkpoints/step-*.safetensors"))
        return max((int(name.removeprefix("step-")) for name in names), default=0)

    def stop(self, signal_number: int, at_step: int, delay: float = 0.0) -> tuple[int, str]:
        """Starts it, and sends a signal some seconds after a step was saved.

        Returns:
            The exit code and what was written to standard error.
        """
        with subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            while process.poll() is None and self.steps() < at_step:
                time.sleep(0.001)
            time.sleep(delay)
            process.send_signal(signal_number)
            _, errors = process.communicate()
        return process.returncode, errors

    def kill_at_random(self, kills: int, steps: int, seed: int) -> None:
        """Kills it at random moments, ever later ones; one in four before it has saved a step."""
        draw = random.Random(seed)
        for step in sorted(draw.sample(range(1, steps), kills)):
            at_step, delay = step, draw.uniform(0, 0.1)
            if draw.random() < 0.25:
                at_step, delay = 0, draw.uniform(0.5, 3.5)
            code, errors = self.stop(signal.SIGKILL, at_step, delay)
            assert code == -signal.SIGKILL, errors

    def finish(self) -> str:
        """Runs it to its end; returns what was written to standard error."""
        done = subprocess.run(self.command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr


def cluster(workers: int) -> list[dict[str, str]]:
    """The environment of each of several processes that train together on the loopback."""
    sockets = [socket.socket() for _ in range(workers)]
    for each in sockets:
        each.bind(("localhost", 0))
    addresses = [f"localhost:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    tasks = ({"type": "worker", "index": index} for index in range(workers))
    configs = ({"cluster": {"worker": addresses}, "task": task} for task in tasks)
    return [{"TF_CONFIG": json.dumps(config)} for config in configs]
