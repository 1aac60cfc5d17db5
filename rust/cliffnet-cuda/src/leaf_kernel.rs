//! Kernels of products of large algebras: a thread computes a block of blades of an output, pair of blocks by pair.
//!
//! The threads of a warp work on neighbouring lanes of one block, so that they go the same way. The warps of a thread block
//! compute several blocks of the same lanes: they read the same operands, in the same order of left blocks, and all but the
//! first find them in the first cache. Thread blocks that share lanes follow each other and meet in the second.

use std::collections::BTreeSet;
use std::sync::Arc;

use cliffnet_plan::Plan;

use crate::leaf_program::{BLADES, Entry, LeafProgram, Pattern, Scaled};
use crate::leaf_tables::{NO_BLADE, Tables};
use crate::source::{Form, Source, Writer};
use crate::{Operation, Step, Storage};

/// Threads of a warp.
const WARP: usize = 32;

/// Most warps of a thread block.
const MAX_WARPS: usize = 8;

/// Fewest terms for each number that is loaded. A term on its own takes two loads and an entry of a table.
const MIN_TERMS_PER_LOAD: usize = 1;

/// Blades of an operand from which on its strides fit 32 bits.
const NARROW_BLADES: usize = 64;

/// The kernel of an operation; `None` if its products do not fall into blocks, or have too few terms in them.
pub(crate) fn source(operation: &Operation, form: Form) -> Option<Source> {
    let kernel = Kernel::new(operation, form.storage)?;
    let mut writer = Writer::new(form.storage);
    let tables = kernel.tables.declare(&mut writer);
    let variants: BTreeSet<_> = kernel.parts.iter().flat_map(Part::variants).collect();
    for variant in variants {
        kernel.function(&mut writer, variant);
    }
    writer.parameters(operation.inputs(), operation.sizes().len(), form.rank, &[]);
    let rows: usize = kernel.outputs.iter().map(|output| output.blocks).sum();
    let groups = rows.div_ceil(MAX_WARPS);
    let warps = rows.div_ceil(groups);
    let threads = warps * WARP;
    let name = "leaf_products";
    // left alone, the compiler would spill rather than take more registers than all resident threads could have
    let is_weighted = kernel.parts.iter().any(|part| part.step.weight.is_some());
    let resident = if form.storage == Storage::F64 { 1 } else { 3 - u32::from(is_weighted) };
    writer.block(&format!("KERNEL({name}, {threads}, {resident})"), |writer| {
        // tuning may have chosen another number of threads
        writer.line(&format!("const u32 warps = blockDim.x / {WARP}, warp = same_in_warp(threadIdx.x / {WARP});"));
        writer.line(&format!("const u32 groups = ({rows} + warps - 1) / warps;"));
        writer.line(&format!("const i64 items = (p.lanes + {}) / {WARP} * groups;", WARP - 1));
        writer.line("const i64 step = static_cast<i64>(gridDim.x) * gridDim.y;");
        let head = "for (i64 item = static_cast<i64>(blockIdx.y) * gridDim.x + blockIdx.x; item < items; item += step)";
        writer.block(head, |writer| {
            writer.line("const i64 lanes = divide(item, groups);");
            writer.line(&format!("const i64 lane = lanes * {WARP} + threadIdx.x % {WARP};"));
            writer.line("const u32 row = static_cast<u32>(item - lanes * groups) * warps + warp;");
            writer.block(&format!("if (row >= {rows} || lane >= p.lanes)"), |writer| writer.line("continue;"));
            writer.offsets(operation.sizes().len(), form.rank);
            kernel.rows(writer);
        });
    });
    // a grid with a thread for each lane in each row has a block for each item
    Some(Source { name: name.to_owned(), text: writer.finish(), threads: threads as u32, rows: groups * warps, tables })
}

/// A step with terms, and the numbers of its tables.
struct Part<'o> {
    step: &'o Step,
    program: Arc<LeafProgram>,
    left: usize,
    right: usize,
    rows: usize,
    pairs: usize,
    paths: Option<usize>,
}

impl Part<'_> {
    /// The functions that it calls.
    fn variants(&self) -> BTreeSet<Variant> {
        let (scaled, is_weighted) = (self.program.scaled, self.step.weight.is_some());
        self.program.pairs.iter().map(|pair| Variant { pattern: pair.pattern, scaled, is_weighted }).collect()
    }
}

/// A pattern, what its factors apply to, and whether paths have weights.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Variant {
    pattern: usize,
    scaled: Scaled,
    is_weighted: bool,
}

