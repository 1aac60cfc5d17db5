//! Equivariant maps: known lists, dense commutation, and their number against a null space by elimination.

use cliffnet_algebra::{Basis, Error, Group, LinearMap, Metric, blade, equivariant_maps};

use crate::naive;

type Matrix = Vec<Vec<f64>>;

fn maps(metric: &Metric, group: Group) -> Vec<LinearMap> {
    let basis = Basis::canonical(metric.dim()).expect("few generators");
    equivariant_maps(metric, &basis, group).expect("an invariant basis")
}

fn dense(map: &LinearMap, size: usize) -> Matrix {
    let mut matrix = vec![vec![0.0; size]; size];
    for &(output, input, coefficient) in &map.entries {
        matrix[output as usize][input as usize] = coefficient;
    }
    matrix
}

/// The matrices of all bivectors that act, and for Pin of the reflections, on a signed basis.
fn actions(metric: &Metric, basis: &Basis, group: Group) -> Vec<Matrix> {
    let size = basis.len();
    let mut matrices = Vec::new();
    for i in 0..metric.dim() {
        for j in 0..i {
            if metric.is_null(i) && metric.is_null(j) {
                continue;
            }
            let bivector = 1 << i | 1 << j;
            let mut matrix = vec![vec![0.0; size]; size];
            for (input, &mask) in basis.masks().iter().enumerate() {
                let (image, forward) = naive::geometric(metric.squares(), bivector, mask);
                let (_, backward) = naive::geometric(metric.squares(), mask, bivector);
                if let Some(output) = basis.index_of(image) {
                    matrix[output][input] = (forward - backward) * basis.signs()[output] * basis.signs()[input];
                }
            }
            matrices.push(matrix);
        }
        if group == Group::Pin && !metric.is_null(i) {
            let mut matrix = vec![vec![0.0; size]; size];
            for (index, &mask) in basis.masks().iter().enumerate() {
                matrix[index][index] = if mask >> i & 1 == 1 { -1.0 } else { 1.0 };
            }
            matrices.push(matrix);
        }
    }
    matrices
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let size = a.len();
    let mut out = vec![vec![0.0; size]; size];
    for i in 0..size {
        for k in (0..size).filter(|&k| a[i][k] != 0.0) {
            for j in 0..size {
                out[i][j] += a[i][k] * b[k][j];
            }
        }
    }
    out
}

fn assert_commute(metric: &Metric, basis: &Basis, group: Group) {
    let actions = actions(metric, basis, group);
    for map in equivariant_maps(metric, basis, group).expect("an invariant basis") {
        assert_eq!(map.entries[0].2, 1.0);
        assert!(map.entries.windows(2).all(|pair| pair[0].1 < pair[1].1));
        let matrix = dense(&map, basis.len());
        for action in &actions {
            let (left, right) = (product(&matrix, action), product(action, &matrix));
            let close = left.iter().flatten().zip(right.iter().flatten()).all(|(x, y)| (x - y).abs() < 1e-12);
            assert!(close, "{map:?} in {metric:?} for {group}");
        }
    }
}

/// The dimension of the space of matrices that commute with all actions, by elimination.
fn commutant_dimension(size: usize, actions: &[Matrix]) -> usize {
    // reduced rows, by the column of their leading one
    let mut rows: Vec<Option<Vec<f64>>> = vec![None; size * size];
    for action in actions {
        for i in 0..size {
            for j in 0..size {
                // (M action - action M)[i][j] = 0
                let mut row = vec![0.0; size * size];
                for k in 0..size {
                    row[i * size + k] += action[k][j];
                    row[k * size + j] -= action[i][k];
                }
                insert_row(&mut rows, row);
            }
        }
    }
    rows.iter().filter(|row| row.is_none()).count()
}

fn insert_row(rows: &mut [Option<Vec<f64>>], mut row: Vec<f64>) {
    for column in 0..row.len() {
        let leading = row[column];
        if leading.abs() < 1e-9 {
            continue;
        }
        if let Some(reduced) = &rows[column] {
            for (x, y) in row.iter_mut().zip(reduced).skip(column) {
                *x -= leading * y;
            }
        } else {
            for x in &mut row {
                *x /= leading;
            }
            rows[column] = Some(row);
            return;
        }
    }
}

#[test]
fn projective_geometry_has_the_nine_maps_of_gatr() {
    let metric = Metric::from_signature(3, 0, 1).expect("few generators");
    let basis = Basis::canonical(4).expect("few generators");
    let select = |grade: u32, shift: u64| LinearMap {
        entries: (0..16)
            .filter(|&input| blade::grade(basis.masks()[input]) == grade && basis.masks()[input] & shift == 0)
            .map(|input| {
                let output = basis.index_of(basis.masks()[input] | shift).expect("a blade");
                (output as u32, input as u32, 1.0)
            })
            .collect(),
    };
    let projections = (0..=4).map(|grade| select(grade, 0));
    let expected: Vec<LinearMap> = projections.chain((0..=3).map(|grade| select(grade, 1))).collect();
    assert_eq!(maps(&metric, Group::Pin), expected);
}

