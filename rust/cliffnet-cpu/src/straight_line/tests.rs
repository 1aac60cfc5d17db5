use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Partition, Plan, Term};

use super::StraightLineCompute;
use crate::isa::Isa;
use crate::kernel::{Planes, PlanesMut};
use crate::weighted::{WeightedCompute, WeightedGradients, WeightedKernels, WeightedProduct, WeightedTerms};

const SIGNATURES: [[usize; 3]; 4] = [[2, 0, 0], [3, 0, 0], [1, 3, 0], [3, 0, 1]];

fn geometric([p, q, r]: [usize; 3], classes: &[Vec<u32>]) -> Plan {
    let metric = Metric::from_signature(p, q, r).expect("a signature");
    let basis = Basis::canonical(p + q + r).expect("few generators");
    let partition = Partition::new(p + q + r, classes).expect("a partition");
    Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&partition)).expect("a product")
}

pub(super) fn by_grade(signature: [usize; 3]) -> Plan {
    let grades: Vec<Vec<u32>> = (0..=signature.iter().sum::<usize>() as u32).map(|grade| vec![grade]).collect();
    geometric(signature, &grades)
}

/// Planes in one buffer, with lanes between them that must stay as they are.
#[derive(Clone, PartialEq, Debug)]
struct Buffer<T> {
    values: Vec<T>,
    stride: usize,
}

impl<T: WeightedCompute + Into<f64>> Buffer<T> {
    const GAP: usize = 3;

    fn new(planes: usize, lanes: usize, mut value: impl FnMut() -> f64) -> Self {
        let stride = lanes + Self::GAP;
        Self { values: (0..planes * stride).map(|_| T::from_f64(value())).collect(), stride }
    }

    fn read(&self) -> Planes<T> {
        Planes { start: self.values.as_ptr(), stride: self.stride as isize }
    }

    fn write(&mut self) -> PlanesMut<T> {
        PlanesMut { start: self.values.as_mut_ptr(), stride: self.stride as isize }
    }

    fn at(&self, plane: u16, lane: usize) -> f64 {
        self.values[usize::from(plane) * self.stride + lane].into()
    }

    fn add(&mut self, plane: u16, lane: usize, value: f64) {
        self.values[usize::from(plane) * self.stride + lane] += T::from_f64(value);
    }

    /// Sets the lanes of every plane to zero and leaves the gaps.
    fn cleared(mut self) -> Self {
        for plane in self.values.chunks_mut(self.stride) {
            plane[..self.stride - Self::GAP].fill(T::default());
        }
        self
    }
}

/// The operands of a product and its gradients, small integers so that all sums are exact.
struct Operands<T> {
    lanes: usize,
    cotangent: Buffer<T>,
    left: Buffer<T>,
    right: Buffer<T>,
    weight: Buffer<T>,
    scale: Buffer<T>,
}

/// What is computed: the product, the gradients by left, right and weight, and the dot product.
type Results<T> = [Buffer<T>; 5];

