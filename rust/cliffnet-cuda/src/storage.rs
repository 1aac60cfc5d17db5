//! Element types of tensors.

/// Element type of a tensor; half precision is stored so and computed in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
    /// bfloat16.
    BF16,
    /// IEEE half precision.
    F16,
}

impl Storage {
    /// Every element type.
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::BF16, Self::F16];

    /// The name that torch has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::BF16 => "bfloat16",
            Self::F16 => "float16",
        }
    }

    /// Bytes of an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
        }
    }

    /// What the prelude of the kernels asks for.
    pub(crate) fn macro_name(self) -> &'static str {
        match self {
            Self::F32 => "STORAGE_F32",
            Self::F64 => "STORAGE_F64",
            Self::BF16 => "STORAGE_BF16",
            Self::F16 => "STORAGE_F16",
        }
    }

    /// A number as a literal of the type that is computed in.
    pub(crate) fn literal(self, number: f64) -> String {
        if self == Self::F64 { format!("{number:?}") } else { format!("static_cast<real>({number:?})") }
    }
}
