//! The operator `cliffnet::bilinear(Tensor left, Tensor right, int plan) -> Tensor` on the CPU.

use std::any::Any;
use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};

use cliffnet_cpu::{Axis, Buffers, DType, Geometry, Isa, Program, execute, selected_isa, tile_lanes};
use cliffnet_plan::PlanId;

use crate::plans::unknown;
use crate::tensor::Tensor;
use crate::torch_abi::{BoxedKernel, LoopBody, StableValue, TensorHandle, TorchFunctions, functions};

/// Multiply-adds below which a call stays on the calling thread: waking the pool costs a few microseconds.
const SERIAL_WORK: i64 = 1 << 17;

/// Multiply-adds per chunk of a parallel loop.
const CHUNK_WORK: i64 = 1 << 16;

/// Programs by plan id; plans are never freed, so neither are these.
static PROGRAMS: LazyLock<RwLock<Programs>> = LazyLock::new(RwLock::default);

type Programs = HashMap<i64, Arc<Program>, BuildHasherDefault<IdHasher>>;

/// Plan ids are hashes already.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_i64(&mut self, id: i64) {
        self.0 = id as u64;
    }
}

/// The program of a plan, compiled on first use.
fn program(id: i64) -> Result<Arc<Program>, String> {
    if let Some(program) = PROGRAMS.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
        return Ok(Arc::clone(program));
    }
    let plan = PlanId::from_i64(id).and_then(cliffnet_plan::get_or_recover).ok_or_else(|| unknown(id))?;
    let program =
        Program::new(&plan).ok_or_else(|| format!("plan {id} is weighted; bilinear takes unweighted plans"))?;
    let mut programs = PROGRAMS.write().unwrap_or_else(PoisonError::into_inner);
    Ok(Arc::clone(programs.entry(id).or_insert_with(|| Arc::new(program))))
}

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
fn is_blade_major(sizes: &[i64], strides: &[i64]) -> bool {
    let last = sizes.len() - 1;
    if steps_densely(sizes, strides, 1) || sizes.contains(&0) {
        return false;
    }
    let plane: i64 = sizes[..last].iter().product();
    (sizes[last] == 1 || strides[last] == plane) && steps_densely(&sizes[..last], &strides[..last], 1)
}

/// Strides of a new tensor, contiguous or blade-major, as `torch.empty` counts them.
fn output_strides(sizes: &[i64], blade_major: bool) -> Vec<i64> {
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

/// Size of each leading axis after broadcasting, with room for one more axis.
fn broadcast(left: &[i64], right: &[i64]) -> Result<Vec<i64>, String> {
    let rank = left.len().max(right.len());
    let size = |sizes: &[i64], axis: usize| (axis + sizes.len()).checked_sub(rank).map_or(1, |index| sizes[index]);
    let mut leading = Vec::with_capacity(rank + 1);
    for axis in 0..rank {
        leading.push(match (size(left, axis), size(right, axis)) {
            (a, b) if a == b || b == 1 => a,
            (1, b) => b,
            _ => return Err(format!("leading shapes {left:?} and {right:?} do not broadcast")),
        });
    }
    Ok(leading)
}

/// Stride of `axis` (of `rank` leading axes) in a tensor of given leading sizes: 0 where it broadcasts.
fn broadcast_stride(sizes: &[i64], strides: &[i64], axis: usize, rank: usize) -> i64 {
    let leading = sizes.len() - 1;
    match (axis + leading).checked_sub(rank) {
        Some(index) if sizes[index] != 1 => strides[index],
        _ => 0,
    }
}

/// One call, ready to run in chunks.
pub(crate) struct Job {
    program: Arc<Program>,
    dtype: DType,
    isa: Isa,
    geometry: Geometry,
    buffers: Buffers,
    tiles: i64,
    work_per_tile: i64,
    /// Message of a panic in a chunk.
    panic: Mutex<Option<String>>,
}

// SAFETY: the pointers in `buffers` lead to tensors that the creator of the job keeps alive; nothing in it is tied to
// a thread.
unsafe impl Send for Job {}

impl Job {
    /// Whether waking other threads costs more than it saves.
    pub(crate) fn is_small(&self) -> bool {
        self.tiles == 1 || self.tiles.saturating_mul(self.work_per_tile) < SERIAL_WORK
    }

    /// Runs the job on the calling thread or, when it is large, on torch's thread pool.
    ///
    /// # Errors
    /// When torch fails to run the loop. A panic in a chunk is raised again here.
    pub(crate) fn run(mut self, torch: &TorchFunctions) -> Result<(), String> {
        if self.is_small() {
            self.run_tiles(0, self.tiles);
            return Ok(());
        }
        let grain = (CHUNK_WORK / self.work_per_tile).max(1);
        let body: LoopBody = run_chunk;
        let context = (&raw mut self).cast();
        // SAFETY: the loop returns only after all chunks have, and the job lives until then.
        let status = unsafe { (torch.parallel_for)(0, self.tiles, grain, body, context) };
        match self.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(message) => std::panic::resume_unwind(Box::new(message)),
            None if status != 0 => Err("torch failed to run a parallel loop".to_owned()),
            None => Ok(()),
        }
    }

    /// Runs tiles `begin..end`.
    fn run_tiles(&self, begin: i64, end: i64) {
        let tile = tile_lanes(self.dtype);
        let lanes = begin * tile..(end * tile).min(self.geometry.lanes());
        // SAFETY: `prepare` checked sizes against the program, took strides and pointers from tensors that the
        // caller keeps alive, and allocated the output itself; chunks are disjoint ranges of lanes.
        unsafe { execute(&self.program, self.dtype, self.isa, &self.geometry, self.buffers, lanes) };
    }
}

