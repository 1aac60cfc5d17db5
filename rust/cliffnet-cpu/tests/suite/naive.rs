//! One product: its plan, its operands, the kernels' result and the plain loop's.

use std::ops::Range;

use std::sync::Arc;

use cliffnet_cpu::{Axis, DType, Geometry, Isa, Operand, Operation, Program, Step, execute};
use cliffnet_plan::{Plan, Term};

use crate::memory::{Layout, Memory, RANK, rounded};

pub(crate) fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.into_iter().filter(|isa| isa.is_available())
}

/// A small generator of pseudo-random numbers (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An integer from -4 to 4: sums of products of a few hundred are exact in single precision.
    pub(crate) fn small(&mut self) -> f64 {
        self.below(9) as f64 - 4.0
    }

    /// A number in [-1, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    /// A plan with up to `count` distinct terms, coefficients mostly 1 and -1.
    pub(crate) fn plan(&mut self, [left, right, out]: [usize; 3], count: usize) -> Plan {
        let mut terms: Vec<Term> = (0..count)
            .map(|_| Term {
                out: self.below(out as u64) as u16,
                left: self.below(left as u64) as u16,
                right: self.below(right as u64) as u16,
                path: 0,
                coefficient: [1.0, -1.0, 1.0, -1.0, 0.5, -2.0, 3.0, -0.25][self.below(8) as usize],
            })
            .collect();
        terms.sort_by_key(|term| (term.out, term.left, term.right));
        terms.dedup_by_key(|term| (term.out, term.left, term.right));
        Plan::from_terms(left, right, out, 0, terms).expect("indices in range, terms distinct")
    }
}

/// A product of two tensors.
pub(crate) struct Product<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) dtype: DType,
    pub(crate) axes: [i64; RANK],
    pub(crate) left: Memory,
    pub(crate) right: Memory,
    pub(crate) out: Memory,
}

impl<'a> Product<'a> {
    pub(crate) fn new(plan: &'a Plan, dtype: DType, axes: [i64; RANK], [left, right, out]: [&Layout; 3]) -> Self {
        Self {
            plan,
            dtype,
            axes,
            left: Memory::new(dtype, axes, plan.left_size(), left),
            right: Memory::new(dtype, axes, plan.right_size(), right),
            out: Memory::new(dtype, axes, plan.out_size(), &out.distinct()),
        }
    }

    pub(crate) fn filled(mut self, mut value: impl FnMut() -> f64) -> Self {
        let dtype = self.dtype;
        self.left.fill(|| rounded(dtype, value()));
        self.right.fill(|| rounded(dtype, value()));
        self
    }

    pub(crate) fn lanes(&self) -> i64 {
        self.axes.iter().product()
    }

    /// Runs the kernels on ranges of lanes and checks what must stay as it is.
    pub(crate) fn run(&mut self, isa: Isa, ranges: impl IntoIterator<Item = Range<i64>>) {
        let program = Arc::new(Program::new(self.plan).expect("no weights"));
        let step = Step { program, left: 0, right: 1, out: 2 };
        self.run_operation(&Operation::new(2, 1, vec![step]).expect("one product"), isa, ranges);
    }

    /// As [`Product::run`] with any operation of two inputs and an output.
    pub(crate) fn run_operation(
        &mut self,
        operation: &Operation,
        isa: Isa,
        ranges: impl IntoIterator<Item = Range<i64>>,
    ) {
        let geometry = Geometry::new((0..RANK).map(|axis| Axis {
            size: self.axes[axis],
            strides: [self.left.strides[axis], self.right.strides[axis], self.out.strides[axis]],
        }));
        let before = [self.left.bytes(), self.right.bytes()];
        let operands = [
            Operand { data: self.left.start().cast_mut(), blade_stride: self.left.strides[RANK] },
            Operand { data: self.right.start().cast_mut(), blade_stride: self.right.strides[RANK] },
            Operand { data: self.out.start_mut(), blade_stride: self.out.strides[RANK] },
        ];
        for lanes in ranges {
            // SAFETY: strides and sizes are those of the three live tensors, which do not overlap; the elements of
            // the output are distinct; callers pass available instruction sets and ranges of lanes that exist.
            unsafe { execute(operation, self.dtype, isa, &geometry, operands, lanes) };
        }
        assert!(before == [self.left.bytes(), self.right.bytes()], "an operand was written");
        self.out.assert_untouched_outside();
    }

    pub(crate) fn run_whole(&mut self, isa: Isa) {
        let lanes = 0..self.lanes();
        self.run(isa, [lanes]);
    }

    /// The plain loop in double precision, lane by lane: each value and the sum of the magnitudes of its terms.
    pub(crate) fn expected(&self) -> Vec<(f64, f64)> {
        let (left, right) = (self.left.values(), self.right.values());
        let (left_size, right_size) = (self.plan.left_size(), self.plan.right_size());
        let mut expected = vec![(0.0, 0.0); self.lanes() as usize * self.plan.out_size()];
        for lane in 0..self.lanes() as usize {
            for term in self.plan.terms() {
                let a = left[lane * left_size + usize::from(term.left)];
                let b = right[lane * right_size + usize::from(term.right)];
                let (value, magnitude) = &mut expected[lane * self.plan.out_size() + usize::from(term.out)];
                *value += term.coefficient * a * b;
                *magnitude += (term.coefficient * a * b).abs();
            }
        }
        expected
    }

    /// Panics unless the result is the rounded exact one.
    pub(crate) fn assert_exact(&self, isa: Isa) {
        for (index, (actual, (expected, _))) in self.out.values().into_iter().zip(self.expected()).enumerate() {
            let expected = rounded(self.dtype, expected);
            assert!(
                actual == expected || (actual.is_nan() && expected.is_nan()),
                "{isa:?} {:?} axes {:?} strides {:?} {:?} {:?}: element {index} is {actual}, expected {expected}",
                self.dtype,
                self.axes,
                self.left.strides,
                self.right.strides,
                self.out.strides,
            );
        }
    }
}
