//! Linear equations over the field with two elements.

/// Equations in numbered unknowns, kept solved: every unknown is free or a sum of free ones and a constant.
///
/// As many as possible of the lowest unknowns are free.
pub(crate) struct Equations {
    words: usize,
    /// By unknown: the terms of the equation that gives it, itself among them; the last bit is the constant.
    rows: Vec<Option<Box<[u64]>>>,
}

impl Equations {
    pub(crate) fn new(unknowns: usize) -> Self {
        Self { words: unknowns / 64 + 1, rows: vec![None; unknowns] }
    }

    /// Adds the equation "the sum of the unknowns is `constant`"; returns whether the others leave it possible.
    pub(crate) fn add(&mut self, unknowns: impl IntoIterator<Item = usize>, constant: bool) -> bool {
        let mut sum = vec![0; self.words].into_boxed_slice();
        if constant {
            toggle(&mut sum, self.rows.len());
        }
        for unknown in unknowns {
            toggle(&mut sum, unknown);
            if let Some(row) = &self.rows[unknown] {
                add_to(&mut sum, row);
            }
        }
        let Some(last) = (0..self.rows.len()).rev().find(|&unknown| contains(&sum, unknown)) else {
            return !contains(&sum, self.rows.len());
        };
        for row in self.rows.iter_mut().flatten() {
            if contains(row, last) {
                add_to(row, &sum);
            }
        }
        self.rows[last] = Some(sum);
        true
    }

    /// The value of an unknown where the free ones are zero.
    pub(crate) fn value(&self, unknown: usize) -> bool {
        self.rows[unknown].as_ref().is_some_and(|row| contains(row, self.rows.len()))
    }

    /// The free unknowns, in order.
    pub(crate) fn free(&self) -> Vec<usize> {
        (0..self.rows.len()).filter(|&unknown| self.rows[unknown].is_none()).collect()
    }

    /// Whether an unknown depends on, or is, a free one.
    pub(crate) fn depends(&self, unknown: usize, free: usize) -> bool {
        unknown == free || self.rows[unknown].as_ref().is_some_and(|row| contains(row, free))
    }
}

fn contains(row: &[u64], bit: usize) -> bool {
    row[bit / 64] >> (bit % 64) & 1 == 1
}

fn toggle(row: &mut [u64], bit: usize) {
    row[bit / 64] ^= 1 << (bit % 64);
}

fn add_to(row: &mut [u64], other: &[u64]) {
    for (word, other) in row.iter_mut().zip(other) {
        *word ^= other;
    }
}

#[cfg(test)]
mod tests {
    use super::Equations;

    #[test]
    fn test_equations_are_solved_as_they_come() {
        let mut equations = Equations::new(70);
        assert!(equations.add([0, 69], true));
        assert!(equations.add([69, 3], false));
        assert!(equations.add([3, 0], true), "the sum of the first two");
        assert!(!equations.add([3, 0], false), "its opposite");
        assert!(equations.depends(69, 0) && equations.depends(3, 0) && !equations.depends(5, 0));
        assert_eq!(equations.free().len(), 68);
        assert!(equations.add([0], true));
        assert_eq!([0, 3, 69].map(|unknown| equations.value(unknown)), [true, false, false]);
    }
}
