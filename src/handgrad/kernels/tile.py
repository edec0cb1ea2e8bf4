"""One tile of a matrix product with its sums in registers, which LLVM does not find by itself.

c[i, j] = sum over p of a[i, p] b[p, j] (+ bias[j]) for up to ROWS rows i and two vectors of
columns j: each p takes two loads of b and a broadcast of each a[i, p], for 2 * ROWS multiply-adds.
It is written in LLVM's intermediate language; the loop over tiles is in product.py. After Goto, van
de Geijn: Anatomy of High-Performance Matrix Multiplication, ACM TOMS 2008, without its packing:
these matrices fit the caches.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from handgrad.kernels.jit import VECTOR_BYTES

ROWS = 6
"""12 sums, two vectors of b and a broadcast use 15 of AVX2's 16 registers."""
VECTORS = 2


@intrinsic  # type: ignore[untyped-decorator]
def tile(
    typing_context: Any,
    a: Any,
    b: Any,
    c: Any,
    bias: Any,
    at_a: Any,
    at_b: Any,
    at_c: Any,
    at_bias: Any,
    row_of_a: Any,
    next_in_a: Any,
    row_of_b: Any,
    row_of_c: Any,
    length: Any,
    rows: Any,
    columns: Any,
) -> Any:
    """Compute `rows` (1 to ROWS) by `columns` (1 to two vectors) numbers of c.

    a, b, c, bias are arrays of one float type. `at_*` is the index of the tile's first number in
    each; `row_of_*` the distance between rows, `next_in_a` that between two a[i, p]; `length` the
    number of p, at least 1. at_bias below 0 means no bias.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.function.attributes.add("noinline")  # a copy per product compiles for seconds
        pointers = [
            cgutils.create_struct_proxy(kind)(context, builder, value=value).data
            for kind, value in zip((a, b, c, bias), values[:4], strict=True)
        ]
        _Tiles(context, builder, a.dtype).choose(pointers, *values[4:])
        return context.get_dummy_value()

    return types.void(a, b, c, bias, *([types.intp] * 11)), generate


class _Tiles:
    """A tile for every number of rows and shape of columns, and the choice among them."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self._builder = builder
        self._bits = dtype.bitwidth
        self._width = VECTOR_BYTES * 8 // self._bits
        self._vector = ir.VectorType(context.get_value_type(dtype), self._width)
        self._zeros = ir.Constant(self._vector, [0.0] * self._width)
        self._index = context.get_value_type(types.intp)

    def choose(self, pointers: list[Any], *values: Any) -> None:
        """Jump to the tile for the given rows and columns, then to the end."""
        *places, rows, columns = values
        builder = self._builder
        end = builder.append_basic_block("end")
        whole, part = map(builder.append_basic_block, ("whole", "part"))
        full = self._index(VECTORS * self._width)
        builder.cbranch(builder.icmp_signed(">=", columns, full), whole, part)
        builder.position_at_end(whole)
        self._by_rows(rows, pointers, places, [None] * VECTORS, end)
        builder.position_at_end(part)
        self._by_rows(rows, pointers, places, self._masks(columns), end)
        builder.position_at_end(end)

    def _by_rows(
        self, rows: Any, pointers: list[Any], places: Any, masks: list[Any], end: Any
    ) -> None:
        builder = self._builder
        blocks = [builder.append_basic_block(f"rows{count}") for count in range(1, ROWS + 1)]
        switch = builder.switch(rows, blocks[-1])
        for count, block in enumerate(blocks[:-1], 1):
            switch.add_case(self._index(count), block)
        for count, block in enumerate(blocks, 1):
            builder.position_at_end(block)
            self._tile(count, pointers, places, masks)
            builder.branch(end)

    def _tile(self, rows: int, pointers: list[Any], places: Any, masks: list[Any]) -> None:
        """Generate the loop over p and the stores after it."""
        builder, index = self._builder, self._index
        at_a, at_b, at_c, at_bias, row_of_a, next_in_a, row_of_b, row_of_c, length = places
        a, b, c = (
            builder.gep(pointer, [at])
            for pointer, at in zip(pointers[:3], (at_a, at_b, at_c), strict=True)
        )
        start = self._start(builder.gep(pointers[3], [at_bias]), b, at_bias, masks)
        before, loop, after = builder.block, *map(builder.append_basic_block, ("loop", "after"))
        builder.branch(loop)
        builder.position_at_end(loop)
        p = builder.phi(index)
        sums = [[builder.phi(self._vector) for _ in start] for _ in range(rows)]
        from_b = self._load_row(builder.gep(b, [builder.mul(p, row_of_b)]), masks)
        from_a = builder.gep(a, [builder.mul(p, next_in_a)])
        added = []
        for row in range(rows):
            number = builder.load(builder.gep(from_a, [builder.mul(row_of_a, index(row))]))
            factor = self._splat(number, self._vector)
            terms = zip(from_b, sums[row], strict=True)
            added.append([self._multiply_add(factor, of_b, total) for of_b, total in terms])
        following = builder.add(p, index(1))
        p.add_incoming(index(0), before)
        p.add_incoming(following, loop)
        for total_row, added_row in zip(sums, added, strict=True):
            for total, new, first in zip(total_row, added_row, start, strict=True):
                total.add_incoming(first, before)
                total.add_incoming(new, loop)
        builder.cbranch(builder.icmp_signed("<", following, length), loop, after)
        builder.position_at_end(after)
        for row in range(rows):
            self._store_row(added[row], builder.gep(c, [builder.mul(row_of_c, index(row))]), masks)

    def _start(self, bias: Any, b: Any, at_bias: Any, masks: list[Any]) -> list[Any]:
        """Return the bias or zeros: without a bias, b's first row is read but not used."""
        builder = self._builder
        has_bias = builder.icmp_signed(">=", at_bias, self._index(0))
        read = self._load_row(builder.select(has_bias, bias, b), masks)
        return [builder.select(has_bias, x, self._zeros) for x in read]

    def _load_row(self, pointer: Any, masks: list[Any]) -> list[Any]:
        return [self._load(self._vector_at(pointer, nth), m) for nth, m in enumerate(masks)]

    def _load(self, place: Any, mask: Any) -> Any:
        if mask is None:
            return self._builder.load(place, align=self._align)
        kinds = [place.type, ir.IntType(32), mask.type, self._vector]
        load = self._llvm("masked.load", ".p0", self._vector, kinds)
        return self._builder.call(load, [place, ir.IntType(32)(self._align), mask, self._zeros])

    def _store_row(self, row: list[Any], pointer: Any, masks: list[Any]) -> None:
        for nth, (value, mask) in enumerate(zip(row, masks, strict=True)):
            place = self._vector_at(pointer, nth)
            if mask is None:
                self._builder.store(value, place, align=self._align)
                continue
            kinds = [self._vector, place.type, ir.IntType(32), mask.type]
            store = self._llvm("masked.store", ".p0", ir.VoidType(), kinds)
            self._builder.call(store, [value, place, ir.IntType(32)(self._align), mask])

    def _masks(self, columns: Any) -> list[Any]:
        """Return for each vector which of its columns exist."""
        numbers = ir.VectorType(self._index, self._width)
        there = self._splat(columns, numbers)
        return [
            self._builder.icmp_signed("<", ir.Constant(numbers, [*lanes]), there)
            for nth in range(VECTORS)
            if (lanes := range(nth * self._width, (nth + 1) * self._width))
        ]

    def _multiply_add(self, x: Any, y: Any, z: Any) -> Any:
        return self._builder.call(
            self._llvm("fma", "", self._vector, [self._vector] * 3), [x, y, z]
        )

    def _splat(self, number: Any, kind: Any) -> Any:
        """Return `number` in every lane."""
        nothing, integer = ir.Constant(kind, ir.Undefined), ir.IntType(32)
        first = self._builder.insert_element(nothing, number, integer(0))
        lanes = ir.Constant(ir.VectorType(integer, kind.count), [0] * kind.count)
        return self._builder.shuffle_vector(first, nothing, lanes)

    def _vector_at(self, pointer: Any, nth: int) -> Any:
        place = self._builder.gep(pointer, [self._index(nth * self._width)])
        return self._builder.bitcast(place, self._vector.as_pointer())

    def _llvm(self, name: str, ending: str, result: Any, arguments: list[Any]) -> Any:
        full = f"llvm.{name}.v{self._width}f{self._bits}{ending}"
        kind = ir.FunctionType(result, arguments)
        return cgutils.get_or_insert_function(self._builder.module, kind, full)

    @property
    def _align(self) -> int:
        """The alignment in bytes: rows start at any number."""
        return int(self._bits) // 8
