//! Writes straight-line code for the weighted geometric products of the most used algebras.
//!
//! The code goes to `straight_line.rs` in the directory of build outputs, which `src/straight_line.rs` includes: one
//! type for each plan with its content hash and the bodies `forward` and `backward` over any vectors of lanes.
#![forbid(unsafe_code)]

mod backward;
mod body;
mod form;
mod forward;

use std::path::PathBuf;
use std::{env, fs};

use cliffnet_algebra::{Basis, Metric, ProductKind};
use cliffnet_plan::{Partition, Plan};

use crate::form::Form;

/// The signatures (p, q, r) of algebras whose partition is that of single grades; the basis is the canonical one.
const SIGNATURES: [[usize; 3]; 4] = [[2, 0, 0], [3, 0, 0], [1, 3, 0], [3, 0, 1]];

/// Products so long that they are compiled for the vectors of single precision only, which networks train in: a signature,
/// and the modulus by which grades form classes. Builds for debugging go without: they would take minutes longer.
const LONG_PRODUCTS: [([usize; 3], u32); 2] = [([5, 0, 0], 6), ([5, 0, 0], 4)];

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() -> Result<(), Failure> {
    // cargo itself runs this again when the crates change that make the plans
    println!("cargo::rerun-if-changed=build");
    let products = SIGNATURES.map(|signature| (signature, signature.iter().sum::<usize>() as u32 + 1));
    let long: &[_] = if env::var("PROFILE")? == "release" { &LONG_PRODUCTS } else { &[] };
    let items = [
        implementations(&products)?,
        look_up("look_up", &products),
        implementations(long)?,
        look_up("look_up_long", long),
    ];
    let path = PathBuf::from(env::var("OUT_DIR")?).join("straight_line.rs");
    fs::write(path, items.join("\n"))?;
    Ok(())
}

/// The name of the type of a product.
fn name(([p, q, r], modulus): ([usize; 3], u32)) -> String {
    format!("Product{p}{q}{r}Modulo{modulus}")
}

/// The function that finds the code of one of some products.
fn look_up(function: &str, products: &[([usize; 3], u32)]) -> String {
    let arm = |&product: &_| format!("        {0}::HASH => Some(C::kernels::<{0}>()),\n", name(product));
    let arms: Vec<String> = products.iter().map(arm).collect();
    if arms.is_empty() {
        return format!(
            "/// No code, for no plan.\nfn {function}<C: Compiler>(_: u128) -> Option<WeightedKernels<C::Scalar>> {{\n    \
             None\n}}\n"
        );
    }
    format!(
        "/// The code of the plan with this content hash.\n\
         fn {function}<C: Compiler>(hash: u128) -> Option<WeightedKernels<C::Scalar>> {{\n    \
         match hash {{\n{}        _ => None,\n    }}\n}}\n",
        arms.concat(),
    )
}

/// The types of products and their code.
fn implementations(products: &[([usize; 3], u32)]) -> Result<String, Failure> {
    products.iter().map(|&product| implementation(product)).collect()
}

/// The type of one product and its code.
fn implementation((signature, modulus): ([usize; 3], u32)) -> Result<String, Failure> {
    let plan = product(signature, modulus)?;
    let form = Form::new(&plan)?;
    let ([p, q, r], name) = (signature, name((signature, modulus)));
    let hash = plan.content_hash();
    let digits: Vec<String> = (0..8).rev().map(|group| format!("{:04x}", hash >> (16 * group) & 0xffff)).collect();
    Ok(format!(
        "/// The geometric product of Cl({p},{q},{r}) weighted by grade modulo {modulus}.\nstruct {name};\n\n\
         impl StraightLine for {name} {{\n    const HASH: u128 = 0x{};\n\n{}\n{}}}\n",
        digits.join("_"),
        forward::forward(&form),
        backward::backward(&form),
    ))
}

/// The plan of a product whose classes are grades, or several of them where the modulus is at most the dimension.
fn product([p, q, r]: [usize; 3], modulus: u32) -> Result<Plan, Failure> {
    let dim = p + q + r;
    let metric = Metric::from_signature(p, q, r)?;
    let basis = Basis::canonical(dim)?;
    let classes: Vec<Vec<u32>> =
        (0..modulus).map(|class| (class..=dim as u32).step_by(modulus as usize).collect()).collect();
    let partition = Partition::new(dim, &classes)?;
    Ok(Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&partition))?)
}
