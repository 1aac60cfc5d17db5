//! The three involutions.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A map that multiplies each grade k by a sign that depends on k mod 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Involution {
    /// `(-1)^{k(k-1)/2}`: + + - -, an anti-automorphism.
    Reverse,
    /// `(-1)^k`: + - + -, an automorphism.
    GradeInvolute,
    /// `(-1)^{k(k+1)/2}`: + - - +, reversion and grade involution together.
    CliffordConjugate,
}

impl Involution {
    /// Every involution.
    pub const ALL: [Self; 3] = [Self::Reverse, Self::GradeInvolute, Self::CliffordConjugate];

    /// The name that [`FromStr`] understands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reverse => "reverse",
            Self::GradeInvolute => "grade_involute",
            Self::CliffordConjugate => "clifford_conjugate",
        }
    }

    /// The sign with which a blade of this grade is multiplied.
    pub const fn sign(self, grade: u32) -> f64 {
        let negative = match self {
            Self::Reverse => grade & 2 != 0,
            Self::GradeInvolute => grade & 1 != 0,
            Self::CliffordConjugate => (grade + 1) & 2 != 0,
        };
        if negative { -1.0 } else { 1.0 }
    }
}

impl FromStr for Involution {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|involution| involution.as_str() == name);
        found.ok_or_else(|| Error::UnknownInvolution { name: name.to_owned() })
    }
}

impl fmt::Display for Involution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
