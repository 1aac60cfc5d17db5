//! The text of a kernel.

use std::fmt::Write;

use crate::Storage;

/// A kernel as text for the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name of the entry point.
    pub name: String,
    /// The program, complete.
    pub text: String,
    /// Threads of a block.
    pub threads: u32,
    /// Rows of blocks, at least one.
    pub rows: usize,
    /// What to fill variables of the program with once it is loaded.
    pub tables: Vec<Table>,
}

impl Source {
    /// The same kernel with blocks of another size; None where it asks for its own.
    ///
    /// The size is nothing but a bound on registers: kernels go over their lanes by strides of the whole grid, and their
    /// sums are divided by shapes alone, so results do not depend on it.
    pub(crate) fn with_threads(&self, threads: u32) -> Option<Self> {
        let head = |threads| format!("KERNEL({}, {threads}", self.name);
        let text =
            self.text.contains(&head(self.threads)).then(|| self.text.replace(&head(self.threads), &head(threads)))?;
        Some(Self { text, threads, ..self.clone() })
    }
}

/// The contents of a variable of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name of the variable.
    pub name: String,
    /// As many bytes as it has.
    pub bytes: Vec<u8>,
}

/// How operands lie in memory, as far as code depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    /// Element type.
    pub storage: Storage,
    /// Number of leading axes, from [`Lanes::rank`](crate::Lanes::rank).
    pub rank: usize,
    /// The operands whose blades move in vectors, a bit each, from [`Lanes::vectors`](crate::Lanes::vectors).
    pub vectors: u32,
}

impl Form {
    pub(crate) fn is_vector(&self, operand: usize) -> bool {
        self.vectors >> operand & 1 == 1
    }
}

const PRELUDE: &str = include_str!("prelude.cuh");

/// Text in the making, indented.
pub(crate) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// Begins with what all kernels of an element type share.
    pub(crate) fn new(storage: Storage) -> Self {
        Self { text: format!("#define {}\n{PRELUDE}\n", storage.macro_name()), depth: 0 }
    }

    pub(crate) fn line(&mut self, line: &str) {
        let width = 4 * self.depth;
        // writing to a string cannot fail
        let _ = writeln!(self.text, "{:width$}{line}", "");
    }

    /// Lines that `body` writes between braces.
    pub(crate) fn block(&mut self, head: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("}");
    }

    /// The structure that [`Lanes::parameters`](crate::Lanes::parameters) fills.
    ///
    /// `more` declares fields that follow.
    pub(crate) fn parameters(&mut self, inputs: usize, operands: usize, rank: usize, more: &[&str]) {
        self.line("struct Parameters {");
        for operand in 0..operands {
            let constant = if operand < inputs { "const " } else { "" };
            self.line(&format!("    {constant}storage* operand_{operand};"));
        }
        self.line(&format!("    i64 blade_stride[{operands}];"));
        self.line("    i64 lanes;");
        if rank > 0 {
            self.line(&format!("    i64 size[{rank}];"));
            self.line(&format!("    i64 stride[{rank}][{operands}];"));
        }
        for field in more {
            self.line(&format!("    {field};"));
        }
        self.line("};\n");
    }

    /// A loop over the lanes of the whole grid; `body` finds the offset of each operand in `offset_0`, `offset_1`, ...
    pub(crate) fn lanes(&mut self, operands: usize, rank: usize, body: impl FnOnce(&mut Self)) {
        self.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
        self.block(
            "for (i64 lane = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; lane < p.lanes; lane += threads)",
            |writer| {
                writer.offsets(operands, rank);
                body(writer);
            },
        );
    }

    /// The offset of each operand at the lane `lane`.
    pub(crate) fn offsets(&mut self, operands: usize, rank: usize) {
        match rank {
            0 => (0..operands).for_each(|operand| self.line(&format!("const i64 offset_{operand} = 0;"))),
            1 => (0..operands).for_each(|operand| {
                self.line(&format!("const i64 offset_{operand} = lane * p.stride[0][{operand}];"));
            }),
            _ => {
                self.line("i64 rest = lane;");
                (0..operands).for_each(|operand| self.line(&format!("i64 offset_{operand} = 0;")));
                for axis in (1..rank).rev() {
                    self.block("", |writer| {
                        writer.line(&format!("const i64 quotient = divide(rest, p.size[{axis}]);"));
                        writer.line(&format!("const i64 position = rest - quotient * p.size[{axis}];"));
                        writer.line("rest = quotient;");
                        for operand in 0..operands {
                            writer.line(&format!("offset_{operand} += position * p.stride[{axis}][{operand}];"));
                        }
                    });
                }
                for operand in 0..operands {
                    self.line(&format!("offset_{operand} += rest * p.stride[0][{operand}];"));
                }
            }
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}
