"""Commands out of Python sources: redis-py's methods, keys known in part, retries, pipelines; never a dict's `get`."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from trilemma.advise.call import Program
from trilemma.advise.judge import Finding, judge
from trilemma.advise.modes import Modes
from trilemma.advise.python import read_python
from trilemma.command.safety_rule import Gravity

MODES = Modes("cp", {"shop": "ap", "site": "ca"})


def program(source: str) -> Program:
    return read_python("import redis\nr = redis.Redis(retry=None)\n" + dedent(source), "app.py")


def findings(source: str, modes: Modes = MODES) -> list[Finding]:
    return judge(program(source), modes)


def unsafe(source: str) -> list[str]:
    return [each.rule.name for each in findings(source) if each.is_unsafe]


def hints(source: str) -> list[str]:
    return [each.rule.name for each in findings(source) if each.gravity is Gravity.HINT]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('r.setnx("shop:lock", 1)', ["lock-on-ap"]),
        ('r.set("shop:lock", 1, nx=True, ex=5)', ["lock-on-ap"]),
        ('r.set("shop:lock", 1, 5, None, True)', ["lock-on-ap"]),
        ('r.set("shop:lock", 1, nx=False)', []),
        ('r.set(name="shop:lock", value=1, nx=True)', ["lock-on-ap"]),
        ('r.lock("shop:lock", timeout=5)', ["lock-on-ap"]),
        ('r.lock("bank:lock")', ["endless-lock"]),
        ('r.lock("bank:lock", timeout=5)', []),
        ('r.lock("bank:lock", 5)', []),
        ('r.lock("bank:lock", timeout=None)', ["endless-lock"]),
        ('r.lock("bank:lock", None)', ["endless-lock"]),
        ('r.lock("bank:lock", None, 0.5)', ["endless-lock"]),
        ('number = r.incr("shop:ids")', ["unique-id-on-ap"]),
        ('r.incr("shop:likes")', []),
        ('r.mset({"bank:a": r.get("bank:a")})', ["lost-update"]),
        ('r.set("bank:a", int(r.get("bank:a")) + 1)', ["lost-update"]),
        ('r.execute_command("SET", "bank:lock", "me", "NX")', ["endless-lock"]),
        ('r.execute_command("CAP", "ONCE", token, "INCR", "bank:n")', []),
        ('r.getdel("shop:job")', ["taken-twice-on-ap"]),
        ('r.rename("shop:a", "shop:b")', ["rename-on-ap"]),
        ('r.delete("shop:a")', []),
        ('redis_cache.setnx("shop:lock", 1)', ["lock-on-ap"]),
        ('self.anything.setnx("shop:lock", 1)', ["lock-on-ap"]),
        ('async def f():\n    x = await r.incr("shop:ids")', ["unique-id-on-ap"]),
        ('async def f():\n    await r.incr("shop:ids")', []),
    ],
)
def test_calls_of_redis_py_are_judged_as_commands(source: str, expected: list[str]) -> None:
    assert unsafe(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        'cart = {}\ncart.get("shop:a")\ncart["shop:a"] = 1\ncart.copy()',
        'headers.set("shop:lock", 1, nx=True)',
        'items.append("shop:a")',
        'response.get("a"); response.set("a", 1)',
    ],
)
def test_methods_of_other_objects_are_no_commands(source: str) -> None:
    assert program(source).calls == ()


@pytest.mark.parametrize(
    ("expression", "prefix"),
    [
        ('"shop:a"', "shop"),
        ('b"shop:a"', "shop"),
        ('"cart"', ""),
        ('f"shop:{user}"', "shop"),
        ('f"{name}:x"', None),
        ('f"cart{user}"', None),
        ('"shop:%s" % user', "shop"),
        ('"%s:x" % user', None),
        ('"shop:{}".format(user)', "shop"),
        ('"{}:x".format(user)', None),
        ('"shop:" + user', "shop"),
        ("NAME", "shop"),
        ('f"{PREFIX}:x"', "shop"),
        ("key(user)", None),
    ],
)
def test_of_a_key_is_known_what_it_begins_with(expression: str, prefix: str | None) -> None:
    (call,) = program(f'NAME = "shop:name"\nPREFIX = "shop"\nr.setnx({expression}, 1)').calls
    assert call.keys[0].prefix == prefix


def test_a_name_that_is_assigned_twice_is_not_known() -> None:
    (call,) = program('name = "shop:a"\nname = other()\nr.setnx(name, 1)').calls
    assert (call.keys[0].text, call.keys[0].prefix) == ("name", None)


def test_a_key_that_is_not_known_is_judged_by_every_mode_and_never_sure_where_they_differ() -> None:
    assert unsafe("r.setnx(key, 1)") == []
    assert "lock-on-ap" in hints("r.setnx(key, 1)")
    alone = [each.rule.name for each in findings("r.setnx(key, 1)", Modes("ap")) if each.is_unsafe]
    assert alone == ["lock-on-ap"]


RETRIED = [
    """
    while True:
        try:
            r.incr("bank:n")
            break
        except redis.ConnectionError:
            time.sleep(1)
    """,
    """
    def f():
        for attempt in range(3):
            try:
                return r.incr("bank:n")
            except redis.ConnectionError:
                if attempt == 2:
                    raise
    """,
    """
    @retry(stop=stop_after_attempt(3))
    def f():
        r.append("bank:log", "x")
    """,
    """
    @backoff.on_exception(backoff.expo, redis.ConnectionError)
    def f():
        r.incr("bank:n")
    """,
]

NOT_RETRIED = [
    """
    for item in items:
        try:
            r.incr(f"bank:{item}")
        except redis.ConnectionError:
            print(item)
    """,
    """
    def f():
        try:
            r.incr("bank:n")
        except redis.ConnectionError:
            print("lost")
    """,
    """
    while True:
        try:
            r.incr("bank:n")
            break
        except redis.ConnectionError:
            raise
    """,
    """
    while True:
        try:
            r.execute_command("CAP", "ONCE", token, "INCR", "bank:n")
            break
        except redis.ConnectionError:
            pass
    """,
    """
    while True:
        try:
            r.set("bank:n", 1)
            break
        except redis.ConnectionError:
            pass
    """,
]


def attempt(handler: str, *, body: str = 'return r.incr("bank:n")', error: str = "redis.ConnectionError") -> str:
    """Return a function that has sent a command, and what becomes of an error; `---` ends the handler."""
    inside, _, behind = handler.partition("---")
    parts = ("def f(op):\n    try:", indent(dedent(body).strip(), 8 * " "), f"    except {error}:")
    return "\n".join((*parts, indent(dedent(inside).strip(), 8 * " "), indent(dedent(behind).strip(), 4 * " ")))


AGAIN = 'return r.incr("bank:n")'
PUSH = 'r.lpush("bank:jobs", op)'
WAITED = """await asyncio.wait_for(r.incr("bank:n"), 1)"""

SENT_AGAIN = [
    attempt(AGAIN),
    attempt(AGAIN, error="(redis.ConnectionError, redis.TimeoutError)"),
    attempt(AGAIN, error="Exception as error"),
    attempt(AGAIN, error="redis.ResponseError"),
    attempt(AGAIN, error="RedisConnectionError"),
    attempt("time.sleep(1)\nr.close()\n" + AGAIN),
    attempt('print(r.get("bank:n"))\n' + AGAIN),
    attempt("if op == 2:\n    raise\n" + AGAIN),
    attempt("pass\n---\n" + AGAIN),
    attempt("pass\n---\nelse:\n    return\n" + AGAIN, body='r.incr("bank:n")'),
    attempt(AGAIN + "\n---\nfinally:\n    r.close()"),
    attempt("try:\n    " + AGAIN + "\nexcept redis.RedisError:\n    raise"),
    attempt('r.execute_command("INCR", "bank:n")'),
    attempt(AGAIN, body='return r.execute_command("CAP", "ONCE", op, "INCR", "bank:n")'),
    attempt('return r.execute_command("CAP", "ONCE", op, "INCR", "bank:n")'),
    attempt('r.execute_command("CAP", "ONCE", again, "INCR", "bank:n")', body=(
        'r.execute_command("CAP", "ONCE", op, "INCR", "bank:n")'
    )),
    attempt('r.execute_command("CAP", "ONCE", uuid4().hex, "INCR", "bank:n")', body=(
        'r.execute_command("CAP", "ONCE", uuid4().hex, "INCR", "bank:n")'
    )),
    """
    while True:
        try:
            return r.execute_command("CAP", "ONCE", str(uuid4()), "INCR", "bank:n")
        except redis.ConnectionError:
            pass
    """,
    attempt(WAITED, body=WAITED, error="asyncio.TimeoutError").replace("def", "async def"),
    attempt("return await r.incr('bank:n')", body="return await r.incr('bank:n')").replace("def", "async def"),
    attempt('with r.pipeline() as p:\n    p.incr("bank:n")\n    p.execute()', body="""
        with r.pipeline() as p:
            p.incr("bank:n")
            p.execute()
    """),
    attempt(PUSH, body=PUSH, error="OSError"),
]  # fmt: skip

SENT_ONCE = [
    attempt("raise"),
    attempt("log()\nraise Unavailable from None"),
    attempt('return r.incr("bank:lost")'),
    attempt('return r.decr("bank:n")'),
    attempt('r.rpush("bank:log", "failed")', body='r.rpush("bank:log", "begun")'),
    attempt('if int(r.get("bank:n")) == op:\n    ' + AGAIN),
    attempt('if r.exists(f"bank:done:{op}"):\n    return None\n' + AGAIN),
    attempt('if op not in r.lrange("bank:jobs", 0, -1):\n    ' + PUSH, body=PUSH),
    attempt('r.execute_command("CAP", "ONCE", op, "INCR", "bank:n")', body=(
        'r.execute_command("CAP", "ONCE", op, "INCR", "bank:n")'
    )),
    attempt("value = r['bank:n']\nif int(value) == op:\n    return value\n" + AGAIN),
    attempt(AGAIN, error="redis.ReadOnlyError"),
    attempt(AGAIN, error="(ValueError, KeyError)"),
    attempt('r.delete("bank:n")\n' + AGAIN, error="redis.ResponseError"),
    attempt("log()\n---\nelse:\n    " + AGAIN, body='r.incr("bank:n")'),
    attempt("log()\n---\nfinally:\n    " + AGAIN, body='r.incr("bank:n")'),
    attempt("log()\n---\n" + AGAIN, body='r.incr("bank:n")'),
    attempt("return None\n---\n" + AGAIN),
    attempt("later = lambda: r.incr('bank:n')", body="r.get('bank:n')"),
    attempt("items.append(op)\n---\nitems.append(op)", body="return items.append(op)"),
    """
    while True:
        try:
            with r.pipeline() as p:
                p.watch("bank:n")
                p.multi()
                p.incr("bank:n")
                p.execute()
                break
        except redis.WatchError:
            continue
    """,
    """
    while True:
        try:
            r.incr("bank:n")
            break
        except redis.ConnectionError:
            if int(r.get("bank:n")) == expected:
                break
    """,
]  # fmt: skip

UNSEEN = [
    attempt(AGAIN, error="self.errors"),
    attempt('return other_redis.incr("bank:n")'),
    attempt('if "LOADING" in str(error):\n    ' + AGAIN, error="redis.RedisError as error"),
    attempt("if not happened(op):\n    " + AGAIN),
]


def pay(token: str, *, before: str = "", failed: str = "continue", loop: str = "for attempt in range(3)") -> str:
    """Return a loop of attempts that sends with a token: what it does before each, and after an error."""
    sent = f'return r.execute_command("CAP", "ONCE", {token}, "INCR", "bank:n")'
    round_ = f"{dedent(before)}\ntry:\n    {sent}\nexcept redis.ConnectionError:\n{indent(dedent(failed), 4 * ' ')}"
    return f"def f(order, token, tokens):\n    {loop}:\n{indent(round_, 8 * ' ')}"


def once(token: str) -> str:
    return f'r.execute_command("CAP", "ONCE", {token}, "INCR", "bank:n")'


ANOTHER_TOKEN = [
    pay("token", before="token = uuid.uuid4().hex"),
    pay("f'{order}-{attempt}'"),
    pay("'%s-%d' % (order, attempt)"),
    pay("token", before="token = f'{order}-{attempt}'"),
    pay("key", before="token = str(uuid4())\nkey = 'pay:' + token"),
    pay("tokens[attempt]"),
    pay("next(tokens)"),
    pay("secrets.token_hex(8)", loop="while True"),
    pay("f'{order}:{time.time_ns()}'"),
    pay("str(n)", before="n += 1", loop="while n < 3"),
    pay("token", failed="token = str(uuid4())"),
    attempt("op = str(uuid4())\n" + once("op"), body=once("op")),
    attempt("if op:\n    op = uuid.uuid4().hex\n    " + once("op"), body=once("op")),
    attempt(once("op.second"), body=once("op.first")),
    "@retry\ndef f():\n    token = str(uuid4())\n    return " + once("token"),
    "@retry\ndef f():\n    return " + once("secrets.token_hex()"),
]

SAME_TOKEN = [
    pay("str(order.id)"),
    pay("token.encode()"),
    pay("'pay:{}'.format(order)"),
    pay("uuid.uuid5(SPACE, order)"),
    pay("hashlib.sha256(order).hexdigest()"),
    pay("token", before="token = str(order.id)"),
    pay("token", before="if token is None:\n    token = str(uuid4())"),
    pay("token", before="token = token or str(uuid4())"),
    pay("token", before="token = tokens.setdefault(order, str(uuid4()))"),
    pay("f'{order}:{int(time.time()) // 3600}'"),
    pay("token", before="delay = random.random()", failed="token_of_log = uuid4()"),
    attempt(once("str(op.id)"), body=once("str(op.id)")),
    attempt("token = op.encode()\n" + once("token"), body="token = op.encode()\n" + once("token")),
    attempt(once("token") + "\ntoken = uuid4().hex", body="token = uuid4().hex\n" + once("token")),
    "token = uuid.uuid4().hex\n" + pay("token"),
    "def g(order):\n    token = uuid4().hex\n" + indent(pay("token").partition("\n")[2], ""),
    "@retry\ndef f(token):\n    return " + once("token"),
    "@retry\ndef f(order):\n    token = order.id\n    return " + once("token"),
    "def f(orders):\n    for order in orders:\n        try:\n            "
    + once("order.id")
    + "\n        except redis.ConnectionError:\n            print(order)",
]

FLAG_OF_FAILURE = """
def f(lines, r):
    {before}
    {loop}:
        try:
            r.incr("bank:n")
            {done}
        except redis.ConnectionError:
            {failed}
        {behind}
