//! Immutable lists of terms, or recipes for them.

use cliffnet_algebra::{Basis, Involution, Metric, ProductKind, blade};

use crate::hash::StableHasher;
use crate::recipe::Recipe;
use crate::standard::Standard;
use crate::{Error, MAX_SIZE, MatrixProduct, Partition, Path, Slot, Term};

/// A sparse bilinear map `out_o = sum coefficient * [weight_path] * left_l * right_r`, with its terms sorted by
/// (out, left, right, path).
///
/// ```
/// use cliffnet_algebra::{Basis, Metric, ProductKind};
/// use cliffnet_plan::Plan;
///
/// let metric = Metric::from_signature(3, 0, 1)?;
/// let basis = Basis::canonical(4)?;
/// let plan = Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, None)?;
/// assert_eq!(plan.terms().len(), 192);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    content_hash: u128,
    /// What the plan is, where its id says so.
    standard: Option<Standard>,
    left_size: usize,
    right_size: usize,
    out_size: usize,
    path_count: usize,
    /// One per path where the plan comes from a partition, else empty.
    paths: Vec<Path>,
    body: Body,
}

#[derive(Clone, PartialEq, Debug)]
enum Body {
    Terms(Vec<Term>),
    Recipe(Recipe),
}

impl Plan {
    /// The plan of a product of two bases; result blades that `out` lacks are dropped.
    ///
    /// The signs of the bases enter the coefficients. With a partition, each term belongs to the path of the classes
    /// of its three blades, and the paths are the triples (left class, output class, right class) that have a term,
    /// in row-major order.
    ///
    /// # Errors
    /// [`Error::Algebra`] if a basis has blades outside the metric's algebra, [`Error::PartitionMismatch`],
    /// [`Error::CoefficientOverflow`].
    pub fn product(
        kind: ProductKind,
        metric: &Metric,
        left: &Basis,
        right: &Basis,
        out: &Basis,
        partition: Option<&Partition>,
    ) -> Result<Self, Error> {
        for basis in [left, right, out] {
            metric.check_masks(basis.masks())?;
        }
        if let Some(partition) = partition.filter(|partition| partition.dim() != metric.dim()) {
            return Err(Error::PartitionMismatch { partition: partition.dim(), metric: metric.dim() });
        }
        let standard = match partition {
            Some(_) => None,
            None => Standard::new(Some(kind), metric, [Some(left), Some(right), Some(out)]),
        };
        if kind == ProductKind::Geometric
            && partition.is_none()
            && let Some(recipe) = Recipe::new(metric, left, right, out)
        {
            return Ok(Self { standard, ..Self::from_recipe(recipe, out.len()) });
        }
        let mut terms = Vec::new();
        for (l, (&left_mask, left_sign)) in left.masks().iter().zip(left.signs()).enumerate() {
            for (r, (&right_mask, right_sign)) in right.masks().iter().zip(right.signs()).enumerate() {
                let Some((mask, coefficient)) = kind.term(metric, left_mask, right_mask) else { continue };
                let Some(o) = out.index_of(mask) else { continue };
                let coefficient = coefficient * left_sign * right_sign * out.signs()[o];
                if !coefficient.is_finite() {
                    return Err(Error::CoefficientOverflow { left: left_mask, right: right_mask });
                }
                terms.push(Term { out: o as u16, left: l as u16, right: r as u16, path: 0, coefficient });
            }
        }
        let paths = partition.map_or_else(Vec::new, |partition| assign_paths(&mut terms, partition, left, right, out));
        let plan = Self::build([left.len(), right.len(), out.len()], paths.len(), paths, terms)?;
        Ok(Self { standard, ..plan })
    }

