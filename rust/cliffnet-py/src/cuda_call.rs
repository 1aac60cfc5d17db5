//! The operands of a call on a CUDA device.

use cliffnet_cpu::DType;
use cliffnet_cuda::{Axis, Form, Lanes, Operand};

use crate::cuda::{device, storage};
use crate::operator::Arguments;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::{Device, Tensor};
use crate::torch_abi::TorchFunctions;

/// Multivector operands with common leading axes, and weights of channels, the last of those axes.
///
/// Outputs have the broadcast leading shape of the inputs, and are blade-major if an input of that shape is.
pub(crate) struct Call<'t> {
    pub(crate) device: Device,
    /// torch's code of the dtype, and ours.
    pub(crate) code: i32,
    pub(crate) dtype: DType,
    /// The leading axes after broadcasting.
    pub(crate) leading: Vec<i64>,
    /// Operands in the order inputs, weights, outputs.
    operands: Vec<Operand>,
    /// The stride of each operand along each leading axis.
    steps: Vec<Vec<i64>>,
    pub(crate) outputs: Vec<Tensor<'t>>,
}

/// Numbers of blades.
pub(crate) struct Blades<'b> {
    pub(crate) inputs: &'b [usize],
    /// For each argument after the inputs that is a weight (channels, paths), the number of paths.
    pub(crate) weights: &'b [usize],
    pub(crate) outputs: &'b [usize],
}

impl<'t> Call<'t> {
    /// The first arguments, and new outputs.
    ///
    /// # Errors
    /// When the inputs do not fit each other or the numbers of blades.
    pub(crate) fn new(
        torch: &'t TorchFunctions,
        arguments: &Arguments<'t>,
        blades: &Blades<'_>,
    ) -> Result<Self, String> {
        let device = device(arguments)?;
        let (code, dtype) = arguments.tensor(0)?.element_type()?;
        let mut shapes: Vec<(&[i64], &[i64])> = Vec::with_capacity(blades.inputs.len());
        let mut operands = Vec::with_capacity(blades.inputs.len() + blades.weights.len() + blades.outputs.len());
        for (index, &count) in blades.inputs.iter().enumerate() {
            let tensor = arguments.tensor(index)?;
            let shape = tensor.shape()?;
            if tensor.element_type()?.0 != code {
                return Err("the operands have different dtypes".to_owned());
            }
            match shape.0.last() {
                None => return Err("expected tensors with a blade axis, got a 0-dimensional tensor".to_owned()),
                Some(&given) if given != count as i64 => {
                    return Err(format!(
                        "the last axis of operand {index} is {given}, but the plan has {count} blades"
                    ));
                }
                Some(_) => operands.push(operand(tensor, shape.1, count)?),
            }
            shapes.push(shape);
        }
        let leading = broadcast(shapes.iter().map(|(sizes, _)| &sizes[..sizes.len() - 1]))?;
        let rank = leading.len();
        let mut steps: Vec<Vec<i64>> = shapes
            .iter()
            .map(|(sizes, strides)| (0..rank).map(|axis| broadcast_stride(sizes, strides, axis, rank)).collect())
            .collect();
        for (index, &paths) in blades.weights.iter().enumerate() {
            let weight = arguments.tensor(blades.inputs.len() + index)?;
            let (sizes, strides) = weight.shape()?;
            let channels = *leading.last().ok_or("expected operands with an axis of channels")?;
            if weight.element_type()?.0 != code {
                return Err("a weight has another dtype than the operands".to_owned());
            }
            if sizes != [channels, paths as i64] {
                return Err(format!(
                    "a weight has shape {sizes:?}, expected [{channels}, {paths}]: channels and paths"
                ));
            }
            operands.push(operand(weight, strides, paths)?);
            let mut along = vec![0; rank];
            along[rank - 1] = strides[0];
            steps.push(along);
        }
        let blade_major = shapes
            .iter()
            .any(|(sizes, strides)| sizes[..sizes.len() - 1] == leading[..] && is_blade_major(sizes, strides));
        let mut outputs = Vec::with_capacity(blades.outputs.len() + 1);
        for &count in blades.outputs {
            let mut sizes = leading.clone();
            sizes.push(count as i64);
            let mut strides = output_strides(&sizes, blade_major);
            let output = Tensor::empty_on(torch, &sizes, &strides, code, device)?;
            operands.push(operand(&output, &strides, count)?);
            outputs.push(output);
            strides.truncate(rank);
            steps.push(strides);
        }
        Ok(Self { device, code, dtype, leading, operands, steps, outputs })
    }

    /// The operands of these numbers as a kernel takes them.
    pub(crate) fn lanes(&self, which: &[usize]) -> Lanes {
        let axes = self.leading.iter().enumerate().map(|(axis, &size)| Axis {
            size,
            strides: which.iter().map(|&operand| self.steps[operand][axis]).collect(),
        });
        Lanes::new(axes, which.iter().map(|&operand| self.operands[operand]).collect())
    }

    /// All operands as a kernel takes them.
    pub(crate) fn all_lanes(&self) -> Lanes {
        self.lanes(&(0..self.operands.len()).collect::<Vec<_>>())
    }

    /// How operands lie.
    pub(crate) fn form(&self, lanes: &Lanes) -> Form {
        let storage = storage(self.dtype);
        Form { storage, rank: lanes.rank(), vectors: lanes.vectors(storage.size()) }
    }
}

fn operand(tensor: &Tensor<'_>, strides: &[i64], blades: usize) -> Result<Operand, String> {
    Ok(Operand { address: tensor.data()? as u64, blade_stride: strides[strides.len() - 1], blades })
}
