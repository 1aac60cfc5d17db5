//! Code over the blades of classes, written once for two ways to run it: multivectors in registers and a line for every
//! blade, or multivectors in memory and loops over tables where there are too many blades for that.

use cliffnet_plan::Plan;

use crate::Storage;
use crate::shape::threads;
use crate::source::{Form, Source, Table, Writer};
use crate::tabled::element;

/// Most blades of multivectors in registers, and 32-bit words of all operands that are read.
const MAX_BLADES: usize = 64;
const MAX_WORDS: usize = 160;

/// Functions with their derivatives, by the names that a [`Function`] has.
pub(crate) const FUNCTIONS: &str = include_str!("functions.cuh");

/// A function of `functions.cuh`, which gives a value and a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function(pub &'static str);

/// Blades that belong together: those with a square, each with it, then the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Class {
    pub(crate) measured: Vec<(usize, f64)>,
    pub(crate) null: Vec<usize>,
}

impl Class {
    /// All blades.
    pub(crate) fn blades(&self) -> impl Iterator<Item = usize> {
        self.measured.iter().map(|&(blade, _)| blade).chain(self.null.iter().copied())
    }
}

/// A partition of the blades of a multivector.
#[derive(Clone, Debug)]
pub struct Classes {
    size: usize,
    classes: Vec<Class>,
}

impl Classes {
    /// The classes of a plan of squares: one output for the square of each class, then one for the sum of the squared
    /// coefficients of each class, in which every blade has a part.
    pub fn of_squares(plan: &Plan) -> Self {
        let mut classes = vec![Class::default(); plan.out_size() / 2];
        let count = classes.len();
        let mut is_measured = vec![false; plan.left_size()];
        let mut terms = plan.terms().to_vec();
        terms.sort_by_key(|term| (usize::from(term.out) >= count, term.left));
        for term in terms {
            let (blade, out) = (usize::from(term.left), usize::from(term.out));
            if out < count {
                is_measured[blade] = true;
                classes[out].measured.push((blade, term.coefficient));
            } else if !is_measured[blade] {
                classes[out - count].null.push(blade);
            }
        }
        Self { size: plan.left_size(), classes }
    }

    /// One class of `size` blades without squares.
    pub fn whole(size: usize) -> Self {
        Self { size, classes: vec![Class { measured: Vec::new(), null: (0..size).collect() }] }
    }

    /// Number of blades.
    pub fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The only blade of a class.
    pub fn only_blade(&self, class: usize) -> Option<usize> {
        let Class { measured, null } = self.classes.get(class)?;
        match (&measured[..], &null[..]) {
            (&[(blade, _)], []) | ([], &[blade]) => Some(blade),
            _ => None,
        }
    }
}

/// What code of a lane works with: classes, and operands of which the first `inputs` are read.
pub(crate) struct Multivectors<'c> {
    classes: &'c Classes,
    inputs: usize,
    sizes: &'c [usize],
    form: Form,
    pub(crate) in_registers: bool,
}

impl<'c> Multivectors<'c> {
    pub(crate) fn new(classes: &'c Classes, inputs: usize, sizes: &'c [usize], form: Form) -> Self {
        let words = sizes[..inputs].iter().sum::<usize>() * form.storage.size().div_ceil(4);
        let in_registers = classes.size() <= MAX_BLADES && words <= MAX_WORDS;
        Self { classes, inputs, sizes, form, in_registers }
    }

    /// A kernel that runs `body`; `more` are fields of its parameters that follow those of the lanes.
    ///
    /// Where classes are numbered at run time, and `is_split`, each has a row of blocks.
    pub(crate) fn kernel(
        &self,
        name: &str,
        more: &[&str],
        is_split: bool,
        body: impl FnOnce(&mut Writer, &Self),
    ) -> Source {
        let held = if self.in_registers { &self.sizes[..self.inputs] } else { &[] };
        let threads = threads(held, self.form.storage);
        let mut writer = Writer::new(self.form.storage);
        writer.line(FUNCTIONS);
        let tables = if self.in_registers { Vec::new() } else { self.declare(&mut writer) };
        writer.parameters(self.inputs, self.sizes.len(), self.form.rank, more);
        // one block asked for: otherwise the compiler spills some registers for the sake of occupancy
        writer.block(&format!("KERNEL({name}, {threads}, 1)"), |writer| body(writer, self));
        let rows = if is_split && !self.in_registers { self.classes.len().max(1) } else { 1 };
        Source { name: name.to_owned(), text: writer.finish(), threads, rows, tables }
    }

