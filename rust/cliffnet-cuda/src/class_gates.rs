//! Kernels of gates of classes by their own invariants, with a scale and a shift for each channel and class.

use crate::classes::{ClassCode, Classes, Function, Multivectors};
use crate::source::{Form, Source, Writer};
use crate::weighted::{FIELDS, chunks, rows};

/// Gates of classes; with `scalar`, the class of that number is gated by its only blade.
#[derive(Clone, Copy, Debug)]
pub struct ClassGate<'c> {
    /// The classes.
    pub classes: &'c Classes,
    /// A class and its only blade.
    pub scalar: Option<(usize, usize)>,
    /// By which the other classes are gated.
    pub invariant: Function,
    /// What makes a factor of the parameters and the invariant.
    pub response: Function,
}

impl ClassGate<'_> {
    /// The kernel of the gates: the operands are the multivectors, scale, shift and the result. The epsilon of the
    /// invariant, a double, follows the lanes.
    pub fn source(&self, form: Form) -> Source {
        let (size, count) = (self.classes.size(), self.classes.len());
        let sizes = [size, count, count, size];
        let multivectors = Multivectors::new(self.classes, 3, &sizes, form);
        multivectors.lane_kernel("class_gates", &["double epsilon"], true, |writer, multivectors| {
            multivectors.each_class(writer, |writer, class| {
                self.factor(writer, multivectors, class, [0, 1, 2]);
                class.blades(writer, |writer, blade| {
                    let value = multivectors.read(0, blade);
                    multivectors.write(writer, 3, blade, &format!("factor.value * {value}"));
                });
            });
        })
    }

    /// The kernel of the gradients: the operands are cotangent, multivectors, scale, shift and the gradient by the
    /// multivectors. What [`crate::weighted::Chunks`] has, and the epsilon of the invariant, a double, follow the lanes. The
    /// partial sums are those by scales, `[chunk][channel][class]`, then as many by shifts.
    pub fn backward_source(&self, form: Form) -> Source {
        let (size, count) = (self.classes.size(), self.classes.len());
        let sizes = [size, size, count, count, size];
        let multivectors = Multivectors::new(self.classes, 4, &sizes, form);
        let fields = [&FIELDS[..], &["double epsilon"]].concat();
        multivectors.kernel("class_gate_gradients", &fields, true, |writer, multivectors| {
            chunks(writer, |writer| {
                if multivectors.in_registers {
                    writer.line(&format!("real by_scale[{count}] = {{}}, by_shift[{count}] = {{}};"));
                    rows(writer, |writer| {
                        multivectors.offsets(writer);
                        multivectors.lane(writer, |writer| {
                            multivectors.each_class(writer, |writer, class| {
                                let sums = ["by_scale", "by_shift"].map(|name| format!("{name}[{}]", class.number));
                                self.gradients(writer, multivectors, class, &sums);
                            });
                        });
                    });
                    multivectors.each_class(writer, |writer, class| {
                        let sums = ["by_scale", "by_shift"].map(|name| format!("{name}[{}]", class.number));
                        self.store(writer, class, &sums);
                    });
                } else {
                    let sums = ["by_scale", "by_shift"].map(str::to_owned);
                    multivectors.each_class(writer, |writer, class| {
                        writer.line("real by_scale = 0, by_shift = 0;");
                        rows(writer, |writer| {
                            multivectors.offsets(writer);
                            self.gradients(writer, multivectors, class, &sums);
                        });
                        self.store(writer, class, &sums);
                    });
                }
            });
        })
    }

    /// Declares the invariant and the factor of a class; the operands are multivectors, scale and shift.
    fn factor(
        &self,
        writer: &mut Writer,
        multivectors: &Multivectors<'_>,
        class: &ClassCode<'_>,
        [x, scale, shift]: [usize; 3],
    ) {
        writer.line("Dual invariant;");
        class.select(
            writer,
            self.scalar,
            |writer, blade| writer.line(&format!("invariant = {{{}, real(1)}};", multivectors.read(x, blade))),
            |writer| {
                class.square(writer, multivectors, x);
                writer.line(&format!("invariant = {}(square, p.epsilon);", self.invariant.0));
            },
        );
        let [scale, shift] = [scale, shift].map(|operand| multivectors.read(operand, &class.number));
        writer.line(&format!("const real scale = {scale};"));
        writer
            .line(&format!("const Dual factor = {}(multiply_add(scale, invariant.value, {shift}));", self.response.0));
    }

    /// Stores the gradient of a class by the multivectors, and adds those by scale and shift to `sums`.
    fn gradients(
        &self,
        writer: &mut Writer,
        multivectors: &Multivectors<'_>,
        class: &ClassCode<'_>,
        [by_scale, by_shift]: &[String; 2],
    ) {
        self.factor(writer, multivectors, class, [1, 2, 3]);
        writer.line("real dot = 0;");
        class.blades(writer, |writer, blade| {
            let (upstream, value) = (multivectors.read(0, blade), multivectors.read(1, blade));
            writer.line(&format!("dot = multiply_add({upstream}, {value}, dot);"));
        });
        writer.line("const real by_argument = dot * factor.slope;");
        writer.line("const real by_invariant = by_argument * scale * invariant.slope;");
        let direct = |blade: &str| format!("factor.value * {}", multivectors.read(0, blade));
        class.select(
            writer,
            self.scalar,
            |writer, blade| multivectors.write(writer, 4, blade, &format!("{} + by_invariant", direct(blade))),
            |writer| {
                class.measured(writer, |writer, blade, square| {
                    let along = format!("{} * {square}", multivectors.read(1, blade));
                    let sum = format!("multiply_add({along}, 2 * by_invariant, {})", direct(blade));
                    multivectors.write(writer, 4, blade, &sum);
                });
                class.null(writer, |writer, blade| multivectors.write(writer, 4, blade, &direct(blade)));
            },
        );
        writer.line(&format!("{by_scale} += by_argument * invariant.value;"));
        writer.line(&format!("{by_shift} += by_argument;"));
    }

    /// Stores the partial sums of a class.
    fn store(&self, writer: &mut Writer, class: &ClassCode<'_>, [by_scale, by_shift]: &[String; 2]) {
        let (count, number) = (self.classes.len(), &class.number);
        writer.line(&format!("p.partials[item * {count} + {number}] = {by_scale};"));
        writer.line(&format!("p.partials[(p.chunks * p.channels + item) * {count} + {number}] = {by_shift};"));
    }
}
