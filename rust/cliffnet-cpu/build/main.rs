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

fn main() -> Result<(), Failure> {
    // the plans change with the crates that make them, on which cargo runs this again by itself
    env::var("CARGO_MANIFEST_DIR").map(|folder| cargo_reruns_for(&format!("{folder}/build")))?;
    let mut source = String::new();
    let mut arms = String::new();
    for signature in SIGNATURES {
        let [p, q, r] = signature;
        let plan = product_by_grade(signature)?;
        let form = Form::new(&plan)?;
        let functions = forward::forward(&form) + "\n" + &backward::backward(&form);
        source += &format!(
            "/// The geometric product of Cl({p},{q},{r}) weighted by grade.\nstruct Product{p}{q}{r};\n\n\
             impl StraightLine for Product{p}{q}{r} {{\n    const HASH: u128 = {:#034x};\n\n{functions}}}\n\n",
            plan.content_hash(),
        );
        arms += &format!("        Product{p}{q}{r}::HASH => Some(C::kernels::<Product{p}{q}{r}>()),\n");
    }
    source += &format!(
        "/// The code of the plan with this content hash.\n\
         fn look_up<C: Compiler>(hash: u128) -> Option<WeightedKernels<C::Scalar>> {{\n    \
         match hash {{\n{arms}        _ => None,\n    }}\n}}\n",
    );
    let path = PathBuf::from(env::var("OUT_DIR")?).join("straight_line.rs");
    fs::write(path, source)?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn cargo_reruns_for(path: &str) {
    println!("cargo::rerun-if-changed={path}");
}

fn product_by_grade([p, q, r]: [usize; 3]) -> Result<Plan, Failure> {
    let dim = p + q + r;
    let metric = Metric::from_signature(p, q, r)?;
    let basis = Basis::canonical(dim)?;
    let grades: Vec<Vec<u32>> = (0..=dim as u32).map(|grade| vec![grade]).collect();
    let partition = Partition::new(dim, &grades)?;
    Ok(Plan::product(ProductKind::Geometric, &metric, &basis, &basis, &basis, Some(&partition))?)
}