"""

LEFT_BY_A_FLAG = [
    FLAG_OF_FAILURE.format(
        before="", loop="while True", done="ok = True", failed="ok = False", behind="if ok:\n            break"
    ),
    FLAG_OF_FAILURE.format(before="ok = False", loop="while not ok", done="ok = True", failed="pass", behind="pass"),
    FLAG_OF_FAILURE.format(
        before="n = 0", loop="while n < 3 and not ok", done="ok = True", failed="n += 1", behind="pass"
    ),
]

KEPT_BY_A_FLAG = [
    FLAG_OF_FAILURE.format(
        before="", loop="for _ in lines", done="ok = True", failed="ok = False", behind="if not ok:\n            break"
    ),
    FLAG_OF_FAILURE.format(before="ok = True", loop="while ok", done="ok = True", failed="ok = False", behind="pass"),
    FLAG_OF_FAILURE.format(
        before="", loop="for _ in lines", done="bad = False", failed="bad = True", behind="if bad:\n            return"
    ),
]

TOKEN_UNSEEN = [
    pay("new_token()"),
    pay("token", before="token = new_token()"),
    attempt(once("new_token()"), body=once("new_token()")),
    attempt(once("op.encode()"), body=once("op")),
]


@pytest.mark.parametrize("source", ANOTHER_TOKEN)
def test_a_token_that_is_another_each_time_keeps_nothing_from_happening_twice(source: str) -> None:
    assert unsafe(source) == ["blind-retry"]


@pytest.mark.parametrize("source", SAME_TOKEN)
def test_a_token_that_stays_the_same_is_right_however_it_is_written(source: str) -> None:
    assert "blind-retry" not in unsafe(source) + hints(source)


@pytest.mark.parametrize("source", TOKEN_UNSEEN)
def test_a_token_that_may_be_another_each_time_is_a_hint(source: str) -> None:
    assert "blind-retry" not in unsafe(source)
    assert "blind-retry" in hints(source)


def loop(head: str, sent: str, *, before: str = "pass", failed: str = "log()", after: str = "pass") -> str:
    """Return a loop around a `try`: what each round does before it, tries, does after an error, and does behind it."""
    tried = f"try:\n{indent(dedent(sent), 4 * ' ')}\nexcept redis.ConnectionError:\n{indent(dedent(failed), 4 * ' ')}"
    return f"async def f(users, q, stop):\n    {head}:\n{indent(chr(10).join((before, tried, after)), 8 * ' ')}"


INCR = 'r.incr("bank:n")'

ENDS_ON_SUCCESS = [
    loop("while True", INCR + "\nbreak"),
    loop("while not done", INCR + "\ndone = True"),
    loop("while not self.done", INCR + "\nself.done = True"),
    loop("for attempt in range(3)", INCR + "\nok = True", failed="ok = False", after="if ok:\n    break"),
    loop("for attempt in range(3)", INCR, failed="log()\ncontinue", after="break"),
    loop("for attempt in range(3)", "print(attempt)\n" + INCR + "\nbreak"),
    loop("for delay in (1, 2, 4)", "return " + INCR, failed="time.sleep(delay)"),
    loop("for attempt in range(3)", "if q:\n    return r.incr('bank:n')\nreturn r.decr('bank:n')"),
    loop("for attempt in range(3)", "return r.incr('bank:' + key)", before="key = key_of(q)"),
    loop("while True", "with r.pipeline() as p:\n    p.incr('bank:n')\n    p.execute()\nbreak"),
    loop("while True", "return r.execute_command('CAP', 'ONCE', t, 'INCR', 'bank:n')", before="t = uuid4().hex"),
]  # fmt: skip

GOES_ON = [
    loop("for user in users", "r.incr(key)", before='key = f"bank:{user}"'),
    loop("for user in users", "r.incr(key)", before='name = user.name\nkey = f"bank:{name}"', after="print(user)"),
    loop("async for message in q", "await " + INCR, before="order = parse(message)", failed="print(order)"),
    loop("while not stop.is_set()", 'job = q.get()\nr.incr(f"bank:{job}")'),
    loop("while not stop.is_set()", "job = q.get()\n" + INCR),
    loop("while (job := q.get()) is not None", 'r.incr(f"bank:{job}")'),
    loop("while users", 'r.incr(f"bank:{user}")', before="user = users.pop()"),
    loop("while True", "r.rpush('bank:log', line)", before="line = next(q, None)\nif line is None:\n    break"),
    loop("for user in users", 'if r.incr(f"bank:{user}") > 5:\n    return user'),
    loop("while True", INCR),
    loop("while True", "for one in users:\n    if one:\n        break\n" + INCR),
    loop("for order in users", "r.execute_command('CAP', 'ONCE', t, 'INCR', 'bank:n')", before="t = str(order.id)"),
    loop("while not stop.is_set()", "r.execute_command('CAP', 'ONCE', q, 'INCR', 'bank:n')"),
]

MAY_GO_ON = [
    loop("while running", INCR),
    loop("while True", INCR, after="if stop.wait(1):\n    break"),
    loop("for line in users", "n = r.incr('bank:n')\nif n > 5:\n    return"),
    loop("for attempt in range(3)", INCR),
    loop("while True", 'r.incr(f"bank:{job}")\nbreak', before="job = q.get()"),
    loop("for user in users", 'r.incr(f"bank:{user}")\nbreak'),
]


@pytest.mark.parametrize("source", ENDS_ON_SUCCESS)
def test_a_loop_that_success_ends_sends_again(source: str) -> None:
    assert set(unsafe(source)) == {"blind-retry"}


@pytest.mark.parametrize("source", GOES_ON)
def test_a_loop_that_goes_on_with_the_next_item_does_not_send_again(source: str) -> None:
    assert "blind-retry" not in unsafe(source) + hints(source)


@pytest.mark.parametrize("source", MAY_GO_ON)
def test_a_loop_that_may_go_on_as_after_a_success_is_a_hint(source: str) -> None:
    assert "blind-retry" not in unsafe(source)
    assert "blind-retry" in hints(source)


@pytest.mark.parametrize("source", LEFT_BY_A_FLAG)
def test_a_loop_that_a_flag_of_success_ends_is_a_blind_retry(source: str) -> None:
    assert "blind-retry" in unsafe(source)


@pytest.mark.parametrize("source", KEPT_BY_A_FLAG)
def test_a_loop_that_a_flag_of_failure_ends_is_surely_none(source: str) -> None:
    assert "blind-retry" not in unsafe(source)


@pytest.mark.parametrize("source", SENT_AGAIN)
def test_what_a_try_had_sent_and_only_its_error_leads_to_is_a_blind_retry(source: str) -> None:
    assert unsafe(source) == ["blind-retry"]


@pytest.mark.parametrize("source", SENT_ONCE)
def test_who_sends_something_else_or_asks_first_or_is_told_that_nothing_happened_does_not_retry(source: str) -> None:
    assert "blind-retry" not in unsafe(source) + hints(source)


@pytest.mark.parametrize("source", UNSEEN)
def test_a_retry_that_hangs_on_what_cannot_be_seen_is_a_hint(source: str) -> None:
    assert "blind-retry" not in unsafe(source)
    assert "blind-retry" in hints(source)


@pytest.mark.parametrize("source", RETRIED)
def test_a_blind_retry_is_found(source: str) -> None:
    assert unsafe(source) == ["blind-retry"]


@pytest.mark.parametrize("source", NOT_RETRIED)
def test_what_is_not_sent_again_or_may_be_is_no_blind_retry(source: str) -> None:
    assert "blind-retry" not in unsafe(source) + hints(source)


@pytest.mark.parametrize(
    ("made", "gravity"),
    [
        ("redis.Redis()", Gravity.HINT),
        ("redis.Redis(retry=Retry(ExponentialBackoff(), 3))", Gravity.UNSAFE),
        ("redis.Redis(retry_on_timeout=True)", Gravity.UNSAFE),
        ("redis.from_url(url, retry_on_error=[ConnectionError])", Gravity.UNSAFE),
        ("redis.Redis(retry=Retry(NoBackoff(), 0))", None),
        ("redis.Redis(retry=Retry(NoBackoff(), retries=0))", None),
        ("redis.asyncio.Redis(retry=None)", None),
    ],
)
def test_a_client_that_retries_by_itself_is_found(made: str, gravity: Gravity | None) -> None:
    found = findings(f'other = {made}\nother.incr("bank:n")')
    assert [each.gravity for each in found if each.rule.name == "client-retries"] == ([gravity] if gravity else [])


def test_a_client_that_retries_by_itself_is_found_though_whether_the_program_does_cannot_be_seen() -> None:
    assert "client-retries" in unsafe("r = redis.Redis(retry_on_timeout=True)\n" + UNSEEN[0])


def test_a_client_that_retries_what_may_happen_twice_is_let_be() -> None:
    assert hints('other = redis.Redis()\nother.set("bank:n", 1)') == []


RIGHT = """
def pay(user):
    with r.pipeline() as pipe:
        pipe.watch(f"bank:{user}")
        old = int(pipe.get(f"bank:{user}"))
        pipe.multi()
        pipe.set(f"bank:{user}", old - 5)
        pipe.execute()
