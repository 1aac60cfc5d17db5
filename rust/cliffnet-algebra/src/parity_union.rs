//! Union-find over signed unknowns: components of equations `x_a = +-x_b` and `x_a = 0`.

/// Unknowns that are tied to each other by signs. A component is zero if an equation or a contradiction says so.
pub(crate) struct ParityUnion {
    parent: Vec<u32>,
    /// Whether the unknown is minus its parent.
    flipped: Vec<bool>,
    /// Valid at roots: whether the component vanishes.
    zero: Vec<bool>,
}

impl ParityUnion {
    /// `count` free unknowns.
    pub(crate) fn new(count: usize) -> Self {
        Self { parent: (0..count as u32).collect(), flipped: vec![false; count], zero: vec![false; count] }
    }

    /// The root of an unknown, and whether the unknown is minus its root.
    pub(crate) fn find(&mut self, unknown: usize) -> (usize, bool) {
        let mut node = unknown;
        let mut flipped = false;
        while self.parent[node] as usize != node {
            let parent = self.parent[node] as usize;
            // path halving: point at the grandparent, with the sign along both edges
            self.flipped[node] ^= self.flipped[parent];
            self.parent[node] = self.parent[parent];
            flipped ^= self.flipped[node];
            node = self.parent[node] as usize;
        }
        (node, flipped)
    }

    /// Adds the equation x = 0.
    pub(crate) fn set_zero(&mut self, unknown: usize) {
        let (root, _) = self.find(unknown);
        self.zero[root] = true;
    }

    /// Adds the equation `x_a = x_b`, or `x_a = -x_b` if `opposite`.
    pub(crate) fn tie(&mut self, a: usize, b: usize, opposite: bool) {
        let (root_a, flipped_a) = self.find(a);
        let (root_b, flipped_b) = self.find(b);
        let flipped = flipped_a ^ flipped_b ^ opposite;
        if root_a == root_b {
            // x = -x has only the solution 0
            self.zero[root_a] |= flipped;
        } else {
            self.parent[root_a] = root_b as u32;
            self.flipped[root_a] = flipped;
            self.zero[root_b] |= self.zero[root_a];
        }
    }

    /// The root and sign of an unknown that is free, `None` if it vanishes.
    pub(crate) fn free(&mut self, unknown: usize) -> Option<(usize, bool)> {
        let (root, flipped) = self.find(unknown);
        (!self.zero[root]).then_some((root, flipped))
    }
}
