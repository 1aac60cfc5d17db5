//! Families of linear maps, lowered to what the kernels walk over.

use cliffnet_plan::LinearMaps;

/// A term of an output blade: the matrix of a panel times an input blade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) panel: usize,
    pub(crate) blade: usize,
}

/// An output blade and what it is the sum of.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) blade: usize,
    pub(crate) sources: Vec<Source>,
}

/// The weights of one map times one coefficient, and the blades they join.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) map: usize,
    pub(crate) coefficient: f64,
    /// Output and input blades.
    pub(crate) pairs: Vec<(usize, usize)>,
}

/// Maps between channels with one matrix of weights per linear map of blades.
#[derive(Clone, Debug)]
pub struct LinearProgram {
    pub(crate) scalar: usize,
    pub(crate) maps: usize,
    pub(crate) panels: Vec<Panel>,
    /// Every output blade, those that share sources one after the other: what they read is still in the cache.
    pub(crate) forward: Vec<Target>,
    /// Every input blade, with output blades as sources.
    pub(crate) transposed: Vec<Target>,
    pairs: usize,
}

impl LinearProgram {
    /// The program of a family of maps.
    pub fn new(maps: &LinearMaps) -> Self {
        let mut panels: Vec<Panel> = Vec::new();
        let target = |blade| Target { blade, sources: Vec::new() };
        let mut forward: Vec<Target> = (0..maps.blades()).map(target).collect();
        let mut transposed = forward.clone();
        let mut group: Vec<usize> = (0..maps.blades()).collect();
        let mut pairs = 0;
        for (map, entries) in maps.maps().iter().enumerate() {
            let first = panels.len();
            for &(out, input, coefficient) in entries {
                let (out, input) = (out as usize, input as usize);
                let known = panels[first..].iter().position(|panel| panel.coefficient == coefficient);
                let panel = known.map_or(panels.len(), |index| first + index);
                if known.is_none() {
                    panels.push(Panel { map, coefficient, pairs: Vec::new() });
                }
                panels[panel].pairs.push((out, input));
                forward[out].sources.push(Source { panel, blade: input });
                transposed[input].sources.push(Source { panel, blade: out });
                pairs += 1;
                let (kept, merged) = (group[out].min(group[input]), group[out].max(group[input]));
                group.iter_mut().filter(|group| **group == merged).for_each(|group| *group = kept);
            }
        }
        for targets in [&mut forward, &mut transposed] {
            targets.sort_by_key(|target| group[target.blade]);
        }
        Self { scalar: maps.scalar(), maps: maps.maps().len(), panels, forward, transposed, pairs }
    }

    /// Number of blades of input and output.
    pub fn blades(&self) -> usize {
        self.forward.len()
    }

    /// Number of maps.
    pub fn maps(&self) -> usize {
        self.maps
    }

    /// Index of the scalar blade.
    pub fn scalar(&self) -> usize {
        self.scalar
    }

    /// Products of a matrix and the channels of a blade that the maps take.
    pub fn pairs(&self) -> usize {
        self.pairs
    }
}
