//! Random operations on random strided memory: nothing outside an output is written, and nothing aborts.
//!
//! `CLIFFNET_FUZZ_CASES` sets the number of cases, `CLIFFNET_FUZZ_SEED` where they start. Reads outside of the operands
//! show under a sanitizer or Miri, in a build with `CLIFFNET_TIGHT_MEMORY` set, which leaves out the guard zones.

use std::sync::Arc;
use std::time::Instant;

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_cpu::{Axis, DType, Geometry, Isa, Operand, Operation, Program, Step, execute};
use cliffnet_plan::{Plan, Slot};

use crate::memory::{DTYPES, Layout, Memory, RANK};
use crate::naive::{Product, Random, available};

/// Cases of an ordinary test run.
const FEW: u64 = if cfg!(miri) { 40 } else { 3000 };

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is '{text}'")))
}

impl Random {
    /// A number below `bound`, small ones much more often.
    fn mostly_small(&mut self, bound: u64) -> u64 {
        let limit = 1 + self.below(bound);
        let limit = 1 + self.below(limit);
        self.below(limit)
    }

    fn axes(&mut self) -> [i64; RANK] {
        let longest = if self.below(64) == 0 { 700 } else { 80 };
        match self.below(4) {
            0 => [1, 1, self.mostly_small(longest)],
            1 => [1, 1 + self.mostly_small(4), self.mostly_small(40)],
            2 => [1 + self.mostly_small(4), 1 + self.mostly_small(4), 1 + self.mostly_small(9)],
            _ => [self.below(3), self.below(3), self.mostly_small(70)],
        }
        .map(|size: u64| size as i64)
    }

    fn layout(&mut self) -> Layout {
        if self.below(2) == 0 {
            return Layout::ALL[self.below(Layout::ALL.len() as u64) as usize].clone();
        }
        let mut order = [0, 1, 2, 3];
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last as u64 + 1) as usize);
        }
        let gaps = [(); RANK + 1].map(|()| if self.below(4) == 0 { self.below(6) as i64 } else { 0 });
        let expanded = [(); RANK + 1].map(|()| self.below(7) == 0);
        Layout { order, gaps, expanded, shift: self.below(4) as usize }
    }

    /// A product of a small algebra, or any sparse plan.
    fn any_plan(&mut self) -> Plan {
        if self.below(3) > 0 {
            let sizes = [(); 3].map(|()| 1 + self.mostly_small(33) as usize);
            let count = self.below(60) as usize;
            return self.plan(sizes, count);
        }
        let dim = if self.below(20) == 0 { 6 } else { self.below(5) as usize };
        let squares = (0..dim).map(|_| [1.0, -1.0, 0.0, 1.0][self.below(4) as usize]).collect();
        let metric = Metric::new(squares).expect("finite squares");
        let basis = Basis::canonical(dim).expect("few generators");
        let kind = ProductKind::ALL[self.below(ProductKind::ALL.len() as u64) as usize];
        let kind = if dim == 6 { ProductKind::Geometric } else { kind };
        Plan::product(kind, &metric, &basis, &basis, &basis, None).expect("a plan")
    }
}

/// The operations that are made of one plan, as steps `[left, right, out]` of the plan and of its gradients.
struct Programs {
    forward: Arc<Program>,
    by_left: Arc<Program>,
    by_right: Arc<Program>,
}

impl Programs {
    fn of(plan: &Plan) -> Self {
        let program = |plan: &Plan| Arc::new(Program::new(plan).expect("no weights"));
        Self {
            forward: program(plan),
            by_left: program(&plan.seen_from(Slot::Left)),
            by_right: program(&plan.seen_from(Slot::Right)),
        }
    }

    fn backward(&self) -> Operation {
        let steps = vec![step(&self.by_left, [0, 2, 3]), step(&self.by_right, [1, 0, 4])];
        Operation::new(3, 2, steps).expect("sizes of one plan")
    }

