//! Kernels of products with many terms: a thread computes one blade of the output from a table of its terms.
//!
//! Threads of a block work on neighbouring lanes of one blade, so that the table is read once for all of them.

use cliffnet_plan::{Plan, Term};

use crate::source::{Form, Source, Table, Writer};
use crate::{Operation, Storage};

/// Threads of a block.
pub(crate) const THREADS: u32 = 256;

/// The kernel of an operation: a row of blocks for each blade of each output.
pub(crate) fn source(operation: &Operation, form: Form) -> Source {
    let (inputs, sizes) = (operation.inputs(), operation.sizes());
    let mut writer = Writer::new(form.storage);
    let mut tables = Vec::new();
    for (index, step) in operation.steps().iter().enumerate() {
        let plan = &step.plan;
        tables.extend(declare(&mut writer, index, plan, plan.out_size(), |term| usize::from(term.out), form.storage));
    }
    writer.parameters(inputs, sizes.len(), form.rank, &[]);
    let name = "tabled_products";
    let rows: usize = sizes[inputs..].iter().sum();
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.block(&format!("for (u32 row = blockIdx.y; row < {rows}; row += gridDim.y)"), |writer| {
            writer.lanes(sizes.len(), form.rank, |writer| {
                let mut first = 0;
                for (operand, &size) in sizes.iter().enumerate().skip(inputs) {
                    let end = first + size;
                    writer.block(&format!("if (row >= {first} && row < {end})"), |writer| {
                        writer.line(&format!("const u32 blade = row - {first};"));
                        sum(writer, operation, operand);
                    });
                    first = end;
                }
            });
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: rows.max(1), tables }
}

/// Computes and stores a blade of an output.
fn sum(writer: &mut Writer, operation: &Operation, operand: usize) {
    writer.line("real sum = 0;");
    for (index, step) in operation.steps().iter().enumerate().filter(|(_, step)| step.out == operand) {
        terms(writer, index, "blade", |writer| {
            writer.line(&format!("real product = {} * factor;", element(step.left, "left")));
            if let Some(weight) = step.weight {
                writer.line(&format!("product *= {};", element(weight, "path")));
            }
            writer.line(&format!("sum = multiply_add(product, {}, sum);", element(step.right, "right")));
        });
    }
    writer.line(&format!("p.operand_{operand}[offset_{operand} + blade * p.blade_stride[{operand}]] = narrow(sum);"));
}

/// A blade of an operand.
pub(crate) fn element(operand: usize, blade: &str) -> String {
    format!("widen(__ldg(p.operand_{operand} + offset_{operand} + {blade} * p.blade_stride[{operand}]))")
}

/// A loop over the terms of a row of a table; `body` finds `left`, `right`, `path`, `out` and `factor`.
pub(crate) fn terms(writer: &mut Writer, index: usize, row: &str, body: impl FnOnce(&mut Writer)) {
    writer.block(&format!("for (u32 i = rows_{index}[{row}]; i < rows_{index}[{row} + 1]; ++i)"), |writer| {
        writer.line(&format!("const uint2 term = terms_{index}[i];"));
        writer.line("const i64 left = term.x & 0xffff, right = term.x >> 16;");
        writer.line("const i64 path = term.y & 0xffff, out = term.y >> 16;");
        writer.line(&format!("const real factor = factors_{index}[i];"));
        body(writer);
    });
}

/// Declares the tables of a plan, its terms grouped by rows; returns their contents.
pub(crate) fn declare(
    writer: &mut Writer,
    index: usize,
    plan: &Plan,
    rows: usize,
    row: impl Fn(&Term) -> usize,
    storage: Storage,
) -> [Table; 3] {
    let mut terms = plan.terms().to_vec();
    terms.sort_by_key(&row);
    let begins = (0..=rows).map(|begin| terms.partition_point(|term| row(term) < begin) as u32);
    let words = terms.iter().flat_map(|term| {
        [u32::from(term.left) | u32::from(term.right) << 16, u32::from(term.path) | u32::from(term.out) << 16]
    });
    let factors: Vec<u8> = match storage {
        Storage::F64 => terms.iter().flat_map(|term| term.coefficient.to_le_bytes()).collect(),
        _ => terms.iter().flat_map(|term| (term.coefficient as f32).to_le_bytes()).collect(),
    };
    // a variable has at least one element
    let count = terms.len().max(1);
    let padded = |mut bytes: Vec<u8>, element: usize| {
        bytes.resize(bytes.len().max(element), 0);
        bytes
    };
    writer.line("extern \"C\" {");
    writer.line(&format!("__device__ u32 rows_{index}[{}];", rows + 1));
    writer.line(&format!("__device__ uint2 terms_{index}[{count}];"));
    writer.line(&format!("__device__ real factors_{index}[{count}];"));
    writer.line("}\n");
    let table = |name: &str, bytes| Table { name: format!("{name}_{index}"), bytes };
    [
        table("rows", begins.flat_map(u32::to_le_bytes).collect()),
        table("terms", padded(words.flat_map(u32::to_le_bytes).collect(), 8)),
        table("factors", padded(factors, if storage == Storage::F64 { 8 } else { 4 })),
    ]
}