"""


def test_a_watched_pipeline_is_right_and_an_unwatched_one_wrong() -> None:
    assert unsafe(RIGHT) == []
    assert unsafe(RIGHT.replace('        pipe.watch(f"bank:{user}")\n', "").replace("pipe.get", "r.get")) == [
        "lost-update"
    ]
    late = RIGHT.replace("        pipe.watch", "        old = int(r.get(f'bank:{user}'))\n        pipe.watch")
    late = late.replace('        old = int(pipe.get(f"bank:{user}"))\n', "")
    assert unsafe(late) == ["lost-update"]
    assert unsafe(RIGHT.replace("bank", "shop")) == ["watch-on-ap", "lost-update-on-ap"]


ANOTHER_WATCH = {
    "of another pipeline": """
        p = r.pipeline()
        p.watch(k)
        old = int(p.get(k))
        with r.pipeline() as q:
            q.set(k, old + 5)
            q.execute()
    """,
    "of another pipeline of the same name": """
        p = r.pipeline()
        p.watch(k)
        old = int(p.get(k))
        p = r.pipeline()
        p.multi()
        p.set(k, old + 5)
        p.execute()
    """,
    "of a client": """
        r = redis.Redis()
        r.watch(k)
        old = int(r.get(k))
        p = r.pipeline()
        p.set(k, old + 5)
        p.execute()
    """,
    "that was reset": """
        p = r.pipeline()
        p.watch(k)
        p.reset()
        old = int(r.get(k))
        p.multi()
        p.set(k, old + 5)
        p.execute()
    """,
    "that was reset behind the read": """
        p = r.pipeline()
        p.watch(k)
        old = int(p.get(k))
        p.reset()
        if old:
            p.set(k, old + 5)
            p.execute()
    """,
    "and no transaction though it is reset where the function is left": """
        p = r.pipeline()
        p.watch(k)
        old = int(p.get(k))
        if not old:
            p.reset()
            return
        p.set(k, old + 5)
    """,
    "whose `with` has ended": """
        with r.pipeline() as p:
            p.watch(k)
            seen = p.get(k)
        old = int(r.get(k))
        with r.pipeline() as q:
            q.multi()
            q.set(k, old + 5)
            q.execute()
    """,
    "whose `with` has ended, of the same pipeline": """
        p = r.pipeline()
        with p:
            p.watch(k)
            old = int(p.get(k))
        p.multi()
        p.set(k, old + 5)
        p.execute()
    """,
}


@pytest.mark.parametrize("name", ANOTHER_WATCH)
def test_a_watch_guards_only_what_its_own_pipeline_sends_until_it_is_reset(name: str) -> None:
    source = f"def pay(k):{ANOTHER_WATCH[name]}"
    assert of_one_mode(source) == [("lost-update", True)]


STILL_WATCHED = {
    "another pipeline executes in between": """
        p, q = r.pipeline(), r.pipeline()
        p.watch(k)
        q.incr("hits")
        q.execute()
        old = int(p.get(k))
        p.multi()
        p.set(k, old + 5)
        p.execute()
    """,
    "it is reset where the function is left, or the round": """
        p = r.pipeline()
        while True:
            p.watch(k)
            old = int(p.get(k))
            if old < 5:
                p.reset()
                return
            if old < 10:
                p.reset()
                continue
            p.multi()
            p.set(k, old - 5)
            p.execute()
    """,
    "it is reset before, and in the end": """
        p = r.pipeline()
        p.reset()
        try:
            p.watch(k)
            old = int(p.get(k))
            p.multi()
            p.set(k, old - 5)
            p.execute()
        finally:
            p.reset()
    """,
    "it has another name": """
        p = r.pipeline()
        same = p
        same.watch(k)
        old = int(p.get(k))
        same.multi()
        p.set(k, old - 5)
        p.execute()
    """,
}


@pytest.mark.parametrize("name", STILL_WATCHED)
def test_a_watch_still_guards_where(name: str) -> None:
    assert of_one_mode(f"def pay(k):{STILL_WATCHED[name]}") == []


def test_whether_two_names_are_of_one_pipeline_may_not_be_seen() -> None:
    source = """
    def pay(k, pipe, pipeline):
        pipe.watch(k)
        old = int(pipe.get(k))
        pipeline.multi()
        pipeline.set(k, old - 5)
        pipeline.execute()
    """
    assert of_one_mode(source) == [("lost-update", False)]


@pytest.mark.parametrize(
    "watched", ["*names", "*[f'bank:{each}' for each in users]", "*names, 'bank:x'", "*self.keys()"]
)
def test_keys_that_are_watched_unnamed_may_be_any_that_is_read_after_that(watched: str) -> None:
    source = RIGHT.replace('watch(f"bank:{user}")', f"watch({watched})")
    raw = RIGHT.replace('watch(f"bank:{user}")', f"execute_command('WATCH', {watched})")
    assert source != RIGHT != raw
    assert unsafe(source) == unsafe(raw) == []
    assert "lost-update" not in hints(source)
    assert unsafe(source.replace("        pipe.multi()\n", "")) == ["lost-update"]
    watch = f"        pipe.watch({watched})\n"
    late = source.replace(watch, "").replace("        pipe.multi()", f"{watch}        pipe.multi()")
    assert "lost-update" in unsafe(late.replace("pipe.get", "r.get"))
    later = source + source.replace(watch, "").replace("def pay(user):\n", "").replace("pipe.get", "r.get")
    assert "lost-update" in unsafe(later)


@pytest.mark.parametrize(
    ("watched", "read", "written"),
    [('"bank:" + user', "key", "key"), ("key", '"bank:" + user', "key"), ("key", '"bank:" + user', '"bank:" + user')],
)
def test_a_key_is_one_however_it_is_written_where_its_names_are_not_bound_in_between(
    watched: str, read: str, written: str
) -> None:
    source = f"""
    def pay(user):
        user = user.lower()
        key = "bank:" + user
        with r.pipeline() as pipe:
            pipe.watch({watched})
            old = int(pipe.get({read}))
            pipe.multi()
            pipe.set({written}, old - 5)
            pipe.execute()
        user = None

    def seen(user):
        key = "bank:seen:" + user
        return r.get(key)
    """
    assert unsafe(source) == hints(source) == []
    assert unsafe(source.replace(f"pipe.watch({watched})", "pass").replace("pipe.get", "r.get")) == ["lost-update"]


ANOTHER_KEY = [
    'key = "bank:" + user\n    user = user.lower()',
    'key = "bank:" + user\n    for user in users:\n        pass',
    'key = "bank:a"\n    key = "bank:" + user',
    'key = "bank:" + user\n    key += "x"',
]


@pytest.mark.parametrize("made", ANOTHER_KEY)
def test_a_key_may_be_another_one_where_its_names_are_bound_in_between(made: str) -> None:
    source = f"""
