"""Checks a proof that gradient descent converges on one network, with integers alone.

Run it as ``python checker.py certificate.json``. It needs Python and nothing else, takes nothing
on trust from the program that wrote the file, and computes everything anew from the network,
its parameters and the data in the file.

How to read it. A number x is held as an integer X with ``|x - X/2**bits| <= e/2**bits``, e an
integer that is carried along (one e for a whole array). Scalars that bound something from above
are integers rounded up. The parts, in order: 1 reading the file, 2 arithmetic, 3 functions,
4 operations of a network, 5 values and adjoints, 6 eigenvalues, 7 the second derivative on a
ball, 8 the theorem, 9 the command. The statements and proofs behind each inequality are in
docs/theory/certificates.md, cited as [C 1] and so on.

Exit code: 0 accepted, 1 an inequality fails, 2 the file is malformed or too large.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import isqrt, prod
from operator import mul
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = "govcheck-certificate"
VERSION = 1
MAX_BYTES = 16 * 2**20
MAX_NODES = 1024
MAX_ROWS = 4096  # samples times outputs
MAX_WORK = 10**9  # integer multiplications, unless the caller allows more
MAX_HELD = 10**7  # numbers of 256 bits in memory at a time
MAX_NUMBERS = 10**6  # of one sample at a node; that all windows of a file read
BITS = (64, 4096)
LARGEST = 2**20  # of a value that enters an activation
MAX_STEPS = 10**6
MAX_REAL = 2**128  # of a number in the file
MAX_SIZE = 256  # bits before the point of any number that is computed

Ints = list[int]
Rows = list[Ints]


class FailedError(Exception):
    """Something that the proof needs does not hold."""


class MalformedError(Exception):
    """The file is no certificate."""


# ---------------------------------------------------------------------------------------
# 1. Reading. Every key, type, shape, range and digit is checked before any is used.
# ---------------------------------------------------------------------------------------

_HEX = re.compile(r"-?0x[01]\.[0-9a-f]{1,13}p[+-][0-9]{1,4}", re.ASCII)
_NAME = re.compile(r"[ -~]{1,200}", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{64}", re.ASCII)


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("a key occurs twice in one object")
    return found


def _small_int(text: str) -> int:
    if len(text) > 10:
        raise MalformedError(f"an integer has {len(text)} digits")
    return int(text)


def _no_number(text: str) -> Any:
    raise MalformedError(f"{text[:20]!r} is not written as an integer or a hexadecimal float")


def read(text: bytes) -> dict[str, Any]:
    """The JSON object in a file; only objects, lists, strings, booleans, null, short integers."""
    if len(text) > MAX_BYTES:
        raise MalformedError(f"the file has more than {MAX_BYTES} bytes")
    try:
        found = json.loads(text.decode("utf-8"), object_pairs_hook=_no_twins,
                           parse_int=_small_int, parse_float=_no_number,
                           parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"this is no JSON: {str(error)[:100]}") from None
    if not isinstance(found, dict):
        raise MalformedError("the file holds no object")
    return found


def load(path: str) -> dict[str, Any]:
    """`read` a file, however long it is."""
    with Path(path).open("rb") as file:
        return read(file.read(MAX_BYTES + 1))


def keys(at: Any, where: str, names: str, optional: str = "") -> dict[str, Any]:
    """An object with exactly these keys (and maybe the optional ones)."""
    if not isinstance(at, dict):
        raise MalformedError(f"{where} is not an object")
    wanted = names.split()
    extra = set(at) - set(wanted) - set(optional.split())
    missing = set(wanted) - set(at)
    if extra or missing:
        raise MalformedError(f"{where}: " + (f"no key {sorted(missing)[0]!r}" if missing
                                        else f"unknown key {sorted(extra)[0][:40]!r}"))
    return at


def integer(x: Any, where: str, low: int, high: int) -> int:
    """An integer within a range; true and false are none."""
    if type(x) is not int or not low <= x <= high:
        raise MalformedError(f"{where} is not an integer from {low} to {high}")
    return x


def word(x: Any, where: str) -> str:
    """A short printable name."""
    if not isinstance(x, str) or not _NAME.fullmatch(x):
        raise MalformedError(f"{where} is not a short name")
    return x


def real(x: Any, where: str) -> float:
    """A finite float64 written as ``float.hex`` writes it, so that no two texts mean the same."""
    if not isinstance(x, str) or not _HEX.fullmatch(x):
        raise MalformedError(f"{where} is not a hexadecimal float")
    try:
        value = float.fromhex(x)
    except OverflowError:
        raise MalformedError(f"{where} is out of range") from None
    if value.hex() != x or not -MAX_REAL < value < MAX_REAL:
        raise MalformedError(f"{where} is not a hexadecimal float in its only form below 2**128")
    return value


def exact(x: Any, where: str) -> Fraction:
    """The number that a hexadecimal float means."""
    return Fraction(real(x, where))


def positive(x: Any, where: str) -> Fraction:
    """A number above 2**-900."""
    value = exact(x, where)
    if value <= Fraction(1, 2**900):
        raise MalformedError(f"{where} is not positive")
    return value


def epsilon(x: Any, where: str) -> Fraction:
    """What normalisations add below the root, neither tiny nor huge."""
    value = positive(x, where)
    if not Fraction(1, 2**30) <= value <= 2**30:
        raise MalformedError(f"{where} is out of range")
    return value


class Array(NamedTuple):
    """Floats in the order of C, with their shape."""

    shape: tuple[int, ...]
    values: list[float]

    def sha256(self) -> str:
        """Of the values as little-endian float64."""
        return hashlib.sha256(struct.pack(f"<{len(self.values)}d", *self.values)).hexdigest()


def array(at: Any, where: str) -> Array:
    """An array with its shape and the hash of its bytes."""
    keys(at, where, "shape values sha256")
    if not isinstance(at["shape"], list) or len(at["shape"]) > 8:
        raise MalformedError(f"{where}: shape is not a short list")
    shape = tuple(integer(n, f"{where}: a dimension", 1, MAX_NUMBERS) for n in at["shape"])
    if not isinstance(at["values"], list) or len(at["values"]) != prod(shape):
        raise MalformedError(f"{where}: values is not a list of {prod(shape)} numbers")
    found = Array(shape, [real(v, where) for v in at["values"]])
    if not isinstance(at["sha256"], str) or not _SHA.fullmatch(at["sha256"]):
        raise MalformedError(f"{where}: sha256 is not a hash")
    if found.sha256() != at["sha256"]:
        raise MalformedError(f"{where}: the values do not have the hash that the file says")
    return found


# ---------------------------------------------------------------------------------------
# 2. Arithmetic
# ---------------------------------------------------------------------------------------


def show(x: Fraction) -> str:
    """A number for people; only the text depends on floats."""
    if not -(2**1000) < x < 2**1000:
        return "a number beyond 2**1000"
    return f"{float(x):.9g}"


class Grid:
    """Integers that stand for multiples of ``2**-bits``; every result is rounded up."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.one = 1 << bits

    def up(self, x: Fraction) -> int:
        """The least multiple that is at least x."""
        return -((-x.numerator << self.bits) // x.denominator)

    def down(self, x: Fraction) -> int:
        """The greatest multiple that is at most x."""
        return (x.numerator << self.bits) // x.denominator

    def floats(self, values: Sequence[float]) -> tuple[Ints, int]:
        """Multiples below the numbers, and the error: 0 if all are exact, else 1."""
        found, error = [], 0
        for value in values:
            top, bottom = value.as_integer_ratio()
            q, rest = divmod(top << self.bits, bottom)
            found.append(q)
            error = error or (1 if rest else 0)
        return found, error

    def times(self, *factors: int) -> int:
        """Product of bounds."""
        result = self.one
        for f in factors:
            result = -((-result * f) >> self.bits)
        return self.held(result)

    def held(self, x: int) -> int:
        """The number, if it is not too long to go on with."""
        if x.bit_length() > self.bits + MAX_SIZE:
            raise FailedError(f"a bound is above 2**{MAX_SIZE}")
        return x

    def root(self, x: int) -> int:
        """Square root of a bound."""
        return isqrt(x << self.bits) + 1 if x > 0 else 0

    def over(self, a: int, b: int) -> int:
        """Quotient of an upper bound and a lower bound b > 0."""
        return -((-a << self.bits) // b)

    def length(self, *parts: int) -> int:
        """Root of the sum of squares of bounds."""
        return isqrt(sum(p * p for p in parts)) + 1 if any(parts) else 0

    def show(self, x: int) -> str:
        """For people."""
        return show(Fraction(x, self.one))


def dot(a: Ints, b: Ints) -> int:
    """Sum of products, exactly, in multiples of the square of the grid."""
    return sum(map(mul, a, b))


def weight_of(a: Ints) -> int:
    """Sum of absolute values."""
    return sum(map(abs, a))


def heaviest(rows: Rows) -> int:
    """Largest sum of absolute values of a row."""
    return max(map(weight_of, rows), default=0)


def largest(rows: Rows) -> int:
    """Largest absolute value."""
    return max((max(max(r), -min(r)) for r in rows if r), default=0)


class Balls(NamedTuple):
    """An array given by rows, each entry within `error` multiples of the number it stands for."""

    rows: Rows
    error: int

    def flipped(self) -> Balls:
        """The transpose."""
        return Balls([list(c) for c in zip(*self.rows)], self.error)


def dot_error(g: Grid, n: int, a: int, ea: int, b: int, eb: int) -> int:
    """Error of a product sum of n terms, rounded down to the grid.

    a, b: bounds of the sums of absolute values of the two vectors, ea, eb: their errors.
    """
    return (ea * b + eb * a + n * ea * eb >> g.bits) + 2


def times_balls(g: Grid, a: Balls, b: Balls) -> Balls:
    """Product entry by entry."""
    error = (a.error * largest(b.rows) + b.error * largest(a.rows) + a.error * b.error
             >> g.bits) + 2
    return Balls([[x * y >> g.bits for x, y in zip(r, s)] for r, s in zip(a.rows, b.rows)], error)


def gram(g: Grid, a: Balls) -> Balls:
    """``a a^T``, the upper half mirrored."""
    rows, n = a.rows, len(a.rows)
    found = [[0] * n for _ in range(n)]
    for i in range(n):
        row = rows[i]
        for j in range(i + 1):
            found[i][j] = found[j][i] = dot(row, rows[j]) >> g.bits
    most = heaviest(rows)
    return Balls(found, dot_error(g, len(rows[0]), most, a.error, most, a.error))


def norm(g: Grid, row: Ints, error: int) -> int:
    """Upper bound of the Euclidean norm of a vector."""
    return isqrt(sum(x * x for x in row)) + 1 + error * (isqrt(len(row)) + 1)


# ---------------------------------------------------------------------------------------
# 3. Functions. Inside with GUARD more bits; results have an error of at most 2 multiples.
#    Error counts are in the comments, in multiples of 2**-w; w <= 2**14.
# ---------------------------------------------------------------------------------------

GUARD = 96


def exp_minus(x: int, w: int) -> int:
    """``exp(-x)`` for x >= 0, error below 2**45."""
    if x >> w >= w:
        return 0  # exp(-w) < 2**-w
    k = max(0, x.bit_length() - w + 8)
    y = x >> k  # below 2**-8; rounding changes the result by at most 1
    total = term = 1 << w
    j = 0
    while term:
        j += 1
        term = (term * y >> w) // j  # error below 1.01 each, fewer than w/8 + 3 terms
        total += -term if j % 2 else term
    for _ in range(k):  # error e becomes at most 2 e + 2, k <= 9 + log2 w
        total = total * total >> w
    return total


def log_one_plus(e: int, w: int) -> int:
    """``log(1 + e)`` for 0 <= e <= 1, twice the area tangent of ``e/(2 + e)``; error below w."""
    u = (e << w) // ((2 << w) + e)
    square = u * u >> w
    total, term, j = 0, u, 1
    while term:  # terms fall by at least 9, each with error below 1.2
        total += term // j
        term = term * square >> w
        j += 2
    return 2 * total


_PI: dict[int, int] = {}


def pi(w: int) -> int:
    """Machin's formula, error below w."""
    if w not in _PI:
        v = w + 32

        def arctan_inverse(n: int) -> int:
            total, term, j = 0, (1 << v) // n, 1
            while term:
                total += term // j if j % 4 == 1 else -(term // j)
                term //= n * n
                j += 2
            return total

        _PI[w] = 4 * (4 * arctan_inverse(5) - arctan_inverse(239)) >> 32
    return _PI[w]


def error_function(x: int, w: int) -> tuple[int, int]:
    """``erf(x)`` and ``exp(-x^2)`` for x >= 0, errors below 2**45."""
    if 10 * (x * x >> w) >= 7 * w << w:
        return 1 << w, 0  # 1 - erf(x) <= exp(-x^2) < 2**-w as 0.7 > log 2
    v = 2 * w + 128
    y = x << (v - w)
    square = y * y >> v
    factor = exp_minus(square, v)
    # erf(x) = 2/sqrt(pi) sum_n 2^n x^(2n+1) exp(-x^2)/(2n+1)!!, all terms positive; an error of
    # exp(-x^2) grows by at most exp(x^2) < 2**(1.02 w)
    term = y * factor >> v
    total, n = 0, 0
    while term:
        total += term
        n += 1
        term = 2 * (term * square >> v) // (2 * n + 1)
    root = isqrt(pi(v) << v)
    return ((2 * total << v) // root) >> (v - w), factor >> (v - w)


Three = tuple[int, int, int]


def _tanh(x: int, w: int) -> Three:
    one = 1 << w
    e = exp_minus(2 * abs(x), w)
    t = (one - e << w) // (one + e)
    t = t if x >= 0 else -t
    slope = one - (t * t >> w)
    return t, slope, -2 * (t * slope >> w)


def _sigmoid(x: int, w: int) -> Three:
    one = 1 << w
    e = exp_minus(abs(x), w)
    s = ((one if x >= 0 else e) << w) // (one + e)
    slope = s * (one - s) >> w
    return s, slope, slope * (one - 2 * s) >> w


def _softplus(x: int, w: int) -> Three:
    s, slope, _ = _sigmoid(x, w)
    return max(x, 0) + log_one_plus(exp_minus(abs(x), w), w), s, slope


def _erf(x: int, w: int) -> Three:
    value, bell = error_function(abs(x), w)
    slope = (2 * bell << w) // isqrt(pi(w) << w)
    return value if x >= 0 else -value, slope, -2 * (x * slope >> w)


def _gelu(x: int, w: int) -> Three:
    one = 1 << w
    value, bell = error_function((abs(x) << w) // isqrt(2 << 2 * w), w)
    below = (one + (value if x >= 0 else -value)) // 2  # the normal distribution function
    density = (bell << w) // isqrt(2 * pi(w) << w)
    return (x * below >> w, below + (x * density >> w),
            density * (2 * one - (x * x >> w)) >> w)


def _identity(x: int, w: int) -> Three:
    return x, 1 << w, 0


class Function(NamedTuple):
    """Value, first and second derivative; bounds of the first three derivatives on the line."""

    at: Callable[[int, int], Three]
    slope: Fraction
    curvature: Fraction
    third: Fraction


FUNCTIONS = {  # the decimals are rounded up; closed forms in docs/theory/layer-constants.md
    "tanh": Function(_tanh, *map(Fraction, ("1", "0.769801", "2"))),
    "sigmoid": Function(_sigmoid, *map(Fraction, ("0.25", "0.096226", "0.125"))),
    "softplus": Function(_softplus, *map(Fraction, ("1", "0.25", "0.096226"))),
    "erf": Function(_erf, *map(Fraction, ("1.128380", "0.967884", "2.256760"))),
    "gelu": Function(_gelu, *map(Fraction, ("1.128905", "0.797886", "0.778772"))),
    "identity": Function(_identity, *map(Fraction, ("1", "0", "0"))),
}


def apply(g: Grid, f: Function, z: Balls) -> tuple[Balls, Balls, Rows]:
    """Values, slopes, and upper bounds of the absolute second derivative, at enclosed places."""
    w, guard = g.bits + GUARD, GUARD
    if largest(z.rows) + z.error > LARGEST << g.bits:
        raise FailedError(f"a value above {LARGEST} enters an activation")
    values, slopes, bends = [], [], []
    add = (g.up(f.third) * z.error >> g.bits) + 4
    for row in z.rows:
        found = [f.at(x << guard, w) for x in row]
        values.append([a >> guard for a, _, _ in found])
        slopes.append([b >> guard for _, b, _ in found])
        bends.append([(abs(c) >> guard) + add for _, _, c in found])
    return (Balls(values, (g.up(f.slope) * z.error >> g.bits) + 3),
            Balls(slopes, (g.up(f.curvature) * z.error >> g.bits) + 3), bends)


# ---------------------------------------------------------------------------------------
# 4. Operations of a network. Node 0 is the data, node k the result of operation k.
# ---------------------------------------------------------------------------------------


class Window(NamedTuple):
    """Which entries of a flat sample each window of an image reads; -1 stands for a zero."""

    places: list[Ints]
    out: tuple[int, ...]  # sizes of the image of windows
    uses: int  # how many windows read one entry, at most


class Node(NamedTuple):
    """One operation, checked."""

    op: str
    sources: tuple[int, ...]
    shape: tuple[int, ...]
    window: Window | None = None
    weight: str | None = None
    bias: str | None = None
    scale: Fraction = Fraction(1)
    normalise: str = "none"
    eps: Fraction = Fraction(1)
    function: str = ""
    groups: int = 1  # equal parts that a sample is normalised in

    @property
    def size(self) -> int:
        """Entries of one sample."""
        return prod(self.shape)

    @property
    def taps(self) -> int:
        """How many entries its windows read, counted as often as they are read."""
        return len(self.window.places) * len(self.window.places[0]) if self.window else 0


def windows(shape: tuple[int, ...], at: Any, where: str, each: bool, most: int) -> Window:
    """Windows on samples ``[channels, *sizes]``; `each` channel by itself, or all together.

    They read at most `most` entries, counted as often as they are read.
    """
    keys(at, where, "kernel stride padding dilation")
    axes = len(shape) - 1
    if axes not in (1, 2, 3):
        raise MalformedError(f"{where}: windows are on samples with channels and 1 to 3 sizes")
    lists = []
    for name, low in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
        length = 2 * axes if name == "padding" else axes
        if not isinstance(at[name], list) or len(at[name]) != length:
            raise MalformedError(f"{where}: {name} is not a list of {length}")
        lists.append([integer(v, f"{where}: {name}", low, 10**6) for v in at[name]])
    kernel, stride, padding, dilation = lists
    out, reads = [], []
    for a in range(axes):
        size, room = shape[a + 1], shape[a + 1] + padding[2 * a] + padding[2 * a + 1]
        extent = dilation[a] * (kernel[a] - 1) + 1
        if extent > room:
            raise MalformedError(f"{where}: the kernel does not fit")
        out.append((room - extent) // stride[a] + 1)
        if out[a] * kernel[a] > most:
            raise MalformedError(f"{where}: too many windows")
        taps = [[stride[a] * o + dilation[a] * t - padding[2 * a] for t in range(kernel[a])]
                for o in range(out[a])]
        reads.append([[i if 0 <= i < size else -1 for i in row] for row in taps])
    sizes, channels = shape[1:], shape[0]
    if prod(out) * prod(kernel) * channels > most:
        raise MalformedError(f"{where}: too many windows")
    image, step = _places(reads, sizes), prod(sizes)
    if each:
        places = [_moved(p, c * step) for c in range(channels) for p in image]
    else:
        places = [[i for c in range(channels) for i in _moved(p, c * step)] for p in image]
    count: dict[int, int] = {}
    for p in places:
        for i in p:
            if i >= 0:
                count[i] = count.get(i, 0) + 1
    return Window(places, tuple(out), max(count.values(), default=1))


def _places(reads: list[list[Ints]], sizes: tuple[int, ...]) -> list[Ints]:
    if len(reads) == 1:
        return reads[0]
    step, rest = prod(sizes[1:]), _places(reads[1:], sizes[1:])
    return [[a * step + b if a >= 0 and b >= 0 else -1 for a in rows for b in columns]
            for rows in reads[0] for columns in rest]


def _moved(places: Ints, by: int) -> Ints:
    return [i + by if i >= 0 else -1 for i in places]


def program(at: Any, inputs: tuple[int, ...], parameters: dict[str, Array]) -> list[Node]:
    """The operations; every parameter is used exactly once, with the shape it must have."""
    if not isinstance(at, list) or not 1 <= len(at) <= MAX_NODES:
        raise MalformedError(f"program is not a list of 1 to {MAX_NODES} operations")
    nodes, used, room = [Node("data", (), inputs)], [], MAX_NUMBERS

    def parameter(name: Any, where: str, *shape: int | None) -> str:
        if not isinstance(name, str) or name not in parameters:
            raise MalformedError(f"{where}: there is no parameter {str(name)[:40]!r}")
        have = parameters[name].shape
        if len(have) != len(shape) or any(n not in (None, m) for n, m in zip(shape, have)):
            raise MalformedError(f"{where}: {name} has shape {have}, not {shape}")
        used.append(name)
        return name

    for k, item in enumerate(at, 1):
        where = f"operation {k}"
        if not isinstance(item, dict) or not isinstance(item.get("op"), str) or (
                item["op"] not in OPERATIONS):
            raise MalformedError(f"{where} is none of {', '.join(OPERATIONS)}")
        op: str = item["op"]
        keys(item, where, "op from " + OPERATIONS[op], "groups" if op == "normalise" else "")
        if not isinstance(item["from"], list) or not 1 <= len(item["from"]) <= MAX_NODES:
            raise MalformedError(f"{where}: from is not a list")
        sources = tuple(integer(s, f"{where}: from", 0, k - 1) for s in item["from"])
        shapes = [nodes[s].shape for s in sources]
        first = shapes[0]
        if op not in ("sum", "concat") and len(sources) != 1:
            raise MalformedError(f"{where}: {op} takes one source")
        if op == "linear":
            nodes.append(_linear(item, where, first, sources, parameters, parameter, room))
        elif op == "activation":
            name = word(item["function"], f"{where}: function")
            if name not in FUNCTIONS:
                raise MalformedError(f"{where}: the function is none of {', '.join(FUNCTIONS)}")
            nodes.append(Node(op, sources, first, function=name))
        elif op in ("scale", "shift"):
            name = item["parameter"]
            have = parameters[name].shape if isinstance(name, str) and name in parameters else ()
            own = None if name is None and op == "scale" else parameter(
                name, where, *first[:len(have)])
            factor = exact(item["factor"], f"{where}: factor") if op == "scale" else Fraction(1)
            nodes.append(Node(op, sources, first, weight=own, scale=factor))
        elif op == "normalise":
            parts = integer(item.get("groups", 1), f"{where}: groups", 1, prod(first))
            if prod(first) % parts:
                raise MalformedError(f"{where}: the groups are not of the same size")
            nodes.append(Node(op, sources, first, eps=epsilon(item["eps"], f"{where}: eps"),
                              groups=parts))
        elif op == "average":
            found = windows(first, item["window"], where, True, room)
            nodes.append(Node(op, sources, (first[0], *found.out), found))
        elif op == "flatten":
            nodes.append(Node(op, sources, (prod(first),)))
        elif op == "merge":
            if len(first) < 2:
                raise MalformedError(f"{where}: merge takes two dimensions or more")
            nodes.append(Node(op, sources, (prod(first[:-1]), first[-1])))
        elif op == "sum":
            if len(set(shapes)) != 1:
                raise MalformedError(f"{where}: the shapes differ")
            nodes.append(Node(op, sources, first))
        else:
            if not first or len({s[1:] for s in shapes}) != 1:
                raise MalformedError(f"{where}: the shapes do not fit")
            nodes.append(Node(op, sources, (sum(s[0] for s in shapes), *first[1:])))
        if nodes[-1].size > MAX_NUMBERS:
            raise MalformedError(f"{where} is too large")
        room -= nodes[-1].taps
    if sorted(used) != sorted(parameters):
        raise MalformedError("not every parameter is used exactly once")
    return nodes


OPERATIONS = {
    "linear": "weight bias scale normalise eps window",
    "activation": "function",
    "scale": "factor parameter",
    "shift": "parameter",
    "normalise": "eps",
    "average": "window",
    "flatten": "",
    "merge": "",
    "sum": "",
    "concat": "",
}


def _linear(item: dict[str, Any], where: str, shape: tuple[int, ...], sources: tuple[int, ...],
            parameters: dict[str, Array], parameter: Callable[..., str], room: int) -> Node:
    window = None
    if item["window"] is not None:
        window = windows(shape, item["window"], where, False, room)
    elif len(shape) != 1:
        raise MalformedError(f"{where}: without a window it takes vectors")
    columns = (shape[0],) if window is None else (shape[0], *item["window"]["kernel"])
    weight = parameter(item["weight"], where, None, *columns)
    have = parameters[weight].shape
    bias = None if item["bias"] is None else parameter(item["bias"], where, have[0])
    kind = item["normalise"]
    if not isinstance(kind, str) or kind not in ("none", "rows", "entries"):
        raise MalformedError(f"{where}: normalise is none of none, rows, entries")
    if (item["eps"] is None) != (kind == "none"):
        raise MalformedError(f"{where}: eps is for normalised weights alone")
    eps = Fraction(1) if item["eps"] is None else epsilon(item["eps"], f"{where}: eps")
    out = (have[0],) if window is None else (have[0], *window.out)
    return Node("linear", sources, out, window, weight, bias,
                exact(item["scale"], f"{where}: scale"), kind, eps)


# ---------------------------------------------------------------------------------------
# 5. Values and adjoints, enclosed
# ---------------------------------------------------------------------------------------


class Weight(NamedTuple):
    """A matrix ``P(w)`` with one row for each output, and what its derivative needs."""

    matrix: Balls
    roots: Rows  # |w|-dependent roots n of P = w/n, for each entry; empty for plain
    error: int  # of the roots
    floor: int  # lower bound of the roots


def normalised(g: Grid, rows: Rows, error: int, eps: Fraction, by_entry: bool) -> Weight:
    """``w/sqrt(eps + |w|^2)`` for rows or entries w."""
    low, columns = g.down(eps), len(rows[0])
    if by_entry:
        squares = [[(x * x >> g.bits) + low for x in r] for r in rows]
    else:
        squares = [[(dot(r, r) >> g.bits) + low] for r in rows]
    roots = [[isqrt(s << g.bits) for s in row] for row in squares]
    # root n >= sqrt(eps); n^2 is off by at most off, n by off/(2 n) + 1
    least = isqrt(low << g.bits)
    off = dot_error(g, columns, heaviest(rows), error, heaviest(rows), error) + 2
    n_error = g.over(off, least) + 2
    if 4 * n_error > least:
        raise FailedError("the precision does not suffice for normalised numbers")
    floor = max(least, min(map(min, roots)) - n_error)
    wide = [r * (columns // len(r)) for r in roots]
    matrix = [[(x << g.bits) // n for x, n in zip(r, ns)] for r, ns in zip(rows, wide)]
    # |w/n| <= 1, and w/n moves by at most (error + |w/n| n_error)/n
    return Weight(Balls(matrix, g.over(error + n_error, floor) + 2), wide, n_error, floor)


def through(g: Grid, weight: Weight, by_entry: bool, rows: Rows, error: int) -> tuple[Rows, int]:
    """``(h - P <P, h>)/n`` by rows or entries of P; each of the `rows` holds one h for each."""
    columns = len(weight.matrix.rows[0])
    biggest = largest(rows) + error
    found = []
    for row in rows:
        entries: Ints = []
        for i, (m, n) in enumerate(zip(weight.matrix.rows, weight.roots)):
            h = row[i * columns:(i + 1) * columns]
            if by_entry:
                across = [x - (y * (y * x >> g.bits) >> g.bits) for x, y in zip(h, m)]
            else:
                along = dot(m, h) >> g.bits
                across = [x - (y * along >> g.bits) for x, y in zip(h, m)]
            entries += [(x << g.bits) // y for x, y in zip(across, n)]
        found.append(entries)
    # entries of P are at most 1: <P, h> is off by at most c (error + m_error (biggest)), and
    # P <P, h> by that plus m_error times |<P, h>| <= c biggest
    c, floor = 1 if by_entry else columns, weight.floor
    m_error = weight.matrix.error + 1
    off = 2 * c * error + (3 * c * m_error * biggest >> g.bits) + 2 * c + 4
    # a quotient by n is off by off/n + |a| n_error/n^2, |a| <= (c + 1) biggest
    relative = g.times(g.over((c + 1) * biggest, floor), g.over(weight.error, floor))
    return found, g.over(off, floor) + relative + 2


def centred(x: Balls) -> Balls:
    """Rows minus their means."""
    return Balls([[v - sum(r) // len(r) for v in r] for r in x.rows], 2 * x.error + 2)


def split(rows: Rows, size: int) -> Rows:
    """Parts of `size` entries of each row, in order."""
    return [r[i:i + size] for r in rows for i in range(0, len(r), size)]


def rejoined(rows: Rows, count: int) -> Rows:
    """Each `count` rows as one: the inverse of `split`."""
    return [[v for r in rows[i:i + count] for v in r] for i in range(0, len(rows), count)]


def repeated(entries: Ints, size: int) -> Ints:
    """Each entry as often in a row as makes `size` entries of all."""
    return [v for v in entries for _ in range(size // len(entries))]


def by_root(g: Grid, x: Balls, n: int) -> Balls:
    """``sqrt(n)`` times an array."""
    root = isqrt(n << 2 * g.bits)
    error = (x.error * (root + 1) + largest(x.rows) >> g.bits) + 2
    return Balls([[v * root >> g.bits for v in r] for r in x.rows], error)


class Held(NamedTuple):
    """A parameter on the grid: its shape, its entries, their error."""

    shape: tuple[int, ...]
    entries: Ints
    error: int


def hold(g: Grid, parameters: dict[str, Array]) -> dict[str, Held]:
    """Parameters on the grid."""
    return {name: Held(a.shape, *g.floats(a.values)) for name, a in parameters.items()}


def samples_of(g: Grid, inputs: Array) -> Balls:
    """The data on the grid, one row for each sample."""
    flat, error = g.floats(inputs.values)
    size = len(flat) // inputs.shape[0]
    return Balls([flat[i:i + size] for i in range(0, len(flat), size)], error)


class Network:
    """A program with its parameters, and the values of all nodes.

    Args:
        g: the grid.
        nodes: the program.
        parameters: by name.
        data: one row for each sample.
    """

    def __init__(self, g: Grid, nodes: list[Node], parameters: dict[str, Held],
                 data: Balls) -> None:
        self.g, self.nodes, self.parameters = g, nodes, parameters
        self.samples = len(data.rows)
        self.weights = {k: self._weight(n) for k, n in enumerate(nodes) if n.op == "linear"}
        for held in parameters.values():
            g.held(largest([held.entries]))
        self.values = [data]
        self.slopes: dict[int, Balls] = {}
        self.bends: dict[int, Rows] = {}
        self.units: dict[int, Weight] = {}  # of normalise: a row for each group of a sample
        for k in range(1, len(nodes)):
            self.values.append(self._value(k))
            g.held(largest(self.values[k].rows))
            g.held(self.values[k].error)

    def _weight(self, node: Node) -> Weight:
        assert node.weight is not None
        shape, flat, error = self.parameters[node.weight]
        columns = len(flat) // shape[0]
        rows = [flat[i * columns:(i + 1) * columns] for i in range(shape[0])]
        if node.normalise == "none":
            return Weight(Balls(rows, error), [], 0, 0)
        return normalised(self.g, rows, error, node.eps, node.normalise == "entries")

    def scaled(self, x: Balls, factor: Fraction) -> Balls:
        """A multiple of an array."""
        if factor == 1:
            return x
        s, g = self.g.down(factor), self.g
        slack = 0 if s == factor * g.one else 1
        error = (abs(s) * x.error + slack * (largest(x.rows) + x.error) >> g.bits) + 2
        return Balls([[v * s >> g.bits for v in row] for row in x.rows], error)

    def patches(self, k: int) -> list[Rows]:
        """What a linear operation multiplies: for each sample one row for each window."""
        node = self.nodes[k]
        x = self.scaled(self.values[node.sources[0]], node.scale)
        if node.window is None:
            return [[row] for row in x.rows]
        places = node.window.places
        return [[[row[i] if i >= 0 else 0 for i in p] for p in places] for row in x.rows]

    def patch_error(self, k: int) -> int:
        """The error of entries of `patches`."""
        node = self.nodes[k]
        return self.scaled(self.values[node.sources[0]], node.scale).error

    def _value(self, k: int) -> Balls:
        g, node = self.g, self.nodes[k]
        given = [self.values[s] for s in node.sources]
        x = given[0]
        if node.op == "linear":
            matrix, patches, error = self.weights[k].matrix, self.patches(k), self.patch_error(k)
            offset, b_error = [0] * len(matrix.rows), 0
            if node.bias is not None:
                _, offset, b_error = self.parameters[node.bias]
            rows = [[(dot(m, u) >> g.bits) + b for m, b in zip(matrix.rows, offset) for u in us]
                    for us in patches]
            most = max(map(heaviest, patches))
            bound = dot_error(g, len(matrix.rows[0]), heaviest(matrix.rows), matrix.error,
                              most, error)
            return Balls(rows, bound + b_error)
        if node.op == "activation":
            value, self.slopes[k], self.bends[k] = apply(g, FUNCTIONS[node.function], x)
            return value
        if node.op == "scale":
            return self._factors(node, x)
        if node.op == "shift":
            assert node.weight is not None
            _, offset, error = self.parameters[node.weight]
            offset = repeated(offset, node.size)
            return Balls([list(map(sum, zip(r, offset))) for r in x.rows], x.error + error)
        if node.op == "normalise":
            size = node.size // node.groups
            u = centred(Balls(split(x.rows, size), x.error))
            self.units[k] = normalised(g, u.rows, u.error, size * node.eps, False)
            y = by_root(g, self.units[k].matrix, size)
            return Balls(rejoined(y.rows, node.groups), y.error)
        if node.op == "average":
            assert node.window is not None
            places = node.window.places
            count = len(places[0])
            return Balls([[sum(row[i] for i in p if i >= 0) // count for p in places]
                          for row in x.rows], x.error + 1)
        if node.op == "sum":
            return Balls([list(map(sum, zip(*rows))) for rows in zip(*(b.rows for b in given))],
                         sum(b.error for b in given))
        if node.op == "concat":
            return Balls([[v for row in rows for v in row]
                          for rows in zip(*(b.rows for b in given))],
                         max(b.error for b in given))
        return x  # flatten

    def _factors(self, node: Node, x: Balls) -> Balls:
        """Rows times the fixed factor and the trained one, its entries repeated."""
        x = self.scaled(x, node.scale)
        if node.weight is None:
            return x
        _, a, error = self.parameters[node.weight]
        return times_balls(self.g, x, Balls([repeated(a, node.size)] * len(x.rows), error))

    @property
    def outputs(self) -> int:
        """Outputs of one sample."""
        return self.nodes[-1].size

    def adjoints(self, seeds: Balls | None = None) -> list[Balls]:
        """For each node the derivatives of the outputs in its value, [C 2].

        Row ``i outputs + a`` belongs to output a of sample i. With seeds, one row for each
        sample, the derivatives of the outputs' inner product with them.
        """
        g, nodes, o = self.g, self.nodes, self.outputs
        if seeds is None:
            units = [[g.one if a == b else 0 for b in range(o)] for a in range(o)]
            seeds = Balls([list(u) for _ in range(self.samples) for u in units], 0)
        found: list[Balls | None] = [None] * len(nodes)
        found[-1] = seeds
        for k in range(len(nodes) - 1, 0, -1):
            p = found[k]
            if p is None:  # nothing reads it
                p = Balls([[0] * nodes[k].size for _ in seeds.rows], 0)
                found[k] = p
            for source, back in zip(nodes[k].sources, self._back(k, p)):
                if source == 0:
                    continue  # nothing is trained before the data
                old = found[source]
                found[source] = back if old is None else Balls(
                    [list(map(sum, zip(a, b))) for a, b in zip(old.rows, back.rows)],
                    old.error + back.error)
                g.held(largest(back.rows))
                g.held(back.error)
        found[0] = Balls([], 0)
        return [b if b is not None else Balls([], 0) for b in found]

    def _back(self, k: int, p: Balls) -> Iterator[Balls]:
        """The adjoint of an operation, for each of its sources."""
        g, node = self.g, self.nodes[k]
        if node.op == "linear":
            if node.sources[0] == 0:
                yield p
                return
            yield self._back_linear(k, p)
        elif node.op == "activation":
            slopes, each = self.slopes[k], len(p.rows) // self.samples
            wide = [row for row in slopes.rows for _ in range(each)]
            yield times_balls(g, p, Balls(wide, slopes.error))
        elif node.op == "scale":
            yield self._factors(node, p)
        elif node.op == "normalise":
            unit, each, n = self.units[k], len(p.rows) // self.samples, node.groups
            rows, error = list[Ints](), 0
            for i in range(self.samples):
                at = slice(i * n, (i + 1) * n)
                own = unit._replace(matrix=Balls(unit.matrix.rows[at], unit.matrix.error),
                                    roots=unit.roots[at])
                part, off = through(g, own, False, p.rows[i * each:(i + 1) * each], p.error)
                rows, error = rows + part, max(error, off)
            size = node.size // n
            back = centred(by_root(g, Balls(split(rows, size), error), size))
            yield Balls(rejoined(back.rows, n), back.error)
        elif node.op == "average":
            assert node.window is not None
            places, uses = node.window.places, node.window.uses
            size, count = self.nodes[node.sources[0]].size, len(places[0])
            rows = []
            for row in p.rows:
                spread = [0] * size
                for q, windowed in zip(row, places):
                    for i in windowed:
                        if i >= 0:
                            spread[i] += q // count
                rows.append(spread)
            yield Balls(rows, uses * (p.error // count + 2))
        elif node.op == "concat":
            start = 0
            for s in node.sources:
                end = start + self.nodes[s].size
                yield Balls([row[start:end] for row in p.rows], p.error)
                start = end
        else:
            for _ in node.sources:
                yield p

    def _back_linear(self, k: int, p: Balls) -> Balls:
        g, node = self.g, self.nodes[k]
        columns = self.weights[k].matrix.flipped()
        m, pixels = len(columns.rows[0]), 1 if node.window is None else len(node.window.places)
        pieces = [[row[q::pixels] for q in range(pixels)] for row in p.rows]
        most = max((heaviest(rows) for rows in pieces), default=0)
        error = dot_error(g, m, heaviest(columns.rows), columns.error, most, p.error)
        if node.window is None:
            rows = [[dot(c, b) >> g.bits for c in columns.rows] for (b,) in pieces]
        else:
            error *= node.window.uses
            rows = []
            for row in pieces:
                back = [0] * self.nodes[node.sources[0]].size
                for b, places in zip(row, node.window.places):
                    for c, i in zip(columns.rows, places):
                        if i >= 0:
                            back[i] += dot(c, b) >> g.bits
                rows.append(back)
        return self.scaled(Balls(rows, error), node.scale)


def gradients(net: Network, k: int, p: Balls) -> Balls:
    """Derivatives in the weight and bias of operation k, one row for each row of adjoints p."""
    g, node, each = net.g, net.nodes[k], len(p.rows) // net.samples
    if node.op in ("shift", "scale"):
        assert node.weight is not None
        count = len(net.parameters[node.weight].entries)
        repeat = node.size // count  # consecutive entries that one number of the parameter meets
        if node.op == "shift":
            return Balls([[sum(r[i:i + repeat]) for i in range(0, node.size, repeat)]
                          for r in p.rows], repeat * p.error)
        x = net.scaled(net.values[node.sources[0]], node.scale)
        wide = Balls([r for r in x.rows for _ in range(each)], x.error)
        if repeat == 1:
            return times_balls(g, wide, p)
        most = max(heaviest(wide.rows), heaviest(p.rows))
        error = dot_error(g, repeat, most, wide.error, most, p.error)
        return Balls([[dot(a[i:i + repeat], b[i:i + repeat]) >> g.bits
                       for i in range(0, node.size, repeat)]
                      for a, b in zip(wide.rows, p.rows)], error)
    patches, u_error = net.patches(k), net.patch_error(k)
    weight = net.weights[k]
    pixels = len(patches[0])
    found, most = [], 0
    turned = [[list(c) for c in zip(*us)] for us in patches]  # entry by window
    u_most = max(map(heaviest, turned))
    for r, row in enumerate(p.rows):
        us = turned[r // each]
        entries: Ints = []
        for i in range(len(weight.matrix.rows)):
            b = row[i * pixels:(i + 1) * pixels]
            most = max(most, weight_of(b))
            entries += [dot(b, u) >> g.bits for u in us]
        found.append(entries)
    error = dot_error(g, pixels, most, p.error, u_most, u_error)
    if node.normalise != "none":
        found, error = through(g, weight, node.normalise == "entries", found, error)
    if node.bias is not None:
        for entries, row in zip(found, p.rows):
            entries += [sum(row[i * pixels:(i + 1) * pixels])
                        for i in range(len(weight.matrix.rows))]
        error = max(error, pixels * p.error)
    return Balls(found, error)


def input_gram(net: Network, k: int) -> Balls:
    """Inner products of what a plain affine operation multiplies, a 1 for a bias included."""
    x = gram(net.g, Balls([u for us in net.patches(k) for u in us], net.patch_error(k)))
    add = net.g.one if net.nodes[k].bias is not None else 0
    return Balls([[v + add for v in row] for row in x.rows], x.error)


def jacobian_gram(net: Network, adjoints: list[Balls]) -> Balls:
    """Enclosure of ``J J^T``, samples times outputs squared, [C 2]."""
    g, o = net.g, net.outputs
    n = net.samples * o
    total, error = [[0] * n for _ in range(n)], 0
    for k, node in enumerate(net.nodes):
        if node.weight is None:
            continue
        p = adjoints[k]
        if node.op == "linear" and node.window is None and node.normalise == "none":
            # <b_i x_i^T, b_j x_j^T> = <b_i, b_j> <x_i, x_j>, and <b_i, b_j> from the bias
            x = input_gram(net, k)
            wide = [[v for v in row for _ in range(o)] for row in x.rows for _ in range(o)]
            part = times_balls(g, gram(g, p), Balls(wide, x.error))
        else:
            part = gram(g, gradients(net, k, p))
        total = [list(map(sum, zip(a, b))) for a, b in zip(total, part.rows)]
        error += part.error
    return Balls(total, error)


# ---------------------------------------------------------------------------------------
# 6. Eigenvalues
# ---------------------------------------------------------------------------------------


def spectral_norm(g: Grid, a: Balls, squarings: int = 6) -> int:
    """Upper bound of ``|a|_2``, a symmetric: ``|a|_2 = |a^2|_2^(1/2)``, last the Frobenius norm.

    Large matrices are not squared; their norm is at most the largest row sum.
    """
    n = len(a.rows)
    frobenius = isqrt(sum(dot(r, r) for r in a.rows)) + 1 + n * a.error
    sums = heaviest(a.rows) + n * a.error
    if not squarings or n == 1 or n > 256 or not frobenius:
        return min(frobenius, sums)
    shift = largest(a.rows).bit_length() - g.bits
    if shift >= 0:
        rows, error = [[x >> shift for x in r] for r in a.rows], (a.error >> shift) + 2
    else:
        rows, error = [[x << -shift for x in r] for r in a.rows], a.error << -shift
    if error.bit_length() > g.bits:
        return min(frobenius, sums)
    root = g.root(spectral_norm(g, gram(g, Balls(rows, error)), squarings - 1))
    return min(root << shift if shift >= 0 else (root >> -shift) + 1, frobenius, sums)


def operator_norm(g: Grid, a: Balls) -> int:
    """Upper bound of the norm of a matrix, from the smaller of its two Gram matrices."""
    if len(a.rows) > len(a.rows[0]):
        a = a.flipped()
    if len(a.rows) <= 256:
        return g.root(spectral_norm(g, gram(g, a)))
    flipped = a.flipped()  # Schur: at most the root of largest row sum times largest column sum
    rows = heaviest(a.rows) + len(flipped.rows) * a.error
    columns = heaviest(flipped.rows) + len(a.rows) * a.error
    squares = isqrt(sum(dot(r, r) for r in a.rows)) + 1 + len(a.rows) * len(flipped.rows) * a.error
    return min(isqrt(rows * columns) + 1, squares)


def least_eigenvalue(g: Grid, a: Balls, factor: Rows, shift: int) -> int:
    """Lower bound of the least eigenvalue: ``a = shift + L L^T + E`` gives ``shift - |E|``.

    Any lower triangular L will do; ``|E|`` is at most the largest sum of a row.
    """
    n = len(a.rows)
    sums = [0] * n
    for i in range(n):
        row = factor[i]
        for j in range(i + 1):
            e = (a.rows[i][j] << g.bits) - dot(row[:j + 1], factor[j])
            e = abs(e - (shift << g.bits if i == j else 0))
            sums[i] += e
            if i != j:
                sums[j] += e
    return shift - (max(sums) >> g.bits) - 1 - n * a.error


# ---------------------------------------------------------------------------------------
# 7. The second derivative on the ball of radius R around the parameters, [C 3]
# ---------------------------------------------------------------------------------------


class Spread(NamedTuple):
    """Bounds of a family ``v_i``, one vector for each sample: root of the sum of squares of
    ``|v_i|``, fourth root of the sum of fourth powers, maximum."""

    two: int
    four: int
    most: int


def spread_map(f: Callable[..., int], *spreads: Spread) -> Spread:
    """Combine spreads norm by norm."""
    return Spread(*(f(*parts) for parts in zip(*spreads)))


NONE = Spread(0, 0, 0)
BENT = Fraction("1.154701")  # above 2/sqrt 3: |D^2 (w/n)[h, h]| <= BENT |h|^2/n^2, [C 3]


def sizes_of(g: Grid, patches: list[Rows], error: int, ones: bool) -> Spread:
    """Spread of ``h -> (h U_i)_i`` over matrices h with Frobenius norm 1, [C 3, Lemma 1].

    U_i has the windows of sample i as columns, with a row of ones below if `ones`.
    """
    add = g.one if ones else 0
    samples, pixels = len(patches), len(patches[0])
    rows = Balls([u for us in patches for u in us], error)
    full = len(rows.rows) > len(rows.rows[0]) + 1
    # two: the norm of [U_1 ... U_N], from its Gram matrix or that of its transpose
    inner = gram(g, rows) if not full or samples * pixels <= 512 else None
    if full:
        tall = [list(c) for c in zip(*rows.rows)] + ([[g.one] * len(rows.rows)] if ones else [])
        two = g.root(spectral_norm(g, gram(g, Balls(tall, error))))
    else:
        assert inner is not None
        two = g.root(spectral_norm(g, Balls([[v + add for v in r] for r in inner.rows],
                                            inner.error)))
    lengths = [isqrt(sum(dot(u, u) + (add * g.one) for u in us)) + 1 + error *
               (isqrt(len(us) * len(us[0])) + 1) for us in patches]
    most = max(lengths)
    fourth = g.root(g.root(sum(g.times(n, n, n, n) for n in lengths)))
    if inner is not None:
        # entry i, j: squared Frobenius norm of U_i^T U_j, an upper bound
        table = [[0] * samples for _ in range(samples)]
        for i in range(samples):
            for j in range(samples):
                block = [abs(v + add) + inner.error for r in
                         inner.rows[i * pixels:(i + 1) * pixels]
                         for v in r[j * pixels:(j + 1) * pixels]]
                table[i][j] = -(-dot(block, block) >> g.bits)
        fourth = min(fourth, g.root(g.root(spectral_norm(g, Balls(table, 0)))))
    return Spread(two, min(fourth, two), min(most, two, fourth))


class _Ball:
    """The recursions of [C 3], forward in `__init__` and backward in `lipschitz`."""

    def __init__(self, net: Network, adjoints: list[Balls], radius: int) -> None:
        self.net, self.g, self.p, self.radius = net, net.g, adjoints, radius
        nodes = net.nodes
        self.gain = [net.g.one] * len(nodes)  # norm of the operation as a map of its input
        self.inner = [0] * len(nodes)  # how much a change of w of norm 1 changes that map
        self.bend = [0] * len(nodes)
        self.move: list[Spread] = [NONE]  # how far values move on the ball
        self.tangent: list[dict[int, Spread]] = [{}]  # spread of the derivative in each block
        for k in range(1, len(nodes)):
            self._forward(k)

    def _forward(self, k: int) -> None:
        g, node = self.g, self.net.nodes[k]
        before = [self.move[s] for s in node.sources]
        given = [self.tangent[s] for s in node.sources]
        if node.op in ("sum", "concat"):
            def join(*parts: int) -> int:
                return sum(parts) if node.op == "sum" else g.length(*parts)

            moved = spread_map(join, *before)
            found = {b: spread_map(join, *(t[b] for t in given if b in t))
                     for b in {b for t in given for b in t}}
        else:
            center, push = NONE, 0
            if node.op == "linear":
                center, push = self._linear(k, fixed=not given[0])
            elif node.op == "activation":
                self._activation(k, before[0])
            elif node.op == "scale":
                center, push = self._scale(k)
            elif node.op == "shift":
                assert node.weight is not None
                # |h repeated| = sqrt(repeat) |h| for each sample
                repeat = node.size // len(self.net.parameters[node.weight].entries)
                n = self.net.samples << g.bits
                center = spread_map(lambda a: g.times(g.root(repeat << g.bits), a),
                                    Spread(g.root(n), g.root(g.root(n)), g.one))
            elif node.op == "normalise":
                self._normalise(k, before[0])
            elif node.op == "average":
                assert node.window is not None
                # Schur: rows sum to at most 1, columns to at most uses/count
                share = Fraction(node.window.uses, len(node.window.places[0]))
                self.gain[k] = g.root(g.up(share))
            gain = self.gain[k]
            moved = spread_map(lambda a, b: g.times(gain, a) + g.times(self.radius, b),
                               before[0], center)
            found = {b: spread_map(lambda a: g.times(gain, a), t) for b, t in given[0].items()}
            if node.weight is not None:
                found[k] = spread_map(lambda a, b: a + g.times(push, b), center, before[0])
        self.move.append(moved)
        self.tangent.append(found)

    def _linear(self, k: int, fixed: bool) -> tuple[Spread, int]:
        """Spread of the derivative in the own block at the center, its growth with the input."""
        g, node, net = self.g, self.net.nodes[k], self.net
        size = g.up(abs(node.scale))
        if node.window is not None:
            size = g.times(size, g.root(node.window.uses << g.bits))
        slope = g.one  # norm of DP
        if node.normalise != "none":
            slope = g.over(g.one, self._floor(net.weights[k], node.eps, self.radius))
        push = max(slope, g.one) if node.bias is not None else slope
        center = spread_map(lambda a: g.times(a, push), sizes_of(
            g, net.patches(k), net.patch_error(k), node.bias is not None))
        weight = 0 if fixed else operator_norm(g, net.weights[k].matrix)
        self.gain[k] = g.times(size, weight + g.times(slope, self.radius))
        self.inner[k] = g.times(size, slope)
        return center, g.times(size, push)

    def _floor(self, weight: Weight, eps: Fraction, move: int) -> int:
        """Lower bound of ``sqrt(eps + |w|^2)`` where w moves by `move`; it moves no farther."""
        g = self.g
        return max(isqrt(g.down(eps) << g.bits), weight.floor - move)

    def _normalise(self, k: int, x: Spread) -> None:
        """``sqrt(m) u/sqrt(m eps + |u|^2)``, u a centred group: derivatives of [C 3]."""
        g, node = self.g, self.net.nodes[k]
        size = node.size // node.groups
        low = self._floor(self.net.units[k], size * node.eps, x.most)
        self.gain[k] = g.over(g.root(size << g.bits), low)
        self.bend[k] = g.over(g.times(g.up(BENT), self.gain[k]), low)

    def _activation(self, k: int, x: Spread) -> None:
        g, net = self.g, self.net
        f = FUNCTIONS[net.nodes[k].function]
        slopes = net.slopes[k]
        self.bend[k] = min(g.up(f.curvature),
                           largest(net.bends[k]) + g.times(g.up(f.third), x.most))
        self.gain[k] = min(g.up(f.slope), largest(slopes.rows) + slopes.error +
                           g.times(self.bend[k], x.most))

    def _scale(self, k: int) -> tuple[Spread, int]:
        g, net, node = self.g, self.net, self.net.nodes[k]
        size = self.gain[k] = g.up(abs(node.scale))
        if node.weight is None:
            return NONE, 0
        _, a, error = net.parameters[node.weight]
        value = net.scaled(net.values[node.sources[0]], node.scale)
        # |h x| <= |h| max|x_j| where the factor h_j meets the entries x_j
        repeat = node.size // len(a)
        lengths = [max(norm(g, row[i:i + repeat], value.error)
                       for i in range(0, node.size, repeat)) for row in value.rows]
        self.gain[k] = g.times(size, largest([a]) + error + self.radius)
        self.inner[k] = size
        fourth = g.root(g.root(sum(g.times(n, n, n, n) for n in lengths)))
        return Spread(g.length(*lengths), fourth, max(lengths)), size

    def lipschitz(self) -> int:
        """Go backward: how far adjoints move, and the terms of the second derivative."""
        g, nodes = self.g, self.net.nodes
        blocks = [k for k, n in enumerate(nodes) if n.weight is not None]
        place = {k: i for i, k in enumerate(blocks)}
        q = [[0] * len(place) for _ in place]
        away = [0] * len(nodes)  # operator norm of the change of the adjoint, largest sample
        for k in range(len(nodes) - 1, 0, -1):
            node, source = nodes[k], nodes[k].sources[0]
            tangent = self.tangent[source]
            back = g.times(self.gain[k], away[k])
            if node.op in ("activation", "normalise"):
                column = (self._columns(k) if node.op == "activation" else
                          self._operator(k, node.groups))
                # [C 3, term A]
                weight = g.times(column + away[k], self.bend[k])
                for b, t in tangent.items():
                    for c, u in tangent.items():
                        q[place[b]][place[c]] += g.times(weight, t.four, u.four)
                back += g.times(column, self.bend[k], self.move[source].most)
            elif node.weight is not None:
                size = self._operator(k) + away[k]
                # [C 3, term B]
                for b, t in tangent.items():
                    term = g.times(size, self.inner[k], t.two)
                    q[place[k]][place[b]] += term
                    q[place[b]][place[k]] += term
                if node.normalise != "none":  # [C 3, term C]
                    q[place[k]][place[k]] += g.times(size, self._curved(k))
                back += g.times(self.inner[k], self.radius, self._operator(k))
            for s in node.sources:
                away[s] += back
        return spectral_norm(g, Balls(q, 0), 12)

    def _curved(self, k: int) -> int:
        """Bound of ``|D^2 P(w)[h, h] X|`` on the ball, h of norm 1; 0.858651 > 48 sqrt5/125."""
        g, net, node = self.g, self.net, self.net.nodes[k]
        two = sizes_of(g, net.patches(k), net.patch_error(k), False).two
        size = g.times(g.up(abs(node.scale)), self.move[node.sources[0]].two)
        if node.window is not None:
            size = g.times(size, g.root(node.window.uses << g.bits))
        low = self._floor(net.weights[k], node.eps, self.radius)
        bend = min(g.up(Fraction("0.858651") / node.eps), g.over(g.over(g.up(BENT), low), low))
        return g.times(bend, two + size)

    def _columns(self, k: int) -> int:
        """Largest norm of a column of the adjoint of a sample: all outputs, one entry."""
        p, o = self.p[k], self.net.outputs
        if o == 1:
            return largest(p.rows) + p.error
        best = 0
        for i in range(self.net.samples):
            rows = p.rows[i * o:(i + 1) * o]
            best = max(best, max(sum(x * x for x in column) for column in zip(*rows)))
        return isqrt(best) + 1 + p.error * (isqrt(o) + 1)

    def _operator(self, k: int, groups: int = 1) -> int:
        """Largest operator norm of the adjoint of a sample, or of its columns for a group."""
        p, o = self.p[k], self.net.outputs
        size, best = self.net.nodes[k].size // groups, 0
        for j in range(0, groups * size, size):
            rows = [row[j:j + size] for row in p.rows]
            if o == 1:
                best = max(best, *(norm(self.g, row, p.error) for row in rows))
                continue
            best = max(best, *(operator_norm(self.g, Balls(rows[i:i + o], p.error))
                               for i in range(0, len(rows), o)))
        return best


def second_order(net: Network, adjoints: list[Balls], radius: int) -> int:
    """Bound of ``|J(a) - J(b)|/|a - b|`` over a, b within `radius` of the parameters, [C 3]."""
    return _Ball(net, adjoints, radius).lipschitz()


def input_drift(net: Network, adjoints: list[Balls], radius: int) -> int:
    """Bound of the change of the last operation's input, all samples, within `radius`, [C 3]."""
    last = net.nodes[-1]
    moved = _Ball(net, adjoints, radius).move[last.sources[0]].two
    return net.g.times(net.g.up(abs(last.scale)), moved)


# ---------------------------------------------------------------------------------------
# 8. The theorem, and the steps before it
# ---------------------------------------------------------------------------------------


class Certificate(NamedTuple):
    """A file that is well formed; nothing in it is proved yet."""

    grid: Grid
    nodes: list[Node]
    parameters: dict[str, Array]
    inputs: Array
    targets: Array
    cost: str
    step: Fraction  # on the summed loss: the step of the file times the factor of the cost
    written: tuple[Fraction, Fraction]  # the step of the file, the factor of the cost
    claims: dict[str, Fraction]
    shift: Fraction
    factor: list[list[float]]
    steps: int  # followed before the theorem applies, [C 6]
    reach: Fraction

    @property
    def readout(self) -> bool:
        """Whether the proof rests on the readout's part of ``J J^T`` alone, [C 8]."""
        return "hidden" in self.claims


SQUARE = "residual rate"
READOUT = "hidden drift"  # where the eigenvalue is that of the readout's part, [C 8]
ENTROPY = "loss target"
COMMON = "radius eigenvalue jacobian lipschitz delta"


def certificate(at: dict[str, Any]) -> Certificate:
    """Check the form of everything."""
    keys(at, "the file", "format version bits data program parameters cost step claims witness",
         "about shadow")
    if at["format"] != FORMAT or type(at["version"]) is not int or at["version"] != VERSION:
        raise MalformedError(f"this checks {FORMAT} version {VERSION} and nothing else")
    about = at.get("about", {})
    if not isinstance(about, dict) or len(about) > 100 or any(
            not isinstance(v, (str, int)) or len(str(v)) > 10**4 for v in about.values()):
        raise MalformedError("about is not a short object of texts and integers")
    bits = integer(at["bits"], "bits", *BITS)
    data = keys(at["data"], "data", "inputs targets")
    inputs, targets = array(data["inputs"], "inputs"), array(data["targets"], "targets")
    if len(inputs.shape) < 2 or inputs.shape[0] != targets.shape[0]:
        raise MalformedError("inputs and targets are not of as many samples")
    if not isinstance(at["parameters"], dict):
        raise MalformedError("parameters is not an object")
    parameters = {word(k, "a parameter's name"): array(v, f"parameter {k[:40]}")
                  for k, v in at["parameters"].items()}
    nodes = program(at["program"], inputs.shape[1:], parameters)
    outputs, samples = nodes[-1].size, inputs.shape[0]
    if not parameters:
        raise MalformedError("nothing is trained")
    if len(nodes[-1].shape) != 1 or samples * outputs > MAX_ROWS:
        raise MalformedError("the output is no vector, or too large")
    cost = keys(at["cost"], "cost", "kind numerator denominator")
    factor = Fraction(integer(cost["numerator"], "numerator", 1, 10**9),
                      integer(cost["denominator"], "denominator", 1, 10**9))
    kind = word(cost["kind"], "cost: kind")
    if kind == "square":
        if targets.shape != (samples, outputs):
            raise MalformedError("the targets have another shape than the outputs")
    elif kind == "cross_entropy":
        if targets.shape != (samples,) or outputs < 2:
            raise MalformedError("cross_entropy takes a label for each sample, two outputs or more")
        if any(t != int(t) or not 0 <= t < outputs for t in targets.values):
            raise MalformedError("a label is no class")
    else:
        raise MalformedError("the cost is neither square nor cross_entropy")
    names = f"{COMMON} {SQUARE if kind == 'square' else ENTROPY}"
    readout = isinstance(at["claims"], dict) and "hidden" in at["claims"]
    if readout:
        last = nodes[-1]
        if kind != "square" or "shadow" in at or (
                last.op != "linear" or last.window is not None or last.normalise != "none"):
            raise MalformedError("a proof from the readout takes the square cost, no shadow, and "
                                 "a plain affine map as the last operation")
        names += " " + READOUT
    given = keys(at["claims"], "claims", names)
    claims = {name: positive(given[name], f"claim {name}") for name in names.split()}
    step = positive(at["step"], "step")
    witness = keys(at["witness"], "witness", "shift factor")
    shift = positive(witness["shift"], "shift")
    rows = witness["factor"]
    if not isinstance(rows, list) or len(rows) != samples * (1 if readout else outputs):
        raise MalformedError("the witness has not one row for each output of each sample")
    lower = []
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != i + 1:
            raise MalformedError("the witness is not lower triangular")
        lower.append([real(v, "witness") for v in row])
    steps, reach = 0, Fraction(1)
    if "shadow" in at:
        shadow = keys(at["shadow"], "shadow", "steps reach")
        steps = integer(shadow["steps"], "shadow: steps", 1, MAX_STEPS)
        reach = positive(shadow["reach"], "shadow: reach")
        if kind != "square":
            raise MalformedError("steps are followed for the square cost alone")
    return Certificate(Grid(bits), nodes, parameters, inputs, targets, kind, step * factor,
                       (step, factor), claims, shift, lower, steps, reach)


def work(c: Certificate) -> tuple[int, int]:
    """What a check takes: multiplications of 128-bit integers, numbers of 256 bits in memory.

    Both are a little more than what happens; products of longer integers count as several.
    """
    samples, outputs, bits = c.inputs.shape[0], c.nodes[-1].size, c.grid.bits
    rows = samples * outputs
    both = samples + rows
    blocks = sum(node.weight is not None for node in c.nodes)
    held = 3 * rows**2 + 4 * blocks**2

    def norm_of(high: int, wide: int) -> int:
        short = min(high, wide)
        return high * wide * (short if short <= 256 else 2) + 7 * min(short, 256)**3

    total = 2 * rows**3 + norm_of(rows, rows) + 12 * min(blocks, 256)**3 + 600 * rows
    for node in c.nodes[1:]:
        places = both * node.size
        held += places + node.taps
        total += places * len(node.sources) + 4 * blocks * len(node.sources) + 2 * both * node.taps
        if node.op == "activation":
            series = min(50 * bits, 30000) if node.function in ("erf", "gelu") else 600
            total += samples * node.size * series + places + 4 * blocks**2
            held += 2 * samples * node.size
        if node.op == "normalise":
            part = norm_of(outputs, node.size // node.groups) + 100
            total += 8 * places + 4 * blocks**2 + 2 * samples * node.groups * part
            total += 300 * both * node.groups
            held += 2 * samples * node.size + 8 * samples * node.groups
        if node.weight is None:
            continue
        total += 2 * samples * norm_of(outputs, node.size)
        entries = len(c.parameters[node.weight].values)
        if node.op != "linear":
            total += rows * (node.size + rows * entries)
            held += rows * entries * (2 if c.steps else 1)
            continue
        high = node.shape[0]
        wide = entries // high
        pixels = node.size // high
        windows_read = samples * pixels * wide
        plain = node.window is None and node.normalise == "none"
        total += (samples + 2 * rows) * pixels * entries + 10 * entries + norm_of(high, wide)
        short = min(samples * pixels, wide + 1)
        total += 2 * (windows_read * short + norm_of(short, short) + norm_of(samples, samples))
        held += short**2
        total += rows**2 * (high + wide if plain else entries)
        held += 4 * windows_read + 2 * entries + (0 if plain else rows * entries)
        held += samples * entries if c.steps else 0
        if samples * pixels <= max(512, wide + 1):
            total += 2 * (samples * pixels)**2 * (wide + 2)
            held += (samples * pixels)**2
    scale = 1 + (bits / 256)**2
    return int(total * scale) * (c.steps + 1 + c.readout), int(held * (1 + bits / 256))


def outputs_loss(c: Certificate, net: Network) -> int:
    """Upper bound: of ``|F - y|``, or of the sum of ``log sum_j exp(z_j - z_label)``."""
    g, out = c.grid, net.values[-1]
    if c.cost == "square":
        off = residual(c, net)
        return norm(g, [v for row in off.rows for v in row], off.error)
    total = 0
    w = g.bits + GUARD
    for row, label in zip(out.rows, c.targets.values):
        top = max(row)
        # log of the sum, which is from 1 to the number of classes, by halving below 2
        parts = sum(exp_minus(top - z << GUARD, w) for z in row)
        halvings = max(0, parts.bit_length() - w - 1)
        rest = (parts >> halvings) - (1 << w)
        log2 = log_one_plus(1 << w, w)
        value = halvings * log2 + log_one_plus(max(rest, 0), w)
        total += (value >> GUARD) + 4 + top - row[int(label)] + 2 * out.error
    return total


class Line(NamedTuple):
    """One inequality."""

    name: str
    holds: bool
    text: str


class Facts(NamedTuple):
    """What was computed from the network, the data and the radius."""

    loss: int
    eigenvalue: int
    top: int
    lipschitz: int
    drift: int = 0


def residual(c: Certificate, net: Network) -> Balls:
    """``F - y``, one row for each sample."""
    y, error = c.grid.floats(c.targets.values)
    size, out = net.outputs, net.values[-1]
    rows = [[a - b for a, b in zip(row, y[i * size:])] for i, row in enumerate(out.rows)]
    return Balls(rows, out.error + error)


def loss_gradient(net: Network, seeds: Balls) -> dict[str, Balls]:
    """Gradient of half the squared residual, by parameter, each as one row."""
    found: dict[str, Balls] = {}
    adjoints = net.adjoints(seeds)
    for k, node in enumerate(net.nodes):
        if node.weight is None:
            continue
        each = gradients(net, k, adjoints[k])
        total, error = list(map(sum, zip(*each.rows))), net.samples * each.error
        size = len(net.parameters[node.weight].entries)
        found[node.weight] = Balls([total[:size]], error)
        if node.bias is not None:
            found[node.bias] = Balls([total[size:]], error)
    return found


class Followed(NamedTuple):
    """Where gradient descent is after some steps: within `error` of the parameters."""

    parameters: dict[str, Held]
    error: int


def follow(c: Certificate, say: Callable[[str], None]) -> Followed:
    """Follow gradient descent from the file's parameters, [C 6].

    The step map ``G = id - step grad`` has ``|DG| <= max(1, step |J|^2 - 1) + step L |r|``
    between the followed and the true parameters, so an error grows by that factor and by what
    rounding adds. J and L are bounded on balls of radius `reach`, anew where one is left.
    """
    g, data = c.grid, samples_of(c.grid, c.inputs)
    now = hold(g, c.parameters)
    count = sum(len(h.entries) for h in now.values())
    root = isqrt(count) + 1
    error = root * max(h.error for h in now.values())
    now = {name: Held(h.shape, h.entries, 0) for name, h in now.items()}
    step, reach = g.up(c.step), g.down(c.reach)
    station: dict[str, Held] = {}
    top = curved = 0
    for t in range(c.steps):
        net = Network(g, c.nodes, now, data)
        away = isqrt(sum((a - b)**2 for name, h in station.items()
                         for a, b in zip(h.entries, now[name].entries))) + 1
        if not station or away + error > reach:
            station = now
            adjoints = net.adjoints()
            curved = second_order(net, adjoints, reach)
            top = g.root(spectral_norm(g, jacobian_gram(net, adjoints))) + g.times(curved, reach)
            if error > reach:
                raise FailedError(f"the error after {t} steps exceeds the reach; more bits help")
            say(f"step {t}: |J| <= {g.show(top)}, L <= {g.show(curved)}, "
                f"error {g.show(error)}")
        seeds = residual(c, net)
        size = norm(g, [v for row in seeds.rows for v in row], seeds.error)
        size += g.times(top, error)
        stretch = max(g.one, g.times(step, top, top) - g.one) + g.times(step, curved, size)
        gradient = loss_gradient(net, seeds)
        worst = max(b.error for b in gradient.values())
        error = g.times(stretch, error) + root * (g.times(step, worst) + 2)
        if error.bit_length() > g.bits:
            raise FailedError(f"the error after {t} steps is above 1; more bits help")
        now = {name: Held(h.shape, [a - b * c.step.numerator // c.step.denominator
                                    for a, b in zip(h.entries, gradient[name].rows[0])], 0)
               for name, h in now.items()}
    return Followed(now, error)


def facts(c: Certificate, say: Callable[[str], None] = lambda text: None) -> Facts:
    """Enclosures of all that the theorem asks for, computed from the file's network and data.

    After steps that were followed they are moved by as much as the true parameters may be away.
    """
    g = c.grid
    at = Followed(hold(g, c.parameters), 0) if not c.steps else follow(c, say)
    say("values of the network")
    net = Network(g, c.nodes, at.parameters, samples_of(g, c.inputs))
    say("adjoints")
    adjoints = net.adjoints()
    say("Gram matrix of the derivatives")
    k = jacobian_gram(net, adjoints)
    say("least eigenvalue")
    factor = [g.floats(row)[0] for row in c.factor]
    low = least_eigenvalue(g, input_gram(net, len(c.nodes) - 1) if c.readout else k, factor,
                           g.down(c.shift))
    top = spectral_norm(g, k)
    say("second derivative on the ball")
    curved = second_order(net, adjoints, g.up(c.claims["radius"]) + at.error)
    loss = outputs_loss(c, net)
    if at.error:
        # |J - J'| <= L e; sigma'^2 >= sigma^2 - 2 sigma L e
        off = g.times(curved, at.error)
        size = g.root(top) + off
        loss += g.times(size, at.error)
        low -= 2 * g.times(g.root(max(low, 0)), off)
        top = g.times(size, size)
    drift = input_drift(net, adjoints, g.up(c.claims["hidden"])) if c.readout else 0
    return Facts(loss, low, top, curved, drift)


def judge(c: Certificate, f: Facts) -> list[Line]:
    """All inequalities: computed against claimed, and the claims against the theorem."""
    g, claim = c.grid, c.claims
    lines = []

    def line(name: str, holds: bool, text: str) -> None:
        lines.append(Line(name, holds, text))

    def upper(name: str, found: int, what: str) -> None:
        line(name, Fraction(found, g.one) <= claim[name],
             f"{what} <= {g.show(found)} <= claimed {show(claim[name])}")

    low, radius, curved = claim["eigenvalue"], claim["radius"], claim["lipschitz"]
    gram = "X X^T, X the inputs of the readout" if c.readout else "J J^T"
    line("eigenvalue", Fraction(f.eigenvalue, g.one) >= low,
         f"least eigenvalue of {gram} >= {g.show(f.eigenvalue)} >= claimed {show(low)}")
    upper("lipschitz", f.lipschitz, f"Lipschitz constant of J within {show(radius)}")
    upper("jacobian", g.root(f.top) + g.times(g.up(curved), g.up(radius)),
          f"|J| within {show(radius)}")
    if c.readout:
        upper("drift", f.drift, f"change of X while hidden weights move by {show(claim['hidden'])}")
    square = c.cost == "square"
    loss = claim["residual" if square else "loss"]
    upper("residual" if square else "loss", f.loss, "|F - y|" if square else "cross-entropy")
    delta = claim["delta"]
    slope = _entropy_slope(c)
    bend = claim["jacobian"]**2 / (1 if square else 2) + curved * (loss if square else slope)
    line("delta", c.step * bend / 2 <= delta < 1,
         f"step {show(c.step)}: {show(c.step * bend / 2)} <= delta {show(delta)} < 1")
    # sigma_0 = sqrt(low) falls by at most `fall` on the way
    fall = claim["drift"] if c.readout else curved * radius
    line("regular", fall**2 < low,
         f"{'E' if c.readout else '(L R)'}^2 < sigma^2: {show(fall**2)} < {show(low)}")
    if not all(x.holds for x in lines):
        return lines

    def path(name: str, need: Fraction, lost: Fraction, gain: Fraction, text: str) -> None:
        left, right = (need + lost)**2, gain**2 * low  # need + lost < gain sigma_0, squared
        line(name, gain > 0 and left < right, f"{text}: {show(left)} < {show(right)}")

    slack = 1 - delta
    if c.readout:
        hidden = claim["hidden"]
        path("hidden", loss, slack * hidden * fall, 2 * slack * hidden,
             "(|F - y| + (1 - delta) S E)^2 < (2 (1 - delta) sigma S)^2")
        path("path", loss, slack * radius * fall, slack * radius,
             "(|F - y| + (1 - delta) R E)^2 < ((1 - delta) sigma R)^2")
    else:
        # a residual cannot fall below 0 in a last step that leaves the ball, cross-entropy can
        # below its target: there S leaves room for one more step
        far = radius if square else radius - c.step * claim["jacobian"] * slope
        path("path", loss if square else _entropy_path(c), slack * curved * far**2 / 2,
             slack * far, f"({'|F - y|' if square else 'need'} + (1 - delta) L S^2/2)^2 < "
             f"((1 - delta) sigma S)^2, path S = {show(far)}")
    if square:
        # sigma_0 from below by a rational: s^2 <= low
        sigma = Fraction(isqrt(int(low * 2**2000)), 2**1000) - fall
        rate = 1 - 2 * c.step * slack * sigma**2
        line("rate", sigma > 0 and rate <= claim["rate"] < 1,
             f"1 - 2 step (1 - delta)(sigma - {'E' if c.readout else 'L R'})^2 = "
             f"1 - {show(1 - rate)} <= claimed 1 - {show(1 - claim['rate'])} < 1")
    return lines


def _entropy_slope(c: Certificate) -> Fraction:
    """Bound of cross-entropy's gradient in the outputs, [C 5]: ``sqrt2 min(loss, sqrt n)``."""
    root = Fraction(isqrt(c.inputs.shape[0] << 128) + 1, 2**64)
    return Fraction(3, 2) * min(c.claims.get("loss", root), root)  # 3/2 > sqrt 2


def _entropy_path(c: Certificate) -> Fraction:
    """Bound of ``sqrt(n) (log(exp(loss) - 1) - log(exp(target) - 1))``, [C 5]."""
    loss, target = c.claims["loss"], c.claims["target"]
    if loss <= target:
        return Fraction(0)
    if loss > 10**6 or target < Fraction(1, 2**60):
        raise FailedError("the loss is too large or the target too small")
    w = 512
    g = Grid(w)
    # log(exp(x) - 1) = x + log(1 - exp(-x)); errors of exp below 2**45, of arguments 1
    top = g.one - exp_minus(g.down(loss), w) + 2**46
    low = g.one - exp_minus(g.down(target), w) - 2**46
    ratio = g.over(top, low)
    halvings = max(0, ratio.bit_length() - w - 1)
    rest = max(0, (ratio >> halvings) + 1 - g.one)
    log = halvings * log_one_plus(g.one, w) + log_one_plus(min(rest, g.one), w) + 2**20
    root = Fraction(isqrt(c.inputs.shape[0] << 128) + 1, 2**64)
    return root * (loss - target + Fraction(log, g.one))


# ---------------------------------------------------------------------------------------
# 9. The command
# ---------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    """What came out."""

    accepted: bool
    lines: list[Line]
    statement: str


def statement(c: Certificate) -> str:
    """One sentence of what an accepted certificate proves."""
    claim, samples = c.claims, c.inputs.shape[0]
    trained = sum(len(a.values) for a in c.parameters.values())
    step, factor = c.written
    loss = "half the squared residual" if c.cost == "square" else "the cross-entropy"
    about = (f"gradient descent in exact arithmetic on all {trained} parameters, started at "
             f"those in this file, with step {show(step)} on {factor} times the sum over "
             f"{samples} samples of {loss}")
    if c.steps:
        return (f"Proven from the parameters in the file (the first {c.steps} steps were followed "
                f"with all rounding enclosed): {about}, converges to zero loss; after "
                f"{c.steps} steps the residual is at most {show(claim['residual'])}, and each "
                f"step from then on multiplies the loss by at most 1 - "
                f"{show(1 - claim['rate'])}.")
    if c.cost == "square":
        return (f"Proven from the parameters in the file: {about}, never leaves the ball of "
                f"radius {show(claim['radius'])} and converges to zero loss, each step "
                f"multiplying the loss by at most 1 - {show(1 - claim['rate'])}.")
    # below log 2 > 0.69 each sample's label has a probability above 1/2
    rightly = ", which classifies every sample rightly"
    rightly = rightly if claim["target"] <= Fraction(69, 100) else ""
    return (f"Proven from the parameters in the file: {about}, reaches a summed cross-entropy of "
            f"at most {show(claim['target'])} within the ball of radius "
            f"{show(claim['radius'])}{rightly}.")


def check(at: dict[str, Any], say: Callable[[str], None] = lambda text: None,
          limit: int = MAX_WORK) -> Verdict:
    """Check a certificate that has been read.

    Raises:
        MalformedError: if it is none, or a check would take more than `limit` multiplications.
    """
    c = certificate(at)
    found, held = work(c)
    if found > limit:
        raise MalformedError(f"a check would take about {show(Fraction(found))} multiplications, "
                             f"more than {show(Fraction(limit))}")
    if held > MAX_HELD:
        raise MalformedError(f"a check would hold about {held} numbers, more than {MAX_HELD}")
    try:
        lines = judge(c, facts(c, say))
    except FailedError as error:
        lines = [Line("enclosure", False, str(error))]
    accepted = bool(lines) and all(x.holds for x in lines)
    return Verdict(accepted, lines, statement(c) if accepted else
                   "Nothing is proven: an inequality fails (and nothing is refuted).")


def main(arguments: Sequence[str]) -> int:
    """Check one file and print each inequality."""
    if len(arguments) != 1:
        print("usage: python checker.py certificate.json", file=sys.stderr)
        return 2
    try:
        verdict = check(load(arguments[0]), lambda text: print(text, file=sys.stderr))
    except (OSError, MalformedError) as error:
        print(f"malformed: {error}", file=sys.stderr)
        return 2
    for line in verdict.lines:
        print(f"{'PASS' if line.holds else 'FAIL'} {line.name}: {line.text}")
    print(verdict.statement)
    return 0 if verdict.accepted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
