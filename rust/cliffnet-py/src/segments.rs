//! Sums over the entries of a list that belong together: `segment_sum(values, index, order, begins)` on CUDA devices.
//!
//! `index` names the sum of each entry, `order` are the entries sorted by it, and those of sum `i` stand from `begins[i]`
//! to `begins[i + 1]`; the last two say all, the first is for derivatives.

use cliffnet_cuda::segment::{self, Segments};
use cliffnet_cuda::{Axis, Form, Key, Lanes, Operand, Work};

use crate::cuda::{Accelerator, device, storage};
use crate::operator::{Arguments, operator};
use crate::shape::{is_blade_major, output_strides};
use crate::tensor::Tensor;
use crate::torch_abi::TorchFunctions;

const NAME: &str = "segment_sum";

/// The length of a contiguous tensor of one axis, and its address.
fn list(tensor: &Tensor<'_>, name: &str) -> Result<(i64, u64), String> {
    match tensor.shape()? {
        (&[length], &[stride]) if stride == 1 || length <= 1 => Ok((length, tensor.data()? as u64)),
        (sizes, _) => Err(format!("{name} has shape {sizes:?}, expected a contiguous list")),
    }
}

fn launch<'t>(
    torch: &'t TorchFunctions,
    accelerator: &Accelerator,
    arguments: &Arguments<'t>,
) -> Result<Vec<Tensor<'t>>, String> {
    let device = device(arguments)?;
    let values = arguments.tensor(0)?;
    let (code, dtype) = values.element_type()?;
    let (sizes, strides) = values.shape()?;
    let (&entries, elements) = sizes.split_first().ok_or("expected values with an axis of entries")?;
    let (ordered, order) = list(arguments.tensor(2)?, "order")?;
    let (ends, begins) = list(arguments.tensor(3)?, "begins")?;
    if ordered != entries || ends == 0 {
        return Err(format!("{entries} values, {ordered} in order and {ends} begins do not belong together"));
    }
    let mut out_sizes = sizes.to_vec();
    out_sizes[0] = ends - 1;
    let out_strides = output_strides(&out_sizes, is_blade_major(sizes, strides));
    let out = Tensor::empty_on(torch, &out_sizes, &out_strides, code, device)?;
    // neighbouring threads should write neighbouring elements
    let mut inner: Vec<usize> = (1..sizes.len()).collect();
    inner.sort_by_key(|&axis| std::cmp::Reverse(out_strides[axis]));
    let axes = std::iter::once(Axis { size: ends - 1, strides: vec![0, out_strides[0]] }).chain(
        inner.into_iter().map(|axis| Axis { size: sizes[axis], strides: vec![strides[axis], out_strides[axis]] }),
    );
    let operand = |address: *mut u8| Operand { address: address as u64, blade_stride: 0, blades: 1 };
    let lanes = Lanes::new(axes, vec![operand(values.data()?), operand(out.data()?)]);
    let segments = Segments { elements: elements.iter().product(), entry_stride: strides[0], order, begins };
    let form = Form { storage: storage(dtype), rank: lanes.rank(), vectors: 0 };
    let parameters = [lanes.parameters(), segments.parameters().to_vec()].concat();
    let work = Work { count: lanes.count(), parameters: &parameters };
    let key = Key::new(NAME, &[], form);
    // SAFETY: sizes and strides are those of tensors on one device, `order` holds their entries and `begins` places in it,
    // as the caller of the operator vouches, and torch keeps memory that is freed for later work on the same stream.
    unsafe { accelerator.run(key, device, work, || segment::source(form))? };
    Ok(vec![out])
}

operator!(
    /// `segment_sum(values, index, order, begins)`.
    SEGMENT_SUM,
    "segment_sum",
    [values: Tensor, index: Tensor, order: Tensor, begins: Tensor],
    1,
    cuda launch
);