def pay(user, users):
    {made}
    with r.pipeline() as pipe:
        pipe.watch("bank:" + user)
        old = int(pipe.get(key))
        pipe.multi()
        pipe.set(key, old - 5)
        pipe.execute()
"""
    assert "lost-update" in unsafe(source) + hints(source)


def updated(key: str, *, between: str = "pass", written: str = "key") -> str:
    """Return a function that reads a key and writes one, and what it does before both and between them."""
    lines = f"{key}\nold = r.get(key)\n{between}\nr.set({written}, old)"
    return f"def f(user, other, users):\n{indent(lines, 4 * ' ')}"


def of_one_mode(source: str) -> list[tuple[str, bool]]:
    """Return what is found where every key is of `cp`, and whether it is unsafe."""
    return [(each.rule.name, each.is_unsafe) for each in findings(source, Modes("cp"))]


ONE_KEY = [
    updated('key = f"bank:{user}"', between="user = user.strip()"),
    updated('key = f"bank:{user}"', between="for user in users:\n    pass"),
    updated('key = f"bank:{user}"', between="other = user", written='f"bank:{user}"'),
    updated('key = f"bank:{user}"', between='key = f"bank:{user}"'),
    updated('key = f"bank:{user}"\nuser = other', between="name = key", written="name"),
    updated('key = user\nkey += ":a"', between="if not old:\n    key = other\n    return"),
    "for cur in users:\n    old = r.get(cur)\n    r.set(cur, old)\n    cur = None",
    "def f(key):\n    if key:\n        old = r.get(key)\n    else:\n        key = 'bank:x'\n    r.set(key, old)",
    "def f(self):\n    self.key = make()\n    old = r.get(self.key)\n    r.set(self.key, old)\n    self.key = None",
]


@pytest.mark.parametrize("source", ONE_KEY)
def test_a_key_is_one_where_a_name_of_it_is_not_bound_between_its_uses(source: str) -> None:
    assert of_one_mode(source) == [("lost-update", True)]


TWO_KEYS = [
    updated('key = f"bank:{user}"', between="user = other", written='f"bank:{user}"'),
    updated('key = f"bank:{user}"\nuser = other', written='f"bank:{user}"'),
    updated("key = user", between='key += ":backup"'),
    updated("key = user", between="key = other"),
    updated("key = user", between="for key in users:\n    r.set(key, old)\n    break", written="other"),
    updated("key = user", between="if other:\n    key = other\n    r.set(key, old)\n    return", written="user[1:]"),
    updated("key = user", between="with lock:\n    key = other"),
    "def f(self):\n    old = r.get(self.key)\n    self.key = make()\n    r.set(self.key, old)",
    "key = user\ndef f():\n    r.set(f'{key}:a', 1)\n    old = r.get(key)\n    r.set('key', old)",
    "def f(users):\n    for user in users:\n        old = r.get(user)\n        user = pick()\n        r.set(user, old)",
]


@pytest.mark.parametrize("source", TWO_KEYS)
def test_a_key_is_another_one_where_a_name_of_it_is_bound_between_its_uses(source: str) -> None:
    assert of_one_mode(source) == []


PERHAPS_ONE_KEY = [
    updated("key = user", between="if other:\n    key = other"),
    updated("key = user", between="for key in users:\n    print(key)"),
    updated("key = user", between="try:\n    key = other\nexcept KeyError:\n    pass"),
    updated("key = user", between="def g():\n    nonlocal key\n    key = other"),
    updated("key = make(user)", between="key = make(user)"),
    "for each in users:\n    olds.append(r.get(each))\nfor each in users:\n    r.set(each, 1)",
    "key = other\nwhile True:\n    old = r.get(key)\n    if old:\n        break\n    key = key[1:]\nr.set(key, old)",
    "old = [r.get(each) for each in users]\n[r.set(each, 1) for each in users]",
]


@pytest.mark.parametrize("source", PERHAPS_ONE_KEY)
def test_a_key_that_may_be_another_one_on_the_way_to_its_second_use_is_a_hint(source: str) -> None:
    assert of_one_mode(source) == [("lost-update", False)]


@pytest.mark.parametrize(("between", "is_hint"), [("user = None", False), ("if other:\n        user = other", True)])
def test_a_key_is_watched_only_by_what_it_is_made_of_where_it_is_watched(between: str, is_hint: bool) -> None:
    source = f"""
