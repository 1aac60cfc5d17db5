//! The product itself.

use crate::body::{Body, method};
use crate::form::{Form, LEFT, OUT, RIGHT};

/// `forward`: the results of one class of blades after the other, so that few sums are open at a time.
pub(crate) fn forward(form: &Form) -> String {
    let mut body = Body::default();
    body.load_operands(form, &[LEFT, RIGHT]);
    body.line("let scale = V::load(planes.scale.add(lane));");
    let result = |blade: usize| format!("out_{blade}");
    for (blades, paths) in form.groups(OUT) {
        for path in paths {
            body.load_weight(path);
            body.add_path(path, OUT, path.cheapest(OUT), result, |_, _, _, _| ());
        }
        for blade in blades {
            body.store_result("out", blade, &result(blade));
        }
    }
    method("forward", "WeightedProduct", &body)
}