    /// A kernel whose threads each run `body` on a lane, between loads and stores.
    pub(crate) fn lane_kernel(
        &self,
        name: &str,
        more: &[&str],
        is_split: bool,
        body: impl FnOnce(&mut Writer, &Self),
    ) -> Source {
        self.kernel(name, more, is_split, |writer, this| {
            writer.lanes(this.sizes.len(), this.form.rank, |writer| this.lane(writer, |writer| body(writer, this)));
        })
    }

    /// The offsets of operands at the lane `lane`.
    pub(crate) fn offsets(&self, writer: &mut Writer) {
        writer.offsets(self.sizes.len(), self.form.rank);
    }

    /// Loads inputs, runs `body` and stores outputs.
    pub(crate) fn lane(&self, writer: &mut Writer, body: impl FnOnce(&mut Writer)) {
        let move_all = |writer: &mut Writer, is_input: bool| {
            for (operand, &size) in self.sizes.iter().enumerate() {
                if (operand < self.inputs) != is_input || size == 0 {
                    continue;
                }
                let verb = if is_input { "load" } else { "store" };
                let pointer = format!("p.operand_{operand} + offset_{operand}");
                writer.line(&if self.form.is_vector(operand) {
                    format!("{verb}_vectors({pointer}, value_{operand});")
                } else {
                    format!("{verb}({pointer}, p.blade_stride[{operand}], value_{operand});")
                });
            }
        };
        if !self.in_registers {
            return body(writer);
        }
        for (operand, &size) in self.sizes.iter().enumerate().filter(|(_, size)| **size > 0) {
            writer.line(&format!("real value_{operand}[{size}];"));
        }
        move_all(writer, true);
        body(writer);
        move_all(writer, false);
    }

    /// A blade of an input.
    pub(crate) fn read(&self, operand: usize, blade: &str) -> String {
        if self.in_registers { format!("value_{operand}[{blade}]") } else { element(operand, blade) }
    }

    /// Sets a blade of an output.
    pub(crate) fn write(&self, writer: &mut Writer, operand: usize, blade: &str, value: &str) {
        writer.line(&if self.in_registers {
            format!("value_{operand}[{blade}] = {value};")
        } else {
            format!("p.operand_{operand}[offset_{operand} + {blade} * p.blade_stride[{operand}]] = narrow({value});")
        });
    }

