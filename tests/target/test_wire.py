"""The thin client: what was not sent, what is not known, what was said; and nothing is ever sent twice."""

import socket
import threading
from collections.abc import Iterator
from random import Random

import pytest

from trilemma.target.port import NotSentError
from trilemma.target.wire import RespConnection, dial, encode, first_word
from trilemma.workload.register import Registers
from trilemma.workload.reply import judge
from trilemma.workload.step import Step

PATIENCE_S = 0.3
GET = (b"GET", b"k")


class Server:
    """Takes connections on loopback; answers each request with the next of its answers, closes where there is None."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.received: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                while chunk := connection.recv(65_536):
                    self.received.append(chunk)
                    answer = self._answers.pop(0) if self._answers else b""
                    if answer is None:
                        break
                    connection.sendall(answer)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        server.close()


def connect(server: Server) -> RespConnection:
    return RespConnection(lambda: dial("127.0.0.1", server.port), PATIENCE_S)


def start(servers: list[Server], *answers: bytes | None) -> tuple[Server, RespConnection]:
    servers.append(Server(*answers))
    return servers[-1], connect(servers[-1])


def test_replies_come_in_the_order_of_the_commands(servers: list[Server]) -> None:
    _, client = start(servers, b"+OK\r\n$1\r\nv\r\n:7\r\n*-1\r\n")
    assert client.execute([GET] * 4) == [b"OK", b"v", 7, None]
    assert client.is_usable()
    client.close()


def test_a_refused_connection_is_a_step_that_was_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = RespConnection(lambda: dial("127.0.0.1", port), PATIENCE_S)
    with pytest.raises(NotSentError):
        client.execute([GET])
    assert not client.is_usable()


def test_a_connection_that_closes_before_the_reply_leaves_the_step_unknown(servers: list[Server]) -> None:
    server, client = start(servers, None)
    assert client.execute([(b"SET", b"k", b"v")]) == []
    assert not client.is_usable()
    with pytest.raises(NotSentError):
        client.execute([GET])
    assert server.received == [encode([(b"SET", b"k", b"v")])]


def test_a_reply_that_does_not_come_in_time_leaves_the_step_unknown(servers: list[Server]) -> None:
    server, client = start(servers, b"+QUEUED\r\n$100\r\nhalf")
    assert client.execute([GET, GET]) == [b"QUEUED"]
    assert not client.is_usable()
    assert len(server.received) == 1


def test_what_is_no_reply_of_the_protocol_leaves_the_step_unknown(servers: list[Server]) -> None:
    _, client = start(servers, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert client.execute([GET]) == []
    assert not client.is_usable()


def test_a_connection_that_the_server_has_no_room_for_is_over_and_nothing_after_it_is_in_doubt(
    servers: list[Server],
) -> None:
    _, client = start(servers, b"-ERR max number of clients reached\r\n")
    (reply,) = client.execute([GET])
    assert judge(reply).outcome == "fail"
    with pytest.raises(NotSentError):
        client.execute([GET])


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"-MOVED 1234 127.0.0.1:7000\r\n", "fail"),
        (b"-READONLY You can't write against a read only replica.\r\n", "fail"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "fail"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "fail"),
        (b"-UNCERTAIN it may still take effect\r\n", "info"),
        (b"-ERR timed out\r\n", "info"),
    ],
)
def test_an_error_says_whether_the_command_happened(servers: list[Server], answer: bytes, outcome: str) -> None:
    _, client = start(servers, answer)
    replies = client.execute([GET])
    assert judge(replies[0]).outcome == outcome
    assert first_word(replies[0]) == answer[1:].split(b" ")[0].decode()
    client.close()


def test_a_lost_reply_makes_an_operation_of_unknown_outcome() -> None:
    step = Step(1, ((b"SET", b"k", b"v"),), "write", b"k", b"v")
    assert Registers(Random(0), b"").record(step, []).outcome == "info"
