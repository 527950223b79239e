"""What can go wrong around a command: disks, folders, files."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.trial import refill


def mounting_is_allowed(folder: Path) -> bool:
    """Tell whether this process may mount."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        return False
    try:
        with _mounted(folder, "-t", "tmpfs", "-o", "size=4k", "tmpfs"):
            return True
    except subprocess.CalledProcessError:
        return False


@contextmanager
def small_disk(folder: Path, room: int) -> Iterator[None]:
    """Puts a folder on a disk of its own for the time of the block.

    Args:
        folder: What is in it goes along, and comes back.
        room: How many bytes are left there beside that.
    """
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    used = sum(-path.stat().st_size // 4096 * -4096 for path in aside.rglob("*") if path.is_file())
    after = folder.with_name("after")
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={max(4096, used + room)},mode=755", "tmpfs"):
        refill(folder, aside)
        yield
        refill(after, folder)
    folder.rmdir()
    after.rename(folder)
    shutil.rmtree(aside)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Makes a folder, and all in it, one that this user may not write in.

    Root may write whatever the modes say: there the folder is mounted read-only.
    """
    if os.geteuid() == 0:
        with _mounted(folder, "--bind", str(folder)):
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
            yield
        return
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    modes = [path.stat().st_mode for path in folders]
    for path in folders:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path, mode in zip(folders, modes, strict=True):
            path.chmod(mode)


@contextmanager
def _mounted(folder: Path, *what: str) -> Iterator[None]:
    subprocess.run(["mount", *what, str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def damage(path: Path, draw: random.Random) -> str:
    """Damages a file in a way that is drawn; says how."""
    data = bytearray(path.read_bytes())
    kind = draw.choice(["flip", "cut", "empty", "longer"])
    if kind == "flip" and data:
        at = draw.randrange(len(data))
        data[at] ^= 1 << draw.randrange(8)
        how = f"a bit of byte {at} flipped"
    elif kind == "cut" and data:
        data = data[: draw.randrange(len(data))]
        how = f"cut to {len(data)} bytes"
    elif kind == "longer":
        data += draw.randbytes(draw.randrange(1, 100))
        how = "random bytes behind it"
    else:
        data = bytearray()
        how = "emptied"
    path.write_bytes(data)
    return f"{path}: {how}"
