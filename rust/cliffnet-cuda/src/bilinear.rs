//! Kernels of products: one thread a lane, the multivectors in registers, the terms as straight-line code.

use cliffnet_plan::{Plan, Term};

use crate::shape::{THREADS, bounds, threads};
use crate::source::{Form, Source, Writer};
use crate::{Operation, Step, Storage, leaf_kernel, tabled};

/// 32-bit registers of a thread that operands and sums may take.
pub(crate) const REGISTERS: usize = 240;

/// 32-bit words of all operands beyond which the compiler spills some.
const MAX_WORDS: usize = 256;

/// Most terms of straight-line code: more take seconds to compile.
const MAX_TERMS: usize = 4096;

/// Blades of an operand from which on fewer registers are taken by going through the terms by left blades, with all sums
/// open, than by going from sum to sum.
const MANY_BLADES: usize = 64;

/// The kernel of an operation: of one whose outputs depend on different inputs, a row of blocks for each such part.
///
/// What straight-line code on whole multivectors cannot hold goes by blocks of blades, and what has too few terms in blocks,
/// or too many kinds of them, blade by blade. Straight-line code comes first, for it reads every operand once.
pub fn source(operation: &Operation, form: Form) -> Source {
    if !is_straight_line(operation, form.storage) {
        return leaf_kernel::source(operation, form).unwrap_or_else(|| tabled::source(operation, form));
    }
    let (inputs, sizes) = (operation.inputs(), operation.sizes());
    let parts = operation.parts();
    let threads = parts.iter().map(|part| threads(&read_sizes(operation, part), form.storage)).min().unwrap_or(THREADS);
    let mut writer = Writer::new(form.storage);
    functions(&mut writer, operation, form.storage);
    writer.parameters(inputs, sizes.len(), form.rank, &[]);
    let name = "products";
    writer.block(&format!("KERNEL({name}, {})", bounds(threads)), |writer| {
        writer.lanes(sizes.len(), form.rank, |writer| {
            if let [all] = &parts[..] {
                return body(writer, operation, all, form);
            }
            for (row, part) in parts.iter().enumerate() {
                writer.block(&format!("if (blockIdx.y == {row})"), |writer| body(writer, operation, part, form));
            }
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads, rows: parts.len().max(1), tables: Vec::new() }
}

/// Whether the code is short enough for the compiler, and the registers suffice: for all operands, and in every step for both
/// operands and the weights, of which the compiler lets none go, or for one operand and all sums, where the order of the terms
/// makes do with that.
pub(crate) fn is_straight_line(operation: &Operation, storage: Storage) -> bool {
    let words = storage.size().div_ceil(4);
    let fits = |step: &Step| {
        let plan = &step.plan;
        let (left, right, out) = (plan.left_size(), plan.right_size(), plan.out_size());
        let numbers =
            if step.weight.is_some() { left + right + plan.path_count() } else { right.max(left.min(out)) * 2 };
        numbers * words <= REGISTERS
    };
    operation.terms() <= MAX_TERMS
        && operation.parts().iter().all(|part| read_sizes(operation, part).iter().sum::<usize>() * words <= MAX_WORDS)
        && operation.steps().iter().all(fits)
}

/// Blades of the inputs that some outputs depend on.
fn read_sizes(operation: &Operation, outputs: &[usize]) -> Vec<usize> {
    operation.reads(outputs).into_iter().map(|operand| operation.sizes()[operand]).collect()
}

/// A function on registers for each step.
pub(crate) fn functions(writer: &mut Writer, operation: &Operation, storage: Storage) {
    for (index, step) in operation.steps().iter().enumerate() {
        if !step.plan.terms().is_empty() {
            product(writer, &format!("product_{index}"), step, storage);
        }
    }
}

/// Loads what outputs depend on at the offsets of a lane, computes and stores them.
pub(crate) fn body(writer: &mut Writer, operation: &Operation, outputs: &[usize], form: Form) {
    for operand in operation.reads(outputs) {
        load(writer, operand, &format!("value_{operand}"), operation.sizes()[operand], form);
    }
    for &operand in outputs {
        sum(writer, operation, operand, form, |_| ());
    }
}

/// Loads an operand into registers, an array of this name.
pub(crate) fn load(writer: &mut Writer, operand: usize, name: &str, size: usize, form: Form) {
    if size == 0 {
        return;
    }
    writer.line(&format!("real {name}[{size}];"));
    let pointer = format!("p.operand_{operand} + offset_{operand}");
    writer.line(&if form.is_vector(operand) {
        format!("load_vectors({pointer}, {name});")
    } else {
        format!("load({pointer}, p.blade_stride[{operand}], {name});")
    });
}

/// Computes and stores an output; `more` may change `sum` before it is stored.
pub(crate) fn sum(
    writer: &mut Writer,
    operation: &Operation,
    operand: usize,
    form: Form,
    more: impl FnOnce(&mut Writer),
) {
    let size = operation.sizes()[operand];
    if size == 0 {
        return;
    }
    writer.block("", |writer| {
        writer.line(&format!("real sum[{size}] = {{}};"));
        for (index, step) in operation.steps().iter().enumerate() {
            if step.out == operand && !step.plan.terms().is_empty() {
                let weight = step.weight.map_or_else(String::new, |weight| format!("value_{weight}, "));
                writer.line(&format!("product_{index}(value_{}, value_{}, {weight}sum);", step.left, step.right));
            }
        }
        more(writer);
        store(writer, operand, "sum", form);
    });
}

/// Stores an output from registers.
pub(crate) fn store(writer: &mut Writer, operand: usize, from: &str, form: Form) {
    let pointer = format!("p.operand_{operand} + offset_{operand}");
    writer.line(&if form.is_vector(operand) {
        format!("store_vectors({pointer}, {from});")
    } else {
        format!("store({pointer}, p.blade_stride[{operand}], {from});")
    });
}

/// A function on registers that adds a product to `out`; each sum takes its terms in the order of the plan.
pub(crate) fn product(writer: &mut Writer, name: &str, step: &Step, storage: Storage) {
    let plan = &step.plan;
    let [left, right, out] = [plan.left_size(), plan.right_size(), plan.out_size()];
    let weight = step.weight.map_or_else(String::new, |_| format!("const real (&weight)[{}], ", plan.path_count()));
    let head = format!(
        "LANE void {name}(const real (&left)[{left}], const real (&right)[{right}], {weight}real (&out)[{out}])"
    );
    writer.block(&head, |writer| {
        if step.weight.is_some() {
            return weighted_sums(writer, plan, storage);
        }
        let mut terms = plan.terms().to_vec();
        if out >= MANY_BLADES {
            terms.sort_by_key(|term| (term.left, term.out));
        }
        for term in terms {
            let factor = factor(&term, "left", usize::from(term.left), storage);
            writer.line(&format!("out[{0}] = multiply_add({factor}, right[{1}], out[{0}]);", term.out, term.right));
        }
    });
}

/// For each blade of the output the sums of its paths, each times its weight.
fn weighted_sums(writer: &mut Writer, plan: &Plan, storage: Storage) {
    for (out, terms) in by(plan, |term| (term.out, term.path)) {
        path_sum(writer, &terms, storage);
        writer.line(&format!("out[{0}] = multiply_add(weight[{1}], sum, out[{0}]); }}", out.0, out.1));
    }
}

/// Opens a block with the sum of some products.
pub(crate) fn path_sum(writer: &mut Writer, terms: &[Term], storage: Storage) {
    for (position, term) in terms.iter().enumerate() {
        let factor = factor(term, "left", usize::from(term.left), storage);
        writer.line(&if position == 0 {
            format!("{{ real sum = {factor} * right[{}];", term.right)
        } else {
            format!("sum = multiply_add({factor}, right[{}], sum);", term.right)
        });
    }
}

/// The terms in groups of equal keys, which ascend.
pub(crate) fn by<K: Ord + Copy>(plan: &Plan, key: impl Fn(&Term) -> K) -> Vec<(K, Vec<Term>)> {
    let mut terms = plan.terms().to_vec();
    terms.sort_by_key(&key);
    let groups = terms.chunk_by(|one, other| key(one) == key(other));
    groups.map(|group| (key(&group[0]), group.to_vec())).collect()
}

/// The coefficient of a term times a blade of an operand.
fn factor(term: &Term, operand: &str, blade: usize, storage: Storage) -> String {
    match term.coefficient {
        1.0 => format!("{operand}[{blade}]"),
        -1.0 => format!("-{operand}[{blade}]"),
        coefficient => format!("{} * {operand}[{blade}]", storage.literal(coefficient)),
    }
}
