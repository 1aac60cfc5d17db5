//! Kernels of the gradients of products with one weight a channel and path.
//!
//! Sums over rows of channels run in two stages: a thread adds up the rows of one chunk for its channel, and a second kernel
//! adds the chunks in order. Where chunks begin depends on shapes alone, so that sums are the same bits in every run.

use std::sync::Arc;

use cliffnet_plan::Plan;

use crate::bilinear::{body, by, functions, path_sum};
use crate::shape::{bounds, threads};
use crate::source::{Form, Source, Writer};
use crate::tabled::{self, THREADS, declare, element};
use crate::{Operation, Step, Storage};

/// The operands of the gradients: cotangent, left, right, weight; gradients by left and by right.
const COTANGENT: usize = 0;
const LEFT: usize = 1;
const RIGHT: usize = 2;

/// Threads that sums are divided for.
pub(crate) const BUSY_THREADS: i64 = 1 << 17;

/// Fewest rows of a chunk.
const CHUNK_ROWS: i64 = 8;

/// Most terms of a product whose gradients are straight-line code, and most paths, which are open sums all along.
const MAX_TERMS: usize = 1024;
const MAX_PATHS: usize = 64;

/// How rows of channels are divided among partial sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Channels of a row.
    pub channels: i64,
    /// Rows of all chunks.
    pub rows: i64,
    /// Rows of a chunk; the last may have fewer.
    pub rows_each: i64,
    /// Number of chunks.
    pub count: i64,
}

impl Chunks {
    /// The chunks of this many rows.
    pub fn new(rows: i64, channels: i64) -> Self {
        let wanted = (BUSY_THREADS / channels.max(1)).max(1);
        let rows_each = ((rows + wanted - 1) / wanted).max(CHUNK_ROWS);
        Self { channels, rows, rows_each, count: (rows + rows_each - 1) / rows_each }
    }

    /// The parameters that follow those of the lanes, with the address of the partial sums.
    pub fn parameters(&self, partials: u64) -> [u64; 5] {
        [self.channels as u64, self.rows as u64, self.rows_each as u64, self.count as u64, partials]
    }
}

/// The fields of the parameters that [`Chunks::parameters`] fills.
pub(crate) const FIELDS: [&str; 5] = ["i64 channels", "i64 rows", "i64 rows_each", "i64 chunks", "real* partials"];

/// 32-bit words of operands and open sums from which on one kernel would need more registers than there are.
const MAX_WORDS: usize = 256;

/// A product with weights, and what its operators compute on every lane.
#[derive(Clone, Debug)]
pub struct Weighted {
    /// The plan of the product.
    pub plan: Arc<Plan>,
    /// The product of left, right and weight.
    pub product: Operation,
    /// The gradients by left and right, from cotangent, left, right and weight.
    pub gradients: Operation,
}

impl Weighted {
    /// The operations of a plan and of those of its gradients.
    ///
    /// # Errors
    /// When the plans have no weights.
    pub fn new([plan, by_left, by_right]: [Arc<Plan>; 3]) -> Result<Self, &'static str> {
        let step = |plan: &Arc<Plan>, [left, right, weight, out]: [usize; 4]| Step {
            plan: Arc::clone(plan),
            left,
            right,
            out,
            weight: Some(weight),
        };
        let product = Operation::new(3, 1, vec![step(&plan, [0, 1, 2, 3])])?;
        let steps = vec![step(&by_left, [0, 2, 3, 4]), step(&by_right, [1, 0, 3, 5])];
        Ok(Self { plan, product, gradients: Operation::new(4, 2, steps)? })
    }
}

/// Whether one kernel computes all gradients; otherwise those by the operands come from [`crate::bilinear::source`], and
/// [`weight_source`] gives the others.
pub fn is_one_pass(plan: &Plan, storage: Storage) -> bool {
    fits_registers(plan, 0, MAX_WORDS, storage)
}

/// Whether a kernel of all gradients that holds `more` numbers besides is short enough and has fewer than `words`.
pub(crate) fn fits_registers(plan: &Plan, more: usize, words: usize, storage: Storage) -> bool {
    let paths = plan.path_count();
    let numbers = plan.left_size() + plan.right_size() + plan.out_size() + 2 * paths + more;
    numbers * storage.size().div_ceil(4) < words && plan.terms().len() <= MAX_TERMS && (1..=MAX_PATHS).contains(&paths)
}