impl Variant {
    /// Name of the function.
    fn name(self) -> String {
        let Self { pattern, scaled, is_weighted } = self;
        let scaled = if scaled == Scaled::Left { "left" } else { "right" };
        format!("{}pattern_{pattern}_scaled_{scaled}", if is_weighted { "weighted_" } else { "" })
    }
}

/// An operand that is written, its blades in blocks.
struct Output {
    operand: usize,
    blocks: usize,
    /// Whether all blocks are full.
    is_whole: bool,
    /// Number of the table of the blades.
    blades: usize,
}

struct Kernel<'o> {
    storage: Storage,
    /// Blades of each operand.
    sizes: &'o [usize],
    patterns: Vec<Pattern>,
    parts: Vec<Part<'o>>,
    outputs: Vec<Output>,
    tables: Tables,
}

impl<'o> Kernel<'o> {
    fn new(operation: &'o Operation, storage: Storage) -> Option<Self> {
        let mut patterns = Vec::new();
        let mut programs: Vec<(&Arc<Plan>, Arc<LeafProgram>)> = Vec::new();
        let mut steps = Vec::new();
        for step in operation.steps().iter().filter(|step| !step.plan.terms().is_empty()) {
            let known = programs.iter().find(|(plan, _)| Arc::ptr_eq(plan, &step.plan));
            let program = match known {
                Some((_, program)) => Arc::clone(program),
                None => Arc::new(LeafProgram::new(&step.plan, &mut patterns)?),
            };
            programs.push((&step.plan, Arc::clone(&program)));
            steps.push((step, program));
        }
        let loads: usize = steps.iter().map(|(_, program)| program.loads(&patterns)).sum();
        if operation.terms() < MIN_TERMS_PER_LOAD * loads {
            return None;
        }
        let mut tables = Tables::new(storage);
        let outputs = (operation.inputs()..operation.sizes().len()).map(|operand| {
            let mut written = steps.iter().filter(|(step, _)| step.out == operand).map(|(_, program)| &program.out);
            let blocks = written.next()?;
            let is_whole = blocks.iter().flatten().all(Option::is_some);
            let output = Output { operand, blocks: blocks.len(), is_whole, blades: tables.blades(blocks) };
            written.all(|other| other == blocks).then_some(output)
        });
        let outputs = outputs.collect::<Option<Vec<_>>>()?;
        let part = |(step, program): (&'o Step, Arc<LeafProgram>)| Part {
            step,
            left: tables.blades(&program.left),
            right: tables.blades(&program.right),
            rows: tables.rows(&program),
            pairs: tables.pairs(&program),
            paths: step.weight.map(|_| tables.paths(&program)),
            program,
        };
        let parts = steps.into_iter().map(part).collect();
        Some(Self { storage, sizes: operation.sizes(), patterns, parts, outputs, tables })
    }

    /// A function that adds the product of two blocks by a pattern.
    fn function(&self, writer: &mut Writer, variant: Variant) {
        let Variant { pattern, scaled, is_weighted } = variant;
        let pattern = &self.patterns[pattern];
        let weights = if is_weighted { "const storage* weights, i64 weight_step, const u32* paths, " } else { "" };
        writer.line("template <class LeftStep, class RightStep>");
        let head = format!(
            "LANE void {}(const storage* lefts, LeftStep left_step, const uint4* left_at, const storage* rights, RightStep right_step, \
             const uint4* right_at, {weights}real even, real odd, real (&out)[{BLADES}])",
            variant.name()
        );
        writer.block(&head, |writer| {
            let [left, right] = pattern.reads();
            load(writer, "left", &left, scaled == Scaled::Left);
            load(writer, "right", &right, scaled == Scaled::Right);
            if is_weighted {
                return self.weighted_sums(writer, pattern);
            }
            for entry in &pattern.entries {
                let product = self.product(entry);
                writer.line(&format!("out[{0}] = multiply_add({product}, out[{0}]);", entry.out()));
            }
        });
    }

    /// For each blade the sums of its weights, each times its weight.
    fn weighted_sums(&self, writer: &mut Writer, pattern: &Pattern) {
        for slot in 0..pattern.slots() {
            writer.line(&format!("const real weight_{slot} = element(weights, paths[{slot}], weight_step);"));
        }
        let mut entries = pattern.entries.clone();
        let key = |entry: &Entry| (entry.out(), entry.slot);
        entries.sort_by_key(key);
        for sum in entries.chunk_by(|one, other| key(one) == key(other)) {
            let (out, slot) = key(&sum[0]);
            let number = format!("sum_{out}_{slot}");
            writer.line(&format!("real {number} = 0;"));
            for entry in sum {
                writer.line(&format!("{number} = multiply_add({}, {number});", self.product(entry)));
            }
            writer.line(&format!("out[{out}] = multiply_add(weight_{slot}, {number}, out[{out}]);"));
        }
    }

