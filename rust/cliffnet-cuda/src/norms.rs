//! Kernels of norms over channels: multivectors scaled by the mean of an invariant over the channels of their row.
//!
//! Three kernels follow each other, so that neighbouring threads read neighbouring multivectors: the summands of every
//! lane, the factors of every row, and the lanes times the factors of their row. For the gradient, lanes have as a second
//! summand their product with the cotangent, and rows as a second factor what reaches the gradients of their squares.

use crate::Storage;
use crate::classes::{Classes, FUNCTIONS, Function, Multivectors};
use crate::source::{Form, Source, Writer};

/// Threads of a block that works on rows.
const THREADS: u32 = 128;

/// The summands of every lane: the operands are the multivectors, with the cotangent in front for the gradient. The address
/// of the summands and the epsilon of the invariant, a double, follow the lanes; the invariants of all lanes come first.
pub fn summands_source(classes: &Classes, invariant: Function, is_backward: bool, form: Form) -> Source {
    let sizes = vec![classes.size(); 1 + usize::from(is_backward)];
    let x = usize::from(is_backward);
    let multivectors = Multivectors::new(classes, sizes.len(), &sizes, form);
    multivectors.lane_kernel("summands", &["real* summands", "double epsilon"], false, |writer, multivectors| {
        writer.line("real sum = 0, dot = 0;");
        multivectors.each_class(writer, |writer, class| {
            class.square(writer, multivectors, x);
            writer.line(&format!("sum += {}(square, p.epsilon).value;", invariant.0));
            if is_backward {
                class.blades(writer, |writer, blade| {
                    let (upstream, value) = (multivectors.read(0, blade), multivectors.read(x, blade));
                    writer.line(&format!("dot = multiply_add({upstream}, {value}, dot);"));
                });
            }
        });
        writer.line("p.summands[lane] = sum;");
        if is_backward {
            writer.line("p.summands[p.lanes + lane] = dot;");
        }
    })
}

/// The factors of every row. The parameters are the addresses of summands and factors, the numbers of rows and channels, and
/// as doubles the floor of the scaling and the gain.
pub fn factors_source(scaling: Function, is_backward: bool, storage: Storage) -> Source {
    let mut writer = Writer::new(storage);
    writer.line(FUNCTIONS);
    for line in [
        "struct Parameters {",
        "    const real* summands;",
        "    real* factors;",
        "    i64 rows;",
        "    i64 channels;",
        "    double floor;",
        "    double gain;",
        "};\n",
    ] {
        writer.line(line);
    }
    let name = "factors";
    writer.block(&format!("KERNEL({name}, {THREADS})"), |writer| {
        writer.line("const real channels = static_cast<real>(p.channels), gain = static_cast<real>(p.gain);");
        writer.line("const i64 threads = static_cast<i64>(gridDim.x) * blockDim.x;");
        writer.block(
            "for (i64 row = static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x; row < p.rows; row += threads)",
            |writer| {
                sum(writer, "sum", "p.summands + row * p.channels");
                writer.line(&format!("const Dual scale = {}(sum / channels, p.floor);", scaling.0));
                writer.line("p.factors[row] = gain * scale.value;");
                if is_backward {
                    sum(writer, "dot", "p.summands + (p.rows + row) * p.channels");
                    writer.line("const real slope = gain * scale.slope;");
                    // below the floor nothing reaches the squares, whatever the cotangent
                    writer.line("p.factors[p.rows + row] = slope == 0 ? 0 : dot * slope / channels;");
                }
            },
        );
    });
    Source { name: name.to_owned(), text: writer.finish(), threads: THREADS, rows: 1, tables: Vec::new() }
}

/// Declares the sum of the summands of a row.
fn sum(writer: &mut Writer, name: &str, first: &str) {
    writer.line(&format!("real {name} = 0;"));
    writer.block("for (i64 channel = 0; channel < p.channels; ++channel)", |writer| {
        writer.line(&format!("{name} += ({first})[channel];"));
    });
}

/// Every lane times the factors of its row: the operands are the multivectors, with the cotangent in front for the gradient,
/// and the result. The address of the factors, the number of rows, that of channels and the epsilon of the invariant, a
/// double, follow the lanes.
pub fn scaled_source(classes: &Classes, invariant: Function, is_backward: bool, form: Form) -> Source {
    let sizes = vec![classes.size(); 2 + usize::from(is_backward)];
    let inputs = sizes.len() - 1;
    let more = ["const real* factors", "i64 rows", "i64 channels", "double epsilon"];
    let multivectors = Multivectors::new(classes, inputs, &sizes, form);
    multivectors.lane_kernel("scaled", &more, true, |writer, multivectors| {
        writer.line("const i64 row = divide(lane, p.channels);");
        writer.line("const real factor = __ldg(p.factors + row);");
        if is_backward {
            writer.line("const real by_mean = __ldg(p.factors + p.rows + row);");
        }
        multivectors.each_class(writer, |writer, class| {
            let scaled = |blade: &str| format!("factor * {}", multivectors.read(0, blade));
            if !is_backward {
                return class.blades(writer, |writer, blade| multivectors.write(writer, inputs, blade, &scaled(blade)));
            }
            class.square(writer, multivectors, 1);
            writer.line(&format!("const real doubled = 2 * (by_mean * {}(square, p.epsilon).slope);", invariant.0));
            class.measured(writer, |writer, blade, square| {
                let along = format!("{} * {square}", multivectors.read(1, blade));
                let sum = format!("multiply_add({along}, doubled, {})", scaled(blade));
                multivectors.write(writer, inputs, blade, &sum);
            });
            class.null(writer, |writer, blade| multivectors.write(writer, inputs, blade, &scaled(blade)));
        });
    })
}
