//! The gradients by operands and weights.

use crate::body::{Body, method, value};
use crate::form::{Form, LEFT, OUT, Path, RIGHT, WeightGradient};

/// `backward`: the gradient of the left operand, then that of the right one, class by class; the gradient of a weight
/// comes from sums that one of them needs anyway, where that is cheaper.
pub(crate) fn backward(form: &Form) -> String {
    let mut body = Body::default();
    body.load_operands(form, &[OUT, LEFT, RIGHT]);
    body.line("let scale = V::load(planes.scale.add(lane));");
    for (slot, target) in [(LEFT, "by_left"), (RIGHT, "by_right")] {
        let result = |blade: usize| format!("{target}_{blade}");
        for (blades, paths) in form.groups(slot) {
            for path in paths {
                add_path(&mut body, path, slot, result);
            }
            for blade in blades {
                if slot == LEFT {
                    body.add("dot", [&value(slot, blade), &result(blade)], false);
                }
                body.store_result(target, blade, &result(blade));
            }
        }
    }
    body.line("dot.store(planes.dot.add(lane));");
    method("backward", "WeightedGradients", &body)
}

/// What a path adds to the gradient of an operand, and the gradient of its weight where that comes from here.
fn add_path(body: &mut Body, path: &Path, slot: usize, result: impl Fn(usize) -> String) {
    let way = path.weight_gradient();
    let by_weight = format!("by_weight_{}", path.index);
    body.load_weight(path);
    body.add_path(path, slot, path.weighted(way, slot), result, |body, blade, sum, is_negated| {
        if way == WeightGradient::Shared(slot) {
            body.add(&by_weight, [&value(slot, blade), sum], is_negated);
        }
    });
    if way == WeightGradient::Separate && slot == LEFT {
        for blade in path.blades(OUT) {
            let is_negated = body.define_sum("sum", path, OUT, blade);
            body.add(&by_weight, [&value(OUT, blade), "sum"], is_negated);
        }
    }
    if way == WeightGradient::Shared(slot) || (way == WeightGradient::Separate && slot == LEFT) {
        let before = format!("load(planes.by_weight.read(), {}, lane)", path.index);
        body.line(&format!("store(planes.by_weight, {}, lane, {by_weight}.add_product(scale, {before}));", path.index));
    }
}
