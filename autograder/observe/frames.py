"""Frames on a stream socket: eight bytes of length, then the body. No end-of-file is ever needed to end a message."""

import os
import select
import socket
import time

PIECE = 2**20  # a frame's memory grows by this much as it arrives, whatever length it announces
# Seconds of asking again before a process goes to sleep: to wake a sleeper takes up to 1 ms, and asking takes processor.
PATIENCE = 0.0001
GIVE_WAY = getattr(os, "sched_yield", lambda: None)  # to another process, where the system knows how
FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)


class WireError(Exception):
    """What arrived, or was to be sent, is not a message; the sentence says why."""


class Closed(Exception):
    """The other side is gone."""


class Late(Exception):
    """The deadline passed before the whole message was through; the stream is of no further use."""


def send_frame(sock: socket.socket, parts: list[bytes], limit: int, deadline: float | None = None) -> None:
    """Write one frame made of `parts`; `deadline` is a time.monotonic()."""
    length = sum(map(len, parts))
    if length > limit:
        raise WireError(f"The message has {length} bytes; at most {limit} may travel.")
    rest = memoryview(b"".join([length.to_bytes(8, "big"), *parts]))
    while rest:
        try:
            rest = rest[sock.send(rest, FLAGS) :]
        except (BlockingIOError, TimeoutError):
            _wait(sock, select.POLLOUT, deadline)
        except OSError as error:
            raise Closed("The other side closed the connection while a message was sent.") from error


def receive_frame(sock: socket.socket, deadline: float | None, limit: int) -> bytearray:
    """Read one frame's body; `deadline` is a time.monotonic(), None waits for ever."""
    length = int.from_bytes(_read(sock, 8, deadline), "big")
    if length > limit:
        raise WireError(f"A message of {length} bytes was announced; at most {limit} may travel.")
    return _read(sock, length, deadline)


def _read(sock: socket.socket, length: int, deadline: float | None) -> bytearray:
    data = bytearray(min(length, PIECE))
    filled = 0
    awake = time.monotonic() + PATIENCE
    while filled < length:
        if filled == len(data):
            data.extend(bytes(min(length - filled, len(data))))
        with memoryview(data) as whole, whole[filled:] as room:
            try:
                count = sock.recv_into(room, 0, socket.MSG_DONTWAIT)
            except (BlockingIOError, TimeoutError):
                if time.monotonic() < awake:
                    GIVE_WAY()
                else:
                    _wait(sock, select.POLLIN, deadline)
                continue
            except OSError as error:
                raise Closed("The connection broke before the message was through.") from error
        if count == 0:
            raise Closed("The other side closed the connection before the message was through.")
        filled += count
        # Checked here as well: a peer that drips bytes never makes us wait.
        if filled < length and deadline is not None and time.monotonic() >= deadline:
            raise Late("The message was not through by the deadline.")
    return data


def _wait(sock: socket.socket, event: int, deadline: float | None) -> None:
    # poll, not sock.settimeout(): O_NONBLOCK would reach every process that shares the socket.
    poll = select.poll()
    poll.register(sock, event)
    if deadline is None:
        poll.poll()
        return
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(max(1, left * 1000)):
        raise Late("The message was not through by the deadline.")
