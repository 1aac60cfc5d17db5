//! Choice of the instruction set, once per process.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

/// An instruction set the kernels are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Isa {
    /// Portable Rust; runs anywhere.
    Scalar,
    /// 256-bit vectors with fused multiply-add (x86-64).
    Avx2,
    /// 512-bit vectors (x86-64).
    Avx512,
    /// 128-bit vectors (aarch64).
    Neon,
}

impl Isa {
    /// All instruction sets, best last.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name used by the `CLIFFNET_ISA` variable.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[allow(unreachable_patterns, reason = "which sets remain depends on the target")]
            _ => false,
        }
    }

    /// The best instruction set of this processor.
    pub fn detect() -> Self {
        Self::ALL.into_iter().rev().find(|isa| isa.is_available()).unwrap_or(Self::Scalar)
    }
}

/// A `CLIFFNET_ISA` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// The name is not one of scalar, avx2, avx512, neon.
    Unknown(String),
    /// This processor lacks the instruction set.
    Unavailable(Isa),
}

impl fmt::Display for IsaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(
                    formatter,
                    "CLIFFNET_ISA is '{name}', expected one of scalar, avx2, avx512, neon; unset it to detect"
                )
            }
            Self::Unavailable(isa) => {
                write!(formatter, "CLIFFNET_ISA is '{}', which this processor lacks; unset it to detect", isa.name())
            }
        }
    }
}

impl std::error::Error for IsaError {}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        Self::ALL.into_iter().find(|isa| isa.name() == name).ok_or_else(|| IsaError::Unknown(name.to_owned()))
    }
}

/// The instruction set in use: `CLIFFNET_ISA` when set, else the best one.
///
/// # Errors
/// When `CLIFFNET_ISA` names an unknown or unavailable instruction set.
pub fn selected_isa() -> Result<Isa, &'static IsaError> {
    static SELECTED: OnceLock<Result<Isa, IsaError>> = OnceLock::new();
    let selected = SELECTED.get_or_init(|| match std::env::var("CLIFFNET_ISA") {
        Ok(name) if !name.is_empty() => {
            let isa: Isa = name.parse()?;
            if isa.is_available() { Ok(isa) } else { Err(IsaError::Unavailable(isa)) }
        }
        _ => Ok(Isa::detect()),
    });
    selected.as_ref().copied()
}

#[cfg(test)]
mod tests {
    use super::{Isa, IsaError};

    #[test]
    fn test_isa_names_round_trip_and_unknown_is_refused() {
        for isa in Isa::ALL {
            assert_eq!(isa.name().parse::<Isa>(), Ok(isa));
        }
        assert_eq!("sse9".parse::<Isa>(), Err(IsaError::Unknown("sse9".to_owned())));
        assert!(Isa::detect().is_available());
    }
}