/// The kernel of the gradients by left and right, and of the partial sums `[chunk][channel][path]` of those by weights.
pub fn backward_source(weighted: &Weighted, form: Form) -> Source {
    let Weighted { plan, gradients: operation, .. } = weighted;
    let (inputs, sizes) = (operation.inputs(), operation.sizes());
    let threads = threads(&[sizes[..inputs].iter().sum::<usize>(), plan.path_count()], form.storage);
    let mut writer = Writer::new(form.storage);
    functions(&mut writer, operation, form.storage);
    weight_gradient(&mut writer, plan, form.storage);
    writer.parameters(inputs, sizes.len(), form.rank, &FIELDS);
    let name = "weighted_gradients";
    writer.block(&format!("KERNEL({name}, {})", bounds(threads)), |writer| {
        sums_by_weight(writer, plan.path_count(), |writer| {
            writer.offsets(sizes.len(), form.rank);
            body(writer, operation, &[4, 5], form);
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads, rows: 1, tables: Vec::new() }
}

/// Loops over the pairs of chunk and channel and their rows, where `lane` loads or computes cotangent, left and right; the
/// gradients by weights are summed and written.
pub(crate) fn sums_by_weight(writer: &mut Writer, paths: usize, lane: impl FnOnce(&mut Writer)) {
    chunks(writer, |writer| {
        writer.line(&format!("real by_weight[{paths}] = {{}};"));
        rows(writer, |writer| {
            lane(writer);
            writer.line("weight_gradient(value_0, value_1, value_2, by_weight);");
        });
        writer.line("#pragma unroll");
        writer.block(&format!("for (int path = 0; path < {paths}; ++path)"), |writer| {
            writer.line(&format!("p.partials[item * {paths} + path] = by_weight[path];"));
        });
    });
}

/// The kernel of the partial sums alone, by a table of terms: a row of blocks for each path.
///
/// The operands are cotangent, left and right.
pub fn weight_source(plan: &Plan, form: Form) -> Source {
    let paths = plan.path_count();
    let mut writer = Writer::new(form.storage);
    let tables = declare(&mut writer, 0, plan, paths, |term| usize::from(term.path), form.storage);
    writer.parameters(3, 3, form.rank, &FIELDS);
    let name = "weight_gradients";
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.block(
            &format!("for (u32 row_of_blocks = blockIdx.y; row_of_blocks < {paths}; row_of_blocks += gridDim.y)"),
            |writer| {
                chunks(writer, |writer| {
                    writer.line("real sum = 0;");
                    rows(writer, |writer| {
                        writer.offsets(3, form.rank);
                        tabled::terms(writer, 0, "row_of_blocks", |writer| {
                            writer.line(&format!(
                                "const real product = {} * factor * {};",
                                element(LEFT, "left"),
                                element(RIGHT, "right")
                            ));
                            writer.line(&format!("sum = multiply_add({}, product, sum);", element(COTANGENT, "out")));
                        });
                    });
                    writer.line(&format!("p.partials[item * {paths} + row_of_blocks] = sum;"));
                });
            },
        );
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: paths.max(1), tables: tables.into() }
}

/// The kernel that adds partial sums in the order of the chunks. Its parameters are the addresses of the partial sums and
/// of the result, the number of sums and that of chunks.
pub fn sum_source(storage: Storage) -> Source {
    let mut writer = Writer::new(storage);
    for line in [
        "struct Parameters {",
        "    const real* partials;",
        "    storage* out;",
        "    i64 sums;",
        "    i64 chunks;",
        "};\n",
    ] {
        writer.line(line);
    }
    let name = "sum_of_chunks";
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
        writer.block(
            "for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < p.sums; i += threads)",
            |writer| {
                writer.line("real sum = 0;");
                writer.block("for (i64 chunk = 0; chunk < p.chunks; ++chunk)", |writer| {
                    writer.line("sum += p.partials[chunk * p.sums + i];");
                });
                writer.line("p.out[i] = narrow(sum);");
            },
        );
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 1, tables: Vec::new() }
}

/// A loop over the pairs of chunk and channel: `item`, `chunk`, `channel`.
pub(crate) fn chunks(writer: &mut Writer, body: impl FnOnce(&mut Writer)) {
    writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
    writer.block(
        "for (i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; item < p.chunks * p.channels; item += threads)",
        |writer| {
            writer.line("const i64 chunk = divide(item, p.channels);");
            writer.line("const i64 channel = item - chunk * p.channels;");
            writer.line("const i64 end = (chunk + 1) * p.rows_each < p.rows ? (chunk + 1) * p.rows_each : p.rows;");
            body(writer);
        },
    );
}

/// A loop over the rows of a chunk: `lane`.
pub(crate) fn rows(writer: &mut Writer, body: impl FnOnce(&mut Writer)) {
    writer.block("for (i64 row = chunk * p.rows_each; row < end; ++row)", |writer| {
        writer.line("const i64 lane = row * p.channels + channel;");
        body(writer);
    });
}

/// A function on registers that adds the gradient by the weights of a lane.
pub(crate) fn weight_gradient(writer: &mut Writer, plan: &Plan, storage: Storage) {
    let [left, right, out, paths] = [plan.left_size(), plan.right_size(), plan.out_size(), plan.path_count()];
    let head = format!(
        "LANE void weight_gradient(const real (&cotangent)[{out}], const real (&left)[{left}], \
         const real (&right)[{right}], real (&by_weight)[{paths}])"
    );
    writer.block(&head, |writer| {
        for ((path, out), terms) in by(plan, |term| (term.path, term.out)) {
            path_sum(writer, &terms, storage);
            writer.line(&format!("by_weight[{path}] = multiply_add(cotangent[{out}], sum, by_weight[{path}]); }}"));
        }
    });
}
