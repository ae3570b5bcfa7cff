"""The sockets under the lanes: how long one is waited for, and who closes it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from querywise_client.deadline import Deadline

__all__ = ["AsyncNetwork", "Network"]

_PIECE: Final = 16 * 1024


class Network(httpcore.NetworkBackend):
    """The socket of one lane, which asks before every wait what is left of the call's time.

    httpcore asks once for all addresses of a name, all parts of the headers, or all parts of a chunk's size, and would
    give each of them as much as the first had.

    Attributes:
        deadline: That of the call that has the lane; to be set before each request.
    """

    deadline: Deadline

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a name that answers.

        Raises:
            Timeout: when the time of the call is over.
        """
        failure: Exception = httpcore.ConnectError("The name has no address.")
        for address in _addresses(host, port):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, self.deadline["connect"], local_address, socket_options
                )
                return _Stream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    # Not the first member of an address, which lacks the zone that a link-local one of IPv6 has.
    return [socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0] for *_, address in found]


class _Stream(httpcore.NetworkStream):
    """A connection, each of whose waits ends with the time of the call."""

    def __init__(self, stream: httpcore.NetworkStream, network: Network) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._network.deadline["read"])

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, for the whole may be taken in many parts, each of which would have all the time.
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], self._network.deadline["write"])

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._network.deadline["connect"])
        except BaseException:
            self.close()
            raise
        return _Stream(stream, self._network)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class AsyncNetwork(httpcore.AsyncNetworkBackend):
    """The socket of one lane for asyncio, which can be closed whatever state a cancelled request left httpcore in.

    A connection that is cancelled while it starts TLS, for one, is closed by nobody else.
    """

    def __init__(self) -> None:
        self._sockets = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, and remember the connection; httpcore has closed the one before."""
        self._stream = await self._sockets.connect_tcp(host, port, timeout, local_address, socket_options)
        return self._stream

    async def aclose(self) -> None:
        """Close the connection, if one was made."""
        if self._stream is not None:
            await self._stream.aclose()
