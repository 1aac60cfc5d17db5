//! Kernels of products with more blades of the output than a thread has registers, as the products of all pairs of blades by
//! all paths are: a sum is stored as soon as it is complete.

use crate::bilinear::{REGISTERS, by, load, path_sum};
use crate::shape::{bounds, threads};
use crate::source::{Form, Source, Writer};
use crate::{Operation, tabled};

/// Most terms of straight-line code; with as many stores as there are sums, more take seconds to compile.
const MAX_TERMS: usize = 1024;

/// The kernel of an operation with a single step without weights.
pub fn source(operation: &Operation, form: Form) -> Source {
    let (inputs, sizes) = (operation.inputs(), operation.sizes());
    let words = sizes[..inputs].iter().sum::<usize>() * form.storage.size().div_ceil(4);
    let ([step], true) = (operation.steps(), operation.terms() <= MAX_TERMS && words <= REGISTERS) else {
        return tabled::source(operation, form);
    };
    let threads = threads(&sizes[..inputs], form.storage);
    let mut writer = Writer::new(form.storage);
    writer.parameters(inputs, sizes.len(), form.rank, &[]);
    let name = "pair_products";
    writer.block(&format!("KERNEL({name}, {})", bounds(threads)), |writer| {
        writer.lanes(sizes.len(), form.rank, |writer| {
            for (name, operand) in [("left", step.left), ("right", step.right)] {
                let size = sizes[operand];
                load(writer, operand, &format!("value_{operand}"), size, form);
                writer.line(&format!("const real (&{name})[{size}] = value_{operand};"));
            }
            writer.line(&format!("storage* to = p.operand_{0} + offset_{0};", step.out));
            let mut sums = by(&step.plan, |term| usize::from(term.out)).into_iter().peekable();
            for out in 0..sizes[step.out] {
                if let Some((_, terms)) = sums.next_if(|(reached, _)| *reached == out) {
                    path_sum(writer, &terms, form.storage);
                    writer.line("*to = narrow(sum); }");
                } else {
                    writer.line("*to = narrow(0);");
                }
                writer.line(&format!("to = after(to, p.blade_stride[{}]);", step.out));
            }
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads, rows: 1, tables: Vec::new() }
}
