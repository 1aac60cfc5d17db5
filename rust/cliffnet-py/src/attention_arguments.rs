//! What the operators of attention are called with, on any device.

use std::sync::{Arc, LazyLock, RwLock};

use cliffnet_cpu::{Axis, Comparison, DType, Geometry, TOKEN_OPERANDS, TokenShape, Tokens};
use cliffnet_plan::PlanId;

use crate::bilinear::{ById, kept};
use crate::operator::Arguments;
use crate::plans::unknown;
use crate::tensor::Tensor;

static COMPARISONS: LazyLock<ById<Comparison>> = LazyLock::new(RwLock::default);

pub(crate) fn comparison(id: i64) -> Result<Arc<Comparison>, String> {
    kept(&COMPARISONS, id, || {
        let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
        Comparison::new(&plan).ok_or_else(|| format!("plan {id} is not a comparison of attention"))
    })
}

/// A tensor of tokens: its leading axes, and the strides of the others.
pub(crate) struct Operand<'a> {
    pub(crate) leading: &'a [i64],
    pub(crate) strides: &'a [i64],
    pub(crate) tokens: Tokens,
}

impl<'a> Operand<'a> {
    /// `axes` are the axes that belong to a token.
    pub(crate) fn of(tensor: &'a Tensor<'_>, axes: usize) -> Result<Self, String> {
        let (sizes, strides) = tensor.shape()?;
        let rank = sizes.len().checked_sub(axes).ok_or("a tensor has too few axes")?;
        let inner = &strides[rank..];
        let tokens = Tokens { data: tensor.data()?, strides: [inner[0], inner.get(1).copied().unwrap_or(0)] };
        Ok(Self { leading: &sizes[..rank], strides: &strides[..rank], tokens })
    }
}

pub(crate) fn size(value: i64, name: &str) -> Result<usize, String> {
    usize::try_from(value).map_err(|_| format!("{name} is {value}, expected a natural number"))
}

/// The tensors of a call as operands of the geometry of tokens; None where there is nothing.
pub(crate) type Operands<'a> = [Option<Operand<'a>>; TOKEN_OPERANDS];

pub(crate) fn geometry(operands: &Operands<'_>) -> Result<Geometry<TOKEN_OPERANDS>, String> {
    let leading = operands.iter().flatten().map(|operand| operand.leading).next().unwrap_or(&[]);
    if let Some(other) = operands.iter().flatten().find(|operand| operand.leading != leading) {
        return Err(format!("tokens have the leading axes {leading:?} and {:?}, expected the same", other.leading));
    }
    let geometry = Geometry::new(leading.iter().enumerate().map(|(axis, &size)| Axis {
        size,
        strides: std::array::from_fn(|index| operands[index].as_ref().map_or(0, |operand| operand.strides[axis])),
    }));
    if geometry.is_walkable() { Ok(geometry) } else { Err("more than 64 leading axes".to_owned()) }
}

/// The numbers of `attention_features`, and what follows from the tensors.
pub(crate) struct Setting {
    pub(crate) comparison: Arc<Comparison>,
    pub(crate) shape: TokenShape,
    pub(crate) code: i32,
    pub(crate) dtype: DType,
    pub(crate) has_scalars: bool,
    pub(crate) has_weights: bool,
}

/// Checks the tensors and numbers of `attention_features`, which stand from argument `first` on.
pub(crate) fn setting(arguments: &Arguments<'_>, first: usize) -> Result<Setting, String> {
    let [multivectors, scalars, weights] = [0, 1, 2].map(|index| arguments.tensor(first + index));
    let (multivectors, scalars, weights) = (multivectors?, scalars?, weights?);
    let (code, dtype) = multivectors.element_type()?;
    if scalars.element_type()?.0 != code || weights.element_type()?.0 != code {
        return Err("the operands have different dtypes".to_owned());
    }
    let comparison = comparison(arguments.integer(first + 3)?)?;
    let mut heads = [0; 3];
    for (role, count) in heads.iter_mut().enumerate() {
        *count = size(arguments.integer(first + 4 + role)?, "a number of heads")?;
    }
    let all: usize = heads.iter().sum();
    let sizes = multivectors.shape()?.0;
    let &[ref leading @ .., lanes, blades] = sizes else { return Err("multivectors have too few axes".to_owned()) };
    if all == 0 || !(lanes as usize).is_multiple_of(all) || blades as usize != comparison.blades() {
        return Err(format!("multivectors of shape {sizes:?} do not belong to {all} heads and this comparison"));
    }
    let channels = lanes as usize / all;
    let scalar_sizes = scalars.shape()?.0;
    let has_scalars = scalar_sizes != [0];
    let width = if has_scalars {
        match scalar_sizes.split_last() {
            Some((&last, rest)) if rest == leading && (last as usize).is_multiple_of(all) => last as usize / all,
            _ => return Err(format!("scalars of shape {scalar_sizes:?} do not belong to {sizes:?} and {all} heads")),
        }
    } else {
        0
    };
    let weight_sizes = weights.shape()?.0;
    let has_weights = weight_sizes != [0];
    if has_weights && weight_sizes != [heads[0] as i64, channels as i64] {
        return Err(format!("weights have the shape {weight_sizes:?}, expected (heads, channels)"));
    }
    let padded = size(arguments.integer(first + 7)?, "the width")?;
    let compared = (comparison.features() * channels + width).max(padded);
    let widths = [compared, compared, (comparison.blades() * channels + width).max(padded)];
    let shape = TokenShape { heads, channels, scalars: width, widths, epsilon: arguments.float(first + 8)? };
    Ok(Setting { comparison, shape, code, dtype, has_scalars, has_weights })
}

impl Setting {
    /// The cotangents of queries, keys and values, which are the first arguments.
    pub(crate) fn cotangents<'a>(&self, arguments: &'a Arguments<'_>) -> Result<[Operand<'a>; 3], String> {
        let cotangent = |role: usize| {
            let tensor = arguments.tensor(role)?;
            let given = tensor.shape()?.0;
            let expected = [self.shape.heads[role] as i64, self.shape.widths[role] as i64];
            if tensor.element_type()?.0 != self.code || !given.ends_with(&expected) {
                return Err(format!("a cotangent has the shape {given:?}, expected (..., {expected:?})"));
            }
            Operand::of(tensor, 2)
        };
        Ok([cotangent(0)?, cotangent(1)?, cotangent(2)?])
    }
}
