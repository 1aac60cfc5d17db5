//! Matrix representations against the products of blades.

use cliffnet_algebra::{Division, MatrixRepresentation, Metric, ProductKind, is_unit_product_negative};

/// Pseudo-random whole numbers in -3..=3, on which unit metrics are exact.
fn integers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 7) as f64 - 3.0
    };
    std::iter::repeat_with(step).take(count).collect()
}

/// The geometric product by blade masks, blade by blade.
fn direct(metric: &Metric, left: &[f64], right: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; left.len()];
    for (a, x) in (0..).zip(left) {
        for (b, y) in (0..).zip(right) {
            if let Some((mask, coefficient)) = ProductKind::Geometric.term(metric, a, b) {
                out[mask as usize] += coefficient * x * y;
            }
        }
    }
    out
}

/// The Hadamard transform of each row of `length` values.
fn transform(values: &mut [f64], length: usize) {
    for row in values.chunks_exact_mut(length) {
        let old = row.to_vec();
        for (j, value) in row.iter_mut().enumerate() {
            *value = (0..length).map(|z| if (z & j).count_ones() % 2 == 1 { -old[z] } else { old[z] }).sum();
        }
    }
}

/// Matrices as numbers `[piece][row][column][component]`.
struct Matrices<'a> {
    shape: &'a MatrixRepresentation,
    words: Vec<f64>,
}

impl Matrices<'_> {
    fn entry(&mut self, piece: usize, row: usize, column: usize, component: usize) -> &mut f64 {
        let (rows, blocks) = (self.shape.rows(), self.shape.blocks());
        let set = piece / blocks * self.shape.division().components() + component;
        let x = set * rows + (row ^ column);
        &mut self.words[(x * blocks + piece % blocks) * rows + column]
    }
}

fn matrices<'a>(shape: &'a MatrixRepresentation, values: &[f64]) -> Matrices<'a> {
    let mut words = vec![0.0; values.len()];
    for (mask, value) in (0..).zip(values) {
        let place = shape.place(mask);
        words[place.position] += place.factor * value;
    }
    transform(&mut words, shape.blocks() * shape.rows());
    Matrices { shape, words }
}

fn by_matrices(metric: &Metric, left: &[f64], right: &[f64]) -> Vec<f64> {
    let shape = MatrixRepresentation::new(metric);
    let (mut a, mut b) = (matrices(&shape, left), matrices(&shape, right));
    let mut c = Matrices { shape: &shape, words: vec![0.0; left.len()] };
    let components = shape.division().components();
    for product in shape.piece_products() {
        for (row, column) in (0..shape.rows()).flat_map(|i| (0..shape.rows()).map(move |j| (i, j))) {
            for inner in 0..shape.rows() {
                for (first, second) in (0..components).flat_map(|i| (0..components).map(move |j| (i, j))) {
                    let negative = product.is_negative
                        ^ is_unit_product_negative(first, second)
                        ^ (product.is_conjugate && second == 1);
                    let value =
                        *a.entry(product.left, row, inner, first) * *b.entry(product.right, inner, column, second);
                    *c.entry(product.out, row, column, first ^ second) += if negative { -value } else { value };
                }
            }
        }
    }
    let length = shape.blocks() * shape.rows();
    transform(&mut c.words, length);
    let coefficient = |mask| {
        let place = shape.place(mask);
        c.words[place.position] / (place.factor * length as f64)
    };
    (0..left.len() as u64).map(coefficient).collect()
}

fn check(metric: &Metric, seed: u64) {
    let size = 1 << metric.dim();
    let (left, right) = (integers(size, seed), integers(size, seed + 77));
    assert_eq!(by_matrices(metric, &left, &right), direct(metric, &left, &right), "{metric:?}");
}

fn signatures(dim: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..=dim).flat_map(move |null| (0..=dim - null).map(move |negative| (dim - null - negative, negative, null)))
}

#[test]
fn every_signature_multiplies_as_matrices() {
    for (p, q, r) in (0..=6).flat_map(signatures) {
        check(&Metric::from_signature(p, q, r).expect("few generators"), (p * 100 + q * 10 + r) as u64);
    }
}

#[test]
fn larger_algebras_multiply_as_matrices() {
    for (p, q, r) in [(7, 0, 0), (3, 4, 0), (2, 5, 0), (0, 7, 0), (5, 0, 2), (4, 2, 1), (8, 0, 0), (4, 4, 0), (1, 5, 2)]
    {
        check(&Metric::from_signature(p, q, r).expect("few generators"), 5);
    }
}

#[test]
fn any_order_and_size_of_squares_multiplies_as_matrices() {
    for squares in [
        vec![-1.0, 0.0, 1.0, 0.0, 1.0, -1.0, 0.0],
        vec![1.0, 0.0, -1.0, 1.0, 0.0],
        vec![4.0, -16.0, 1.0, 0.0, -4.0],
        vec![-0.25, 0.0, -1.0, 0.0, -4.0, 16.0],
    ] {
        check(&Metric::new(squares).expect("finite"), 6);
    }
}

#[test]
fn every_word_has_one_blade() {
    for (p, q, r) in (0..=8).flat_map(signatures) {
        let shape = MatrixRepresentation::new(&Metric::from_signature(p, q, r).expect("few generators"));
        let count = shape.word_count();
        let mut is_taken = vec![false; count];
        for mask in 0..count as u64 {
            is_taken[shape.place(mask).position] = true;
        }
        assert!(is_taken.iter().all(|&taken| taken), "({p}, {q}, {r})");
        let entries = shape.piece_count() * shape.rows() * shape.rows() * shape.division().components();
        assert_eq!(entries, count);
    }
}

#[test]
fn transposes_are_the_reversals_of_words() {
    // reversion of a Euclidean algebra is the conjugate transpose: every generator is its own
    for dim in 0..=8 {
        let shape = MatrixRepresentation::new(&Metric::from_signature(dim, 0, 0).expect("few generators"));
        for mask in 0..1_u64 << dim {
            let is_reversed = mask.count_ones() % 4 > 1;
            assert_eq!(shape.is_transpose_negative(shape.place(mask).position), is_reversed, "{dim} {mask:b}");
        }
    }
}

#[test]
fn the_classification_has_period_eight() {
    let of = |p, q| {
        let shape = MatrixRepresentation::new(&Metric::from_signature(p, q, 0).expect("few generators"));
        (shape.division(), shape.blocks(), shape.rows())
    };
    assert_eq!(of(0, 0), (Division::Real, 1, 1));
    assert_eq!(of(1, 0), (Division::Real, 2, 1));
    assert_eq!(of(0, 1), (Division::Complex, 1, 1));
    assert_eq!(of(0, 2), (Division::Quaternion, 1, 1));
    assert_eq!(of(0, 3), (Division::Quaternion, 2, 1));
    assert_eq!(of(3, 0), (Division::Complex, 1, 2));
    assert_eq!(of(1, 3), (Division::Quaternion, 1, 2));
    assert_eq!(of(3, 1), (Division::Real, 1, 4));
    assert_eq!(of(4, 1), (Division::Complex, 1, 4));
    assert_eq!(of(8, 0), (Division::Real, 1, 16));
    assert_eq!(of(12, 0), (Division::Quaternion, 1, 32));
}
