//! Tables of kernels that go through pairs of blocks.

use crate::Storage;
use crate::leaf_program::{BLADES, Blocks, LeafProgram};
use crate::source::{Table, Writer};

/// Stands for a place of a block without a blade.
pub(crate) const NO_BLADE: u32 = u32::MAX;

/// Bytes of constant memory, less what alignment may take. Tables that do not fit lie in global memory and are read through
/// the caches.
const CONSTANT_BYTES: usize = (1 << 16) - 512;

/// Tables, equal ones once.
pub(crate) struct Tables {
    storage: Storage,
    /// The type of the elements, and their bytes.
    contents: Vec<(&'static str, Vec<u8>)>,
}

impl Tables {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, contents: Vec::new() }
    }

    fn add(&mut self, element: &'static str, bytes: Vec<u8>) -> usize {
        let table = (element, bytes);
        self.contents.iter().position(|other| *other == table).unwrap_or_else(|| {
            self.contents.push(table);
            self.contents.len() - 1
        })
    }

    /// The blades of an operand times the bytes of an element, four of a block in a vector.
    pub(crate) fn blades(&mut self, blocks: &Blocks) -> usize {
        let size = self.storage.size() as u32;
        self.add("uint4", bytes(blocks.iter().flatten().map(|blade| blade.map_or(NO_BLADE, |b| u32::from(b) * size))))
    }

    /// Where the pairs of each block of the output begin.
    pub(crate) fn rows(&mut self, program: &LeafProgram) -> usize {
        let begins = [0].into_iter().chain(program.rows.iter().map(|row| row.end as u32));
        self.add("u32", bytes(begins))
    }

    /// The paths of the slots of all pairs, times the bytes of an element.
    pub(crate) fn paths(&mut self, program: &LeafProgram) -> usize {
        let size = self.storage.size() as u32;
        self.add("u32", bytes(program.pairs.iter().flat_map(|pair| &pair.paths).map(|&path| u32::from(path) * size)))
    }

    /// The pairs; blocks are named by the vectors of their blades, paths by that of the first slot.
    pub(crate) fn pairs(&mut self, program: &LeafProgram) -> usize {
        let mut table = Vec::new();
        let mut paths = 0;
        for pair in &program.pairs {
            let vector = |block: usize| (block * BLADES / 4) as u32;
            table.extend(bytes([vector(pair.left), vector(pair.right), pair.pattern as u32, paths].into_iter()));
            for factor in pair.factors {
                match self.storage {
                    Storage::F64 => table.extend(factor.to_le_bytes()),
                    _ => table.extend((factor as f32).to_le_bytes()),
                }
            }
            paths += pair.paths.len() as u32;
        }
        self.add("Pair", table)
    }

    fn element_size(&self, element: &str) -> usize {
        match element {
            "u32" => 4,
            "uint4" => 16,
            _ => 16 + 2 * if self.storage == Storage::F64 { 8 } else { 4 },
        }
    }

    /// Declares the tables; returns their contents.
    pub(crate) fn declare(&self, writer: &mut Writer) -> Vec<Table> {
        writer.line("struct Pair { u32 left, right, pattern, paths; real even, odd; };\n");
        writer.line("extern \"C\" {");
        let mut left = CONSTANT_BYTES;
        let mut tables = Vec::new();
        for (number, (element, bytes)) in self.contents.iter().enumerate() {
            let space = if bytes.len() <= left { "__constant__" } else { "__device__" };
            left -= if bytes.len() <= left { bytes.len() } else { 0 };
            let count = bytes.len() / self.element_size(element);
            writer.line(&format!("{space} {element} table_{number}[{count}];"));
            tables.push(Table { name: format!("table_{number}"), bytes: bytes.clone() });
        }
        writer.line("}\n");
        tables
    }
}

fn bytes(words: impl Iterator<Item = u32>) -> Vec<u8> {
    words.flat_map(u32::to_le_bytes).collect()
}
