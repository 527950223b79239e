"""Made-up machines: folders as Linux shows a machine's devices in."""

GOOGLE, NVIDIA = "0x1ae0", "0x10de"


def add_pci(root, name, vendor, device):
    """Add a device to the PCI bus."""
    folder = root / "sys/bus/pci/devices" / name
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "device").write_text(f"{device}\n")


def add_file(root, name, text=""):
    """Add a file, such as a device's in ``dev/``."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def tpu_machine(root, number="0x0063", files=("dev/vfio/0",)):
    """A machine with one TPU chip, a v5e by default, and Google's network card."""
    add_pci(root, "0000:00:03.0", GOOGLE, "0x0042")
    add_pci(root, "0000:00:05.0", GOOGLE, number)
    for name in files:
        add_file(root, name)
    return root


def gpu_machine(root, model="NVIDIA L4", count=1):
    """A machine with NVIDIA's driver and ``count`` GPUs."""
    for number in range(count):
        add_pci(root, f"0000:00:{number:02d}.0", NVIDIA, "0x27b8")
        add_file(
            root,
            f"proc/driver/nvidia/gpus/0000:00:{number:02d}.0/information",
            f"Model: \t\t {model}\nIRQ:   \t\t 31\n",
        )
        add_file(root, f"dev/nvidia{number}")
    add_file(root, "dev/nvidiactl")
    return root
