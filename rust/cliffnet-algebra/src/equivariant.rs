//! Linear maps that commute with the Pin or Spin group, found from the algebra itself.

use std::fmt;
use std::str::FromStr;

use crate::blade::grade;
use crate::parity_union::ParityUnion;
use crate::{Basis, Error, Metric, ProductKind};

/// Largest number of matrix entries that [`equivariant_maps`] determines.
const MAX_UNKNOWNS: u64 = 1 << 20;

/// The group with which equivariant maps commute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Rotations, boosts, translations (null generators) and the reflections in the non-null generators.
    Pin,
    /// Rotations, boosts and translations alone.
    Spin,
}

impl Group {
    /// The name that [`FromStr`] understands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Spin => "spin",
        }
    }
}

impl FromStr for Group {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "pin" => Ok(Self::Pin),
            "spin" => Ok(Self::Spin),
            _ => Err(Error::UnknownGroup { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A sparse matrix over the blades of a basis: `out[o] += coefficient * input[i]` for each entry (o, i, coefficient).
#[derive(Clone, Debug, PartialEq)]
pub struct LinearMap {
    /// (output index, input index, coefficient), by input index; each input and each output occurs at most once.
    pub entries: Vec<(u32, u32, f64)>,
}

/// A basis of the linear maps M with `M g = g M` for every element g of the group.
///
/// A bivector m of two non-null generators, or of a null and a non-null one, acts by its commutator, which sends each
/// blade to a multiple of one blade, `[m, e_B] = 2 c(B) e_{B ^ m}`. A non-null generator i reflects by
/// `e_A -> (-1)^{i in A} e_A`. So the condition of m reads
///
/// `M[A, B ^ m] c(B) = c(A ^ m) M[A ^ m, B]`
///
/// and ties at most two entries, whose positions have the same difference `d = A ^ B ^ m`. Hence each d is a union-find
/// of its own, and each of its components that does not vanish is one map of the basis: the maps have disjoint entries.
///
/// The maps that fix blades (d = 0: projections on grades, or on their invariant parts) come first, by grade; the
/// others follow by smallest input index, then smallest output index. The entry of the smallest input index is +1.
/// In Cl(3,0,1) these are, for Pin, the five grade projections and `e_0` times the grades 0 to 3.
///
/// # Errors
/// [`Error::BladeOutsideAlgebra`], [`Error::BasisNotInvariant`] for a basis whose span the group does not preserve,
/// [`Error::TooManyUnknowns`] above 2^20 matrix entries left by the reflections and half turns.
pub fn equivariant_maps(metric: &Metric, basis: &Basis, group: Group) -> Result<Vec<LinearMap>, Error> {
    metric.check_masks(basis.masks())?;
    let actions = lie_generators(metric)
        .into_iter()
        .map(|bivector| Action::new(metric, basis, bivector))
        .collect::<Result<Vec<_>, _>>()?;
    let differences = candidate_differences(metric, group, basis.len() as u64)?;
    let mut maps = Vec::new();
    for difference in differences {
        let problem = Problem { metric, basis, difference };
        for map in problem.solve(&actions) {
            let (_, first, _) = map.entries[0];
            let smallest_output = map.entries.iter().map(|entry| entry.0).min();
            let projected_grade = (difference == 0).then(|| grade(basis.masks()[first as usize]));
            maps.push(((projected_grade.is_none(), projected_grade, first, smallest_output), map));
        }
    }
    maps.sort_unstable_by_key(|(key, _)| *key);
    Ok(maps.into_iter().map(|(_, map)| map).collect())
}

/// Bivectors whose commutators generate the Lie algebra: neighbouring non-null pairs, and each null generator with the
/// first non-null one. The others are commutators of these, as `[e_ij, e_jk]` is a non-zero multiple of `e_ik`.
fn lie_generators(metric: &Metric) -> Vec<u64> {
    let (null, other): (Vec<usize>, Vec<usize>) = (0..metric.dim()).partition(|&i| metric.is_null(i));
    let rotations = other.windows(2).map(|pair| 1 << pair[0] | 1 << pair[1]);
    let translations = null.iter().filter_map(|&i| other.first().map(|&first| 1 << i | 1 << first));
    rotations.chain(translations).collect()
}

/// The differences `d = A ^ B` at which an entry `M[A, B]` can be non-zero.
///
/// The reflections are diagonal and allow only d without non-null generators. In Spin the half turns
/// `e_A -> (-1)^{|A & {i, j}|} e_A` remain (elements of the complexified group where the signs of i and j differ, which
/// M commutes with as well because it commutes with the Lie algebra): d holds all non-null generators or none.
fn candidate_differences(metric: &Metric, group: Group, blades: u64) -> Result<Vec<u64>, Error> {
    let null = metric.null_mask();
    let other = metric.full_mask() & !null;
    let with_all = group == Group::Spin && other != 0;
    let shifts: &[u64] = if with_all { &[0, other] } else { &[0] };
    let count = (1_u64 << null.count_ones()).saturating_mul(shifts.len() as u64);
    let given = count.saturating_mul(blades);
    if given > MAX_UNKNOWNS {
        return Err(Error::TooManyUnknowns { given, maximum: MAX_UNKNOWNS });
    }
    let mut differences = Vec::with_capacity(count as usize);
    let mut part = null;
    loop {
        differences.extend(shifts.iter().map(|shift| part | shift));
        if part == 0 {
            return Ok(differences);
        }
        // the next smaller subset of the null generators
        part = (part - 1) & null;
    }
}

/// The commutator with a bivector, on the blades of a basis.
struct Action {
    bivector: u64,
    /// The coefficient c(B) of each blade B of the basis, zero where the commutator vanishes.
    coefficients: Vec<f64>,
}

impl Action {
    fn new(metric: &Metric, basis: &Basis, bivector: u64) -> Result<Self, Error> {
        let coefficient = |&mask: &u64| match ProductKind::Commutator.term(metric, bivector, mask) {
            Some((image, _)) if basis.index_of(image).is_none() => {
                Err(Error::BasisNotInvariant { mask, image, bivector })
            }
            Some((_, coefficient)) => Ok(coefficient),
            None => Ok(0.0),
        };
        let coefficients = basis.masks().iter().map(coefficient).collect::<Result<_, _>>()?;
        Ok(Self { bivector, coefficients })
    }
}

/// The entries `M[A, A ^ d]` of one difference d; the unknown of A is numbered by the index of A.
struct Problem<'a> {
    metric: &'a Metric,
    basis: &'a Basis,
    difference: u64,
}

impl Problem<'_> {
    fn solve(&self, actions: &[Action]) -> Vec<LinearMap> {
        let mut unknowns = ParityUnion::new(self.basis.len());
        for action in actions {
            self.apply(action, &mut unknowns);
        }
        let mut root_to_map = vec![None; self.basis.len()];
        let mut maps: Vec<LinearMap> = Vec::new();
        for (input, &mask) in self.basis.masks().iter().enumerate() {
            let Some(output) = self.basis.index_of(mask ^ self.difference) else { continue };
            let Some((root, flipped)) = unknowns.free(output) else { continue };
            let map = *root_to_map[root].get_or_insert_with(|| {
                maps.push(LinearMap { entries: Vec::new() });
                maps.len() - 1
            });
            let sign = if flipped { -1.0 } else { 1.0 };
            let coefficient = sign * self.scale(output, input);
            maps[map].entries.push((output as u32, input as u32, coefficient));
        }
        for map in &mut maps {
            let first = map.entries[0].2;
            for entry in &mut map.entries {
                entry.2 /= first;
            }
        }
        maps
    }

    /// Adds `M[A, B ^ m] c(B) = c(A ^ m) M[A ^ m, B]` for every A, with `B = A ^ m ^ d`.
    fn apply(&self, action: &Action, unknowns: &mut ParityUnion) {
        for (index, &mask) in self.basis.masks().iter().enumerate() {
            let moved = mask ^ action.bivector;
            let Some(input) = self.basis.index_of(moved ^ self.difference) else { continue };
            let other = self.basis.index_of(moved);
            let left = action.coefficients[input];
            let right = other.map_or(0.0, |other| action.coefficients[other]);
            match other {
                // only the signs matter: see `scale`
                Some(other) if left != 0.0 && right != 0.0 => unknowns.tie(index, other, (left < 0.0) != (right < 0.0)),
                Some(other) if right != 0.0 => unknowns.set_zero(other),
                _ if left != 0.0 => unknowns.set_zero(index),
                _ => {}
            }
        }
    }

    /// The size of `M[A, A ^ d]` up to a common factor, and the sign that the basis gives it.
    ///
    /// With `e_i = sqrt|s_i| f_i` every action has one size on all blades, so that the entries of a map are +-1 in the
    /// blades f. Back in the blades e this makes them 1 where d holds no non-null generator, and where it holds all
    /// of them inversely proportional to the product of `|s_i|` over A.
    fn scale(&self, output: usize, input: usize) -> f64 {
        let sign = self.basis.signs()[output] * self.basis.signs()[input];
        if self.difference & !self.metric.null_mask() == 0 {
            sign
        } else {
            sign / self.metric.magnitude_over(self.basis.masks()[output])
        }
    }
}
