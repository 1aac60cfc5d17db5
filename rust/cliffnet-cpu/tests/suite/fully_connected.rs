//! Fully connected products and their gradients, on integers, where every order of summation is exact.

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_cpu::{Axis, ChannelOperand, DType, FullyConnected, Geometry, Isa, SlotProgram, WeightOperand};
use cliffnet_plan::{Partition, Plan};

use crate::memory::{DTYPES, Layout, Memory, RANK, rounded};
use crate::naive::{Random, available};

/// Two axes of rows, and channels in and out.
#[derive(Clone, Copy)]
struct Sizes {
    rows: [i64; 2],
    inputs: i64,
    outputs: i64,
}

fn weighted_plan(squares: &[f64]) -> Plan {
    let metric = Metric::new(squares.to_vec()).expect("finite");
    let basis = Basis::canonical(metric.dim()).expect("few generators");
    let classes: Vec<Vec<u32>> = (0..=metric.dim() as u32).map(|grade| vec![grade]).collect();
    let partition = Partition::new(metric.dim(), &classes).expect("every grade once");
    Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&partition)).expect("a plan")
}

/// Multivectors with axes (rows, rows, channels).
fn tensor(dtype: DType, sizes: Sizes, channels: i64, blades: usize, layout: &Layout) -> Memory {
    Memory::new(dtype, [sizes.rows[0], sizes.rows[1], channels], blades, layout)
}

fn operand(memory: &mut Memory) -> ChannelOperand {
    ChannelOperand {
        channel_stride: memory.strides[RANK - 1],
        blade_stride: memory.strides[RANK],
        data: memory.start_mut(),
    }
}

fn weight_operand(memory: &mut Memory) -> WeightOperand {
    WeightOperand { strides: [memory.strides[1], memory.strides[2], memory.strides[3]], data: memory.start_mut() }
}

fn geometry<const N: usize>(sizes: Sizes, operands: [&Memory; N]) -> Geometry<N> {
    Geometry::new((0..2).map(|axis| Axis { size: sizes.rows[axis], strides: operands.map(|one| one.strides[axis]) }))
}

/// The four sums of products, in double precision: the product and the gradients of left, right and weight.
fn plain_loop(plan: &Plan, sizes: Sizes, [cotangent, left, right, weight]: [&[f64]; 4]) -> [Vec<f64>; 4] {
    let (inputs, outputs, paths) = (sizes.inputs as usize, sizes.outputs as usize, plan.path_count());
    let mut sums = [cotangent, left, right, weight].map(|like| vec![0.0; like.len()]);
    for row in 0..(sizes.rows[0] * sizes.rows[1]) as usize {
        for output in 0..outputs {
            for input in 0..inputs {
                for term in plan.terms() {
                    let k = (row * outputs + output) * plan.out_size() + usize::from(term.out);
                    let l = (row * inputs + input) * plan.left_size() + usize::from(term.left);
                    let r = (row * inputs + input) * plan.right_size() + usize::from(term.right);
                    let w = (output * inputs + input) * paths + usize::from(term.path);
                    sums[0][k] += term.coefficient * left[l] * right[r] * weight[w];
                    sums[1][l] += term.coefficient * cotangent[k] * right[r] * weight[w];
                    sums[2][r] += term.coefficient * cotangent[k] * left[l] * weight[w];
                    sums[3][w] += term.coefficient * cotangent[k] * left[l] * right[r];
                }
            }
        }
    }
    sums
}

