"""Mutation testing: change one operator, constant, argument or statement of a module and see whether a test fails.

    python tests/mutate.py analogrnn/mapping/*.py --sample 150 -- tests/mapping

Each mutant runs in a forked process in which only the changed module differs; no file is written. A change inside a
function is tried with the tests that reach its line, the fast ones first. For any other change (a table, a default, a
decorator) everything is imported afresh and all the tests that were selected run. Words of messages, docstrings and
annotations are left as they are. Prints what survives. POSIX only; needs the package `coverage`.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import importlib.machinery
import json
import math
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import coverage
import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMORY = 8 << 30  # of one process
SCREEN = os.dup(2)  # forked processes are silent, but for what `log` writes
QUIET = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
NEVER, FAILED, PASSED = "never reached", "killed", "survived"
ELSEWHERE = "not a plain function: to be imported afresh"

COMPARE: dict[type, tuple[type, ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.MatMult: ast.Mult,
}
PAIRS = ("min max", "any all", "minimum maximum", "floor ceil", "zeros ones", "argmin argmax", "zeros_like ones_like")
NAMES = {a: b for pair in PAIRS for a, b in (pair.split(), reversed(pair.split()))}


@dataclass(frozen=True)
class Mutant:
    """One change of the module at `path`, and the changed tree."""

    path: Path
    kind: str
    owner: str  # qualified name of the outermost function, "" at the level of the module or of a class
    lines: tuple[int, int]  # of which a test must reach one to see the change
    text: str  # the statement before and after
    tree: ast.Module


# ---------------------------------------------------------------- which changes there are


def replacements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The changes of one node: (kind, what takes its place)."""
    for changes in (_of_operators, _of_values, _of_statements, _of_calls):
        yield from changes(node)