/// A chunk of a parallel loop; `context` is the [`Job`].
unsafe extern "C" fn run_chunk(begin: i64, end: i64, context: *mut c_void) {
    // SAFETY: parallel_for hands back the pointer to the job, which outlives the loop; chunks share it read-only.
    let job = unsafe { &*context.cast::<Job>() };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run_tiles(begin, end))) {
        *job.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic_message(payload.as_ref()));
    }
}

/// Text of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}

/// The output of the product of `left` and `right` by plan `id`, and the work that fills it, if there is any.
///
/// The job points into all three tensors: they must outlive it.
pub(crate) fn prepare<'t>(
    torch: &'t TorchFunctions,
    left: &Tensor<'_>,
    right: &Tensor<'_>,
    id: i64,
) -> Result<(Tensor<'t>, Option<Job>), String> {
    let program = program(id)?;
    let (code, dtype) = left.dtype()?;
    if right.dtype()?.0 != code {
        return Err("left and right have different dtypes".to_owned());
    }
    let (left_sizes, left_strides) = left.shape()?;
    let (right_sizes, right_strides) = right.shape()?;
    let ([left_leading @ .., left_blades], [right_leading @ .., right_blades]) = (left_sizes, right_sizes) else {
        return Err("expected tensors with a blade axis, got a 0-dimensional tensor".to_owned());
    };
    let expected = (program.left_size() as i64, program.right_size() as i64);
    if (*left_blades, *right_blades) != expected {
        return Err(format!(
            "last axes are {left_blades} and {right_blades}, but plan {id} multiplies {} by {} blades",
            expected.0, expected.1
        ));
    }
    let leading = broadcast(left_leading, right_leading)?;
    let blade_major = (left_leading == leading.as_slice() && is_blade_major(left_sizes, left_strides))
        || (right_leading == leading.as_slice() && is_blade_major(right_sizes, right_strides));
    let rank = leading.len();
    let mut sizes = leading;
    sizes.push(program.out_size() as i64);
    let strides = output_strides(&sizes, blade_major);
    let out = Tensor::empty(torch, &sizes, &strides, code)?;

    let geometry = Geometry::new((0..rank).map(|axis| Axis {
        size: sizes[axis],
        strides: [
            broadcast_stride(left_sizes, left_strides, axis, rank),
            broadcast_stride(right_sizes, right_strides, axis, rank),
            strides[axis],
        ],
    }));
    if geometry.lanes() == 0 || program.out_size() == 0 {
        return Ok((out, None));
    }
    if program.left_size() == 0 || program.right_size() == 0 {
        // such an operand may have no memory at all, and the sum over no terms is zero
        let bytes = geometry.lanes() as usize * program.out_size() * dtype.size();
        // SAFETY: the output was just allocated with that many bytes, without gaps, and all-zero bits are zeros.
        unsafe { out.data()?.write_bytes(0, bytes) };
        return Ok((out, None));
    }
    if !geometry.is_walkable() {
        return Err("more than 64 leading axes".to_owned());
    }
    let buffers = Buffers {
        left: left.data()?,
        right: right.data()?,
        out: out.data()?,
        blade_strides: [left_strides[left_sizes.len() - 1], right_strides[right_sizes.len() - 1], strides[rank]],
    };
    let isa = selected_isa().map_err(ToString::to_string)?;
    if [buffers.left, buffers.right, buffers.out.cast_const()].iter().any(|pointer| pointer.is_null()) {
        return Err("expected tensors with memory".to_owned());
    }
    let tile = tile_lanes(dtype);
    let work_per_tile = tile * (program.work() + program.left_size() + program.right_size()) as i64;
    let tiles = (geometry.lanes() + tile - 1) / tile;
    Ok((out, Some(Job { program, dtype, isa, geometry, buffers, tiles, work_per_tile, panic: Mutex::new(None) })))
}