#[test]
fn spacetime_has_five_maps_for_pin_and_ten_for_spin() {
    let metric = Metric::from_signature(1, 3, 0).expect("few generators");
    assert_eq!(maps(&metric, Group::Pin).len(), 5);
    let spin = maps(&metric, Group::Spin);
    assert_eq!(spin.len(), 10);
    for (index, map) in spin.iter().enumerate() {
        let grade_of = |index: u32| blade::grade(Basis::canonical(4).expect("few generators").masks()[index as usize]);
        let input_grade = (index % 5) as u32;
        let output_grade = if index < 5 { input_grade } else { 4 - input_grade };
        assert!(map.entries.iter().all(|&(_, input, _)| grade_of(input) == input_grade));
        assert!(map.entries.iter().all(|&(output, _, _)| grade_of(output) == output_grade));
        assert!(map.entries.iter().all(|&(_, _, coefficient)| coefficient.abs() == 1.0));
    }
}

#[test]
fn euclidean_algebras_have_one_projection_per_grade() {
    for dim in 1..=8 {
        let metric = Metric::from_signature(dim, 0, 0).expect("few generators");
        assert_eq!(maps(&metric, Group::Pin).len(), dim + 1);
        assert_eq!(maps(&metric, Group::Spin).len(), 2 * (dim + 1));
    }
}

#[test]
fn maps_commute_with_the_group() {
    let scaled = [&[0.0, 2.0, -3.0][..], &[0.25, -3.0, 2.0, 0.0], &[0.1, 0.7, -1.3, 3.0]].map(naive::metric);
    let signatures = [(2, 0, 1), (0, 0, 2), (4, 1, 0), (3, 0, 1), (1, 3, 0), (2, 1, 1), (1, 1, 2), (2, 2, 0)];
    let signatures = signatures.map(|(p, q, r)| Metric::from_signature(p, q, r).expect("few generators"));
    for metric in naive::signatures(0..=3).into_iter().chain(signatures).chain(scaled) {
        let basis = Basis::canonical(metric.dim()).expect("few generators");
        assert_commute(&metric, &basis, Group::Pin);
        assert_commute(&metric, &basis, Group::Spin);
    }
}

#[test]
fn maps_span_the_commutant() {
    let scaled = [&[0.0, 2.0, -3.0][..], &[2.0, -3.0, 5.0], &[-2.0, 0.5], &[-7.0, 0.0, 0.0]].map(naive::metric);
    for metric in naive::signatures(0..=3).into_iter().chain(scaled) {
        let basis = Basis::canonical(metric.dim()).expect("few generators");
        for group in [Group::Pin, Group::Spin] {
            let dimension = commutant_dimension(basis.len(), &actions(&metric, &basis, group));
            assert_eq!(maps(&metric, group).len(), dimension, "{metric:?} for {group}");
        }
    }
}

#[test]
fn maps_of_a_signed_basis_commute() {
    // 1, e3, e1, e2, e31, e32, e21, e123
    let masks = vec![0, 0b100, 0b001, 0b010, 0b101, 0b110, 0b011, 0b111];
    let basis = Basis::new(masks, vec![1.0, 1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0]).expect("distinct blades");
    for metric in naive::signatures(3..=3) {
        assert_commute(&metric, &basis, Group::Pin);
        assert_commute(&metric, &basis, Group::Spin);
    }
}

#[test]
fn maps_of_some_grades() {
    let metric = Metric::from_signature(3, 0, 1).expect("few generators");
    let even = Basis::of_grades(4, &[0, 2, 4]).expect("grades of the algebra");
    // three projections; e_0 would lead to odd grades
    assert_eq!(equivariant_maps(&metric, &even, Group::Pin).map(|maps| maps.len()), Ok(3));
    assert_commute(&metric, &even, Group::Spin);
    let ideal = Basis::new(vec![0b0001], vec![1.0]).expect("one blade");
    assert_eq!(equivariant_maps(&metric, &ideal, Group::Pin).map(|maps| maps.len()), Ok(1));
}

#[test]
fn bases_that_the_group_leaves_are_refused() {
    let metric = Metric::from_signature(3, 0, 0).expect("few generators");
    let half = Basis::new(vec![0b001, 0b010], vec![1.0; 2]).expect("two blades");
    let error = equivariant_maps(&metric, &half, Group::Pin).expect_err("rotates out");
    assert_eq!(error, Error::BasisNotInvariant { mask: 0b010, image: 0b100, bivector: 0b110 });
    let wide = Basis::of_grades(4, &[1]).expect("four blades");
    assert!(matches!(equivariant_maps(&metric, &wide, Group::Pin), Err(Error::BladeOutsideAlgebra { .. })));
    let null = Metric::from_signature(0, 0, 11).expect("few generators");
    let all = Basis::canonical(11).expect("few generators");
    assert!(matches!(equivariant_maps(&null, &all, Group::Pin), Err(Error::TooManyUnknowns { .. })));
}

#[test]
fn large_algebras_are_quick() {
    let metric = Metric::from_signature(10, 1, 1).expect("few generators");
    // projections, e_0 on all grades that can take it
    assert_eq!(maps(&metric, Group::Pin).len(), 13 + 12);
}