def _of_operators(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    new: Any = copy.deepcopy(node)
    match node:
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for other in COMPARE[type(op)]:
                    changed = copy.deepcopy(node)
                    changed.ops[i] = other()
                    yield "comparison", changed
        case ast.BinOp() | ast.AugAssign() if type(node.op) in ARITHMETIC:
            new.op = ARITHMETIC[type(node.op)]()
            yield "operator", new
        case ast.BoolOp():
            new.op = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
            yield "and / or", new
        case ast.UnaryOp(op=ast.USub() | ast.Not() | ast.Invert()):
            yield "sign or not", new.operand


def _of_values(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    new: Any = copy.deepcopy(node)
    match node:
        case ast.Constant(value=bool()):
            yield "constant", ast.Constant(not node.value)
        case ast.Constant(value=int(number)):
            yield "constant", ast.Constant(number + 1)
        case ast.Constant(value=float(number)):
            yield "constant", ast.Constant(2 * number if number else 1.0)
        case ast.Constant(value=str(text)):
            # the polarity of a transistor, or any other word
            yield "text", ast.Constant({"n": "p", "p": "n"}.get(text, text + "_"))
        case ast.Name(id=name) if name in NAMES:
            yield "name", ast.Name(NAMES[name], node.ctx)
        case ast.Attribute(attr=name) if name in NAMES:
            new.attr = NAMES[name]
            yield "name", new


def _of_statements(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    new: Any = copy.deepcopy(node)
    match node:
        case ast.If() | ast.While() | ast.IfExp():
            new.test = ast.UnaryOp(ast.Not(), new.test)
            yield "condition", new
        case ast.Return(value=ast.expr()) if not _is_none(node.value):
            yield "return", ast.Return(ast.Constant(None))
        case ast.Raise():
            yield "refusal left out", ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield "call left out", ast.Pass()
        case ast.ExceptHandler(type=ast.Tuple(elts=caught)):
            for i in range(len(caught)):
                changed = copy.deepcopy(node)
                assert isinstance(changed.type, ast.Tuple)
                del changed.type.elts[i]
                yield "exception", changed


def _of_calls(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if not isinstance(node, ast.Call):
        return
    for i, keyword in enumerate(node.keywords):
        if keyword.arg and keyword.arg != "strict":  # the lengths of a zip are equal anyway
            changed = copy.deepcopy(node)
            del changed.keywords[i]
            yield "argument left out", changed
    if len(node.args) == 2 and not any(isinstance(x, ast.Starred) for x in node.args):
        changed = copy.deepcopy(node)
        changed.args.reverse()
        yield "arguments swapped", changed


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def places(tree: ast.Module) -> Iterator[tuple[list[Any], str, tuple[int, int]]]:
    """Each node that may change: its path of fields, the outermost function around it, and its lines."""

    def walk(node: ast.AST, path: list[Any], owner: tuple[str, bool], start: int, message: bool) -> Iterator[Any]:
        name, inside = owner
        if isinstance(node, ast.stmt):
            start = node.lineno
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not inside:
            name = f"{name}.{node.name}".lstrip(".")
        message = message or isinstance(node, ast.Raise | ast.JoinedStr)
        if path and not (message and isinstance(node, ast.Constant) and isinstance(node.value, str)):
            end = start if isinstance(node, ast.stmt) else getattr(node, "end_lineno", start)
            yield path, name if inside else "", (start, end)
        for field, value in ast.iter_fields(node):
            strict = isinstance(node, ast.keyword) and node.arg == "strict"
            if strict or field in ("annotation", "returns", "type_params", "format_spec", "bases"):
                continue
            enters = inside or (isinstance(node, ast.FunctionDef) and field == "body")
            for i, child in enumerate(value if isinstance(value, list) else [value]):
                docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
                if isinstance(child, ast.AST) and not docstring:
                    step = (field, i if isinstance(value, list) else None)
                    yield from walk(child, [*path, step], (name, enters), start, message)

    yield from walk(tree, [], ("", False), 1, False)


def at(tree: ast.AST, path: list[Any]) -> Any:
    """The node that a path of fields leads to."""
    node: Any = tree
    for field, i in path:
        node = getattr(node, field) if i is None else getattr(node, field)[i]
    return node


def mutants(module: Path) -> Iterator[Mutant]:
    """All mutants of a module, in the order of its text."""
    tree = ast.parse(module.read_text())
    for path, owner, lines in places(tree):
        ends = [n for n in range(len(path) + 1) if isinstance(at(tree, path[:n]), ast.stmt | ast.ExceptHandler)]
        statement = path[: ends[-1]]
        for kind, new in replacements(at(tree, path)):
            changed = copy.deepcopy(tree)
            parent, (field, i) = at(changed, path[:-1]), path[-1]
            if i is None:
                setattr(parent, field, new)
            else:
                getattr(parent, field)[i] = new
            ast.fix_missing_locations(changed)
            before, after = (_text(at(x, statement)) for x in (tree, changed))
            yield Mutant(module, kind, owner, lines, f"- {before}\n    + {after}", changed)


def _text(statement: ast.AST) -> str:
    head = copy.deepcopy(statement)
    if hasattr(head, "body"):
        head.body = [ast.Expr(ast.Constant(...))]
        for field in ("orelse", "finalbody", "handlers"):
            if hasattr(head, field):
                setattr(head, field, [])
    return " ".join(ast.unparse(head).split())


# ---------------------------------------------------------------- how a mutant is run


def in_a_fork(job: Callable[[], str]) -> str:
    """The text that `job` returns in a forked process of its own, or "killed" when it crashes or never ends."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        with contextlib.suppress(BaseException):
            os.setpgid(0, 0)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            with os.fdopen(write, "w") as out:
                out.write(job())
            code = 0
        os._exit(code)
    os.close(write)
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)

    with os.fdopen(read) as found:
        text = found.read()
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    return text if status == 0 else FAILED


def limit(seconds: float) -> None:
    """Bound the processor time (30 times that in all) that this process may use from now on, and its memory."""
    end = math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]) + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(30.0 * seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def codes(code: CodeType) -> Iterator[CodeType]:
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield item
            yield from codes(item)


def exchange(mutant: Mutant) -> bool:
    """Give the function that the mutant changes its changed code. False where the function isn't found."""
    compiled = {item.co_qualname: item for item in codes(compile(mutant.tree, str(mutant.path), "exec"))}
    found: Any = importlib.import_module(".".join(mutant.path.relative_to(ROOT).with_suffix("").parts))
    for name in mutant.owner.split("."):
        found = vars(found).get(name)
        if found is None:
            return False
    found = next((x for key in ("fget", "func", "__func__") if (x := getattr(found, key, None))), found)
    while hasattr(found, "__wrapped__"):
        found = found.__wrapped__
    new = compiled.get(mutant.owner)
    if not hasattr(found, "__code__") or new is None or found.__code__.co_freevars != new.co_freevars:
        return False
    found.__code__ = new
    return True


class Repeatable:
    """A pytest plugin: hypothesis draws the same examples for each mutant, and doesn't make a failure small."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile(
            "mutate", max_examples=20, derandomize=True, deadline=None, database=None, phases=phases
        )
        hypothesis.settings.load_profile("mutate")


class Loop(Repeatable):
    """A pytest plugin that runs the collected tests once, then mutant after mutant with the tests that reach it."""

    def __init__(self, todo: list[Mutant], report: Callable[[int, str], None]) -> None:
        self.todo, self.report, self.failed = todo, report, False
        self.paths = sorted({str(mutant.path) for mutant in todo})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    def run(self, items: list[tuple[float, pytest.Item]]) -> str:
        for seconds, item in items:
            limit(4.0 + 10.0 * seconds)  # a change may make a loop endless
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self.failed:
                return FAILED
        return PASSED

    def baseline(self, items: list[pytest.Item]) -> str:
        """Seconds of each test, and the tests that reach each line, as JSON."""
        limit(1800.0)
        cover = coverage.Coverage(data_file=None, include=self.paths, config_file=False)
        cover.start()
        seconds = []
        for n, item in enumerate(items):
            cover.switch_context(str(n))
            start = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            seconds.append(time.process_time() - start)
            if self.failed:
                return json.dumps({"failed": item.nodeid})
        cover.stop()
        reached = {path: cover.get_data().contexts_by_lineno(path) for path in self.paths}
        return json.dumps({"seconds": seconds, "lines": reached})

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        start = time.time()
        text = in_a_fork(lambda: self.baseline(session.items))
        known = json.loads(text) if text != FAILED else {"failed": "the tests unchanged"}
        if "failed" in known:
            raise pytest.UsageError(f"{known['failed']} fails without any change.")
        log(f"{len(session.items)} tests, {sum(known['seconds']):.0f} s of processor, {time.time() - start:.0f} s")
        for n, mutant in enumerate(self.todo):
            if not mutant.owner:
                continue
            reached, (first, last) = known["lines"][str(mutant.path)], mutant.lines
            chosen = {int(i) for line in range(first, last + 1) for i in reached.get(str(line), ()) if i}
            tests = sorted(((known["seconds"][i], session.items[i]) for i in chosen), key=lambda pair: pair[0])

            def job(mutant: Mutant = mutant, tests: list[tuple[float, pytest.Item]] = tests) -> str:
                return self.run(tests) if exchange(mutant) else ELSEWHERE

            result = in_a_fork(job) if tests else NEVER
            if result != ELSEWHERE:
                self.report(n, result)
        return True


def afresh(path: Path, tree: ast.Module, arguments: list[str]) -> str:
    """Import everything with the changed module in its place, and run all the tests until one fails."""
    limit(300.0)
    get_code = importlib.machinery.SourceFileLoader.get_code

    def changed(self: Any, name: str) -> CodeType | None:
        if Path(self.path) == path:
            return compile(tree, str(path), "exec")
        return get_code(self, name)

    importlib.machinery.SourceFileLoader.get_code = changed  # type: ignore[method-assign]
    code = pytest.main([*arguments, "-x", *QUIET], plugins=[Repeatable()])
    return PASSED if code == pytest.ExitCode.OK else FAILED


def log(text: str) -> None:
    os.write(SCREEN, f"{text}\n".encode())


def show(mutant: Mutant, result: str) -> None:
    if result != FAILED:
        log(f"{mutant.path.name}:{mutant.lines[0]} [{mutant.kind}] {result}\n    {mutant.text}")


def main() -> None:
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    parser = argparse.ArgumentParser(description="Mutation testing; what follows -- goes to pytest.")
    parser.add_argument("modules", nargs="+", type=Path)
    parser.add_argument("--sample", type=int, help="try so many of the mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    options, tests = parser.parse_args(sys.argv[1:split]), sys.argv[split + 1 :]
    possible = [mutant for module in options.modules for mutant in mutants(module.resolve())]
    chosen = range(len(possible))
    if options.sample and options.sample < len(possible):
        chosen = sorted(random.Random(options.seed).sample(chosen, options.sample))  # noqa: S311 (no secrets here)
    todo = [possible[n] for n in chosen]
    outcome: dict[int, str] = {}

    def found(n: int, result: str) -> None:
        outcome[n] = result
        show(todo[n], result)

    def first_pass() -> str:
        code = pytest.main([*tests, *QUIET], plugins=[Loop(todo, found)])
        return json.dumps(outcome if code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) else None)

    text = in_a_fork(first_pass)
    if text == FAILED or json.loads(text) is None:
        raise SystemExit("the tests were not found, or one fails without any change.")
    outcome = {int(n): result for n, result in json.loads(text).items()}
    rest = [n for n in range(len(todo)) if n not in outcome]
    if rest and in_a_fork(lambda: afresh(todo[0].path, ast.parse(todo[0].path.read_text()), tests)) != PASSED:
        raise SystemExit("imported afresh, the tests fail without any change.")
    for n in rest:
        found(n, in_a_fork(lambda n=n: afresh(todo[n].path, todo[n].tree, tests)))  # type: ignore[misc]
    log(f"{len(possible)} possible, {len(todo)} tried: {dict(Counter(outcome.values()))}")


if __name__ == "__main__":
    main()