    /// The plan of the invariant inner product `<reverse(x) y>_0`, with a single output component.
    ///
    /// # Errors
    /// As [`Plan::product`].
    pub fn inner_product(metric: &Metric, left: &Basis, right: &Basis) -> Result<Self, Error> {
        metric.check_masks(left.masks())?;
        metric.check_masks(right.masks())?;
        let mut terms = Vec::new();
        for (i, (&mask, sign)) in (0..).zip(left.masks().iter().zip(left.signs())) {
            let Some(j) = right.index_of(mask) else { continue };
            if let Some((_, square)) = ProductKind::Scalar.term(metric, mask, mask) {
                let coefficient = Involution::Reverse.sign(blade::grade(mask)) * square * sign * right.signs()[j];
                terms.push(Term { out: 0, left: i, right: j as u16, path: 0, coefficient });
            }
        }
        let standard = Standard::new(None, metric, [Some(left), Some(right), None]);
        Ok(Self { standard, ..Self::from_terms(left.len(), right.len(), 1, 0, terms)? })
    }

    /// The plan of any sparse bilinear map; `path_count` is 0 for a map without weights.
    ///
    /// # Errors
    /// [`Error::SizeTooLarge`], [`Error::IndexOutOfRange`], [`Error::InvalidCoefficient`], [`Error::DuplicateTerm`] for
    /// two terms with the same four indices.
    pub fn from_terms(
        left_size: usize,
        right_size: usize,
        out_size: usize,
        path_count: usize,
        terms: Vec<Term>,
    ) -> Result<Self, Error> {
        let check = |what, given: u16, size: usize| {
            if usize::from(given) < size { Ok(()) } else { Err(Error::IndexOutOfRange { what, given, size }) }
        };
        for term in &terms {
            check("output", term.out, out_size)?;
            check("left", term.left, left_size)?;
            check("right", term.right, right_size)?;
            // without weights every term has path 0
            check("path", term.path, path_count.max(1))?;
            if !term.coefficient.is_finite() || term.coefficient == 0.0 {
                return Err(Error::InvalidCoefficient { term: *term });
            }
        }
        Self::build([left_size, right_size, out_size], path_count, Vec::new(), terms)
    }

    /// Sorts the terms, whose indices and coefficients are valid, and computes the hash.
    fn build(
        [left_size, right_size, out_size]: [usize; 3],
        path_count: usize,
        paths: Vec<Path>,
        mut terms: Vec<Term>,
    ) -> Result<Self, Error> {
        let sizes = [
            ("the size of the left operand", left_size),
            ("the size of the right operand", right_size),
            ("the size of the output", out_size),
            ("the number of paths", path_count),
        ];
        if let Some(&(what, given)) = sizes.iter().find(|&&(_, size)| size > MAX_SIZE) {
            return Err(Error::SizeTooLarge { what, given, maximum: MAX_SIZE });
        }
        terms.sort_unstable_by_key(Term::key);
        if let Some(pair) = terms.windows(2).find(|pair| pair[0].key() == pair[1].key()) {
            return Err(Error::DuplicateTerm { term: pair[0] });
        }
        Ok(Self::hashed([left_size, right_size, out_size], path_count, paths, terms))
    }

    /// The plan of a recipe, all of whose slots have one size.
    fn from_recipe(recipe: Recipe, size: usize) -> Self {
        Self {
            content_hash: recipe.hash(),
            standard: None,
            left_size: size,
            right_size: size,
            out_size: size,
            path_count: 0,
            paths: Vec::new(),
            body: Body::Recipe(recipe),
        }
    }

    /// The plan of sorted terms.
    fn hashed(
        [left_size, right_size, out_size]: [usize; 3],
        path_count: usize,
        paths: Vec<Path>,
        terms: Vec<Term>,
    ) -> Self {
        let body = Body::Terms(terms);
        let mut plan =
            Self { content_hash: 0, standard: None, left_size, right_size, out_size, path_count, paths, body };
        plan.content_hash = plan.hash();
        plan
    }

    fn hash(&self) -> u128 {
        let mut hasher = StableHasher::new();
        for size in [self.left_size, self.right_size, self.out_size, self.path_count, self.paths.len()] {
            hasher.write_size(size);
        }
        for path in &self.paths {
            hasher.write_u16s([path.left, path.out, path.right]);
        }
        for term in self.terms() {
            hasher.write_u16s([term.out, term.left, term.right, term.path]);
            hasher.write(&term.coefficient.to_bits().to_le_bytes());
        }
        hasher.finish()
    }

    /// The number of blades of the left operand.
    pub fn left_size(&self) -> usize {
        self.left_size
    }

