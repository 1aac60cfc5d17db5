//! Norms of the classes of a row of channels, by partial sums over some channels that a kernel left.

use crate::Storage;
use crate::source::{Source, Writer};
use crate::tabled::THREADS;
use crate::weighted::BUSY_THREADS;

/// Most channels that a thread adds up.
const MOST_CHANNELS: i64 = 8;

/// How the channels of a row are divided among partial sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Channels of a row.
    pub channels: i64,
    /// Number of rows.
    pub rows: i64,
    /// Partial sums of a row: each takes every so many-th channel.
    pub count: i64,
}

impl Slots {
    /// The partial sums of this many rows of channels.
    pub fn new(rows: i64, channels: i64) -> Self {
        let each = (rows * channels / BUSY_THREADS).clamp(1, MOST_CHANNELS);
        Self { channels, rows, count: (channels + each - 1) / each }
    }

    /// The parameters that follow those of the lanes, with the address of the sums.
    pub fn parameters(&self, sums: u64) -> [u64; 4] {
        [self.channels as u64, self.rows as u64, self.count as u64, sums]
    }
}

/// The kernel of the factors of every row and class: the parameters are the addresses of sums and factors, the numbers of
/// classes, rows, partial sums of a row and channels, and epsilon, a double.
pub fn factors_source(is_backward: bool, storage: Storage) -> Source {
    let mut writer = Writer::new(storage);
    for line in [
        "struct Parameters {",
        "    const real* sums;",
        "    real* factors;",
        "    i64 norms;",
        "    i64 rows;",
        "    i64 slots;",
        "    i64 channels;",
        "    double epsilon;",
        "};\n",
    ] {
        writer.line(line);
    }
    let name = "factors_of_rows";
    let total = |writer: &mut Writer, name: &str, first: &str| {
        writer.line(&format!("real {name} = 0;"));
        writer.block("for (i64 slot = 0; slot < p.slots; ++slot)", |writer| {
            writer.line(&format!("{name} += p.sums[({first} + i) * p.slots + slot];"));
        });
    };
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
        writer.line("const i64 count = p.norms * p.rows;");
        writer.line("const double channels = static_cast<double>(p.channels);");
        writer.block(
            "for (i64 i = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += threads)",
            |writer| {
                total(writer, "square", "0");
                writer.line("const double inverse = 1 / sqrt(square / channels + p.epsilon);");
                writer.line("p.factors[i] = static_cast<real>(inverse);");
                if is_backward {
                    total(writer, "dot", "count");
                    writer.line(
                        "p.factors[count + i] = static_cast<real>(inverse * inverse * inverse * dot / channels);",
                    );
                }
            },
        );
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 1, tables: Vec::new() }
}
