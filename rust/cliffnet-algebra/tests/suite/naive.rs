//! Slow definitions to compare with: blades as lists of generators, sorted by swapping neighbours.

use std::cmp::Ordering;

use cliffnet_algebra::Metric;

/// The generators of a blade, ascending.
pub(crate) fn generators(mask: u64) -> Vec<usize> {
    (0..64).filter(|&i| mask >> i & 1 == 1).collect()
}

/// The product of two blades: concatenate, swap neighbours into order, square neighbours that are equal.
pub(crate) fn geometric(squares: &[f64], a: u64, b: u64) -> (u64, f64) {
    let mut word = [generators(a), generators(b)].concat();
    let mut coefficient = 1.0;
    let mut i = 1;
    while i < word.len() {
        match word[i - 1].cmp(&word[i]) {
            Ordering::Less => i += 1,
            Ordering::Greater => {
                word.swap(i - 1, i);
                coefficient = -coefficient;
                i = (i - 1).max(1);
            }
            Ordering::Equal => {
                coefficient *= squares[word[i]];
                word.drain(i - 1..=i);
                i = i.saturating_sub(2).max(1);
            }
        }
    }
    (word.iter().fold(0, |mask, generator| mask | 1 << generator), coefficient)
}

/// The product of two blades as it appears in a list of terms: absent where it vanishes.
pub(crate) fn term(squares: &[f64], a: u64, b: u64) -> Option<(u64, f64)> {
    Some(geometric(squares, a, b)).filter(|&(_, coefficient)| coefficient != 0.0)
}

/// The right complement, from `e_A ^ e_rest = s I`.
pub(crate) fn right_complement(dim: usize, mask: u64) -> (u64, f64) {
    let rest = (1 << dim) - 1 - mask;
    (rest, geometric(&vec![1.0; dim], mask, rest).1)
}

/// The left complement, from `e_rest ^ e_A = s I`.
pub(crate) fn left_complement(dim: usize, mask: u64) -> (u64, f64) {
    let rest = (1 << dim) - 1 - mask;
    (rest, geometric(&vec![1.0; dim], rest, mask).1)
}

/// Every metric Cl(p, q, r) of `dims` generators.
pub(crate) fn signatures(dims: std::ops::RangeInclusive<usize>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for dim in dims {
        for p in 0..=dim {
            for q in 0..=dim - p {
                metrics.push(Metric::from_signature(p, q, dim - p - q).expect("few generators"));
            }
        }
    }
    metrics
}

/// A metric of given squares.
pub(crate) fn metric(squares: &[f64]) -> Metric {
    Metric::new(squares.to_vec()).expect("finite squares")
}