def pay(user, other):
    with r.pipeline() as pipe:
        pipe.watch(f"bank:{{user}}")
        {between.replace("    ", "            ", 1)}
        old = int(pipe.get(f"bank:{{user}}"))
        pipe.multi()
        pipe.set(f"bank:{{user}}", old - 5)
        pipe.execute()
"""
    assert of_one_mode(source) == [("lost-update", not is_hint)]


def test_a_write_to_what_may_be_the_same_key_makes_what_was_read_before_it_a_hint() -> None:
    source = updated("key = user", between="name = key\nif other:\n    key = other\nr.set(key, 1)", written="name")
    assert of_one_mode(source) == [("lost-update", False)] * 2


def test_a_text_that_is_written_out_is_not_the_variable_of_that_name() -> None:
    assert of_one_mode('r.set("user", r.get(user))') == []


@pytest.mark.parametrize(
    "source",
    [
        "def f(key):\n    key = f'{key}:a'\n    r.setnx(key, 1)",
        "def f(rows):\n    for row in rows:\n        key = f'{key}:a'\n        r.setnx(key, 1)",
        "key = f'{other}:a'\nother = f'{key}:b'\nr.setnx(key, 1)",
        "key = f'{key}:a'.format(1) + 'b'\nr.setnx(key, 1)",
    ],
)
def test_a_key_that_is_made_of_itself_begins_with_nothing_that_is_known(source: str) -> None:
    assert [call.keys[0].prefix for call in program(source).calls] == [None]


def test_a_name_of_one_function_is_not_that_of_another() -> None:
    source = """
    def one():
        key = "bank:a"

    def other(key):
        r.set("bank:a", int(r.get(key)) + 1)

    def further():
        r.set(key, int(r.get("bank:a")) + 1)
    """
    assert unsafe(source) == hints(source) == []


def test_keys_that_are_watched_as_a_list_that_is_written_out_are_these() -> None:
    source = RIGHT.replace('watch(f"bank:{user}")', 'watch(*["bank:x", other])')
    assert unsafe(source.replace("user}", "x}")) == ["lost-update"]
    assert unsafe(source.replace('f"bank:{user}"', '"bank:x"')) == []


def test_what_one_pipeline_queues_is_one_transaction() -> None:
    assert unsafe('pipe = r.pipeline()\npipe.set("bank:k", 1)\npipe.expire("bank:k", 5)\npipe.execute()') == []
    plain = 'pipe = r.pipeline(transaction=False)\npipe.set("bank:k", 1)\npipe.expire("bank:k", 5)\npipe.execute()'
    assert unsafe(plain) == ["deadline-apart"]


BOTH = """
    with r.pipeline({0}) as p:
        p.set("bank:k", 1)
        p.expire("bank:k", 5)
        p.execute()
