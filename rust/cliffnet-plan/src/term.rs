//! One multiplication of a plan.

use std::fmt;

/// `out[out] += coefficient * weight[path] * left[left] * right[right]`; without `weight` where the plan has no paths.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Term {
    /// Index of the output blade.
    pub out: u16,
    /// Index of the left operand's blade.
    pub left: u16,
    /// Index of the right operand's blade.
    pub right: u16,
    /// Index of the weight; 0 in a plan without paths.
    pub path: u16,
    /// The coefficient, finite and not zero.
    pub coefficient: f64,
}

impl Term {
    /// The order of terms in a plan: by output, left, right, path.
    pub(crate) fn key(&self) -> u64 {
        u64::from(self.out) << 48 | u64::from(self.left) << 32 | u64::from(self.right) << 16 | u64::from(self.path)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { out, left, right, path, coefficient } = self;
        write!(formatter, "term {coefficient} left[{left}] right[{right}] -> out[{out}] on path {path}")
    }
}

/// The classes that one weight of a plan connects, in the plan's own slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Path {
    /// Class of the left operand's blade.
    pub left: u16,
    /// Class of the output blade.
    pub out: u16,
    /// Class of the right operand's blade.
    pub right: u16,
}
