//! The ways in which a plan can be impossible.

use std::fmt;

use crate::Term;

/// A wrong plan or partition; the message says what was given, what is possible and how to mend it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A basis does not belong to the metric.
    Algebra(cliffnet_algebra::Error),
    /// The classes of a partition do not hold every grade exactly once.
    GradeNotInOneClass {
        /// The grade concerned.
        grade: u32,
        /// Number of times that the classes name it.
        occurrences: usize,
    },
    /// A class holds a grade that the algebra lacks.
    GradeOutOfRange {
        /// The grade as given.
        grade: u32,
        /// Number of generators.
        dim: usize,
    },
    /// A class of a partition has no grade.
    EmptyClass {
        /// Position of the class.
        class: usize,
    },
    /// The partition belongs to an algebra with another number of generators.
    PartitionMismatch {
        /// Number of generators of the partition.
        partition: usize,
        /// Number of generators of the metric.
        metric: usize,
    },
    /// A size or a number of paths above [`crate::MAX_SIZE`].
    SizeTooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        given: usize,
        /// The largest possible one.
        maximum: usize,
    },
    /// An index of a term is not below the size of its slot.
    IndexOutOfRange {
        /// Which of the indices.
        what: &'static str,
        /// The index as given.
        given: u16,
        /// The size of its slot.
        size: usize,
    },
    /// A coefficient is zero, infinite or NaN.
    InvalidCoefficient {
        /// The term that has it.
        term: Term,
    },
    /// A product of the metric's entries is beyond the range of `f64`.
    CoefficientOverflow {
        /// The left blade.
        left: u64,
        /// The right blade.
        right: u64,
    },
    /// Two terms have the same indices.
    DuplicateTerm {
        /// One of the two.
        term: Term,
    },
    /// A linear map names a blade that there is not.
    BladeOutOfRange {
        /// The blade as given.
        blade: usize,
        /// Number of blades.
        blades: usize,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Algebra(error) => error.fmt(formatter),
            Self::GradeNotInOneClass { grade, occurrences } => write!(
                formatter,
                "the classes name grade {grade} {occurrences} times; put each grade into exactly one class"
            ),
            Self::GradeOutOfRange { grade, dim } => {
                write!(
                    formatter,
                    "a class holds grade {grade}, an algebra of {dim} generators has the grades 0..={dim}"
                )
            }
            Self::EmptyClass { class } => {
                write!(formatter, "class {class} of the partition is empty; leave it out")
            }
            Self::PartitionMismatch { partition, metric } => write!(
                formatter,
                "the partition is of an algebra of {partition} generators, the metric has {metric}; \
                 make the partition from the same algebra"
            ),
            Self::SizeTooLarge { what, given, maximum } => {
                write!(formatter, "{what} is {given}, at most {maximum} is possible")
            }
            Self::IndexOutOfRange { what, given, size } => {
                write!(formatter, "{what} index {given} in a term; it must be below {size}")
            }
            Self::InvalidCoefficient { term } => {
                write!(formatter, "{term} has no finite coefficient other than zero; leave vanishing terms out")
            }
            Self::CoefficientOverflow { left, right } => write!(
                formatter,
                "the product of blades {left:#b} and {right:#b} overflows; scale the generators to smaller squares"
            ),
            Self::DuplicateTerm { term } => {
                write!(formatter, "{term} occurs twice; add the coefficients of equal terms")
            }
            Self::BladeOutOfRange { blade, blades } => {
                write!(formatter, "a linear map names blade {blade}; it must be below {blades}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Algebra(error) => Some(error),
            _ => None,
        }
    }
}

impl From<cliffnet_algebra::Error> for Error {
    fn from(error: cliffnet_algebra::Error) -> Self {
        Self::Algebra(error)
    }
}