"""


def test_each_function_has_pipelines_of_its_own_though_their_names_are_the_same() -> None:
    right, wrong = BOTH.format(""), BOTH.format("transaction=False")
    for one, other in ((right, wrong), (wrong, right)):
        assert unsafe(f"def f():{one}\ndef g():{other}") == ["deadline-apart"]
        assert unsafe(f"def f():{one}{other}") == ["deadline-apart"]
        places = {each.place for each in findings(f"def f():{one}\ndef g():{other}") if each.is_unsafe}
        assert places == {"app.py:6" if one is wrong else "app.py:12"}
    assert unsafe(f"def f():{right}def g():{right}def h(p):\n    p.set('bank:j', 1)\n    p.expire('bank:j', 5)") == []
    assert unsafe("def f():" + BOTH.format("False")) == ["deadline-apart"]


def test_a_pipeline_that_is_told_multi_is_a_transaction_whatever_it_was_made_for() -> None:
    source = RIGHT.replace("r.pipeline()", "r.pipeline(transaction=False)")
    assert unsafe(source) == []
    assert unsafe(source.replace("pipe.multi()", "pass")) == ["lost-update"]
    assert unsafe(source + '        pipe.set("bank:k", 1)\n        pipe.expire("bank:k", 5)\n') == ["deadline-apart"]


def test_functions_keep_orders_of_their_own() -> None:
    assert unsafe('def a():\n    r.get("bank:k")\ndef b():\n    r.set("bank:k", 1)') == []


APART = [
    """
    def f(op):
        if op == "get":
            return r.get("bank:k")
        else:
            r.set("bank:k", 1)
    """,
    """
    def f(op):
        if op == "get":
            return r.get("bank:k")
        r.set("bank:k", 1)
    """,
    """
    def f(op):
        while True:
            if op == "get":
                return r.get("bank:k")
            else:
                r.set("bank:k", 1)
    """,
    """
    def f(op):
        match op:
            case "get":
                return r.get("bank:k")
            case "set":
                r.set("bank:k", 1)
    """,
    """
    def f(op):
        print(r.get("bank:k") if op == "get" else r.set("bank:k", 1))
    """,
    """
    def f():
        try:
            work()
        except ValueError:
            print(r.get("bank:k"))
        except KeyError:
            r.set("bank:k", 1)
    """,
]


@pytest.mark.parametrize("source", APART)
def test_what_stands_in_another_branch_does_not_come_after(source: str) -> None:
    assert "lost-update" not in unsafe(source) + hints(source)


TOGETHER = [
    """
    def f(op):
        if op == "get":
            value = r.get("bank:k")
        r.set("bank:k", value)
    """,
    """
    def f(op):
        if r.get("bank:k"):
            return
        else:
            r.set("bank:k", 1)
    """,
    """
    def f(op):
        if op:
            value = r.get("bank:k")
            r.set("bank:k", value)
            return
    """,
    """
    def f():
        try:
            value = r.get("bank:k")
        except ValueError:
            r.set("bank:k", 1)
    """,
    """
    def f():
        try:
            if ready:
                return r.get("bank:k")
        finally:
            r.set("bank:k", 1)
    """,
    """
    def f(op):
        value = r.get("bank:k")
        if op:
            return r.get("bank:k")
        r.set("bank:k", value)
    """,
]


@pytest.mark.parametrize("source", TOGETHER)
def test_what_a_branch_leads_on_to_comes_after(source: str) -> None:
    assert unsafe(source) == ["lost-update"]


def test_a_loop_that_takes_one_branch_and_then_another_is_a_hint() -> None:
    source = """
    def f(queue):
        for op in queue:
            if op == "get":
                answer(r.get("bank:k"))
            else:
                r.set("bank:k", 1)
    """
    assert "lost-update" not in unsafe(source)
    assert "lost-update" in hints(source)


TWO = "a = redis.Redis(port=1, retry=None)\nb = redis.Redis(port=2, retry=None)\n"


@pytest.mark.parametrize(
    ("lines", "is_unsafe"),
    [
        ('value = a.get("bank:k")\nb.set("bank:k", value)', False),
        ('value = a.get("bank:k")\nb.get("bank:k")\na.set("bank:k", value)', True),
        ('value = a.get("bank:k")\nwith a.pipeline() as pipe:\n    pipe.set("bank:k", value)', True),
        ('value = a.get("bank:k")\na.pipeline().set("bank:k", value)', True),
        ('value = a.get("bank:k")\nwith b.pipeline() as pipe:\n    pipe.set("bank:k", value)', False),
        ('value = a.get("bank:k")\nc = a\nredis_c = c\nredis_c.set("bank:k", value)', True),
        ('def f(pipe):\n    value = a.get("bank:k")\n    pipe.set("bank:k", value)', True),
    ],
)
def test_what_another_client_had_read_is_a_hint_for_it_may_be_of_another_server(lines: str, is_unsafe: bool) -> None:
    assert ("lost-update" in unsafe(TWO + lines)) is is_unsafe
    assert "lost-update" in unsafe(TWO + lines) + hints(TWO + lines)


LIKE_A_DICT = [
    ('r["bank:k"] = int(r["bank:k"]) + 1', ["lost-update"]),
    ('r["bank:k"] += b"x"', ["lost-update"]),
    ('value = r["bank:k"]\nr["bank:k"] = value', ["lost-update"]),
    ('if "bank:k" not in r:\n    r["bank:k"] = 1', ["lost-update"]),
    ('value = r.get("bank:k")\nr["bank:k"] = value', ["lost-update"]),
    ('r["bank:k"] = 1\nr.expire("bank:k", 5)', ["deadline-apart"]),
    ('r["shop:k"] = int(r["shop:k"]) + 1', ["lost-update-on-ap"]),
    ('c = r\nc["bank:k"] = int(c["bank:k"]) + 1', ["lost-update"]),
    ('def f(db: redis.Redis):\n    db["bank:k"] = int(db["bank:k"]) + 1', ["lost-update"]),
    ('def f(db: "redis.Redis[str] | None" = None):\n    r[f"bank:{db}"] = r[f"bank:{db}"]', ["lost-update"]),
    ('def f(db: redis.Redis | None):\n    db["bank:k"] = int(db["bank:k"]) + 1', ["lost-update"]),
    ('class A:\n    def r(self):\n        r["bank:k"] = r["bank:k"]', ["lost-update"]),
    ("""
    def f():
        global db
        db = redis.Redis(retry=None)
    def g():
        db["bank:k"] = db["bank:k"]
    """, ["lost-update"]),
    ('with redis.Redis(retry=None) as c:\n    c["bank:k"] = c["bank:k"]', ["lost-update"]),
    ("""
    class Bank:
        def __init__(self, url):
            self.store = redis.from_url(url, retry=None)
        def pay(self, user):
            self.store[f"bank:{user}"] = int(self.store[f"bank:{user}"]) - 1
    """, ["lost-update"]),
    ("""
    class Bank:
        def __init__(self, store: redis.Redis):
            self.store = store
        def pay(self, user):
            self.store[f"bank:{user}"] = int(self.store[f"bank:{user}"]) - 1
    """, ["lost-update"]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), LIKE_A_DICT)
def test_a_client_that_is_used_like_a_dict_sends_commands(source: str, expected: list[str]) -> None:
    assert unsafe(source) == expected


def test_a_subscript_that_is_deleted_is_del_and_in_is_exists() -> None:
    calls = program('value = r["bank:k"]\ndel r["bank:k"], r["bank:l"]\nprint("bank:k" in r)').calls
    assert [(call.name, call.keys[0].text) for call in calls] == [
        ("get", "bank:k"),
        ("del", "bank:k"),
        ("del", "bank:l"),
        ("exists", "bank:k"),
    ]
    assert "taken-twice" in hints('value = r["bank:k"]\ndel r["bank:k"]')


WRONG = 'x["bank:k"] = x["bank:k"] + 1'

DICTS = [
    WRONG.replace("x", "redis_config"),
    'redis_config = {"bank:k": 1}\n' + WRONG.replace("x", "redis_config"),
    "def f(rows):\n    for r in rows:\n        " + WRONG.replace("x", "r"),
    "def f(rows):\n    return [r['bank:k'] for r in rows], [r.update(a=1) for r in rows if 'bank:k' in r]",
    "def f(r):\n    " + WRONG.replace("x", "r"),
    "def f(r: dict[str, redis.Redis]):\n    " + WRONG.replace("x", "r"),
    "def f():\n    r = {}\n    " + WRONG.replace("x", "r"),
    "def f():\n    r = requests.get(url).json()\n    " + WRONG.replace("x", "r"),
    "def f():\n    with open(path) as r:\n        " + WRONG.replace("x", "r"),
    "def f():\n    a, r = r.get('bank:j'), {}\n    " + WRONG.replace("x", "r"),
    "def f(big):\n    r = {} if big else redis.Redis()\n    " + WRONG.replace("x", "r"),
    "clients = [redis.Redis(retry=None)]\n" + WRONG.replace("x", "clients"),
    "answer = r.hgetall('bank:h')\n" + WRONG.replace("x", "answer"),
    "client = pymongo.MongoClient()\n" + WRONG.replace("x", "client"),
    "self.redis = {}\n" + WRONG.replace("x", "self.redis"),
    "self.db = redis.Redis(retry=None)\nself.db = {}\n" + WRONG.replace("x", "self.db"),
    "pair: redis.Redis[bytes] | None = None\nprint('bank:k' in str(r), 'bank:k' in [r])",
    "f = lambda r: r['bank:k']\ng = lambda r: r.update({'bank:k': f(r)})",
    "broker = Broker.from_url(url)\n" + WRONG.replace("x", "broker"),
    "def f():\n    import config as r\n    " + WRONG.replace("x", "r"),
    "try:\n    store = redis.Redis(retry=None)\nexcept OSError:\n    from fallback import store\n"
    + WRONG.replace("x", "store"),
    "def f():\n    def r():\n        pass\n    " + WRONG.replace("x", "r"),
    "def f():\n    class r:\n        pass\n    " + WRONG.replace("x", "r"),
    "def f():\n    global r\n    r = {}\ndef g():\n    " + WRONG.replace("x", "r"),
    "def f():\n    c = r\n    def g():\n        nonlocal c\n        c = {}\n    g()\n    " + WRONG.replace("x", "c"),
    "def f(v):\n    match v:\n        case {'a': 1, **r}:\n            " + WRONG.replace("x", "r"),
    "def f(v):\n    match v:\n        case [*r]:\n            " + WRONG.replace("x", "r"),
    "def f(rows):\n    print([(r := {}) for row in rows])\n    " + WRONG.replace("x", "r"),
]


@pytest.mark.parametrize("source", DICTS)
def test_subscripts_of_what_may_be_no_client_are_none_of_ours(source: str) -> None:
    calls = program(source).calls
    assert not [call for call in calls if "bank:k" in {key.text for key in call.keys}]


def test_a_watched_pipeline_that_is_used_like_a_dict_is_right() -> None:
    source = """
    with r.pipeline() as pipe:
        pipe.watch("bank:k")
        old = int(pipe["bank:k"])
        pipe.multi()
        pipe["bank:k"] = old - 5
        pipe.execute()
    """
    assert unsafe(source) == []
    assert unsafe(source.replace('pipe.watch("bank:k")', "pass").replace("pipe[", "r[")) == ["lost-update"]


def test_a_source_that_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        read_python("def f(:", "app.py")


def test_this_projects_own_tests_can_be_read() -> None:
    assert read_python(Path(__file__).read_text(), "test_python.py").calls == ()
