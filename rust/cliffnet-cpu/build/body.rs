//! The text of a loop body: loads, sums of products, stores.

use std::collections::HashSet;

use crate::form::{Form, Path, Product, Weighted, others};

/// The names of the values of each slot.
const NAMES: [&str; 3] = ["cotangent", "left", "right"];

/// Planes that processors foresee the use of without being told.
const FOLLOWED_PLANES: usize = 32;

/// Statements, and which sums have begun.
#[derive(Default)]
pub(crate) struct Body {
    pub(crate) text: String,
    begun: HashSet<String>,
}

/// The name of a blade of a slot.
pub(crate) fn value(slot: usize, blade: usize) -> String {
    format!("{}_{blade}", NAMES[slot])
}

/// The name of a weight.
pub(crate) fn weight(path: &Path) -> String {
    format!("weight_{}", path.index)
}

impl Body {
    pub(crate) fn line(&mut self, line: &str) {
        self.text += "                ";
        self.text += line;
        self.text.push('\n');
    }

    /// Loads all blades of slots.
    pub(crate) fn load_operands(&mut self, form: &Form, slots: &[usize]) {
        let planes: usize = slots.iter().map(|&slot| form.sizes[slot]).sum();
        let load = if planes > FOLLOWED_PLANES { "load_and_fetch" } else { "load" };
        for &slot in slots {
            for blade in 0..form.sizes[slot] {
                self.line(&format!("let {}: V = {load}(planes.{}, {blade}, lane);", value(slot, blade), NAMES[slot]));
            }
        }
    }

    /// Writes a result times the scale.
    pub(crate) fn store_result(&mut self, planes: &str, blade: usize, result: &str) {
        self.line(&format!("store_and_fetch(planes.{planes}, {blade}, lane, {result}.multiply(scale));"));
    }

    /// Loads the weight of a path.
    pub(crate) fn load_weight(&mut self, path: &Path) {
        self.line(&format!("let {}: V = load(planes.weight, {}, lane);", weight(path), path.index));
    }

    /// Adds a product to a sum, or begins the sum with it.
    pub(crate) fn add(&mut self, sum: &str, [a, b]: [&str; 2], is_negative: bool) {
        let begins = self.begun.insert(sum.to_owned());
        let expression = match (begins, is_negative) {
            (true, false) => format!("{a}.multiply({b})"),
            (true, true) => format!("{a}.subtract_product({b}, V::splat(V::Scalar::default()))"),
            (false, false) => format!("{a}.add_product({b}, {sum})"),
            (false, true) => format!("{a}.subtract_product({b}, {sum})"),
        };
        self.line(&format!("let {sum} = {expression};"));
    }

    /// Defines the sum of the products of a path for one blade of `slot`; returns whether it is the negative sum.
    pub(crate) fn define_sum(&mut self, name: &str, path: &Path, slot: usize, blade: usize) -> bool {
        self.begun.remove(name);
        let products = path.products_with(slot, blade);
        let is_negated = products[0].is_negative;
        for product in products {
            let [a, b] = others(slot).map(|other| value(other, product.blades[other]));
            self.add(name, [&a, &b], product.is_negative != is_negated);
        }
        is_negated
    }

    /// Adds what a path contributes to the results of a slot, which are the sums named `result(blade)`; where the weight
    /// multiplies sums, each is handed to `with_sum` as (blade, name, whether negated).
    pub(crate) fn add_path(
        &mut self,
        path: &Path,
        slot: usize,
        weighted: Weighted,
        result: impl Fn(usize) -> String,
        mut with_sum: impl FnMut(&mut Self, usize, &str, bool),
    ) {
        match weighted {
            Weighted::Sums => {
                for blade in path.blades(slot) {
                    let is_negated = self.define_sum("sum", path, slot, blade);
                    self.add(&result(blade), [&weight(path), "sum"], is_negated);
                    with_sum(self, blade, "sum", is_negated);
                }
            }
            Weighted::Blades(factor) => {
                let [first, second] = others(slot);
                let other = if factor == first { second } else { first };
                for blade in path.blades(factor) {
                    self.line(&format!("let weighted = {}.multiply({});", weight(path), value(factor, blade)));
                    for Product { blades, is_negative } in path.products_with(factor, blade) {
                        self.add(&result(blades[slot]), ["weighted", &value(other, blades[other])], is_negative);
                    }
                }
            }
        }
    }
}

/// A method that runs a body for each vector of lanes.
pub(crate) fn method(name: &str, planes: &str, body: &Body) -> String {
    format!(
        "    #[inline(always)]\n    \
         unsafe fn {name}<V>(vectors: usize, planes: &{planes}<V::Scalar>)\n    where\n        \
         V: Lanes,\n        V::Scalar: Compute,\n    {{\n        \
         for vector in 0..vectors {{\n            let lane = vector * V::WIDTH;\n            \
         // SAFETY: blades are below the sizes of the plan, and the caller vouches for the planes.\n            \
         unsafe {{\n{}            }}\n        }}\n    }}\n",
        body.text
    )
}
