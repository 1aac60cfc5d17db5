//! The ways in which a description of an algebra can be wrong.

use std::fmt;

/// A wrong metric, basis or name; the message says what was given, what is possible and how to mend it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A generator has an infinite or undefined square.
    NonFiniteSquare {
        /// Position of the generator.
        generator: usize,
        /// Its square as given.
        square: f64,
    },
    /// More generators than a mask has room for.
    TooManyGenerators {
        /// Number of generators given.
        given: usize,
        /// Largest number possible.
        maximum: usize,
    },
    /// A basis of more blades than an index can number.
    TooManyBlades {
        /// Number of blades asked for.
        given: u64,
        /// Largest number possible.
        maximum: usize,
    },
    /// The lists of masks and signs of a basis differ in length.
    LengthMismatch {
        /// Number of masks.
        masks: usize,
        /// Number of signs.
        signs: usize,
    },
    /// A blade occurs twice in a basis.
    DuplicateBlade {
        /// The mask of the blade.
        mask: u64,
    },
    /// A sign of a basis is neither +1 nor -1.
    InvalidSign {
        /// Position in the basis.
        index: usize,
        /// The sign as given.
        sign: f64,
    },
    /// A grade above the number of generators.
    GradeOutOfRange {
        /// The grade as given.
        grade: u32,
        /// Number of generators.
        dim: usize,
    },
    /// A grade occurs twice in a list of grades.
    DuplicateGrade {
        /// The repeated grade.
        grade: u32,
    },
    /// A blade names a generator that the metric does not have.
    BladeOutsideAlgebra {
        /// The mask of the blade.
        mask: u64,
        /// Number of generators.
        dim: usize,
    },
    /// The group maps a blade of the basis to a blade outside it.
    BasisNotInvariant {
        /// A blade of the basis.
        mask: u64,
        /// The blade, missing in the basis, to which the bivector maps it.
        image: u64,
        /// The bivector that acts.
        bivector: u64,
    },
    /// The space of linear maps to search is too large.
    TooManyUnknowns {
        /// Number of matrix entries to determine.
        given: u64,
        /// Largest number possible.
        maximum: u64,
    },
    /// No product has this name.
    UnknownProduct {
        /// The name as given.
        name: String,
    },
    /// No involution has this name.
    UnknownInvolution {
        /// The name as given.
        name: String,
    },
    /// No group has this name.
    UnknownGroup {
        /// The name as given.
        name: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NonFiniteSquare { generator, square } => {
                write!(formatter, "generator {generator} squares to {square}; give a finite real number")
            }
            Self::TooManyGenerators { given, maximum } => {
                write!(formatter, "{given} generators given, at most {maximum} are possible here")
            }
            Self::TooManyBlades { given, maximum } => write!(
                formatter,
                "a basis of {given} blades was asked for, at most {maximum} are possible; restrict it to fewer grades"
            ),
            Self::LengthMismatch { masks, signs } => {
                write!(formatter, "{masks} masks but {signs} signs given; give one sign per mask")
            }
            Self::DuplicateBlade { mask } => {
                write!(formatter, "blade {mask:#b} occurs twice in the basis; list each blade once")
            }
            Self::InvalidSign { index, sign } => {
                write!(formatter, "the sign of blade {index} of the basis is {sign}; give +1 or -1")
            }
            Self::GradeOutOfRange { grade, dim } => {
                write!(formatter, "grade {grade} given, an algebra of {dim} generators has the grades 0..={dim}")
            }
            Self::DuplicateGrade { grade } => {
                write!(formatter, "grade {grade} occurs twice; list each grade once")
            }
            Self::BladeOutsideAlgebra { mask, dim } => write!(
                formatter,
                "blade {mask:#b} uses a generator that an algebra of {dim} generators does not have; \
                 give masks below 2^{dim}"
            ),
            Self::BasisNotInvariant { mask, image, bivector } => write!(
                formatter,
                "bivector {bivector:#b} maps blade {mask:#b} to {image:#b}, which the basis lacks; \
                 give a basis that the group leaves invariant, such as whole grades"
            ),
            Self::TooManyUnknowns { given, maximum } => write!(
                formatter,
                "the equivariant maps have {given} unknown entries, at most {maximum} are possible; \
                 give a smaller basis or fewer null generators"
            ),
            Self::UnknownProduct { name } => {
                let names = crate::ProductKind::ALL.map(crate::ProductKind::as_str).join(", ");
                write!(formatter, "no product is called {name:?}; the products are {names}")
            }
            Self::UnknownInvolution { name } => {
                let names = crate::Involution::ALL.map(crate::Involution::as_str).join(", ");
                write!(formatter, "no involution is called {name:?}; the involutions are {names}")
            }
            Self::UnknownGroup { name } => {
                write!(formatter, "no group is called {name:?}; the groups are pin, spin")
            }
        }
    }
}

impl std::error::Error for Error {}
