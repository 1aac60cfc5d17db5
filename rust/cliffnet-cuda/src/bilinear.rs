//! Kernels of unweighted products: one thread a lane, the multivectors in registers, the terms as straight-line code.

use cliffnet_plan::Plan;

use crate::source::{Form, Source, Writer};
use crate::{Operation, Storage};

/// Threads of a block; numbers of blades beyond which registers for fewer threads remain.
const THREADS: u32 = 256;
const THREADS_OF_WIDE: u32 = 128;
const WIDE: usize = 128;

/// The kernel of an operation.
pub fn source(operation: &Operation, form: Form) -> Source {
    let (inputs, sizes) = (operation.inputs(), operation.sizes());
    let registers = sizes[..inputs].iter().sum::<usize>() * form.storage.size().div_ceil(4);
    let threads = if registers >= WIDE { THREADS_OF_WIDE } else { THREADS };
    let mut writer = Writer::new(form.storage);
    for (index, step) in operation.steps().iter().enumerate() {
        if !step.plan.terms().is_empty() {
            product(&mut writer, index, &step.plan, form.storage);
        }
    }
    writer.parameters(inputs, sizes.len(), form.rank);
    let name = "products";
    writer.block(&format!("KERNEL({name}, {threads})"), |writer| {
        writer.lanes(sizes.len(), form.rank, |writer| {
            for (operand, &size) in sizes[..inputs].iter().enumerate() {
                load(writer, operand, size, form);
            }
            for (operand, &size) in sizes.iter().enumerate().skip(inputs) {
                sum(writer, operation, operand, size, form);
            }
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads }
}

/// Loads an operand into registers.
fn load(writer: &mut Writer, operand: usize, size: usize, form: Form) {
    if size == 0 {
        return;
    }
    writer.line(&format!("real value_{operand}[{size}];"));
    let pointer = format!("p.operand_{operand} + offset_{operand}");
    writer.line(&if form.vectors {
        format!("load_vectors({pointer}, value_{operand});")
    } else {
        format!("load({pointer}, p.blade_stride[{operand}], value_{operand});")
    });
}

/// Computes and stores an output.
fn sum(writer: &mut Writer, operation: &Operation, operand: usize, size: usize, form: Form) {
    if size == 0 {
        return;
    }
    writer.block("", |writer| {
        writer.line(&format!("real sum[{size}] = {{}};"));
        for (index, step) in operation.steps().iter().enumerate() {
            if step.out == operand && !step.plan.terms().is_empty() {
                writer.line(&format!("product_{index}(value_{}, value_{}, sum);", step.left, step.right));
            }
        }
        let pointer = format!("p.operand_{operand} + offset_{operand}");
        writer.line(&if form.vectors {
            format!("store_vectors({pointer}, sum);")
        } else {
            format!("store({pointer}, p.blade_stride[{operand}], sum);")
        });
    });
}

/// A function on registers that adds a product to `out`, term by term in the order of the plan.
fn product(writer: &mut Writer, index: usize, plan: &Plan, storage: Storage) {
    let [left, right, out] = [plan.left_size(), plan.right_size(), plan.out_size()];
    let head = format!(
        "LANE void product_{index}(const real (&left)[{left}], const real (&right)[{right}], real (&out)[{out}])"
    );
    writer.block(&head, |writer| {
        for term in plan.terms() {
            let factor = factor(term.coefficient, &format!("left[{}]", term.left), storage);
            writer.line(&format!("out[{0}] = multiply_add({factor}, right[{1}], out[{0}]);", term.out, term.right));
        }
    });
}

/// A coefficient times an expression.
fn factor(coefficient: f64, expression: &str, storage: Storage) -> String {
    match coefficient {
        1.0 => expression.to_owned(),
        -1.0 => format!("-{expression}"),
        _ => format!("{} * {expression}", storage.literal(coefficient)),
    }
}