/// Calls `body` with the arguments of a boxed kernel; errors and panics become torch errors.
///
/// # Safety
/// `stack` is that of a boxed kernel with at least one argument and one tensor as output; `body` takes its arguments.
unsafe fn boxed(stack: *mut StableValue, body: impl FnOnce(&'static TorchFunctions) -> Result<TensorHandle, String>) {
    let Some(torch) = functions() else { return };
    let message = match catch_unwind(AssertUnwindSafe(|| body(torch))) {
        Ok(Ok(handle)) => {
            // SAFETY: the dispatcher provides at least one slot for the output.
            unsafe { *stack = handle as StableValue };
            return;
        }
        Ok(Err(message)) => format!("cliffnet: {message}"),
        Err(payload) => format!("cliffnet internal error: {}", panic_message(payload.as_ref())),
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    // SAFETY: this is a boxed kernel; all owned tensors were dropped with the body.
    unsafe { torch.raise(&message) }
}

/// Boxed kernel of `cliffnet::bilinear`.
unsafe extern "C-unwind" fn bilinear_kernel(stack: *mut StableValue, _arguments: u64, _outputs: u64) {
    // SAFETY: the schema is (Tensor, Tensor, int) -> Tensor, so the first two slots own tensors.
    unsafe {
        boxed(stack, |torch| {
            let left = Tensor::from_handle(torch, *stack as TensorHandle);
            let right = Tensor::from_handle(torch, *stack.add(1) as TensorHandle);
            let plan = *stack.add(2) as i64;
            let (out, job) = prepare(torch, &left, &right, plan)?;
            job.map_or(Ok(()), |job| job.run(torch))?;
            Ok(out.into_handle())
        });
    }
}

/// Boxed kernel of `cliffnet::internal_error_probe`, which always panics: it exists so that users and tests can see
/// that a defect in native code surfaces as an exception.
unsafe extern "C-unwind" fn probe_kernel(stack: *mut StableValue, _arguments: u64, _outputs: u64) {
    // SAFETY: the schema is (Tensor) -> Tensor, so the first slot owns a tensor.
    unsafe {
        boxed(stack, |torch| {
            let _tensor = Tensor::from_handle(torch, *stack as TensorHandle);
            panic!("the probe was called")
        });
    }
}

/// Schema, name and CPU kernel of every operator.
///
/// `bilinear_kernel` is `bilinear` without the derivatives that Python registers for the latter: calling it skips the
/// Python code in between, which costs several microseconds.
pub(crate) const OPERATORS: [(&str, &str, BoxedKernel); 3] = [
    ("bilinear", "bilinear(Tensor left, Tensor right, int plan) -> Tensor", bilinear_kernel),
    ("bilinear_kernel", "bilinear_kernel(Tensor left, Tensor right, int plan) -> Tensor", bilinear_kernel),
    ("internal_error_probe", "internal_error_probe(Tensor input) -> Tensor", probe_kernel),
];

/// Defines the operators and their CPU kernels in torch's dispatcher.
///
/// # Errors
/// When torch refuses a definition.
pub(crate) fn register(torch: &TorchFunctions) -> Result<(), String> {
    let file = c"cliffnet".as_ptr();
    let (mut definitions, mut kernels) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: all strings are NUL-terminated and outlive the calls; torch keeps the two libraries for the life of
    // the process, and the kernels are functions of this library, which Python never unloads.
    unsafe {
        let mut status = (torch.init_fragment)(c"cliffnet".as_ptr(), file, 0, &raw mut definitions);
        status |= (torch.init_implementation)(c"cliffnet".as_ptr(), c"CPU".as_ptr(), file, 0, &raw mut kernels);
        if status != 0 {
            return Err("torch refused the operator library cliffnet".to_owned());
        }
        for (name, schema, kernel) in OPERATORS {
            let (name, schema) = (CString::new(name), CString::new(schema));
            let (Ok(name), Ok(schema)) = (name, schema) else { return Err("an operator name holds a NUL".to_owned()) };
            if (torch.define)(definitions, schema.as_ptr()) != 0
                || (torch.implement)(kernels, name.as_ptr(), kernel) != 0
            {
                return Err(format!("torch refused the operator {}", name.to_string_lossy()));
            }
        }
    }
    Ok(())
}