    /// The factors of a term.
    fn product(&self, entry: &Entry) -> String {
        let factor = match entry.coefficient {
            1.0 => String::new(),
            -1.0 => "-".to_owned(),
            coefficient => format!("{} * ", self.storage.literal(coefficient)),
        };
        format!("{factor}left_{}, right_{}", entry.left, entry.right)
    }

    /// Finds the output and the block of a row, computes and stores it.
    fn rows(&self, writer: &mut Writer) {
        let mut first = 0;
        for output in &self.outputs {
            let end = first + output.blocks;
            writer.block(&format!("if (row >= {first} && row < {end})"), |writer| {
                writer.line(&format!("const u32 block = row - {first};"));
                writer.line(&format!("real out[{BLADES}] = {{}};"));
                for part in self.parts.iter().filter(|part| part.step.out == output.operand) {
                    self.sum(writer, part);
                }
                store(writer, output, self.storage.size());
            });
            first = end;
        }
    }

    /// The elements from a blade of an operand to the next, in 32 bits where there are as many blades
    /// that more would take half a terabyte.
    fn step(&self, operand: usize) -> String {
        let step = format!("p.blade_stride[{operand}]");
        if self.sizes[operand] >= NARROW_BLADES { format!("static_cast<u32>({step})") } else { step }
    }

    /// Adds the pairs of a block.
    fn sum(&self, writer: &mut Writer, part: &Part<'_>) {
        let Part { step, left, right, rows, pairs, .. } = part;
        let mut operands = vec![("left", step.left, *left), ("right", step.right, *right)];
        if let (Some(weight), Some(paths)) = (step.weight, part.paths) {
            operands.push(("paths", weight, paths));
        }
        writer.block("", |writer| {
            for (name, operand, _) in &operands {
                writer.line(&format!("const storage* from_{name} = p.operand_{operand} + offset_{operand};"));
            }
            let argument = |(name, operand, table): &(&str, usize, usize)| {
                format!("from_{name}, {}, table_{table} + pair.{name}, ", self.step(*operand))
            };
            let arguments: String = operands.iter().map(argument).collect();
            let head = format!("for (u32 i = table_{rows}[block]; i < table_{rows}[block + 1]; ++i)");
            writer.block(&head, |writer| {
                writer.line(&format!("const Pair pair = table_{pairs}[i];"));
                let variants = part.variants();
                for variant in &variants {
                    let call = format!("{}({arguments}pair.even, pair.odd, out);", variant.name());
                    if variants.len() == 1 {
                        writer.line(&call);
                    } else {
                        let head = format!("if (pair.pattern == {})", variant.pattern);
                        writer.block(&head, |writer| writer.line(&call));
                    }
                }
            });
        });
    }
}

/// The component of a vector of four numbers, and the number of the vector, at a position.
fn place(position: usize) -> (usize, char) {
    (position / 4, ['x', 'y', 'z', 'w'][position % 4])
}

/// Loads blades of an operand, times their factors if it has some.
fn load(writer: &mut Writer, operand: &str, blades: &[usize], is_scaled: bool) {
    for (position, &blade) in blades.iter().enumerate() {
        let (vector, component) = place(blade);
        if position == 0 || place(blades[position - 1]).0 != vector {
            writer.line(&format!("const uint4 {operand}_at_{vector} = {operand}_at[{vector}];"));
        }
        let value = format!("element({operand}s, {operand}_at_{vector}.{component}, {operand}_step)");
        let factor = if blade.count_ones() % 2 == 1 { "odd" } else { "even" };
        let factor = if is_scaled { format!(" * {factor}") } else { String::new() };
        writer.line(&format!("const real {operand}_{blade} = {value}{factor};"));
    }
}

/// Stores a block; elements have `size` bytes.
fn store(writer: &mut Writer, output: &Output, size: usize) {
    let Output { operand, is_whole, blades, .. } = output;
    for blade in 0..BLADES {
        let (vector, component) = place(blade);
        let number = format!("at_{vector}.{component}");
        if blade % 4 == 0 {
            writer.line(&format!("const uint4 at_{vector} = table_{blades}[{} * block + {vector}];", BLADES / 4));
        }
        let offset = format!("offset_{operand} + {number} / {size} * p.blade_stride[{operand}]");
        let line = format!("p.operand_{operand}[{offset}] = narrow(out[{blade}]);");
        if *is_whole {
            writer.line(&line);
        } else {
            writer.block(&format!("if ({number} != {NO_BLADE}u)"), |writer| writer.line(&line));
        }
    }
}
