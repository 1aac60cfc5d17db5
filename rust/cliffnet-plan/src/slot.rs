//! The three slots of a trilinear form.

use crate::{Path, Term};

/// The slot of a product that is evaluated for; see [`crate::Plan::seen_from`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Slot {
    /// The output: the product itself.
    Out,
    /// The left operand: its gradient, from the operands (cotangent of the output, right).
    Left,
    /// The right operand: its gradient, from the operands (left, cotangent of the output).
    Right,
}

impl Slot {
    /// The (out, left, right) of a term of the plan that is evaluated for this slot.
    pub(crate) fn permute<T>(self, out: T, left: T, right: T) -> (T, T, T) {
        match self {
            Self::Out => (out, left, right),
            Self::Left => (left, out, right),
            Self::Right => (right, left, out),
        }
    }

    pub(crate) fn permute_term(self, term: Term) -> Term {
        let (out, left, right) = self.permute(term.out, term.left, term.right);
        Term { out, left, right, ..term }
    }

    pub(crate) fn permute_path(self, path: Path) -> Path {
        let (out, left, right) = self.permute(path.out, path.left, path.right);
        Path { left, out, right }
    }
}