    fn double_backward(&self) -> Operation {
        let steps = vec![
            step(&self.forward, [0, 4, 5]),
            step(&self.forward, [3, 1, 5]),
            step(&self.by_left, [2, 1, 6]),
            step(&self.by_right, [0, 2, 7]),
        ];
        Operation::new(5, 3, steps).expect("sizes of one plan")
    }
}

fn step(program: &Arc<Program>, [left, right, out]: [usize; 3]) -> Step {
    Step { program: Arc::clone(program), left, right, out }
}

/// Runs an operation on memory of its own and checks what must stay as it is.
fn run<const N: usize>(operation: &Operation, dtype: DType, isa: Isa, random: &mut Random) {
    let axes = random.axes();
    let inputs = operation.inputs();
    let mut memories: [Memory; N] = std::array::from_fn(|index| {
        let layout = random.layout();
        let layout = if index < inputs { layout } else { layout.distinct() };
        Memory::new(dtype, axes, operation.sizes()[index], &layout)
    });
    for memory in &mut memories[..inputs] {
        memory.fill(|| random.small());
    }
    let before: Vec<_> = memories[..inputs].iter().map(Memory::bytes).collect();
    let geometry =
        Geometry::new((0..RANK).map(|axis| Axis {
            size: axes[axis],
            strides: std::array::from_fn(|index| memories[index].strides[axis]),
        }));
    let mut operands = [Operand { data: std::ptr::null_mut(), blade_stride: 0 }; N];
    for (operand, memory) in operands.iter_mut().zip(&mut memories) {
        *operand = Operand { data: memory.start_mut(), blade_stride: memory.strides[RANK] };
    }
    // SAFETY: strides and sizes are those of live tensors, which do not overlap; the elements of outputs are distinct;
    // the instruction set is available.
    unsafe { execute(operation, dtype, isa, &geometry, operands, 0..geometry.lanes()) };
    for (memory, before) in memories[..inputs].iter().zip(before) {
        assert!(memory.bytes() == before, "an operand was written: {memory:?}");
    }
    for memory in &memories[inputs..] {
        memory.assert_untouched_outside();
    }
}

/// One case; the seed alone decides what it is.
fn run_case(seed: u64, isas: &[Isa]) {
    let random = &mut Random(seed);
    let dtype = DTYPES[random.below(4) as usize];
    let isa = isas[random.below(isas.len() as u64) as usize];
    let plan = random.any_plan();
    match random.below(8) {
        0 | 1 => {
            let (axes, layouts) = (random.axes(), [(); 3].map(|()| random.layout()));
            let mut product = Product::new(&plan, dtype, axes, layouts.each_ref()).filled(|| random.small());
            product.run_whole(isa);
            product.assert_exact(isa);
        }
        2..=5 => {
            let program = Arc::new(Program::new(&plan).expect("no weights"));
            let operation = Operation::new(2, 1, vec![step(&program, [0, 1, 2])]).expect("one product");
            run::<3>(&operation, dtype, isa, random);
        }
        6 => run::<5>(&Programs::of(&plan).backward(), dtype, isa, random),
        _ => run::<8>(&Programs::of(&plan).double_backward(), dtype, isa, random),
    }
}

#[test]
fn any_operation_stays_inside_its_tensors() {
    let (cases, first) = (setting("CLIFFNET_FUZZ_CASES", FEW), setting("CLIFFNET_FUZZ_SEED", 0));
    let isas: Vec<_> = available().collect();
    let start = Instant::now();
    for seed in first..first + cases {
        let outcome = std::panic::catch_unwind(|| run_case(seed, &isas));
        assert!(outcome.is_ok(), "the case with CLIFFNET_FUZZ_SEED={seed} failed; the reason is printed above");
    }
    eprintln!("{cases} cases in {:.0} s", start.elapsed().as_secs_f64());
}
