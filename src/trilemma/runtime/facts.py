"""What only the process knows and INFO shows: memory, CPU, ports, sizes on disk. Read from /proc and the kernel."""

import os
import platform
import resource
import struct
from pathlib import Path

from trilemma.base.limits import KIB, MIB
from trilemma.runtime.clients import Counters
from trilemma.runtime.config import ServerConfig
from trilemma.runtime.room import Room

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = resource.getpagesize()


def fixed_facts(config: ServerConfig, port: int, config_file: Path | None = None) -> dict[str, str]:
    """Return what does not change while the node runs. `port`: the one for clients that it has."""
    return {
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": str(8 * struct.calcsize("P")),
        "multiplexing_api": "epoll",
        "process_id": str(os.getpid()),
        "tcp_port": str(port),
        "metrics_port": str(config.metrics_port),
        "maxclients": str(config.maxclients),
        "config_file": str(config_file or ""),
    }


def moving_facts(log_bytes: int, room: Room, clients: Counters) -> dict[str, str]:
    """Return what does."""
    used = rss_bytes()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "used_memory": str(used),
        "used_memory_rss": str(used),
        "used_memory_human": human(used),
        "log_bytes": str(log_bytes),
        "disk_free_bytes": str(room.free_bytes),
        "disk_full": "0" if room.is_enough else "1",
        "rejected_connections": str(clients.rejected),
        "total_net_input_bytes": str(clients.read_bytes),
        "total_net_output_bytes": str(clients.written_bytes),
        "used_cpu_sys": f"{spent.ru_stime:.6f}",
        "used_cpu_user": f"{spent.ru_utime:.6f}",
    }


def rss_bytes() -> int:
    """Return the memory that the process holds."""
    return int(_STATM.read_text("ascii").split()[1]) * _PAGE_BYTES


def human(size: int) -> str:
    """Return a size as Redis writes it for people: 1.50M."""
    if size < KIB:
        return f"{size}B"
    if size < MIB:
        return f"{size / KIB:.2f}K"
    return f"{size / MIB:.2f}M" if size < KIB * MIB else f"{size / (KIB * MIB):.2f}G"