fn check(plan: &Plan, dtype: DType, isa: Isa, sizes: Sizes, layouts: [&Layout; 4], random: &mut Random) {
    let program = SlotProgram::new(plan, 1 + random.below(40) as usize).expect("weights");
    let product = FullyConnected {
        program: &program,
        inputs: sizes.inputs as usize,
        outputs: sizes.outputs as usize,
        dtype,
        isa,
    };
    let Sizes { inputs, outputs, .. } = sizes;
    let mut cotangent = tensor(dtype, sizes, outputs, plan.out_size(), layouts[0]);
    let mut left = tensor(dtype, sizes, inputs, plan.left_size(), layouts[1]);
    let mut right = tensor(dtype, sizes, inputs, plan.right_size(), layouts[2]);
    let mut weight = Memory::new(dtype, [1, outputs, inputs], plan.path_count(), layouts[3]);
    for memory in [&mut cotangent, &mut left, &mut right, &mut weight] {
        memory.fill(|| random.small());
    }
    let values = [&cotangent, &left, &right, &weight].map(Memory::values);
    let expected = plain_loop(plan, sizes, values.each_ref().map(Vec::as_slice));
    let mut out = tensor(dtype, sizes, outputs, plan.out_size(), &layouts[0].distinct());
    let mut by_left = tensor(dtype, sizes, inputs, plan.left_size(), &layouts[1].distinct());
    let mut by_right = tensor(dtype, sizes, inputs, plan.right_size(), &layouts[2].distinct());
    let mut by_weight = Memory::new(dtype, [1, outputs, inputs], plan.path_count(), &layouts[3].distinct());
    let rows = sizes.rows[0] * sizes.rows[1];
    let split = random.below(rows as u64 + 1) as i64;
    let forward = geometry(sizes, [&left, &right, &out]);
    let backward = geometry(sizes, [&cotangent, &left, &right, &by_left, &by_right]);
    // SAFETY: strides and sizes are those of live tensors, none of which overlap; outputs have distinct elements.
    unsafe {
        let panel = product.panel(weight_operand(&mut weight));
        let operands = [operand(&mut left), operand(&mut right), operand(&mut out)];
        product.product(&forward, operands, &panel, 0..split);
        product.product(&forward, operands, &panel, split..rows);
        let panel = product.transposed_panel(weight_operand(&mut weight));
        let operands = [
            operand(&mut cotangent),
            operand(&mut left),
            operand(&mut right),
            operand(&mut by_left),
            operand(&mut by_right),
        ];
        let mut sums = vec![product.sums(), product.sums()];
        product.gradients(&backward, operands, &panel, &mut sums[0], 0..split);
        product.gradients(&backward, operands, &panel, &mut sums[1], split..rows);
        product.write_sums(sums, weight_operand(&mut by_weight));
    }
    for (found, expected) in [&out, &by_left, &by_right, &by_weight].into_iter().zip(expected) {
        let expected: Vec<f64> = expected.into_iter().map(|value| rounded(dtype, value)).collect();
        assert_eq!(found.values(), expected, "{dtype:?} {isa:?}");
        found.assert_untouched_outside();
    }
    assert_eq!(values, [&cotangent, &left, &right, &weight].map(Memory::values), "an operand was written");
}

fn check_everywhere(plan: &Plan, sizes: Sizes, layouts: [&Layout; 4], random: &mut Random) {
    for dtype in DTYPES {
        for isa in available() {
            check(plan, dtype, isa, sizes, layouts, random);
        }
    }
}

#[test]
fn every_number_of_channels_is_exact() {
    let plan = weighted_plan(&[1.0, -1.0]);
    let mut random = Random(21);
    let layouts = [&Layout::CONTIGUOUS; 4];
    for channels in 1..=20 {
        for (inputs, outputs) in [(channels, 3), (2, channels), (channels, 21 - channels)] {
            check_everywhere(&plan, Sizes { rows: [1, 5], inputs, outputs }, layouts, &mut random);
        }
    }
    check_everywhere(&plan, Sizes { rows: [1, 3], inputs: 2, outputs: 70 }, layouts, &mut random);
}

#[test]
fn every_number_of_rows_is_exact() {
    let plan = weighted_plan(&[1.0, 0.0]);
    let mut random = Random(22);
    for rows in 1..=70 {
        let layout = &[Layout::CONTIGUOUS, Layout::BLADE_MAJOR][rows as usize % 2];
        let sizes = Sizes { rows: [2, rows], inputs: 2, outputs: 3 };
        check_everywhere(&plan, sizes, [layout, layout, layout, &Layout::CONTIGUOUS], &mut random);
    }
}

#[test]
fn every_layout_and_algebra_is_exact() {
    let mut random = Random(23);
    for squares in [&[][..], &[0.0], &[1.0, 1.0, 1.0], &[0.0, 1.0, 1.0, -1.0], &[2.0, -3.0, 0.0]] {
        let plan = weighted_plan(squares);
        let sizes = Sizes { rows: [3, 7], inputs: 3, outputs: 5 };
        for index in 0..Layout::ALL.len() {
            let layouts = std::array::from_fn(|operand| &Layout::ALL[(index + operand) % Layout::ALL.len()]);
            check_everywhere(&plan, sizes, layouts, &mut random);
        }
    }
}
