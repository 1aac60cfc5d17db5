//! Families of linear maps, lowered to what the kernels walk over.

use cliffnet_plan::LinearMaps;

/// A term of an output blade: the matrix of a panel times an input blade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Source {
    pub(crate) panel: usize,
    pub(crate) blade: usize,
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
    /// By output blade.
    pub(crate) forward: Vec<Vec<Source>>,
    /// By input blade, with output blades as sources.
    pub(crate) transposed: Vec<Vec<Source>>,
    pairs: usize,
}

impl LinearProgram {
    /// The program of a family of maps.
    pub fn new(maps: &LinearMaps) -> Self {
        let mut panels: Vec<Panel> = Vec::new();
        let mut forward = vec![Vec::new(); maps.blades()];
        let mut transposed = vec![Vec::new(); maps.blades()];
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
                forward[out].push(Source { panel, blade: input });
                transposed[input].push(Source { panel, blade: out });
                pairs += 1;
            }
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
