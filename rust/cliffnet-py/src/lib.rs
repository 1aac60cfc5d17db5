//! The extension module `cliffnet._rust`: tables, plans and the registration of torch operators.
//!
//! Argument conversion and error mapping only; the arithmetic lives in the other crates.

mod attention;
mod attention_arguments;
mod bilinear;
mod class_gate;
mod cuda;
mod cuda_attention;
mod cuda_bilinear;
mod cuda_call;
mod cuda_class_gate;
mod cuda_gated;
mod cuda_layers;
mod cuda_product_and_join;
mod cuda_steerable;
mod cuda_sums;
mod direct;
mod failure;
mod fully_connected;
mod gated;
mod layers;
mod linear;
mod operands;
mod operator;
mod pages;
mod plans;
mod product_and_join;
mod segments;
mod shape;
mod steerable;
mod surroundings;
mod tables;
mod tensor;
mod torch_abi;
mod work;

use pyo3::prelude::*;

use crate::failure::{Failure, guarded};

/// Facts of this build and of the processor it runs on: version, target, profile, isa.
///
/// # Errors
/// When `CLIFFNET_ISA` cannot be used.
#[pyfunction]
fn build_info() -> PyResult<Vec<(String, String)>> {
    guarded(|| {
        let isa = cliffnet_cpu::selected_isa().map_err(|error| Failure::new("BackendUnavailableError", error))?;
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        Ok([("version", env!("CARGO_PKG_VERSION")), ("target", &target), ("profile", profile), ("isa", isa.name())]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec())
    })
}

/// Registers the operators with the torch whose libraries are at the given paths, which must be loaded.
///
/// # Errors
/// `BackendUnavailableError` when torch lacks a function of the stable interface.
#[pyfunction]
fn register_operators(torch_cpu_path: &str, c10_path: &str) -> PyResult<()> {
    guarded(|| {
        let torch = torch_abi::connect(torch_cpu_path, c10_path)
            .map_err(|error| Failure::new("BackendUnavailableError", error))?;
        operator::register(torch).map_err(|error| Failure::new("BackendUnavailableError", error))
    })
}

/// Native part of cliffnet.
#[pymodule(gil_used = false)]
mod _rust {
    #[pymodule_export]
    use super::cuda::{
        cuda_compile, cuda_facts, cuda_source, end_offline, kernels_made, register_cuda, register_host,
        register_offline,
    };
    #[pymodule_export]
    use super::direct::{DirectOperator, direct_operator};
    #[pymodule_export]
    use super::linear::{intern_maps, interned_maps};
    #[pymodule_export]
    use super::plans::{
        inner_product_plan, plan_from_terms, plan_gradients, plan_matrices, plan_paths, plan_sizes, plan_terms,
        product_plan,
    };
    #[pymodule_export]
    use super::tables::{blade_map, canonical_basis, equivariant_maps, involution_signs, product_masks};
    #[pymodule_export]
    use super::{build_info, register_operators};
}
