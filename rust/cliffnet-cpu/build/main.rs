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

/// The signatures (p, q, r) of the algebras; the partition is that of single grades, the basis the canonical one.
const SIGNATURES: [[usize; 3]; 4] = [[2, 0, 0], [3, 0, 0], [1, 3, 0], [3, 0, 1]];

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() -> Result<(), Failure> {
    // cargo itself runs this again when the crates change that make the plans
    println!("cargo::rerun-if-changed=build");
    let mut items = Vec::new();
    let mut arms = Vec::new();
    for signature in SIGNATURES {
        let [p, q, r] = signature;
        items.push(implementation(&format!("Product{p}{q}{r}"), signature)?);
        arms.push(format!("        Product{p}{q}{r}::HASH => Some(C::kernels::<Product{p}{q}{r}>()),\n"));
    }
    items.push(format!(
        "/// The code of the plan with this content hash.\n\
         fn look_up<C: Compiler>(hash: u128) -> Option<WeightedKernels<C::Scalar>> {{\n    \
         match hash {{\n{}        _ => None,\n    }}\n}}\n",
        arms.concat(),
    ));
    let path = PathBuf::from(env::var("OUT_DIR")?).join("straight_line.rs");
    fs::write(path, items.join("\n"))?;
    Ok(())
}

/// The type of one product and its code.
fn implementation(name: &str, signature: [usize; 3]) -> Result<String, Failure> {
    let plan = product_by_grade(signature)?;
    let form = Form::new(&plan)?;
    let [p, q, r] = signature;
    let hash = plan.content_hash();
    let digits: Vec<String> = (0..8).rev().map(|group| format!("{:04x}", hash >> (16 * group) & 0xffff)).collect();
    Ok(format!(
        "/// The geometric product of Cl({p},{q},{r}) weighted by grade.\nstruct {name};\n\n\
         impl StraightLine for {name} {{\n    const HASH: u128 = 0x{};\n\n{}\n{}}}\n",
        digits.join("_"),
        forward::forward(&form),
        backward::backward(&form),
    ))
}

fn product_by_grade([p, q, r]: [usize; 3]) -> Result<Plan, Failure> {
    let dim = p + q + r;
    let metric = Metric::from_signature(p, q, r)?;
    let basis = Basis::canonical(dim)?;
    let grades: Vec<Vec<u32>> = (0..=dim as u32).map(|grade| vec![grade]).collect();
    let partition = Partition::new(dim, &grades)?;
    Ok(Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&partition))?)
}
