//! Kernels of products with one weight a channel and path, between gates of their operands and norms of their classes:
//!
//! ```text
//! u = product(gate(x_0) x, gate(y_0) y),    out = u / sqrt(mean over channels of |q(u_class)| + epsilon), class by class
//! ```
//!
//! The gates are factors of the product, which is linear. Norms take three kernels, one after the other: sums of `|q|` over
//! some channels, the factors of every row, and the product, computed anew, times the factors of its row. For gradients,
//! classes have as a second sum their inner product with the cotangent, and as a second factor what reaches their squares.
//!
//! Products that leave no registers for that are computed in advance, by [`crate::bilinear::source`]; kernels then read them,
//! where they otherwise read the weight.

use std::sync::Arc;

use crate::bilinear::{self, functions, is_straight_line, load, product, store, sum};
use crate::classes::{Class, FUNCTIONS};
use crate::shape::{bounds, threads};
use crate::source::{Form, Source, Writer};
use crate::tabled::element;
use crate::weighted::{self, Weighted, fits_registers, sums_by_weight, weight_gradient};
use crate::{Classes, Function, Storage};

/// Most 32-bit words of both operands and the weights where products are computed anew, beside which there have to be
/// registers for the classes.
const MAX_WORDS_ANEW: usize = 200;

/// Most 32-bit words of operands and sums of a kernel of all gradients: the compiler holds many sums of paths as well.
const MAX_WORDS_ONE_PASS: usize = 128;

/// Most 32-bit words of operands, weights and sums that leave registers for the cotangent.
const MAX_WORDS_WITH_COTANGENT: usize = 140;

/// What the gradients by the arguments of the gates are, times that by the gates' product.
const BY_GATES: [&str; 2] = ["left_gate.slope * right_gate.value", "right_gate.slope * left_gate.value"];

/// A weighted product and what surrounds it.
#[derive(Clone, Debug)]
pub struct Gated {
    /// The product without gates and norm.
    pub weighted: Arc<Weighted>,
    /// The scalar blade, and the function of it that multiplies each operand.
    pub gate: Option<(usize, Function)>,
    /// The classes with a norm, those that have blades with a square.
    pub classes: Classes,
}

/// Kernels, each with the operands that it takes. "product" is the weight where the product is computed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Sums over channels: left, right, product. The fields are those of [`crate::row_norms::Slots::parameters`].
    Sums,
    /// The same for the gradient: cotangent, left, right, product.
    BackwardSums,
    /// The result: left, right, product; result. Numbers of channels and rows and the address of the factors follow.
    Product,
    /// The cotangent of the product without gates and norm: cotangent, left, right, product; that cotangent. Fields as
    /// before and the address of the gradients by the gates' arguments, one array for each operand.
    Cotangent,
    /// All gradients: cotangent, left, right, weight; by left, by right. Those of [`weighted::Chunks::parameters`] and the
    /// address of the factors follow.
    Gradients,
    /// The gradients by the scalar blades with those by the gates' arguments, whose address follows: by left, by right. Sums
    /// come after what is added, in two arrays more, for kernels that are run again have to find what they found before.
    ByGates,
    /// Writes those sums: by left, by right. The same address follows.
    ByScalars,
}

impl Gated {
    /// Number of classes with a norm.
    pub fn norms(&self) -> usize {
        self.classes.classes().iter().filter(|class| !class.measured.is_empty()).count()
    }

    /// Whether the product is all there is: without gates and norms, or zero without a term.
    pub fn is_bare(&self) -> bool {
        self.weighted.plan.terms().is_empty() || (self.gate.is_none() && self.norms() == 0)
    }

    /// Whether kernels compute the product anew, in registers.
    pub fn is_recomputed(&self, storage: Storage) -> bool {
        let plan = &self.weighted.plan;
        let numbers = plan.left_size() + plan.right_size() + plan.path_count();
        numbers * storage.size().div_ceil(4) <= MAX_WORDS_ANEW && is_straight_line(&self.weighted.product, storage)
    }

    /// Whether [`Part::Gradients`] does it all; otherwise the gradients of the product follow [`Part::Cotangent`].
    pub fn is_one_pass(&self, storage: Storage) -> bool {
        let plan = &self.weighted.plan;
        self.is_recomputed(storage) && fits_registers(plan, 2 * plan.out_size(), MAX_WORDS_ONE_PASS, storage)
    }

