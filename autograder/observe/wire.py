"""The wire between a learner's worker and the judge: plain data as JSON, arrays as one safetensors blob, never pickle.

A message is four bytes of length, a JSON text of that length, and the blob. In the JSON every node is an array that
starts with its kind: ["int", 3], ["list", node, node], ["dict", [key, value], …], ["tensor", number in blob, dtype].
"""

import socket
from typing import Any

from autograder.observe.frames import Closed, Late, WireError, receive_frame, send_frame
from autograder.observe.plain import BYTES, Opaque, Raised, bounded, raised
from autograder.observe.reader import read_message
from autograder.observe.writer import message_parts

__all__ = ["Closed", "Late", "Opaque", "Raised", "WireError", "decode", "encode", "raised", "receive", "send"]


def encode(value: object) -> bytes:
    """The message that carries `value`; what is not plain data becomes Opaque. WireError: too deep or too large."""
    return b"".join(message_parts(value))


def decode(data: bytes | bytearray | memoryview) -> Any:
    """The value in a message. WireError, and no other exception, whatever the bytes are."""
    try:
        return read_message(memoryview(data).cast("B"))
    except WireError:
        raise
    except RecursionError:
        raise WireError("The message is nested too deep.") from None
    except Exception as error:
        raise WireError(f"The message is malformed: {bounded(str(error), 200)}") from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # safetensors' Rust half, never seen so far
            raise WireError("The blob of arrays is malformed.") from error
        raise


def send(sock: socket.socket, value: object, limit: int = BYTES, deadline: float | None = None) -> None:
    """Write one value to a stream socket. WireError: it may not travel; Closed: nobody listens; Late: nobody reads."""
    send_frame(sock, message_parts(value), limit, deadline)


def receive(sock: socket.socket, deadline: float | None = None, limit: int = BYTES) -> Any:
    """Read one value, waiting until `deadline` (time.monotonic()). After Late or WireError the stream is of no use."""
    return decode(receive_frame(sock, deadline, limit))