    /// The number of blades of the right operand.
    pub fn right_size(&self) -> usize {
        self.right_size
    }

    /// The number of blades of the output.
    pub fn out_size(&self) -> usize {
        self.out_size
    }

    /// The number of weights; 0 for a plan without weights.
    pub fn path_count(&self) -> usize {
        self.path_count
    }

    /// Whether the terms carry weights.
    pub fn is_weighted(&self) -> bool {
        self.path_count > 0
    }

    /// The classes that each path connects, by path index; empty unless the plan comes from a partition.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// The terms, sorted by (out, left, right, path).
    ///
    /// Those of a geometric product of full multivectors in a large algebra are listed at the first call.
    pub fn terms(&self) -> &[Term] {
        match &self.body {
            Body::Terms(terms) => terms,
            Body::Recipe(recipe) => recipe.terms(),
        }
    }

    /// The plan as products of matrices, where it is a geometric product of full multivectors in a large algebra or a
    /// gradient of one.
    pub fn matrix_product(&self) -> Option<MatrixProduct> {
        match &self.body {
            Body::Terms(_) => None,
            Body::Recipe(recipe) => Some(recipe.matrix_product()),
        }
    }

    /// What the plan is, where its id says so.
    pub(crate) fn standard(&self) -> Option<Standard> {
        self.standard
    }

    /// A hash of everything the plan holds, the same in every run and on every platform.
    pub fn content_hash(&self) -> u128 {
        self.content_hash
    }

    /// The plan of the same trilinear form with another slot as output.
    ///
    /// With x * y this plan and `<g, x * y> = sum_o g_o (x * y)_o`:
    ///
    /// * [`Slot::Out`]: the plan itself, x, y -> x * y;
    /// * [`Slot::Left`]: g, y -> the gradient of `<g, x * y>` by x;
    /// * [`Slot::Right`]: x, g -> the gradient of `<g, x * y>` by y.
    ///
    /// Each path keeps its index, so the same weights serve.
    #[must_use]
    pub fn seen_from(&self, slot: Slot) -> Self {
        let (out_size, left_size, right_size) = slot.permute(self.out_size, self.left_size, self.right_size);
        let standard = self.standard.map(|standard| standard.seen_from(slot));
        let terms = match &self.body {
            Body::Terms(terms) => terms,
            Body::Recipe(recipe) => {
                return Self { standard, ..Self::from_recipe(recipe.seen_from(slot), out_size) };
            }
        };
        let mut terms: Vec<Term> = terms.iter().map(|&term| slot.permute_term(term)).collect();
        terms.sort_unstable_by_key(Term::key);
        let paths = self.paths.iter().map(|&path| slot.permute_path(path)).collect();
        let plan = Self::hashed([left_size, right_size, out_size], self.path_count, paths, terms);
        Self { standard, ..plan }
    }
}

/// Sets the path of every term and returns the paths.
fn assign_paths(terms: &mut [Term], partition: &Partition, left: &Basis, right: &Basis, out: &Basis) -> Vec<Path> {
    let classes = |basis: &Basis| -> Vec<u16> {
        basis.masks().iter().map(|&mask| partition.class_of(blade::grade(mask))).collect()
    };
    let (left, right, out) = (classes(left), classes(right), classes(out));
    let path_of = |term: &Term| Path {
        left: left[usize::from(term.left)],
        out: out[usize::from(term.out)],
        right: right[usize::from(term.right)],
    };
    // row-major order over (left, out, right), the order of the fields of a path
    let count = partition.class_count();
    let flat = |path: Path| (usize::from(path.left) * count + usize::from(path.out)) * count + usize::from(path.right);
    let mut number = vec![None; count.pow(3)];
    for term in &*terms {
        let path = path_of(term);
        number[flat(path)] = Some(path);
    }
    let paths: Vec<Path> = number.into_iter().flatten().collect();
    let mut index = vec![0; count.pow(3)];
    for (i, &path) in (0..).zip(&paths) {
        index[flat(path)] = i;
    }
    for term in terms {
        term.path = index[flat(path_of(term))];
    }
    paths
}
