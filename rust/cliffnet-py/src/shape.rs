//! Shapes and memory formats of the operands and results of an operator.

/// Whether axes step through memory without gaps, the innermost by `step`.
fn steps_densely(sizes: &[i64], strides: &[i64], step: i64) -> bool {
    let mut expected = step;
    sizes.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = size == 1 || stride == expected;
        expected *= size;
        fits
    })
}

/// Whether a tensor is stored blade plane by blade plane: contiguous once the last axis is moved to the front.
///
/// Tensors that are contiguous as they stand do not count.
pub(crate) fn is_blade_major(sizes: &[i64], strides: &[i64]) -> bool {
    let last = sizes.len() - 1;
    if steps_densely(sizes, strides, 1) || sizes.contains(&0) {
        return false;
    }
    let plane: i64 = sizes[..last].iter().product();
    (sizes[last] == 1 || strides[last] == plane) && steps_densely(&sizes[..last], &strides[..last], 1)
}

/// Strides of a new tensor, contiguous or blade-major, as `torch.empty` counts them.
pub(crate) fn output_strides(sizes: &[i64], blade_major: bool) -> Vec<i64> {
    let last = sizes.len() - 1;
    let mut strides = vec![0; sizes.len()];
    let mut step = 1;
    if !blade_major {
        strides[last] = 1;
        step = sizes[last].max(1);
    }
    for axis in (0..last).rev() {
        strides[axis] = step;
        step *= sizes[axis].max(1);
    }
    if blade_major {
        strides[last] = step;
    }
    strides
}

/// Sizes after broadcasting some axes.
pub(crate) fn broadcast<'a>(shapes: impl Iterator<Item = &'a [i64]> + Clone) -> Result<Vec<i64>, String> {
    let rank = shapes.clone().map(<[i64]>::len).max().unwrap_or(0);
    // with room for one more axis
    let mut leading = Vec::with_capacity(rank + 1);
    leading.resize(rank, 1);
    for sizes in shapes.clone() {
        let offset = rank - sizes.len();
        for (axis, &size) in sizes.iter().enumerate() {
            let whole = &mut leading[offset + axis];
            if *whole == 1 {
                *whole = size;
            } else if size != 1 && size != *whole {
                let given: Vec<_> = shapes.collect();
                return Err(format!("leading shapes {given:?} do not broadcast"));
            }
        }
    }
    Ok(leading)
}

/// Stride of `axis` (of `rank` leading axes) in a tensor whose last axis is that of blades: 0 where it broadcasts.
pub(crate) fn broadcast_stride(sizes: &[i64], strides: &[i64], axis: usize, rank: usize) -> i64 {
    let leading = sizes.len() - 1;
    match (axis + leading).checked_sub(rank) {
        Some(index) if sizes[index] != 1 => strides[index],
        _ => 0,
    }
}
