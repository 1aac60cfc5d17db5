//! The trilinear form of a weighted product, and where its weights cost least.

use cliffnet_plan::Plan;

/// The slots of a form, also indices of [`Product::blades`]: cotangent or output, left operand, right operand.
pub(crate) const OUT: usize = 0;
pub(crate) const LEFT: usize = 1;
pub(crate) const RIGHT: usize = 2;

/// One product of the form: a blade of each slot, and whether it counts negative.
#[derive(Clone, Copy)]
pub(crate) struct Product {
    pub(crate) blades: [usize; 3],
    pub(crate) is_negative: bool,
}

/// The products that share a weight.
pub(crate) struct Path {
    pub(crate) index: usize,
    /// The classes of the blades of each slot.
    classes: [usize; 3],
    pub(crate) products: Vec<Product>,
}

/// What the weight of a path multiplies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weighted {
    /// The sum of the products for each blade of the result.
    Sums,
    /// The blades of this slot, before they enter products.
    Blades(usize),
}

/// Where the gradient of the weight of a path comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WeightGradient {
    /// The sums for this slot, which its gradient needs as well.
    Shared(usize),
    /// Sums for the output, formed for this alone.
    Separate,
}

impl Path {
    /// The blades of a slot that occur, in ascending order.
    pub(crate) fn blades(&self, slot: usize) -> Vec<usize> {
        let mut blades: Vec<usize> = self.products.iter().map(|product| product.blades[slot]).collect();
        blades.sort_unstable();
        blades.dedup();
        blades
    }

    /// The products with a blade of a slot, positive ones first.
    pub(crate) fn products_with(&self, slot: usize, blade: usize) -> Vec<Product> {
        let mut products = self.products.clone();
        products.retain(|product| product.blades[slot] == blade);
        products.sort_by_key(|product| product.is_negative);
        products
    }

    fn multiplications(&self, weighted: Weighted, result: usize) -> usize {
        match weighted {
            Weighted::Sums => self.blades(result).len(),
            Weighted::Blades(slot) => self.blades(slot).len(),
        }
    }

    /// Where the weight costs the fewest multiplications in the result of a slot.
    pub(crate) fn cheapest(&self, result: usize) -> Weighted {
        let [first, second] = others(result);
        [Weighted::Sums, Weighted::Blades(first), Weighted::Blades(second)]
            .into_iter()
            .min_by_key(|&weighted| self.multiplications(weighted, result))
            .unwrap_or(Weighted::Sums)
    }

    /// The way to all three gradients with the fewest multiplications.
    pub(crate) fn weight_gradient(&self) -> WeightGradient {
        [WeightGradient::Shared(LEFT), WeightGradient::Shared(RIGHT), WeightGradient::Separate]
            .into_iter()
            .min_by_key(|&way| {
                let own = match way {
                    WeightGradient::Shared(slot) => self.blades(slot).len(),
                    WeightGradient::Separate => self.products.len() + self.blades(OUT).len(),
                };
                let operand = |slot| self.multiplications(self.weighted(way, slot), slot);
                own + operand(LEFT) + operand(RIGHT)
            })
            .unwrap_or(WeightGradient::Separate)
    }

    /// What the weight multiplies in the gradient of an operand.
    pub(crate) fn weighted(&self, way: WeightGradient, operand: usize) -> Weighted {
        if way == WeightGradient::Shared(operand) { Weighted::Sums } else { self.cheapest(operand) }
    }
}

/// The two other slots.
pub(crate) fn others(slot: usize) -> [usize; 2] {
    [[LEFT, RIGHT], [OUT, RIGHT], [OUT, LEFT]][slot]
}

/// A weighted product whose coefficients are all 1 or -1.
pub(crate) struct Form {
    pub(crate) paths: Vec<Path>,
    pub(crate) sizes: [usize; 3],
}

impl Form {
    pub(crate) fn new(plan: &Plan) -> Result<Self, String> {
        let mut paths: Vec<Path> = (0..)
            .zip(plan.paths())
            .map(|(index, path)| Path {
                index,
                classes: [path.out, path.left, path.right].map(usize::from),
                products: Vec::new(),
            })
            .collect();
        for term in plan.terms() {
            if term.coefficient.abs() != 1.0 {
                return Err(format!("straight-line code is for coefficients 1 and -1, but there is {term}"));
            }
            paths[usize::from(term.path)].products.push(Product {
                blades: [term.out, term.left, term.right].map(usize::from),
                is_negative: term.coefficient < 0.0,
            });
        }
        let form = Self { paths, sizes: [plan.out_size(), plan.left_size(), plan.right_size()] };
        for slot in [OUT, LEFT, RIGHT] {
            let reached: usize = form.groups(slot).iter().map(|(blades, _)| blades.len()).sum();
            if reached < form.sizes[slot] {
                return Err(format!(
                    "straight-line code writes only blades with terms, but some of slot {slot} have none"
                ));
            }
        }
        Ok(form)
    }

    /// The paths that reach each class of a slot, with the blades that they reach, in order of the first blade.
    pub(crate) fn groups(&self, slot: usize) -> Vec<(Vec<usize>, Vec<&Path>)> {
        let mut classes: Vec<usize> = self.paths.iter().map(|path| path.classes[slot]).collect();
        classes.sort_unstable();
        classes.dedup();
        let of_class = |class| {
            let paths: Vec<&Path> = self.paths.iter().filter(|path| path.classes[slot] == class).collect();
            let mut blades: Vec<usize> = paths.iter().flat_map(|path| path.blades(slot)).collect();
            blades.sort_unstable();
            blades.dedup();
            (blades, paths)
        };
        classes.into_iter().map(of_class).collect()
    }
}