    /// The source of a part.
    pub fn source(&self, part: Part, form: Form) -> Source {
        let in_registers = self.is_recomputed(form.storage);
        let is_backward = matches!(part, Part::BackwardSums | Part::Cotangent | Part::Gradients);
        let plan = &self.weighted.plan;
        let numbers = plan.left_size() + plan.right_size() + 2 * plan.out_size() + plan.path_count();
        let holds_cotangent =
            is_backward && in_registers && numbers * form.storage.size().div_ceil(4) <= MAX_WORDS_WITH_COTANGENT;
        Code { gated: self, form, in_registers, holds_cotangent, first: usize::from(is_backward) }.source(part)
    }
}

/// The text of a kernel in the making.
struct Code<'g> {
    gated: &'g Gated,
    form: Form,
    in_registers: bool,
    /// Whether the cotangent is loaded as a whole, rather than blade by blade where it is needed.
    holds_cotangent: bool,
    /// Number of the left operand: 1 where the cotangent is in front. Right operand and product follow.
    first: usize,
}

impl Code<'_> {
    fn source(&self, part: Part) -> Source {
        let Self { gated, form, first, .. } = *self;
        let plan = &gated.weighted.plan;
        let (inputs, operands) = match part {
            Part::ByGates => (2, 2),
            Part::ByScalars => (0, 2),
            Part::Sums | Part::BackwardSums => (3 + first, 3 + first),
            Part::Product | Part::Cotangent => (3 + first, 4 + first),
            Part::Gradients => (4, 6),
        };
        let (name, fields): (_, &[&str]) = match part {
            Part::Sums | Part::BackwardSums => {
                ("sums_over_channels", &["i64 channels", "i64 rows", "i64 slots", "real* sums"])
            }
            Part::Product => ("gated_product", &["i64 channels", "i64 rows", "const real* factors"]),
            Part::Cotangent => {
                ("gated_cotangent", &["i64 channels", "i64 rows", "const real* factors", "real* by_gates"])
            }
            Part::Gradients => ("gated_gradients", &["const real* factors"]),
            Part::ByGates => ("add_by_gates", &["real* by_gates"]),
            Part::ByScalars => ("write_scalars", &["const real* by_gates"]),
        };
        let chunks: &[&str] = if part == Part::Gradients { &weighted::FIELDS } else { &[] };
        let [left, right, out, paths] = [plan.left_size(), plan.right_size(), plan.out_size(), plan.path_count()];
        let words = match part {
            Part::Gradients => left + right + 3 * out + 2 * paths,
            _ if self.in_registers => left + right + paths + first * out,
            _ => 0,
        };
        let threads = threads(&[words], form.storage);
        let mut writer = Writer::new(form.storage);
        writer.line(FUNCTIONS);
        if part == Part::Gradients {
            functions(&mut writer, &gated.weighted.gradients, form.storage);
            weight_gradient(&mut writer, plan, form.storage);
        }
        if self.in_registers && !matches!(part, Part::ByGates | Part::ByScalars) {
            product(&mut writer, "multiply", &gated.weighted.product.steps()[0], form.storage);
        }
        writer.parameters(inputs, operands, form.rank, &[chunks, fields].concat());
        writer.block(&format!("KERNEL({name}, {})", bounds(threads)), |writer| match part {
            Part::Sums | Part::BackwardSums => self.sums(writer),
            Part::Product => writer.lanes(operands, form.rank, |writer| self.scaled_product(writer)),
            Part::Cotangent => writer.lanes(operands, form.rank, |writer| self.cotangent(writer)),
            Part::Gradients => self.gradients(writer),
            Part::ByGates => writer.lanes(operands, form.rank, |writer| self.add_by_gates(writer)),
            Part::ByScalars => writer.lanes(operands, form.rank, |writer| self.write_scalars(writer)),
        });
        Source { name: name.to_owned(), text: writer.finish(), threads, rows: 1, tables: Vec::new() }
    }

    /// Loads what is computed with in registers; opens the gates.
    fn open(&self, writer: &mut Writer) {
        let (plan, [left, right, weight]) = (&self.gated.weighted.plan, [0, 1, 2].map(|operand| self.first + operand));
        let load = |writer: &mut Writer, operand: usize, size: usize| {
            load(writer, operand, &format!("value_{operand}"), size, self.form);
        };
        if self.in_registers {
            load(writer, left, plan.left_size());
            load(writer, right, plan.right_size());
        }
        if let Some((scalar, function)) = self.gated.gate {
            for (name, operand) in [("left", left), ("right", right)] {
                writer.line(&format!("const Dual {name}_gate = {}({});", function.0, self.scalar(operand, scalar)));
            }
            writer.line("const real gates = left_gate.value * right_gate.value;");
        } else {
            writer.line("const real gates = 1;");
        }
        if self.in_registers {
            load(writer, weight, plan.path_count());
            writer.line(&format!("real product[{}] = {{}};", plan.out_size()));
            writer.line(&format!("multiply(value_{left}, value_{right}, value_{weight}, product);"));
        }
        if self.holds_cotangent {
            bilinear::load(writer, 0, "upstream", plan.out_size(), self.form);
        }
    }

    /// The scalar blade of an operand.
    fn scalar(&self, operand: usize, blade: usize) -> String {
        if self.in_registers { format!("value_{operand}[{blade}]") } else { element(operand, &blade.to_string()) }
    }

    /// A blade of the cotangent.
    fn upstream(&self, blade: usize) -> String {
        if self.holds_cotangent { format!("upstream[{blade}]") } else { element(0, &blade.to_string()) }
    }

    /// A blade of the product before the gates, between [`Self::each_class`]'s braces.
    fn ungated(&self, blade: usize) -> String {
        if self.in_registers { format!("product[{blade}]") } else { format!("product_{blade}") }
    }

    /// Runs `body` on every class, with its number among those that have a norm.
    fn each_class(&self, writer: &mut Writer, mut body: impl FnMut(&mut Writer, Option<usize>, &Class)) {
        let mut count = 0;
        for class in self.gated.classes.classes() {
            let number = (!class.measured.is_empty()).then_some(count);
            count += usize::from(number.is_some());
            writer.block("", |writer| {
                if !self.in_registers {
                    for blade in class.blades() {
                        let product = element(self.first + 2, &blade.to_string());
                        writer.line(&format!("const real product_{blade} = {product};"));
                    }
                }
                body(writer, number, class);
            });
        }
    }

    /// Declares the square of a class.
    fn square(&self, writer: &mut Writer, class: &Class) {
        writer.line("real square = 0;");
        for &(blade, square) in &class.measured {
            writer.block("", |writer| {
                writer.line(&format!("const real value = gates * {};", self.ungated(blade)));
                let scaled = format!("{} * value", self.form.storage.literal(square));
                writer.line(&format!("square = multiply_add({scaled}, value, square);"));
            });
        }
    }

    /// Declares the row of a lane where factors are needed.
    fn row(&self, writer: &mut Writer) {
        if self.gated.norms() > 0 {
            writer.line("const i64 row = divide(lane, p.channels);");
        }
    }

    /// Adds up some channels of a row, and writes the sums.
    fn sums(&self, writer: &mut Writer) {
        let norms = self.gated.norms();
        let count = norms * (1 + self.first);
        writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
        writer.line("const i64 items = p.rows * p.slots;");
        writer.block(
            "for (i64 item = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; item < items; item += threads)",
            |writer| {
                writer.line("const i64 row = divide(item, p.slots);");
                writer.line(&format!("real sums[{count}] = {{}};"));
                let head = "for (i64 channel = item - row * p.slots; channel < p.channels; channel += p.slots)";
                writer.block(head, |writer| {
                    writer.line("const i64 lane = row * p.channels + channel;");
                    writer.offsets(3 + self.first, self.form.rank);
                    self.open(writer);
                    self.each_class(writer, |writer, number, class| {
                        let Some(number) = number else { return };
                        self.square(writer, class);
                        writer.line(&format!("sums[{number}] += fabs(square);"));
                        if self.first == 1 {
                            let dot = norms + number;
                            for blade in class.blades() {
                                let (cotangent, value) = (self.upstream(blade), self.ungated(blade));
                                let terms = format!("{cotangent}, gates * {value}, sums[{dot}]");
                                writer.line(&format!("sums[{dot}] = multiply_add({terms});"));
                            }
                        }
                    });
                });
                writer.line("#pragma unroll");
                writer.block(&format!("for (int k = 0; k < {count}; ++k)"), |writer| {
                    writer.line("p.sums[k * items + item] = sums[k];");
                });
            },
        );
    }

    /// Computes and stores the product times gates and factors.
    fn scaled_product(&self, writer: &mut Writer) {
        self.open(writer);
        self.row(writer);
        self.each_class(writer, |writer, number, class| {
            let factor = Self::factor(writer, number);
            for blade in class.blades() {
                self.write(writer, 3, blade, &format!("{factor}(gates * {})", self.ungated(blade)));
            }
        });
        if self.in_registers {
            store(writer, 3, "product", self.form);
        }
    }

    /// Declares the factor of a class, if any; returns what to multiply with.
    fn factor(writer: &mut Writer, number: Option<usize>) -> &'static str {
        let Some(number) = number else { return "" };
        writer.line(&format!("const real factor = __ldg(p.factors + {number} * p.rows + row);"));
        "factor * "
    }

    /// Replaces a blade of the product, or sets that of the operand that it would be stored to.
    fn write(&self, writer: &mut Writer, operand: usize, blade: usize, value: &str) {
        writer.line(&if self.in_registers {
            format!("product[{blade}] = {value};")
        } else {
            format!("p.operand_{operand}[offset_{operand} + {blade} * p.blade_stride[{operand}]] = narrow({value});")
        });
    }

    /// Replaces the product by its cotangent, without gates and norm; declares `dot`, the gradient by the gates.
    fn pull_back(&self, writer: &mut Writer) {
        let norms = self.gated.norms();
        writer.line("real dot = 0;");
        self.each_class(writer, |writer, number, class| {
            let factor = Self::factor(writer, number);
            if let Some(number) = number {
                self.square(writer, class);
                let slope = format!("__ldg(p.factors + {} * p.rows + row)", norms + number);
                writer.line("const real sign = square > 0 ? real(1) : real(0) > square ? real(-1) : square;");
                writer.line(&format!("const real by_square = sign * {slope};"));
            }
            let mut blade_of = |blade: usize, cotangent: &str| {
                writer.block("", |writer| {
                    writer.line(&format!("const real cotangent = {cotangent};"));
                    writer.line(&format!("dot = multiply_add(cotangent, {}, dot);", self.ungated(blade)));
                    self.write(writer, 4, blade, "gates * cotangent");
                });
            };
            for &(blade, square) in &class.measured {
                let along = format!("(gates * {}) * {}", self.ungated(blade), self.form.storage.literal(square));
                blade_of(blade, &format!("multiply_add(-by_square, {along}, {factor}{})", self.upstream(blade)));
            }
            for &blade in &class.null {
                blade_of(blade, &format!("{factor}{}", self.upstream(blade)));
            }
        });
    }

    /// Computes and stores the cotangent of the product, and the gradients by the arguments of the gates.
    fn cotangent(&self, writer: &mut Writer) {
        self.open(writer);
        self.row(writer);
        self.pull_back(writer);
        if self.in_registers {
            store(writer, 4, "product", self.form);
        }
        if self.gated.gate.is_some() {
            for (operand, factor) in BY_GATES.iter().enumerate() {
                writer.line(&format!("p.by_gates[{operand} * p.lanes + lane] = ({factor}) * dot;"));
            }
        }
    }

    /// Computes and stores the gradients by left and right, and the partial sums of those by weights.
    fn gradients(&self, writer: &mut Writer) {
        let gradients = &self.gated.weighted.gradients;
        sums_by_weight(writer, self.gated.weighted.plan.path_count(), |writer| {
            writer.offsets(6, self.form.rank);
            self.open(writer);
            self.pull_back(writer);
            // the sums of the product and of the gradients are alike, but too many to be kept
            writer.line("renew(value_1);");
            writer.line(&format!("const real (&value_0)[{}] = product;", self.gated.weighted.plan.out_size()));
            for (output, by_gate) in [4, 5].into_iter().zip(BY_GATES) {
                sum(writer, gradients, output, self.form, |writer| {
                    if let Some((scalar, _)) = self.gated.gate {
                        writer.line(&format!("sum[{scalar}] = multiply_add({by_gate}, dot, sum[{scalar}]);"));
                    }
                });
            }
        });
    }

    /// Adds the gradients by the arguments of the gates to those by the scalar blades.
    fn add_by_gates(&self, writer: &mut Writer) {
        let Some((scalar, _)) = self.gated.gate else { return };
        for operand in 0..2 {
            let (found, total) =
                (element(operand, &scalar.to_string()), format!("p.by_gates[{} * p.lanes", operand + 2));
            writer.line(&format!("{total} + lane] = {found} + p.by_gates[{operand} * p.lanes + lane];"));
        }
    }

    /// Writes the sums of [`Self::add_by_gates`].
    fn write_scalars(&self, writer: &mut Writer) {
        let Some((scalar, _)) = self.gated.gate else { return };
        for operand in 0..2 {
            let place = format!("p.operand_{operand}[offset_{operand} + {scalar} * p.blade_stride[{operand}]]");
            writer.line(&format!("{place} = narrow(p.by_gates[{} * p.lanes + lane]);", operand + 2));
        }
    }
}
