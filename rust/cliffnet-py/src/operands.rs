//! The multivectors of a call: what is read, and what is allocated to be written.

use cliffnet_cpu::{Axis, DType, Geometry, Operand};

use crate::operator::Arguments;
use crate::shape::{broadcast, broadcast_stride, is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

/// `N` multivector operands with common leading axes.
///
/// Outputs have the broadcast leading shape of the inputs, and are blade-major if an input of that shape is.
pub(crate) struct Operands<'t, const N: usize> {
    /// torch's code of the dtype, and ours.
    pub(crate) code: i32,
    pub(crate) dtype: DType,
    /// The leading axes after broadcasting.
    pub(crate) leading: Vec<i64>,
    pub(crate) geometry: Geometry<N>,
    /// Inputs first.
    pub(crate) memory: [Operand; N],
    pub(crate) outputs: Vec<Tensor<'t>>,
}

/// Sizes and strides.
type Shape<'s> = (&'s [i64], &'s [i64]);

impl<'t, const N: usize> Operands<'t, N> {
    /// The first `inputs` arguments, and new outputs; `blades` counts the blades of each.
    ///
    /// # Errors
    /// When the inputs do not fit that or each other.
    pub(crate) fn new(
        torch: &'t TorchFunctions,
        arguments: &Arguments<'t>,
        inputs: usize,
        blades: [usize; N],
    ) -> Result<Self, String> {
        let (code, dtype) = arguments.tensor(0)?.dtype()?;
        let mut shapes: [Shape<'_>; N] = [(&[], &[]); N];
        let mut memory = [Operand { data: std::ptr::null_mut(), blade_stride: 0 }; N];
        for (index, shape) in shapes[..inputs].iter_mut().enumerate() {
            let tensor = arguments.tensor(index)?;
            *shape = checked_shape(tensor, code, blades[index], index)?;
            memory[index] = Operand { data: tensor.data()?, blade_stride: shape.1[shape.1.len() - 1] };
        }
        let shapes = &shapes[..inputs];
        let leading = broadcast(shapes.iter().map(|(sizes, _)| &sizes[..sizes.len() - 1]))?;
        let rank = leading.len();
        let blade_major = shapes
            .iter()
            .any(|(sizes, strides)| sizes[..sizes.len() - 1] == leading[..] && is_blade_major(sizes, strides));
        let mut outputs = Vec::with_capacity(N - inputs + 1);
        let mut output_steps = Vec::with_capacity(N - inputs);
        for (operand, &size) in memory.iter_mut().zip(&blades).skip(inputs) {
            let mut sizes = Vec::with_capacity(rank + 1);
            sizes.extend_from_slice(&leading);
            sizes.push(size as i64);
            let strides = output_strides(&sizes, blade_major);
            let output = Tensor::empty(torch, &sizes, &strides, code)?;
            *operand = Operand { data: output.data()?, blade_stride: strides[rank] };
            outputs.push(output);
            output_steps.push(strides);
        }
        let geometry = Geometry::new((0..rank).map(|axis| Axis {
            size: leading[axis],
            strides: std::array::from_fn(|index| match shapes.get(index) {
                Some((sizes, strides)) => broadcast_stride(sizes, strides, axis, rank),
                None => output_steps[index - inputs][axis],
            }),
        }));
        if !geometry.is_walkable() {
            return Err("more than 64 leading axes".to_owned());
        }
        Ok(Self { code, dtype, leading, geometry, memory, outputs })
    }

    /// Whether every operand has memory that kernels may read and write.
    pub(crate) fn have_memory(&self) -> Result<(), String> {
        if self.memory.iter().any(|operand| operand.data.is_null()) {
            return Err("expected tensors with memory".to_owned());
        }
        Ok(())
    }
}

/// The shape of an operand of this dtype and number of blades.
fn checked_shape<'s>(tensor: &'s Tensor<'_>, code: i32, blades: usize, index: usize) -> Result<Shape<'s>, String> {
    if tensor.dtype()?.0 != code {
        return Err("the operands have different dtypes".to_owned());
    }
    let shape = tensor.shape()?;
    match shape.0.last() {
        None => Err("expected tensors with a blade axis, got a 0-dimensional tensor".to_owned()),
        Some(&given) if given != blades as i64 => {
            Err(format!("the last axis of operand {index} is {given}, but the plan has {blades} blades"))
        }
        Some(_) => Ok(shape),
    }
}

/// Writes zeros to a tensor that was just allocated, without gaps.
pub(crate) fn clear(output: &Tensor<'_>, dtype: DType) -> Result<(), String> {
    let elements: i64 = output.shape()?.0.iter().product();
    if elements > 0 {
        // SAFETY: the tensor has that many elements, one after the other; all-zero bits are zeros.
        unsafe { output.data()?.write_bytes(0, elements as usize * dtype.size()) };
    }
    Ok(())
}
