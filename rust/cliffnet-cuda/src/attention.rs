//! Kernels of the features of attention: vectors whose dot products are the invariants that attention compares.
//!
//! A row of blocks makes the features of queries, one those of keys and one those of values, a thread those of one channel of
//! one token; three more rows move the scalars behind them. Gradients go the same way back. Neighbouring threads have
//! neighbouring channels, which are adjacent in features and in blade-major multivectors.

use cliffnet_plan::Plan;

use crate::source::{Form, Source, Writer};
use crate::weighted::{self, chunks};

const THREADS: u32 = 256;

/// Bounds of blocks. Asked for three blocks the compiler takes up to 80 registers; left alone it spills a few for the sake of
/// occupancy, and asked for one it holds so many loads that occupancy suffers.
const BOUNDS: &str = "256, 3";

const FUNCTIONS: &str = include_str!("attention.cuh");

/// Which blades enter the features, from a plan that is known to be one of a comparison.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Blades of the inner product, and their weights.
    inner: Vec<(usize, f64)>,
    /// Blades of the coordinates of a point, the finite one last; without points that of the scalar, unused.
    point: Vec<usize>,
    blades: usize,
}

impl Comparison {
    /// The comparison of a plan: output 0 is the inner product, every further one an ideal and the finite coordinate.
    pub fn of(plan: &Plan) -> Self {
        let terms = plan.terms();
        let inner = terms.iter().filter(|term| term.out == 0);
        let ideal = || terms.iter().filter(|term| term.out > 0);
        let finite = ideal().next().map_or(0, |term| usize::from(term.right));
        Self {
            inner: inner.map(|term| (usize::from(term.left), term.coefficient)).collect(),
            point: ideal().map(|term| usize::from(term.left)).chain([finite]).collect(),
            blades: plan.left_size(),
        }
    }

    fn has_points(&self) -> bool {
        self.point.len() > 1
    }

    fn features(&self) -> usize {
        self.inner.len() + if self.has_points() { self.point.len() + 1 } else { 0 }
    }
}

/// Number of operands: multivectors, scalars, features of queries, keys and values, gradients of the first two.
pub const OPERANDS: usize = 7;

/// What follows the lanes, which are tokens, in the parameters.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Elements between channels of multivectors, scalars, or heads of features.
    pub strides: [i64; OPERANDS],
    /// Heads of queries, keys and values.
    pub heads: [i64; 3],
    /// Entries of features of queries, keys and values.
    pub widths: [i64; 3],
    /// Multivector channels of a head.
    pub channels: i64,
    /// Scalars of a head.
    pub scalars: i64,
    /// Address of the weights of the distances, 0 for ones, and their strides.
    pub weights: u64,
    /// Strides of the weights by head and channel.
    pub weight_strides: [i64; 2],
    /// Softening of the normaliser of points.
    pub epsilon: f64,
}

impl Tokens {
    /// The parameters that follow those of the lanes.
    pub fn parameters(&self) -> Vec<u64> {
        let signed = [&self.strides[..], &self.heads, &self.widths, &[self.channels, self.scalars]].concat();
        let strides = self.weight_strides.map(|stride| stride as u64);
        let rest = [self.weights, strides[0], strides[1], self.epsilon.to_bits()];
        signed.into_iter().map(|number| number as u64).chain(rest).collect()
    }

    /// Threads with something to do in the busiest row of blocks, for this many tokens.
    pub fn busiest(&self, tokens: i64) -> i64 {
        let entries = (0..3).map(|role| self.heads[role] * self.channels.max(self.widths[role]));
        tokens * entries.max().unwrap_or(0)
    }
}

const FIELDS: [&str; 8] = [
    "i64 inner_stride[7]",
    "i64 heads[3]",
    "i64 widths[3]",
    "i64 per_head",
    "i64 scalars",
    "const storage* weights",
    "i64 weight_stride[2]",
    "double epsilon",
];

