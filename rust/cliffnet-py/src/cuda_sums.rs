//! Sums over rows of channels on CUDA devices: partial sums of chunks of rows, and their sums.

use cliffnet_cpu::DType;
use cliffnet_cuda::weighted::{self, Chunks};
use cliffnet_cuda::{Form, Key, Work};

use crate::cuda::{Accelerator, storage};
use crate::cuda_call::Call;
use crate::tensor::{Device, Tensor};
use crate::torch_abi::TorchFunctions;

/// Name of the kernel for the table of kernels.
const SUM: &str = "sum of chunks";

/// Where tensors are and what their elements are: torch's code of the dtype, and ours.
#[derive(Clone, Copy)]
pub(crate) struct Elements {
    pub(crate) device: Device,
    pub(crate) code: i32,
    pub(crate) dtype: DType,
}

impl Elements {
    fn of(call: &Call<'_>) -> Self {
        Self { device: call.device, code: call.code, dtype: call.dtype }
    }
}

/// Memory for the partial sums of the rows of a call: in each part some numbers for each chunk and channel.
pub(crate) struct PartialSums<'t> {
    elements: Elements,
    memory: Tensor<'t>,
    chunks: Chunks,
    /// Sizes of a sum.
    sizes: [i64; 2],
}

impl<'t> PartialSums<'t> {
    /// Memory for `parts` times `numbers` of every channel; channels are the last leading axis of the call.
    pub(crate) fn new(torch: &'t TorchFunctions, call: &Call<'t>, numbers: usize, parts: i64) -> Result<Self, String> {
        let channels = call.leading.last().copied().unwrap_or_default();
        let rows = call.leading[..call.leading.len().saturating_sub(1)].iter().product();
        Self::of(torch, Elements::of(call), Chunks::new(rows, channels), [channels, numbers as i64], parts)
    }

    /// Memory for `parts` times `sizes` numbers of every chunk: some for each of its channels.
    pub(crate) fn of(
        torch: &'t TorchFunctions,
        elements: Elements,
        chunks: Chunks,
        sizes: [i64; 2],
        parts: i64,
    ) -> Result<Self, String> {
        let memory = computed(torch, elements, parts * chunks.count * sizes[0] * sizes[1])?;
        Ok(Self { elements, memory, chunks, sizes })
    }

    /// The parameters of a kernel that fills the memory.
    pub(crate) fn parameters(&self) -> Result<[u64; 5], String> {
        Ok(self.chunks.parameters(self.memory.data()? as u64))
    }

    /// Threads of such a kernel with something to do.
    pub(crate) fn threads(&self) -> i64 {
        self.chunks.count * self.chunks.channels
    }

    /// Sums of a part over its chunks.
    ///
    /// # Safety
    /// A kernel on the current stream fills the memory.
    pub(crate) unsafe fn add_up(
        &self,
        torch: &'t TorchFunctions,
        accelerator: &Accelerator,
        part: i64,
    ) -> Result<Tensor<'t>, String> {
        let Self { chunks, sizes, elements: Elements { device, code, dtype }, .. } = self;
        let sums = sizes[0] * sizes[1];
        let out = Tensor::empty_on(torch, sizes, &[sizes[1].max(1), 1], *code, *device)?;
        let storage = storage(*dtype);
        let element = if *dtype == DType::F64 { 8 } else { 4 };
        let first = self.memory.data()? as u64 + (part * chunks.count * sums * element) as u64;
        let parameters = [first, out.data()? as u64, sums as u64, chunks.count as u64];
        let key = Key::new(SUM, &[], Form { storage, rank: 0, vectors: 0 });
        let work = Work { count: sums, parameters: &parameters };
        // SAFETY: the caller vouches for the partial sums, and the result was allocated for as many sums.
        unsafe { accelerator.run(key, *device, work, || weighted::sum_source(storage))? };
        Ok(out)
    }
}

/// Memory for numbers of the type that is computed in.
pub(crate) fn workspace<'t>(torch: &'t TorchFunctions, call: &Call<'t>, count: i64) -> Result<Tensor<'t>, String> {
    computed(torch, Elements::of(call), count)
}

fn computed(torch: &TorchFunctions, elements: Elements, count: i64) -> Result<Tensor<'_>, String> {
    let Elements { device, code, dtype } = elements;
    let compute = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let code = torch.dtypes.iter().find(|(_, dtype)| *dtype == compute).map_or(code, |(code, _)| *code);
    Tensor::empty_on(torch, &[count], &[1], code, device)
}
