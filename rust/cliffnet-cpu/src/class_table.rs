//! Classes of blades and how each class measures its blades.

use cliffnet_plan::Plan;

/// A class: its blades, those first that have a square.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    blades: Vec<u16>,
    squares: Vec<f64>,
}

impl Class {
    /// All blades.
    pub(crate) fn blades(&self) -> &[u16] {
        &self.blades
    }

    /// Blades that are not null, each with the invariant square of the unit blade.
    pub(crate) fn measured(&self) -> impl Iterator<Item = (usize, f64)> {
        self.blades.iter().zip(&self.squares).map(|(&blade, &square)| (usize::from(blade), square))
    }

    /// Blades without influence on invariants.
    pub(crate) fn null(&self) -> impl Iterator<Item = usize> {
        self.blades[self.squares.len()..].iter().map(|&blade| usize::from(blade))
    }
}

/// A partition of blades into classes, with the invariant square of every blade.
#[derive(Clone, Debug)]
pub struct ClassTable {
    size: usize,
    classes: Vec<Class>,
}

impl ClassTable {
    /// The table of a plan of squares: one output for the invariant square of each class, then one for the sum of the
    /// squared coefficients of each class.
    ///
    /// `None` for any other plan.
    pub fn new(plan: &Plan) -> Option<Self> {
        let size = plan.left_size();
        let classes = plan.out_size() / 2;
        if plan.path_count() != 0 || plan.right_size() != size || plan.out_size() != 2 * classes {
            return None;
        }
        let mut owners = vec![None; size];
        let mut squares = vec![None; size];
        for term in plan.terms() {
            let (blade, out) = (usize::from(term.left), usize::from(term.out));
            if term.left != term.right {
                return None;
            }
            let (place, entry) = if out < classes {
                (&mut squares, (out, term.coefficient))
            } else {
                (&mut owners, (out - classes, 1.0))
            };
            if place[blade].replace(entry).is_some() {
                return None;
            }
        }
        let mut table = vec![Class { blades: Vec::new(), squares: Vec::new() }; classes];
        for (blade, (owner, square)) in owners.iter().zip(&squares).enumerate() {
            let (class, _) = (*owner)?;
            if let &Some((measured_by, square)) = square {
                if measured_by != class {
                    return None;
                }
                let class = &mut table[class];
                class.blades.push(blade as u16);
                class.squares.push(square);
            }
        }
        for (blade, (owner, square)) in owners.into_iter().zip(squares).enumerate() {
            if let (Some((class, _)), None) = (owner, square) {
                table[class].blades.push(blade as u16);
            }
        }
        Some(Self { size, classes: table })
    }

    /// Number of blades.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    pub(crate) fn classes(&self) -> &[Class] {
        &self.classes
    }
}
