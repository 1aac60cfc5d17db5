//! Partitions of the grades and the paths of weighted plans.

use cliffnet_algebra::ProductKind;
use cliffnet_plan::{Error, Partition, Path};

use crate::evaluate::{by_grade, plan};

#[test]
fn grade_paths_are_counted_as_by_cgenn() {
    let expected = [((2, 0, 0), 10), ((3, 0, 0), 20), ((1, 3, 0), 35), ((3, 0, 1), 34), ((5, 0, 0), 56)];
    for (signature, count) in expected {
        let (p, q, r) = signature;
        let plan = plan(ProductKind::Geometric, signature, Some(&by_grade(p + q + r)));
        assert_eq!(plan.path_count(), count, "{signature:?}");
        assert_eq!(plan.paths().len(), count);
        assert!(plan.is_weighted());
    }
}

#[test]
fn paths_are_in_row_major_order_and_name_their_terms() {
    let dim = 4;
    let classes = [vec![3, 0], vec![1, 4], vec![2]];
    let partition = Partition::new(dim, &classes).expect("a partition");
    let plan = plan(ProductKind::Geometric, (3, 0, 1), Some(&partition));
    assert!(plan.paths().windows(2).all(|pair| pair[0] < pair[1]));
    let basis = cliffnet_algebra::Basis::canonical(dim).expect("few generators");
    let class = |index: u16| partition.class_of(basis.masks()[usize::from(index)].count_ones());
    let mut seen = vec![false; plan.path_count()];
    for term in plan.terms() {
        let path = Path { left: class(term.left), out: class(term.out), right: class(term.right) };
        assert_eq!(plan.paths()[usize::from(term.path)], path);
        seen[usize::from(term.path)] = true;
    }
    assert!(seen.into_iter().all(|seen| seen));
}

#[test]
fn one_class_has_one_path() {
    let whole = Partition::new(3, &[vec![0, 1, 2, 3]]).expect("a partition");
    let weighted = plan(ProductKind::Geometric, (3, 0, 0), Some(&whole));
    assert_eq!(weighted.paths(), [Path { left: 0, out: 0, right: 0 }]);
    assert_eq!(weighted.terms(), plan(ProductKind::Geometric, (3, 0, 0), None).terms());
}

#[test]
fn parity_has_four_paths() {
    let parity = Partition::new(3, &[vec![0, 2], vec![1, 3]]).expect("a partition");
    assert_eq!((parity.dim(), parity.class_count(), parity.classes()), (3, 2, &[0, 1, 0, 1][..]));
    let paths = plan(ProductKind::Geometric, (3, 0, 0), Some(&parity)).paths().to_vec();
    let triples: Vec<(u16, u16, u16)> = paths.iter().map(|path| (path.left, path.out, path.right)).collect();
    assert_eq!(triples, [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]);
}

#[test]
fn wrong_partitions_are_refused() {
    let partition = |classes: &[Vec<u32>]| Partition::new(2, classes).map(|_| ());
    assert_eq!(partition(&[vec![0], vec![2]]), Err(Error::GradeNotInOneClass { grade: 1, occurrences: 0 }));
    assert_eq!(partition(&[vec![0, 1], vec![1, 2]]), Err(Error::GradeNotInOneClass { grade: 1, occurrences: 2 }));
    assert_eq!(partition(&[vec![0, 1, 2, 3]]), Err(Error::GradeOutOfRange { grade: 3, dim: 2 }));
    let error = partition(&[vec![0, 1, 2], vec![]]).expect_err("an empty class");
    assert_eq!(error, Error::EmptyClass { class: 1 });
    assert_eq!(error.to_string(), "class 1 of the partition is empty; leave it out");
}