    /// Runs `body` on every class.
    pub(crate) fn each_class(&self, writer: &mut Writer, body: impl Fn(&mut Writer, &ClassCode<'_>)) {
        if self.in_registers {
            for (number, class) in self.classes.classes.iter().enumerate() {
                let code =
                    ClassCode { number: number.to_string(), class: Some((number, class)), storage: self.form.storage };
                writer.block("", |writer| body(writer, &code));
            }
        } else {
            let code = ClassCode { number: "k".to_owned(), class: None, storage: self.form.storage };
            let head = format!("for (u32 k = blockIdx.y; k < {}; k += gridDim.y)", self.classes.len());
            writer.block(&head, |writer| body(writer, &code));
        }
    }

    /// Declares the tables of the classes; returns their contents.
    fn declare(&self, writer: &mut Writer) -> Vec<Table> {
        let (mut begins, mut ends, mut blades, mut squares) = (vec![0], Vec::new(), Vec::new(), Vec::new());
        for Class { measured, null } in &self.classes.classes {
            blades.extend(measured.iter().map(|(blade, _)| *blade as u32));
            squares.extend(measured.iter().map(|(_, square)| *square));
            ends.push(blades.len() as u32);
            blades.extend(null.iter().map(|blade| *blade as u32));
            squares.resize(blades.len(), 0.0);
            begins.push(blades.len() as u32);
        }
        let squares: Vec<u8> = match self.form.storage {
            Storage::F64 => squares.into_iter().flat_map(f64::to_le_bytes).collect(),
            _ => squares.into_iter().flat_map(|square| (square as f32).to_le_bytes()).collect(),
        };
        let (size, count) = (self.classes.size(), self.classes.len());
        writer.line("extern \"C\" {");
        writer.line(&format!("__device__ u32 class_begins[{}];", count + 1));
        writer.line(&format!("__device__ u32 measured_ends[{count}];"));
        writer.line(&format!("__device__ u32 class_blades[{size}];"));
        writer.line(&format!("__device__ real class_squares[{size}];"));
        writer.line("}\n");
        let bytes = |numbers: Vec<u32>| numbers.into_iter().flat_map(u32::to_le_bytes).collect();
        [
            ("class_begins", bytes(begins)),
            ("measured_ends", bytes(ends)),
            ("class_blades", bytes(blades)),
            ("class_squares", squares),
        ]
        .map(|(name, bytes)| Table { name: name.to_owned(), bytes })
        .into()
    }
}

/// A class in code.
pub(crate) struct ClassCode<'c> {
    /// Its number, a constant or a variable.
    pub(crate) number: String,
    /// The class, where it is known in advance.
    class: Option<(usize, &'c Class)>,
    storage: Storage,
}

impl ClassCode<'_> {
    /// Runs `body` on the blades that have a square, with the blade and its square.
    pub(crate) fn measured(&self, writer: &mut Writer, body: impl Fn(&mut Writer, &str, &str)) {
        match self.class {
            Some((_, class)) => {
                for (blade, square) in &class.measured {
                    body(writer, &blade.to_string(), &self.storage.literal(*square));
                }
            }
            None => Self::table(writer, "class_begins[k]", "measured_ends[k]", |writer| {
                writer.line("const real blade_square = class_squares[i];");
                body(writer, "blade", "blade_square");
            }),
        }
    }

    /// Runs `body` on the blades without a square.
    pub(crate) fn null(&self, writer: &mut Writer, body: impl Fn(&mut Writer, &str)) {
        match self.class {
            Some((_, class)) => class.null.iter().for_each(|blade| body(writer, &blade.to_string())),
            None => Self::table(writer, "measured_ends[k]", "class_begins[k + 1]", |writer| body(writer, "blade")),
        }
    }

    /// Runs `body` on all blades.
    pub(crate) fn blades(&self, writer: &mut Writer, body: impl Fn(&mut Writer, &str)) {
        match self.class {
            Some(_) => {
                self.measured(writer, |writer, blade, _| body(writer, blade));
                self.null(writer, body);
            }
            None => Self::table(writer, "class_begins[k]", "class_begins[k + 1]", |writer| body(writer, "blade")),
        }
    }

    fn table(writer: &mut Writer, begin: &str, end: &str, body: impl FnOnce(&mut Writer)) {
        writer.block(&format!("for (u32 i = {begin}; i < {end}; ++i)"), |writer| {
            writer.line("const u32 blade = class_blades[i];");
            body(writer);
        });
    }

    /// Runs `yes`, with the blade, where this is the class of `scalar`, a class and its only blade; else `no`.
    pub(crate) fn select(
        &self,
        writer: &mut Writer,
        scalar: Option<(usize, usize)>,
        yes: impl FnOnce(&mut Writer, &str),
        no: impl FnOnce(&mut Writer),
    ) {
        match (self.class, scalar) {
            (Some((own, _)), Some((number, blade))) if own == number => yes(writer, &blade.to_string()),
            (None, Some((number, blade))) => {
                writer.block(&format!("if (k == {number})"), |writer| yes(writer, &blade.to_string()));
                writer.block("else", no);
            }
            _ => no(writer),
        }
    }

    /// Declares `square`, that of the class in an input.
    pub(crate) fn square(&self, writer: &mut Writer, of: &Multivectors<'_>, operand: usize) {
        writer.line("real square = 0;");
        self.measured(writer, |writer, blade, square| {
            let value = of.read(operand, blade);
            writer.line(&format!("square = multiply_add({value} * {square}, {value}, square);"));
        });
    }
}
