//! Classes of grades.

use crate::Error;

/// A partition of the grades 0..=n into classes. A weighted product has one weight per reachable triple of classes.
///
/// ```
/// use cliffnet_plan::Partition;
///
/// let parity = Partition::new(3, &[vec![0, 2], vec![1, 3]])?;
/// assert_eq!(parity.class_of(2), 0);
/// # Ok::<(), cliffnet_plan::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Partition {
    class_of_grade: Vec<u16>,
    class_count: usize,
}

impl Partition {
    /// The partition of the grades 0..=dim into the given classes.
    ///
    /// # Errors
    /// [`Error::EmptyClass`], [`Error::GradeOutOfRange`], [`Error::GradeNotInOneClass`] for a grade that is missing
    /// or given twice.
    pub fn new(dim: usize, classes: &[Vec<u32>]) -> Result<Self, Error> {
        if let Some(class) = classes.iter().position(Vec::is_empty) {
            return Err(Error::EmptyClass { class });
        }
        let mut occurrences = vec![0_usize; dim + 1];
        let mut class_of_grade = vec![0; dim + 1];
        for (class, grades) in classes.iter().enumerate() {
            for &grade in grades {
                let count = occurrences.get_mut(grade as usize).ok_or(Error::GradeOutOfRange { grade, dim })?;
                *count += 1;
                class_of_grade[grade as usize] = class as u16;
            }
        }
        if let Some(grade) = occurrences.iter().position(|&count| count != 1) {
            return Err(Error::GradeNotInOneClass { grade: grade as u32, occurrences: occurrences[grade] });
        }
        Ok(Self { class_of_grade, class_count: classes.len() })
    }

    /// The number of generators n.
    pub fn dim(&self) -> usize {
        self.class_of_grade.len() - 1
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.class_count
    }

    /// The class of each grade, in grade order.
    pub fn classes(&self) -> &[u16] {
        &self.class_of_grade
    }

    /// The class of a grade.
    ///
    /// # Panics
    /// If the grade exceeds [`dim`](Self::dim).
    pub fn class_of(&self, grade: u32) -> u16 {
        self.class_of_grade[grade as usize]
    }
}
