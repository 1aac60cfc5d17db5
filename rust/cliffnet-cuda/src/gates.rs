//! Kernels that treat every multivector by itself: invariants of classes, gates of classes, and their gradients.

use std::sync::Arc;

use crate::classes::{Classes, Function, Multivectors};
use crate::source::{Form, Source, Writer};

/// What to compute on every multivector, class by class.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// An invariant of every class. The kernel takes the epsilon of the invariant, a double, after the lanes.
    Invariants(Function),
    /// Every class times the activation of a gate, an operand of its own.
    Gate(Function),
    /// All blades times the activation of one of them.
    SelfGate(usize, Function),
}

/// A layer on the classes of a partition, or its gradient, which has the cotangent as the first operand.
#[derive(Clone, Debug)]
pub struct LayerKernel {
    classes: Arc<Classes>,
    layer: Layer,
    is_backward: bool,
    inputs: usize,
    sizes: Vec<usize>,
}

impl LayerKernel {
    /// The layer, or its gradient.
    pub fn new(classes: Arc<Classes>, layer: Layer, is_backward: bool) -> Self {
        let (size, count) = (classes.size(), classes.len());
        let (given, result) = match layer {
            Layer::Invariants(_) => (vec![size], count),
            Layer::Gate(_) => (vec![size, count], size),
            Layer::SelfGate(..) => (vec![size], size),
        };
        let (inputs, sizes) = if is_backward {
            (1 + given.len(), [&[result], &given[..], &given[..]].concat())
        } else {
            (given.len(), [&given[..], &[result]].concat())
        };
        Self { classes, layer, is_backward, inputs, sizes }
    }

    /// Blades of the operands that are read, and of those that are written.
    pub fn sizes(&self) -> (&[usize], &[usize]) {
        self.sizes.split_at(self.inputs)
    }

    /// The kernel.
    pub fn source(&self, form: Form) -> Source {
        let multivectors = Multivectors::new(&self.classes, self.inputs, &self.sizes, form);
        let more: &[&str] = if matches!(self.layer, Layer::Invariants(_)) { &["double epsilon"] } else { &[] };
        let name = match self.layer {
            Layer::Invariants(_) => "class_invariants",
            Layer::Gate(_) | Layer::SelfGate(..) => "gates",
        };
        multivectors.lane_kernel(name, more, true, |writer, multivectors| match (self.layer, self.is_backward) {
            (Layer::Invariants(function), false) => invariants(writer, multivectors, function),
            (Layer::Invariants(function), true) => invariants_backward(writer, multivectors, function),
            (Layer::Gate(function), false) => gate(writer, multivectors, function, None),
            (Layer::Gate(function), true) => gate_backward(writer, multivectors, function, None),
            (Layer::SelfGate(blade, function), false) => gate(writer, multivectors, function, Some(blade)),
            (Layer::SelfGate(blade, function), true) => gate_backward(writer, multivectors, function, Some(blade)),
        })
    }
}

fn invariants(writer: &mut Writer, multivectors: &Multivectors<'_>, invariant: Function) {
    multivectors.each_class(writer, |writer, class| {
        class.square(writer, multivectors, 0);
        let value = format!("{}(square, p.epsilon).value", invariant.0);
        multivectors.write(writer, 1, &class.number, &value);
    });
}

fn invariants_backward(writer: &mut Writer, multivectors: &Multivectors<'_>, invariant: Function) {
    multivectors.each_class(writer, |writer, class| {
        class.square(writer, multivectors, 1);
        let upstream = multivectors.read(0, &class.number);
        writer.line(&format!("const real doubled = 2 * ({upstream} * {}(square, p.epsilon).slope);", invariant.0));
        class.measured(writer, |writer, blade, square| {
            let value = multivectors.read(1, blade);
            multivectors.write(writer, 2, blade, &format!("{value} * {square} * doubled"));
        });
        class.null(writer, |writer, blade| multivectors.write(writer, 2, blade, "0"));
    });
}

/// Gates are operand 1, or a blade of the multivectors.
fn gate(writer: &mut Writer, multivectors: &Multivectors<'_>, activation: Function, blade: Option<usize>) {
    let out = if blade.is_some() { 1 } else { 2 };
    multivectors.each_class(writer, |writer, class| {
        let argument = match blade {
            Some(blade) => multivectors.read(0, &blade.to_string()),
            None => multivectors.read(1, &class.number),
        };
        writer.line(&format!("const real value = {}({argument}).value;", activation.0));
        class.blades(writer, |writer, blade| {
            multivectors.write(writer, out, blade, &format!("value * {}", multivectors.read(0, blade)));
        });
    });
}

/// Gates are operand 2, or a blade of the multivectors.
fn gate_backward(writer: &mut Writer, multivectors: &Multivectors<'_>, activation: Function, blade: Option<usize>) {
    let by_x = if blade.is_some() { 2 } else { 3 };
    multivectors.each_class(writer, |writer, class| {
        let argument = match blade {
            Some(blade) => multivectors.read(1, &blade.to_string()),
            None => multivectors.read(2, &class.number),
        };
        writer.line(&format!("const Dual gate = {}({argument});", activation.0));
        writer.line("real dot = 0;");
        class.blades(writer, |writer, blade| {
            let (upstream, value) = (multivectors.read(0, blade), multivectors.read(1, blade));
            writer.line(&format!("dot = multiply_add({upstream}, {value}, dot);"));
            multivectors.write(writer, by_x, blade, &format!("gate.value * {upstream}"));
        });
        match blade {
            Some(blade) => {
                let blade = blade.to_string();
                let direct = format!("gate.value * {}", multivectors.read(0, &blade));
                multivectors.write(writer, by_x, &blade, &format!("{direct} + dot * gate.slope"));
            }
            None => multivectors.write(writer, 4, &class.number, "dot * gate.slope"),
        }
    });
}