impl<T: WeightedCompute + Into<f64>> Operands<T> {
    fn new(plan: &Plan, lanes: usize) -> Self {
        let mut state = 1_u64;
        let mut small = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) % 7) as f64 - 3.0
        };
        let [cotangent, left, right, weight, scale] =
            [plan.out_size(), plan.left_size(), plan.right_size(), plan.path_count(), 1]
                .map(|planes| Buffer::new(planes, lanes, &mut small));
        Self { lanes, cotangent, left, right, weight, scale }
    }

    fn results(&self, plan: &Plan) -> Results<T> {
        let sizes = [plan.out_size(), plan.left_size(), plan.right_size(), plan.path_count(), 1];
        sizes.map(|planes| Buffer::new(planes, self.lanes, || 5.0))
    }

    fn run(&self, kernels: &WeightedKernels<T>, plan: &Plan) -> Results<T> {
        let mut results = self.results(plan);
        let [out, by_left, by_right, by_weight, dot] = results.each_mut().map(Buffer::write);
        let [cotangent, left, right, weight] =
            [&self.cotangent, &self.left, &self.right, &self.weight].map(Buffer::read);
        let scale = self.scale.values.as_ptr();
        let product = WeightedProduct { left, right, weight, scale, out };
        let dot = dot.start;
        let gradients = WeightedGradients { cotangent, left, right, weight, scale, by_left, by_right, by_weight, dot };
        let (terms, vectors) = (WeightedTerms::new(plan), self.lanes / kernels.lanes);
        // SAFETY: every buffer has the planes of the plan with that many lanes; callers pass available instruction sets.
        unsafe {
            (kernels.forward)(&terms, vectors, &product);
            (kernels.backward)(&terms, vectors, &gradients);
        }
        results
    }

    /// The same by a plain loop over the terms.
    fn expected(&self, plan: &Plan) -> Results<T> {
        let [out, by_left, by_right, mut by_weight, dot] = self.results(plan);
        let [mut out, mut by_left, mut by_right, mut dot] = [out, by_left, by_right, dot].map(Buffer::cleared);
        for lane in 0..self.lanes {
            let scale = self.scale.at(0, lane);
            for &Term { out: o, left: l, right: r, path, coefficient } in plan.terms() {
                let (g, w) = (self.cotangent.at(o, lane), self.weight.at(path, lane));
                let (x, y) = (self.left.at(l, lane), self.right.at(r, lane));
                out.add(o, lane, scale * coefficient * w * x * y);
                by_left.add(l, lane, scale * coefficient * w * g * y);
                by_right.add(r, lane, scale * coefficient * w * g * x);
                by_weight.add(path, lane, scale * coefficient * g * x * y);
                dot.add(0, lane, coefficient * w * g * x * y);
            }
        }
        [out, by_left, by_right, by_weight, dot]
    }
}

/// The products that are compiled for the vectors of single precision only, and not for debugging.
#[cfg(not(debug_assertions))]
fn long_products() -> [Plan; 2] {
    [by_grade([5, 0, 0]), geometric([5, 0, 0], &[vec![0, 4], vec![1, 5], vec![2], vec![3]])]
}

fn assert_agrees<T: StraightLineCompute + WeightedCompute + Into<f64> + PartialEq + std::fmt::Debug>(
    plans: &[Plan],
    instruction_sets: &[Isa],
) {
    for plan in plans {
        for &isa in instruction_sets.iter().filter(|isa| isa.is_available()) {
            let kernels = T::straight_line(plan.content_hash(), isa).expect("straight-line code");
            for vectors in [0, 1, 3, T::TILE / kernels.lanes] {
                let operands = Operands::<T>::new(plan, vectors * kernels.lanes);
                let expected = operands.expected(plan);
                assert_eq!(operands.run(&kernels, plan), expected, "{isa:?}, {vectors} vectors");
                assert_eq!(operands.run(&T::interpreter(isa), plan), expected, "the interpreter, {isa:?}");
            }
        }
    }
}

#[test]
fn test_single_precision_agrees_with_the_plain_loop_and_the_interpreter() {
    assert_agrees::<f32>(&SIGNATURES.map(by_grade), &Isa::ALL);
}

#[test]
#[cfg(not(debug_assertions))]
fn test_long_products_agree_with_the_plain_loop_and_the_interpreter() {
    let vectors: Vec<Isa> = Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar).collect();
    assert_agrees::<f32>(&long_products(), &vectors);
}

#[test]
fn test_double_precision_agrees_with_the_plain_loop_and_the_interpreter() {
    assert_agrees::<f64>(&SIGNATURES.map(by_grade), &Isa::ALL);
}

#[test]
fn test_plans_are_found_by_hash() {
    for signature in SIGNATURES {
        let hash = by_grade(signature).content_hash();
        assert!(f32::straight_line(hash, Isa::detect()).is_some(), "{signature:?}");
        assert!(f64::straight_line(hash, Isa::detect()).is_some(), "{signature:?}");
    }
}

#[test]
fn test_other_plans_have_no_straight_line_code() {
    let parity = geometric([3, 0, 0], &[vec![0, 2], vec![1, 3]]);
    for plan in [parity, by_grade([0, 3, 0]), by_grade([3, 1, 0]), by_grade([4, 0, 0])] {
        assert!(f32::straight_line(plan.content_hash(), Isa::detect()).is_none(), "{:?}", plan.paths());
    }
}
