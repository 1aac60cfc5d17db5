//! The kernel of sums over the entries of a list that belong together, such as the edges that arrive at a node.
//!
//! A thread adds up one element of one sum, in the order of the list, so sums are the same bits in every run.

use crate::source::{Form, Source, Writer};

/// Threads of a block.
const THREADS: u32 = 256;

/// The memory of the list, behind the lanes in the parameters of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    /// Lanes of a sum: the sum of a lane is its number divided by this.
    pub elements: i64,
    /// Elements between neighbouring entries of the values.
    pub entry_stride: i64,
    /// Address of the entries, those of a sum together, as 64-bit integers.
    pub order: u64,
    /// Address of where those of each sum begin in `order`, and of the end, as 64-bit integers.
    pub begins: u64,
}

impl Segments {
    /// The parameters that follow those of the lanes.
    pub fn parameters(&self) -> [u64; 4] {
        [self.elements as u64, self.entry_stride as u64, self.order, self.begins]
    }
}

const FIELDS: [&str; 4] = ["i64 elements", "i64 entry_stride", "const i64* order", "const i64* begins"];

/// The kernel; its lanes are sums and their elements, its operands the first entry and the sums.
pub fn source(form: Form) -> Source {
    let mut writer = Writer::new(form.storage);
    writer.parameters(1, 2, form.rank, &FIELDS);
    let name = "segment_sums";
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.lanes(2, form.rank, |writer| {
            writer.line("const i64 segment = divide(lane, p.elements);");
            writer.line("const i64 end = __ldg(p.begins + segment + 1);");
            writer.line("const storage* values = p.operand_0 + offset_0;");
            writer.line("real sum = 0;");
            writer.line("#pragma unroll 4");
            writer.block("for (i64 entry = __ldg(p.begins + segment); entry < end; ++entry)", |writer| {
                writer.line("sum += widen(__ldg(values + __ldg(p.order + entry) * p.entry_stride));");
            });
            writer.line("p.operand_1[offset_1] = narrow(sum);");
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 1, tables: Vec::new() }
}