/// The kernel that makes features.
pub fn features_source(comparison: &Comparison, form: Form) -> Source {
    let mut writer = writer(comparison, form, &[]);
    let name = "attention_features";
    writer.block(&format!("KERNEL({name}, {BOUNDS})"), |writer| {
        for role in 0..3 {
            writer.block(&format!("if (blockIdx.y == {role})"), |writer| {
                channels(writer, role, form, |writer| {
                    let to = format!("p.operand_{0} + offset_{0} + {1}", 2 + role, head_and_channel(role));
                    writer.line(&format!("storage* to = {to};"));
                    let (from, to) = ("blades, p.blade_stride[0]", format!("to, {}", step(role)));
                    let weight = if role == 0 { weight(writer) } else { "0" };
                    writer.line(&match role {
                        2 => format!("copy_blades({from}, {to});"),
                        _ => format!("write_features({}, {from}, {weight}, epsilon, {to});", role == 0),
                    });
                });
            });
            writer.block(&format!("if (blockIdx.y == {})", 3 + role), |writer| {
                writer.line(&format!("const i64 filled = {} * p.per_head;", count(comparison, role)));
                tails(writer, role, &format!("p.widths[{role}] - filled"), form, |writer| {
                    let scalars = "p.operand_1 + offset_1 + (head_of_all * p.scalars + entry) * p.inner_stride[1]";
                    writer.line(&format!("const storage* from = {scalars};"));
                    let to = format!("p.operand_{0} + offset_{0} + {1}", 2 + role, head_and_entry(role));
                    writer.line(&format!("*({to}) = entry < p.scalars ? __ldg(from) : narrow(0);"));
                });
            });
        }
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 6, tables: Vec::new() }
}

/// The kernel that takes features, or their cotangents, back to multivectors and scalars.
pub fn gradients_source(comparison: &Comparison, form: Form) -> Source {
    let mut writer = writer(comparison, form, &[]);
    let name = "attention_gradients";
    writer.block(&format!("KERNEL({name}, {BOUNDS})"), |writer| {
        for role in 0..3 {
            writer.block(&format!("if (blockIdx.y == {role})"), |writer| {
                channels(writer, role, form, |writer| {
                    let from = format!("p.operand_{0} + offset_{0} + {1}", 2 + role, head_and_channel(role));
                    writer.line(&format!("const storage* cotangents = {from};"));
                    writer.line("storage* to = p.operand_5 + offset_5 + channel_of_all * p.inner_stride[5];");
                    let (from, to) = (format!("cotangents, {}", step(role)), "to, p.blade_stride[5]");
                    let weight = if role == 0 { weight(writer) } else { "0" };
                    let blades = format!("blades, p.blade_stride[0], {weight}, epsilon");
                    writer.line(&match role {
                        2 => format!("copy_blades({from}, {to});"),
                        _ => format!("write_gradients({}, {blades}, {from}, {to});", role == 0),
                    });
                });
            });
            writer.block(&format!("if (blockIdx.y == {})", 3 + role), |writer| {
                writer.line(&format!("const i64 filled = {} * p.per_head;", count(comparison, role)));
                tails(writer, role, "p.scalars", form, |writer| {
                    let from = format!("p.operand_{0} + offset_{0} + {1}", 2 + role, head_and_entry(role));
                    let to = "p.operand_6 + offset_6 + (head_of_all * p.scalars + entry) * p.inner_stride[6]";
                    writer.line(&format!("*({to}) = __ldg({from});"));
                });
            });
        }
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 6, tables: Vec::new() }
}

/// The kernel of partial sums `[chunk][head and channel]` of the gradients of the weights; [`weighted::Chunks`] follow the
/// parameters of the tokens.
pub fn weights_source(comparison: &Comparison, form: Form) -> Source {
    let mut writer = writer(comparison, form, &weighted::FIELDS);
    let name = "attention_weights";
    writer.block(&format!("KERNEL({name}, {BOUNDS})"), |writer| {
        chunks(writer, |writer| {
            writer.line("const i64 head = divide(channel, p.per_head), channel_of_head = channel - head * p.per_head;");
            writer.line("const real epsilon = static_cast<real>(p.epsilon);");
            writer.line("real sum = 0;");
            writer.block("for (i64 lane = chunk * p.rows_each; lane < end; ++lane)", |writer| {
                writer.offsets(OPERANDS, form.rank);
                let place = head_and_channel(0);
                writer.line("const storage* blades = p.operand_0 + offset_0 + channel * p.inner_stride[0];");
                writer.line(&format!("const storage* cotangents = p.operand_2 + offset_2 + {place};"));
                let (blades, step) = ("blades, p.blade_stride[0]", step(0));
                writer.line(&format!("sum += weight_gradient({blades}, epsilon, cotangents, {step});"));
            });
            writer.line("p.partials[item] = sum;");
        });
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 1, tables: Vec::new() }
}

/// Features of a channel in a role: queries, keys, values.
fn count(comparison: &Comparison, role: usize) -> usize {
    if role == 2 { comparison.blades } else { comparison.features() }
}

/// Where the first feature of a channel is.
fn head_and_channel(role: usize) -> String {
    format!("head * p.inner_stride[{0}] + channel_of_head * p.blade_stride[{0}]", 2 + role)
}

/// Where an entry behind the features is.
fn head_and_entry(role: usize) -> String {
    format!("head * p.inner_stride[{0}] + (filled + entry) * p.blade_stride[{0}]", 2 + role)
}

/// Elements between features of a channel.
fn step(role: usize) -> String {
    format!("p.per_head * p.blade_stride[{}]", 2 + role)
}

/// The weight of the distances of a channel of queries.
fn weight(writer: &mut Writer) -> &'static str {
    let place = "p.weights + head * p.weight_stride[0] + channel_of_head * p.weight_stride[1]";
    writer.line(&format!("const real weight = p.weights == nullptr ? 1 : widen(__ldg({place}));"));
    "weight"
}

/// A loop over the channels of all tokens in a role: `head`, `channel_of_head`, `channel_of_all`, `blades`, `epsilon`.
fn channels(writer: &mut Writer, role: usize, form: Form, body: impl FnOnce(&mut Writer)) {
    writer.line(&format!("const i64 each = p.heads[{role}] * p.per_head;"));
    writer.line("const real epsilon = static_cast<real>(p.epsilon);");
    items(writer, form, |writer| {
        writer.line("const i64 head = divide(place, p.per_head), channel_of_head = place - head * p.per_head;");
        writer.line(&format!("const i64 channel_of_all = {} * p.per_head + place;", heads_before(role)));
        writer.line("const storage* blades = p.operand_0 + offset_0 + channel_of_all * p.inner_stride[0];");
        body(writer);
    });
}

/// A loop over entries behind the features of all tokens in a role: `head`, `entry`, `head_of_all`.
fn tails(writer: &mut Writer, role: usize, entries: &str, form: Form, body: impl FnOnce(&mut Writer)) {
    writer.line(&format!("const i64 entries = {entries}, each = p.heads[{role}] * entries;"));
    items(writer, form, |writer| {
        writer.line("const i64 head = divide(place, entries), entry = place - head * entries;");
        writer.line(&format!("const i64 head_of_all = {} + head;", heads_before(role)));
        body(writer);
    });
}

fn heads_before(role: usize) -> String {
    let heads: Vec<String> = (0..role).map(|before| format!("p.heads[{before}]")).collect();
    if heads.is_empty() { "0".to_owned() } else { format!("({})", heads.join(" + ")) }
}

/// A loop over `each` places of all tokens: `place` and the offsets of operands.
fn items(writer: &mut Writer, form: Form, body: impl FnOnce(&mut Writer)) {
    writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
    writer.block(
        "for (i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; item < p.lanes * each; item += threads)",
        |writer| {
            writer.line("const i64 lane = divide(item, each), place = item - lane * each;");
            writer.offsets(OPERANDS, form.rank);
            body(writer);
        },
    );
}

/// Begins a kernel: tables, functions and parameters.
fn writer(comparison: &Comparison, form: Form, more: &[&str]) -> Writer {
    let mut writer = Writer::new(form.storage);
    let Comparison { inner, point, blades } = comparison;
    let ideal = point.len() - 1;
    writer.line(&format!("constexpr int BLADES = {blades}, INNER = {}, IDEAL = {ideal};", inner.len()));
    let table = |writer: &mut Writer, kind: &str, name: &str, mut entries: Vec<String>| {
        if entries.is_empty() {
            // a table has at least one entry
            entries.push("0".to_owned());
        }
        writer.line(&format!("static __device__ const {kind} {name}[] = {{{}}};", entries.join(", ")));
    };
    table(&mut writer, "int", "INNER_BLADE", inner.iter().map(|(blade, _)| blade.to_string()).collect());
    let literal = |number: f64| form.storage.literal(number);
    table(&mut writer, "real", "INNER_WEIGHT", inner.iter().map(|&(_, weight)| literal(weight)).collect());
    table(&mut writer, "int", "POINT_BLADE", point.iter().map(usize::to_string).collect());
    let feature = |blade| inner.iter().position(|&(other, _)| other == blade);
    let place = |blade| feature(blade).map_or_else(|| "-1".to_owned(), |place| place.to_string());
    table(&mut writer, "int", "FEATURE_OF", (0..*blades).map(place).collect());
    let is_coordinate = |blade: usize| (comparison.has_points() && point.contains(&blade)).to_string();
    table(&mut writer, "bool", "IS_COORDINATE", (0..*blades).map(is_coordinate).collect());
    writer.line(FUNCTIONS);
    writer.parameters(0, OPERANDS, form.rank, &[&FIELDS[..], more].concat());
    writer
}
