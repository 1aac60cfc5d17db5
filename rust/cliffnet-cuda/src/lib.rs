//! Turns plans into CUDA code, compiles it at run time and launches it.
//!
//! [`bilinear::source`] writes a kernel as text, [`Compiler`] is NVRTC, [`Cache`] keeps what it made on disk, and
//! [`Device`]s launch it through the driver. Libraries are opened when they are asked for: without a driver everything up
//! to the compiled kernel works, and nothing else of this crate is called.

pub mod attention;
pub mod bilinear;
mod cache;
pub mod class_gates;
mod classes;
mod driver;
mod engine;
mod error;
pub mod gated;
pub mod gates;
mod labels;
mod lanes;
mod leaf_kernel;
mod leaf_program;
mod leaf_tables;
mod library;
mod maker;
pub mod norms;
mod nvrtc;
mod offline;
mod operation;
pub mod pairs;
pub mod row_norms;
pub mod segment;
mod shape;
mod source;
mod storage;
mod tabled;
pub mod weighted;

pub use cache::{Cache, Entry};
pub use classes::{Classes, Function};
pub use driver::{Device, Driver, Stream};
pub use engine::{Engine, Key, Work};
pub use error::Error;
pub use lanes::{Axis, Lanes, MAX_PARAMETER_BYTES, Operand};
pub use library::Place;
pub use maker::{Made, Maker, Origin};
pub use nvrtc::{Compiled, Compiler};
pub use offline::Offline;
pub use operation::{Operation, Step};
pub use source::{Form, Source, Table};
pub use storage::Storage;
